//! The rules that every carrier's crate has to obey, by the kit that a stranger's crate would use.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Method};
use sha1::Sha1;
use telephony_core::{Settings, WebhookKind, WebhookRequest};
use telephony_testkit::Conformance;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

fn twilio() -> Conformance {
    let settings = Settings::new()
        .with("account_sid", ACCOUNT)
        .with("auth_token", TOKEN);
    Conformance::new("twilio", telephony_twilio::register, settings)
        .with_secret(TOKEN)
        .signed_by(sign)
        .with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages"))
}

telephony_testkit::conformance!(twilio);

/// <https://www.twilio.com/docs/usage/security>: the URL, then the sorted form, HMAC-SHA1, base64.
fn sign(request: &mut WebhookRequest) {
    let mut text = request.public_url.clone();
    if request.kind == WebhookKind::MediaUpgrade {
        text = text.replacen("https://", "wss://", 1);
    }
    if request.method == Method::POST {
        let mut form: Vec<_> = form_urlencoded::parse(&request.body).collect();
        form.sort();
        for (name, value) in form {
            text += &name;
            text += &value;
        }
    }
    let signature = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes())
        .map(|mac| STANDARD.encode(mac.chain_update(text).finalize().into_bytes()));
    let value = signature
        .ok()
        .and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(value) = value {
        request.headers.insert("x-twilio-signature", value);
    }
}
