//! A browser's side of the live stream, as far as tests from outside need it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// A browser that looks at views, and counts what they cost.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    /// View by stream.
    views: BTreeMap<u64, String>,
    /// Bytes of frames by view, and the newest moment of each.
    pub bytes: BTreeMap<String, u64>,
    pub as_of: BTreeMap<String, u64>,
}

/// The next varint of a message.
fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

impl Browser {
    pub fn open(http: SocketAddr, views: &[(&str, Value)]) -> Self {
        let stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!("ws://{http}/ws").into_client_request().unwrap();
        let (socket, _) = tungstenite::client(request, stream).unwrap();
        let mut browser = Self { socket, views: BTreeMap::new(), bytes: BTreeMap::new(), as_of: BTreeMap::new() };
        for (number, (_, fields)) in views.iter().enumerate() {
            let mut subscription = fields.clone();
            subscription["view"] = number.into();
            browser.socket.send(Message::text(json!({ "subscribe": subscription }).to_string())).unwrap();
        }
        while browser.views.len() < views.len() {
            if let Message::Text(text) = browser.read() {
                let answer: Value = serde_json::from_str(&text).unwrap();
                assert!(answer.get("refused").is_none(), "{answer}");
                if let (Some(view), Some(stream)) = (answer["view"].as_u64(), answer["stream"].as_u64()) {
                    browser.views.insert(stream, views[view as usize].0.to_owned());
                }
            }
        }
        browser
    }

    /// Reads a frame; those of views are counted, with their heads.
    pub fn read(&mut self) -> Message {
        let message = self.socket.read().unwrap();
        if let Message::Binary(bytes) = &message {
            let head = if bytes.len() < 126 { 2 } else { 4 };
            let mut rest = &bytes[..];
            let [_, stream, _, _, as_of] = [(); 5].map(|()| varint(&mut rest));
            let view = self.views.get(&stream).cloned().unwrap_or_else(|| "others".to_owned());
            *self.bytes.entry(view.clone()).or_default() += bytes.len() as u64 + head;
            self.as_of.insert(view, as_of);
        }
        message
    }

    /// Reads until all views are of that moment (ms).
    pub fn read_to(&mut self, as_of: u64) {
        while self.views.values().any(|view| self.as_of.get(view).copied().unwrap_or(0) < as_of) {
            self.read();
        }
    }
}
