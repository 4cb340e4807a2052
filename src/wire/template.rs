//! Format strings: `%<symbol>` among literal text, as Traffic Server's `logging.yaml`, `logging.config` and `logs_xml.config` have them.
//!
//! Escapes stand for one byte of literal text: `\\`, `\ooo` (three octal digits) and `\xhh`; any other backslash stands for itself.
//! Source: spec/logbuffer.md 2 (print templates), spec/fields.md 4 (symbols) and 6 (the formats that come with Traffic Server).

use super::format::{SYMBOL_LEN_MAX, SYMBOLS_MAX};

/// The byte that stands for a field in a segment's print template.
pub const MARK: u8 = 0xff;

/// The longest format string that is read; those that people write have some hundred bytes.
pub const TEXT_LEN_MAX: usize = 64 * 1024;

/// A format string, taken apart: `literals[0] symbols[0] literals[1] …`, with a literal more than symbols.
///
/// No symbol is empty or has a comma or a `>` in it, and no literal a byte 0 or 0xFF.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// The symbols between `%<` and `>`, in order, at least one.
    pub symbols: Vec<String>,
    /// What stands before the first symbol, between each two, and behind the last one; escapes are resolved.
    pub literals: Vec<Vec<u8>>,
}

/// Why a text is no format string. `at` is a byte offset in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `%<` without its `>`.
    #[error("the %< at byte {at} has no >")]
    Open {
        /// Of the `%`.
        at: usize,
    },
    /// Nothing between `%<` and `>`.
    #[error("there is no symbol in the %<> at byte {at}")]
    Empty {
        /// Of the `%`.
        at: usize,
    },
    /// A comma in a symbol: Traffic Server keeps symbols in a list with commas between them.
    #[error("the symbol at byte {at} has a comma in it, which Traffic Server takes for the end of a symbol")]
    Comma {
        /// Of the `%`.
        at: usize,
    },
    /// A symbol longer than [`SYMBOL_LEN_MAX`].
    #[error("the symbol at byte {at} is longer than {SYMBOL_LEN_MAX} bytes")]
    SymbolLen {
        /// Of the `%`.
        at: usize,
    },
    /// A byte that literal text can't have.
    #[error(
        "byte {at} means the byte {byte:#04x}, which no format can have: 0x00 and 0xff are Traffic Server's own marks"
    )]
    Byte {
        /// Of the byte, or of its escape.
        at: usize,
        /// What it stands for.
        byte: u16,
    },
    /// More than [`SYMBOLS_MAX`] symbols.
    #[error("more than {SYMBOLS_MAX} fields: the one at byte {at} is too many")]
    Symbols {
        /// Of the `%`.
        at: usize,
    },
    /// Longer than [`TEXT_LEN_MAX`].
    #[error("a format of {len} bytes; at most {TEXT_LEN_MAX} are read")]
    Len {
        /// Its bytes.
        len: usize,
    },
    /// No symbol at all.
    #[error(
        "{text:?} has no field: give fields such as %<chi> with text between them, or one of the names {}",
        names().collect::<Vec<_>>().join(", ")
    )]
    NoField {
        /// The text, or its beginning.
        text: String,
    },
    /// More marks in a print template than there are symbols: Traffic Server itself prints nothing then.
    #[error("a print template of {marks} fields for a field list of {symbols}")]
    Marks {
        /// Marks in the print template.
        marks: usize,
        /// Symbols in the field list.
        symbols: usize,
    },
}

/// Takes a format string apart.
///
/// # Errors
///
/// [`TemplateError`] says what is wrong with it, and at which byte.
pub fn parse(text: &str) -> Result<Template, TemplateError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(TemplateError::Len { len: text.len() });
    }
    let bytes = text.as_bytes();
    let (mut symbols, mut literals) = (Vec::new(), Vec::new());
    let mut literal = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"%<") {
            let len = memchr::memchr(b'>', &bytes[at + 2..]).ok_or(TemplateError::Open { at })?;
            let symbol = &text[at + 2..at + 2 + len];
            if symbols.len() == SYMBOLS_MAX {
                return Err(TemplateError::Symbols { at });
            }
            symbols.push(checked(symbol, at)?);
            literals.push(std::mem::take(&mut literal));
            at += len + 3;
        } else {
            let (byte, len) = literal_byte(&bytes[at..]);
            match u8::try_from(byte) {
                Ok(byte) if byte != 0 && byte != MARK => literal.push(byte),
                _ => return Err(TemplateError::Byte { at, byte }),
            }
            at += len;
        }
    }
    if symbols.is_empty() {
        return Err(TemplateError::NoField { text: text.chars().take(80).collect() });
    }
    literals.push(literal);
    Ok(Template { symbols, literals })
}

/// The formats that a text means: one format string, or all releases' formats of a name, the newest first.
///
/// # Errors
///
/// [`TemplateError`] if it is neither.
pub fn parse_or_named(text: &str) -> Result<Vec<Template>, TemplateError> {
    let named = named(text);
    if named.is_empty() { Ok(vec![parse(text)?]) } else { Ok(named) }
}

fn checked(symbol: &str, at: usize) -> Result<String, TemplateError> {
    match symbol {
        "" => Err(TemplateError::Empty { at }),
        _ if symbol.len() > SYMBOL_LEN_MAX => Err(TemplateError::SymbolLen { at }),
        _ if symbol.contains(',') => Err(TemplateError::Comma { at }),
        _ if symbol.contains('\0') => Err(TemplateError::Byte { at, byte: 0 }),
        _ => Ok(symbol.to_owned()),
    }
}

/// The byte that literal text begins with, which an octal escape can put out of range, and how long it is written.
fn literal_byte(bytes: &[u8]) -> (u16, usize) {
    let digit = |byte: u8, radix| char::from(byte).to_digit(radix).map(|digit| digit as u16);
    let escape = match *bytes {
        [b'\\', b'\\', ..] => Some((u16::from(b'\\'), 2)),
        [b'\\', b'x' | b'X', high, low, ..] => {
            digit(high, 16).zip(digit(low, 16)).map(|(high, low)| (high * 16 + low, 4))
        }
        [b'\\', a, b, c, ..] => match (digit(a, 8), digit(b, 8), digit(c, 8)) {
            (Some(a), Some(b), Some(c)) => Some((a * 64 + b * 8 + c, 4)),
            _ => None,
        },
        _ => None,
    };
    escape.unwrap_or((u16::from(bytes[0]), 1))
}

impl Template {
    /// The format of a segment: its print template, with a mark for each field, and its field list. Symbols without a mark are not
    /// printed, so they are left out.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] if the template has more marks than the list has symbols, or no mark, or one of them is out of bounds.
    pub fn of_segment(print_template: &[u8], field_list: &str) -> Result<Self, TemplateError> {
        let literals: Vec<Vec<u8>> = print_template.split(|&byte| byte == MARK).map(Vec::from).collect();
        let marks = literals.len() - 1;
        if marks > SYMBOLS_MAX {
            return Err(TemplateError::Symbols { at: 0 });
        }
        let mut symbols = Vec::new();
        let mut at = 0;
        for symbol in field_list.split(',').take(marks) {
            symbols.push(checked(symbol, at)?);
            at += symbol.len() + 1;
        }
        if let Some(at) = memchr::memchr(0, print_template) {
            return Err(TemplateError::Byte { at, byte: 0 });
        }
        match marks {
            0 => {
                Err(TemplateError::NoField { text: String::from_utf8_lossy(print_template).chars().take(80).collect() })
            }
            marks if marks > symbols.len() => Err(TemplateError::Marks { marks, symbols: symbols.len() }),
            _ => Ok(Self { symbols, literals }),
        }
    }

    /// The format string, which [`parse`] takes apart again: text as it is, all else by its escape.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (number, literal) in self.literals.iter().enumerate() {
            push_literal(&mut text, literal);
            if let Some(symbol) = self.symbols.get(number) {
                text.push_str("%<");
                text.push_str(symbol);
                text.push('>');
            }
        }
        text
    }

    /// The symbols with commas between them, as a segment has them.
    pub fn field_list(&self) -> String {
        self.symbols.join(",")
    }
}

fn push_literal(text: &mut String, literal: &[u8]) {
    use std::fmt::Write;
    let mut previous = ' ';
    for chunk in literal.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                // A `%<` of literal text.
                '<' if previous == '%' => text.push_str("\\x3c"),
                _ if char.is_ascii_control() => drop(write!(text, "\\x{:02x}", u32::from(char))),
                _ => text.push(char),
            }
            previous = char;
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
            previous = ' ';
        }
    }
}

/// A format that comes with Traffic Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// The first release that has it in this form.
    pub since: &'static str,
    /// The format string.
    pub text: &'static str,
}

/// What common, extended and extended2 have in common.
macro_rules! common {
    (old) => {
        r#"%<chi> - %<caun> [%<cqtn>] "%<cqtx>" %<pssc> %<pscl>"#
    };
    (new) => {
        r#"%<chi> - %<caun> [%<cqtn>] "%<cqhm> %<pqu> %<cqpv>" %<pssc> %<pscl>"#
    };
}

/// What extended and extended2 have behind that.
macro_rules! extended {
    (old) => {
        " %<sssc> %<sscl> %<cqbl> %<pqbl> %<cqhl> %<pshl> %<pqhl> %<sshl> %<tts>"
    };
    (new) => {
        " %<sssc> %<sscl> %<cqcl> %<pqcl> %<cqhl> %<pshl> %<pqhl> %<sshl> %<tts>"
    };
}

/// What extended2 has behind that.
macro_rules! extended2 {
    () => {
        " %<phr> %<cfsc> %<pfsc> %<crc>"
    };
}

/// What all squid formats begin with; the name of the URL is the one thing that differs inside.
macro_rules! squid {
    ($url:literal, $rest:literal) => {
        concat!("%<cqtq> %<ttms> %<chi> %<crc>/%<pssc> %<psql> %<cqhm> %<", $url, "> %<caun> %<phr>/%<", $rest)
    };
}

/// The formats that come with Traffic Server, by name, the newest first (spec/fields.md 6). Since 6.0 an administrator may have changed
/// what a name stands for.
#[rustfmt::skip]
pub const NAMED: [Named; 12] = [
    Named { name: "squid", since: "10.0", text: squid!("pquc", "shn> %<psct>") },
    Named { name: "squid", since: "8.0", text: squid!("cquc", "shn> %<psct>") },
    Named { name: "squid", since: "5.0", text: squid!("cquc", "pqsn> %<psct>") },
    Named { name: "squid", since: "2.0", text: squid!("cquc", "pqsn> %<psct> %<xid>") },
    Named { name: "common", since: "10.0", text: common!(new) },
    Named { name: "common", since: "2.0", text: common!(old) },
    Named { name: "extended", since: "10.0", text: concat!(common!(new), extended!(new)) },
    Named { name: "extended", since: "7.0", text: concat!(common!(old), extended!(new)) },
    Named { name: "extended", since: "2.0", text: concat!(common!(old), extended!(old)) },
    Named { name: "extended2", since: "10.0", text: concat!(common!(new), extended!(new), extended2!()) },
    Named { name: "extended2", since: "7.0", text: concat!(common!(old), extended!(new), extended2!()) },
    Named { name: "extended2", since: "2.0", text: concat!(common!(old), extended!(old), extended2!()) },
];

/// The names of these formats.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMED
        .iter()
        .map(|format| format.name)
        .enumerate()
        .filter_map(|(at, name)| (at == 0 || NAMED[at - 1].name != name).then_some(name))
}

/// All releases' formats of a name, the newest first; none if it is no name.
pub fn named(name: &str) -> Vec<Template> {
    NAMED.iter().filter(|format| format.name == name).filter_map(|format| parse(format.text).ok()).collect()
}

#[cfg(test)]
mod tests;
