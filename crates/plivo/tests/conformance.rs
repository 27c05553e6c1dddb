//! The rules that every carrier's crate has to obey, by the kit that a stranger's crate would use.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Method};
use sha2::Sha256;
use telephony_core::{Settings, WebhookKind, WebhookRequest};
use telephony_testkit::Conformance;

const TOKEN: &str = "N2QxZjk0YzBhYjU4M2U2ZDdjMTk0ZjA1";

fn plivo() -> Conformance {
    let settings = Settings::new()
        .with("auth_id", "MAMZI1YTG3ZDE4NWJH")
        .with("auth_token", TOKEN);
    Conformance::new("plivo", telephony_plivo::register, settings)
        .with_secret(TOKEN)
        .signed_by(sign)
        .with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"))
}

telephony_testkit::conformance!(plivo);

/// <https://www.plivo.com/docs/voice/concepts/signature-validation> and what the SDKs do: the URL with all that was sent,
/// sorted, a dot and a nonce; HMAC-SHA256, base64.
fn sign(request: &mut WebhookRequest) {
    let (path, query) = match request.public_url.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (request.public_url.clone(), String::new()),
    };
    let sorted = |text: &[u8]| {
        let mut pairs: Vec<_> = form_urlencoded::parse(text).into_owned().collect();
        pairs.sort();
        pairs
    };
    let mut text = match request.kind {
        WebhookKind::MediaUpgrade => path.replacen("https://", "http://", 1),
        _ => path,
    };
    let is_form = request.method == Method::POST && !request.body.is_empty();
    if is_form || !query.is_empty() {
        text += "?";
    }
    let query = sorted(query.as_bytes());
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    text += &query.join("&");
    if is_form {
        if !query.is_empty() {
            text += ".";
        }
        for (name, value) in sorted(&request.body) {
            text += &name;
            text += &value;
        }
    }
    let nonce = "72045418313014110523";
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(TOKEN.as_bytes()) else {
        return;
    };
    let mac = mac.chain_update(format!("{text}.{nonce}"));
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    for (name, value) in [
        ("x-plivo-signature-v3", signature.as_str()),
        ("x-plivo-signature-v3-nonce", nonce),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            request.headers.insert(name, value);
        }
    }
}
