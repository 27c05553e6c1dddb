//! An account, its links, and requests as Exotel would make them.
#![allow(dead_code, unreachable_pub)]

pub mod answering;
pub mod http_client;
pub mod rest;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use std::time::SystemTime;
use telephony_core::media::{
    CodecEvent, Decoded, EndSignal, MediaCodec, MediaCommand, StreamTicket, WireMessage,
};
use telephony_core::{
    AccountLabel, CallEvent, CallEventKind, CallKey, CallLinks, CallStore, Direction, ErrorKind,
    MediaToken, MemoryStore, NewCall, Party, Ports, PublicUrl, Result, Telephony, Verified,
    WebhookKind, WebhookRequest, verify,
};
use telephony_exotel::{Exotel, ExotelConfig, provider_name};

pub const SECRET: &str = "first-webhook-secret";
pub const OLD_SECRET: &str = "older-webhook-secret";
pub const TOKEN: &str = "media-token-media-token";
pub const CALL_KEY: &str = "call-key-call-key-call";
pub const BASE: &str = "https://voice.example.com";

pub fn config() -> ExotelConfig {
    ExotelConfig::new("example1", "rest-api-key", "rest-api-token", SECRET)
        .with_further_webhook_secret(OLD_SECRET)
}

pub fn exotel() -> Exotel {
    exotel_with(config())
}

pub fn exotel_with(config: ExotelConfig) -> Exotel {
    Exotel::new(label(), config, &Ports::default()).unwrap()
}

pub fn label() -> AccountLabel {
    AccountLabel::new("exotel").unwrap()
}

pub fn links() -> CallLinks {
    links_without_media().with_media(MediaToken::parse(TOKEN).unwrap())
}

pub fn links_without_media() -> CallLinks {
    let key = CallKey::parse(CALL_KEY).unwrap();
    CallLinks::new(PublicUrl::new(BASE).unwrap(), label(), key)
}

/// A GET to one of our routes, with the right key in front of `query`.
pub fn get(kind: WebhookKind, query: &str) -> WebhookRequest {
    let route = match kind {
        WebhookKind::IncomingCall => "call",
        WebhookKind::NextStep => "answer",
        WebhookKind::Status => "status",
        _ => "events",
    };
    WebhookRequest {
        method: Method::GET,
        public_url: format!("{BASE}/exotel/{route}?key={SECRET}&{query}"),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        received_at: SystemTime::UNIX_EPOCH,
        kind,
    }
}

/// A POST of that body.
pub fn post(kind: WebhookKind, content_type: &str, body: impl Into<Bytes>) -> WebhookRequest {
    let mut request = get(kind, "");
    request.method = Method::POST;
    request.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(content_type).unwrap(),
    );
    request.body = body.into();
    request
}

pub fn verified(request: WebhookRequest) -> Verified {
    verify(&exotel(), request).unwrap()
}

/// The events of a request, after checking that each names `call`.
pub fn events(request: WebhookRequest, call: Option<&str>) -> Vec<CallEvent> {
    let (id, events) = exotel()
        .catch_all_status_callback(&verified(request))
        .unwrap();
    assert_eq!(id.as_ref().map(|id| id.as_str()), call);
    assert!(events.iter().all(|event| event.call_id == id));
    events
}

pub fn kinds(request: WebhookRequest) -> Vec<CallEventKind> {
    let (_, events) = exotel()
        .catch_all_status_callback(&verified(request))
        .unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

pub fn ticket() -> StreamTicket {
    let parties = (Party::Withheld, Party::Withheld);
    let key = CallKey::parse(CALL_KEY).unwrap();
    let call = NewCall::new(key, provider_name(), label(), Direction::Inbound, parties);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let record = runtime.block_on(MemoryStore::default().open(call)).unwrap();
    StreamTicket::new(record, EndSignal::new().1)
}

pub fn codec() -> Box<dyn MediaCodec> {
    codec_with(config())
}

pub fn codec_with(config: ExotelConfig) -> Box<dyn MediaCodec> {
    exotel_with(config).media_codec(&ticket()).unwrap()
}

/// What one text message means.
pub fn decode(codec: &mut dyn MediaCodec, text: &str) -> Result<Vec<CodecEvent>> {
    let mut decoded = Decoded::default();
    codec.decode(WireMessage::text(text), &mut decoded)?;
    assert!(decoded.replies.is_empty(), "Exotel demands no replies");
    Ok(decoded.events.into())
}

/// The one message that a command becomes.
pub fn encode(codec: &mut dyn MediaCodec, command: MediaCommand<'_>) -> String {
    let mut out = Vec::new();
    codec.encode(command, &mut out).unwrap();
    match &out[..] {
        [WireMessage::Text(text)] => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("not one text message: {other:?}"),
    }
}

#[track_caller]
pub fn assert_kind<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, says: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(
        error.provider().map(|name| name.as_str()),
        Some("exotel"),
        "{error}"
    );
}

/// A multipart body with the boundary `XB`.
pub fn multipart(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body +=
            &format!("--XB\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body + "--XB--\r\n"
}
pub const MULTIPART: &str = "multipart/form-data; boundary=XB";
