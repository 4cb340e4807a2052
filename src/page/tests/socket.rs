use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, HandshakeError, Message, WebSocket};

use super::*;
use crate::view::model::tests::{Reader, opened};

/// A browser.
struct Browser(WebSocket<TcpStream>);

/// An answer in place of a websocket.
type Refusal = tungstenite::http::Response<Option<Vec<u8>>>;

fn handshake(
    rig: &Rig,
    headers: &[(&'static str, &str)],
    stream: TcpStream,
) -> Result<WebSocket<TcpStream>, Box<Refusal>> {
    let mut request = format!("ws://{}/ws", rig.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tungstenite::client(request, stream) {
        Ok((socket, response)) => {
            let _: Response = response;
            Ok(socket)
        }
        Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => Err(Box::new(*response)),
        Err(other) => panic!("{other}"),
    }
}

fn refused(rig: &Rig, headers: &[(&'static str, &str)]) -> u16 {
    handshake(rig, headers, rig.connect()).unwrap_err().status().as_u16()
}

impl Browser {
    fn open(rig: &Rig) -> Self {
        Self::over(rig, rig.connect())
    }

    fn over(rig: &Rig, stream: TcpStream) -> Self {
        let mut browser = Self(handshake(rig, &[], stream).unwrap());
        let hello = &browser.text()["hello"];
        assert_eq!((&hello["protocol"], &hello["start"]), (&1.into(), &"5f1c".into()));
        browser
    }

    fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    fn text(&mut self) -> Value {
        match self.0.read().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn binary(&mut self) -> Vec<u8> {
        match self.0.read().unwrap() {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// Subscribes and gives the stream's number and what its snapshot shows.
    fn subscribe(&mut self, view: u16, fields: &str) -> Follower {
        self.send(&format!(r#"{{"subscribe": {{"view": {view}, {fields}}}}}"#));
        let answer = self.text();
        assert_eq!(answer["view"], view, "{answer}");
        let stream = answer["stream"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        let mut follower = Follower { stream, seq: 0, tick: 0, reader: Reader::empty(fields.contains("matrix")) };
        let message = self.binary();
        assert_eq!(opened(&message).0, 1, "first a snapshot");
        follower.take(&message);
        follower
    }

    fn close_code(&mut self) -> Option<CloseCode> {
        loop {
            match self.0.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

/// What a page knows of one stream.
struct Follower {
    stream: u64,
    seq: u64,
    tick: u64,
    reader: Reader,
}

impl Follower {
    /// Takes a snapshot, or the delta that follows on.
    fn take(&mut self, message: &[u8]) {
        let (kind, stand, body) = opened(message);
        assert_eq!(stand.stream, self.stream);
        match kind {
            1 => self.reader = Reader::empty(self.reader.paired),
            2 => assert_eq!(stand.seq, self.seq + 1, "a gap"),
            other => panic!("type {other}"),
        }
        (self.seq, self.tick) = (stand.seq, stand.tick);
        self.reader.apply(body);
    }

    fn names(&self) -> Vec<&str> {
        self.reader.names(0)
    }
}

fn sites(rows: &[(&str, u64)]) -> Table {
    sample::table(Dimension::Site, rows)
}

const TABLE: &str = r#""kind": "table", "dimension": "site", "rows": 2"#;

#[test]
fn a_snapshot_comes_at_once_and_deltas_follow() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(&[("a", 5), ("b", 9), ("c", 1)])]);
    let mut browser = Browser::open(&rig);
    let mut table = browser.subscribe(3, TABLE);
    assert_eq!((table.names(), table.tick), (vec!["b", "a"], 1));
    assert_eq!(table.reader.head[&4], 15, "total");
    for (tick, rows, names) in [
        (2, [("a", 5), ("b", 9), ("c", 7)], ["b", "c"]),
        (3, [("a", 5), ("b", 9), ("c", 7)], ["b", "c"]),
        (4, [("a", 99), ("b", 9), ("c", 7)], ["a", "b"]),
    ] {
        rig.tick(vec![sites(&rows)]);
        table.take(&browser.binary());
        assert_eq!((table.names(), table.tick), (names.to_vec(), tick));
    }
}

#[test]
fn all_kinds_are_shown() {
    let mut rig = Rig::new();
    let (sites, clients) = (sites(&[("a", 5), ("b", 9)]), sample::clients(&[(1, 14)]));
    let pairs = sample::pairs(&clients, &sites, &[([0, 0], 5), ([0, 1], 9)]);
    rig.tick(vec![sites, clients, pairs]);
    let mut browser = Browser::open(&rig);
    let status = browser.subscribe(0, r#""kind": "status""#);
    assert_eq!(status.names()[0], "edge-01@192.0.2.1");
    assert_eq!(status.reader.head[&11], 1, "browsers");
    assert_eq!(status.reader.texts[&3], "default");
    let rank = browser.subscribe(1, r#""kind": "rank", "dimension": "site""#);
    assert_eq!(rank.reader.cells[&(2, 0)], crate::view::model::values([5, 14, 0, 0, 0]));
    let matrix = browser.subscribe(2, r#""kind": "matrix", "dimension": "client,site""#);
    assert_eq!((matrix.names(), matrix.reader.names(1)), (vec!["b", "a"], vec!["192.0.2.1"]));
    assert_eq!(matrix.reader.cells.len(), 2);
    assert_eq!(rig.watched(Dimension::ClientSite), 1);
}

#[test]
fn browsers_that_show_the_same_share_a_stream() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(&[("a", 5)])]);
    let (mut one, mut two) = (Browser::open(&rig), Browser::open(&rig));
    let mut first = one.subscribe(3, TABLE);
    rig.tick(vec![sites(&[("a", 6)])]);
    first.take(&one.binary());
    let mut second = two.subscribe(9, TABLE);
    assert_eq!((first.stream, first.seq), (second.stream, second.seq));
    let again = two.subscribe(10, TABLE);
    assert_eq!(again.stream, second.stream, "two views of one browser too");
    let other = two.subscribe(11, r#""kind": "table", "dimension": "site", "rows": 3"#);
    assert_ne!(other.stream, second.stream);
    rig.tick(vec![sites(&[("a", 7), ("b", 1)])]);
    first.take(&one.binary());
    second.take(&two.binary());
    assert_eq!(first.reader, second.reader);
    assert_eq!(rig.watched(Dimension::Site), 2, "one watch a stream");
}

#[test]
fn a_thousand_browsers_on_one_view_cost_one_message_a_tick() {
    const BROWSERS: usize = 1000;
    let mut rig = Rig::new();
    rig.tick(vec![sites(&[("a", 5)])]);
    let mut browsers: Vec<Browser> = (0..BROWSERS).map(|_| Browser::open(&rig)).collect();
    let mut followers: Vec<Follower> = browsers.iter_mut().map(|browser| browser.subscribe(3, TABLE)).collect();
    let made = |rig: &Rig| {
        let metrics = rig.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("visulate_view_messages_total "));
        line.unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(made(&rig), 1.0, "the first snapshot");
    for count in 6..9 {
        rig.tick(vec![sites(&[("a", count)])]);
        let first = browsers[0].binary();
        followers[0].take(&first);
        for (browser, follower) in browsers.iter_mut().zip(&mut followers).skip(1) {
            let message = browser.binary();
            assert!(message == first, "the same bytes for all");
            follower.take(&message);
        }
        assert_eq!(made(&rig), (count - 4) as f64);
    }
}

#[test]
fn a_view_ends_with_the_last_who_shows_it() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(&[("a", 5)])]);
    let mut browser = Browser::open(&rig);
    let first = browser.subscribe(3, TABLE);
    browser.subscribe(4, TABLE);
    browser.send(r#"{"drop": {"view": 3}}"#);
    browser.send(r#"{"drop": {"view": 77}}"#);
    let status = browser.subscribe(5, r#""kind": "status""#);
    assert_eq!(rig.watched(Dimension::Site), 1, "view 4 shows it");
    let status_again = browser.subscribe(4, r#""kind": "status""#);
    assert_eq!(status_again.stream, status.stream);
    assert_eq!(rig.watched(Dimension::Site), 0, "replaced");
    let anew = browser.subscribe(3, TABLE);
    assert_ne!(anew.stream, first.stream, "another stream, with numbers of its own");
    drop(browser);
    while rig.watched(Dimension::Site) > 0 {
        thread::yield_now();
    }
}

#[test]
fn what_is_refused_harms_nothing() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(&[("a", 5)])]);
    let mut browser = Browser::open(&rig);
    browser.send(r#"{"subscribe": {"view": 3, "kind": "table", "dimension": "site", "window": "2h"}}"#);
    let allowed = ["total", "1m", "10m", "1h", "24h"];
    assert_eq!(browser.text(), serde_json::json!({"view": 3, "refused": "window 2h is not kept", "allowed": allowed}));
    browser.send(r#"{"subscribe": {"view": 4, "kind": "serie"}}"#);
    assert_eq!(browser.text()["allowed"][1], "table");
    for text in ["", "hello", "{}", "[1]"] {
        browser.send(text);
        assert!(browser.text()["error"].is_string());
    }
    browser.subscribe(3, TABLE);
}

#[test]
fn a_browser_has_so_many_views_and_no_more() {
    let mut rig = Rig::with(Limits { views: 2, ..Limits::default() });
    rig.tick(vec![sites(&[("a", 5)])]);
    let mut browser = Browser::open(&rig);
    browser.subscribe(1, TABLE);
    browser.subscribe(2, TABLE);
    browser.subscribe(2, r#""kind": "status""#);
    browser.send(r#"{"subscribe": {"view": 3, "kind": "status"}}"#);
    let answer = browser.text();
    assert!(answer["refused"].as_str().unwrap().contains("views (2 a browser)"), "{answer}");
    browser.send(r#"{"drop": {"view": 1}}"#);
    browser.subscribe(3, r#""kind": "status""#);
}

/// Names so long that a few deltas fill what the kernel holds for a slow reader.
fn long_names(tick: u64) -> Vec<(String, u64)> {
    (0..200_u64).map(|row| (format!("{tick}-{row}-{}", "x".repeat(1024)), 1000 - row)).collect()
}

fn publish_long_names(rig: &mut Rig, tick: u64) {
    let names = long_names(tick);
    let rows: Vec<(&str, u64)> = names.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    rig.tick(vec![sites(&rows)]);
}

/// A browser for which the kernel holds little.
fn small_window(rig: &Rig) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&rig.address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

const LONG_TABLE: &str = r#""kind": "table", "dimension": "site", "rows": 200"#;

#[test]
fn a_slow_reader_is_resynchronised_by_a_snapshot() {
    let mut rig = Rig::with(Limits { write: PATIENCE, ..Limits::default() });
    publish_long_names(&mut rig, 1);
    let mut slow = Browser::over(&rig, small_window(&rig));
    let mut table = slow.subscribe(1, LONG_TABLE);

    // It reads nothing, while far more is published than anybody would hold for it.
    const TICKS: u64 = 60;
    for tick in 2..=TICKS {
        publish_long_names(&mut rig, tick);
    }
    let quality = |rig: &Rig| -> Value {
        serde_json::from_str::<Value>(&rig.get("/api/v1/quality").body).unwrap()["browsers"].take()
    };
    let waiting = quality(&rig);
    assert!(waiting["each"][0]["waiting_bytes"].as_u64() > Some(200 << 10), "{waiting}");
    assert_eq!(waiting["waiting_bytes"], waiting["each"][0]["waiting_bytes"]);
    let (mut messages, mut snapshots) = (0, 0);
    while table.tick < TICKS {
        let message = slow.binary();
        messages += 1;
        snapshots += u32::from(opened(&message).0 == 1);
        table.take(&message);
    }
    assert!((1..=3).contains(&snapshots), "{snapshots} snapshots");
    assert!(messages < TICKS / 2, "{messages} messages were held");
    let names: Vec<String> = long_names(TICKS).into_iter().map(|(name, _)| name).collect();
    assert_eq!(table.names(), names);

    publish_long_names(&mut rig, TICKS + 1);
    table.take(&slow.binary());
    assert_eq!(table.tick, TICKS + 1);
    let metrics = rig.get("/metrics").body;
    assert!(!metrics.contains("visulate_browsers_lagged_total 0"), "{metrics}");
    // All have been taken, or skipped for a snapshot, which may have had one or two that came meanwhile.
    while quality(&rig)["waiting_bytes"] != 0 {
        thread::yield_now();
    }
    let of_it = quality(&rig)["each"][0].take();
    let skipped = of_it["skipped"].as_u64().unwrap();
    assert_eq!(of_it["resynchronised"], snapshots, "{of_it}");
    let taken = messages - u64::from(snapshots);
    assert!((TICKS - 1 - taken).abs_diff(skipped) <= 2 * u64::from(snapshots), "{of_it}: {taken} were taken");
}

#[test]
fn a_browser_that_takes_nothing_is_dropped() {
    let mut rig = Rig::with(Limits { write: Duration::from_millis(50), ..Limits::default() });
    publish_long_names(&mut rig, 1);
    let mut stalled = Browser::over(&rig, small_window(&rig));
    stalled.subscribe(1, LONG_TABLE);
    let mut tick = 1;
    while !rig.get("/metrics").body.contains("visulate_browsers_timed_out_total 1") {
        tick += 1;
        publish_long_names(&mut rig, tick);
    }
    while rig.watched(Dimension::Site) > 0 {
        thread::yield_now();
    }
    assert_eq!(stalled.close_code(), None, "half a frame may be out: no close");
}

#[test]
fn a_message_that_is_too_long_ends_the_connection() {
    let rig = Rig::new();
    let mut browser = Browser::open(&rig);
    browser.send(&"x".repeat(16 << 10));
    assert!(browser.text()["error"].is_string(), "16 KiB are taken");
    let _ = browser.0.send(Message::text("x".repeat((16 << 10) + 1)));
    assert!(matches!(browser.close_code(), None | Some(CloseCode::Size)));
    let metrics = rig.get("/metrics").body;
    assert!(metrics.contains("visulate_limit_reached_total{limit=\"websocket_message\"} 1"));
}

#[test]
fn fragments_and_binary_messages_end_the_connection() {
    let rig = Rig::new();
    // Fin is not set; text "{}"; the mask is nought.
    let fragment = b"\x01\x82\0\0\0\0{}";
    let continuation = b"\x80\x82\0\0\0\0{}";
    let binary = b"\x82\x82\0\0\0\0{}";
    for frame in [&fragment[..], continuation, binary] {
        let mut browser = Browser::open(&rig);
        browser.0.get_mut().write_all(frame).unwrap();
        assert_eq!(browser.close_code(), Some(CloseCode::Unsupported), "{frame:?}");
    }
    let mut browser = Browser::open(&rig);
    browser.0.get_mut().write_all(b"\x81\x82\0\0\0\0\xff\xff").unwrap();
    assert_eq!(browser.close_code(), Some(CloseCode::Invalid), "not UTF-8");
}

#[test]
fn pings_and_closes_are_answered() {
    let rig = Rig::new();
    let mut browser = Browser::open(&rig);
    browser.0.send(Message::Ping("there?".into())).unwrap();
    assert_eq!(browser.0.read().unwrap(), Message::Pong("there?".into()));
    browser.0.close(None).unwrap();
    assert_eq!(browser.close_code(), None);
    while !rig.get("/metrics").body.contains("visulate_websockets 0.0") {}
}

#[test]
fn only_the_pages_own_origin_opens_the_stream() {
    let rig = Rig::new();
    let own = format!("http://{}", rig.address);
    for origin in [own.as_str(), "https://wall.example"] {
        assert!(handshake(&rig, &[("origin", origin)], rig.connect()).is_ok());
    }
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(refused(&rig, &[("origin", origin)]), 403, "{origin}");
    }
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(refused(&rig, &rebound), 421, "both are the attacker's name");
    assert_eq!(refused(&rig, &[("sec-websocket-version", "12")]), 400);
    let plain = rig.get("/ws");
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
}

#[test]
fn browsers_beyond_the_limit_are_told_so() {
    let rig = Rig::with(Limits { browsers: 1, ..Limits::default() });
    let first = Browser::open(&rig);
    let answer = handshake(&rig, &[], rig.connect()).unwrap_err();
    assert_eq!(answer.status(), 503);
    let body = String::from_utf8(answer.body().clone().unwrap()).unwrap();
    assert!(body.contains("browsers (1)"), "{body}");
    drop(first);
    while handshake(&rig, &[], rig.connect()).is_err() {}
}

#[test]
fn a_page_that_stops_closes_with_1001() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(&[("a", 5)])]);
    let mut browser = Browser::open(&rig);
    browser.subscribe(1, TABLE);
    let _idle = rig.connect();
    rig.page.stop();
    assert_eq!(browser.close_code(), Some(CloseCode::Away));
    let address = rig.address;
    rig.page.join().unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn a_page_ends_with_its_merger() {
    let rig = Rig::new();
    let mut browser = Browser::open(&rig);
    drop(rig.snapshots);
    assert_eq!(browser.close_code(), Some(CloseCode::Away));
    rig.page.join().unwrap();
}

#[test]
fn a_driven_second_reaches_the_views_before_the_next() {
    use crate::clock::Clock;
    use crate::merger::{self, Merger};
    use crate::tally::{Caps, door::Door, table::Seed};

    let clock = Clock::driven(sample::STARTED);
    let config = merger::Config {
        workers: 0,
        caps: Caps::new(64 << 20, 1),
        memory: 64 << 20,
        seed: Seed::default(),
        clock: clock.clone(),
        statistics: crate::tally::Statistics::All,
        door: Arc::new(Door::default()),
        filters: Vec::new(),
        filter_limit: 32,
    };
    let (merger, _) = Merger::spawn(config).unwrap();
    let mut rig = Rig::before(merger.handle(), Limits::default());
    let mut browser = Browser::open(&rig);
    let mut followers = [
        browser.subscribe(1, r#""kind": "status""#),
        browser.subscribe(2, TABLE),
        browser.subscribe(3, r#""kind": "matrix", "dimension": "client,site""#),
    ];
    followers.sort_by_key(|follower| follower.stream);
    for second in 1..=3 {
        let now = sample::STARTED + second * 1000;
        clock.set(now);
        let (done, ticked) = tokio::sync::oneshot::channel();
        merger.handle().command(Command::Drive { full: true, done }).unwrap();
        rig.tick = block_on(ticked).unwrap();
        rig.wait();
        for follower in &mut followers {
            let message = browser.binary();
            follower.take(&message);
            assert_eq!((follower.tick, opened(&message).1.as_of), (rig.tick, now));
        }
    }
    assert_eq!(rig.get("/api/v1/top?dimension=site").json()["tick"], rig.tick);
    merger.stop();
    assert_eq!(browser.close_code(), Some(CloseCode::Away));
}

#[test]
fn without_windows_what_is_by_time_is_refused() {
    let mut rig = Rig::new();
    rig.without_history = true;
    rig.tick(vec![sites(&[("a", 5)])]);
    let mut browser = Browser::open(&rig);
    for kind in [r#""kind": "series", "window": "1h""#, r#""kind": "table", "dimension": "status", "window": "1m""#] {
        browser.send(&format!(r#"{{"subscribe": {{"view": 3, {kind}}}}}"#));
        let refused = browser.text();
        assert_eq!(refused["allowed"], serde_json::json!(["total"]), "{refused}");
        assert!(refused["refused"].as_str().unwrap().contains("--statistics base"));
    }
}
