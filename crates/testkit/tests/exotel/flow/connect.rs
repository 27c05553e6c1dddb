//! A Connect asks the app whom to dial.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{account, app, connect_answer, connect_app, connect_flow, purposes, simulated};
use crate::support::{App, Reply, SECOND, assert_clean, codes, no_socket};
use serde_json::json;
use telephony_testkit::{DialResult, EndedBy, Instruction, Script};

#[tokio::test]
async fn a_connect_dials_and_tells_of_it() {
    let app = connect_app().await;
    let outcome = simulated(&app, account(connect_flow()))
        .dial_result(DialResult::Completed(10 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert!(outcome.answered);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Document, "completed")
    );
    assert_eq!(
        outcome.documents[0].instructions,
        [Instruction::Dial { targets: 2 }]
    );
    let asked = &app.seen_at("/connect")[0];
    assert_eq!(
        (asked.method.as_str(), asked.header("exotel-version")),
        ("GET", "1.0")
    );
    assert_eq!(
        (asked.param("applet"), asked.param("CallSid")),
        ("connect".into(), outcome.call_id.clone())
    );

    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("DialCallStatus"), "completed");
    assert_eq!(told.param("CallType"), "completed");
    // Talk is cut at the longest conversation; 3 s at twenty times the speed.
    let seconds: u64 = told.param("DialCallDuration").parse().unwrap();
    assert!((3..=5).contains(&seconds), "{seconds}");
    assert_eq!(told.param("DialWhomNumber"), "09990000201");
    assert_eq!(told.param("OutgoingPhoneNumber"), "04440002319");
    assert_eq!(told.param("Legs[0][CauseCode]"), "NORMAL_CLEARING");
    assert_eq!(told.param("Legs[0][Cause]"), "16");
    assert_eq!(told.param("Legs[0][Type]"), "single");
    assert_eq!(
        told.param("Legs[1][Number]"),
        "",
        "the second one was not needed"
    );

    let events = app.seen_at("/agent");
    let words: Vec<_> = events
        .iter()
        .map(|seen| (seen.param("EventType"), seen.param("Status")))
        .collect();
    assert_eq!(
        words,
        [
            ("Dial".into(), "busy".into()),
            ("Terminal".into(), "free".into())
        ]
    );
    for event in &events {
        assert_eq!(
            (event.method.as_str(), event.param("key")),
            ("GET", "secret".into())
        );
        assert_eq!(event.param("Direction"), "outbound-dial");
        assert_eq!(event.param("DialWhomNumber"), "09990000201");
    }
}

#[tokio::test]
async fn who_does_not_answer_is_followed_by_the_next() {
    for (result, status, cause) in [
        (DialResult::Busy, "busy", "17"),
        (DialResult::NoAnswer, "no-answer", "19"),
        (DialResult::Failed, "failed", "1"),
    ] {
        let app = connect_app().await;
        let outcome = simulated(&app, account(connect_flow()))
            .dial_result(result)
            .call()
            .await;
        assert_clean(&outcome);
        let told = &app.seen_at("/passthru")[0];
        assert_eq!(
            (told.param("DialCallStatus"), told.param("CallType")),
            (status.into(), "incomplete".into())
        );
        assert_eq!(told.param("Legs[0][Cause]"), cause);
        assert_eq!(told.param("Legs[1][Number]"), "09990000202");
        assert_eq!(told.param("DialWhomNumber"), "09990000202");
        assert_eq!(app.seen_at("/agent").len(), 4);
    }
}

#[tokio::test]
async fn numbers_may_ring_at_once_with_all_events() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/connect" => {
                let mut answer = connect_answer(seen);
                answer["parallel_ringing"] = json!({"activate": true, "max_parallel_attempts": 2});
                Reply::json(answer)
            }
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app, account(connect_flow()).with_all_agent_events())
        .call()
        .await;
    assert_clean(&outcome);
    let events: Vec<_> = app
        .seen_at("/agent")
        .iter()
        .map(|seen| seen.param("EventType"))
        .collect();
    assert_eq!(
        events,
        [
            "Dial", "Dial", "Ringing", "Ringing", "Answered", "Terminal", "Terminal"
        ]
    );
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("Legs[1][Type]"), "parallel");
    assert_eq!(told.param("Legs[1][OnCallDuration]"), "0");
}

#[tokio::test]
async fn nobody_may_be_dialled() {
    let app = app(
        "/connect",
        Reply::json(json!({"destination": {"numbers": []}})),
    )
    .await;
    let outcome = simulated(&app, account(connect_flow())).call().await;
    assert_clean(&outcome);
    assert!(!outcome.answered);
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(
        (told.param("CallType"), told.param("DialCallStatus")),
        ("incomplete".into(), String::new())
    );
}

#[tokio::test]
async fn a_connect_may_ask_again() {
    let questions = AtomicUsize::new(0);
    let app = App::serve(
        move |seen| match seen.path.as_str() {
            "/connect" => {
                let numbers = match questions.fetch_add(1, Ordering::SeqCst) {
                    0 => vec!["+919990000201"],
                    _ => vec![],
                };
                Reply::json(
                    json!({"fetch_after_attempt": true, "destination": {"numbers": numbers}}),
                )
            }
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await;
    let call = simulated(&app, account(connect_flow())).dial_result(DialResult::Busy);
    let outcome = call.call().await;
    assert_clean(&outcome);
    assert_eq!(purposes(&outcome), ["connect", "connect", "passthru"]);
    assert_eq!(app.seen_at("/connect")[1].param("DialCallStatus"), "busy");

    let stubborn =
        json!({"fetch_after_attempt": true, "destination": {"numbers": ["+919990000201"]}});
    let app = self::app("/connect", Reply::json(stubborn)).await;
    let outcome = simulated(&app, account(connect_flow()))
        .dial_result(DialResult::Busy)
        .call()
        .await;
    assert_eq!(codes(&outcome), ["endless-connect"]);
}

#[tokio::test]
async fn a_caller_may_hang_up_while_talking() {
    let app = connect_app().await;
    let outcome = simulated(&app, account(connect_flow()))
        .dial_result(DialResult::Completed(100 * SECOND))
        .script(Script::new().silence(2 * SECOND).hang_up())
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(
        (told.param("CallType"), told.param("CallStatus")),
        ("client-hangup".into(), "completed".into())
    );
    let events: Vec<_> = app
        .seen_at("/agent")
        .iter()
        .map(|seen| seen.param("EventType"))
        .collect();
    assert_eq!(events, ["Dial", "Terminal"]);
}

#[tokio::test]
async fn bad_connect_answers_dial_nobody() {
    for (reply, expected) in [
        (Reply::status(500), vec!["unexpected-status"]),
        (
            Reply::new(200, "text/plain", "+919990000201"),
            vec!["wrong-content-type"],
        ),
        (Reply::json(json!({})), vec!["no-destination"]),
        (
            Reply::json(json!({"destination": {"numbers": "1"}})),
            vec!["wrong-type", "no-destination"],
        ),
        (
            Reply::json(json!({"destination_type": "user"})),
            vec!["unknown-member", "not-simulated"],
        ),
    ] {
        let app = app("/connect", reply).await;
        let outcome = simulated(&app, account(connect_flow())).call().await;
        assert_eq!(codes(&outcome), expected);
        assert_eq!(outcome.ended_by, EndedBy::Carrier);
        assert_eq!(app.seen_at("/passthru").len(), 1, "the flow goes on");
    }
}

#[tokio::test]
async fn odd_connect_answers_dial_all_the_same() {
    let number = json!({"numbers": ["+919990000201"]});
    for (answer, code) in [
        (
            json!({"destination": number, "recording_channels": "stereo"}),
            "wrong-value",
        ),
        (
            json!({"destination": number, "dial_passthru_event_url": "/agent"}),
            "bad-event-url",
        ),
        (
            json!({"destination": number, "custom_params": "a=1"}),
            "custom-params-without-trunk",
        ),
        (
            json!({"destination": {"numbers": ["+919990000201", "sip:ada@example.com"]}}),
            "sip-in-numbers",
        ),
        (
            json!({"destination": {"numbers": vec!["+919990000201"; 6]}}),
            "too-many-numbers",
        ),
        (
            json!({"destination": {"trunk": "t"}, "custom_params": "x".repeat(201)}),
            "custom-params-too-long",
        ),
    ] {
        let app = app("/connect", Reply::json(answer)).await;
        let outcome = simulated(&app, account(connect_flow())).call().await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(
            app.seen_at("/passthru")[0].param("CallType"),
            "completed",
            "{code}"
        );
    }
}
