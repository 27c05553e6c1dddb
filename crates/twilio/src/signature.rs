//! `X-Twilio-Signature`: base64 of HMAC-SHA1 over the URL and what was posted, keyed with the account's auth token.
//!
//! | request | what is signed |
//! |---|---|
//! | form POST | the URL, then each name with its value, sorted by the bytes of the name; of a repeated name the distinct values, sorted, each with the name before it (Twilio docs; the last rule is the Python, Node and PHP SDKs') |
//! | GET | the URL with its query |
//! | any other body | the URL, whose query has `bodySHA256`, the hash of the body in lower-case hex (SDKs) |
//! | upgrade of a media socket | the `wss` URL of the TwiML, perhaps with a slash at the end (Twilio docs, field reports) |
//!
//! URLs are compared as text. Twilio is not consistent about ports, so all SDKs try the URL with and without one; the docs
//! say that a user in the URL is not signed, the SDKs' tests sign it. Every such form is tried: each needs the token.

use crate::NAME;
use crate::webhook::fields::has_form;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use subtle::ConstantTimeEq as _;
use telephony_core::{Error, Parameters, Result, Secret, WebhookKind, WebhookRequest};

/// The header with the signature.
const HEADER: &str = "x-twilio-signature";

/// What Twilio may have signed: one of the URLs, then the text after it.
#[derive(Debug)]
struct Content {
    urls: Vec<String>,
    appended: String,
}

/// Whether one of `tokens` signed the request.
///
/// # Errors
/// [`Unauthenticated`](telephony_core::ErrorKind::Unauthenticated) with the reason.
pub(crate) fn check<'a>(
    request: &WebhookRequest,
    tokens: impl IntoIterator<Item = &'a Secret>,
) -> Result<()> {
    let given = match request.header(HEADER) {
        Some(given) if !given.is_empty() => given,
        _ => return Err(refuse("the X-Twilio-Signature header is missing")),
    };
    let contents = contents(request)?;
    let mut matched = false;
    for token in tokens {
        for content in &contents {
            matched |= content.is_signed(token, given);
        }
    }
    if matched {
        Ok(())
    } else {
        Err(refuse(
            "X-Twilio-Signature does not match: check `auth_token`, and that the public URL is exactly what Twilio calls",
        ))
    }
}

impl Content {
    fn is_signed(&self, token: &Secret, given: &str) -> bool {
        let Ok(mac) = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes()) else {
            return false; // HMAC takes keys of any length.
        };
        let mut matched = false;
        for url in &self.urls {
            let mut mac = mac.clone();
            mac.update(url.as_bytes());
            mac.update(self.appended.as_bytes());
            let expected = STANDARD.encode(mac.finalize().into_bytes());
            matched |= bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        }
        matched
    }
}

fn contents(request: &WebhookRequest) -> Result<Vec<Content>> {
    if request.kind == WebhookKind::MediaUpgrade {
        return of_upgrade(request);
    }
    let urls = urls(&request.public_url);
    let appended = match request.method {
        Method::GET if request.body.is_empty() => String::new(),
        Method::GET => return Err(refuse("a GET with a body: Twilio signs no such thing")),
        Method::POST if has_form(request) => form(&Parameters::from_form(&request.body)),
        Method::POST => {
            check_body_hash(request)?;
            String::new()
        }
        _ => return Err(refuse("Twilio's requests are GET or POST")),
    };
    Ok(vec![Content { urls, appended }])
}

/// The upgrade is signed over the `wss` URL of the TwiML, and may have got a slash at its end. A conversation relay's URL
/// may have a query: Twilio's own agent library takes it for a form, the general rule for a part of the URL.
fn of_upgrade(request: &WebhookRequest) -> Result<Vec<Content>> {
    if request.method != Method::GET || !request.body.is_empty() {
        return Err(refuse(
            "the upgrade of a media socket is a GET without a body",
        ));
    }
    let url = without_fragment(&request.public_url);
    let url = match url.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(("http", rest)) => format!("ws://{rest}"),
        _ => url.to_owned(),
    };
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url.as_str(), None),
    };
    let paths = match path.strip_suffix('/') {
        Some(bare) => [path.to_owned(), bare.to_owned()],
        None => [path.to_owned(), format!("{path}/")],
    };
    let with_query = |path: &String| match query {
        Some(query) => urls(&format!("{path}?{query}")),
        None => urls(path),
    };
    let mut contents = vec![Content {
        urls: paths.iter().flat_map(with_query).collect(),
        appended: String::new(),
    }];
    if query.is_some_and(|query| !query.is_empty()) {
        contents.push(Content {
            urls: paths.iter().flat_map(|path| urls(path)).collect(),
            appended: form(&request.query()),
        });
    }
    Ok(contents)
}

/// What is appended to the URL for a form.
fn form(parameters: &Parameters) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in parameters.iter() {
        sorted.entry(name).or_default().insert(value);
    }
    let mut appended = String::new();
    for (name, values) in sorted {
        for value in values {
            appended.push_str(name);
            appended.push_str(value);
        }
    }
    appended
}

/// Checks the body against `bodySHA256` in the URL, which the signature covers.
fn check_body_hash(request: &WebhookRequest) -> Result<()> {
    let query = request.query();
    let mut hashes = query.get_all("bodySHA256");
    let (Some(given), None) = (hashes.next(), hashes.next()) else {
        return Err(refuse(
            "the body is not a form and the URL has no bodySHA256: nobody signed the body",
        ));
    };
    // The Node SDK's tests sign an absent body as the empty JSON object that its body parser makes of it.
    let empty_object = request.body.is_empty() && is_hash_of(given, b"{}");
    if is_hash_of(given, &request.body) || empty_object {
        Ok(())
    } else {
        Err(refuse(
            "the body does not have the hash bodySHA256 of the URL",
        ))
    }
}

fn is_hash_of(given: &str, body: &[u8]) -> bool {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(body) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex.as_bytes().ct_eq(given.as_bytes()).into()
}

/// The forms of a URL that may have been signed: as it is, without port, with the scheme's default port, each also
/// without the user, and each with the apostrophes of the query written the other way. Nothing else is touched.
fn urls(url: &str) -> Vec<String> {
    let url = without_fragment(url);
    let mut forms = vec![url.to_owned()];
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let bare = without_port(host);
        let port = if matches!(scheme, "https" | "wss") {
            443
        } else {
            80
        };
        for host in [host.to_owned(), bare.to_owned(), format!("{bare}:{port}")] {
            if let Some(user) = user {
                forms.push(format!("{scheme}://{user}@{host}{tail}"));
            }
            forms.push(format!("{scheme}://{host}{tail}"));
        }
    }
    for at in 0..forms.len() {
        let Some((path, query)) = forms[at].split_once('?') else {
            continue;
        };
        let encoded = format!("{path}?{}", query.replace('\'', "%27"));
        let plain = format!("{path}?{}", query.replace("%27", "'"));
        forms.extend([encoded, plain]);
    }
    let mut seen = BTreeSet::new();
    forms.retain(|form| seen.insert(form.clone()));
    forms
}

fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // In `[::1]` the last colon belongs to the address: what follows is not a number.
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    }
}

fn refuse(detail: &str) -> Error {
    Error::unauthenticated(detail).with_provider(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_few_forms_and_its_path_is_not_touched() {
        assert_eq!(
            urls("https://User:Pass@Example.com:8443//a%20b/?q=%2B#rc=2"),
            [
                "https://User:Pass@Example.com:8443//a%20b/?q=%2B",
                "https://Example.com:8443//a%20b/?q=%2B",
                "https://User:Pass@Example.com//a%20b/?q=%2B",
                "https://Example.com//a%20b/?q=%2B",
                "https://User:Pass@Example.com:443//a%20b/?q=%2B",
                "https://Example.com:443//a%20b/?q=%2B",
            ]
        );
        assert_eq!(urls("http://[::1]:80"), ["http://[::1]:80", "http://[::1]"]);
        assert_eq!(
            urls("https://example.com/it's?a='%27"),
            [
                "https://example.com/it's?a='%27",
                "https://example.com:443/it's?a='%27",
                "https://example.com/it's?a=%27%27",
                "https://example.com/it's?a=''",
                "https://example.com:443/it's?a=%27%27",
                "https://example.com:443/it's?a=''",
            ]
        );
        assert_eq!(urls("not a url"), ["not a url"]);
    }

    #[test]
    fn names_are_sorted_by_bytes_and_values_are_distinct() {
        let parameters = Parameters::from_form(b"b=2&a=&B=1&b=10&b=2&Ab=x&A=y");
        assert_eq!(form(&parameters), "AyAbxB1ab10b2");
    }
}
