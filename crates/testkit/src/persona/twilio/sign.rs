//! `X-Twilio-Signature`, as the carrier makes it.
//!
//! <https://www.twilio.com/docs/usage/security>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::engine::UrlParts;

/// Which form of the WebSocket URL is signed. The carrier's documentation knows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeSignature {
    /// The URL of the document.
    #[default]
    Plain,
    /// The URL with a slash at its end.
    TrailingSlash,
    /// No signature at all: an app that guards its socket with it must refuse.
    Missing,
}

/// The signature of a request with these form parameters; none for GET and for the upgrade.
pub(crate) fn signature(token: &str, url: &str, form: &[(String, String)]) -> String {
    let mut text = signed_url(url);
    let mut form: Vec<_> = form.iter().collect();
    // By name, then by value, and the same pair only once.
    form.sort();
    form.dedup();
    for (name, value) in form {
        text.push_str(name);
        text.push_str(value);
    }
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Without user, password and fragment; over TLS also without the port.
fn signed_url(url: &str) -> String {
    match UrlParts::parse(url) {
        Some(mut parts) => {
            parts.userinfo = None;
            parts.fragment = None;
            if parts.is_secure() {
                parts.port = None;
            }
            parts.to_string()
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_documentation() {
        let form = [
            ("CallSid", "CA1234567890ABCDE"),
            ("To", "+18005551212"),
            ("Caller", "+14158675310"),
            ("Digits", "1234"),
            ("From", "+14158675310"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for url in [
            "https://example.com/myapp.php?foo=1&bar=2",
            "https://user:secret@example.com:8443/myapp.php?foo=1&bar=2#rc=2",
        ] {
            assert_eq!(
                signature("12345", url, &form),
                "L/OH5YylLD5NRKLltdqwSvS0BnU=",
                "{url}"
            );
        }
    }

    #[test]
    fn plain_http_keeps_its_port() {
        assert_eq!(
            signed_url("http://127.0.0.1:8080/call"),
            "http://127.0.0.1:8080/call"
        );
        assert_ne!(
            signature("t", "ws://127.0.0.1:1/m", &[]),
            signature("t", "ws://127.0.0.1:2/m", &[])
        );
    }
}
