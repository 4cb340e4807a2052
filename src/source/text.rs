//! One text log's bytes, as they come: lines, each counted as soon as it is whole.
//!
//! Like [`Session`](super::session::Session) it knows nothing of files and pipes: bytes come in, and how many were used up goes out.

use super::session::Shared;
use crate::tally::Cause;
use crate::tally::rejected::Amount;
use crate::tally::table::REFUSED;
use crate::wire::line::{LineFormats, Lines, SAMPLE};

/// A text log that is being read.
#[derive(Debug)]
pub struct TextSession {
    name: String,
    path: String,
    log: String,
    formats: LineFormats,
    lines: Lines,
    node: Option<u32>,
    told: bool,
}

impl TextSession {
    /// The log `log` (its file's name) of the node `name`, whose key is `name@file`, in one of these formats.
    pub fn new(name: &str, log: &str, formats: LineFormats) -> Self {
        Self {
            name: name.into(),
            path: String::new(),
            log: log.into(),
            formats,
            lines: Lines::default(),
            node: None,
            told: false,
        }
    }

    /// The same, and its path, which the node then shows.
    #[must_use]
    pub fn of_file(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Takes the lines that end in `bytes`, which arrived `now` (ms since the epoch); gives how many bytes are used up. The others are the
    /// beginning of a line, at most [`LINE_MAX`](crate::wire::line::LINE_MAX) bytes, and must stand before the next ones.
    pub fn take(&mut self, bytes: &[u8], shared: &mut Shared, now: u64) -> usize {
        let node = self.node(shared);
        let mut lines = self.lines.split(bytes);
        loop {
            let plan = self.formats.choose(lines.rest());
            let Some(format) = self.formats.chosen() else {
                // None of these lines fits any format; what is behind them may.
                let counted = shared.shard.lines(lines.by_ref().take(SAMPLE), &plan, &self.log, node, now);
                if counted.entries.received() == 0 {
                    break;
                }
                continue;
            };
            if !self.told {
                self.told = true;
                shared.shard.node_log(node, self.log.as_bytes(), None, &format.field_list());
            }
            shared.shard.set_format(self.log.as_bytes(), &format.field_list());
            shared.shard.lines(lines.by_ref(), &plan, &self.log, node, now);
            break;
        }
        bytes.len() - lines.rest().len()
    }

    /// True once it is known which of its formats the log has.
    pub fn knows_format(&self) -> bool {
        self.formats.chosen().is_some()
    }

    /// The log has ended, or is no longer read, with `partial` bytes of a line that has no end.
    pub fn end(&mut self, partial: &[u8], shared: &mut Shared) {
        if !partial.is_empty() {
            let amount = Amount { entries: 1, bytes: partial.len() as u64, ..Amount::default() };
            shared.shard.reject(Cause::Cut, &amount, self.node);
        }
        if let Some(node) = self.node.take() {
            shared.shard.node_connection(node, false);
        }
        self.told = false;
    }

    fn node(&mut self, shared: &mut Shared) -> u32 {
        if let Some(node) = self.node {
            return node;
        }
        let node = shared.shard.file_node(self.name.as_bytes(), &self.path);
        if node != REFUSED {
            shared.shard.node_connection(node, true);
        }
        *self.node.insert(node)
    }
}
