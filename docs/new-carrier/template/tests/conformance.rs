//! The rules that every carrier's crate has to obey.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use sha2::Sha256;
use std::time::SystemTime;
use telephony_core::{Settings, WebhookRequest};
use telephony_testkit::Conformance;
use telephony_testkit::conformance::Part;

const SECRET: &str = "c2VjcmV0MTIzNDU2Nzg5MA7x";

fn acme() -> Conformance {
    let settings = Settings::new().with("secret", SECRET);
    Conformance::new("acme", telephony_acme::register, settings)
        .with_secret(SECRET)
        .signed_by(sign)
        // Acme signs the body, and not the URL.
        .signature_covers([Part::Body])
        .with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"))
}

telephony_testkit::conformance!(acme);

/// Written from the carrier's documentation, not from the crate.
fn sign(request: &mut WebhookRequest) {
    let since = request.received_at.duration_since(SystemTime::UNIX_EPOCH);
    let time = since.map_or(0, |since| since.as_secs()).to_string();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else {
        return;
    };
    let mac = mac
        .chain_update(&time)
        .chain_update(".")
        .chain_update(&request.body);
    let tag = mac.finalize().into_bytes();
    let signature: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, value) in [("acme-timestamp", time), ("acme-signature", signature)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers.insert(name, value);
        }
    }
}
