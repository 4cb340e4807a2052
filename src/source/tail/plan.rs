//! What to do next about one path that is followed: a state machine without files, clocks or sleep.
//!
//! A log file is its inode, not its name. When another file takes the name, that one is read from its start, and the old one, wherever it
//! went, to its end, until nothing has come for a while. A file that shrinks begins anew.

use std::time::{Duration, Instant};

/// A file that lost its name is held for ended when it has not grown for so long: Traffic Server flushes every 5 s.
pub const QUIET: Duration = Duration::from_secs(10);

/// Closed files that are remembered, so that one of them that turns up under the name again isn't read twice.
const REMEMBERED: usize = 64;

/// A file, whatever its name: inodes are given again, so when it was made belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Nanoseconds since the epoch when it was made, where the file system knows.
    pub born: Option<u128>,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// At the first byte.
    #[default]
    Start,
    /// At what is its end now, which may be inside a segment.
    End,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read this file, too, after those that are open.
    Open(Ident, From),
    /// It has shrunk: read it from its start again.
    Restart(Ident),
    /// It is read to its end, and nobody writes it.
    Close(Ident),
}

/// How an open file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far it has been read. Must be older than `len`: a file that grows in between has not shrunk.
    pub read_to: u64,
    /// Its length.
    pub len: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    ident: Ident,
    len: u64,
    grew: Instant,
    /// When it lost its name.
    left: Option<Instant>,
}

/// One path.
#[derive(Clone, Debug)]
pub struct Plan {
    first: From,
    open: Vec<Open>,
    closed: Vec<Ident>,
}

impl Plan {
    /// A path whose file, if it is there at the first look, is read from `first`; later ones are read from their start.
    pub fn new(first: From) -> Self {
        Self { first, open: Vec::new(), closed: Vec::new() }
    }

    /// Is this file open, or was it?
    pub fn knows(&self, ident: Ident) -> bool {
        self.closed.contains(&ident) || self.open.iter().any(|open| open.ident == ident)
    }

    /// A look at `now`: files that had the name since the last look and lost it (`moved`, oldest first), the file that has the name, and how
    /// the open ones stand.
    pub fn look(
        &mut self,
        now: Instant,
        moved: &[Ident],
        named: Option<Ident>,
        standing: impl Fn(Ident) -> Option<Standing>,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        for open in &mut self.open {
            let Some(Standing { read_to, len }) = standing(open.ident) else { continue };
            if len < read_to {
                steps.push(Step::Restart(open.ident));
            }
            if len != open.len {
                (open.len, open.grew) = (len, now);
            }
        }
        for &ident in moved.iter().chain(&named) {
            if !self.knows(ident) {
                // Whatever comes after the first file has been written since.
                let from = std::mem::take(&mut self.first);
                steps.push(Step::Open(ident, from));
                self.open.push(Open { ident, len: 0, grew: now, left: None });
            }
        }
        self.first = From::Start;
        for open in &mut self.open {
            open.left = if Some(open.ident) == named { None } else { Some(open.left.unwrap_or(now)) };
        }
        let closed = &mut self.closed;
        self.open.retain(|open| {
            let is_read = standing(open.ident).is_some_and(|standing| standing.read_to >= standing.len);
            let ends = is_read && open.ends().is_some_and(|at| at <= now);
            if ends {
                steps.push(Step::Close(open.ident));
                closed.push(open.ident);
            }
            !ends
        });
        let forgotten = closed.len().saturating_sub(REMEMBERED);
        closed.drain(..forgotten);
        steps
    }

    /// When a file that lost its name may be at its end, if one did.
    pub fn due(&self) -> Option<Instant> {
        self.open.iter().filter_map(Open::ends).min()
    }

    /// A file that should be open can't be read: forget it, so that the next look tries again.
    pub fn forget(&mut self, ident: Ident) {
        self.open.retain(|open| open.ident != ident);
    }

    /// True if no file is open.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

impl Open {
    fn ends(&self) -> Option<Instant> {
        self.left.map(|left| left.max(self.grew) + QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(inode: u64) -> Ident {
        Ident { device: 1, inode, born: Some(7) }
    }

    const A: Ident = file(1);
    const B: Ident = file(2);
    const C: Ident = file(3);

    fn stand(files: &[(Ident, u64, u64)]) -> impl Fn(Ident) -> Option<Standing> {
        let files = files.to_vec();
        move |ident| {
            let file = files.iter().find(|file| file.0 == ident)?;
            Some(Standing { read_to: file.1, len: file.2 })
        }
    }

    #[test]
    fn the_first_file_begins_where_it_is_told_and_later_ones_at_their_start() {
        for (first, is_there) in [(From::End, true), (From::Start, true), (From::End, false)] {
            let (mut plan, now) = (Plan::new(first), Instant::now());
            let steps = plan.look(now, &[], is_there.then_some(A), stand(&[]));
            assert_eq!(steps, if is_there { vec![Step::Open(A, first)] } else { vec![] });
            let steps = plan.look(now, &[], Some(B), stand(&[(A, 5, 5)]));
            assert_eq!(steps, [Step::Open(B, From::Start)], "created late, or rotated");
        }
    }

    #[test]
    fn a_rotated_file_is_read_until_it_is_quiet() {
        let (mut plan, start) = (Plan::new(From::Start), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        plan.look(at(0), &[], Some(A), stand(&[]));
        assert_eq!(plan.due(), None);
        assert_eq!(plan.look(at(1), &[], None, stand(&[(A, 100, 100)])), [], "renamed");
        assert_eq!(plan.look(at(2), &[], Some(B), stand(&[(A, 100, 100)])), [Step::Open(B, From::Start)]);
        assert_eq!(plan.due(), Some(at(11)));
        assert_eq!(plan.look(at(5), &[], Some(B), stand(&[(A, 100, 200), (B, 0, 0)])), [], "still written");
        assert_eq!(plan.look(at(14), &[], Some(B), stand(&[(A, 200, 200), (B, 0, 0)])), []);
        assert_eq!(plan.look(at(15), &[], Some(B), stand(&[(A, 100, 200), (B, 0, 0)])), [], "not read to its end");
        assert_eq!(plan.look(at(16), &[], Some(B), stand(&[(A, 200, 200), (B, 0, 0)])), [Step::Close(A)]);
        assert_eq!((plan.due(), plan.knows(A)), (None, true));
        assert_eq!(plan.look(at(17), &[A], Some(B), stand(&[(B, 0, 0)])), [], "closed files are not read again");
    }

    #[test]
    fn a_file_that_had_the_name_between_two_looks_is_read_too() {
        let (mut plan, now) = (Plan::new(From::End), Instant::now());
        plan.look(now, &[], Some(A), stand(&[]));
        let steps = plan.look(now, &[A, B], Some(C), stand(&[(A, 5, 5)]));
        assert_eq!(steps, [Step::Open(B, From::Start), Step::Open(C, From::Start)]);
        let all = [(A, 5, 5), (B, 5, 5), (C, 5, 9)];
        assert_eq!(plan.look(now, &[], Some(C), stand(&all)), []);
        let steps = plan.look(now + QUIET, &[], Some(C), stand(&all));
        assert_eq!(steps, [Step::Close(A), Step::Close(B)]);
    }

    #[test]
    fn a_file_that_shrinks_begins_anew() {
        let (mut plan, now) = (Plan::new(From::Start), Instant::now());
        plan.look(now, &[], Some(A), stand(&[]));
        assert_eq!(plan.look(now, &[], Some(A), stand(&[(A, 100, 100)])), []);
        assert_eq!(plan.look(now, &[], Some(A), stand(&[(A, 100, 40)])), [Step::Restart(A)]);
        assert_eq!(plan.look(now, &[], Some(A), stand(&[(A, 40, 40)])), []);
    }

    #[test]
    fn a_deleted_file_is_closed_and_its_inode_may_come_back() {
        let (mut plan, now) = (Plan::new(From::Start), Instant::now());
        plan.look(now, &[], Some(A), stand(&[]));
        assert_eq!(plan.look(now, &[], None, stand(&[(A, 5, 5)])), []);
        assert_eq!(plan.look(now + QUIET, &[], None, stand(&[(A, 5, 5)])), [Step::Close(A)]);
        assert!(plan.is_idle());
        let again = Ident { born: Some(8), ..A };
        assert_eq!(plan.look(now + QUIET, &[], Some(again), stand(&[])), [Step::Open(again, From::Start)]);
    }

    #[test]
    fn a_file_that_gets_its_name_back_stays() {
        let (mut plan, now) = (Plan::new(From::Start), Instant::now());
        plan.look(now, &[], Some(A), stand(&[]));
        plan.look(now, &[], None, stand(&[(A, 5, 5)]));
        assert_eq!(plan.look(now + QUIET, &[], Some(A), stand(&[(A, 5, 5)])), []);
        assert_eq!(plan.due(), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut plan, now) = (Plan::new(From::Start), Instant::now());
        for inode in 0..200 {
            let at = now + QUIET * inode as u32 * 2;
            let all = move |_| Some(Standing { read_to: 0, len: 0 });
            plan.look(at, &[], Some(file(inode)), all);
            plan.look(at + QUIET, &[], None, all);
            plan.look(at + QUIET * 2, &[], None, all);
        }
        assert!(plan.closed.len() <= REMEMBERED && plan.knows(file(199)) && !plan.knows(file(0)));
    }
}
