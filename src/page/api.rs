//! The JSON API (design/api.md 4): what this version keeps is answered, all else refused with what works.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::State;
use super::answer::{self, Body, Refusal};
use super::meters::Limit;
use super::query::{self, Query};
use super::scope::{self, Place, Scope, stamped};
use super::sheet::{self, Sheet};
use super::{json, json_nodes, json_reuse, json_time};
use crate::merger::{Snapshot, Stopped, Table, Whole};
use crate::tally::rollup::POINTS_MAX;
use crate::tally::{Dimension, Filter, Window};
use crate::view::{kept, matrix::Tables};

/// The paths that work.
pub const PATHS: [&str; 9] = [
    "/api/v1/summary",
    "/api/v1/top",
    "/api/v1/rank",
    "/api/v1/matrix",
    "/api/v1/series",
    "/api/v1/histogram",
    "/api/v1/nodes",
    "/api/v1/miss-ratio",
    "/api/v1/openapi.json",
];

/// The paths of the contract that later versions answer.
const LATER: [&str; 2] = ["/api/v1/changes", "/api/v1/entries"];

/// All paths and answers, as OpenAPI 3.1; `tests/openapi` holds real answers against it.
const OPENAPI: &[u8] = include_bytes!("openapi.json");

const JSON: &str = "application/json";

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

/// What is asked of a path.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The part of the URL behind `?`.
    pub query: Option<&'a str>,
    /// CSV in place of JSON, where the answer has rows.
    pub is_for_csv: bool,
}

/// How an answer is sent.
enum Form {
    Json,
    Csv(Sheet),
}

/// Answers a path that [`knows`] is true for.
///
/// # Errors
///
/// A [`Refusal`] says what is wrong with the question.
pub async fn answer(state: &Arc<State>, path: &str, question: Question<'_>) -> Result<Response<Body>, Refusal> {
    let query = question.query;
    let form = |sheet: Sheet| if question.is_for_csv { Form::Csv(sheet) } else { Form::Json };
    match path {
        "/api/v1/summary" => {
            let query = Query::parse(query, &[])?;
            let window = query.window(windows(&state.handle.snapshot()))?;
            let expected = state.info.expect_nodes;
            match scope::place(state, &query)? {
                Place::Live(Scope { snapshot, since }) => {
                    let make = move || json::summary(&snapshot, window, expected);
                    computed(state, 0, Form::Json, stamped(since, make)).await
                }
                Place::Kept(filter) => kept_summary(state, &filter, window).await,
            }
        }
        "/api/v1/top" => {
            let query = Query::parse(query, &["dimension", "measure", "limit", "offset"])?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let limit = query.number("limit", 1, MOST_ROWS, 100)?;
            let offset = query.number("offset", 0, u32::MAX as usize, 0)?;
            let (made, window, since) = in_window(state, dimension, &query).await?;
            // No more rows than there are keys since the start.
            let keys = usize::try_from(state.handle.snapshot().keys[dimension as usize].0).unwrap_or(limit);
            let rows = limit.min(keys.saturating_sub(offset));
            let make = move || made.table(window).map(|table| json::top(&table, measure, offset, limit));
            computed(state, rows, form(Sheet::top(dimension)), stamped(since, make)).await
        }
        "/api/v1/rank" => {
            let query = Query::parse(query, &["dimension", "measure"])?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let (made, window, since) = in_window(state, dimension, &query).await?;
            let make = move || made.table(window).map(|table| json::ranks(&table, measure));
            computed(state, 0, form(Sheet::rank()), stamped(since, make)).await
        }
        "/api/v1/matrix" => {
            let query = Query::parse(query, &["rows", "columns", "measure", "n"])?;
            query.only("rows", Dimension::Site.name())?;
            query.only("columns", Dimension::Client.name())?;
            let measure = query.measure()?;
            let size = query.number("n", 1, MOST_CELLS_A_SIDE, 20)?;
            let window = query.window(windows(&state.handle.snapshot()))?;
            let ([sites, clients, pairs], since) = of_one_tick(state, &query, window).await?;
            let make = move || {
                let (sites, clients, pairs) = (sites.table(window)?, clients.table(window)?, pairs.table(window)?);
                let tables = Tables { sites: &sites, clients: &clients, pairs: &pairs };
                Some(json::matrix(&tables, measure, size))
            };
            computed(state, size * size, form(Sheet::matrix()), stamped(since, make)).await
        }
        "/api/v1/series" => {
            let query = Query::parse(query, &[])?;
            let window = query.window(timed(&state.handle.snapshot())?)?;
            let Scope { snapshot, since } = scope::live(state, &query)?;
            let make = move || json_time::series(&snapshot, window);
            computed(state, POINTS_MAX, form(Sheet::series()), stamped(since, make)).await
        }
        "/api/v1/histogram" => {
            let query = Query::parse(query, &["of"])?;
            let window = query.window(timed(&state.handle.snapshot())?)?;
            let of = json_time::Of::by_name(query.text("of").unwrap_or("time_ms"))
                .map_err(|text| Refusal::bad(text, json_time::Of::NAMES))?;
            let Scope { snapshot, since } = scope::live(state, &query)?;
            let make = move || json_time::histogram(&snapshot, window, of);
            computed(state, 0, form(Sheet::histogram()), stamped(since, make)).await
        }
        "/api/v1/nodes" => {
            let query = Query::parse(query, &[])?;
            let window = query.window(windows(&state.handle.snapshot()))?;
            let Scope { snapshot, since } = scope::live(state, &query)?;
            let rows = snapshot.nodes.len();
            let make = move || json_nodes::nodes(&snapshot, window);
            computed(state, rows, form(Sheet::nodes()), stamped(since, make)).await
        }
        "/api/v1/openapi.json" => {
            query::nothing_asked(query)?;
            Ok(answer::answer(StatusCode::OK, JSON, None, OPENAPI))
        }
        "/api/v1/miss-ratio" => {
            let snapshot = state.handle.snapshot();
            Query::parse(query, &[])?.unfiltered()?.window(&[Window::Total])?;
            if snapshot.reuse.is_none() {
                return Err(Refusal::bad("URLs are not sampled with --statistics base", PATHS));
            }
            computed(state, 0, form(Sheet::miss_ratio()), move || json_reuse::curve(&snapshot)).await
        }
        _ => Err(Refusal::bad(format!("{path} is not part of this version"), PATHS)),
    }
}

/// The windows that are kept.
fn windows(snapshot: &Snapshot) -> &'static [Window] {
    if snapshot.history.is_some() { &Window::ALL } else { &[Window::Total] }
}

/// The same for what is kept by time only.
fn timed(snapshot: &Snapshot) -> Result<&'static [Window], Refusal> {
    match snapshot.history {
        Some(_) => Ok(&Window::ALL),
        None => Err(Refusal::bad("nothing is kept by time with --statistics base", PATHS)),
    }
}

/// What tables are made of.
enum Made {
    /// A dimension in all windows.
    Whole(Whole),
    /// A table of one window, for a filter, from kept ones.
    Kept(Arc<Table>),
}

impl Made {
    fn table(&self, window: Window) -> Option<Arc<Table>> {
        match self {
            Self::Whole(whole) => whole.table(window),
            Self::Kept(table) => Some(table.clone()),
        }
    }

    fn tick(&self) -> u64 {
        match self {
            Self::Whole(whole) => whole.tick(),
            Self::Kept(table) => table.tick,
        }
    }
}

/// A dimension, the window that is asked for, and since when its filter counts.
async fn in_window(
    state: &Arc<State>,
    dimension: Dimension,
    query: &Query,
) -> Result<(Made, Window, Option<u64>), Refusal> {
    let snapshot = state.handle.snapshot();
    let window = query.window(windows(&snapshot))?;
    if snapshot.history.is_none() && !Dimension::BASE.contains(&dimension) {
        let text = format!("dimension {} is not kept with --statistics base", dimension.name());
        return Err(Refusal::bad(text, Dimension::BASE.map(Dimension::name)));
    }
    let (made, since) = made(state, dimension, query, window).await?;
    Ok((made, window, since))
}

/// A dimension of all entries or of those that a filter takes, and since when that counts.
async fn made(
    state: &Arc<State>,
    dimension: Dimension,
    query: &Query,
    window: Window,
) -> Result<(Made, Option<u64>), Refusal> {
    match (scope::place(state, query)?, query.filter()) {
        (Place::Live(Scope { snapshot, since }), filter) => {
            match (state.handle.dimension(dimension, &snapshot).await, filter) {
                (Ok(whole), _) => Ok((Made::Whole(whole), since)),
                // It has gone just now; or all ends.
                (Err(Stopped), Some(filter)) if state.handle.snapshot().of_filter(filter).is_none() => {
                    Err(scope::not_live(state, filter))
                }
                (Err(stopped), _) => Err(stopped.into()),
            }
        }
        (Place::Kept(filter), _) => {
            let table = scope::kept_table(state, &filter, dimension, window).await?;
            let since = table.covered.from;
            Ok((Made::Kept(table), Some(since)))
        }
    }
}

/// Sites, clients and their pairs, of the same tick: a tick may pass between two questions.
async fn of_one_tick(state: &Arc<State>, query: &Query, window: Window) -> Result<([Made; 3], Option<u64>), Refusal> {
    loop {
        let (sites, since) = made(state, Dimension::Site, query, window).await?;
        let (clients, _) = made(state, Dimension::Client, query, window).await?;
        let (pairs, _) = made(state, Dimension::ClientSite, query, window).await?;
        if sites.tick() == clients.tick() && clients.tick() == pairs.tick() {
            return Ok(([sites, clients, pairs], since));
        }
    }
}

/// The summary of a filter from kept tables.
async fn kept_summary(state: &Arc<State>, filter: &Filter, window: Window) -> Result<Response<Body>, Refusal> {
    let Some(kind) = kept::kind(filter) else { return Err(scope::not_live(state, filter)) };
    let table = scope::kept_table(state, filter, kind, window).await?;
    let since_start = scope::kept_table(state, filter, kind, Window::Total).await?;
    let mut others = Vec::new();
    for dimension in json::UNIQUES {
        if kept::source(kind, dimension).is_some()
            && let Ok(other) = scope::kept_table(state, filter, dimension, window).await
        {
            others.push(other);
        }
    }
    let (snapshot, expected, since) = (state.handle.snapshot(), state.info.expect_nodes, Some(table.covered.from));
    let make = move || Some(json::summary_of(&snapshot, &table, &since_start, &others, expected));
    computed(state, 0, Form::Json, stamped(since, make)).await
}

/// Makes an answer of about so many rows on the blocking pool, at most two at once.
async fn computed(
    state: &Arc<State>,
    rows: usize,
    form: Form,
    make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let share = share(state, rows * ROW_BYTES).await?;
    let worker = state.hub.worker().await;
    let content_type = match form {
        Form::Json => JSON,
        Form::Csv(_) => sheet::CONTENT_TYPE,
    };
    let made = tokio::task::spawn_blocking(move || {
        let _worker = worker;
        match (make(), form) {
            (Some(json), Form::Csv(sheet)) => sheet.write(&json).ok(),
            (made, _) => made,
        }
    });
    let failed = |text: &str| {
        tracing::error!("an answer could not be made: {text}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the engine's log says why")
    };
    let body = made.await.map_err(|error| failed(&error.to_string()))?.ok_or_else(|| failed("no such window"))?;
    Ok(answer::answer(StatusCode::OK, content_type, None, Body::with_share(body.into(), share)))
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
