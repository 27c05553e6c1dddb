//! What each operation of the trait sends, byte for byte, and what comes of the answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::scripted::*;
use common::*;
use serde_json::json;
use std::time::Duration;
use telephony_core::{
    Answer, CallId, CallStatus, CarrierCall, Direction, Dtmf, Handover, OutboundCall, Recording,
    StatusEvents, Telephony, metadata,
};
use telephony_vonage::rest::{CallFilter, StreamAudio, Talk};
use telephony_vonage::{NAME, VonageCallOptions};

const CALLS: &str = "https://api.nexmo.com/v1/calls";
const TALK: &str = r#"[{"action":"talk","text":"Hello."}]"#;

fn call() -> CarrierCall {
    CarrierCall::new(CallId::new("u-1").unwrap())
}

/// Method and URL, all headers, and the body.
#[track_caller]
fn assert_sent(bench: &Bench, line: &str, json: Option<&str>) {
    let seen = bench.http.only();
    assert_eq!(seen.line(), line);
    assert_eq!(seen.body(), json.unwrap_or_default());
    let headers = seen.request.headers();
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let mut wanted = vec!["accept", "authorization"];
    wanted.extend(json.map(|_| "content-type"));
    assert_eq!(names, wanted);
    if json.is_some() {
        assert_eq!(headers["content-type"], "application/json");
    }
    assert!(!format!("{headers:?}").contains(seen.token()));
    assert_eq!(
        seen.claims(),
        json!({
            "application_id": APPLICATION,
            "iat": NOW,
            "exp": NOW + 900,
            "jti": "01010101-0101-4101-8101-010101010101",
        })
    );
}

fn events() -> String {
    format!(
        r#""event_url":["https://voice.example.com/vonage/status/{KEY}"],"event_method":"POST""#
    )
}

const PARTIES: &str = r#""to":[{"type":"phone","number":"447700900001"}],"from":{"type":"phone","number":"447700900000"}"#;

#[tokio::test(start_paused = true)]
async fn a_call_is_placed_with_what_it_is_to_do() {
    let bench = bench([says(201, TAKEN)]);
    let placed = bench.vonage.make_call(&call_out(), &links()).await.unwrap();
    let body = format!("{{{PARTIES},\"ncco\":{TALK},{}}}", events());
    assert_sent(&bench, &format!("POST {CALLS}"), Some(&body));
    assert_eq!(placed.key.as_str(), KEY);
    assert_eq!(placed.call, call());
    assert_eq!(placed.status, CallStatus::Initiated);
    assert_eq!(placed.handover, Handover::Sent);
    assert_eq!(
        placed.report.get(metadata::CONVERSATION_REFERENCE),
        Some("CON-1")
    );
}

#[tokio::test(start_paused = true)]
async fn with_an_answer_url_vonage_asks_what_to_do() {
    let bench = bench([says(201, TAKEN)]);
    let call = call_out().with_extension(NAME, VonageCallOptions::new().with_answer_url());
    let placed = bench.vonage.make_call(&call, &links()).await.unwrap();
    let answer = format!(
        r#""answer_url":["https://voice.example.com/vonage/answer/{KEY}"],"answer_method":"POST""#
    );
    let body = format!("{{{PARTIES},{answer},{}}}", events());
    assert_sent(&bench, &format!("POST {CALLS}"), Some(&body));
    assert_eq!(placed.handover, Handover::Asks);
}

#[tokio::test(start_paused = true)]
async fn all_statuses_come_whatever_was_asked_for() {
    let bench = bench([says(201, TAKEN)]);
    let call = call_out().with_status_events(StatusEvents::End);
    bench.vonage.make_call(&call, &links()).await.unwrap();
    let body = format!("{{{PARTIES},\"ncco\":{TALK},{}}}", events());
    assert_sent(&bench, &format!("POST {CALLS}"), Some(&body));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_extension_is_ignored() {
    struct Foreign;
    let bench = bench([says(201, TAKEN)]);
    let call = call_out()
        .with_extension("twilio", Foreign)
        // Even Vonage's own, if it is meant for somebody else.
        .with_extension(
            "twilio",
            VonageCallOptions::new().with_dtmf_answer("hunter2"),
        );
    bench.vonage.make_call(&call, &links()).await.unwrap();
    let body = format!("{{{PARTIES},\"ncco\":{TALK},{}}}", events());
    assert_sent(&bench, &format!("POST {CALLS}"), Some(&body));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_hung_up() {
    let bench = bench([says(204, "")]);
    bench.vonage.hang_up(&call()).await.unwrap();
    assert_sent(
        &bench,
        &format!("PUT {CALLS}/u-1"),
        Some(r#"{"action":"hangup"}"#),
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_gone_is_hung_up() {
    for status in [404, 410] {
        let bench = bench([says(status, r#"{"type":"NOT_FOUND"}"#)]);
        bench.vonage.hang_up(&call()).await.unwrap();
        bench.http.only();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_given_something_else_to_do() {
    let bench = bench([says(204, "")]);
    let handover = bench
        .vonage
        .transfer(&call(), &Answer::dial("+447700900002"), &links())
        .await
        .unwrap();
    let connect = format!(
        r#"{{"action":"connect","endpoint":[{{"type":"phone","number":"447700900002"}}],"eventType":"synchronous","eventUrl":["https://voice.example.com/vonage/answer/{KEY}"],"eventMethod":"POST"}}"#
    );
    let body =
        format!(r#"{{"action":"transfer","destination":{{"type":"ncco","ncco":[{connect}]}}}}"#);
    assert_sent(&bench, &format!("PUT {CALLS}/u-1"), Some(&body));
    assert_eq!(handover, Handover::Sent);
}

#[tokio::test(start_paused = true)]
async fn keys_are_sent_with_pauses_as_vonage_writes_them() {
    let bench = bench([says(200, r#"{"message":"DTMF sent","uuid":"u-1"}"#)]);
    let keys = Dtmf::new("1w2ww#").unwrap().then(Answer::say("Ignored."));
    bench
        .vonage
        .send_dtmf(&call(), &keys, &links())
        .await
        .unwrap();
    assert_sent(
        &bench,
        &format!("PUT {CALLS}/u-1/dtmf"),
        Some(r#"{"digits":"1p2pp#"}"#),
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_is_fetched() {
    let state = r#"{"uuid":"u-1","conversation_uuid":"CON-1","status":"completed","direction":"outbound","to":{"type":"phone","number":"447700900001"},"from":{"type":"phone","number":"447700900000"},"duration":"61","start_time":"2026-02-03 04:00:00","price":"0.1"}"#;
    let bench = bench([says(200, state)]);
    let snapshot = bench.vonage.fetch_call(&call()).await.unwrap();
    assert_sent(&bench, &format!("GET {CALLS}/u-1"), None);
    assert_eq!(snapshot.call, call());
    assert_eq!(snapshot.status, Some(CallStatus::Completed));
    assert_eq!(snapshot.direction, Some(Direction::Outbound));
    assert_eq!(snapshot.from, Some(number("447700900000")));
    assert_eq!(snapshot.to, Some(number("447700900001")));
    assert_eq!(snapshot.duration, Some(Duration::from_secs(61)));
    // Vonage's start is the answer, not the placing.
    assert_eq!(snapshot.began, None);
    assert_eq!(snapshot.raw, state);
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_fetched() {
    let url = "https://api-us-3.vonage.com/v1/files/aaaa-bbbb";
    let bench = bench([says_with(200, ("content-type", "audio/mpeg"), "sound")]);
    let recording = Recording::new(Some("r-1".to_owned()), url);
    let audio = bench.vonage.fetch_recording(&recording).await.unwrap();
    assert_sent(&bench, &format!("GET {url}"), None);
    assert_eq!(bench.http.only().request.headers()["accept"], "*/*");
    assert_eq!(audio.media_type.as_deref(), Some("audio/mpeg"));
    assert_eq!(audio.audio, "sound");
}

#[tokio::test(start_paused = true)]
async fn what_only_vonage_can_do_is_reached_by_its_own_type() {
    let message = || says(200, r#"{"message":"done","uuid":"u-1"}"#);
    let action = |word: &str| Some(format!(r#"{{"action":"{word}"}}"#));
    let (talk, audio) = (Talk::new("Hi."), StreamAudio::new("https://e.com/a.mp3"));
    let (call, links) = (call(), links());
    for (name, line, body) in [
        ("mute", "PUT", action("mute")),
        ("unmute", "PUT", action("unmute")),
        ("earmuff", "PUT", action("earmuff")),
        ("unearmuff", "PUT", action("unearmuff")),
        ("start_talk", "PUT /talk", Some(r#"{"text":"Hi."}"#.into())),
        ("stop_talk", "DELETE /talk", None),
        (
            "start_stream",
            "PUT /stream",
            Some(r#"{"stream_url":["https://e.com/a.mp3"]}"#.into()),
        ),
        ("stop_stream", "DELETE /stream", None),
        (
            "subscribe_dtmf",
            "PUT /input/dtmf",
            Some(format!(
                r#"{{"event_url":["https://voice.example.com/vonage/events/{KEY}"]}}"#
            )),
        ),
        ("unsubscribe_dtmf", "DELETE /input/dtmf", None),
    ] {
        let bench = bench([message()]);
        let carrier: &dyn Telephony = &bench.vonage;
        let vonage = carrier.downcast_ref::<telephony_vonage::Vonage>().unwrap();
        match name {
            "mute" => vonage.mute(&call).await,
            "unmute" => vonage.unmute(&call).await,
            "earmuff" => vonage.earmuff(&call).await,
            "unearmuff" => vonage.unearmuff(&call).await,
            "start_talk" => vonage.start_talk(&call, &talk).await,
            "stop_talk" => vonage.stop_talk(&call).await,
            "start_stream" => vonage.start_stream(&call, &audio).await,
            "stop_stream" => vonage.stop_stream(&call).await,
            "subscribe_dtmf" => vonage.subscribe_dtmf(&call, &links).await,
            _ => vonage.unsubscribe_dtmf(&call).await,
        }
        .unwrap();
        let (method, below) = line.split_once(' ').unwrap_or((line, ""));
        assert_sent(
            &bench,
            &format!("{method} {CALLS}/u-1{below}"),
            body.as_deref(),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_listed() {
    let page = r#"{"count":0,"_embedded":{"calls":[]}}"#;
    let bench = bench([says(200, page)]);
    let filter = CallFilter::of_conversation("CON-1");
    let page = bench.vonage.list_calls(&filter).await.unwrap();
    assert!(page.calls.is_empty());
    assert_sent(
        &bench,
        &format!("GET {CALLS}?conversation_uuid=CON-1"),
        None,
    );
}

#[tokio::test(start_paused = true)]
async fn another_host_is_asked_if_it_is_configured() {
    let config = rest_config().with_base_url("http://127.0.0.1:8099/prefix/");
    let bench = bench_with(config, [says(201, TAKEN), says(204, "")]);
    let call: OutboundCall = call_out();
    let placed = bench.vonage.make_call(&call, &links()).await.unwrap();
    bench.vonage.hang_up(&placed.call).await.unwrap();
    let lines: Vec<_> = bench.http.seen().iter().map(Seen::line).collect();
    assert_eq!(
        lines,
        [
            "POST http://127.0.0.1:8099/prefix/v1/calls",
            "PUT http://127.0.0.1:8099/prefix/v1/calls/u-1"
        ]
    );
}
