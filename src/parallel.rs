//! Work on many items at once whose results are wanted in the order of the items.
//!
//! Items are taken on the calling thread, worked on by several, and handed to the sink on one of their own, so that a slow source
//! doesn't hold back what is done. Memory is bounded: an item is taken only when there is room among those in flight.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Items in flight for each thread: one in work, one that waits for it, one that waits for its turn in the sink.
const IN_FLIGHT: usize = 3;

/// Takes all `items`, calls what `worker` makes (once for each of `threads`) on each, and `sink` on the results, in order.
///
/// With one thread all happens on the calling one, item by item. Fewer results than items reach the sink only with an error.
///
/// # Errors
///
/// The first of the items that is one, when all before it have reached the sink, or the sink's own; then no more items are taken.
pub fn in_order<T, R, E, W>(
    items: impl Iterator<Item = Result<T, E>>,
    threads: usize,
    worker: impl Fn() -> W + Sync,
    mut sink: impl FnMut(R) -> Result<(), E> + Send,
) -> Result<(), E>
where
    W: FnMut(T) -> R,
    T: Send,
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
    let (work, taken) = channel::<(u64, T)>();
    let (done, results) = channel::<Option<(u64, R)>>();
    // Each item in flight holds a place in this channel.
    let (places, free) = sync_channel::<()>(threads.saturating_mul(IN_FLIGHT));
    let taken = Mutex::new(taken);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (done, worker, taken, is_over) = (done.clone(), &worker, &taken, &is_over);
            scope.spawn(move || {
                let alarm = Alarm(&done);
                let mut work = worker();
                while let Some((number, item)) = next(taken) {
                    if !is_over.load(Ordering::Relaxed) && done.send(Some((number, work(item)))).is_err() {
                        break;
                    }
                }
                drop(alarm);
            });
        }
        drop(done);
        let is_over = &is_over;
        let end = scope.spawn(move || {
            let sunk = drain(&results, &free, &mut sink);
            // Only now may the calling thread find that nobody frees places any more.
            is_over.store(true, Ordering::Relaxed);
            drop(free);
            sunk
        });
        let mut failure = None;
        for (number, item) in (0..).zip(items) {
            let item = match item {
                Ok(item) => item,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            };
            if places.send(()).is_err() || work.send((number, item)).is_err() {
                break;
            }
        }
        drop(work);
        let sunk = end.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sunk.and(failure.map_or(Ok(()), Err))
    })
}

/// Hands results to the sink in the order of their numbers, and frees their places.
fn drain<R, E>(
    results: &Receiver<Option<(u64, R)>>,
    free: &Receiver<()>,
    sink: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut wanted = 0;
    while let Ok(Some((number, result))) = results.recv() {
        early.insert(number, result);
        while let Some(result) = early.remove(&wanted) {
            sink(result)?;
            wanted += 1;
            // There is one: the place of this very item.
            let _ = free.recv();
        }
    }
    Ok(())
}

fn next<T>(taken: &Mutex<Receiver<T>>) -> Option<T> {
    taken.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Ends the waiting for a result that a panicking worker will never send.
struct Alarm<'a, R>(&'a Sender<Option<(u64, R)>>);

impl<R> Drop for Alarm<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.send(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

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
        let (taken, gate) = (AtomicUsize::new(0), Barrier::new(2));
        let items = (0..100_u64).inspect(|_| _ = taken.fetch_add(1, Ordering::SeqCst)).map(Ok::<u64, ()>);
        let (mut sunk, room) = (Vec::new(), 2 * IN_FLIGHT);
        let works = || {
            |item: u64| {
                if item == 0 {
                    gate.wait();
                }
                // The first result is held until all that there is room for has been taken, and one more that waits outside.
                while item == (room - 1) as u64 && taken.load(Ordering::SeqCst) <= room {
                    std::thread::yield_now();
                }
                if item == (room - 1) as u64 {
                    assert_eq!(taken.load(Ordering::SeqCst), room + 1);
                    gate.wait();
                }
                item
            }
        };
        let end = in_order(items, 2, works, |item| {
            sunk.push(item);
            Ok(())
        });
        assert_eq!((end, sunk), (Ok(()), (0..100).collect()));
    }

    #[test]
    #[should_panic(expected = "scoped thread panicked")]
    fn a_panic_ends_it() {
        let items = (0..1000).map(Ok::<u64, ()>);
        let _ = in_order(items, 2, || |item: u64| assert_ne!(item, 500), |()| Ok(()));
    }
}
