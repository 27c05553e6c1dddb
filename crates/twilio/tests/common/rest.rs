//! REST requests as text, and answers from text.

use bytes::Bytes;
use http::{Request, Response};
use std::time::{Duration, SystemTime};
use telephony_core::{Answer, OutboundCall, Party, Secret};
use telephony_twilio::{TwilioCallOptions, TwilioConfig, provider_name};

/// Where the requests of the tests' account go.
pub(crate) const ACCOUNT_URL: &str =
    "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001";
/// The account and its token, as `Authorization` has them.
pub(crate) const BASIC: &str =
    "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTpjdXJyZW50LWF1dGgtdG9rZW4=";
pub(crate) const ANSWER_URL: &str =
    "https://voice.example.com/twilio/answer/key0key0key0key0key0ke";
pub(crate) const EVENTS: &str =
    "https%3A%2F%2Fvoice.example.com%2Ftwilio%2Fevents%2Fkey0key0key0key0key0ke";
pub(crate) const STATUS: &str =
    "https%3A%2F%2Fvoice.example.com%2Ftwilio%2Fstatus%2Fkey0key0key0key0key0ke";

pub(crate) fn config() -> TwilioConfig {
    TwilioConfig::new(super::ACCOUNT, Secret::new(super::TOKEN))
}

/// Method, URL, headers in order, body.
pub(crate) fn text(request: &Request<Bytes>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    text += "\n";
    text + std::str::from_utf8(request.body()).unwrap()
}

/// What a POST of a form to that path of the account looks like.
pub(crate) fn post(path: &str, form: &str) -> String {
    let agent = concat!("telephony-twilio/", env!("CARGO_PKG_VERSION"));
    format!(
        "POST {ACCOUNT_URL}/{path}\naccept: application/json\naccept-charset: utf-8\nuser-agent: {agent}\n\
         authorization: {BASIC}\ncontent-type: application/x-www-form-urlencoded\n\n{form}"
    )
}

/// What a GET of that path of the account looks like.
pub(crate) fn get(path: &str, accept: &str) -> String {
    let agent = concat!("telephony-twilio/", env!("CARGO_PKG_VERSION"));
    format!(
        "GET {ACCOUNT_URL}/{path}\naccept: {accept}\naccept-charset: utf-8\nuser-agent: {agent}\n\
         authorization: {BASIC}\n\n"
    )
}

pub(crate) fn body(request: &Request<Bytes>) -> &str {
    std::str::from_utf8(request.body()).unwrap()
}

pub(crate) fn caller() -> Party {
    Party::parse("+14155550100")
}

pub(crate) fn callee() -> Party {
    Party::parse("+14155550199")
}

/// A call that says a word.
pub(crate) fn call() -> OutboundCall {
    OutboundCall::new(callee(), caller(), Answer::say("Hi."))
}

pub(crate) fn call_with(options: TwilioCallOptions) -> OutboundCall {
    call().with_extension(provider_name(), options)
}

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}

pub(crate) fn answer_with(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

/// Friday, 20 November 2026, 15:00:00 GMT.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_186_800)
}
