//! `visulate demo`: the engine with its generator inside, over real sockets.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{oneshot, watch};

use super::complain;
use super::serve::{self, COLLATION_PORT, Failure, Running, ServeArgs};
use crate::clock::Clock;
use crate::demo::{self, Feeder, Generator};
use crate::merger::run::FULL;
use crate::merger::{Command, Handle};

/// How often the generator sends in real time.
const STEP: Duration = Duration::from_millis(100);

/// How much history is sent at once.
const HISTORY_STEP_MS: u64 = 10_000;

/// How long the engine may take to count what was sent, before a driven step gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Options of the demo.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    #[command(flatten)]
    traffic: demo::Args,
    #[command(flatten)]
    engine: ServeArgs,
}

/// Runs `visulate demo`.
pub fn run(args: DemoArgs) -> ExitCode {
    match demo(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text, code)) => complain(&text, code),
    }
}

fn demo(args: DemoArgs) -> Result<(), Failure> {
    let mut engine = serve::prepare(args.engine)?;
    if engine.collation.is_empty() {
        engine.collation.push(format!("127.0.0.1:{COLLATION_PORT}"));
    }
    let wall = Clock::wall();
    let plan = args.traffic.plan((wall.now() / 1000) as i64);
    let start = plan.start as u64 * 1000;
    let driven = args.traffic.clock == demo::Clock::Stdin;
    let clock = match (driven, args.traffic.at) {
        (true, _) => Clock::driven(start),
        (false, Some(_)) => Clock::shifted(start as i64 - wall.now() as i64),
        (false, None) => wall,
    };
    let signals = serve::Signals::catch()?;
    let running = serve::start(&engine, clock.clone())?;
    let collation = running.engine.addresses()[0];
    let stopping = Arc::new(AtomicBool::new(false));
    let traffic = Traffic {
        generator: Generator::new(plan),
        start,
        flush: args.traffic.flush_after(),
        clock,
        handle: running.engine.handle(),
        published: running.page.published(),
        stopping: stopping.clone(),
    };
    let (ended, end) = oneshot::channel();
    let secret = running.secret.clone();
    let feeder = std::thread::Builder::new()
        .name("generator".into())
        .spawn(move || {
            let outcome = traffic.run(collation, &secret, driven);
            // Whoever waits may have been told to stop by a signal.
            let _ = ended.send(());
            outcome
        })
        .map_err(|error| Failure(format!("the generator can't start: {error}"), 1))?;
    signals.wait(end);
    stopping.store(true, Ordering::Release);
    stop(running, feeder)
}

fn stop(running: Running, feeder: std::thread::JoinHandle<Result<(), String>>) -> Result<(), Failure> {
    // A generator that waits for the next line can't be woken; it ends with the process.
    let outcome = if feeder.is_finished() || !io::stdin().is_terminal() {
        let deadline = Instant::now() + Duration::from_secs(1);
        while !feeder.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if feeder.is_finished() {
            feeder.join().unwrap_or_else(|_| Err("the generator panicked".into()))
        } else {
            Ok(())
        }
    } else {
        Ok(())
    };
    running.stop();
    outcome.map_err(|text| Failure(text, 1))
}

/// What the generator's thread needs.
struct Traffic {
    generator: Generator,
    start: u64,
    flush: Duration,
    clock: Clock,
    handle: Handle,
    published: watch::Receiver<u64>,
    stopping: Arc<AtomicBool>,
}

impl Traffic {
    fn run(self, collation: SocketAddr, secret: &crate::secret::Secret, driven: bool) -> Result<(), String> {
        let history = self.generator.plan().history.as_millis() as u64;
        let (start, stopping, clock) = (self.start, self.stopping.clone(), self.clock.clone());
        let lost = |error: io::Error| {
            if stopping.load(Ordering::Acquire) {
                String::new()
            } else {
                format!("the generator lost its connection: {error}")
            }
        };
        let silent = |result: Result<(), String>| match result {
            Err(text) if text.is_empty() => Ok(()),
            other => other,
        };
        let mut feeder = Feeder::new(self.generator, collation, secret, self.flush).map_err(lost)?;
        let bar = progress(history);
        let mut at = start.saturating_sub(history);
        while at < start && !self.stopping.load(Ordering::Acquire) {
            at = (at + HISTORY_STEP_MS).min(start);
            if let Err(error) = feeder.feed_to(at) {
                return silent(Err(lost(error)));
            }
            bar.set_position(history - (start - at));
        }
        bar.finish_and_clear();
        tracing::info!("{} entries of history sent; going on in real time", feeder.entries_sent());
        if driven {
            return Driver { feeder, clock, handle: self.handle, published: self.published, now: start }
                .run(io::stdin().lock());
        }
        while !self.stopping.load(Ordering::Acquire) {
            if let Err(error) = feeder.feed_to(clock.now()) {
                return silent(Err(lost(error)));
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }
}

fn progress(history: u64) -> ProgressBar {
    if history == 0 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("history {wide_bar} {percent} %").expect("the template is sound");
    ProgressBar::new(history).with_style(style)
}

/// The one clock of generator and engine, moved by lines on the standard input.
struct Driver {
    feeder: Feeder,
    clock: Clock,
    handle: Handle,
    published: watch::Receiver<u64>,
    now: u64,
}

impl Driver {
    fn run(mut self, lines: impl BufRead) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            self.settle().await?;
            self.publish().await?;
            for line in lines.lines() {
                let line = line.map_err(|error| format!("the standard input can't be read: {error}"))?;
                let Some(seconds) = parse_step(&line) else {
                    eprintln!("visulate: {line:?} is not a step such as +10s");
                    continue;
                };
                for _ in 0..seconds {
                    self.second().await?;
                }
                let mut out = io::stdout().lock();
                writeln!(out, "at {}", self.now / 1000)
                    .and_then(|()| out.flush())
                    .map_err(|error| error.to_string())?;
            }
            Ok(())
        })
    }

    /// Sends the entries up to the next second, waits until the engine has taken them, makes it now, and publishes.
    async fn second(&mut self) -> Result<(), String> {
        let next = self.now + 1000;
        self.feeder.feed_to(next).map_err(|error| format!("the generator lost its connection: {error}"))?;
        self.settle().await?;
        self.now = next;
        self.clock.set(next);
        self.publish().await
    }

    /// Waits until the engine has counted all that was sent.
    async fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drive(false).await?;
            let received = self.handle.snapshot().entries.received();
            if received >= self.feeder.entries_sent() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the engine counted {received} of {} entries", self.feeder.entries_sent()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// All ticks of one second, and its delta.
    async fn publish(&mut self) -> Result<(), String> {
        for _ in 1..FULL {
            self.drive(false).await?;
        }
        let tick = self.drive(true).await?;
        let published = self.published.wait_for(|published| *published >= tick);
        match tokio::time::timeout(PATIENCE, published).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err("the page did not publish".into()),
        }
    }

    async fn drive(&self, full: bool) -> Result<u64, String> {
        let (done, tick) = oneshot::channel();
        self.handle.command(Command::Drive { full, done }).map_err(|error| error.to_string())?;
        tick.await.map_err(|_| "the engine is stopping".to_owned())
    }
}

/// `+10s` is 10 seconds.
fn parse_step(line: &str) -> Option<u64> {
    line.trim().strip_prefix('+')?.strip_suffix('s')?.parse().ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_number_of_seconds() {
        let cases = [
            ("+10s", Some(10)),
            (" +1s\r", Some(1)),
            ("+0s", None),
            ("10s", None),
            ("+s", None),
            ("+-1s", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_step(line), expected, "{line:?}");
        }
    }
}
