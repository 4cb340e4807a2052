//! A report as one HTML file: its data, and what draws them, which the page's build leaves in `web/dist/report`.
//!
//! The file fetches nothing and runs nothing but that one script: a content security policy in it names the script and the style sheet by their
//! hashes. The data are JSON in a block that no browser runs, with every `<` escaped, so that no name from a log can end it.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::page::assets;

/// True if this program was built without what the file needs.
pub fn is_missing() -> bool {
    part("report/report.js").is_none() || part("report/report.css").is_none()
}

/// A part of the file, and its hash in the words of the policy.
fn part(name: &str) -> Option<(String, String)> {
    let file = assets::embedded(name)?;
    let text = match file.data {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    };
    // Either would end its element before its end; then nothing would have the hash.
    let lower = text.to_ascii_lowercase();
    if ["</script", "</style", "<!--"].iter().any(|end| lower.contains(end)) {
        return None;
    }
    Some((text, format!("'sha256-{}'", STANDARD.encode(file.metadata.sha256_hash()))))
}

/// JSON that can stand in a script element.
fn escaped(report: &Value) -> String {
    report.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Writes the file.
///
/// # Errors
///
/// If it can't be written, or this program was built without what it needs.
pub fn write(out: &mut impl Write, report: &Value) -> io::Result<()> {
    let (Some((script, script_hash)), Some((style, style_hash))) =
        (part("report/report.js"), part("report/report.css"))
    else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "this program was built without its page"));
    };
    let data = escaped(report);
    write!(
        out,
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {script_hash}; style-src {style_hash}; font-src data:; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Visulate report</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main id="report"><noscript>This report is drawn by the script in it; its data can be had with visulate report --json.</noscript></main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_their_element() {
        let report = serde_json::json!({"a</script><script>alert(1)</script>": "<!-- \u{2028}"});
        let text = escaped(&report);
        assert!(!text.contains('<') && !text.contains('\u{2028}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), report);
    }
}
