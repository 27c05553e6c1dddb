//! `X-Plivo-Signature-V3`, as the carrier makes it.
//!
//! <https://www.plivo.com/docs/voice/concepts/signature-validation>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::engine::{Upgrade, Webhook, random};
use crate::persona::plivo::PlivoAccount;

/// Over which form of its URL the WebSocket upgrade is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeSignature {
    /// With `http://` in the place of `wss://`, as it was seen.
    #[default]
    Http,
    /// The URL of the document, as the documentation reads.
    Plain,
    /// No signature at all: an app that guards its socket with it must refuse.
    Missing,
}

/// Adds the three headers to a webhook with these form parameters; none for a GET, whose parameters are in its URL.
pub(crate) fn signed(
    account: &PlivoAccount,
    webhook: Webhook,
    form: &[(String, String)],
) -> Webhook {
    let url = webhook.url.clone();
    headers(account, &url, form)
        .into_iter()
        .fold(webhook, |webhook, (name, value)| {
            webhook.with_header(name, value)
        })
}

/// The upgrade of a media socket, signed.
pub(crate) fn signed_upgrade(account: &PlivoAccount, url: &str) -> Upgrade {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let signed = match account.upgrade_signature {
        UpgradeSignature::Missing => return Upgrade::new(url),
        UpgradeSignature::Plain => format!("{scheme}://{rest}"),
        UpgradeSignature::Http => format!("http://{rest}"),
    };
    headers(account, &signed, &[])
        .into_iter()
        .fold(Upgrade::new(url), |upgrade, (name, value)| {
            upgrade.with_header(name, value)
        })
}

fn headers(
    account: &PlivoAccount,
    url: &str,
    form: &[(String, String)],
) -> [(&'static str, String); 3] {
    let nonce = random::hex::<10>();
    let ours = signature(&account.auth_token, url, form, &nonce);
    // There is one for each active token, and ours need not be the first.
    let other = signature("another active token", url, form, &nonce);
    [
        ("X-Plivo-Signature-V3", format!("{other},{ours}")),
        ("X-Plivo-Signature-Ma-V3", format!("{other},{ours}")),
        ("X-Plivo-Signature-V3-Nonce", nonce),
    ]
}

fn signature(token: &str, url: &str, form: &[(String, String)], nonce: &str) -> String {
    let text = format!("{}.{nonce}", signed_text(url, form));
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn signed_text(url: &str, form: &[(String, String)]) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (mut text, query) = match url.split_once('?') {
        Some((path, query)) => (path.to_owned(), query),
        None => (url.to_owned(), ""),
    };
    let mut query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    query.sort();
    if !query.is_empty() || !form.is_empty() {
        text.push('?');
    }
    for (index, (name, value)) in query.iter().enumerate() {
        if index > 0 {
            text.push('&');
        }
        text += &format!("{name}={value}");
    }
    if !query.is_empty() && !form.is_empty() {
        text.push('.');
    }
    let mut form: Vec<_> = form.iter().collect();
    form.sort();
    for (name, value) in form {
        text += name;
        text += value;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(url: &str, form: &[(&str, &str)]) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        signed_text(url, &form.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_signed() {
        let form = [("To", "2"), ("CallUUID", "x y"), ("From", "1")];
        for (url, form, signed) in [
            ("https://a.example/b", &[][..], "https://a.example/b"),
            (
                "https://a.example/b?c=%201&b",
                &[],
                "https://a.example/b?b=&c= 1",
            ),
            (
                "https://a.example/b",
                &form,
                "https://a.example/b?CallUUIDx yFrom1To2",
            ),
            (
                "https://a.example/b?z=1#f",
                &form,
                "https://a.example/b?z=1.CallUUIDx yFrom1To2",
            ),
        ] {
            assert_eq!(text(url, form), signed);
        }
    }
}
