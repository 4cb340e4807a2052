//! What goes over the wire, seen by plain listeners.

use super::*;
use crate::secret::Secret;
use crate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};
use crate::wire::segment::Segment;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

const T: i64 = 1_700_000_000;

/// An input of so many segments of three entries, a second apart.
fn recorded(segments: usize) -> Arc<Input> {
    let header = Header { field_list: b"cqtq,psql", ..Header::default() };
    let mut writer = SegmentWriter::new(&header, T as u32);
    let mut input = Input::default();
    let mut capture = auth_message(b"theirs");
    for segment in 0..segments as i64 {
        writer.restart((T + segment) as u32);
        for entry in 0..3 {
            let seconds = T + segment + entry;
            writer.push(seconds, 5, &[Value::Int(seconds * 1000 + 1), Value::Int(T)]).unwrap();
        }
        capture.extend(message(writer.finish((T + segment + 3) as u32)));
    }
    // A tail that was never finished.
    capture.extend(&message(writer.finish(0))[..100]);
    input.add(&capture).unwrap();
    Arc::new(input)
}

fn options(to: SocketAddr, connections: usize, until: Until) -> Options {
    Options {
        to: vec![to],
        secret: Secret::new(b"ours").unwrap(),
        connections: NonZeroUsize::new(connections).unwrap(),
        until,
        rate: None,
        shift_to_now: false,
    }
}

/// A listener that reads so many connections to their end.
fn listen(connections: usize) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let readers = thread::spawn(move || {
        let readers: Vec<_> = (0..connections)
            .map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                thread::spawn(move || {
                    let mut bytes = Vec::new();
                    stream.read_to_end(&mut bytes).unwrap();
                    bytes
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    (address, readers)
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn every_connection_sends_our_secret_and_then_the_recorded_bytes_so_often() {
    let input = recorded(7);
    assert_eq!(input.unfinished(), 1);
    for (connections, repeat) in [(1, 1), (3, 2), (20, 5)] {
        let (to, received) = listen(connections);
        let sent = send(&input, options(to, connections, Until::Repeats(repeat)), |_| ()).unwrap();
        let expected = [auth_message(b"ours"), input.bytes().repeat(repeat as usize)].concat();
        let received = received.join().unwrap();
        assert!(received.iter().all(|bytes| *bytes == expected));
        assert_eq!(sent.entries, connections as u64 * repeat * 21);
        assert_eq!(sent.bytes, (connections * expected.len()) as u64);
    }
}

#[test]
fn inputs_longer_than_a_write_arrive_whole() {
    let input = recorded(20_000);
    let (to, received) = listen(2);
    send(&input, options(to, 2, Until::Repeats(1)), |_| ()).unwrap();
    let expected = [auth_message(b"ours"), input.bytes().to_vec()].concat();
    assert!(received.join().unwrap().iter().all(|bytes| *bytes == expected));
}

#[test]
fn shifted_bytes_differ_in_their_times_alone() {
    let input = recorded(4);
    let (to, received) = listen(1);
    let before = unix_now();
    send(&input, Options { shift_to_now: true, ..options(to, 1, Until::Repeats(1)) }, |_| ()).unwrap();
    let bytes = received.join().unwrap().remove(0);
    let mut shifted = Input::default();
    shifted.add(&bytes).unwrap();
    let newest = Times::of(&shifted).newest().unwrap();
    assert!((before..=unix_now()).contains(&newest), "{newest}");
    let by = newest - Times::of(&input).newest().unwrap();
    for (was, is) in input.segments().zip(shifted.segments()) {
        let (was, is) = (Segment::parse(was).unwrap(), Segment::parse(is).unwrap());
        assert_eq!(i64::from(is.timestamps().0) - i64::from(was.timestamps().0), by);
        for (was, is) in was.entries().zip(is.entries()) {
            assert_eq!((is.seconds, is.usec), (was.seconds + by, was.usec));
            let integer = |payload: &[u8], at| crate::wire::bytes::i64_at(payload, at).unwrap();
            assert_eq!(integer(is.payload, 0), integer(was.payload, 0) + by * 1000);
            assert_eq!(integer(is.payload, 8), T);
        }
    }
    let mut back = shifted.bytes().to_vec();
    let len = back.len();
    Times::of(&shifted).shift(&mut back, 0..len, -by);
    assert_eq!(back, input.bytes());
}

#[test]
fn a_time_limit_ends_with_a_whole_message() {
    let input = recorded(3);
    let (to, received) = listen(2);
    let sent = send(&input, options(to, 2, Until::Elapsed(Duration::from_millis(20))), |_| ()).unwrap();
    let mut entries = 0;
    for bytes in received.join().unwrap() {
        let mut received = Input::default();
        received.add(&bytes).unwrap();
        assert_eq!(received.unfinished(), 0);
        entries += received.entries();
    }
    assert!(entries > 18);
    assert_eq!(sent.entries, entries);
}

#[test]
fn a_refused_connection_says_where() {
    let to = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let error = send(&recorded(1), options(to, 1, Until::Repeats(1)), |_| ()).unwrap_err().to_string();
    assert!(error.contains(&format!("is the engine listening at {to}?")), "{error}");
}

#[test]
fn an_engine_that_closes_is_noticed_while_sending_and_while_waiting() {
    for rate in [None, Some(1.0)] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        let closer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut secret = [0; 8];
            stream.read_exact(&mut secret).unwrap();
        });
        let options = Options { rate, ..options(to, 1, Until::Elapsed(Duration::from_secs(3600))) };
        let error = send(&recorded(10), options, |_| ()).unwrap_err();
        assert!(matches!(error, SendError::Closed { bytes } if bytes >= 8), "{error:?}");
        closer.join().unwrap();
    }
}

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parse(options: &str) -> Result<Args, clap::Error> {
    let words = ["replay"].into_iter().chain(options.split_whitespace());
    clap::Parser::try_parse_from(words).map(|Line { args }| args)
}

#[test]
fn wrong_options_are_refused() {
    <Line as clap::CommandFactory>::command().debug_assert();
    let args = parse("a.bin b.blog.zst --to [::1]:8085 --connections 8 --repeat 3 --rate 5000 --shift-to-now").unwrap();
    assert_eq!((args.files.len(), args.connections.get(), args.repeat, args.rate), (2, 8, 3, Some(5000)));
    let args = parse("a.bin --to x:1 --for 0.5 --secret loud").unwrap();
    assert_eq!((args.duration, args.repeat), (Some(Duration::from_millis(500)), 1));
    assert!(!format!("{args:?}").contains("loud"));
    let cases = [
        "--to x:1",
        "a.bin",
        "a.bin --to x:1 --connections 0",
        "a.bin --to x:1 --repeat 0",
        "a.bin --to x:1 --rate 0",
        "a.bin --to x:1 --for 5 --repeat 2",
        "a.bin --to x:1 --secret a --secret-file b",
    ];
    for options in cases {
        assert_eq!(parse(options).unwrap_err().exit_code(), 2, "{options}");
    }
}

#[test]
fn the_exit_code_tells_success_failure_and_wrong_usage_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.blog");
    std::fs::write(&file, &recorded(2).bytes()[4..]).unwrap();
    let empty = folder.path().join("empty.bin");
    std::fs::write(&empty, auth_message(b"theirs")).unwrap();
    let exit = |file: &std::path::Path, to: &str| {
        let args = parse(&format!("{} --to {to} --secret quiet", file.display())).unwrap();
        format!("{:?}", run(&args))
    };
    let (listening, received) = listen(1);
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let code = |code: u8| format!("{:?}", ExitCode::from(code));
    // The second segment of the file is behind a length, so it is no log file.
    assert_eq!(exit(&file, &listening.to_string()), code(1));
    std::fs::write(&file, recorded(2).segments().collect::<Vec<_>>().concat()).unwrap();
    assert_eq!(exit(&file, &listening.to_string()), code(0));
    assert_eq!(received.join().unwrap().len(), 1);
    assert_eq!(exit(&file, &closed.to_string()), code(1));
    assert_eq!(exit(&empty, &closed.to_string()), code(1));
    assert_eq!(exit(&folder.path().join("missing"), &closed.to_string()), code(1));
    assert_eq!(exit(&file, "no-port"), code(2));
}

#[test]
fn seconds_are_positive_numbers() {
    assert_eq!(parse_seconds("2.5"), Ok(Duration::from_millis(2500)));
    for text in ["0", "-1", "", "1h", "inf", "nan"] {
        assert!(parse_seconds(text).is_err(), "{text}");
    }
}
