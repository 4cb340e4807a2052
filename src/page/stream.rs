#![doc = include_str!("stream.md")]

use serde::Serialize;
use serde_json::{Map, Value};

use super::guard::shortened;
use crate::tally::{Dimension, Filter, Measure, Window};
use crate::view::{Info, Subscription};

/// The protocol's number.
pub const PROTOCOL: u32 = 1;

/// What can be subscribed to.
pub const KINDS: [&str; 6] = ["status", "table", "rank", "matrix", "series", "changes"];

/// What streams can be ranked by.
const MEASURES: [Measure; 5] = [Measure::Requests, Measure::Bytes, Measure::Misses, Measure::Errors, Measure::TimeMs];

/// Most rows of a view.
const MOST_ROWS: u64 = 200;

/// A message of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Show that under that number.
    Subscribe {
        /// The page's number.
        view: u16,
        /// What to show, or why it can't be.
        wanted: Result<Subscription, Refused>,
        /// Of which entries; `None`: of all.
        filter: Option<Filter>,
    },
    /// Show it no more.
    Drop {
        /// The page's number.
        view: u16,
    },
}

/// Why a view is refused, and what would not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub reason: String,
    /// What is allowed in its place.
    pub allowed: Vec<String>,
}

impl Refused {
    /// A refusal; `allowed` would not have been refused.
    pub fn new<T: Into<String>>(reason: impl Into<String>, allowed: impl IntoIterator<Item = T>) -> Self {
        Self { reason: reason.into(), allowed: allowed.into_iter().map(Into::into).collect() }
    }
}

impl Control {
    /// Reads a text frame. Unknown fields are skipped.
    ///
    /// # Errors
    ///
    /// A text that says why the frame is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let message: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("not a JSON object: {}", shortened(&error.to_string())))?;
        let view = |fields: &Value| {
            fields
                .get("view")
                .and_then(Value::as_u64)
                .and_then(|view| u16::try_from(view).ok())
                .ok_or("view must be a number from 0 to 65535")
        };
        match (message.get("subscribe"), message.get("drop")) {
            (Some(fields), None) => {
                let (wanted, filter) = match (subscription(fields), filter(fields)) {
                    (Ok(wanted), Ok(filter)) => (Ok(wanted), filter),
                    (Err(refused), _) | (_, Err(refused)) => (Err(refused), None),
                };
                Ok(Self::Subscribe { view: view(fields)?, wanted, filter })
            }
            (None, Some(fields)) => Ok(Self::Drop { view: view(fields)? }),
            _ => Err("a message is either {\"subscribe\": {…}} or {\"drop\": {…}}".to_owned()),
        }
    }
}

fn subscription(fields: &Value) -> Result<Subscription, Refused> {
    let kind = text(fields, "kind")?.unwrap_or("");
    match kind {
        "status" => return Ok(Subscription::Status),
        "changes" => return Ok(Subscription::Changes),
        _ => {}
    }
    if !KINDS.contains(&kind) {
        let reason = format!("kind \"{}\" is not known", shortened(kind));
        return Err(Refused::new(reason, KINDS));
    }
    let window = window(fields)?;
    let measure = measure(fields)?;
    match kind {
        "series" => Ok(Subscription::Series { window }),
        "table" => Ok(Subscription::Table {
            dimension: dimension(fields)?,
            measure,
            window,
            first: number(fields, "first", u32::MAX.into(), 1)? as u32,
            rows: number(fields, "rows", MOST_ROWS, 12)? as u16,
        }),
        "rank" => Ok(Subscription::Rank { dimension: dimension(fields)?, measure, window }),
        _ => {
            let pair = Dimension::ClientSite.name();
            match text(fields, "dimension")? {
                Some(name) if name == pair => {
                    let size = number(fields, "rows", MOST_ROWS, 20)? as u16;
                    Ok(Subscription::Matrix { measure, window, size })
                }
                name => Err(unknown("dimension", name, [pair])),
            }
        }
    }
}

/// What of it to show; the status is of the engine, whatever the filter.
fn filter(fields: &Value) -> Result<Option<Filter>, Refused> {
    let refused = || Refused::new("filters must be a list of texts kind:value", [""; 0]);
    let texts = match fields.get("filters") {
        None | Some(Value::Null) => return Ok(None),
        _ if fields.get("kind").and_then(Value::as_str) == Some("status") => return Ok(None),
        Some(Value::Array(filters)) => filters.iter().map(|text| text.as_str().ok_or_else(refused)),
        Some(_) => return Err(refused()),
    };
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    Filter::parse(texts).map_err(|error| Refused::new(error.reason, error.allowed))
}

fn window(fields: &Value) -> Result<Window, Refused> {
    let name = text(fields, "window")?.unwrap_or("total");
    Window::by_name(name)
        .ok_or_else(|| Refused::new(format!("window {} is not kept", shortened(name)), Window::ALL.map(Window::name)))
}

fn measure(fields: &Value) -> Result<Measure, Refused> {
    let name = text(fields, "measure")?.unwrap_or("requests");
    MEASURES
        .into_iter()
        .find(|measure| measure.name() == name)
        .ok_or_else(|| unknown("measure", Some(name), MEASURES.map(Measure::name)))
}

fn dimension(fields: &Value) -> Result<Dimension, Refused> {
    let single = || Dimension::ALL.into_iter().filter(|dimension| *dimension != Dimension::ClientSite);
    let name = text(fields, "dimension")?;
    single()
        .find(|dimension| Some(dimension.name()) == name)
        .ok_or_else(|| unknown("dimension", name, single().map(Dimension::name)))
}

fn unknown<'a>(field: &str, name: Option<&str>, allowed: impl IntoIterator<Item = &'a str>) -> Refused {
    let reason = match name {
        Some(name) => format!("{field} {} is not kept", shortened(name)),
        None => format!("{field} is needed"),
    };
    Refused::new(reason, allowed)
}

/// A text field; `null` is as good as none.
fn text<'a>(fields: &'a Value, name: &str) -> Result<Option<&'a str>, Refused> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::new(format!("{name} must be a text"), [""; 0])),
    }
}

fn number(fields: &Value, name: &str, most: u64, default: u64) -> Result<u64, Refused> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_u64().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
            let range = format!("1 to {most}");
            Refused::new(format!("{name} must be a number from {range}"), [range])
        }),
    }
}

/// The engine's first message; `now` is its clock in ms.
pub fn hello(info: &Info, now: u64) -> String {
    #[derive(Serialize)]
    struct Hello<'a> {
        version: &'a str,
        protocol: u32,
        start: &'a str,
        now: f64,
        kinds: [&'static str; 6],
        name: &'a str,
    }
    #[derive(Serialize)]
    struct Message<'a> {
        hello: Hello<'a>,
    }
    json(&Message {
        hello: Hello {
            version: &info.version,
            protocol: PROTOCOL,
            start: &info.start,
            now: now as f64 / 1000.0,
            kinds: KINDS,
            name: &info.host_name,
        },
    })
}

/// That a view is shown by a stream; with filters, since when they count (Unix seconds).
pub fn accepted(view: u16, stream: u64, since: Option<f64>) -> String {
    match since {
        None => json(&serde_json::json!({ "view": view, "stream": stream })),
        Some(since) => json(&serde_json::json!({ "view": view, "stream": stream, "since": since })),
    }
}

/// That a view is not shown.
pub fn refused(view: u16, refused: &Refused) -> String {
    let Refused { reason, allowed } = refused;
    json(&serde_json::json!({ "view": view, "refused": reason, "allowed": allowed }))
}

/// That a message is not understood.
pub fn error(reason: &str) -> String {
    json(&serde_json::json!({ "error": reason }))
}

fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("texts and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fields: &str) -> Result<Subscription, Refused> {
        match Control::parse(&format!(r#"{{"subscribe": {{"view": 3, {fields}}}}}"#)) {
            Ok(Control::Subscribe { view: 3, wanted, .. }) => wanted,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn subscriptions_have_defaults_and_skip_unknown_fields() {
        assert_eq!(wanted(r#""kind": "status", "shine": [1]"#), Ok(Subscription::Status));
        let table = Subscription::Table {
            dimension: Dimension::Site,
            measure: Measure::Requests,
            window: Window::Total,
            first: 1,
            rows: 12,
        };
        assert_eq!(wanted(r#""kind": "table", "dimension": "site""#), Ok(table));
        let spelt = r#""kind": "table", "dimension": "site", "measure": "requests", "window": "total",
                       "first": 1, "rows": 12, "filters": [], "colour": "blue""#;
        assert_eq!(wanted(spelt), Ok(table));
        assert_eq!(
            wanted(r#""kind": "rank", "dimension": "client", "measure": "time_ms""#),
            Ok(Subscription::Rank { dimension: Dimension::Client, measure: Measure::TimeMs, window: Window::Total })
        );
        assert_eq!(
            wanted(r#""kind": "matrix", "dimension": "client,site""#),
            Ok(Subscription::Matrix { measure: Measure::Requests, window: Window::Total, size: 20 })
        );
    }

    #[test]
    fn filters_are_of_all_kinds_but_the_status() {
        let filter = |kind: &str| {
            let text = format!(r#"{{"subscribe": {{"view": 3, {kind}, "filters": ["status:404", "site:a"]}}}}"#);
            match Control::parse(&text) {
                Ok(Control::Subscribe { wanted: Ok(_), filter, .. }) => filter,
                other => panic!("{other:?}"),
            }
        };
        let expected = Filter::parse(["site:a", "status:404"]).unwrap();
        for kind in [
            r#""kind": "table", "dimension": "site""#,
            r#""kind": "rank", "dimension": "site""#,
            r#""kind": "matrix", "dimension": "client,site""#,
            r#""kind": "series""#,
        ] {
            assert_eq!(filter(kind), expected);
        }
        assert_eq!(filter(r#""kind": "status""#), None);
    }

    #[test]
    fn all_kinds_have_all_windows() {
        for window in Window::ALL {
            let name = window.name();
            assert_eq!(
                wanted(&format!(r#""kind": "series", "window": "{name}""#)),
                Ok(Subscription::Series { window })
            );
            let rank = wanted(&format!(r#""kind": "rank", "dimension": "status", "window": "{name}""#));
            let expected = Subscription::Rank { dimension: Dimension::Status, measure: Measure::Requests, window };
            assert_eq!(rank, Ok(expected));
            let matrix = wanted(&format!(r#""kind": "matrix", "dimension": "client,site", "window": "{name}""#));
            assert_eq!(matrix, Ok(Subscription::Matrix { measure: Measure::Requests, window, size: 20 }));
        }
    }

    #[test]
    fn refusals_name_what_would_do() {
        for (fields, reason, allowed) in [
            (r#""kind": "serie""#, "kind \"serie\"", "status"),
            (r#""kind": "series", "window": "2h""#, "window 2h is not kept", "total"),
            (r#""rows": 1"#, "kind", "status"),
            (r#""kind": 7"#, "kind must be a text", ""),
            (r#""kind": "table""#, "dimension is needed", "client"),
            (r#""kind": "table", "dimension": "client,site""#, "dimension client,site", "client"),
            (r#""kind": "matrix", "dimension": "site""#, "dimension site", "client,site"),
            (r#""kind": "table", "dimension": "site", "window": "1 h""#, "window 1 h is not kept", "total"),
            (r#""kind": "table", "dimension": "site", "measure": "hits""#, "measure hits", "requests"),
            (r#""kind": "table", "dimension": "site", "rows": 201"#, "rows", "1 to 200"),
            (r#""kind": "table", "dimension": "site", "first": 0"#, "first", "1 to 4294967295"),
            (r#""kind": "table", "dimension": "site", "rows": 1.5"#, "rows", "1 to 200"),
            (r#""kind": "rank", "dimension": "site", "filters": "site:a""#, "filters", ""),
            (r#""kind": "rank", "dimension": "site", "filters": [7]"#, "filters", ""),
            (r#""kind": "series", "filters": ["sites:a"]"#, "no filter kind \"sites\"", "client"),
            (r#""kind": "matrix", "dimension": "client,site", "filters": ["status:x"]"#, "\"x\" is no value", "200"),
        ] {
            let refused = wanted(fields).unwrap_err();
            assert!(refused.reason.contains(reason), "{fields}: {refused:?}");
            assert_eq!(refused.allowed.first().map_or("", String::as_str), allowed, "{fields}");
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for text in [
            "",
            "[]",
            "null",
            "{",
            "{}",
            r#"{"subscribe": {}}"#,
            r#"{"subscribe": 3}"#,
            r#"{"subscribe": {"view": 65536, "kind": "status"}}"#,
            r#"{"subscribe": {"view": -1, "kind": "status"}}"#,
            r#"{"subscribe": {"view": "3", "kind": "status"}}"#,
            r#"{"drop": {}}"#,
            r#"{"drop": {"view": 3}, "subscribe": {"view": 3}}"#,
            &"[".repeat(16_000),
        ] {
            assert!(Control::parse(text).is_err(), "{text}");
        }
        assert_eq!(Control::parse(r#"{"drop": {"view": 3, "why": 0}, "x": 1}"#), Ok(Control::Drop { view: 3 }));
    }

    #[test]
    fn answers_have_the_written_names() {
        let info =
            Info { version: "0.1.0".into(), start: "5f1c".into(), host_name: "edge-eu".into(), ..Info::default() };
        assert_eq!(
            hello(&info, 1_795_460_493_123),
            r#"{"hello":{"version":"0.1.0","protocol":1,"start":"5f1c","now":1795460493.123,"kinds":["status","table","rank","matrix","series","changes"],"name":"edge-eu"}}"#
        );
        let value = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
        assert_eq!(value(accepted(3, 17, None)), serde_json::json!({"view": 3, "stream": 17}));
        let filtered = serde_json::json!({"view": 3, "stream": 17, "since": 1.5});
        assert_eq!(value(accepted(3, 17, Some(1.5))), filtered);
        assert_eq!(
            value(refused(3, &Refused::new("no", ["total"]))),
            serde_json::json!({"view": 3, "refused": "no", "allowed": ["total"]})
        );
        assert_eq!(value(error("what?")), serde_json::json!({"error": "what?"}));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_understood_or_an_error(
            text in "\\PC{0,60}",
            field in "view|kind|dimension|measure|window|first|rows|filters",
            value in "null|true|-1|1e9|\"x\"|\\[\\]|\\[7\\]|\\{\\}|99999999999999999999",
        ) {
            let _ = Control::parse(&text);
            let message = format!(
                r#"{{"subscribe": {{"view": 1, "kind": "table", "dimension": "site", "{field}": {value}}}}}"#
            );
            let _ = Control::parse(&message);
        }
    }
}
