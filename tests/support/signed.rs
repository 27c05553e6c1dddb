//! Requests of the carriers as they come in, signed as each of them signs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

use crate::support::{
    EXOTEL_SECRET, PLIVO_TOKEN, TWILIO_SID, TWILIO_TOKEN, VONAGE_APPLICATION, VONAGE_KEY,
    VONAGE_SECRET, twilio_signature,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method};
use sha2::{Digest as _, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};
use telephony::{WebhookKind, WebhookRequest};

/// The public URL that they are signed for.
pub(crate) const BASE: &str = "https://voice.example.com";

/// A request without headers.
pub(crate) fn request(
    kind: WebhookKind,
    method: Method,
    url: String,
    body: String,
) -> WebhookRequest {
    WebhookRequest {
        method,
        public_url: url,
        headers: HeaderMap::new(),
        body: body.into(),
        received_at: SystemTime::now(),
        kind,
    }
}

/// A request of Twilio's with a form, signed.
pub(crate) fn twilio(kind: WebhookKind, path: &str, form: &[(&str, &str)]) -> WebhookRequest {
    let url = format!("{BASE}/twilio/{path}");
    let signature = twilio_signature(TWILIO_TOKEN, &url, form);
    let body: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut request = request(kind, Method::POST, url, body.join("&"));
    let form = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers.insert("content-type", form);
    let signature = signature.parse().unwrap();
    request.headers.insert("x-twilio-signature", signature);
    request
}

/// A request of Vonage's with a JSON object, signed.
pub(crate) fn vonage(kind: WebhookKind, path: &str, body: serde_json::Value) -> WebhookRequest {
    let url = format!("{BASE}/vonage/{path}");
    let mut request = request(kind, Method::POST, url, body.to_string());
    let hash = Sha256::digest(&request.body);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let now = request.received_at.duration_since(UNIX_EPOCH).unwrap();
    let claims = serde_json::json!({
        "iat": now.as_secs(),
        "jti": "c1",
        "iss": "Vonage",
        "api_key": VONAGE_KEY,
        "application_id": VONAGE_APPLICATION,
        "payload_hash": hash,
    });
    let parts = [
        r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
        claims.to_string(),
    ];
    let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(VONAGE_SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    let header = format!("Bearer {signed}.{signature}").parse().unwrap();
    request.headers.insert("authorization", header);
    request
}

/// A request of Exotel's: a GET with our secret.
pub(crate) fn exotel(kind: WebhookKind, path: &str, query: &[(&str, &str)]) -> WebhookRequest {
    let mut url = format!("{BASE}/exotel/{path}?key={EXOTEL_SECRET}");
    for (name, value) in query {
        url.push_str(&format!("&{name}={value}"));
    }
    request(kind, Method::GET, url, String::new())
}

/// A request of Plivo's with a form, signed.
pub(crate) fn plivo(kind: WebhookKind, path: &str, form: &[(&str, &str)]) -> WebhookRequest {
    let url = format!("{BASE}/plivo/{path}");
    let mut sorted = form.to_vec();
    sorted.sort_unstable();
    let sorted = sorted.iter().map(|(name, value)| format!("{name}{value}"));
    let signed = format!("{url}?{}.nonce", sorted.collect::<String>());
    let mut mac = Hmac::<Sha256>::new_from_slice(PLIVO_TOKEN.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let body: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut request = request(kind, Method::POST, url, body.join("&"));
    for (name, value) in [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-plivo-signature-v3", &signature),
        ("x-plivo-signature-v3-nonce", "nonce"),
    ] {
        request.headers.insert(name, value.parse().unwrap());
    }
    request
}

/// The callbacks that the `where` column of a table of status words means.
pub(crate) fn callbacks(place: &str, word: &str) -> Vec<WebhookRequest> {
    use WebhookKind::{Event, NextStep, Status};
    const SOCKET: &str = "wss://voice.example.com/vonage/media/token";
    let twilio = |kind, path, field, more: &[(&str, &str)]| {
        let mut form = vec![
            ("AccountSid", TWILIO_SID),
            ("CallSid", "CA1"),
            (field, word),
        ];
        form.extend_from_slice(more);
        vec![twilio(kind, path, &form)]
    };
    let vonage = |kind, path, more: &[(&str, &str)]| {
        let mut event = serde_json::json!({"uuid": "u1", "status": word, "timestamp": "t"});
        for (name, value) in more {
            event[*name] = (*value).into();
        }
        vec![vonage(kind, path, event)]
    };
    let exotel = |more: &[(&str, &str)]| {
        let mut query = vec![("CallSid", "c1")];
        query.extend_from_slice(more);
        exotel(Event, "events", &query)
    };
    let plivo = |kind, path, field, more: &[(&str, &str)]| {
        let mut form = vec![("CallUUID", "c1"), (field, word)];
        form.extend_from_slice(more);
        plivo(kind, path, &form)
    };
    match place {
        "`CallStatus`" => {
            let mut both = twilio(Status, "status/key", "CallStatus", &[("CallDuration", "1")]);
            both.push(plivo(
                Status,
                "status/key",
                "CallStatus",
                &[("Event", "Hangup")],
            ));
            both
        }
        "`DialStatus`" => vec![plivo(NextStep, "answer/key", "DialStatus", &[])],
        "`DialBLegStatus`" => vec![plivo(Event, "events/key", "DialBLegStatus", &[])],
        "`Event` beside `StreamID`" => {
            vec![plivo(Event, "events/key", "Event", &[("StreamID", "s1")])]
        }
        "`CallStatus` beside `ParentCallSid`" => twilio(
            Status,
            "status/key",
            "CallStatus",
            &[("ParentCallSid", "CA0")],
        ),
        "`DialCallStatus`" => {
            let mut both = twilio(NextStep, "answer/key", "DialCallStatus", &[]);
            both.push(exotel(&[("DialCallStatus", word)]));
            both
        }
        "`StreamEvent`" => twilio(Event, "events/key", "StreamEvent", &[("StreamSid", "MZ1")]),
        "the caller's leg" => vonage(Event, "events", &[]),
        "the caller's leg, `detail` `declined`" => {
            vonage(Event, "events", &[("detail", "declined")])
        }
        "the caller's leg, `sub_state` `beep_start`" => {
            vonage(Event, "events", &[("sub_state", "beep_start")])
        }
        "the media socket" => vonage(Event, "events/key", &[("to", SOCKET)]),
        "whom you dialled" => vonage(NextStep, "answer/key", &[]),
        "`Status` or `CallStatus` alone" => {
            vec![exotel(&[("Status", word)]), exotel(&[("CallStatus", word)])]
        }
        "`EventType`" => vec![exotel(&[("EventType", word)])],
        "`Status` beside `EventType` `terminal`" => {
            vec![exotel(&[("EventType", "terminal"), ("Status", word)])]
        }
        "`EventType` beside `DialWhomNumber`" => {
            vec![exotel(&[
                ("EventType", word),
                ("DialWhomNumber", "09990000105"),
            ])]
        }
        "`Stream[Status]`" => vec![exotel(&[("Stream[Status]", word)])],
        other => panic!("no test knows how to make {other:?}"),
    }
}
