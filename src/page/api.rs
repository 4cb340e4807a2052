//! The JSON API (design/api.md 4): what this version keeps is answered, all else refused with what works.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::State;
use super::answer::{self, Body, Refusal};
use super::meters::Limit;
use super::query::Query;
use super::{json, json_reuse, json_time};
use crate::merger::{Snapshot, Stopped, Table, windows};
use crate::tally::rollup::POINTS_MAX;
use crate::tally::{Dimension, Window};
use crate::view::matrix::Tables;

/// The paths that work.
pub const PATHS: [&str; 8] = [
    "/api/v1/summary",
    "/api/v1/top",
    "/api/v1/rank",
    "/api/v1/matrix",
    "/api/v1/series",
    "/api/v1/histogram",
    "/api/v1/nodes",
    "/api/v1/miss-ratio",
];

/// The paths of the contract that later versions answer.
const LATER: [&str; 3] = ["/api/v1/changes", "/api/v1/entries", "/api/v1/openapi.json"];

/// Most rows of an answer.
const MOST_ROWS: usize = 100_000;

/// Most rows, and columns, of a matrix.
const MOST_CELLS_A_SIDE: usize = 200;

/// Memory that all large answers together may hold while they are sent, in KiB.
pub const ANSWERS_KIB: usize = 128 << 10;

/// What a row takes of it, with a long key.
const ROW_BYTES: usize = 640;

/// Answers below this are not counted.
const SMALL: usize = 64 << 10;

/// How long a large answer waits until others are sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// True if this is the API's path to answer.
pub fn knows(path: &str) -> bool {
    PATHS.contains(&path) || LATER.contains(&path)
}

/// Answers a path that [`knows`] is true for.
///
/// # Errors
///
/// A [`Refusal`] says what is wrong with the question.
pub async fn answer(state: &Arc<State>, path: &str, query: Option<&str>) -> Result<Response<Body>, Refusal> {
    match path {
        "/api/v1/summary" => {
            let snapshot = state.handle.snapshot();
            let window = Query::parse(query, &[])?.window(kept(&snapshot))?;
            computed(state, 0, move || json::summary(&snapshot, window)).await
        }
        "/api/v1/top" => {
            let query = Query::parse(query, &["dimension", "measure", "limit", "offset"])?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let limit = query.number("limit", 1, MOST_ROWS, 100)?;
            let offset = query.number("offset", 0, u32::MAX as usize, 0)?;
            let (table, window) = in_window(state, dimension, &query).await?;
            let rows = limit.min(table.len().saturating_sub(offset));
            computed(state, rows, move || table.of(window).map(|table| json::top(&table, measure, offset, limit))).await
        }
        "/api/v1/rank" => {
            let query = Query::parse(query, &["dimension", "measure"])?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let (table, window) = in_window(state, dimension, &query).await?;
            computed(state, 0, move || table.of(window).map(|table| json::ranks(&table, measure))).await
        }
        "/api/v1/matrix" => {
            let query = Query::parse(query, &["rows", "columns", "measure", "n"])?;
            query.only("rows", Dimension::Site.name())?;
            query.only("columns", Dimension::Client.name())?;
            let measure = query.measure()?;
            let size = query.number("n", 1, MOST_CELLS_A_SIDE, 20)?;
            query.window(&[Window::Total])?;
            let [sites, clients, pairs] = of_one_tick(state).await?;
            computed(state, size * size, move || {
                let tables = Tables { sites: &sites, clients: &clients, pairs: &pairs };
                Some(json::matrix(&tables, measure, size))
            })
            .await
        }
        "/api/v1/series" => {
            let snapshot = state.handle.snapshot();
            let window = Query::parse(query, &[])?.window(timed(&snapshot)?)?;
            computed(state, POINTS_MAX, move || json_time::series(&snapshot, window)).await
        }
        "/api/v1/histogram" => {
            let snapshot = state.handle.snapshot();
            let query = Query::parse(query, &["of"])?;
            let window = query.window(timed(&snapshot)?)?;
            let of = json_time::Of::by_name(query.text("of").unwrap_or("time_ms"))
                .map_err(|text| Refusal::bad(text, json_time::Of::NAMES))?;
            computed(state, 0, move || json_time::histogram(&snapshot, window, of)).await
        }
        "/api/v1/nodes" => {
            let snapshot = state.handle.snapshot();
            let window = Query::parse(query, &[])?.window(kept(&snapshot))?;
            let rows = snapshot.nodes.len();
            computed(state, rows, move || json::nodes(&snapshot, window)).await
        }
        "/api/v1/miss-ratio" => {
            let snapshot = state.handle.snapshot();
            Query::parse(query, &[])?.window(&[Window::Total])?;
            if snapshot.reuse.is_none() {
                return Err(Refusal::bad("URLs are not sampled with --statistics base", PATHS));
            }
            computed(state, 0, move || json_reuse::curve(&snapshot)).await
        }
        _ => Err(Refusal::bad(format!("{path} is not part of this version"), PATHS)),
    }
}

/// The windows that are kept.
fn kept(snapshot: &Snapshot) -> &'static [Window] {
    if snapshot.history.is_some() { &Window::ALL } else { &[Window::Total] }
}

/// The same for what is kept by time only.
fn timed(snapshot: &Snapshot) -> Result<&'static [Window], Refusal> {
    match snapshot.history {
        Some(_) => Ok(&Window::ALL),
        None => Err(Refusal::bad("nothing is kept by time with --statistics base", PATHS)),
    }
}

/// A table since the start, and the snapshot in whose windows it can be had.
struct InWindow {
    table: Arc<Table>,
    snapshot: Arc<Snapshot>,
}

impl InWindow {
    fn len(&self) -> usize {
        self.table.len()
    }

    fn of(&self, window: Window) -> Option<Arc<Table>> {
        match window {
            Window::Total => Some(self.table.clone()),
            _ => windows::table(&self.snapshot, self.table.dimension, window),
        }
    }
}

async fn in_window(state: &Arc<State>, dimension: Dimension, query: &Query) -> Result<(InWindow, Window), Refusal> {
    let snapshot = state.handle.snapshot();
    // Windows of the large dimensions are not kept yet.
    let window = query.window(if dimension.is_small() { kept(&snapshot) } else { &[Window::Total] })?;
    Ok((InWindow { table: table(state, dimension).await?, snapshot }, window))
}

/// Sites, clients and their pairs, of the same tick: a tick may pass between two questions.
async fn of_one_tick(state: &Arc<State>) -> Result<[Arc<Table>; 3], Stopped> {
    loop {
        let sites = table(state, Dimension::Site).await?;
        let clients = table(state, Dimension::Client).await?;
        let pairs = table(state, Dimension::ClientSite).await?;
        if sites.tick == clients.tick && clients.tick == pairs.tick {
            return Ok([sites, clients, pairs]);
        }
    }
}

async fn table(state: &Arc<State>, dimension: Dimension) -> Result<Arc<Table>, Stopped> {
    state.handle.table(dimension).await
}

/// Makes an answer of about so many rows on the blocking pool, at most two at once.
async fn computed(
    state: &Arc<State>,
    rows: usize,
    make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let share = share(state, rows * ROW_BYTES).await?;
    let worker = state.hub.worker().await;
    let made = tokio::task::spawn_blocking(move || {
        let _worker = worker;
        make()
    });
    let failed = |text: &str| {
        tracing::error!("an answer could not be made: {text}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the engine's log says why")
    };
    let body = made.await.map_err(|error| failed(&error.to_string()))?.ok_or_else(|| failed("no such window"))?;
    Ok(answer::json(Body::with_share(body.into(), share)))
}

/// Takes a large answer's share of the memory for answers.
async fn share(state: &State, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    if bytes < SMALL {
        return Ok(None);
    }
    let kib = (bytes / 1024).min(ANSWERS_KIB) as u32;
    let share = state.answers.clone().acquire_many_owned(kib);
    match tokio::time::timeout(PATIENCE, share).await {
        Ok(share) => Ok(share.ok()),
        Err(_) => {
            state.meters.reached(Limit::Answers);
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "the limit answers ({} MiB of large answers being sent) is reached; ask again, or for fewer rows",
                    ANSWERS_KIB / 1024
                ),
            ))
        }
    }
}
