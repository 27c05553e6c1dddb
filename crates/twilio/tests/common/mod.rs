//! What all test files share: an account, links, and requests signed with a recipe of the tests' own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod callback;

pub(crate) mod rest;
pub(crate) mod scripted;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use sha1::Sha1;
use std::time::{Duration, SystemTime};
use telephony_core::media::{EndSignal, MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answered, CallKey, CallLinks, CallStore, Direction, MediaToken, MemoryStore,
    NewCall, Party, Ports, PublicUrl, Secret, Telephony, Verified, WebhookKind, WebhookRequest,
    verify,
};
use telephony_twilio::{Twilio, TwilioConfig};

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "current-auth-token";
pub(crate) const KEY: &str = "key0key0key0key0key0ke";
pub(crate) const BASE: &str = "https://voice.example.com";

pub(crate) fn twilio() -> Twilio {
    with_config(TwilioConfig::new(ACCOUNT, Secret::new(TOKEN)))
}

pub(crate) fn with_config(config: TwilioConfig) -> Twilio {
    Twilio::new(
        AccountLabel::new("twilio").unwrap(),
        config,
        &Ports::default(),
    )
    .unwrap()
}

pub(crate) fn links() -> CallLinks {
    CallLinks::new(
        PublicUrl::new(BASE).unwrap(),
        AccountLabel::new("twilio").unwrap(),
        CallKey::parse(KEY).unwrap(),
    )
    .with_media(MediaToken::parse("token0token0token0toke").unwrap())
}

/// HMAC-SHA1 of a text, written down independently of the crate: joined first, then signed.
pub(crate) fn sign(token: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A form in the order of its pairs.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b' ' => "+".to_owned(),
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

pub(crate) fn request(kind: WebhookKind, method: Method, url: &str, body: &str) -> WebhookRequest {
    WebhookRequest {
        method,
        public_url: url.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_owned()),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000),
        kind,
    }
}

pub(crate) fn with_header(
    mut request: WebhookRequest,
    name: &'static str,
    value: &str,
) -> WebhookRequest {
    request
        .headers
        .append(name, HeaderValue::from_str(value).unwrap());
    request
}

/// A form POST with that signature.
pub(crate) fn post(
    kind: WebhookKind,
    url: &str,
    pairs: &[(&str, &str)],
    signature: &str,
) -> WebhookRequest {
    let request = request(kind, Method::POST, url, &form(pairs));
    let request = with_header(
        request,
        "content-type",
        "application/x-www-form-urlencoded; charset=UTF-8",
    );
    with_header(request, "x-twilio-signature", signature)
}

/// A form POST, signed. Names must be distinct.
pub(crate) fn signed_post(kind: WebhookKind, url: &str, pairs: &[(&str, &str)]) -> WebhookRequest {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let text: String = sorted
        .iter()
        .flat_map(|(name, value)| [*name, *value])
        .collect();
    let signature = sign(TOKEN, &format!("{url}{text}"));
    post(kind, url, pairs, &signature)
}

/// A GET, signed.
pub(crate) fn signed_get(kind: WebhookKind, url: &str) -> WebhookRequest {
    let request = request(kind, Method::GET, url, "");
    with_header(request, "x-twilio-signature", &sign(TOKEN, url))
}

/// The URL of the route that `kind` has.
pub(crate) fn url_of(kind: WebhookKind) -> String {
    match kind {
        WebhookKind::IncomingCall => links().call_url(),
        WebhookKind::NextStep => links().answer_url(),
        WebhookKind::Status => links().status_url(),
        _ => links().events_url(),
    }
}

/// A verified form POST to the route of `kind`.
pub(crate) fn verified(twilio: &Twilio, kind: WebhookKind, pairs: &[(&str, &str)]) -> Verified {
    verified_at(twilio, kind, &url_of(kind), pairs)
}

/// A verified form POST to `url`.
pub(crate) fn verified_at(
    twilio: &Twilio,
    kind: WebhookKind,
    url: &str,
    pairs: &[(&str, &str)],
) -> Verified {
    verify(twilio, signed_post(kind, url, pairs)).unwrap()
}

/// An incoming call that rings.
pub(crate) fn ringing<'a>() -> Vec<(&'a str, &'a str)> {
    vec![
        ("AccountSid", ACCOUNT),
        ("CallSid", "CA0001"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", "+14155550100"),
        ("To", "+14155550199"),
        ("ApiVersion", "2010-04-01"),
    ]
}

/// Text of the answer's body.
pub(crate) fn body(answered: &Answered) -> &str {
    std::str::from_utf8(answered.response.body()).unwrap()
}

/// A call that was accepted.
pub(crate) fn incoming(twilio: &Twilio) -> telephony_core::IncomingCall {
    let request = verified(twilio, WebhookKind::IncomingCall, &ringing());
    twilio.accept_call(&request).unwrap()
}

/// The codec of a stream of an incoming call.
pub(crate) fn codec() -> Box<dyn MediaCodec> {
    let key = CallKey::parse(KEY).unwrap();
    let account = AccountLabel::new("twilio").unwrap();
    let parties = (Party::Withheld, Party::Withheld);
    let provider = telephony_twilio::provider_name();
    let call = NewCall::new(key, provider, account, Direction::Inbound, parties);
    let store = MemoryStore::default();
    // The memory store never waits.
    let mut opening = store.open(call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(record) = opening.as_mut().poll(&mut context) else {
        panic!("the memory store waits")
    };
    let (_, ended) = EndSignal::new();
    twilio()
        .media_codec(&StreamTicket::new(record.unwrap(), ended))
        .unwrap()
}
