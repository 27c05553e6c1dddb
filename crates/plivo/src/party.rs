//! Parties as Plivo writes them: numbers without their `+`, SIP addresses with their scheme.

use crate::NAME;
use std::borrow::Cow;
use telephony_core::{Error, ErrorKind, Party, Result};

/// Reads what Plivo writes.
pub(crate) fn read(text: &str) -> Party {
    Party::parse_without_plus(text)
}

/// A party as Plivo takes it: `14155550100`, `sip:…`.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for a kind of party that Plivo does not know,
/// [`InvalidArgument`](ErrorKind::InvalidArgument) for an address that is not of the form of its kind.
pub(crate) fn written<'a>(party: &'a Party, operation: &'static str) -> Result<Cow<'a, str>> {
    let unsupported = |detail: &str| Err(Error::unsupported(operation, detail).with_provider(NAME));
    let address = party.address();
    let (address, fits) = match party {
        Party::Number(_) | Party::LocalNumber(_) => {
            let digits = address.strip_prefix('+').unwrap_or(address);
            let fits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            (digits, fits)
        }
        // `<` stands between several of them.
        Party::Sip(_) => (address, is_sip(address)),
        Party::Client(_) => {
            return unsupported("Plivo knows no named clients: dial its SIP address");
        }
        Party::Extension(_) => return unsupported("Plivo knows no extensions"),
        Party::Withheld => return unsupported("Plivo can neither dial nor show a withheld number"),
        _ => return unsupported("Plivo cannot dial such a party"),
    };
    if fits {
        return Ok(address.into());
    }
    let detail = "an address does not have the form of its kind";
    Err(Error::new(ErrorKind::InvalidArgument, operation, detail).with_provider(NAME))
}

fn is_sip(address: &str) -> bool {
    let rest = address
        .strip_prefix("sip:")
        .or_else(|| address.strip_prefix("sips:"));
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"<>,\"".contains(&byte);
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits))
}
