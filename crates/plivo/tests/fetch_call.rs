//! What became of a call: where Plivo is asked, and what its answers mean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use http::Response;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::{
    CallId, CallStatus, CarrierCall, Direction, Error, ErrorKind, Party, Result, Retry, Telephony,
};
use telephony_plivo::rest::{CallState, call_state};
use telephony_testkit::scripted::ScriptedHttp;

const CALL: &str = "https://api.plivo.com/v1/Account/MAMZI1YTG3ZDE4NWJH/Call/u%2F1/";

fn call() -> CarrierCall {
    CarrierCall::new(CallId::new("u/1").unwrap())
}

fn read(status: u16, body: &str) -> Result<CallState> {
    let body = body.to_owned().into();
    call_state(&Response::builder().status(status).body(body).unwrap())
}

/// The state that an answer with these fields tells.
fn state(fields: Value) -> CallState {
    let mut body = json!({"call_uuid": "u/1", "api_id": "a1"});
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    read(200, &body.to_string()).unwrap()
}

/// A call that went out and is over, as Plivo's pages show one, with these fields in place of theirs.
fn ended(fields: Value) -> CallState {
    let mut body = json!({
        "answer_time": null, "bill_duration": 0, "billed_duration": 0, "call_direction": "outbound",
        "call_duration": 0, "end_time": "2026-05-22 17:49:40+05:30", "from_number": "+14155550100",
        "hangup_source": "Carrier", "initiation_time": "2026-05-22 17:49:30+05:30", "parent_call_uuid": null,
        "to_number": "14155550199", "total_amount": "0.00000", "total_rate": "0.03570",
        "stir_verification": "Not Applicable", "a_new_field": [1, {"x": null}],
    });
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    state(body)
}

#[test]
fn a_live_call_says_its_word() {
    for (word, status) in [
        ("in-progress", Some(CallStatus::InProgress)),
        ("ringing", Some(CallStatus::Ringing)),
        ("initiated", Some(CallStatus::Initiated)),
        ("queued", Some(CallStatus::Queued)),
        ("Completed", Some(CallStatus::Completed)),
        ("on-hold", None),
    ] {
        // An answer of the SDKs' own tests.
        let told = state(json!({
            "call_status": word, "caller_name": "", "direction": "outbound", "from": "+14155550100",
            "request_uuid": "u/1", "session_start": "2026-05-22 13:17:49.050872", "to": "14155550199",
        }));
        assert_eq!(told.status, status, "{word}");
        assert_eq!(told.direction, Some(Direction::Outbound));
        assert_eq!(told.from, Some(Party::parse("+14155550100")));
        assert_eq!(told.to, Some(Party::parse("+14155550199")));
        assert_eq!(told.duration, None);
    }
}

#[test]
fn a_call_that_was_answered_was_up_whatever_ended_it() {
    let answered = json!("2026-05-22 17:49:35+05:30");
    for (fields, seconds) in [
        (
            json!({"answer_time": answered, "hangup_cause_code": 4000}),
            0,
        ),
        (
            json!({"answer_time": answered, "hangup_cause_code": 8011, "call_duration": 1}),
            1,
        ),
        (
            json!({"answer_time": answered, "hangup_cause_code": 3010, "call_duration": "61"}),
            61,
        ),
        (
            json!({"call_duration": 12.5, "hangup_cause_code": 5010}),
            12,
        ),
        (json!({"call_duration": null, "bill_duration": "7"}), 7),
        (
            json!({"call_state": "ANSWER", "hangup_cause_code": 7012}),
            0,
        ),
    ] {
        let told = ended(fields.clone());
        assert_eq!(told.status, Some(CallStatus::Completed), "{fields}");
        assert_eq!(
            told.duration,
            Some(Duration::from_secs(seconds)),
            "{fields}"
        );
    }
}

#[test]
fn one_that_was_not_is_what_its_cause_says() {
    for (fields, status) in [
        (json!({"hangup_cause_code": 3010}), CallStatus::Busy),
        (json!({"hangup_cause_code": "3010"}), CallStatus::Busy),
        (json!({"hangup_cause_code": 3020}), CallStatus::Busy),
        (json!({"hangup_cause_code": 3000}), CallStatus::NoAnswer),
        (json!({"hangup_cause_code": 6010}), CallStatus::NoAnswer),
        (json!({"hangup_cause_code": 1000}), CallStatus::Canceled),
        (json!({"hangup_cause_code": 2000}), CallStatus::Failed),
        (json!({"hangup_cause_code": 4000}), CallStatus::Completed),
        (
            json!({"hangup_cause_name": "Ring Timeout Reached"}),
            CallStatus::NoAnswer,
        ),
        (
            json!({"hangup_cause_code": null, "hangup_cause_name": "Busy Line"}),
            CallStatus::Busy,
        ),
        (
            json!({"answer_time": "null", "hangup_cause_code": 3000}),
            CallStatus::NoAnswer,
        ),
        (
            json!({"answer_time": " ", "call_duration": "0", "hangup_cause_code": 3000}),
            CallStatus::NoAnswer,
        ),
        (json!({"hangup_cause_code": 31_337}), CallStatus::Failed),
        // Older records have none.
        (json!({}), CallStatus::Failed),
    ] {
        assert_eq!(ended(fields.clone()).status, Some(status), "{fields}");
    }
}

#[test]
fn a_call_that_came_in_is_completed_as_its_callback_says() {
    for code in [4000, 3020, 7011, 0] {
        let told = ended(json!({"call_direction": "inbound", "hangup_cause_code": code}));
        assert_eq!(told.status, Some(CallStatus::Completed), "{code}");
        assert_eq!(told.direction, Some(Direction::Inbound));
    }
}

#[test]
fn a_record_is_of_a_call_that_is_over_only_if_it_says_so() {
    let open = ended(json!({"end_time": null}));
    assert_eq!((open.status, open.duration), (None, None));
    assert_eq!(state(json!({})).status, None);
    assert_eq!(
        state(json!({"hangup_cause_code": 3000})).status,
        Some(CallStatus::NoAnswer)
    );
    let blank = ended(json!({"end_time": "", "hangup_cause_name": "", "hangup_cause_code": ""}));
    assert_eq!(blank.status, None);
}

#[test]
fn what_is_no_call_is_no_answer() {
    for body in [
        "",
        "[]",
        "null",
        "<html>",
        "{}",
        r#"{"call_uuid": ""}"#,
        r#"{"call_uuid": {}, "call_status": "ringing"}"#,
    ] {
        let error = read(200, body).unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Carrier, Retry::Safe),
            "{body}"
        );
    }
    let waits = read(200, r#"{"request_uuid": "r1", "call_status": "queued"}"#).unwrap();
    assert_eq!(
        (waits.id.as_str(), waits.status),
        ("r1", Some(CallStatus::Queued))
    );
}

#[test]
fn nothing_shows_a_number() {
    let shown = format!(
        "{:?}",
        ended(json!({"hangup_cause_name": "to 14155550199"}))
    );
    assert!(!shown.contains("5555"), "{shown}");
    assert!(shown.contains("Carrier"), "{shown}");
}

/// What comes of those answers, and where was asked.
async fn fetch(
    answers: &[(u16, &'static str)],
) -> (std::result::Result<Option<CallStatus>, Error>, Vec<String>) {
    let script = |http: ScriptedHttp, answer: &(u16, &'static str)| http.answer(answer.0, answer.1);
    let http = answers.iter().fold(ScriptedHttp::new(), script);
    let told = with_http(&http).fetch_call(&call()).await;
    let requests = http.requests();
    let asked = requests.iter().map(|request| {
        assert_eq!(request.method(), "GET");
        assert!(request.body().is_empty());
        let url = request.uri().to_string();
        url.strip_prefix(CALL).unwrap().to_owned()
    });
    let told = told.map(|told| {
        assert_eq!(told.call, call());
        told.status
    });
    (told, asked.collect())
}

const NONE: (u16, &str) = (404, r#"{"error": "CDR for call uuid not found"}"#);
const LIVE: (u16, &str) = (200, r#"{"call_uuid": "u/1", "call_status": "in-progress"}"#);
const WAITS: (u16, &str) = (200, r#"{"call_uuid": "u/1", "call_status": "queued"}"#);
const OVER: (u16, &str) = (
    200,
    r#"{"call_uuid": "another", "end_time": "2026-05-22 17:49:40+05:30", "hangup_cause_code": 3010}"#,
);

#[tokio::test(start_paused = true)]
async fn a_call_is_looked_for_where_it_is_likeliest() {
    for (answers, status, asked) in [
        (vec![LIVE], CallStatus::InProgress, vec!["?status=live"]),
        (vec![NONE, OVER], CallStatus::Busy, vec!["?status=live", ""]),
        (
            vec![NONE, NONE, WAITS],
            CallStatus::Queued,
            vec!["?status=live", "", "?status=queued"],
        ),
        // It was dialled while we looked.
        (
            vec![NONE, NONE, NONE, LIVE],
            CallStatus::InProgress,
            vec!["?status=live", "", "?status=queued", "?status=live"],
        ),
        // A failure is no answer.
        (
            vec![(503, ""), NONE, (500, ""), OVER],
            CallStatus::Busy,
            vec!["?status=live", "?status=live", "", ""],
        ),
        (
            vec![(200, "{"), LIVE],
            CallStatus::InProgress,
            vec!["?status=live", "?status=live"],
        ),
    ] {
        let (told, places) = fetch(&answers).await;
        assert_eq!(told.unwrap(), Some(status), "{answers:?}");
        assert_eq!(places, asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_knows_may_be_asked_for_later() {
    let (told, asked) = fetch(&[NONE; 4]).await;
    let error = told.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::NotFound, Retry::Safe)
    );
    assert_eq!(error.http_status(), Some(404));
    assert_eq!(asked.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_taken_for_a_call_that_is_not_there() {
    for (answers, kind, count) in [
        (vec![(401, "")], ErrorKind::Configuration, 1),
        (vec![NONE, (403, "")], ErrorKind::Refused, 2),
        (vec![NONE, NONE, (400, "{}")], ErrorKind::InvalidArgument, 3),
        (vec![(500, ""); 4], ErrorKind::Carrier, 4),
    ] {
        let (told, asked) = fetch(&answers).await;
        assert_eq!(told.unwrap_err().kind(), kind, "{answers:?}");
        assert_eq!(asked.len(), count, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_answer_is_there_for_the_app() {
    let http = ScriptedHttp::new().answer(200, LIVE.1);
    let told = with_http(&http).fetch_call(&call()).await.unwrap();
    assert_eq!(told.raw, LIVE.1);
}
