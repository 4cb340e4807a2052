//! Connections: accepted, counted, served by hyper, and given to the part of the page that they ask for.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastwebsockets::upgrade;
use hyper::body::Incoming;
use hyper::header;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::answer::{self, Body, Refusal};
use super::meters::Limit;
use super::query::nothing_asked;
use super::{State, api, assets, browser, metrics, sheet};

/// How long a request's head may take, and a connection may be idle.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;

/// Most headers of a request.
const HEADERS: usize = 64;

/// How long what was sent may stay unacknowledged: a peer that is gone, or takes nothing, is dropped.
const PEER_LIMIT: Duration = Duration::from_secs(30);

/// What the kernel may hold for one connection, before the page itself notices that the browser is slow.
const SEND_BUFFER: usize = 256 << 10;

/// How long connections have to finish when the engine stops.
const GRACE: Duration = Duration::from_secs(2);

/// Held by everything that must finish before the page ends.
pub type Alive = mpsc::Sender<Infallible>;

/// Accepts connections until the page closes.
pub async fn accept(listener: TcpListener, state: Arc<State>, alive: Alive) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = state.closed() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the page can't accept a connection");
                // Out of descriptors, most likely: trying at once would only burn the core.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        settle(&stream);
        let (state, alive) = (state.clone(), alive.clone());
        if let Ok(connection) = state.connections.clone().try_acquire_owned() {
            tokio::spawn(async move {
                serve(stream, &state, alive, false).await;
                drop(connection);
            });
            continue;
        }
        state.meters.reached(Limit::HttpConnections);
        // Only so many are even told; the others are closed.
        if let Ok(told) = state.turned_away.clone().try_acquire_owned() {
            tokio::spawn(async move {
                let _ = tokio::time::timeout(GRACE, serve(stream, &state, alive, true)).await;
                drop(told);
            });
        }
    }
}

/// Options that bound what a slow or vanished peer costs; without them it only costs more.
fn settle(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = stream.set_nodelay(true);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let _ = socket.set_tcp_user_timeout(Some(PEER_LIMIT));
}

async fn serve(stream: TcpStream, state: &Arc<State>, alive: Alive, turn_away: bool) {
    let used = AtomicBool::new(false);
    let service = service_fn(|request| {
        used.store(true, Ordering::Relaxed);
        let (state, alive) = (state.clone(), alive.clone());
        async move { Ok::<_, Infallible>(if turn_away { full(&state) } else { answered(request, state, alive).await }) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(2 * HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(!turn_away)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    // How a connection ends is its peer's affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        // One that never asked for anything, as browsers open them ahead, has nothing to finish.
        () = state.closed() => if used.load(Ordering::Relaxed) {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(GRACE, connection).await;
        }
    }
}

fn full(state: &State) -> Response<Body> {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("the limit http_connections ({}) is reached; try again later", state.limits.http_connections),
    )
    .into()
}

async fn answered(mut request: Request<Incoming>, state: Arc<State>, alive: Alive) -> Response<Body> {
    routed(&mut request, state, alive).await.unwrap_or_else(Response::from)
}

async fn routed(request: &mut Request<Incoming>, state: Arc<State>, alive: Alive) -> Result<Response<Body>, Refusal> {
    let path = request.uri().path().to_owned();
    if let "/healthz" | "/readyz" = path.as_str() {
        reading(request.method())?;
        return Ok(health(&path, &state));
    }
    let host = state.guard.host(request)?;
    match path.as_str() {
        "/ws" => {
            if request.method() != Method::GET {
                return Err(Refusal::method("GET"));
            }
            state.guard.origin(request.headers(), &host)?;
            websocket(request, state, alive)
        }
        "/metrics" => {
            reading(request.method())?;
            nothing_asked(request.uri().query())?;
            let page = metrics::page(&state);
            Ok(answer::answer(StatusCode::OK, metrics::CONTENT_TYPE, None, page))
        }
        path if api::knows(path) => {
            reading(request.method())?;
            let question =
                api::Question { query: request.uri().query(), is_for_csv: sheet::is_wanted(request.headers()) };
            api::answer(&state, path, question).await
        }
        path => match assets::file(path) {
            Some(file) => {
                reading(request.method())?;
                Ok(file)
            }
            None => Err(Refusal {
                allowed: api::PATHS
                    .into_iter()
                    .chain(["/", "/ws", "/metrics", "/healthz", "/readyz"])
                    .map(str::to_owned)
                    .collect(),
                ..Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path")
            }),
        },
    }
}

fn reading(method: &Method) -> Result<(), Refusal> {
    if method == Method::GET || method == Method::HEAD { Ok(()) } else { Err(Refusal::method("GET, HEAD")) }
}

fn health(path: &str, state: &State) -> Response<Body> {
    let stopping = *state.closing.borrow();
    if path == "/healthz" {
        answer::plain(StatusCode::OK, "alive\n")
    } else if state.ready.load(Ordering::Acquire) && !stopping {
        answer::plain(StatusCode::OK, "ready\n")
    } else {
        answer::plain(StatusCode::SERVICE_UNAVAILABLE, "not ready: not all listeners accept\n")
    }
}

fn websocket(request: &mut Request<Incoming>, state: Arc<State>, alive: Alive) -> Result<Response<Body>, Refusal> {
    if !upgrade::is_upgrade_request(request) {
        return Err(Refusal {
            header: Some((header::UPGRADE, "websocket")),
            ..Refusal::new(StatusCode::UPGRADE_REQUIRED, "this path is the live stream; open it as a websocket")
        });
    }
    if *state.closing.borrow() {
        return Err(Refusal::stopping());
    }
    let Some(browsing) = state.meters.browser(state.limits.browsers) else {
        state.meters.reached(Limit::Browsers);
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the limit browsers ({}) is reached; close another page first", state.limits.browsers),
        ));
    };
    let (response, upgraded) =
        upgrade::upgrade(request).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    tokio::spawn(async move {
        browser::serve(upgraded, state, browsing).await;
        drop(alive);
    });
    // The upgrade completes only after this is returned.
    Ok(response.map(|_| Body::default()))
}
