//! The JSON API (design/api.md 4): what this version keeps is answered, all else refused with what works.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::State;
use super::answer::{self, Body, Refusal};
use super::guard::shortened;
use super::json_changes::Limits;
use super::json_entries::Wish;
use super::meters::Limit;
use super::query::{self, Query};
use super::scope::{self, Place, Scope, stamped};
use super::sheet::{self, Sheet};
use super::{
    json, json_changes, json_entries, json_health, json_nodes, json_profile, json_quality, json_reuse, json_time,
};
use crate::merger::{Snapshot, Stopped, Table, Whole, windows};
use crate::tally::profile::{PROFILED, has_profiles};
use crate::tally::records::Order;
use crate::tally::rollup::POINTS_MAX;
use crate::tally::{Dimension, Filter, Period, Window};
use crate::view::{Key, kept, matrix::Tables};

/// The paths that work.
pub const PATHS: [&str; 16] = [
    "/api/v1/summary",
    "/api/v1/top",
    "/api/v1/rank",
    "/api/v1/matrix",
    "/api/v1/series",
    "/api/v1/histogram",
    "/api/v1/nodes",
    "/api/v1/miss-ratio",
    "/api/v1/entries",
    "/api/v1/changes",
    "/api/v1/newcomers",
    "/api/v1/origins",
    "/api/v1/skew",
    "/api/v1/cache",
    "/api/v1/quality",
    "/api/v1/openapi.json",
];

/// All paths and answers, as OpenAPI 3.1; `tests/openapi` holds real answers against it.
const OPENAPI: &[u8] = include_bytes!("openapi.json");

const JSON: &str = "application/json";

/// Most rows of an answer.
const MOST_ROWS: usize = 100_000;

/// Most records of an answer.
const MOST_ENTRIES: usize = 1000;

/// What one of them takes, in rows.
const ENTRY_ROWS: usize = 4;

/// Most rows, and columns, of a matrix.
const MOST_CELLS_A_SIDE: usize = 200;

/// Most keys of each dimension in what changed.
const MOST_CHANGES: usize = 10_000;

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
    PATHS.contains(&path)
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
            let expected = state.info.expect_nodes;
            match scope::place(state, &query)? {
                Place::Live(Scope { snapshot, since }) => {
                    let period = period(&query, kept_windows(&snapshot), &snapshot)?;
                    let make = move || json::summary(&snapshot, period, expected);
                    computed(state, 0, Form::Json, stamped(since, make)).await
                }
                Place::Kept(filter) => {
                    let snapshot = state.handle.snapshot();
                    let period = period(&query, kept_windows(&snapshot), &snapshot)?;
                    kept_summary(state, &filter, period).await
                }
            }
        }
        "/api/v1/top" => {
            let query = Query::parse(query, &["dimension", "measure", "limit", "offset"])?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let limit = query.number("limit", 1, MOST_ROWS, 100)?;
            let offset = query.number("offset", 0, u32::MAX as usize, 0)?;
            let (made, period, since, snapshot) = profiled(state, dimension, &query).await?;
            // No more rows than there are keys since the start.
            let keys = usize::try_from(state.handle.snapshot().keys[dimension as usize].0).unwrap_or(limit);
            let rows = limit.min(keys.saturating_sub(offset));
            let make = move || {
                let before = made.table_before(period);
                let (table, shown) = (made.table(period)?, (offset, limit));
                let profiles = snapshot.as_ref().and_then(|snapshot| snapshot.profiles.as_ref());
                Some(json::top(&table, before.as_deref(), profiles, measure, shown))
            };
            computed(state, rows, form(Sheet::top(dimension)), stamped(since, make)).await
        }
        "/api/v1/rank" => {
            let query = Query::parse(query, &["dimension", "measure"])?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let (made, period, since) = in_period(state, dimension, &query).await?;
            let make = move || made.table(period).map(|table| json::ranks(&table, measure));
            computed(state, 0, form(Sheet::rank()), stamped(since, make)).await
        }
        "/api/v1/matrix" => {
            let query = Query::parse(query, &["rows", "columns", "measure", "n"])?;
            query.only("rows", Dimension::Site.name())?;
            query.only("columns", Dimension::Client.name())?;
            let measure = query.measure()?;
            let size = query.number("n", 1, MOST_CELLS_A_SIDE, 20)?;
            let ([sites, clients, pairs], period, since) = of_one_tick(state, &query).await?;
            let make = move || {
                let (sites, clients, pairs) = (sites.table(period)?, clients.table(period)?, pairs.table(period)?);
                let tables = Tables { sites: &sites, clients: &clients, pairs: &pairs };
                Some(json::matrix(&tables, measure, size))
            };
            computed(state, size * size, form(Sheet::matrix()), stamped(since, make)).await
        }
        "/api/v1/series" => {
            let query = Query::parse(query, &["dimension", "key"])?;
            timed(&state.handle.snapshot())?;
            if query.text("dimension").is_some() || query.text("key").is_some() {
                let dimension = query.dimension()?;
                let (key, raw) = query.key(dimension)?;
                let Scope { snapshot, since } = scope::live(state, &query)?;
                let (made, period, _) = in_period(state, dimension, &query).await?;
                let Made::Whole(whole) = made else { return Err(scope::only_live(state, &query)) };
                return answered(state, POINTS_MAX, form(Sheet::series()), move || {
                    let Some(series) = whole.series(&raw, period) else { return Ok(None) };
                    if !series.is_known {
                        return Err(unknown_key(dimension, &key));
                    }
                    let make = move || {
                        Some(json_time::key_series(&snapshot, &whole, (dimension, &key, &raw), &series, period))
                    };
                    Ok(stamped(since, make)())
                })
                .await;
            }
            let Scope { snapshot, since } = scope::live(state, &query)?;
            let period = period(&query, timed(&snapshot)?, &snapshot)?;
            let make = move || json_time::series(&snapshot, period);
            computed(state, POINTS_MAX, form(Sheet::series()), stamped(since, make)).await
        }
        "/api/v1/histogram" => {
            let query = Query::parse(query, &["of", "dimension", "key"])?;
            timed(&state.handle.snapshot())?;
            let of = json_time::Of::by_name(query.text("of").unwrap_or("time_ms"))
                .map_err(|text| Refusal::bad(text, json_time::Of::NAMES))?;
            let Scope { snapshot, since } = scope::live(state, &query)?;
            let period = period(&query, timed(&snapshot)?, &snapshot)?;
            if query.text("dimension").is_some() || query.text("key").is_some() {
                let dimension = query.dimension()?;
                let (key, raw) = query.key(dimension)?;
                if of != json_time::Of::TimeMs || query.filter().is_some() || !has_profiles(dimension) {
                    return Err(no_distribution());
                }
                let (Made::Whole(whole), period, _, Some(snapshot)) = profiled(state, dimension, &query).await? else {
                    return Err(no_distribution());
                };
                return answered(state, 0, form(Sheet::histogram()), move || {
                    if let Some(made) = json_profile::histogram(&snapshot, (dimension, &key, &raw), period) {
                        return Ok(Some(made));
                    }
                    let is_known = whole.series(&raw, period).is_some_and(|series| series.is_known);
                    Err(if is_known { no_distribution() } else { unknown_key(dimension, &key) })
                })
                .await;
            }
            let make = move || json_time::histogram(&snapshot, period, of);
            computed(state, 0, form(Sheet::histogram()), stamped(since, make)).await
        }
        "/api/v1/nodes" => {
            let query = Query::parse(query, &[])?;
            let Scope { snapshot, since } = scope::live(state, &query)?;
            let period = period(&query, kept_windows(&snapshot), &snapshot)?;
            let rows = snapshot.nodes.len();
            let make = move || json_nodes::nodes(&snapshot, period);
            computed(state, rows, form(Sheet::nodes()), stamped(since, make)).await
        }
        "/api/v1/entries" => {
            let snapshot = state.handle.snapshot();
            let query = Query::parse(query, &["order", "limit"])?;
            let period = period(&query, timed(&snapshot)?, &snapshot)?;
            let order = query.text("order").map_or(Ok(Order::default()), |name| {
                let allowed = Order::ALL.map(Order::name);
                Order::by_name(name)
                    .ok_or_else(|| Refusal::bad(format!("there is no order \"{}\"", shortened(name)), allowed))
            })?;
            let limit = query.number("limit", 1, MOST_ENTRIES, 100)?;
            if state.info.rules.mask.is_some() {
                let text = "no records are kept with --mask-clients: an entry as it came has its client's address";
                return Err(Refusal::bad(text, PATHS));
            }
            let wish = Wish { period, order, limit, filter: query.filter().cloned(), rules: state.info.rules.clone() };
            let (pool, zone) = (state.handle.records().await?, state.zone.clone());
            let make = move || json_entries::entries(&snapshot, &pool, &wish, &zone);
            computed(state, limit * ENTRY_ROWS, form(Sheet::entries()), make).await
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
        "/api/v1/changes" => changes(state, query, form(Sheet::changes())).await,
        "/api/v1/newcomers" => {
            let query = Query::parse(query, &["dimension", "measure", "floor", "factor", "limit"])?.unfiltered()?;
            let (dimension, measure) = (query.dimension()?, query.measure()?);
            let limits = Limits {
                floor: query.number("floor", 1, u32::MAX as usize, 10)? as u64,
                factor: query.number("factor", 2, 1_000_000, 5)? as f64,
                rows: query.number("limit", 1, MOST_ROWS, 100)?,
            };
            timed(&state.handle.snapshot())?;
            query.window(&[Window::Minute])?;
            let (whole, _) = whole_in_period(state, dimension, &Query::parse(None, &[])?).await?;
            let make = move || {
                let [minute, hour, ever] =
                    [Window::Minute, Window::Hour, Window::Total].map(|window| whole.table(window));
                Some(json_changes::newcomers(&*minute?, &*hour?, &*ever?, measure, limits))
            };
            computed(state, limits.rows.min(1000), form(Sheet::newcomers()), make).await
        }
        "/api/v1/origins" => {
            let query = Query::parse(query, &["limit"])?.unfiltered()?;
            let limit = query.number("limit", 1, MOST_ROWS, 100)?;
            timed(&state.handle.snapshot())?;
            let (Made::Whole(whole), period, _, snapshot) = profiled(state, Dimension::Server, &query).await? else {
                return Err(scope::only_live(state, &query));
            };
            let make = move || {
                let profiles = snapshot.as_ref().and_then(|snapshot| snapshot.profiles.as_ref());
                Some(json_health::origins(&*whole.table(period)?, &*whole.table(Window::Hour)?, profiles, limit))
            };
            computed(state, limit.min(1000), form(Sheet::origins()), make).await
        }
        "/api/v1/skew" => {
            let (whole, period) =
                whole_in_period(state, Dimension::Node, &Query::parse(query, &[])?.unfiltered()?).await?;
            let make = move || whole.table(period).map(|nodes| json_health::skew(&nodes));
            computed(state, 0, form(Sheet::skew()), make).await
        }
        "/api/v1/cache" => {
            let snapshot = state.handle.snapshot();
            let (whole, period) =
                whole_in_period(state, Dimension::Result, &Query::parse(query, &[])?.unfiltered()?).await?;
            let make = move || whole.table(period).map(|results| json_health::cache(&snapshot, &results));
            computed(state, 0, Form::Json, make).await
        }
        "/api/v1/quality" => {
            query::nothing_asked(query)?;
            let (snapshot, meters) = (state.handle.snapshot(), state.meters.clone());
            let make = move || Some(json_quality::quality(&snapshot, &meters));
            computed(state, 0, Form::Json, make).await
        }
        _ => Err(Refusal::bad(format!("{path} is not part of this version"), PATHS)),
    }
}

/// `/api/v1/changes`.
async fn changes(state: &Arc<State>, query: Option<&str>, form: Form) -> Result<Response<Body>, Refusal> {
    /// Where an operator looks first.
    const USUAL: [Dimension; 4] = [Dimension::Site, Dimension::Client, Dimension::Node, Dimension::Status];
    /// There is nothing before the start; the first is what is meant where none is given.
    const WINDOWS: [Window; 4] = [Window::TenMinutes, Window::Minute, Window::Hour, Window::Day];

    let query = Query::parse(query, &["dimension", "measure", "limit"])?.unfiltered()?;
    let snapshot = state.handle.snapshot();
    timed(&snapshot)?;
    let period = period(&query, &WINDOWS, &snapshot)?;
    let measure = query.measure()?;
    let limit = query.number("limit", 1, MOST_CHANGES, 10)?;
    let dimensions = match query.text("dimension") {
        Some(_) => vec![query.dimension()?],
        None => USUAL.to_vec(),
    };
    let mut wholes = Vec::new();
    for dimension in dimensions {
        wholes.push(state.handle.dimension(dimension, &snapshot).await?);
    }
    let found = state.hub.found();
    computed(state, limit * wholes.len(), form, move || {
        let total = windows::total(&snapshot, period)?;
        let before = windows::total_before(&snapshot, period);
        let tables: Vec<_> =
            wholes.iter().filter_map(|whole| Some((whole.table(period)?, whole.table_before(period)?))).collect();
        let known = (found.incidents.as_slice(), found.judged_to);
        Some(json_changes::changes(&snapshot, (total, before), &tables, measure, limit, known))
    })
    .await
}

/// The windows that are kept.
fn kept_windows(snapshot: &Snapshot) -> &'static [Window] {
    if snapshot.history.is_some() { &Window::ALL } else { &[Window::Total] }
}

/// The same for what is kept by time only.
fn timed(snapshot: &Snapshot) -> Result<&'static [Window], Refusal> {
    match snapshot.history {
        Some(_) => Ok(&Window::ALL),
        None => Err(Refusal::bad("nothing is kept by time with --statistics base", PATHS)),
    }
}

/// The window or interval that is asked for.
fn period(query: &Query, kept: &[Window], snapshot: &Snapshot) -> Result<Period, Refusal> {
    let oldest = snapshot.history.as_ref().and_then(|history| history.oldest(snapshot.as_of));
    query.period(kept, oldest, snapshot.as_of)
}

/// A key that nobody has asked for.
fn unknown_key(dimension: Dimension, key: &Key) -> Refusal {
    let key = match key {
        Key::One(text) => text.clone(),
        Key::Pair(texts) => texts.join(" "),
    };
    let text = format!(
        "no request of {} \"{}\" is kept, neither in this time nor since the start",
        dimension.name(),
        shortened(&key)
    );
    Refusal::new(StatusCode::NOT_FOUND, text)
}

/// That a distribution is not kept.
fn no_distribution() -> Refusal {
    let kept = PROFILED.map(Dimension::name).join(", ");
    let text = format!(
        "distributions are kept of all requests, of live filters, and, of times, of the keys of {kept} that have the most requests; \
         leave out dimension and key, open a filter of the key, or ask for the key's series: it has time_ms / timed, the mean time, and \
         bytes / requests"
    );
    let refusal = Refusal::new(StatusCode::CONFLICT, text);
    Refusal { allowed: vec!["/api/v1/series?dimension=…&key=…".into()], ..refusal }
}

/// What tables are made of.
enum Made {
    /// A dimension in all windows.
    Whole(Whole),
    /// A table of one window or interval, for a filter, from kept ones.
    Kept(Arc<Table>),
}

impl Made {
    fn table(&self, period: Period) -> Option<Arc<Table>> {
        match self {
            Self::Whole(whole) => whole.table(period),
            Self::Kept(table) => Some(table.clone()),
        }
    }

    /// Of the time of equal length before, where that is known.
    fn table_before(&self, period: Period) -> Option<Arc<Table>> {
        match self {
            Self::Whole(whole) => whole.table_before(period),
            Self::Kept(_) => None,
        }
    }

    fn tick(&self) -> u64 {
        match self {
            Self::Whole(whole) => whole.tick(),
            Self::Kept(table) => table.tick,
        }
    }
}

/// A dimension, the window or interval that is asked for, and since when its filter counts.
async fn in_period(
    state: &Arc<State>,
    dimension: Dimension,
    query: &Query,
) -> Result<(Made, Period, Option<u64>), Refusal> {
    let snapshot = asked_of(state, query)?;
    let period = period(query, kept_windows(&snapshot), &snapshot)?;
    if snapshot.history.is_none() && !Dimension::BASE.contains(&dimension) {
        let text = format!("dimension {} is not kept with --statistics base", dimension.name());
        return Err(Refusal::bad(text, Dimension::BASE.map(Dimension::name)));
    }
    let (made, since) = made(state, dimension, query, period).await?;
    Ok((made, period, since))
}

/// The same with the snapshot whose profiles are of the same full tick; `None` where a filter's table is made of kept ones.
async fn profiled(
    state: &Arc<State>,
    dimension: Dimension,
    query: &Query,
) -> Result<(Made, Period, Option<u64>, Option<Arc<Snapshot>>), Refusal> {
    loop {
        let (made, period, since) = in_period(state, dimension, query).await?;
        let snapshot = match &made {
            Made::Whole(Whole::Small(_, snapshot)) => Some(snapshot.clone()),
            Made::Whole(Whole::Large(_, large)) => {
                let snapshot = asked_of(state, query)?;
                // A tick may pass between two questions.
                if snapshot.full_tick != large.tick {
                    continue;
                }
                Some(snapshot)
            }
            Made::Kept(_) => None,
        };
        return Ok((made, period, since, snapshot));
    }
}

/// The same where nothing is asked of a filter.
async fn whole_in_period(state: &Arc<State>, dimension: Dimension, query: &Query) -> Result<(Whole, Period), Refusal> {
    match in_period(state, dimension, query).await? {
        (Made::Whole(whole), period, _) => Ok((whole, period)),
        (Made::Kept(_), ..) => Err(scope::only_live(state, query)),
    }
}

/// The snapshot whose windows and intervals are meant: of a live filter, or of all entries.
fn asked_of(state: &State, query: &Query) -> Result<Arc<Snapshot>, Refusal> {
    Ok(match scope::place(state, query)? {
        Place::Live(scope) => scope.snapshot,
        Place::Kept(_) => state.handle.snapshot(),
    })
}

/// A dimension of all entries or of those that a filter takes, and since when that counts.
async fn made(
    state: &Arc<State>,
    dimension: Dimension,
    query: &Query,
    period: Period,
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
            let table = scope::kept_table(state, &filter, dimension, period).await?;
            let since = table.covered.from;
            Ok((Made::Kept(table), Some(since)))
        }
    }
}

/// Sites, clients and their pairs, of the same tick: a tick may pass between two questions.
async fn of_one_tick(state: &Arc<State>, query: &Query) -> Result<([Made; 3], Period, Option<u64>), Refusal> {
    let snapshot = asked_of(state, query)?;
    let period = period(query, kept_windows(&snapshot), &snapshot)?;
    loop {
        let (sites, since) = made(state, Dimension::Site, query, period).await?;
        let (clients, _) = made(state, Dimension::Client, query, period).await?;
        let (pairs, _) = made(state, Dimension::ClientSite, query, period).await?;
        if sites.tick() == clients.tick() && clients.tick() == pairs.tick() {
            return Ok(([sites, clients, pairs], period, since));
        }
    }
}

/// The summary of a filter from kept tables.
async fn kept_summary(state: &Arc<State>, filter: &Filter, period: Period) -> Result<Response<Body>, Refusal> {
    let Some(kind) = kept::kind(filter) else { return Err(scope::not_live(state, filter)) };
    let table = scope::kept_table(state, filter, kind, period).await?;
    let since_start = scope::kept_table(state, filter, kind, Window::Total).await?;
    let mut others = Vec::new();
    for dimension in json::UNIQUES {
        if kept::source(kind, dimension).is_some()
            && let Ok(other) = scope::kept_table(state, filter, dimension, period).await
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
    answered(state, rows, form, move || Ok(make())).await
}

/// The same, of what may be refused once it is looked for.
async fn answered(
    state: &Arc<State>,
    rows: usize,
    form: Form,
    make: impl FnOnce() -> Result<Option<Vec<u8>>, Refusal> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    let share = share(state, rows * ROW_BYTES).await?;
    let worker = state.hub.worker().await;
    let content_type = match form {
        Form::Json => JSON,
        Form::Csv(_) => sheet::CONTENT_TYPE,
    };
    let made = tokio::task::spawn_blocking(move || {
        let _worker = worker;
        Ok::<_, Refusal>(match (make()?, form) {
            (Some(json), Form::Csv(sheet)) => sheet.write(&json).ok(),
            (made, _) => made,
        })
    });
    let failed = |text: &str| {
        tracing::error!("an answer could not be made: {text}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the engine's log says why")
    };
    let body = made.await.map_err(|error| failed(&error.to_string()))??.ok_or_else(|| failed("no such window"))?;
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
