//! The status line: how the engine and its nodes are doing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::key;
use super::model::{Ids, Model, WIDTH, values};
use crate::merger::{Node, NodeState, Snapshot};
use crate::tally::Rules;

/// What never changes while the engine runs, and the page tells of it.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// The program's version.
    pub version: String,
    /// Names this run of the engine.
    pub start: String,
    /// This machine's host name.
    pub host_name: String,
    /// Collation addresses that listen.
    pub collation_addresses: Vec<String>,
    /// Page addresses that listen.
    pub page_addresses: Vec<String>,
    /// Address and port that a node would use to reach this machine.
    pub own_address: String,
    /// The secret is Traffic Server's default.
    pub secret_is_default: bool,
    /// The default secret listens on an address that is not loopback.
    pub default_secret_exposed: bool,
    /// The page listens beyond loopback.
    pub page_exposed: bool,
    /// The reader: `io_uring`, or `epoll` with the reason in brackets.
    pub reader: String,
    /// Nodes that the operator expects (`--expect-nodes`).
    pub expect_nodes: u32,
    /// What counts, and how.
    pub rules: Rules,
}

/// What the page shows of `snapshot`, while so many browsers are connected.
pub fn model(snapshot: &Snapshot, info: &Info, browsers: u64, ids: &mut Ids) -> Model {
    let nodes = &snapshot.nodes;
    let rejected = snapshot.rejected.total();
    let connected = nodes.iter().filter(|node| node.connections > 0).count() as u64;
    let flags =
        u64::from(info.default_secret_exposed) | u64::from(snapshot.saturated) << 1 | u64::from(info.page_exposed) << 2;
    let head = vec![
        snapshot.entries.received(),
        snapshot.total.all_requests(),
        snapshot.stream_bytes,
        rejected.connections,
        rejected.segments,
        rejected.entries,
        engine_lag(snapshot).map_or(0, |lag| lag + 1),
        snapshot.memory.used(),
        snapshot.memory.cap,
        connected,
        (nodes.len() as u64).max(info.expect_nodes.into()),
        browsers,
        snapshot.started,
        flags,
        snapshot.entries.bad,
        snapshot.accepted,
    ];

    let rows = ids.rows(0, nodes.iter().map(|node| key::node(&node.name, &node.address)));
    let mut cells: Vec<_> = rows.iter().zip(nodes).map(|(row, node)| ((row.id, 0), cell(node))).collect();
    cells.sort_unstable_by_key(|(key, _)| *key);

    let texts = vec![
        info.collation_addresses.join(", "),
        info.page_addresses.join(", "),
        info.own_address.clone(),
        if info.secret_is_default { "default" } else { "set" }.to_owned(),
        last_refused(snapshot),
        rejections(snapshot),
        info.reader.clone(),
    ];
    Model { head, lists: vec![rows], paired: false, cells, texts }
}

fn cell(node: &Node) -> [u64; WIDTH] {
    let state = match node.state {
        NodeState::Live => 0,
        NodeState::Lagging => 1,
        NodeState::Idle => 2,
        NodeState::Silent => 3,
    };
    values([
        state,
        node.lag.map_or(0, |lag| not_negative(lag) + 1),
        node.last_arrival,
        node.connections.into(),
        node.counts.all_requests(),
    ])
}

/// A node whose clock is ahead has no lag.
fn not_negative(lag: i64) -> u64 {
    u64::try_from(lag).unwrap_or(0)
}

/// Lag of the connected nodes in ms: the smallest that at least 95 % of them do not exceed.
pub fn engine_lag(snapshot: &Snapshot) -> Option<u64> {
    let mut lags: Vec<u64> = snapshot
        .nodes
        .iter()
        .filter(|node| node.connections > 0)
        .filter_map(|node| node.lag.map(not_negative))
        .collect();
    lags.sort_unstable();
    let rank = (lags.len() * 95).div_ceil(100);
    lags.get(rank.checked_sub(1)?).copied()
}

fn last_refused(snapshot: &Snapshot) -> String {
    #[derive(Serialize)]
    struct Shown<'a> {
        at: f64,
        peer: &'a str,
        cause: &'a str,
    }
    snapshot.last_refused.as_ref().map_or(String::new(), |last| {
        to_json(&Shown { at: last.at as f64 / 1000.0, peer: &last.peer, cause: last.cause.name() })
    })
}

fn rejections(snapshot: &Snapshot) -> String {
    let by_cause: BTreeMap<&str, [u64; 4]> = snapshot
        .rejected
        .iter()
        .map(|(cause, amount)| {
            let numbers = [amount.connections, amount.segments, amount.entries, amount.bytes];
            (cause.name(), numbers)
        })
        .filter(|(_, numbers)| *numbers != [0; 4])
        .collect();
    to_json(&by_cause)
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain texts and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merger::snapshot::LastRefused;
    use crate::tally::Cause;
    use crate::tally::rejected::Amount;
    use crate::view::sample;

    #[test]
    fn status_has_the_numbers_and_texts_of_the_engine() {
        let mut snapshot = sample::snapshot(3, Vec::new());
        snapshot.nodes = vec![
            sample::node(1, "ams-05", NodeState::Silent, Some(90_000)),
            sample::node(0, "fra-03", NodeState::Lagging, Some(13_000)),
            sample::node(2, "fra-04", NodeState::Live, Some(-200)),
        ];
        snapshot.rejected.add(Cause::Cookie, &Amount { connections: 1, segments: 2, entries: 3, bytes: 4 });
        snapshot.last_refused =
            Some(LastRefused { at: 1_795_460_493_100, peer: "192.0.2.9".into(), cause: Cause::Secret });
        snapshot.saturated = true;
        let info = Info {
            collation_addresses: vec!["[::]:8085".into(), "127.0.0.1:1".into()],
            secret_is_default: true,
            page_exposed: true,
            expect_nodes: 5,
            ..Info::default()
        };
        let model = model(&snapshot, &info, 7, &mut Ids::default());
        #[rustfmt::skip]
        assert_eq!(
            model.head,
            [6, 0, 0, 1, 2, 3, 13_001, 1024, 1 << 28, 2, 5, 7, sample::STARTED, 6, 3, 0]
        );
        let names: Vec<&str> = model.lists[0].iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["ams-05@192.0.2.2", "fra-03@192.0.2.1", "fra-04@192.0.2.3"]);
        let seen = sample::STARTED + 500;
        assert_eq!(model.cells[0].1, values([3, 90_001, seen, 0, 10]));
        assert_eq!(model.cells[2].1, values([0, 1, seen, 1, 10]));
        assert_eq!(
            model.texts,
            [
                "[::]:8085, 127.0.0.1:1",
                "",
                "",
                "default",
                r#"{"at":1795460493.1,"peer":"192.0.2.9","cause":"secret"}"#,
                r#"{"cookie":[1,2,3,4]}"#,
                ""
            ]
        );
    }

    #[test]
    fn engine_lag_is_the_95th_percentile_over_nodes() {
        let mut snapshot = Snapshot::default();
        assert_eq!(engine_lag(&snapshot), None);
        snapshot.nodes = (0..40).map(|n| sample::node(n, "n", NodeState::Live, Some(i64::from(n)))).collect();
        assert_eq!(engine_lag(&snapshot), Some(37));
        snapshot.nodes.truncate(1);
        assert_eq!(engine_lag(&snapshot), Some(0));
    }
}
