//! Asking for answers, and what they should be.

use super::{CALL_KEY, SECRET, TOKEN, exotel, get, links, verified};
use http::{StatusCode, header::CONTENT_TYPE};
use telephony_core::{Answer, Answered, Result, Telephony, WebhookKind};
use telephony_exotel::Exotel;

/// What the applet gets, asked at both routes; they must agree.
pub fn write_with(exotel: &Exotel, applet: &str, answer: &Answer) -> Result<Answered> {
    let query = format!("applet={applet}&CallSid=c1&CallFrom=09876501234");
    let call = exotel
        .accept_call(&verified(get(WebhookKind::IncomingCall, &query)))
        .unwrap();
    let first = exotel.incoming_call(&call, answer, &links());
    let next = exotel.reply(
        &verified(get(WebhookKind::NextStep, &query)),
        Some(answer),
        &links(),
    );
    match (&first, &next) {
        (Ok(first), Ok(next)) => {
            assert_eq!(first.response.status(), next.response.status());
            assert_eq!(first.response.headers(), next.response.headers());
            assert_eq!(first.response.body(), next.response.body());
            assert!(first.commands.is_empty());
        }
        (Err(first), Err(next)) => assert_eq!(first.to_string(), next.to_string()),
        _ => panic!("the routes differ: {first:?}, {next:?}"),
    }
    first
}

pub fn write(applet: &str, answer: &Answer) -> Result<Answered> {
    write_with(&exotel(), applet, answer)
}

#[track_caller]
pub fn assert_document(answered: Result<Answered>, content_type: &str, body: &str) {
    let response = answered.unwrap().response;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().len(), 1);
    assert_eq!(response.headers()[CONTENT_TYPE], content_type);
    assert_eq!(std::str::from_utf8(response.body()).unwrap(), body);
}

#[track_caller]
pub fn assert_url(answered: Result<Answered>, rest: &str) {
    let url = format!(r#"{{"url":"wss://voice.example.com/exotel/media/{TOKEN}{rest}"}}"#);
    assert_document(answered, "application/json", &url);
}

pub fn acknowledge(applet: &str) -> Result<Answered> {
    let request = get(
        WebhookKind::NextStep,
        &format!("applet={applet}&CallSid=c1"),
    );
    exotel().reply(&verified(request), None, &links())
}

pub fn events_url() -> String {
    format!("https://voice.example.com/exotel/events/{CALL_KEY}?key={SECRET}")
}

pub const NOBODY: &str = r#"{"fetch_after_attempt":false,"destination":{"numbers":[]}}"#;
