//! What the tests of REST requests share.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{NOW, TOKEN, at, config};
use bytes::Bytes;
use http::Request;
use telephony_core::{CallId, ErrorKind, Result};
use telephony_vonage::NAME;
use telephony_vonage::rest::{ApplicationToken, VoiceApi};

pub const UUID: &str = "63f61863-4a51-4f6b-86e1-46edebcf9356";

pub fn api() -> VoiceApi {
    VoiceApi::new(&config()).unwrap()
}

pub fn token() -> ApplicationToken {
    ApplicationToken::from_text("head.claims.signature", at(NOW), at(NOW + 900))
}

pub fn id() -> CallId {
    CallId::new(UUID).unwrap()
}

pub fn body(request: &Request<Bytes>) -> &str {
    std::str::from_utf8(request.body()).unwrap()
}

/// A request as text: the line, the headers in the order of their names, the body.
#[track_caller]
pub fn assert_request(request: Result<Request<Bytes>>, line: &str, json: Option<&str>) {
    let request = request.unwrap();
    assert_eq!(format!("{} {}", request.method(), request.uri()), line);
    let mut headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let mut wanted = vec![
        "accept: application/json",
        "authorization: Bearer head.claims.signature",
    ];
    wanted.extend(json.map(|_| "content-type: application/json"));
    assert_eq!(headers, wanted);
    assert_eq!(body(&request), json.unwrap_or_default());
    assert!(!format!("{:?}", request.headers()).contains("signature"));
}

#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(request: Result<T>, kind: ErrorKind, why: &str) {
    let error = request.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.provider().unwrap().as_str(), NAME);
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(why), "{shown} does not say {why}");
    for private in ["7700900", "signature\"", "hunter2", TOKEN] {
        assert!(!shown.contains(private), "{shown}");
    }
}
