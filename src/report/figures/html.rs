//! A report as one HTML file.

use std::io::{self, Write};

use serde_json::Value;

/// True if this program was built without what the file needs.
pub fn is_missing() -> bool {
    true
}

/// Writes the file.
///
/// # Errors
///
/// If it can't be written.
pub fn write(_out: &mut impl Write, _report: &Value) -> io::Result<()> {
    Ok(())
}
