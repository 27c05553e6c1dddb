//! Placing and steering calls: what goes out, and what comes of the answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::{
    Answer, CallId, CallStatus, CarrierCall, Dtmf, ErrorKind, Handover, MachineDetection,
    OutboundCall, Party, Retry, StatusEvents, Telephony,
};
use telephony_plivo::{PlivoCallOptions, provider_name};
use telephony_testkit::scripted::ScriptedHttp;

const TAKEN: &str = r#"{"message":"call fired","request_uuid":"u1","api_id":"a1"}"#;
const ACCOUNT: &str = "https://api.plivo.com/v1/Account/MAMZI1YTG3ZDE4NWJH";
const STATUS: &str = "https://voice.example.com/plivo/status/key0key0key0key0key0ke";
const ANSWER: &str = "https://voice.example.com/plivo/answer/key0key0key0key0key0ke";

fn call_out() -> OutboundCall {
    let (to, from) = (Party::parse("+14155550199"), Party::parse("+14155550100"));
    OutboundCall::new(to, from, Answer::stream())
}

fn call() -> CarrierCall {
    CarrierCall::new(CallId::new("u/1").unwrap())
}

/// The requests so far: method and URL, and the body.
fn asked(http: &ScriptedHttp) -> Vec<(String, Value)> {
    let requests = http.requests();
    let shown = requests.iter().map(|request| {
        // user MAMZI1YTG3ZDE4NWJH, password current-auth-token
        let credentials = "Basic TUFNWkkxWVRHM1pERTROV0pIOmN1cnJlbnQtYXV0aC10b2tlbg==";
        assert_eq!(request.headers()[AUTHORIZATION], credentials);
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        let line = format!("{} {}", request.method(), request.uri());
        (
            line,
            serde_json::from_slice(request.body()).unwrap_or(Value::Null),
        )
    });
    shown.collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_placed_and_asks_what_to_do() {
    let http = ScriptedHttp::new().answer(201, TAKEN);
    let placed = with_http(&http)
        .make_call(&call_out(), &links())
        .await
        .unwrap();
    assert_eq!(
        (placed.id().as_str(), placed.status),
        ("u1", CallStatus::Queued)
    );
    assert_eq!(placed.handover, Handover::Asks);
    let body = json!({
        "from": "14155550100", "to": "14155550199",
        "answer_url": format!("{ANSWER}?after=start"), "answer_method": "POST",
        "hangup_url": STATUS, "hangup_method": "POST",
        "ring_url": STATUS, "ring_method": "POST",
    });
    assert_eq!(asked(&http), [(format!("POST {ACCOUNT}/Call/"), body)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_can_be_given() {
    let http = ScriptedHttp::new().answer(201, TAKEN);
    let call = call_out()
        .with_ring_timeout(Duration::from_millis(20_500))
        .with_max_duration(Duration::from_secs(600))
        .with_machine_detection(MachineDetection::Report)
        .with_status_events(StatusEvents::End)
        .with_parameter("order", "a b&1")
        .with_extension(
            provider_name(),
            PlivoCallOptions::new()
                .with_caller_name("Acme")
                .with_send_digits("w1#"),
        );
    with_http(&http).make_call(&call, &links()).await.unwrap();
    let (_, body) = asked(&http).remove(0);
    let query = "?order=a%20b%261";
    let start = format!("{ANSWER}?after=start&order=a%20b%261");
    assert_eq!(body["answer_url"], start);
    assert_eq!(body["hangup_url"], format!("{STATUS}{query}"));
    assert_eq!(body.get("ring_url"), None);
    assert_eq!(
        (&body["ring_timeout"], &body["time_limit"]),
        (&json!(21), &json!(600))
    );
    assert_eq!(body["machine_detection"], "true");
    let events = STATUS.replace("status", "events");
    assert_eq!(body["machine_detection_url"], format!("{events}{query}"));
    assert_eq!(
        (&body["caller_name"], &body["send_digits"]),
        (&json!("Acme"), &json!("w1#"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_honoured_is_refused_before_anything_is_sent() {
    let options = |options: PlivoCallOptions| call_out().with_extension(provider_name(), options);
    let second = Duration::from_secs(1);
    for (call, kind) in [
        (call_out().with_recording(), ErrorKind::Unsupported),
        (
            call_out().with_ring_timeout(Duration::ZERO),
            ErrorKind::InvalidArgument,
        ),
        (
            call_out().with_max_duration(second * 86_401),
            ErrorKind::InvalidArgument,
        ),
        (
            call_out().with_parameter("after", "x"),
            ErrorKind::InvalidArgument,
        ),
        (
            options(PlivoCallOptions::new().with_caller_name("x".repeat(51))),
            ErrorKind::InvalidArgument,
        ),
        (
            options(PlivoCallOptions::new().with_send_digits("x")),
            ErrorKind::InvalidArgument,
        ),
        (
            call_out().with_extension(provider_name(), "a text"),
            ErrorKind::InvalidArgument,
        ),
        (
            OutboundCall::new(
                Party::Client("a".into()),
                Party::parse("+14155550100"),
                Answer::stream(),
            ),
            ErrorKind::Unsupported,
        ),
        (
            OutboundCall::new(
                Party::parse("+14155550199"),
                Party::parse("sip:a@b"),
                Answer::stream(),
            ),
            ErrorKind::InvalidArgument,
        ),
        (
            OutboundCall::new(
                Party::parse("+14155550199"),
                Party::parse("+14155550100"),
                Answer::dial(Party::Withheld),
            ),
            ErrorKind::Unsupported,
        ),
    ] {
        let http = ScriptedHttp::new();
        let error = with_http(&http)
            .make_call(&call, &links())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(http.requests().is_empty(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_no_call_yet_is_given_up() {
    for (answers, requests) in [
        (vec![204], 1),
        (vec![404, 204], 2),
        (vec![404, 404], 2),
        (vec![500, 204], 2),
    ] {
        let http = answers
            .iter()
            .fold(ScriptedHttp::new(), |http, status| http.answer(*status, ""));
        with_http(&http).hang_up(&call()).await.unwrap();
        let asked = asked(&http);
        assert_eq!(asked.len(), requests, "{answers:?}");
        assert_eq!(asked[0].0, format!("DELETE {ACCOUNT}/Call/u%2F1/"));
        if answers == [404, 204] {
            assert_eq!(asked[1].0, format!("DELETE {ACCOUNT}/Request/u%2F1/"));
        }
    }
    let http = ScriptedHttp::new().answer(401, "Could not verify your access level for that URL.");
    let error = with_http(&http).hang_up(&call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_asks_at_our_answer_url_after_the_stream() {
    let http = ScriptedHttp::new().answer(202, r#"{"message":"call transferred"}"#);
    let to = Answer::dial("+14155550123");
    let handover = with_http(&http)
        .transfer(&call(), &to, &links())
        .await
        .unwrap();
    assert_eq!(handover, Handover::AsksAfterStream);
    let body = json!({"legs": "aleg", "aleg_url": ANSWER, "aleg_method": "POST"});
    assert_eq!(
        asked(&http),
        [(format!("POST {ACCOUNT}/Call/u%2F1/"), body)]
    );

    let http = ScriptedHttp::new().answer(404, "");
    let gone = with_http(&http)
        .transfer(&call(), &to, &links())
        .await
        .unwrap_err();
    assert_eq!(
        (gone.kind(), gone.retry()),
        (ErrorKind::NotFound, Retry::Never)
    );
    let http = ScriptedHttp::new();
    let withheld = Answer::dial(Party::Withheld);
    with_http(&http)
        .transfer(&call(), &withheld, &links())
        .await
        .unwrap_err();
    assert!(http.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_are_sent_beside_the_stream() {
    let http = ScriptedHttp::new().answer(202, r#"{"message":"digits sent"}"#);
    let keys = Dtmf::new("12w#").unwrap();
    with_http(&http)
        .send_dtmf(&call(), &keys, &links())
        .await
        .unwrap();
    let body = json!({"digits": "12w#", "leg": "aleg"});
    assert_eq!(
        asked(&http),
        [(format!("POST {ACCOUNT}/Call/u%2F1/DTMF/"), body)]
    );
    let http = ScriptedHttp::new().answer(500, "");
    let error = with_http(&http)
        .send_dtmf(&call(), &keys, &links())
        .await
        .unwrap_err();
    assert_eq!(error.retry(), Retry::OutcomeUnknown);
    assert_eq!(http.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn plivos_words_are_told_without_what_they_repeat() {
    let said = r#"{"api_id":"97ceeb52-58b6-11e1-86da-77300b68f8bb","error":"the number 14155550199 of jenny@example.com is not valid"}"#;
    let http = ScriptedHttp::new().answer(400, said);
    let error = with_http(&http)
        .make_call(&call_out(), &links())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the number […] of […] is not valid"),
        "{text}"
    );
    assert_eq!(error.http_status(), Some(400));
    assert_eq!(
        error.request_id(),
        Some("97ceeb52-58b6-11e1-86da-77300b68f8bb")
    );
}
