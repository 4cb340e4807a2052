//! Views: what one subscription shows of a snapshot, and the messages that carry it (`page/stream.md`).
//!
//! Pure: snapshots and tables come in, bytes go out; who looks and when is the page's business.

pub mod asked;
pub mod curve;
pub mod detect;
pub mod incident;
pub mod kept;
pub mod key;
pub mod matrix;
pub mod model;
pub mod parts;
pub mod rank;
pub mod records;
#[cfg(test)]
pub(crate) mod sample;
pub mod series;
pub mod status;
pub mod table;
pub mod value;

use std::sync::Arc;

use incident::Incident;
pub use key::Key;
use model::{Ids, Model, Stand, Type};
pub use status::Info;

use crate::merger::{Snapshot, Table};
use crate::tally::{Dimension, Measure, Window};

/// What a page can ask to be shown. Two that are equal share one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subscription {
    /// How the engine and its nodes are doing.
    Status,
    /// Ranked rows.
    Table {
        /// Rows of what.
        dimension: Dimension,
        /// Ranked by what.
        measure: Measure,
        /// When.
        window: Window,
        /// First rank shown, from 1.
        first: u32,
        /// How many.
        rows: u16,
    },
    /// The rank curve.
    Rank {
        /// Of what.
        dimension: Dimension,
        /// Ranked by what.
        measure: Measure,
        /// When.
        window: Window,
    },
    /// Requests, bytes, times and clients over time.
    Series {
        /// When.
        window: Window,
    },
    /// What isn't as usual.
    Changes,
    /// Sites by clients.
    Matrix {
        /// Ranked by what.
        measure: Measure,
        /// When.
        window: Window,
        /// Rows, and columns.
        size: u16,
    },
}

impl Subscription {
    /// The window that it shows.
    pub fn window(&self) -> Window {
        match self {
            Self::Status | Self::Changes => Window::Total,
            Self::Table { window, .. }
            | Self::Rank { window, .. }
            | Self::Matrix { window, .. }
            | Self::Series { window } => *window,
        }
    }

    /// True for what `--statistics base` does not keep.
    pub fn needs_statistics(&self) -> bool {
        matches!(self, Self::Series { .. } | Self::Changes)
            || self.window() != Window::Total
            || self.dimensions().iter().any(|dimension| !Dimension::BASE.contains(dimension))
    }

    /// The tables that it needs, in the order in which [`View::advance`] takes them.
    pub fn dimensions(&self) -> Vec<Dimension> {
        match self {
            Self::Status | Self::Series { .. } | Self::Changes => Vec::new(),
            Self::Table { dimension, .. } | Self::Rank { dimension, .. } => vec![*dimension],
            Self::Matrix { .. } => {
                vec![Dimension::Site, Dimension::Client, Dimension::ClientSite]
            }
        }
    }
}

/// What a view is made from at one tick.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The engine's state.
    pub snapshot: Arc<Snapshot>,
    /// The tables of [`Subscription::dimensions`], in that order.
    pub tables: Vec<Arc<Table>>,
    /// Browsers connected.
    pub browsers: u64,
    /// What isn't as usual, the worst first.
    pub incidents: Arc<Vec<Incident>>,
    /// Up to where that was judged, Unix seconds.
    pub judged_to: u64,
}

/// One stream: what a subscription shows, from tick to tick.
#[derive(Debug)]
pub struct View {
    subscription: Subscription,
    info: Arc<Info>,
    ids: Ids,
    shown: Shown,
}

/// What a stream shows after its newest message.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Of the newest message; 0 as `seq` before the first.
    pub stand: Stand,
    /// The model.
    pub model: Arc<Model>,
}

impl Shown {
    /// A message that brings a newcomer to here.
    pub fn snapshot(&self) -> Vec<u8> {
        model::message(Type::Snapshot, &self.stand, &self.model.whole())
    }
}

impl View {
    /// A view that shows nothing yet.
    pub fn new(stream: u64, subscription: Subscription, info: Arc<Info>) -> Self {
        let shown = Shown {
            stand: Stand { stream, ..Stand::default() },
            model: Arc::new(Model { paired: matches!(subscription, Subscription::Matrix { .. }), ..Model::default() }),
        };
        Self { subscription, info, ids: Ids::default(), shown }
    }

    /// What it shows.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Goes on to `scene` and gives the message for those who followed; `None` if the scene is no newer than what is shown.
    ///
    /// # Panics
    ///
    /// If the scene lacks a table of [`Subscription::dimensions`].
    pub fn advance(&mut self, scene: &Scene) -> Option<Vec<u8>> {
        // At a full tick all tables are up to date, also one that says when it last changed.
        let (tick, as_of) = match scene.tables.last() {
            Some(table) if !scene.snapshot.full => (table.tick, table.as_of),
            _ => (scene.snapshot.tick, scene.snapshot.as_of),
        };
        let before = &self.shown;
        if before.stand.seq > 0 && tick <= before.stand.tick {
            return None;
        }
        let model = self.model(scene);
        let stand = Stand { stream: self.shown.stand.stream, seq: self.shown.stand.seq + 1, tick, as_of };
        let delta = model::message(Type::Delta, &stand, &model.since(&self.shown.model));
        self.shown = Shown { stand, model: Arc::new(model) };
        Some(delta)
    }

    fn model(&mut self, scene: &Scene) -> Model {
        let ids = &mut self.ids;
        match self.subscription {
            Subscription::Status => status::model(&scene.snapshot, &self.info, scene.browsers, ids),
            Subscription::Table { measure, first, rows, .. } => {
                table::model(&scene.tables[0], measure, first, rows, ids)
            }
            Subscription::Rank { measure, .. } => curve::model(&scene.tables[0], measure),
            Subscription::Changes => incident::model(&scene.incidents, scene.judged_to),
            Subscription::Series { window } => series::model(&scene.snapshot, window),
            Subscription::Matrix { measure, size, .. } => {
                let tables =
                    matrix::Tables { sites: &scene.tables[0], clients: &scene.tables[1], pairs: &scene.tables[2] };
                matrix::model(&tables, measure, size, ids)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::model::tests::{Reader, opened};
    use super::*;

    fn scene(tick: u64, rows: &[(&str, u64)]) -> Scene {
        let table = sample::table(Dimension::Site, rows);
        let snapshot = Arc::new(sample::snapshot(tick, vec![table]));
        let tables = vec![snapshot.table(Dimension::Site).unwrap().clone()];
        Scene { snapshot, tables, browsers: 0, incidents: Arc::default(), judged_to: 0 }
    }

    #[test]
    fn deltas_follow_on_from_each_other_and_from_any_snapshot() {
        let subscription = Subscription::Table {
            dimension: Dimension::Site,
            measure: Measure::Requests,
            window: Window::Total,
            first: 1,
            rows: 2,
        };
        let mut view = View::new(17, subscription, Arc::default());
        let mut reader = Reader::empty(false);
        for (tick, rows) in [
            (4, &[("a", 5), ("b", 3)][..]),
            (5, &[("a", 5), ("b", 9), ("c", 7)]),
            (6, &[("a", 5), ("b", 9), ("c", 7)]),
            (9, &[("a", 95), ("b", 9), ("c", 7)]),
        ] {
            let message = view.advance(&scene(tick, rows)).unwrap();
            let (kind, stand, body) = opened(&message);
            assert_eq!((kind, stand), (2, view.shown().stand));
            assert_eq!(stand.as_of, sample::STARTED + tick * 1000);
            reader.apply(body);
            reader.shows(&view.shown().model);

            let snapshot = view.shown().snapshot();
            let (kind, stand, body) = opened(&snapshot);
            assert_eq!((kind, stand), (1, view.shown().stand));
            let mut newcomer = Reader::empty(false);
            newcomer.apply(body);
            newcomer.shows(&view.shown().model);
        }
        assert_eq!(view.shown().stand.seq, 4, "an empty delta counts too");
        assert!(view.advance(&scene(9, &[])).is_none(), "the same tick again");
    }
}
