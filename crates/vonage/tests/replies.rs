//! What goes back for each callback, with an answer of the app and without.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use telephony_core::{Answer, ErrorKind, Telephony, WebhookKind};

const ALL: [WebhookKind; 3] = [
    WebhookKind::NextStep,
    WebhookKind::Status,
    WebhookKind::Event,
];

fn status(word: &str) -> Value {
    json!({"uuid": "u-1", "to": "442079460123", "status": word})
}

fn of_the_socket(word: &str) -> Value {
    json!({"uuid": "u-2", "to": "wss://voice.example.com/vonage/media/x", "status": word})
}

/// Whether the callback takes an answer; without one it gets 204 or, if it must have an NCCO, an empty one.
fn check(kind: WebhookKind, body: &Value, takes: bool, without: (u16, &str)) {
    let vonage = vonage();
    let request = verified(&vonage, kind, body);
    let answer = Answer::say("Hello.");
    match vonage.reply(&request, Some(&answer), &links()) {
        Ok(answered) => {
            assert!(takes, "{kind:?} {body}");
            assert_eq!(
                answered.response.body().as_ref(),
                br#"[{"action":"talk","text":"Hello."}]"#
            );
            assert_eq!(
                answered.response.headers()["content-type"],
                "application/json"
            );
        }
        Err(error) => {
            assert!(!takes, "{kind:?} {body}: {error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
    let nothing = vonage.reply(&request, None, &links()).unwrap();
    let got = (
        nothing.response.status().as_u16(),
        nothing.response.body().as_ref(),
    );
    assert_eq!(got, (without.0, without.1.as_bytes()), "{kind:?} {body}");
    if without.0 == 200 {
        assert_eq!(
            nothing.response.headers()["content-type"],
            "application/json"
        );
    }
}

#[test]
fn these_take_an_answer_wherever_they_come() {
    for kind in ALL {
        for body in [
            json!({"uuid": "u-1", "dtmf": {"digits": "1", "timed_out": false}}),
            json!({"uuid": "u-1", "speech": {"results": []}}),
            json!({"payload": {"reason": "redirect"}, "conversation_uuid": "CON-1"}),
            json!({"status": "machine", "call_uuid": "u-1"}),
            json!({"status": "human", "call_uuid": "u-1", "sub_state": "x"}),
            json!({"status": "ringing", "uuid": "u-1", "reason": "x", "original_request": {"type": "event"}}),
            status("disconnected"),
            of_the_socket("disconnected"),
            of_the_socket("failed"),
            of_the_socket("unanswered"),
            of_the_socket("timeout"),
            of_the_socket("rejected"),
            of_the_socket("busy"),
        ] {
            check(kind, &body, true, (204, ""));
        }
    }
}

#[test]
fn these_take_none_wherever_they_come() {
    for kind in ALL {
        for body in [
            status("started"),
            status("ringing"),
            status("answered"),
            status("completed"),
            status("cancelled"),
            status("transcribed"),
            of_the_socket("answered"),
            of_the_socket("completed"),
            json!({"recording_url": "https://api.nexmo.com/v1/files/1", "size": 1}),
            json!({"reason": "Syntax error in NCCO."}),
            json!({"type": "transfer", "conversation_uuid_from": "CON-1", "uuid": "u-1"}),
        ] {
            check(kind, &body, false, (204, ""));
        }
    }
}

#[test]
fn the_end_of_a_dial_asks_at_the_answer_url_only() {
    for word in ["timeout", "failed", "rejected", "unanswered", "busy"] {
        check(WebhookKind::NextStep, &status(word), true, (204, ""));
        check(WebhookKind::Event, &status(word), false, (204, ""));
        check(WebhookKind::Status, &status(word), false, (204, ""));
    }
}

#[test]
fn who_asks_for_an_ncco_gets_one() {
    let call = json!({"uuid": "u-1", "from": "447700900456", "to": "442079460123"});
    check(WebhookKind::IncomingCall, &call, true, (200, "[]"));
    check(WebhookKind::NextStep, &call, true, (200, "[]"));
    check(
        WebhookKind::NextStep,
        &json!({"something": "new"}),
        true,
        (204, ""),
    );
    check(
        WebhookKind::Event,
        &json!({"something": "new"}),
        false,
        (204, ""),
    );
}

#[test]
fn an_answer_that_cannot_be_written_is_no_reply() {
    let vonage = vonage();
    let request = verified(
        &vonage,
        WebhookKind::NextStep,
        &json!({"uuid": "u-1", "dtmf": "1"}),
    );
    let reject = Answer::reject(Default::default());
    let error = vonage.reply(&request, Some(&reject), &links()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let hang_up = vonage
        .reply(&request, Some(&Answer::hang_up()), &links())
        .unwrap();
    assert_eq!(hang_up.response.body().as_ref(), b"[]");
}
