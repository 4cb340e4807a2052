//! What a question is about: all entries, or those that a filter takes (design/api.md 5).

use std::sync::Arc;

use hyper::StatusCode;

use super::State;
use super::answer::Refusal;
use super::json::seconds;
use super::meters::Limit;
use super::query::Query;
use crate::merger::{Snapshot, Table};
use crate::tally::{Dimension, Filter, Period};
use crate::view::kept;

/// The snapshot to answer from.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Of all entries, or of a live filter.
    pub snapshot: Arc<Snapshot>,
    /// Since when the filter counts, ms; `None` without one.
    pub since: Option<u64>,
}

/// Where the answer to a question is.
pub enum Place {
    /// In a snapshot.
    Live(Scope),
    /// In none: kept tables may hold it.
    Kept(Filter),
}

/// Finds where the answer is.
///
/// # Errors
///
/// 400, if the filter is of what `--statistics base` doesn't keep.
pub fn place(state: &State, query: &Query) -> Result<Place, Refusal> {
    let snapshot = state.handle.snapshot();
    let Some(filter) = query.filter() else { return Ok(Place::Live(Scope { snapshot, since: None })) };
    if snapshot.history.is_none() && !filter.is_of_base() {
        let kept = Dimension::BASE.into_iter().filter(|dimension| dimension.pair().is_none());
        return Err(Refusal::bad("--statistics base does not keep that kind of filter", kept.map(Dimension::name)));
    }
    Ok(match snapshot.of_filter(filter) {
        Some(filtered) => {
            let snapshot = filtered.snapshot.clone();
            Place::Live(Scope { since: Some(snapshot.started), snapshot })
        }
        None => Place::Kept(filter.clone()),
    })
}

/// The same where no kept table could hold it.
///
/// # Errors
///
/// 409, if the filter isn't live; 503, if it couldn't be.
pub fn live(state: &State, query: &Query) -> Result<Scope, Refusal> {
    match place(state, query)? {
        Place::Live(scope) => Ok(scope),
        Place::Kept(filter) => Err(not_live(state, &filter)),
    }
}

/// That a filter is not live, and what would do.
pub fn not_live(state: &State, filter: &Filter) -> Refusal {
    if !state.handle.snapshot().has_room_for_filters {
        state.meters.reached(Limit::Filters);
        let text = "the limit filters is reached, and all live filters are being looked at: close one, or start with a higher \
                    --max-filters or --memory";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let mut allowed = vec![
        format!("a live view: {{\"subscribe\": {{…, \"filters\": […]}}}} on /ws with {filter}"),
        format!("--filter '{filter}' at the start"),
    ];
    if let Some(kind) = kept::kind(filter) {
        let kept = Dimension::ALL.into_iter().filter(|asked| kept::source(kind, *asked).is_some());
        allowed.extend(kept.map(|asked| format!("/api/v1/top?dimension={}", asked.name())));
        allowed.push("/api/v1/summary".to_owned());
    }
    let text = "nothing is counted for this filter yet, and the tables of all entries do not hold this answer exactly: open a live view \
                of it, which is counted from then on";
    Refusal { allowed, ..Refusal::new(StatusCode::CONFLICT, text) }
}

/// That only a live filter could answer.
pub fn only_live(state: &State, query: &Query) -> Refusal {
    match live(state, query) {
        Err(refusal) => refusal,
        // It became live just now.
        Ok(_) => Refusal::new(StatusCode::CONFLICT, "the filter became live just now; ask again"),
    }
}

/// The table of a dimension for a filter, from the tables of all entries.
///
/// # Errors
///
/// 409 or 503 as [`live`], if they don't hold it.
pub async fn kept_table(
    state: &Arc<State>,
    filter: &Filter,
    asked: Dimension,
    period: impl Into<Period>,
) -> Result<Arc<Table>, Refusal> {
    let (snapshot, period) = (state.handle.snapshot(), period.into());
    let source = kept::kind(filter).and_then(|kind| kept::source(kind, asked));
    let source = source.filter(|source| snapshot.history.is_some() || Dimension::BASE.contains(source));
    let Some(source) = source else { return Err(not_live(state, filter)) };
    let whole = state.handle.dimension(source, &snapshot).await?;
    let worker = state.hub.worker().await;
    let of = filter.clone();
    let made = tokio::task::spawn_blocking(move || {
        let _worker = worker;
        whole.table(period).and_then(|table| kept::table(&table, asked, &of))
    });
    let table = made.await.ok().flatten();
    table.map(Arc::new).ok_or_else(|| not_live(state, filter))
}

/// Says in an answer, which is an object, since when its filter counts (ms).
pub fn stamped(
    since: Option<u64>,
    make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
) -> impl FnOnce() -> Option<Vec<u8>> + Send + 'static {
    move || {
        let mut answer = make()?;
        if let Some(since) = since {
            let member = format!("\"since\":{:?},", seconds(since));
            answer.splice(1..1, member.into_bytes());
        }
        Some(answer)
    }
}
