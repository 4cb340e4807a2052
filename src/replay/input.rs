//! Inputs: captured streams and log files become messages that are ready to be sent.
//!
//! A capture (`.bin`) is one collation connection, byte for byte: a secret, then segments, each behind its length. A log file
//! (`.blog`) is segments one after another. Both may be compressed with zstd; the first bytes tell which is which. What was
//! recorded is not judged: only the lengths have to be right.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::wire::bytes::u32_at;
use crate::wire::frame::{self, Bounds, Frame, FrameError, HEAD};
use crate::wire::segment::{COOKIE, HEADER_LEN, claimed_entries};

/// First bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Where a segment's own length is.
const BYTE_COUNT_AT: usize = 12;

/// Lengths are signed; nothing else bounds what somebody recorded.
const ANY: Bounds = Bounds { min: 1, max: i32::MAX as usize };

/// One message: a segment behind its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it ends in the input's bytes; it begins where the one before ends.
    pub end: usize,
    /// Entries that its header claims, bounded by its length.
    pub entries: u64,
}

/// Messages in the order of the files, one after another in memory as they go over a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    entries: u64,
    unfinished: u64,
}

/// Why a file is no input.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", .path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: LoadCause,
}

/// What is wrong with a file; offsets are in what was unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LoadCause {
    /// It can't be read, or not unpacked.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Neither a capture nor a log file.
    #[error("neither a captured collation stream nor a binary log")]
    Kind,
    /// Big-endian: Traffic Server before 3.1.4.
    #[error("a big-endian stream of Traffic Server before 3.1.4, which can't be sent")]
    BigEndian,
    /// A message's length can't be right.
    #[error("at byte {at}: {error}")]
    Frame {
        /// Offset of the length.
        at: usize,
        /// What is wrong.
        error: FrameError,
    },
    /// A log file's segment can't be right.
    #[error("at byte {at}: no segment begins here")]
    Segment {
        /// Offset of the segment.
        at: usize,
    },
}

/// Reads files whole, in their order. An unfinished last message or segment of a file is left out.
///
/// # Errors
///
/// [`LoadError`] names the first file that can't be read, and says why.
pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Input, LoadError> {
    let mut input = Input::default();
    for path in paths {
        let path = path.as_ref();
        let error = |cause| LoadError { path: path.to_owned(), cause };
        let bytes = unpacked(path).map_err(|cause| error(cause.into()))?;
        input.add(&bytes).map_err(error)?;
    }
    Ok(input)
}

impl Input {
    /// Adds a capture or a log file that isn't compressed.
    ///
    /// # Errors
    ///
    /// [`LoadCause`]; what came before the error is added.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), LoadCause> {
        match (u32_at(bytes, 0), u32_at(bytes, HEAD)) {
            (Some(COOKIE), _) => self.add_log(bytes),
            (Some(cookie), _) if cookie.swap_bytes() == COOKIE => Err(LoadCause::BigEndian),
            // Lengths of secrets are small, so the order of their bytes shows.
            (Some(len @ 1..=0xffff), _) if bytes.len() >= HEAD + len as usize => self.add_capture(bytes),
            (Some(len), _) if (1..=0xffff).contains(&len.swap_bytes()) => Err(LoadCause::BigEndian),
            _ => Err(LoadCause::Kind),
        }
    }

    /// The messages' bytes, one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The messages in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The place of a message in [`Self::bytes`], its length included.
    ///
    /// # Panics
    ///
    /// If there are not that many messages.
    pub fn place(&self, message: usize) -> Range<usize> {
        let start = message.checked_sub(1).map_or(0, |before| self.messages[before].end);
        start..self.messages[message].end
    }

    /// The segments in order, without their lengths.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.messages.len()).map(|message| &self.bytes[self.place(message)][HEAD..])
    }

    /// Entries in all messages, as their headers claim.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Files that end inside a message.
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Adds the messages of one connection, but not its secret.
    fn add_capture(&mut self, bytes: &[u8]) -> Result<(), LoadCause> {
        let mut at = 0;
        while at < bytes.len() {
            match frame::first(&bytes[at..], ANY).map_err(|error| LoadCause::Frame { at, error })? {
                Frame::Part { .. } => {
                    self.unfinished += 1;
                    break;
                }
                Frame::Whole { body } => {
                    if at > 0 {
                        self.push(body);
                    } else if !is_plausible_after_secret(&bytes[HEAD + body.len()..]) {
                        return Err(LoadCause::Kind);
                    }
                    at += HEAD + body.len();
                }
            }
        }
        Ok(())
    }

    fn add_log(&mut self, bytes: &[u8]) -> Result<(), LoadCause> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if rest.len() < HEADER_LEN {
                self.unfinished += 1;
                break;
            }
            let (Some(COOKIE), Some(len)) = (u32_at(rest, 0), u32_at(rest, BYTE_COUNT_AT)) else {
                return Err(LoadCause::Segment { at });
            };
            let len = len as usize;
            if !(HEADER_LEN..=ANY.max).contains(&len) {
                return Err(LoadCause::Segment { at });
            }
            let Some(segment) = rest.get(..len) else {
                self.unfinished += 1;
                break;
            };
            self.push(segment);
            at += len;
        }
        Ok(())
    }

    fn push(&mut self, segment: &[u8]) {
        crate::wire::encode::push_message(&mut self.bytes, segment);
        let entries = claimed_entries(segment, segment.len());
        self.messages.push(Message { end: self.bytes.len(), entries });
        self.entries += entries;
    }
}

/// Behind a secret comes the end, or a message that begins as a segment does; text that happens to begin with a small length does not.
fn is_plausible_after_secret(rest: &[u8]) -> bool {
    u32_at(rest, HEAD).is_none_or(|cookie| cookie == COOKIE)
}

/// A file's bytes, unpacked if it is compressed.
fn unpacked(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(ZSTD.len() as u64).read_to_end(&mut bytes)?;
    if bytes == ZSTD {
        let packed = io::Cursor::new(bytes).chain(file);
        let mut bytes = Vec::new();
        zstd::Decoder::new(packed)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    } else {
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode::{Header, SegmentWriter, auth_message, message};

    fn segment(entries: i64) -> Vec<u8> {
        let mut writer = SegmentWriter::new(&Header::default(), 1);
        for at in 0..entries {
            writer.push(at, 0, &[]).unwrap();
        }
        writer.finish(2).to_vec()
    }

    fn input(bytes: &[u8]) -> Result<Input, LoadCause> {
        let mut input = Input::default();
        input.add(bytes).map(|()| input)
    }

    #[test]
    fn captures_and_log_files_give_the_same_messages() {
        let (one, other) = (segment(1), segment(3));
        let capture = [auth_message(b"theirs"), message(&one), message(&other)].concat();
        let log = [one.clone(), other.clone()].concat();
        let expected = [message(&one), message(&other)].concat();
        for bytes in [capture, log] {
            let input = input(&bytes).unwrap();
            assert_eq!(input.bytes(), expected);
            assert_eq!(input.segments().collect::<Vec<_>>(), [&one[..], &other[..]]);
            assert_eq!((input.entries(), input.unfinished()), (4, 0));
        }
    }

    #[test]
    fn compressed_files_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let log = [segment(2), segment(5)].concat();
        let (plain, packed) = (folder.path().join("a.blog"), folder.path().join("b"));
        std::fs::write(&plain, &log).unwrap();
        std::fs::write(&packed, zstd::encode_all(&log[..], 1).unwrap()).unwrap();
        let input = load(&[&plain, &packed]).unwrap();
        assert_eq!((input.messages().len(), input.entries()), (4, 14));
        assert_eq!(load(&[&plain]).unwrap(), load(&[&packed]).unwrap());
        let missing = load(&[folder.path().join("c")]).unwrap_err().to_string();
        assert!(missing.contains("/c: No such file"), "{missing}");
    }

    #[test]
    fn an_unfinished_last_message_is_left_out() {
        let capture = [auth_message(b"s"), message(&segment(1)), message(&segment(2))].concat();
        let whole = capture.len();
        let second = whole - message(&segment(2)).len();
        for cut in second + 1..whole {
            let input = input(&capture[..cut]).unwrap();
            assert_eq!((input.entries(), input.unfinished()), (1, 1), "{cut}");
        }
        let log = [segment(1), segment(2)].concat();
        for cut in segment(1).len() + 1..log.len() {
            let input = input(&log[..cut]).unwrap();
            assert_eq!((input.entries(), input.unfinished()), (1, 1), "{cut}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        let segment = segment(1);
        let mut big = segment.clone();
        big[..4].reverse();
        let zero = [auth_message(b"s"), vec![0; 4]].concat();
        let broken = [&segment[..], &[7; 80]].concat();
        let cases: &[(&str, &[u8], &str)] = &[
            ("empty", b"", "neither"),
            ("text", b"GET / HTTP/1.1\r\n", "neither"),
            ("a small number before text", b"\x05\0\0\0hello, this is a text", "neither"),
            ("a big-endian log", &big, "big-endian"),
            ("a big-endian capture", b"\0\0\0\x06foobar", "big-endian"),
            ("a length of zero", &zero, "at byte 5: message length 0"),
            ("a broken log", &broken, "at byte 80: no segment"),
        ];
        for (name, bytes, expected) in cases {
            let error = input(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
