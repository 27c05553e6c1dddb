//! Parties as Twilio writes them.

use crate::NAME;
use std::borrow::Cow;
use telephony_core::{Error, ErrorKind, Party, Result};

/// A party as Twilio takes it: `+14155550100`, `sip:…`, `client:NAME`.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for a kind of party that Twilio does not know,
/// [`InvalidArgument`](ErrorKind::InvalidArgument) for an address that is not of the form of its kind.
pub(crate) fn written<'a>(party: &'a Party, operation: &'static str) -> Result<Cow<'a, str>> {
    let unsupported = |detail: &str| Err(Error::unsupported(operation, detail).with_provider(NAME));
    let address = party.address();
    let fits = match party {
        Party::Number(_) | Party::LocalNumber(_) => {
            let digits = address.strip_prefix('+').unwrap_or(address);
            let is_key = |byte: u8| byte.is_ascii_digit() || b"*#".contains(&byte);
            !digits.is_empty() && digits.bytes().all(is_key)
        }
        Party::Sip(_) => address.starts_with("sip:") || address.starts_with("sips:"),
        Party::Client(_) => !address.trim().is_empty(),
        Party::Extension(_) => return unsupported("Twilio knows no extensions"),
        Party::Withheld => {
            return unsupported("Twilio can neither dial nor show a withheld number");
        }
        _ => return unsupported("Twilio cannot dial such a party"),
    };
    if !fits {
        let detail = "an address does not have the form of its kind";
        return Err(Error::new(ErrorKind::InvalidArgument, operation, detail).with_provider(NAME));
    }
    Ok(match party {
        Party::Client(name) => format!("client:{name}").into(),
        _ => address.into(),
    })
}
