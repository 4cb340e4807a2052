//! Texts, numbers and bars as they stand in a report: each within its place.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text from a log, with nothing in it that moves the cursor or the direction of writing.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        let is_hidden =
            matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if char.is_control() || is_hidden {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
        } else {
            out.push(char);
        }
    }
    out
}

/// The first characters that are not wider than that.
fn cut(text: &str, width: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, char)| {
        taken += char.width().unwrap_or(0);
        taken > width
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Not wider than that; what is too long ends with dots.
pub fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width { text.to_owned() } else { format!("{}…", cut(text, width.saturating_sub(1))) }
}

/// The same with the dots inside: of names, both ends tell.
pub fn middle(text: &str, width: usize) -> String {
    if text.width() <= width || width < 8 {
        return fitted(text, width);
    }
    let tail_width = (width - 1) / 3;
    let mut tail = text.len();
    let mut taken = 0;
    for (at, char) in text.char_indices().rev() {
        taken += char.width().unwrap_or(0);
        if taken > tail_width {
            break;
        }
        tail = at;
    }
    let tail = &text[tail..];
    format!("{}…{tail}", cut(text, width - 1 - tail.width()))
}

/// Filled up to that width behind it, and cut to it.
pub fn left(text: &str, width: usize) -> String {
    let text = fitted(text, width);
    let pad = width.saturating_sub(text.width());
    text + &" ".repeat(pad)
}

/// Filled up to that width before it.
pub fn right(text: &str, width: usize) -> String {
    let pad = width.saturating_sub(text.width());
    // Figures are never cut: a crooked column is better than a wrong number.
    if text.width() > width { format!(" {text}") } else { " ".repeat(pad) + text }
}

/// Parts in lines that are not wider than that.
pub fn wrapped(parts: &[String], width: usize) -> Vec<String> {
    wrapped_by(parts, width, "   ")
}

/// The same with that between the parts.
pub fn wrapped_by(parts: &[String], width: usize, gap: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.width() + gap.len() + part.width() <= width => {
                line.push_str(gap);
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// 1234567 as 1 234 567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a decimal prefix.
pub fn scaled(number: f64) -> String {
    let mut number = number;
    for unit in ["", "k", "M", "G", "T", "P"] {
        if number < 999.5 {
            return format!("{} {unit}", short(number));
        }
        number /= 1000.0;
    }
    format!("{} E", short(number))
}

/// Bytes with a decimal unit.
pub fn bytes(number: f64) -> String {
    format!("{}B", scaled(number))
}

/// Three digits.
pub fn short(number: f64) -> String {
    match number {
        _ if number >= 1000.0 => grouped(number.round() as u64),
        _ if number >= 100.0 || number == number.trunc() => format!("{number:.0}"),
        _ if number >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// One decimal.
pub fn percent(number: f64) -> String {
    format!("{number:.1}")
}

/// Milliseconds, or seconds above ten.
pub fn milliseconds(number: f64) -> String {
    if number >= 10_000.0 { format!("{} s", short(number / 1000.0)) } else { format!("{} ms", short(number)) }
}

/// Seconds as two units of time.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..120 => format!("{} s", short(seconds)),
        120..7200 => format!("{} min {} s", whole / 60, whole % 60),
        7200..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// At most so many values: of neighbours that share a place the mean.
pub fn resampled(values: &[f64], room: usize) -> Vec<f64> {
    if values.len() <= room {
        return values.to_vec();
    }
    (0..room)
        .map(|at| {
            let part =
                &values[at * values.len() / room..((at + 1) * values.len() / room).max(at * values.len() / room + 1)];
            part.iter().sum::<f64>() / part.len() as f64
        })
        .collect()
}

/// A bar a value, as high as its part of the most.
pub fn sparkline(values: &[f64], most: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    values
        .iter()
        .map(|&value| {
            if value <= 0.0 || most <= 0.0 {
                return ' ';
            }
            BARS[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1]
        })
        .collect()
}

/// Shares as runs of signs that add up to the width.
pub fn stacked(parts: &[u64], signs: &[&str], width: usize) -> String {
    let total: u64 = parts.iter().sum();
    if total == 0 {
        return " ".repeat(width);
    }
    let mut bar = String::new();
    let (mut so_far, mut drawn) = (0, 0);
    for (part, sign) in parts.iter().zip(signs) {
        so_far += part;
        let end = (so_far as f64 / total as f64 * width as f64).round() as usize;
        bar.push_str(&sign.repeat(end - drawn));
        drawn = end;
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_logs_are_no_controls() {
        assert_eq!(shown("a\x1b[31mb\n\u{202e}ü"), "a\\u{1b}[31mb\\u{a}\\u{202e}ü");
    }

    #[test]
    fn texts_fit_their_place() {
        for width in 0..30 {
            for text in ["", "a", "http://www.example.com/images/logo.png", "例え.テスト/例え"] {
                assert!(fitted(text, width.max(1)).width() <= width.max(1));
                assert!(middle(text, width.max(1)).width() <= width.max(1), "{text} {width}");
            }
        }
        assert_eq!(middle("abcdefghijkl", 9), "abcdef…kl");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([grouped(0), grouped(1000), grouped(1_234_567)], ["0", "1 000", "1 234 567"]);
        assert_eq!([bytes(0.0), bytes(999.0), bytes(1000.0), bytes(12_400.0)], ["0 B", "999 B", "1 kB", "12.4 kB"]);
        assert_eq!(stacked(&[1, 1, 2], &["a", "b", "c"], 8), "aabbcccc");
        assert_eq!(sparkline(&[0.0, 1.0, 8.0], 8.0), " ▁█");
    }
}
