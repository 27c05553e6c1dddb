//! The rules that every carrier's crate has to obey, by the kit that a stranger's crate would use.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::time::SystemTime;
use telephony_core::{Settings, WebhookRequest};
use telephony_testkit::Conformance;
use telephony_testkit::conformance::Part;

const API_KEY: &str = "c0ffee12";
const APPLICATION: &str = "78d335fa-323d-4114-9c3d-d6f0d48968cf";
const SECRET: &str = "5KqQ7d1mZt0xW3vB8nR2yL6cJ4hF9sGa";
const PEM: &str = include_str!("keys/pkcs8.pem");

fn vonage() -> Conformance {
    let settings = Settings::new()
        .with("api_key", API_KEY)
        .with("application_id", APPLICATION)
        .with("private_key", PEM)
        .with("signature_secret", SECRET)
        // It is not certain that Vonage signs every upgrade; with this, one that is not signed is refused.
        .with("require_upgrade_token", "true");
    Conformance::new("vonage", telephony_vonage::register, settings)
        .with_secret(SECRET)
        .with_secret(PEM)
        .signed_by(sign)
        // The URL of a webhook is not part of its token.
        .signature_covers([Part::Body])
        .with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"))
}

telephony_testkit::conformance!(vonage);

/// <https://developer.vonage.com/en/getting-started/concepts/webhooks#validating-signed-webhooks>: a token whose
/// `payload_hash` is of the body.
fn sign(request: &mut WebhookRequest) {
    let unix = SystemTime::UNIX_EPOCH;
    let now = request.received_at.duration_since(unix);
    let hash: String = Sha256::digest(&request.body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let claims = json!({
        "iat": now.map_or(0, |now| now.as_secs()),
        "jti": "6d3c5b1e-0f57-4c8b-9d3a-2b6f0d7f1c11",
        "iss": "Vonage",
        "payload_hash": hash,
        "api_key": API_KEY,
        "application_id": APPLICATION,
    });
    let signed = [r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string()]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else {
        return;
    };
    let signature = mac.chain_update(&signed).finalize().into_bytes();
    let token = format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    if let Ok(value) = HeaderValue::from_str(&token) {
        request.headers.insert("authorization", value);
    }
}
