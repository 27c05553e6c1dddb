//! Keeping secrets and phone numbers out of logs, `Debug` and error text.
//!
//! ```
//! use telephony_core::{Secret, redact};
//!
//! let token = Secret::new("hunter2");
//! assert_eq!(format!("{token:?}"), "Secret(***)");
//! assert_eq!(token.expose(), "hunter2");
//! assert_eq!(redact::text("To +14155550100 failed"), "To [number] failed");
//! ```

use serde::{Deserialize, Deserializer, de::Error as _};
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Digits in a row from which on a run is taken for a phone number.
const NUMBER_DIGITS: usize = 7;

/// `text` on one line, with whatever looks like a phone number masked.
///
/// A run counts as a number if it holds at least 7 digits; a leading `+` and single spaces, dots, dashes and brackets
/// inside belong to it. Runs that touch a letter are left alone: they are ids.
#[must_use]
pub fn text(text: &str) -> String {
    let chars: Vec<char> = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let is_escaped_plus =
            chars[at..].starts_with(&['%', '2', 'B']) || chars[at..].starts_with(&['%', '2', 'b']);
        if is_escaped_plus && chars.get(at + 3).is_some_and(char::is_ascii_digit) {
            at += 3;
        } else {
            let after_word = at > 0 && chars[at - 1].is_alphanumeric();
            if chars[at] != '+' && (!chars[at].is_ascii_digit() || after_word) {
                out.push(chars[at]);
                at += 1;
                continue;
            }
        }
        let (end, digits) = number_run(&chars, at);
        let touches_word = chars.get(end).is_some_and(|c| c.is_alphanumeric());
        if digits >= NUMBER_DIGITS && !touches_word {
            out.push_str("[number]");
        } else {
            out.extend(&chars[at..end]);
        }
        at = end;
    }
    out
}

/// Where the run of digits and single separators that starts at `start` ends, and how many digits it has.
fn number_run(chars: &[char], start: usize) -> (usize, usize) {
    let (mut end, mut digits) = (start + 1, usize::from(chars[start].is_ascii_digit()));
    let mut at = end;
    while let Some(c) = chars.get(at) {
        if c.is_ascii_digit() {
            digits += 1;
            end = at + 1;
        } else if !matches!(c, ' ' | '.' | '-' | '(' | ')') || at > end + 1 {
            break; // At most two separators in a row: `) `.
        }
        at += 1;
    }
    (end, digits)
}

/// A text that nobody may see: tokens, keys, passwords. Compared in constant time, never printed.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `secret`.
    pub fn new(secret: impl Into<Arc<str>>) -> Self {
        Self(secret.into())
    }

    /// The text itself: for signing and sending, never for showing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same bytes, in time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(other).into()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            Err(D::Error::custom("is empty"))
        } else {
            Ok(Self::new(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_and_ids_are_not() {
        for (given, wanted) in [
            ("+1 (415) 555-0100 busy", "[number] busy"),
            ("from 09990000105", "from [number]"),
            ("code 21211", "code 21211"),
            ("CA1234567890 is gone", "CA1234567890 is gone"),
            ("1234567890ab", "1234567890ab"),
            ("+", "+"),
            ("to=+14155550100", "to=[number]"),
            ("?To=%2B14155550100&x", "?To=[number]&x"),
            ("from_14155550100", "from_[number]"),
            ("100%2B", "100%2B"),
        ] {
            assert_eq!(text(given), wanted);
        }
    }

    #[test]
    fn an_empty_secret_is_not_read() {
        assert!(serde_json::from_str::<Secret>("\" \"").is_err());
        assert!(serde_json::from_str::<Secret>("\"x\"").is_ok());
    }
}
