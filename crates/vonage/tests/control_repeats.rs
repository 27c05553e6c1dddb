//! What is sent again and what is not: a call is never placed twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::scripted::*;
use common::*;
use http::Response;
use std::error::Error as _;
use std::time::Duration;
use telephony_core::{
    Answer, CallId, CarrierCall, Dtmf, Error, ErrorKind, Recording, Result, Retry, Telephony,
};
use telephony_vonage::rest::{CallFilter, StreamAudio, Talk};

const URL: &str = "https://api.nexmo.com/v1/files/a";

type Turn = Result<Response<Bytes>>;

/// Everything that is not safe to do twice.
const ONCE: [&str; 5] = ["make_call", "transfer", "send_dtmf", "talk", "stream"];
/// Everything else.
const OFTEN: [&str; 11] = [
    "hang_up",
    "fetch_call",
    "list_calls",
    "find_placed",
    "fetch_recording",
    "mute",
    "unmute",
    "earmuff",
    "stop_talk",
    "subscribe_dtmf",
    "unsubscribe_dtmf",
];

async fn run(bench: &Bench, operation: &str) -> Result<()> {
    let (vonage, links) = (&bench.vonage, links());
    let call = CarrierCall::new(CallId::new("u-1").unwrap());
    match operation {
        "make_call" => vonage.make_call(&call_out(), &links).await.map(drop),
        "transfer" => {
            let answer = Answer::say("Hello.");
            vonage.transfer(&call, &answer, &links).await.map(drop)
        }
        "send_dtmf" => {
            let keys = Dtmf::new("1").unwrap();
            vonage.send_dtmf(&call, &keys, &links).await
        }
        "talk" => vonage.start_talk(&call, &Talk::new("Hi.")).await,
        "stream" => {
            let audio = StreamAudio::new("https://e.com/a.mp3");
            vonage.start_stream(&call, &audio).await
        }
        "hang_up" => vonage.hang_up(&call).await,
        "fetch_call" => vonage.fetch_call(&call).await.map(drop),
        "list_calls" => vonage.list_calls(&CallFilter::new()).await.map(drop),
        "find_placed" => vonage.find_placed(&call_out(), at(NOW)).await.map(drop),
        "fetch_recording" => {
            let recording = Recording::new(None, URL);
            vonage.fetch_recording(&recording).await.map(drop)
        }
        "mute" => vonage.mute(&call).await,
        "unmute" => vonage.unmute(&call).await,
        "earmuff" => vonage.earmuff(&call).await,
        "stop_talk" => vonage.stop_talk(&call).await,
        "subscribe_dtmf" => vonage.subscribe_dtmf(&call, &links).await,
        "unsubscribe_dtmf" => vonage.unsubscribe_dtmf(&call).await,
        other => panic!("no operation {other}"),
    }
}

fn done(operation: &str) -> Turn {
    match operation {
        "make_call" => says(201, TAKEN),
        "fetch_call" => says(200, r#"{"uuid":"u-1","status":"answered"}"#),
        "list_calls" | "find_placed" => says(200, r#"{"count":0,"_embedded":{"calls":[]}}"#),
        _ => says(200, "{}"),
    }
}

/// The result, and the pauses between the requests.
async fn with(operation: &str, turns: Vec<Turn>) -> (Result<()>, Vec<Duration>) {
    let wanted = turns.len();
    let bench = bench(turns);
    let result = run(&bench, operation).await;
    let seen = bench.http.seen();
    assert_eq!(seen.len(), wanted, "{operation}: {result:?}");
    for pair in seen.windows(2) {
        assert_eq!(pair[0].line(), pair[1].line());
        assert_eq!(pair[0].body(), pair[1].body());
    }
    let pauses = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
    (result, pauses.collect())
}

#[tokio::test(start_paused = true)]
async fn what_was_surely_not_done_is_tried_again_whatever_it_is() {
    for operation in ONCE.into_iter().chain(OFTEN) {
        for refusal in [
            says(429, r#"{"title":"Too Many Requests"}"#),
            not_connected(),
        ] {
            let (result, _) = with(operation, vec![refusal, done(operation)]).await;
            result.unwrap();
        }
        let wait = says_with(429, ("retry-after", "7"), "");
        let (result, pauses) = with(operation, vec![wait, done(operation)]).await;
        result.unwrap();
        assert!(
            pauses[0] >= Duration::from_secs(7),
            "{operation}: {pauses:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_happen_twice_is_not_repeated_blindly() {
    let lost = || {
        [
            reset(),
            timeout(),
            says(500, ""),
            says(502, "<html>"),
            says(503, r#"{"title":"Service Unavailable"}"#),
            says_with(503, ("retry-after", "1"), ""),
            says(504, ""),
            says(408, ""),
        ]
    };
    for operation in ONCE {
        for turn in lost() {
            let (result, _) = with(operation, vec![turn]).await;
            let error = result.unwrap_err();
            assert_eq!(error.retry(), Retry::OutcomeUnknown, "{operation}: {error}");
            let advice = if operation == "make_call" {
                "nobody knows whether the call was placed: look with `Calls::find_placed`"
            } else {
                "nobody knows whether it was done: fetch the call"
            };
            assert!(error.detail().contains(advice), "{error}");
            assert_eq!(error.detail().matches("nobody knows").count(), 1, "{error}");
            assert_eq!(error.provider().unwrap().as_str(), "vonage");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_taken_in_words_that_cannot_be_read_is_not_placed_again() {
    for body in ["", "garbage", "{}", r#"{"status":"started"}"#] {
        let (result, _) = with("make_call", vec![says(201, body)]).await;
        let error = result.unwrap_err();
        assert_eq!(error.retry(), Retry::OutcomeUnknown);
        assert_eq!(error.http_status(), Some(201));
        assert!(error.detail().contains("`Calls::find_placed`"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_happen_twice_is_repeated_within_a_bound() {
    for operation in OFTEN {
        for turn in [reset, timeout, || says(500, ""), || says(504, "")] {
            let (result, pauses) = with(operation, vec![turn(), turn(), done(operation)]).await;
            result.unwrap();
            assert!(pauses[1] > pauses[0], "{operation}: {pauses:?}");
            let (result, _) = with(operation, vec![turn(), turn(), turn(), turn()]).await;
            let error = result.unwrap_err();
            assert_eq!(error.retry(), Retry::Safe, "{operation}: {error}");
            assert!(!error.detail().contains("nobody knows"), "{error}");
            assert_eq!(error.provider().unwrap().as_str(), "vonage");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_whose_answer_was_lost_finds_the_call_gone() {
    let (result, _) = with("hang_up", vec![reset(), says(404, "")]).await;
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final() {
    for operation in ONCE.into_iter().chain(OFTEN) {
        for (status, kind) in [
            (302, ErrorKind::Carrier),
            (400, ErrorKind::InvalidArgument),
            (402, ErrorKind::Refused),
            (403, ErrorKind::Refused),
        ] {
            let (result, _) = with(operation, vec![says(status, "")]).await;
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (kind, Retry::Never));
        }
        let long = says_with(429, ("retry-after", "3600"), "");
        let (result, _) = with(operation, vec![long]).await;
        let hour = Duration::from_secs(3600);
        assert_eq!(result.unwrap_err().retry(), Retry::After(hour));
    }
}

#[tokio::test(start_paused = true)]
async fn what_vonage_said_is_kept_beside_the_advice() {
    let turn = || {
        Ok(Response::builder()
            .status(503)
            .header("x-request-id", "req-17")
            .body(Bytes::from_static(
                br#"{"type":"https://e.com/errors#busy","title":"Busy"}"#,
            ))
            .unwrap())
    };
    let (result, _) = with("make_call", vec![turn()]).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Carrier);
    assert_eq!(error.http_status(), Some(503));
    assert_eq!(error.provider_code(), Some("busy"));
    assert_eq!(error.request_id(), Some("req-17"));
    assert!(error.detail().starts_with("Busy; "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_the_client_said_is_the_source() {
    let (result, _) = with("make_call", vec![timeout()]).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.operation(), "place call");
    assert!(
        error
            .detail()
            .starts_with("the answer did not come in time; ")
    );
    let source = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(source.kind(), ErrorKind::Timeout);
}
