//! Looks after what isn't as usual: works it out once for each bucket of ten seconds, and finds the keys that explain it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

use crate::merger::{Handle, Snapshot, Stopped, Table, Whole};
use crate::view::detect::{self, Raised};
use crate::view::incident::{self, Incident, Named};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The worst first.
    pub incidents: Arc<Vec<Incident>>,
    /// Up to where buckets were judged, Unix seconds; 0 before the first.
    pub judged_to: u64,
}

/// The lookout: nobody waits for it but the hub, once a tick.
#[derive(Debug)]
pub struct Lookout {
    handle: Handle,
    found: Mutex<Found>,
    raised: Mutex<Vec<(Raised, Vec<Named>)>>,
}

impl Lookout {
    /// Nothing found yet.
    pub fn new(handle: Handle) -> Self {
        Self { handle, found: Mutex::default(), raised: Mutex::default() }
    }

    /// What was found last.
    pub fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on to a snapshot. `worker` is leave to compute, asked for once a bucket.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the merger has ended.
    pub async fn advance(
        &self,
        snapshot: &Arc<Snapshot>,
        worker: impl AsyncFn() -> OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        if snapshot.history.is_none() {
            return Ok(());
        }
        let judged_to = incident::judged_to(snapshot);
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if judged_to != self.found().judged_to {
            let (leave, judged) = (worker().await, snapshot.clone());
            let found = tokio::task::spawn_blocking(move || {
                let _leave = leave;
                judged.history.as_ref().map(|history| detect::detect(history, judged_to)).unwrap_or_default()
            });
            let found = found.await.unwrap_or_else(|error| {
                tracing::error!(%error, "what changed could not be computed");
                Vec::new()
            });
            raised = self.explained(snapshot, known(found, &raised), judged_to, &worker).await?;
            self.raised.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&raised);
        }
        let incidents = Arc::new(incident::incidents(&raised, &snapshot.nodes));
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Found { incidents, judged_to };
        Ok(())
    }

    /// Finds what explains the signals that stand, anew each time.
    async fn explained(
        &self,
        snapshot: &Arc<Snapshot>,
        mut raised: Vec<(Raised, Vec<Named>)>,
        judged_to: u64,
        worker: &impl AsyncFn() -> OwnedSemaphorePermit,
    ) -> Result<Vec<(Raised, Vec<Named>)>, Stopped> {
        let stands = |(raised, named): &(Raised, Vec<Named>)| raised.until.is_none() || named.is_empty();
        if !raised.iter().any(stands) {
            return Ok(raised);
        }
        let mut wholes = Vec::new();
        for dimension in incident::DIMENSIONS {
            wholes.push(self.handle.dimension(dimension, snapshot).await?);
        }
        let leave = worker().await;
        let explained = tokio::task::spawn_blocking(move || {
            let _leave = leave;
            for one in raised.iter_mut().filter(|one| stands(one)) {
                let named = incident::explain(&one.0, &tables(&wholes, &one.0, judged_to));
                // What explained it before is better than nothing, once its time is kept no more.
                if !named.is_empty() || one.0.until.is_none() {
                    one.1 = named;
                }
            }
            raised
        });
        Ok(explained.await.unwrap_or_else(|error| {
            tracing::error!(%error, "what explains a change could not be computed");
            Vec::new()
        }))
    }
}

/// The tables of a signal's time, and of the time before; those that lack one are left out.
fn tables(wholes: &[Whole], raised: &Raised, judged_to: u64) -> Vec<(Arc<Table>, Arc<Table>)> {
    let [during, before] = incident::times(raised, judged_to);
    wholes.iter().filter_map(|whole| Some((whole.table(during)?, whole.table_before(before)?))).collect()
}

/// What is found again keeps its beginning and what explained it: with time, less is kept to find these by.
fn known(found: Vec<Raised>, before: &[(Raised, Vec<Named>)]) -> Vec<(Raised, Vec<Named>)> {
    const CLOSE: u64 = 120;
    let again = |one: Raised| {
        let same =
            |(old, _): &&(Raised, Vec<Named>)| old.signal == one.signal && old.bucket.abs_diff(one.bucket) <= CLOSE;
        match before.iter().find(same) {
            Some((old, named)) => {
                let (bucket, since) = (old.bucket, old.since);
                (Raised { bucket, since, ..one }, named.clone())
            }
            None => (one, Vec::new()),
        }
    };
    found.into_iter().map(again).collect()
}
