//! Phone numbers as Exotel writes them.

use telephony_core::{Party, is_e164};

/// Numbers that are not dialled with a country code: toll-free and shared-cost.
const SERVICE_PREFIXES: [&str; 2] = ["1800", "1860"];

/// Reads a number as Exotel writes it. Indian numbers come with the trunk prefix (`0` and ten digits), bare, or with the
/// country code and no plus (captures of real calls); all of these become E.164. What is not recognised stays as it is.
pub(crate) fn party(text: &str) -> Party {
    // A plus that was not escaped in a query has become a blank.
    if let Some(digits) = text.strip_prefix(' ') {
        let number = format!("+{digits}");
        if is_e164(&number) {
            return Party::Number(number);
        }
    }
    match Party::parse(text) {
        Party::LocalNumber(number) => match indian(&number) {
            Some(number) => Party::Number(number),
            None => Party::LocalNumber(number),
        },
        other => other,
    }
}

fn indian(number: &str) -> Option<String> {
    let national = match number.len() {
        12 => number.strip_prefix("91")?,
        11 => number
            .strip_prefix('0')
            .filter(|rest| !rest.starts_with('0'))?,
        10 if !number.starts_with('0') => number,
        _ => return None,
    };
    let is_service = SERVICE_PREFIXES
        .iter()
        .any(|prefix| national.starts_with(prefix));
    let number = format!("+91{national}");
    (!is_service && is_e164(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indian_numbers_become_e164() {
        for (text, wanted) in [
            ("09990000105", "+919990000105"),
            ("04440002319", "+914440002319"),
            ("01140001234", "+911140001234"),
            ("9990000105", "+919990000105"),
            ("919990000105", "+919990000105"),
            ("+919990000105", "+919990000105"),
            ("+91 99900-00105", "+919990000105"),
            (" 919990000105", "+919990000105"),
            (" 14155550100", "+14155550100"),
            ("+14155550100", "+14155550100"),
        ] {
            assert_eq!(party(text).e164(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_not_recognised_stays() {
        for text in [
            "18001234567",
            "1800123456",
            "01800123456",
            "00919990000105",
            "0000000000",
            "1234",
            "14155550100",
        ] {
            assert_eq!(party(text), Party::LocalNumber(text.into()), "{text}");
        }
        assert_eq!(
            party("sip:agent@example.com"),
            Party::Sip("sip:agent@example.com".into())
        );
        assert_eq!(party(""), Party::Withheld);
        assert_eq!(party("Anonymous"), Party::Withheld);
    }
}
