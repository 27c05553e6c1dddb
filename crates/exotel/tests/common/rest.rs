//! REST requests and answers.

use super::config;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony_core::{Answer, OutboundCall, Party};
use telephony_exotel::ExotelConfig;
use telephony_exotel::rest::Rest;

pub const CUSTOMER: &str = "+919876501234";
pub const EXOPHONE: &str = "08033334444";
pub const SECOND: &str = "+917200498000";
pub const SID: &str = "b0c8aea60aceb0007fc5a1bb75c218bl";
/// `rest-api-key:rest-api-token`.
pub const BASIC: &str = "Basic cmVzdC1hcGkta2V5OnJlc3QtYXBpLXRva2Vu";

/// 2026-01-01 12:00:00 UTC, 17:30 in India.
pub fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_268_800)
}

pub fn call(answer: Answer) -> OutboundCall {
    OutboundCall::new(Party::parse(CUSTOMER), Party::parse(EXOPHONE), answer)
}

pub fn with_rest<T>(config: ExotelConfig, act: impl FnOnce(Rest<'_>) -> T) -> T {
    act(Rest::new(&config).unwrap())
}

pub fn rest<T>(act: impl FnOnce(Rest<'_>) -> T) -> T {
    with_rest(config(), act)
}

pub fn response(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// The request byte for byte, as it would be on the wire without what a client adds.
pub fn wire(request: &Request<Bytes>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    text + std::str::from_utf8(request.body()).unwrap()
}

/// A GET with our credentials.
pub fn signed_get(url: &str) -> String {
    format!("GET {url}\nauthorization: {BASIC}\naccept: application/json\n")
}
