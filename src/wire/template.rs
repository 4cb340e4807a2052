//! Format strings: `%<symbol>` among literal text.

/// A format string, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The symbols between `%<` and `>`, in order.
    pub symbols: Vec<String>,
    /// What stands before the first symbol, between each two, and behind the last one; escapes are resolved.
    pub literals: Vec<Vec<u8>>,
}

/// Why a text is no format string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `%<` without its `>`; `at` is the byte offset.
    #[error("%< at byte {at} has no >")]
    Open {
        /// Byte offset of the `%`.
        at: usize,
    },
}

/// Takes a format string apart.
///
/// # Errors
///
/// [`TemplateError`] if a symbol has no end.
pub fn parse(text: &str) -> Result<Template, TemplateError> {
    let (mut symbols, mut literals) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(start) = rest.find("%<") {
        let at = text.len() - rest.len() + start;
        let end = rest[start..].find('>').ok_or(TemplateError::Open { at })?;
        literals.push(rest.as_bytes()[..start].to_vec());
        symbols.push(rest[start + 2..start + end].to_owned());
        rest = &rest[start + end + 1..];
    }
    literals.push(rest.as_bytes().to_vec());
    Ok(Template { symbols, literals })
}
