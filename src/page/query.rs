//! The query of a request, taken strictly: every parameter is known, there once, and decoded once.

use super::answer::Refusal;
use super::guard::shortened;
use crate::tally::{Dimension, Filter, Measure, Period, Window};
use crate::view::{Key, key};

/// The parameters of one request.
#[derive(Debug)]
pub struct Query {
    given: Vec<(&'static str, String)>,
    filter: Option<Filter>,
}

impl Query {
    /// Parses `query`, which may hold the parameters `known`, besides `window`, `from` and `to`, and `filter` any number of times.
    ///
    /// # Errors
    ///
    /// 400, if a parameter is unknown, there twice, not decodable or not kept.
    pub fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Refusal> {
        let mut given: Vec<(&'static str, String)> = Vec::new();
        let mut filters = Vec::new();
        for part in query.unwrap_or("").split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(Refusal::bad(
                    format!("\"{}\" is not percent-encoded UTF-8; write % as %25", shortened(part)),
                    NOTHING,
                ));
            };
            if name == "filter" {
                filters.push(value);
                continue;
            }
            let all = known.iter().chain(&["window", "from", "to"]);
            let Some(name) = all.clone().find(|known| **known == name) else {
                return Err(Refusal::bad(format!("there is no parameter \"{}\" here", shortened(&name)), all.copied()));
            };
            if given.iter().any(|(before, _)| before == name) {
                return Err(Refusal::bad(format!("the parameter {name} is there twice; give it once"), NOTHING));
            }
            given.push((name, value));
        }
        let filter = Filter::parse(filters.iter().map(String::as_str));
        Ok(Self { given, filter: filter.map_err(|error| Refusal::bad(error.reason, error.allowed))? })
    }

    /// The filter, if one is given.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Checks that no filter is given.
    ///
    /// # Errors
    ///
    /// 400, if one is.
    pub fn unfiltered(self) -> Result<Self, Refusal> {
        match self.filter {
            None => Ok(self),
            Some(_) => Err(Refusal::bad("this path is about all entries; leave out filter=", NOTHING)),
        }
    }

    /// The window, which must be among those that are kept; the first of them where none is given.
    ///
    /// # Errors
    ///
    /// 400, if it is another.
    pub fn window(&self, kept: &[Window]) -> Result<Window, Refusal> {
        if let Some(name) = ["from", "to"].into_iter().find(|name| self.text(name).is_some()) {
            let kept = kept.iter().map(|window| format!("window={}", window.name()));
            return Err(Refusal::bad(format!("no intervals are kept of this; leave out {name}="), kept));
        }
        let Some(name) = self.text("window") else { return Ok(kept.first().copied().unwrap_or_default()) };
        kept.iter().copied().find(|window| window.name() == name).ok_or_else(|| {
            let kept = kept.iter().map(|window| window.name());
            Refusal::bad(format!("window \"{}\" is not kept", shortened(name)), kept)
        })
    }

    /// The window, as [`Self::window`] has it, or the interval `from=` to `to=` (without it: to now), which must be within what is kept:
    /// from `oldest` (ms since the epoch; `None` before the first entry) to `now`. What of it is later than now is left out.
    ///
    /// # Errors
    ///
    /// 400, if it is neither, or both.
    pub fn period(&self, kept: &[Window], oldest: Option<u64>, now: u64) -> Result<Period, Refusal> {
        let Some(from) = self.moment("from")? else {
            if self.text("to").is_some() {
                return Err(Refusal::bad("to needs from: the start of the interval, Unix seconds", ["from=…&to=…"]));
            }
            return self.window(kept).map(Period::Window);
        };
        if self.text("window").is_some() {
            return Err(Refusal::bad("window and from are two ways to say when; give one of them", NOTHING));
        }
        if kept == [Window::Total] {
            return Err(Refusal::bad(
                "no intervals are kept with --statistics base; leave out from=",
                ["window=total"],
            ));
        }
        let to = self.moment("to")?.unwrap_or(now.max(from).saturating_add(1));
        if to <= from {
            return Err(Refusal::bad("the interval is empty: from must be before to", NOTHING));
        }
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let oldest = oldest.unwrap_or(now).min(now);
        let reach = now.saturating_sub(Window::Day.seconds().unwrap_or(0) * 1000);
        if from > now || to <= oldest || from < reach - reach % MINUTE_MS {
            let kept = format!("from={}&to={}", seconds(oldest.max(reach)), seconds(now));
            let text = "the interval is not kept; kept are the last 24 hours, as far as there were entries";
            return Err(Refusal::bad(text, [kept]));
        }
        Ok(Period::Between(from, to.min(now.saturating_add(1))))
    }

    /// A moment in ms since the epoch, given as Unix seconds with up to three decimals.
    fn moment(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let known = (digits(whole) && digits(part) && part.len() <= 3).then(|| {
            let whole: u64 = whole.parse().ok()?;
            let part: u64 = format!("{part:0<3}").parse().ok()?;
            Some(whole * 1000 + part)
        });
        known.flatten().map(Some).ok_or_else(|| {
            Refusal::bad(
                format!("{name} is \"{}\", which is not a moment in Unix seconds", shortened(text)),
                ["seconds since 1970, with up to 3 decimals"],
            )
        })
    }

    /// The raw key of a dimension, which must be given: as rows have it, of a pair as an array of two.
    ///
    /// # Errors
    ///
    /// 400, if there is none, or no key of that dimension looks so.
    pub fn key(&self, dimension: Dimension) -> Result<(Key, Vec<u8>), Refusal> {
        let example = if dimension.pair().is_some() { "key=[\"…\",\"…\"]" } else { "key=…" };
        let Some(text) = self.text("key") else {
            return Err(Refusal::bad(format!("the parameter key is needed: one {}", dimension.name()), [example]));
        };
        let key = match dimension.pair() {
            None => Some(Key::One(text.to_owned())),
            Some(_) => serde_json::from_str(text).ok().map(Key::Pair),
        };
        let raw = key.as_ref().and_then(|key| key::parse(dimension, key));
        key.zip(raw).ok_or_else(|| {
            Refusal::bad(
                format!(
                    "\"{}\" is no key of dimension {}; write it as rows have it",
                    shortened(text),
                    dimension.name()
                ),
                [example],
            )
        })
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, text)| text.as_str())
    }

    /// The number of a parameter, or `default`.
    ///
    /// # Errors
    ///
    /// 400, if it is not a decimal number from `least` to `most`.
    pub fn number(&self, name: &str, least: usize, most: usize, default: usize) -> Result<usize, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            Refusal::bad(
                format!("{name} is \"{}\", which is not a number from {least} to {most}", shortened(text)),
                [format!("{least} to {most}")],
            )
        })
    }

    /// The measure; requests where none is given.
    ///
    /// # Errors
    ///
    /// 400, if there is no such measure.
    pub fn measure(&self) -> Result<Measure, Refusal> {
        let name = self.text("measure").unwrap_or("requests");
        Measure::by_name(name).ok_or_else(|| {
            Refusal::bad(format!("there is no measure \"{}\"", shortened(name)), Measure::ALL.map(Measure::name))
        })
    }

    /// The dimension, which must be given.
    ///
    /// # Errors
    ///
    /// 400, if there is no such dimension.
    pub fn dimension(&self) -> Result<Dimension, Refusal> {
        let allowed = Dimension::ALL.map(Dimension::name);
        match self.text("dimension") {
            None => Err(Refusal::bad("the parameter dimension is needed", allowed)),
            Some(name) => Dimension::by_name(name)
                .ok_or_else(|| Refusal::bad(format!("dimension \"{}\" is not kept", shortened(name)), allowed)),
        }
    }

    /// Checks that a parameter, where given, is the one text that works.
    ///
    /// # Errors
    ///
    /// 400, if it is another.
    pub fn only(&self, name: &str, text: &str) -> Result<(), Refusal> {
        match self.text(name) {
            Some(given) if given != text => {
                Err(Refusal::bad(format!("{name} is \"{}\", which is not kept", shortened(given)), [text]))
            }
            _ => Ok(()),
        }
    }
}

const NOTHING: [&str; 0] = [];

/// The buckets of a day's totals.
const MINUTE_MS: u64 = 60_000;

/// Checks that a path without parameters gets none.
///
/// # Errors
///
/// 400, if there are some.
pub fn nothing_asked(query: Option<&str>) -> Result<(), Refusal> {
    match query {
        None | Some("") => Ok(()),
        Some(_) => Err(Refusal::bad("this path has no parameters", NOTHING)),
    }
}

/// `%41` and `+` decoded; `None` if what comes out is not text, or a percent sign stands alone.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                (high << 4 | low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let query = Query::parse(
            Some("dimension=client%2Csite&measure=hit%5Fbytes&&limit=7&window=total"),
            &["dimension", "measure", "limit"],
        )
        .unwrap();
        assert_eq!(query.dimension(), Ok(Dimension::ClientSite));
        assert_eq!(query.measure(), Ok(Measure::HitBytes));
        assert_eq!(query.number("limit", 1, 10, 5), Ok(7));
        assert_eq!(query.number("offset", 0, 10, 5), Ok(5));
        assert_eq!(decoded("%2525+%c3%BC").as_deref(), Some("%25 \u{fc}"));
    }

    #[test]
    fn filters_are_one_whatever_their_order() {
        let filter = |query| Query::parse(Some(query), &[]).unwrap().filter().cloned();
        let one = filter("filter=site:a%5Cxff&window=1h&filter=status:200&filter=status:404");
        assert_eq!(one, filter("filter=status:404&filter=site:a%5CxFF&filter=status:200&filter=status:200"));
        assert_eq!(one.unwrap().to_string(), "site:a\\xff,status:404,status:200");
        assert_eq!(filter("window=1h"), None);
        assert_eq!(Query::parse(Some("filter=site:a"), &[]).unwrap().unfiltered().unwrap_err().status, 400);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_is() {
        let known = ["dimension", "measure", "limit"];
        for (query, error, allowed) in [
            ("dimensions=site", "no parameter \"dimensions\"", "dimension"),
            ("limit=1&limit=1", "twice", ""),
            ("limit=%zz", "percent-encoded", ""),
            ("limit=%f", "percent-encoded", ""),
            ("limit=%ff", "percent-encoded", ""),
            ("filter=site", "not KIND:VALUE", "client:…"),
            ("filter=status:200&filter=sites:a", "no filter kind \"sites\"", "client"),
            ("filter=status:x", "no value", "200"),
        ] {
            let refusal = Query::parse(Some(query), &known).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(refusal.error.contains(error), "{query}: {}", refusal.error);
            assert_eq!(refusal.allowed.first().map_or("", String::as_str), allowed);
        }
        for bad in ["", "0", "11", "-1", "+1", "1.0", "99999999999999999999", "x"] {
            let query = Query::parse(Some(&format!("limit={}", bad.replace('+', "%2b"))), &known);
            let refusal = query.unwrap().number("limit", 1, 10, 5).unwrap_err();
            assert_eq!(refusal.allowed, ["1 to 10"], "{bad}");
        }
        for window in ["window=2h", "window"] {
            let refusal = Query::parse(Some(window), &[]).unwrap().window(&Window::ALL).unwrap_err();
            assert_eq!(refusal.allowed, Window::ALL.map(Window::name));
        }
        let query = Query::parse(Some("window=1h"), &[]).unwrap();
        assert_eq!(query.window(&Window::ALL), Ok(Window::Hour));
        assert!(query.window(&[Window::Total]).unwrap_err().error.contains("window \"1h\" is not kept"));
        let query = Query::parse(Some("measure=hit&dimension=sites"), &known).unwrap();
        assert!(query.measure().unwrap_err().allowed.contains(&"hits".to_owned()));
        let allowed = query.dimension().unwrap_err().allowed;
        assert!(allowed.contains(&"client,site".to_owned()));
        let query = Query::parse(None, &known).unwrap();
        assert_eq!(query.measure(), Ok(Measure::Requests));
        assert!(query.dimension().is_err(), "none is given");
    }

    #[test]
    fn intervals_are_within_what_is_kept() {
        const NOW: u64 = 1_795_460_493_250;
        let period =
            |query: &str| Query::parse(Some(query), &[]).unwrap().period(&Window::ALL, Some(NOW - 9_000_000), NOW);
        let at = |seconds: u64| NOW / 1000 - seconds;
        for (query, from, to) in [
            (format!("from={}&to={}", at(60), at(30)), at(60) * 1000, at(30) * 1000),
            (format!("from={}.5&to={}.125", at(60), at(30)), at(60) * 1000 + 500, at(30) * 1000 + 125),
            (format!("from={}", at(7200)), at(7200) * 1000, NOW + 1),
            (format!("from={}&to=99999999999", at(7200)), at(7200) * 1000, NOW + 1),
            (format!("from={}", at(86_400)), at(86_400) * 1000, NOW + 1),
        ] {
            assert_eq!(period(&query), Ok(Period::Between(from, to)), "{query}");
        }
        assert_eq!(period("window=1h"), Ok(Period::Window(Window::Hour)));
        for (query, error) in [
            (format!("to={}", at(1)), "needs from"),
            (format!("from={}&window=1h", at(9)), "one of them"),
            (format!("from={}&to={}", at(9), at(9)), "empty"),
            (format!("from={}&to={}", at(9), at(19)), "empty"),
            (format!("from={}&to={}", at(9_100), at(9_001)), "not kept"),
            (format!("from={}", at(86_500)), "not kept"),
            (format!("from={}", NOW / 1000 + 1), "not kept"),
            ("from=0".into(), "not kept"),
        ] {
            let refusal = period(&query).unwrap_err();
            assert!(refusal.status == 400 && refusal.error.contains(error), "{query}: {}", refusal.error);
        }
        for bad in ["", "-1", "1.", ".5", "1.0001", "1e9", "nan", "999999999999", "%2b1", "1,5", "0x10", "1 "] {
            let refusal = period(&format!("from={bad}")).unwrap_err();
            assert!(refusal.error.contains("not a moment"), "{bad}: {}", refusal.error);
        }
        let refused = Query::parse(Some("from=1"), &[]).unwrap();
        assert!(refused.window(&Window::ALL).unwrap_err().error.contains("no intervals"));
        assert!(refused.period(&[Window::Total], None, NOW).unwrap_err().error.contains("base"));
    }

    #[test]
    fn keys_are_of_their_dimension() {
        let key = |dimension, text: &str| {
            Query { given: vec![("key", text.into())], filter: None }.key(dimension).map(|(_, raw)| raw)
        };
        assert_eq!(key(Dimension::Site, "a.example"), Ok(b"a.example".to_vec()));
        assert_eq!(key(Dimension::Status, "503"), Ok(503_i64.to_le_bytes().to_vec()));
        assert_eq!(key(Dimension::SiteStatus, "[\"a\",\"200\"]").unwrap()[..3], [1, 0, b'a']);
        for (dimension, text) in [
            (Dimension::Status, "a"),
            (Dimension::SiteStatus, "a"),
            (Dimension::SiteStatus, "[\"a\"]"),
            (Dimension::SiteStatus, "[\"a\",1]"),
            (Dimension::SiteStatus, "[\"a\",\"b\",\"c\"]"),
            (Dimension::Site, "\\"),
        ] {
            assert_eq!(key(dimension, text).unwrap_err().status, 400, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_understood_or_refused(query in "[a-z0-9%&=+\u{fc}]{0,60}") {
            match Query::parse(Some(&query), &["limit"]) {
                Ok(query) => drop((query.number("limit", 1, 10, 5), query.measure())),
                Err(refusal) => proptest::prop_assert_eq!(refusal.status, 400),
            }
        }
    }
}
