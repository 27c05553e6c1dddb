//! What the test files share: an account, links, and requests signed with a recipe of the tests' own.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use sha2::Sha256;
use std::time::{Duration, SystemTime};
use telephony_core::{
    AccountLabel, Answered, CallKey, CallLinks, MediaToken, Ports, PublicUrl, Secret, Verified,
    WebhookKind, WebhookRequest, verify,
};
use telephony_plivo::{Plivo, PlivoConfig};
use telephony_testkit::scripted::ScriptedHttp;

pub const ID: &str = "MAMZI1YTG3ZDE4NWJH";
pub const TOKEN: &str = "current-auth-token";
pub const KEY: &str = "key0key0key0key0key0ke";
pub const BASE: &str = "https://voice.example.com";
pub const NONCE: &str = "05429567804466091622";

pub fn config() -> PlivoConfig {
    PlivoConfig::new(ID, Secret::new(TOKEN))
}

pub fn plivo() -> Plivo {
    with_config(config())
}

pub fn with_config(config: PlivoConfig) -> Plivo {
    Plivo::new(label(), config, &Ports::default()).unwrap()
}

/// An account whose requests that client answers.
pub fn with_http(http: &ScriptedHttp) -> Plivo {
    let ports = Ports::default().with_http(http.port());
    Plivo::new(label(), config().with_calls_per_second(1000.0), &ports).unwrap()
}

pub fn label() -> AccountLabel {
    AccountLabel::new("plivo").unwrap()
}

pub fn links() -> CallLinks {
    let base = PublicUrl::new(BASE).unwrap();
    CallLinks::new(base, label(), CallKey::parse(KEY).unwrap())
        .with_media(MediaToken::parse("token0token0token0toke").unwrap())
}

/// HMAC-SHA256 of a text, in base64.
pub fn sign(token: &str, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).unwrap();
    STANDARD.encode(mac.chain_update(text).finalize().into_bytes())
}

/// A request with that body, of which `signed` is what was signed, nonce left out.
pub fn request(
    kind: WebhookKind,
    method: Method,
    url: &str,
    body: &str,
    signed: &str,
) -> WebhookRequest {
    let mut headers = HeaderMap::new();
    let signature = sign(TOKEN, &format!("{signed}.{NONCE}"));
    for (name, value) in [
        ("x-plivo-signature-v3", signature.as_str()),
        ("x-plivo-signature-v3-nonce", NONCE),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    if !body.is_empty() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert("content-type", form);
    }
    WebhookRequest {
        method,
        public_url: url.to_owned(),
        headers,
        body: body.to_owned().into(),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000),
        kind,
    }
}

/// A verified form POST to the route of `kind`. Values must need no escaping.
pub fn verified(plivo: &Plivo, kind: WebhookKind, after: &str, form: &[(&str, &str)]) -> Verified {
    let url = match kind {
        WebhookKind::IncomingCall => links().call_url(),
        WebhookKind::NextStep => links().answer_url(),
        WebhookKind::Status => links().status_url(),
        _ => links().events_url(),
    };
    let mut sorted = form.to_vec();
    sorted.sort_unstable();
    let sorted: String = sorted
        .iter()
        .map(|(name, value)| format!("{name}{value}"))
        .collect();
    let body: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let (url, signed) = match after {
        "" => (url.clone(), format!("{url}?{sorted}")),
        after => (
            format!("{url}?after={after}"),
            format!("{url}?after={after}.{sorted}"),
        ),
    };
    let request = request(kind, Method::POST, &url, &body.join("&"), &signed);
    verify(plivo, request).unwrap()
}

/// Text of the answer's body.
pub fn body(answered: &Answered) -> &str {
    std::str::from_utf8(answered.response.body()).unwrap()
}
