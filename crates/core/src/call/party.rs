//! Who is on the other end: a number, a SIP address, a named client, or somebody who does not say.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One end of a call. Its `Debug` tells the kind, never the address.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// A phone number in E.164, with its `+`.
    Number(String),
    /// A phone number in another form, as the carrier wrote it: with a trunk prefix (`0…`), national, a short code.
    LocalNumber(String),
    /// A SIP or SIPS URI, with its scheme.
    Sip(String),
    /// A named client of the carrier's own SDK, without any prefix.
    Client(String),
    /// An extension of a private exchange.
    Extension(String),
    /// The caller does not show who it is.
    Withheld,
}

/// What carriers write in the place of a number that is withheld.
const WITHHELD: &[&str] = &[
    "anonymous",
    "restricted",
    "unknown",
    "private",
    "unavailable",
    "withheld",
    "blocked",
    "+266696687",
    "266696687",
];

impl Party {
    /// Reads what most carriers write: `+…`, digits, `sip:…`, `client:…`, a word for a withheld number or nothing at all.
    /// Anything else is taken for the name of a client.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if text.is_empty() || WITHHELD.contains(&lower.as_str()) {
            return Self::Withheld;
        }
        for scheme in ["sip:", "sips:"] {
            if lower.starts_with(scheme) {
                return Self::Sip(format!("{scheme}{}", &text[scheme.len()..]));
            }
        }
        if let Some(name) = text.strip_prefix("client:") {
            return Self::Client(name.to_owned());
        }
        let number: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')'))
            .collect();
        if is_e164(&number) {
            Self::Number(number)
        } else if number
            .strip_prefix('+')
            .unwrap_or(&number)
            .bytes()
            .all(|b| b.is_ascii_digit() || b"*#".contains(&b))
        {
            Self::LocalNumber(number)
        } else {
            Self::Client(text.to_owned())
        }
    }

    /// A number for carriers that write E.164 without its `+`.
    #[must_use]
    pub fn parse_without_plus(text: &str) -> Self {
        match Self::parse(text) {
            Self::LocalNumber(digits) if is_e164(&format!("+{digits}")) => {
                Self::Number(format!("+{digits}"))
            }
            other => other,
        }
    }

    /// The address as it is dialled: number, URI, name or extension; empty if withheld. For sending, not for logging.
    #[must_use]
    pub fn address(&self) -> &str {
        match self {
            Self::Number(text)
            | Self::LocalNumber(text)
            | Self::Sip(text)
            | Self::Client(text)
            | Self::Extension(text) => text,
            Self::Withheld => "",
        }
    }

    /// The number in E.164, if that is what it is.
    #[must_use]
    pub fn e164(&self) -> Option<&str> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number(_) => "Number(***)",
            Self::LocalNumber(_) => "LocalNumber(***)",
            Self::Sip(_) => "Sip(***)",
            Self::Client(_) => "Client(***)",
            Self::Extension(_) => "Extension(***)",
            Self::Withheld => "Withheld",
        })
    }
}

/// Whether this is a `+`, a digit other than zero, and 7 to 15 digits in all (ITU-T E.164).
#[must_use]
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carriers_write_is_understood() {
        for (text, party) in [
            ("+14155550100", Party::Number("+14155550100".into())),
            ("+1 (415) 555-0100", Party::Number("+14155550100".into())),
            ("09990000105", Party::LocalNumber("09990000105".into())),
            ("sip:a@example.com", Party::Sip("sip:a@example.com".into())),
            ("SIP:a@Example.com", Party::Sip("sip:a@Example.com".into())),
            ("client:jenny", Party::Client("jenny".into())),
            ("jenny", Party::Client("jenny".into())),
            ("Restricted", Party::Withheld),
            ("+266696687", Party::Withheld),
            ("", Party::Withheld),
        ] {
            assert_eq!(Party::parse(text), party, "{text}");
        }
        assert_eq!(
            Party::parse_without_plus("447700900000").e164(),
            Some("+447700900000")
        );
        assert_eq!(Party::parse_without_plus("0991").address(), "0991");
    }

    #[test]
    fn e164_is_strict() {
        for bad in [
            "",
            "+",
            "+1",
            "+0000000000000000",
            "+123abc456",
            "null",
            "+0123456789",
            "+1234567890123456",
        ] {
            assert!(!is_e164(bad), "{bad}");
        }
        for good in ["+14155552671", "+1234567", "+123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
    }

    #[test]
    fn debug_shows_no_address() {
        let shown = format!("{:?}", Party::Number("+14155550100".into()));
        assert_eq!(shown, "Number(***)");
    }
}
