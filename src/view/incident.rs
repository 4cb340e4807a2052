//! What the operator is told first: what isn't as usual, since when, and which keys explain it (design/page.md 3.3).

use std::sync::Arc;

use serde::Serialize;

use super::detect::{BUCKET, Raised, Signal};
use super::key::{self, Key};
use super::model::Model;
use super::parts::{Part, Parts, parts};
use crate::merger::{Node, NodeState, Snapshot, Table};
use crate::tally::{Dimension, Period};

/// The dimensions that can explain a change, and the pair that says it best.
pub const DIMENSIONS: [Dimension; 5] =
    [Dimension::Site, Dimension::Client, Dimension::Node, Dimension::Status, Dimension::SiteStatus];

/// The least share of a change that a key is named for.
const NAMED: f64 = 0.5;

/// A key explains no change of which it has no more than this times its share of all requests: everything came from it before.
const MORE_THAN_USUAL: f64 = 1.25;

/// Signals that begin so close to each other are one incident, seconds.
const TOGETHER: u64 = 180;

/// Entries come so long after they were made, at most: what is more lags, ms.
const LAGGING_MS: u64 = 60_000;

/// A node that sent something in the last so many ms still sends.
const SENDING_MS: u64 = 12_000;

/// Incidents that views tell.
const MOST: usize = 8;

/// At least so long a time is compared with, ms.
const BEFORE_MS: u64 = 300_000;

/// A key that explains most of a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    /// Of which dimension.
    pub dimension: &'static str,
    /// The key.
    pub key: Key,
    /// Its share of the change.
    pub share: f64,
}

/// One signal of an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// Name of the signal.
    pub signal: &'static str,
    /// Since when, Unix seconds.
    pub since: u64,
    /// Until when; none while it stands.
    pub until: Option<u64>,
    /// As it was before.
    pub before: f64,
    /// What it became.
    pub now: f64,
    /// What explains most of it: of each dimension at most one key.
    pub explained_by: Vec<Named>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Incident {
    /// Since when, Unix seconds.
    pub since: u64,
    /// Until when; none while it lasts.
    pub until: Option<u64>,
    /// The same in words.
    pub text: String,
    /// The worst first.
    pub signals: Vec<Told>,
    /// The node that is silent, in place of signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_node: Option<String>,
}

/// Up to where buckets can be judged, Unix seconds, a multiple of [`BUCKET`]: what is complete, and nothing of the time that nodes have yet
/// to catch up with.
pub fn judged_to(snapshot: &Snapshot) -> u64 {
    let sending = || {
        let is_sending = |node: &&Arc<Node>| {
            node.connections > 0 && snapshot.as_of.saturating_sub(node.last_arrival) < SENDING_MS && node.last_entry > 0
        };
        snapshot.nodes.iter().filter(is_sending)
    };
    let newest = sending().map(|node| node.last_entry).max().unwrap_or(snapshot.as_of);
    let is_behind = newest.saturating_add(LAGGING_MS) < snapshot.as_of;
    let to = if is_behind { newest.min(snapshot.complete_to) } else { snapshot.complete_to };
    to / 1000 / BUCKET * BUCKET
}

/// The time in which a signal was raised, and by whose tables it can be explained; and the time that is compared with it: it is as long as
/// the second would be, and ends where the first begins.
pub fn times(raised: &Raised, judged_to: u64) -> [Period; 2] {
    let from = raised.bucket * 1000;
    let to = raised.until.unwrap_or(judged_to).min(raised.bucket + 600).max(raised.bucket + BUCKET) * 1000;
    [Period::Between(from, to), Period::Between(from, to.max(from + BEFORE_MS))]
}

/// The keys of these tables, of now and of before, that explain most of what a signal did.
pub fn explain(raised: &Raised, tables: &[(Arc<Table>, Arc<Table>)]) -> Vec<Named> {
    let rose = raised.now >= raised.before;
    tables
        .iter()
        .filter_map(|(now, before)| {
            let found = parts(now, before, |counts| raised.signal.of(counts));
            // Hits fall as what isn't one rises.
            let is_rise = rose || raised.signal == Signal::Hits;
            if (found.total.per_second > 0.0) != is_rise {
                return None;
            }
            let (part, share) = greatest(&found)?;
            let requests = part.now.map_or(0, |row| now.rows[row as usize].all_requests());
            let usual = requests as f64 / now.total.all_requests().max(1) as f64;
            let row = part.now.map(|row| now.raw_key(row)).or(part.before.map(|row| before.raw_key(row)))?;
            (share >= NAMED && share > usual * MORE_THAN_USUAL).then(|| Named {
                dimension: now.dimension.name(),
                key: Key::new(now.dimension, row),
                share: share.min(1.0),
            })
        })
        .collect()
}

fn greatest(parts: &Parts) -> Option<(Part, f64)> {
    let shares = parts.keys.iter().take(8).filter_map(|part| Some((*part, part.change.share(&parts.total)?)));
    shares.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Signals, with what explains each, become incidents; nodes that are silent are some too. The worst first: those that last, then by what
/// they are, the newest first.
pub fn incidents(raised: &[(Raised, Vec<Named>)], nodes: &[Arc<Node>]) -> Vec<Incident> {
    let mut by_time: Vec<&(Raised, Vec<Named>)> = raised.iter().collect();
    by_time.sort_by_key(|(raised, _)| (raised.since, raised.signal));
    let mut groups: Vec<Vec<&(Raised, Vec<Named>)>> = Vec::new();
    for one in by_time {
        let joins = |group: &&mut Vec<&(Raised, Vec<Named>)>| {
            let first = &group[0].0;
            one.0.since <= first.since + TOGETHER
                || group.iter().any(|(other, _)| other.until.is_none_or(|until| one.0.since < until))
        };
        match groups.iter_mut().find(joins) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let mut incidents: Vec<Incident> = groups.into_iter().map(incident).collect();
    let silent = nodes.iter().filter(|node| node.state == NodeState::Silent);
    incidents.extend(silent.map(|node| {
        let name = key::node(&node.name, &node.address);
        Incident {
            since: node.last_arrival / 1000,
            until: None,
            text: format!("{name} is silent: its connection is gone"),
            signals: Vec::new(),
            silent_node: Some(name),
        }
    }));
    let worst = |incident: &Incident| {
        let signal = incident.signals.first().map(|told| told.signal);
        Signal::ALL.iter().position(|of| Some(of.name()) == signal).unwrap_or(1)
    };
    incidents.sort_by_key(|one| (one.until.is_some(), worst(one), u64::MAX - one.since));
    incidents
}

fn incident(group: Vec<&(Raised, Vec<Named>)>) -> Incident {
    let stands = group.iter().any(|(raised, _)| raised.until.is_none());
    let since = group.iter().map(|(raised, _)| raised.since).min().unwrap_or_default();
    let until = if stands { None } else { group.iter().filter_map(|(raised, _)| raised.until).max() };
    let mut told: Vec<(Signal, Told)> = group
        .into_iter()
        .map(|(raised, named)| {
            let told = Told {
                signal: raised.signal.name(),
                since: raised.since,
                until: raised.until,
                before: raised.before,
                now: raised.now,
                explained_by: named.clone(),
            };
            (raised.signal, told)
        })
        .collect();
    // What is over comes after what lasts.
    told.sort_by_key(|(signal, told)| (told.until.is_some(), *signal, told.since));
    let texts: Vec<String> = told.iter().map(|(signal, told)| text(*signal, told)).collect();
    Incident {
        since,
        until,
        text: texts.join(". "),
        signals: told.into_iter().map(|(_, told)| told).collect(),
        silent_node: None,
    }
}

fn text(signal: Signal, told: &Told) -> String {
    let Told { before, now, .. } = *told;
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    let way = if now >= before { "rose" } else { "fell" };
    let what = match signal {
        Signal::Errors => format!("Errors {way} from {} to {} % of requests", percent(before), percent(now)),
        Signal::Hits => format!("Hit ratio {way} from {} to {} %", percent(before), percent(now)),
        Signal::Time => format!("Response time (95th percentile) {way} from {before:.0} to {now:.0} ms"),
        Signal::Requests => format!("Requests {way} from {before:.1} to {now:.1} per second"),
    };
    let why = match main(&told.explained_by) {
        None => "spread over many keys".to_owned(),
        Some(named) => {
            let key = match (&named.key, named.dimension) {
                (Key::Pair([site, status]), _) => format!("{status} from {site}"),
                (Key::One(key), "status") => format!("status {key}"),
                (Key::One(key), dimension) => format!("{dimension} {key}"),
            };
            format!("{:.0} % of it is {key}", named.share * 100.0)
        }
    };
    format!("{what}; {why}")
}

/// The key that says most: a site and a status together, else the first.
fn main(named: &[Named]) -> Option<&Named> {
    let pair = named.iter().find(|named| matches!(named.key, Key::Pair(_)));
    pair.or(named.first())
}

/// What the page is told (`page/stream.md` 4): an incident a text.
pub fn model(incidents: &[Incident], judged_to: u64) -> Model {
    let texts = incidents
        .iter()
        .take(MOST)
        .map(|incident| serde_json::to_string(incident).expect("plain texts and numbers are JSON"));
    let texts: Vec<String> = texts.collect();
    Model { head: vec![judged_to, texts.len() as u64], texts, ..Model::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::sample;

    fn raised(signal: Signal, since: u64, until: Option<u64>) -> (Raised, Vec<Named>) {
        let (before, now) = if signal == Signal::Hits { (0.87, 0.83) } else { (0.003, 0.058) };
        (Raised { signal, bucket: since / 10 * 10, since, until, before, now }, Vec::new())
    }

    #[test]
    fn signals_that_begin_together_are_one_incident_and_the_worst_is_first() {
        let all = [
            raised(Signal::Requests, 100, Some(250)),
            raised(Signal::Hits, 5_040, None),
            raised(Signal::Errors, 5_000, None),
            raised(Signal::Time, 5_500, Some(5_700)),
            raised(Signal::Hits, 900, Some(1_000)),
        ];
        let silent = sample::node(4, "ams-05", NodeState::Silent, None);
        let live = sample::node(5, "ams-06", NodeState::Live, Some(1));
        let found = incidents(&all, &[silent.clone(), live]);
        let shown: Vec<(u64, Option<u64>, Vec<&str>)> = found
            .iter()
            .map(|one| (one.since, one.until, one.signals.iter().map(|told| told.signal).collect()))
            .collect();
        assert_eq!(
            shown,
            [
                (5_000, None, vec!["error_share", "hit_ratio", "p95_ms"]),
                (silent.last_arrival / 1000, None, vec![]),
                (900, Some(1_000), vec!["hit_ratio"]),
                (100, Some(250), vec!["requests_per_second"]),
            ]
        );
        assert_eq!(found[1].silent_node.as_deref(), Some("ams-05@192.0.2.5"));
        assert!(
            found[0]
                .text
                .starts_with("Errors rose from 0.3 to 5.8 % of requests; spread over many keys. Hit ratio fell")
        );
        let model = model(&found, 5_760);
        assert_eq!((model.head, model.texts.len()), (vec![5_760, 4], 4));
    }

    #[test]
    fn a_key_explains_what_it_did_not_do_before() {
        let table = |dimension, rows: &[(&str, u64)]| {
            let mut table = sample::table(dimension, rows);
            table.covered.seconds = 60.0;
            Arc::new(table)
        };
        let (one, _) = raised(Signal::Errors, 5_000, None);
        let before = [("a", 100), ("b", 100), ("c", 100)];
        // A fifth of them are errors.
        let sites = (table(Dimension::Site, &[("a", 100), ("b", 600), ("c", 110)]), table(Dimension::Site, &before));
        let named = explain(&one, std::slice::from_ref(&sites));
        assert_eq!((named.len(), named[0].key.clone()), (1, Key::One("b".into())));
        assert!((named[0].share - 100.0 / 102.0).abs() < 1e-9, "{named:?}");
        // The only node of all had all requests before, too; and what fell explains no rise.
        let nodes = (table(Dimension::Node, &[("only", 800)]), table(Dimension::Node, &[("only", 300)]));
        assert_eq!(explain(&one, &[nodes]), []);
        assert_eq!(explain(&one, &[(sites.1, sites.0)]), []);
        let spread = (table(Dimension::Site, &[("a", 300), ("b", 300), ("c", 300)]), table(Dimension::Site, &before));
        assert_eq!(explain(&one, &[spread]), []);
        assert_eq!(explain(&one, &[]), []);
    }

    #[test]
    fn what_nodes_have_yet_to_catch_up_with_is_not_judged() {
        let mut snapshot = sample::snapshot(100, Vec::new());
        let node = |last_entry: u64, last_arrival: u64| {
            let mut node = (*sample::node(0, "a", NodeState::Live, Some(0))).clone();
            (node.last_entry, node.last_arrival) = (last_entry, last_arrival);
            Arc::new(node)
        };
        let now = snapshot.as_of;
        snapshot.complete_to = now - 12_000;
        let complete = (now - 12_000) / 10_000 * 10;
        assert_eq!(judged_to(&snapshot), complete, "nobody sends");
        snapshot.nodes = vec![node(now - 2_000_000, now - 100)];
        assert_eq!(judged_to(&snapshot), (now - 2_000_000) / 10_000 * 10, "all of history is on its way");
        snapshot.nodes.push(node(now - 3_000, now - 100));
        assert_eq!(judged_to(&snapshot), complete, "one node's clock is behind");
        snapshot.nodes = vec![node(now - 2_000_000, now - 60_000)];
        assert_eq!(judged_to(&snapshot), complete, "it was long ago");
    }
}
