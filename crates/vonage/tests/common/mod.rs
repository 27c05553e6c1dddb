//! What the tests share: an account, requests, and signing by an own recipe.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod rest;
pub mod scripted;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::future::Future as _;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony_core::media::{EndSignal, StreamTicket};
use telephony_core::{
    AccountLabel, CallKey, CallLinks, CallStore as _, Direction, MediaToken, MemoryStore, NewCall,
    Party, Ports, PublicUrl, Verified, WebhookKind, WebhookRequest, verify,
};
use telephony_vonage::{Vonage, VonageConfig};

pub const API_KEY: &str = "c0ffee12";
pub const APPLICATION: &str = "78d335fa-323d-4114-9c3d-d6f0d48968cf";
pub const SECRET: &str = "a-signature-secret-of-our-own-0123";
pub const PEM: &str =
    "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n";
pub const NOW: u64 = 1_770_091_510;
pub const KEY: &str = "call-key-of-the-tests1";
pub const TOKEN: &str = "media-token-of-tests-1";

pub fn config() -> VonageConfig {
    VonageConfig::new(API_KEY, APPLICATION, PEM, SECRET)
}

pub fn open(config: VonageConfig) -> Vonage {
    Vonage::new(label(), config, &Ports::default()).unwrap()
}

pub fn vonage() -> Vonage {
    open(config())
}

pub fn label() -> AccountLabel {
    AccountLabel::new("vonage").unwrap()
}

pub fn links() -> CallLinks {
    let base = PublicUrl::new("https://voice.example.com").unwrap();
    let key = CallKey::parse(KEY).unwrap();
    CallLinks::new(base, label(), key).with_media(MediaToken::parse(TOKEN).unwrap())
}

pub fn at(unix: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(unix)
}

/// HMAC by its definition (RFC 2104), not by the crate that the code uses.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |byte: u8| block.map(|key| key ^ byte);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn token(head: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = hmac_sha256(secret.as_bytes(), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub fn head() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

/// The claims of a genuine token for that payload.
pub fn claims(payload: &[u8]) -> Value {
    json!({
        "iat": NOW - 4,
        "jti": "6d3c5b1e-0f57-4c8b-9d3a-2b6f0d7f1c11",
        "iss": "Vonage",
        "payload_hash": sha256_hex(payload),
        "api_key": API_KEY,
        "application_id": APPLICATION,
    })
}

pub fn path(kind: WebhookKind) -> String {
    match kind {
        WebhookKind::IncomingCall => "call".into(),
        WebhookKind::NextStep => format!("answer/{KEY}"),
        WebhookKind::Status => format!("status/{KEY}"),
        WebhookKind::MediaUpgrade => format!("media/{TOKEN}"),
        _ => format!("events/{KEY}"),
    }
}

/// A POST with that token.
pub fn post_with(kind: WebhookKind, body: impl AsRef<[u8]>, token: &str) -> WebhookRequest {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    WebhookRequest {
        method: Method::POST,
        public_url: format!("https://voice.example.com/vonage/{}", path(kind)),
        headers,
        body: body.as_ref().to_vec().into(),
        received_at: at(NOW),
        kind,
    }
}

/// A POST as Vonage signs it.
pub fn post(kind: WebhookKind, body: impl AsRef<[u8]>) -> WebhookRequest {
    let token = token(&head(), &claims(body.as_ref()), SECRET);
    post_with(kind, body, &token)
}

/// A GET with that query and token.
pub fn get_with(kind: WebhookKind, query: &str, token: &str) -> WebhookRequest {
    let mut request = post_with(kind, "", token);
    request.method = Method::GET;
    request.public_url = format!("{}?{query}", request.public_url);
    request
}

pub fn verified(vonage: &Vonage, kind: WebhookKind, body: &Value) -> Verified {
    verify(vonage, post(kind, body.to_string())).unwrap()
}

/// A ticket for a stream of a call that is in a store.
pub fn ticket() -> StreamTicket {
    let key = CallKey::parse(KEY).unwrap();
    let parties = (Party::Withheld, Party::Withheld);
    let provider = telephony_vonage::provider_name();
    let call = NewCall::new(key, provider, label(), Direction::Inbound, parties);
    let store = MemoryStore::default();
    let opened = std::pin::pin!(store.open(call)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(record) = opened else {
        panic!("the memory store waits")
    };
    StreamTicket::new(record.unwrap(), EndSignal::new().1)
}
