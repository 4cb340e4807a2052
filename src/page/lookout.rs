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

/// A signal, and the keys that explain it.
#[derive(Clone, Debug)]
struct Known {
    raised: Raised,
    named: Vec<Named>,
    /// These were looked for.
    explained: bool,
}

impl Known {
    /// True while what explains it may change, or was never looked for: once it is over, its time is kept less and less finely.
    fn is_open(&self, judged_to: u64) -> bool {
        const SETTLED: u64 = 60;
        !self.explained || self.raised.until.is_none_or(|until| judged_to < until + SETTLED)
    }
}

/// The lookout: nobody waits for it but the hub, once a tick.
#[derive(Debug)]
pub struct Lookout {
    handle: Handle,
    found: Mutex<Found>,
    raised: Mutex<Vec<Known>>,
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
        let told: Vec<(Raised, Vec<Named>)> = raised.into_iter().map(|one| (one.raised, one.named)).collect();
        let incidents = Arc::new(incident::incidents(&told, &snapshot.nodes));
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Found { incidents, judged_to };
        Ok(())
    }

    /// Finds what explains the signals that stand, anew each time, and once what explains others.
    async fn explained(
        &self,
        snapshot: &Arc<Snapshot>,
        mut known: Vec<Known>,
        judged_to: u64,
        worker: &impl AsyncFn() -> OwnedSemaphorePermit,
    ) -> Result<Vec<Known>, Stopped> {
        if !known.iter().any(|one| one.is_open(judged_to)) {
            return Ok(known);
        }
        let mut wholes = Vec::new();
        for dimension in incident::DIMENSIONS {
            wholes.push(self.handle.dimension(dimension, snapshot).await?);
        }
        let leave = worker().await;
        let explained = tokio::task::spawn_blocking(move || {
            let _leave = leave;
            for one in known.iter_mut().filter(|one| one.is_open(judged_to)) {
                one.named = incident::explain(&one.raised, &tables(&wholes, &one.raised, judged_to));
                one.explained = true;
            }
            known
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
fn known(found: Vec<Raised>, before: &[Known]) -> Vec<Known> {
    const CLOSE: u64 = 120;
    let again = |one: Raised| {
        let same = |old: &&Known| old.raised.signal == one.signal && old.raised.bucket.abs_diff(one.bucket) <= CLOSE;
        match before.iter().find(same) {
            Some(old) => {
                let (bucket, since) = (old.raised.bucket, old.raised.since);
                Known { raised: Raised { bucket, since, ..one }, ..old.clone() }
            }
            None => Known { raised: one, named: Vec::new(), explained: false },
        }
    };
    found.into_iter().map(again).collect()
}
