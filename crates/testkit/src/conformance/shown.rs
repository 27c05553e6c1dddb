//! What must not be shown, and whether it was.

/// Digits in a row from which on they are taken for a number of a person.
const NUMBER_DIGITS: usize = 7;
/// Keys in a row from which on they are taken for a PIN: fewer are in every text by chance.
const PIN_KEYS: usize = 4;

/// Texts that must not be shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Hidden(Vec<(&'static str, String)>);

impl Hidden {
    pub(super) fn secret(&mut self, text: &str) {
        self.push("a secret", text.trim());
    }

    pub(super) fn token(&mut self, text: &str) {
        self.push("a media token", text);
    }

    pub(super) fn address(&mut self, address: &str) {
        let digits: String = address.chars().filter(char::is_ascii_digit).collect();
        if digits.len() >= NUMBER_DIGITS {
            self.push("a number", &digits);
        }
    }

    pub(super) fn keys(&mut self, keys: &str) {
        if keys.len() >= PIN_KEYS {
            self.push("what the caller keyed in", keys);
        }
    }

    /// The text with a word in the place of each of them.
    pub(super) fn masked(&self, text: &str) -> String {
        let mask = |text: String, (what, hidden): &(&str, String)| {
            text.replace(hidden.as_str(), &format!("[{what}]"))
        };
        self.0.iter().fold(text.to_owned(), mask)
    }

    fn push(&mut self, what: &'static str, text: &str) {
        if !text.is_empty() && !self.0.iter().any(|(_, known)| known == text) {
            self.0.push((what, text.to_owned()));
        }
    }

    /// What of it is in `shown`.
    pub(super) fn found_in(&self, shown: &str) -> Option<&'static str> {
        let mut hidden = self.0.iter();
        let (what, _) = hidden.find(|(_, text)| shown.contains(text.as_str()))?;
        Some(what)
    }
}
