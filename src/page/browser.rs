//! One browser: a websocket that carries several views.
//!
//! A task of its own reads, because reading a frame can't be broken off; the other waits for the hub, the reader and the
//! clock, and writes. A write that takes too long ends the connection, for half a frame may be out.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastwebsockets::upgrade::UpgradeFut;
use fastwebsockets::{CloseCode, Frame, OpCode, Payload, WebSocketError, WebSocketRead, WebSocketWrite};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at, timeout};

use super::State;
use super::backlog::Backlog;
use super::hub::{CannotOpen, Lease};
use super::meters::{Browsing, Limit};
use super::stream::{self, Control, Refused};
use crate::tally::{Filter, Window};

/// How often a browser is asked whether it is there.
const PING: Duration = Duration::from_secs(15);

/// How long a browser has to answer our close.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Messages of a browser that wait; then it is read from no more.
const WAITING: usize = 8;

type Socket = TokioIo<Upgraded>;

/// What comes from a browser.
#[derive(Debug)]
enum Incoming {
    Text(String),
    /// The answer to its ping.
    Pong(Vec<u8>),
    /// The answer to its close.
    Close(Vec<u8>),
    /// It broke a rule.
    Broken(CloseCode, &'static str),
}

/// Serves one browser until it leaves, breaks a rule, takes nothing for too long, or the engine stops.
pub async fn serve(upgrade: UpgradeFut, state: Arc<State>, browsing: Browsing) {
    let Ok(mut socket) = upgrade.await else {
        return;
    };
    // The limit is the first length that is refused.
    socket.set_max_message_size(state.limits.message + 1);
    let (read, write) = socket.split(tokio::io::split);
    let (sender, incoming) = mpsc::channel(WAITING);
    let mut reader = Reader(tokio::spawn(receive(read, sender, state.clone())));
    let backlog = browsing.backlog().clone();
    let mut browser = Browser { write, state, backlog, views: HashMap::new(), feeds: BTreeMap::new() };
    browser.run(incoming).await;
    // A socket that is closed with something unread may take our last word with it.
    let _ = timeout(LAST_WORD, &mut reader.0).await;
}

/// Ends the reading task with the browser.
struct Reader(JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn receive(mut read: WebSocketRead<ReadHalf<Socket>>, sender: mpsc::Sender<Incoming>, state: Arc<State>) {
    let mut reply = |frame: Frame<'_>| {
        let payload = frame.payload.to_vec();
        let reply = match frame.opcode {
            OpCode::Close => Incoming::Close(payload),
            _ => Incoming::Pong(payload),
        };
        let sender = sender.clone();
        async move { sender.send(reply).await }
    };
    loop {
        let incoming = match read.read_frame(&mut reply).await {
            Ok(frame) => match frame.opcode {
                OpCode::Close => return,
                OpCode::Pong => continue,
                OpCode::Text if frame.fin => match String::from_utf8(frame.payload.to_vec()) {
                    Ok(text) => Incoming::Text(text),
                    Err(_) => Incoming::Broken(CloseCode::Invalid, "text must be UTF-8"),
                },
                _ => Incoming::Broken(CloseCode::Unsupported, "a message is one text frame, not in fragments"),
            },
            Err(WebSocketError::FrameTooLarge) => {
                state.meters.reached(Limit::Message);
                Incoming::Broken(CloseCode::Size, "the message is too long")
            }
            Err(WebSocketError::InvalidUTF8) => Incoming::Broken(CloseCode::Invalid, "text must be UTF-8"),
            Err(_) => return,
        };
        let last = matches!(incoming, Incoming::Broken(..));
        if sender.send(incoming).await.is_err() || last {
            return;
        }
    }
}

/// One stream as this browser follows it.
struct Feed {
    lease: Arc<Lease>,
    deltas: broadcast::Receiver<Bytes>,
}

struct Browser {
    write: WebSocketWrite<WriteHalf<Socket>>,
    state: Arc<State>,
    backlog: Arc<Backlog>,
    /// By the page's number.
    views: HashMap<u16, Arc<Lease>>,
    /// By stream; two views may share one.
    feeds: BTreeMap<u64, Feed>,
}

/// `Break` ends the connection.
type Flow = ControlFlow<()>;

impl Browser {
    async fn run(&mut self, mut incoming: mpsc::Receiver<Incoming>) {
        let state = self.state.clone();
        let mut published = state.hub.published();
        let mut ping = interval_at(Instant::now() + PING, PING);
        let hello = stream::hello(&self.state.info, self.state.handle.snapshot().as_of);
        let mut flow = self.text(hello).await;
        while flow.is_continue() {
            // All that is waited for here can be broken off.
            flow = tokio::select! {
                () = state.closed() => {
                    self.close(CloseCode::Away, "the engine is stopping").await
                }
                changed = published.changed() => match changed {
                    Ok(()) => self.follow().await,
                    Err(_) => Flow::Break(()),
                },
                message = incoming.recv() => match message {
                    Some(Incoming::Text(text)) => self.control(&text).await,
                    Some(Incoming::Pong(payload)) => self.send(Frame::pong(payload.into())).await,
                    Some(Incoming::Close(payload)) => {
                        let _ = self.send(Frame::close_raw(payload.into())).await;
                        Flow::Break(())
                    }
                    Some(Incoming::Broken(code, reason)) => self.close(code, reason).await,
                    None => Flow::Break(()),
                },
                _ = ping.tick() => {
                    self.send(Frame::new(true, OpCode::Ping, None, Payload::Borrowed(b"visulate"))).await
                }
            };
        }
    }

    /// Sends what all feeds have, and which views have none any more.
    async fn follow(&mut self) -> Flow {
        let closed: Vec<u16> =
            self.views.iter().filter(|(_, lease)| lease.is_closed()).map(|(view, _)| *view).collect();
        for view in closed {
            self.drop_view(view);
            self.state.meters.reached(Limit::Filters);
            let reason = "the limit filters is reached: all live filters together took more than their tenth of --memory, and this one took \
                          the most; ask again once others are closed, for less, or start with a higher --memory";
            self.text(stream::refused(view, &Refused::new(reason, [""; 0]))).await?;
        }
        let streams: Vec<u64> = self.feeds.keys().copied().collect();
        for stream in streams {
            while let Some(message) = self.next(stream) {
                if *self.state.closing.borrow() {
                    return Flow::Continue(());
                }
                self.binary(&message).await?;
            }
        }
        Flow::Continue(())
    }

    /// The next message of a stream: a delta, or after falling behind the newest snapshot.
    fn next(&mut self, stream: u64) -> Option<Bytes> {
        let feed = self.feeds.get_mut(&stream)?;
        match feed.deltas.try_recv() {
            Ok(delta) => {
                self.backlog.take(stream, delta.len() as u64);
                Some(delta)
            }
            Err(TryRecvError::Lagged(skipped)) => {
                // With those that it would have got after these: the snapshot has them all.
                let skipped = skipped + feed.deltas.len() as u64;
                self.state.meters.lag(skipped);
                self.backlog.skip(skipped);
                let (snapshot, deltas) = feed.lease.join(&self.backlog);
                feed.deltas = deltas;
                Some(snapshot)
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    async fn control(&mut self, text: &str) -> Flow {
        match Control::parse(text) {
            Err(reason) => self.text(stream::error(&reason)).await,
            Ok(Control::Drop { view }) => {
                self.drop_view(view);
                Flow::Continue(())
            }
            Ok(Control::Subscribe { view, wanted, filter }) => match self.open(view, wanted, filter).await {
                Ok(lease) => {
                    let (stream, since) = (lease.stream(), lease.since());
                    self.drop_view(view);
                    let (snapshot, deltas) = lease.join(&self.backlog);
                    self.views.insert(view, lease.clone());
                    self.feeds.insert(stream, Feed { lease, deltas });
                    self.text(stream::accepted(view, stream, since)).await?;
                    self.binary(&snapshot).await
                }
                Err(refused) => {
                    self.drop_view(view);
                    self.text(stream::refused(view, &refused)).await
                }
            },
        }
    }

    async fn open(
        &mut self,
        view: u16,
        wanted: Result<crate::view::Subscription, Refused>,
        filter: Option<Filter>,
    ) -> Result<Arc<Lease>, Refused> {
        let subscription = wanted?;
        let most = self.state.limits.views;
        if self.views.len() >= most && !self.views.contains_key(&view) {
            self.state.meters.reached(Limit::Views);
            let reason = format!("the limit views ({most} a browser) is reached; drop one first");
            return Err(Refused::new(reason, [""; 0]));
        }
        let state = &self.state;
        let opened = tokio::select! {
            opened = state.hub.open(subscription, filter.map(Arc::new)) => opened,
            () = state.closed() => Err(CannotOpen::Stopped),
        };
        let allowed = |error| if error == CannotOpen::NoWindows { vec![Window::Total.name()] } else { vec![] };
        opened.map(Arc::new).map_err(|error| Refused::new(error.to_string(), allowed(error)))
    }

    fn drop_view(&mut self, view: u16) {
        if let Some(lease) = self.views.remove(&view) {
            let stream = lease.stream();
            if !self.views.values().any(|other| other.stream() == stream) {
                self.feeds.remove(&stream);
                self.backlog.leave(stream);
            }
        }
    }

    async fn text(&mut self, text: String) -> Flow {
        self.send(Frame::text(text.into_bytes().into())).await
    }

    async fn binary(&mut self, message: &Bytes) -> Flow {
        let frame = Frame::binary(Payload::Borrowed(message));
        sent(&mut self.write, frame, &self.state, &self.backlog).await
    }

    async fn send(&mut self, frame: Frame<'_>) -> Flow {
        sent(&mut self.write, frame, &self.state, &self.backlog).await
    }

    async fn close(&mut self, code: CloseCode, reason: &str) -> Flow {
        let _ = self.send(Frame::close(code.into(), reason.as_bytes())).await;
        Flow::Break(())
    }
}

async fn sent(
    write: &mut WebSocketWrite<WriteHalf<Socket>>,
    frame: Frame<'_>,
    state: &State,
    backlog: &Backlog,
) -> Flow {
    backlog.write(frame.payload.len() as u64);
    let written = timeout(state.limits.write, write.write_frame(frame)).await;
    backlog.write(0);
    match written {
        Ok(Ok(())) => Flow::Continue(()),
        Ok(Err(_)) => Flow::Break(()),
        Err(_) => {
            state.meters.time_out();
            Flow::Break(())
        }
    }
}
