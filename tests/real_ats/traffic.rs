//! A test origin, and clients that ask for its objects through the proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Names that lead to the origin.
pub const HOSTS: [&str; 6] = [
    "www.first.example",
    "img.first.example",
    "second.example",
    "API.Third.example.org",
    "xn--bcher-kva.example",
    "a.b.c.fourth.example.co.uk",
];

/// Starts an origin that answers by the path: `/200/cache/1234/text/html/NAME` is a status, whether it may be kept, bytes, and a type.
pub fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    address
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut line, mut length, mut conditional) = (String::new(), 0_u64, false);
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            let header = header.to_ascii_lowercase();
            conditional |= header.starts_with("if-modified-since") || header.starts_with("if-none-match");
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        std::io::copy(&mut Read::by_ref(&mut reader).take(length), &mut std::io::sink())?;
        let mut parts = path.trim_start_matches('/').splitn(6, '/');
        let mut part = |default: &'static str| parts.next().map_or(default.to_owned(), str::to_owned);
        let (status, keep, bytes) = (part("200"), part("no"), part("10"));
        let content_type = format!("{}/{}", part("text"), part("plain"));
        let mut bytes: usize = bytes.parse().unwrap_or(10);
        let status = if conditional && keep == "stale" { "304".into() } else { status };
        if ["204", "304"].contains(&&*status) {
            bytes = 0;
        }
        let keep = match &*keep {
            "cache" => "Cache-Control: max-age=600\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
            "stale" => "Cache-Control: max-age=0\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nETag: \"x\"\r\n",
            _ => "Cache-Control: no-store\r\n",
        };
        let location =
            if status.starts_with("30") && status != "304" { "Location: /200/no/1/text/plain/moved\r\n" } else { "" };
        write!(
            stream,
            "HTTP/1.1 {status} Because\r\nContent-Type: {content_type}; charset=utf-8\r\nContent-Length: {bytes}\r\n{keep}{location}\r\n"
        )?;
        if method != "HEAD" {
            stream.write_all(&vec![b'x'; bytes])?;
        }
    }
}

/// Numbers that look random and are the same each time (a linear congruential generator).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Sends so many requests through the proxy, from many addresses: hits, misses, revalidations, errors, nonsense. One after the other.
pub fn ask(proxy: u16, origin: SocketAddr, numbers: &mut Numbers, requests: usize) {
    let mut left = requests;
    while left > 0 {
        let source = std::net::Ipv4Addr::new(127, 0, numbers.below(3) as u8, 1 + numbers.below(40) as u8);
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], proxy)).into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        // Some requests share a connection.
        for _ in 0..=numbers.below(4).min(left - 1) {
            left -= 1;
            let Some(head) = request(&mut stream, origin, numbers) else { break };
            if !read_answer(&mut reader, head) {
                break;
            }
        }
    }
}

/// Sends one request; tells whether it is a HEAD, or nothing if no more can follow on this connection.
fn request(stream: &mut TcpStream, origin: SocketAddr, numbers: &mut Numbers) -> Option<bool> {
    let host = format!("{}:{}", numbers.of(&HOSTS), origin.port());
    let kind = numbers.below(100);
    if kind == 0 {
        // No request at all.
        let _ = stream.write_all(b"NONSENSE\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
        return None;
    }
    let (method, host, body) = match kind {
        1..=4 => ("HEAD", host, ""),
        5..=8 => ("POST", host, "body of a form"),
        9 => ("OPTIONS", host, ""),
        10 => ("DELETE", host, ""),
        // Nobody listens there.
        11 => ("GET", "second.example:1".to_owned(), ""),
        12 => ("GET", "no-such-name.invalid".to_owned(), ""),
        _ => ("GET", host, ""),
    };
    let status = *numbers.of(&["200", "200", "200", "200", "200", "200", "404", "302", "204", "500", "503", "403"]);
    let keep = *numbers.of(&["cache", "cache", "cache", "stale", "no"]);
    let bytes = *numbers.of(&[0, 1, 17, 900, 5000, 40_000]);
    let content_type = *numbers.of(&[
        "text/html",
        "text/css",
        "image/jpeg",
        "image/png",
        "application/json",
        "application/javascript",
        "video/mp4",
    ]);
    let name = match numbers.below(20) {
        0 => "x".repeat(1 + numbers.below(3000)),
        1 => "with%20blank,comma&quote=%22?query=1&other=%C3%A4".to_owned(),
        _ => format!("object-{}", numbers.below(40)),
    };
    let agent = *numbers.of(&["curl/8", "Mozilla/5.0 (X11; Linux) \"quoted\", with comma", "\u{e4}\u{f6}\u{fc}", ""]);
    let validate = if numbers.below(10) == 0 { "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n" } else { "" };
    write!(
        stream,
        "{method} http://{host}/{status}/{keep}/{bytes}/{content_type}/{name} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\
         Referer: http://referrer.example/{}\r\n{validate}Content-Length: {}\r\n\r\n{body}",
        numbers.below(9),
        body.len(),
    )
    .ok()?;
    Some(method == "HEAD")
}

/// Reads an answer to its end; false if the connection is over.
fn read_answer(reader: &mut BufReader<TcpStream>, head: bool) -> bool {
    let (mut length, mut chunked, mut open, mut status) = (None, false, true, 0_u16);
    for number in 0.. {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let line = line.trim().to_ascii_lowercase();
        if number == 0 {
            status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse::<u64>().ok();
        }
        chunked |= line.starts_with("transfer-encoding: chunked");
        open &= line != "connection: close" && line != "proxy-connection: close";
    }
    if head || status == 204 || status == 304 {
        return open;
    }
    let Some(length) = length.filter(|_| !chunked) else {
        // Such an answer ends with its connection here: nothing more is asked over it.
        return false;
    };
    let read = std::io::copy(&mut Read::by_ref(reader).take(length), &mut std::io::sink()).unwrap_or(0);
    open && read == length
}
