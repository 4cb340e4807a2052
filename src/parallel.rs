//! Work on many items at once whose results are wanted in the order of the items.
//!
//! Each thread takes an item, works on it, and hands on what is next in order, its own result or another's: what an item brings along is
//! still near to the core that works on it, and no thread is a stage that the others wait for. Memory is bounded: an item is taken only
//! when there is room among those in flight.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Items in flight for each thread: one in work, and two whose results wait for their turn in the sink.
const IN_FLIGHT: u64 = 3;

/// Takes all `items`, calls what `worker` makes (once for each of `threads`) on each, and `sink` on the results, in order.
///
/// With one thread all happens on the calling one, item by item. Fewer results than items reach the sink only with an error.
///
/// # Errors
///
/// The first of the items that is one, when all before it have reached the sink, or the sink's own; then no more items are taken.
pub fn in_order<T, R, E, W>(
    items: impl Iterator<Item = Result<T, E>> + Send,
    threads: usize,
    worker: impl Fn() -> W + Sync,
    mut sink: impl FnMut(R) -> Result<(), E> + Send,
) -> Result<(), E>
where
    W: FnMut(T) -> R,
    R: Send,
    E: Send,
{
    if threads <= 1 {
        let mut work = worker();
        for item in items {
            sink(work(item?))?;
        }
        return Ok(());
    }
    let feed = Mutex::new(Feed { items, taken: 0, failure: None, is_over: false });
    let line = Line {
        state: Mutex::new(State { early: BTreeMap::new(), wanted: 0, sink: Some(sink), failure: None, is_over: false }),
        changed: Condvar::new(),
        places: IN_FLIGHT * threads as u64,
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _alarm = Alarm(&line);
                let mut work = worker();
                while let Some((number, item)) = feed_one(&feed, &line) {
                    if !line.hand_on(number, work(item)) {
                        break;
                    }
                }
            });
        }
    });
    let sunk = line.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure;
    let failure = feed.into_inner().unwrap_or_else(PoisonError::into_inner).failure;
    sunk.or(failure).map_or(Ok(()), Err)
}

/// Where items come from.
struct Feed<I, E> {
    items: I,
    taken: u64,
    failure: Option<E>,
    is_over: bool,
}

/// The next item and its number, as soon as there is room for it; `None` when there is none, or none is wanted any more.
fn feed_one<T, R, E, S>(
    feed: &Mutex<Feed<impl Iterator<Item = Result<T, E>>, E>>,
    line: &Line<R, E, S>,
) -> Option<(u64, T)> {
    let mut feed = lock(feed);
    // Whoever waits for room keeps the feed: nobody else could take anything either.
    if feed.is_over || !line.wait_for_room(feed.taken) {
        return None;
    }
    match feed.items.next() {
        Some(Ok(item)) => {
            feed.taken += 1;
            Some((feed.taken - 1, item))
        }
        end => {
            feed.is_over = true;
            feed.failure = end.and_then(Result::err);
            None
        }
    }
}

/// Results on their way into the sink.
struct Line<R, E, S> {
    state: Mutex<State<R, E, S>>,
    /// The first in line is another now, or it is over.
    changed: Condvar,
    /// Items that may be in flight.
    places: u64,
}

struct State<R, E, S> {
    /// Results that came before their turn.
    early: BTreeMap<u64, R>,
    /// The number of the first in line.
    wanted: u64,
    /// Away while a thread uses it.
    sink: Option<S>,
    failure: Option<E>,
    is_over: bool,
}

impl<R, E, S> Line<R, E, S> {
    /// Waits until item `number` may be taken; false if nothing is wanted any more.
    fn wait_for_room(&self, number: u64) -> bool {
        let mut state = lock(&self.state);
        while !state.is_over && number - state.wanted >= self.places {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.is_over
    }

    fn stop(&self) {
        lock(&self.state).is_over = true;
        self.changed.notify_all();
    }
}

impl<R, E, S: FnMut(R) -> Result<(), E>> Line<R, E, S> {
    /// Puts a result into its place, and all that are next in line into the sink, unless another thread does; false if nothing is wanted
    /// any more.
    fn hand_on(&self, number: u64, result: R) -> bool {
        let mut state = lock(&self.state);
        state.early.insert(number, result);
        let Some(mut sink) = state.sink.take() else { return !state.is_over };
        while !state.is_over {
            let wanted = state.wanted;
            let Some(result) = state.early.remove(&wanted) else { break };
            drop(state);
            let sunk = sink(result);
            state = lock(&self.state);
            match sunk {
                Ok(()) => state.wanted += 1,
                Err(error) => {
                    state.failure = Some(error);
                    state.is_over = true;
                }
            }
            self.changed.notify_all();
        }
        state.sink = Some(sink);
        !state.is_over
    }
}

/// Ends the waiting for a result that a panicking worker will never hand on.
struct Alarm<'a, R, E, S>(&'a Line<R, E, S>);

impl<R, E, S> Drop for Alarm<'_, R, E, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn run(items: Vec<Result<u64, u64>>, threads: usize, stop_at: Option<u64>) -> (Vec<u64>, Result<(), u64>) {
        let mut sunk = Vec::new();
        let end = in_order(
            items.into_iter(),
            threads,
            || |item: u64| item * 2,
            |result| {
                if Some(result) == stop_at {
                    return Err(result);
                }
                sunk.push(result);
                Ok(())
            },
        );
        (sunk, end)
    }

    #[test]
    fn results_come_in_order_and_errors_in_their_place() {
        for threads in [0, 1, 2, 5] {
            let (sunk, end) = run((0..1000).map(Ok).collect(), threads, None);
            assert_eq!((sunk, end), ((0..1000).map(|i| i * 2).collect(), Ok(())), "{threads}");
            let items = (0..1000).map(|i| if i == 700 { Err(i) } else { Ok(i) }).collect();
            assert_eq!(run(items, threads, None), ((0..700).map(|i| i * 2).collect(), Err(700)), "{threads}");
            let (sunk, end) = run((0..1000).map(Ok).collect(), threads, Some(20));
            assert_eq!((sunk, end), ((0..10).map(|i| i * 2).collect(), Err(20)), "{threads}");
        }
    }

    #[test]
    fn a_late_result_holds_back_the_others_but_no_more_than_there_is_room_for() {
        let (sunk, gate) = (AtomicU64::new(0), Barrier::new(2));
        let room = 3 * IN_FLIGHT;
        let items = (0..100).inspect(|item| assert!(item - sunk.load(Ordering::SeqCst) < room, "{item}"));
        let works = || {
            |item: u64| {
                // The first result is held until all that there is room for is in work.
                if item == 0 || item == room - 1 {
                    gate.wait();
                }
                item
            }
        };
        let end = in_order(items.map(Ok::<u64, ()>), 3, works, |item| {
            assert_eq!(sunk.fetch_add(1, Ordering::SeqCst), item);
            Ok(())
        });
        assert_eq!((end, sunk.into_inner()), (Ok(()), 100));
    }

    #[test]
    fn there_is_room_as_long_as_few_results_wait_for_the_first() {
        let sink = |_: u64| Ok::<(), ()>(());
        let state = State { early: BTreeMap::new(), wanted: 0, sink: Some(sink), failure: None, is_over: false };
        let line = Line { state: Mutex::new(state), changed: Condvar::new(), places: 3 };
        assert!(line.wait_for_room(2) && line.hand_on(1, 1) && line.hand_on(2, 2));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| (line.wait_for_room(3), lock(&line.state).wanted));
            assert!(line.hand_on(0, 0));
            assert_eq!(waiting.join().unwrap(), (true, 3), "not before the first is through");
            let ended = scope.spawn(|| line.wait_for_room(9));
            line.stop();
            assert!(!ended.join().unwrap() && !line.hand_on(3, 3));
        });
    }

    #[test]
    #[should_panic(expected = "scoped thread panicked")]
    fn a_panic_ends_it() {
        let items = (0..1000).map(Ok::<u64, ()>);
        let _ = in_order(items, 2, || |item: u64| assert_ne!(item, 500), |()| Ok(()));
    }
}
