//! `X-Plivo-Signature-V3`: base64 of HMAC-SHA256, keyed with the auth token, over the URL, what was sent, and a nonce.
//!
//! | request | what is signed, before `.` and the nonce |
//! |---|---|
//! | GET | scheme, host and path, then `?` and all parameters as `name=value`, sorted, with `&` between them |
//! | POST with a form | the same of the URL's own query, the `?` also if there is none, and `.` after it if there is one; then each `name` with its `value`, sorted |
//! | POST without a form | as for a GET |
//! | upgrade of a media socket | as for a GET; the scheme was seen to be `http` (field reports), the documentation says `wss` |
//!
//! Values are decoded; those of a name that is there several times are sorted (SDKs). `X-Plivo-Signature-Ma-V3` is the same
//! with the main account's token. Each header may have several signatures with commas between them; any may match.

use crate::NAME;
use crate::config::PlivoConfig;
use crate::webhook::fields::has_form;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use telephony_core::{Error, Parameters, Result, Secret, WebhookKind, WebhookRequest};

const HEADERS: [&str; 2] = ["x-plivo-signature-v3", "x-plivo-signature-ma-v3"];
const NONCE: &str = "x-plivo-signature-v3-nonce";
/// Nobody has more tokens than that, and each costs a comparison.
const MOST_SIGNATURES: usize = 16;

/// Whether one of the account's tokens signed the request.
///
/// # Errors
/// [`Unauthenticated`](telephony_core::ErrorKind::Unauthenticated) with the reason.
pub(crate) fn check(config: &PlivoConfig, request: &WebhookRequest) -> Result<()> {
    let given: Vec<&str> = HEADERS
        .iter()
        .filter_map(|name| request.header(name))
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|signature| !signature.is_empty())
        .take(MOST_SIGNATURES)
        .collect();
    let is_upgrade = request.kind == WebhookKind::MediaUpgrade;
    let is_bare = HEADERS
        .iter()
        .all(|name| !request.headers.contains_key(*name));
    if is_upgrade && is_bare && !config.requires_upgrade_signature() {
        return Ok(());
    }
    if given.is_empty() {
        return Err(refuse("the X-Plivo-Signature-V3 header is missing"));
    }
    let Some(nonce) = request.header(NONCE).filter(|nonce| !nonce.is_empty()) else {
        return Err(refuse("the X-Plivo-Signature-V3-Nonce header is missing"));
    };
    let contents = contents(request)?;
    let mut matched = false;
    for token in config.tokens() {
        for content in &contents {
            let expected = sign(token, &format!("{content}.{nonce}"));
            for signature in &given {
                matched |= bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
            }
        }
    }
    if matched {
        Ok(())
    } else {
        Err(refuse(
            "X-Plivo-Signature-V3 does not match: check `auth_token`, and that the public URL is exactly what Plivo calls",
        ))
    }
}

fn sign(token: &Secret, text: &str) -> String {
    match Hmac::<Sha256>::new_from_slice(token.expose().as_bytes()) {
        Ok(mac) => STANDARD.encode(mac.chain_update(text).finalize().into_bytes()),
        Err(_) => String::new(), // HMAC takes keys of any length; nothing matches an empty text.
    }
}

/// What Plivo may have signed.
fn contents(request: &WebhookRequest) -> Result<Vec<String>> {
    let url = request.public_url.split('#').next().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let query = sorted(&Parameters::from_form(query.as_bytes()), "=", "&");
    let asked = |path: &str| match query.as_str() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    if request.kind == WebhookKind::MediaUpgrade {
        return of_upgrade(request, path, asked);
    }
    match request.method {
        Method::GET if request.body.is_empty() => Ok(vec![asked(path)]),
        Method::GET => Err(refuse("a GET with a body: Plivo signs no such thing")),
        Method::POST if request.body.is_empty() => Ok(vec![asked(path)]),
        Method::POST if has_form(request) => {
            let form = sorted(&Parameters::from_form(&request.body), "", "");
            let border = if query.is_empty() { "" } else { "." };
            Ok(vec![format!("{path}?{query}{border}{form}")])
        }
        Method::POST => Err(refuse("the body is not a form: nobody signed it")),
        _ => Err(refuse("Plivo's requests are GET or POST")),
    }
}

fn of_upgrade(
    request: &WebhookRequest,
    path: &str,
    asked: impl Fn(&str) -> String,
) -> Result<Vec<String>> {
    if request.method != Method::GET || !request.body.is_empty() {
        return Err(refuse(
            "the upgrade of a media socket is a GET without a body",
        ));
    }
    let rest = path.split_once("://").map_or(path, |(_, rest)| rest);
    let schemes = ["http", "https", "ws", "wss"];
    Ok(schemes
        .map(|scheme| asked(&format!("{scheme}://{rest}")))
        .into())
}

/// All pairs, sorted by the bytes of the name and then of the value.
fn sorted(parameters: &Parameters, equals: &str, between: &str) -> String {
    // A pair that is there twice is signed twice.
    let mut pairs: Vec<(&str, &str)> = parameters.iter().collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}{equals}{value}"))
        .collect();
    pairs.join(between)
}

fn refuse(detail: &str) -> Error {
    Error::unauthenticated(detail).with_provider(NAME)
}
