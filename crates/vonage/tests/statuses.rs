//! What becomes of a leg, and whose leg it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::{
    AnsweredBy, CallEvent, CallEventKind, CallStatus, ErrorKind, LegRole, Telephony, WebhookKind,
    verify,
};

const LEG: &str = "63f61863-4a51-4f6b-86e1-46edebcf9356";

fn catch_all(kind: WebhookKind, body: Value) -> (Option<String>, Vec<CallEvent>) {
    let vonage = vonage();
    let (call, events) = vonage
        .catch_all_status_callback(&verified(&vonage, kind, &body))
        .unwrap();
    (call.map(|call| call.to_string()), events)
}

fn only(kind: WebhookKind, body: Value) -> CallEvent {
    let (_, mut events) = catch_all(kind, body);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn status(word: &str, more: Value) -> Value {
    let mut body = json!({
        "from": "447700900456",
        "to": "442079460123",
        "uuid": LEG,
        "conversation_uuid": "CON-1",
        "status": word,
        "direction": "inbound",
        "timestamp": "2026-02-03T04:05:06.789Z",
        "headers": {},
    });
    merge(&mut body, more);
    body
}

fn merge(body: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("not an object")
    };
    body.as_object_mut().unwrap().extend(more);
}

#[test]
fn each_status_word_is_one_of_ours() {
    for (word, more, wanted) in [
        ("started", json!({}), CallStatus::Initiated),
        ("ringing", json!({}), CallStatus::Ringing),
        (
            "answered",
            json!({"start_time": null, "rate": null, "network": null}),
            CallStatus::InProgress,
        ),
        ("completed", json!({}), CallStatus::Completed),
        ("busy", json!({"sip_code": 486}), CallStatus::Busy),
        ("cancelled", json!({}), CallStatus::Canceled),
        (
            "unanswered",
            json!({"detail": "unavailable"}),
            CallStatus::NoAnswer,
        ),
        (
            "unanswered",
            json!({"detail": "timeout"}),
            CallStatus::NoAnswer,
        ),
        (
            "unanswered",
            json!({"detail": "carrier_timeout"}),
            CallStatus::NoAnswer,
        ),
        ("timeout", json!({}), CallStatus::NoAnswer),
        (
            "rejected",
            json!({"detail": "invalid_number"}),
            CallStatus::Failed,
        ),
        (
            "rejected",
            json!({"detail": "restricted"}),
            CallStatus::Failed,
        ),
        ("rejected", json!({"detail": "declined"}), CallStatus::Busy),
        (
            "rejected",
            json!({"detail": "never-heard-of"}),
            CallStatus::Failed,
        ),
        ("rejected", json!({}), CallStatus::Failed),
        (
            "failed",
            json!({"detail": "cannot_route"}),
            CallStatus::Failed,
        ),
        ("Completed", json!({}), CallStatus::Completed),
    ] {
        for kind in [WebhookKind::Status, WebhookKind::Event] {
            let (call, events) = catch_all(kind, status(word, more.clone()));
            assert_eq!(events[0].status(), Some(wanted), "{word} {more}");
            assert_eq!(call.as_deref(), Some(LEG));
            assert_eq!(events[0].call_id.as_ref().unwrap().as_str(), LEG);
            assert_eq!(
                events[0].timestamp.as_deref(),
                Some("2026-02-03T04:05:06.789Z")
            );
            assert_eq!(events[0].sequence, None);
        }
    }
}

#[test]
fn a_completed_call_tells_how_it_went() {
    for duration in [json!("7"), json!(7)] {
        for code in [json!("480"), json!(480)] {
            let event = only(
                WebhookKind::Event,
                status(
                    "completed",
                    json!({
                        "end_time": "2026-02-03T04:05:13.000Z", "start_time": "2026-02-03T04:05:06.000Z",
                        "duration": duration, "rate": "0.00450000", "price": "0.00052500",
                        "network": "GB-FIXED", "sip_code": code, "disconnected_by": "user",
                        "detail": "remote_busy",
                    }),
                ),
            );
            let CallEventKind::Status(report) = &event.kind else {
                panic!("{event:?}")
            };
            assert_eq!(report.duration, Some(Duration::from_secs(7)));
            assert_eq!(report.sip_code, Some(480));
            assert_eq!(report.reason.as_deref(), Some("remote_busy"));
            assert_eq!(event.parameters.get("disconnected_by"), Some("user"));
            assert_eq!(event.parameters.get("price"), Some("0.00052500"));
            assert!(event.raw.starts_with(b"{"));
        }
    }
    for odd in [
        json!("-1"),
        json!("x"),
        json!(1e300),
        json!("NaN"),
        json!(null),
    ] {
        let event = only(
            WebhookKind::Event,
            status("completed", json!({"duration": odd, "sip_code": odd})),
        );
        let CallEventKind::Status(report) = &event.kind else {
            panic!("{event:?}")
        };
        assert_eq!((report.duration, report.sip_code), (None, None), "{odd}");
    }
}

#[test]
fn words_that_are_no_status_are_events() {
    for (word, name) in [
        ("transcribed", "transcribed"),
        ("paused-by-moon", "paused-by-moon"),
    ] {
        let event = only(WebhookKind::Status, status(word, json!({})));
        assert_eq!(event.kind, CallEventKind::Other { name: name.into() });
        assert_eq!(event.status(), None);
    }
}

#[test]
fn machines_are_detected_under_their_other_id() {
    for (word, more, by) in [
        ("human", json!({}), AnsweredBy::Human),
        ("machine", json!({}), AnsweredBy::Machine),
        (
            "machine",
            json!({"sub_state": "beep_start"}),
            AnsweredBy::MachineGreetingEnded,
        ),
        (
            "machine",
            json!({"sub_state": "beep_timeout"}),
            AnsweredBy::Machine,
        ),
    ] {
        let mut body = status(word, more);
        body.as_object_mut().unwrap().remove("uuid");
        body["call_uuid"] = json!("leg-2");
        let (call, events) = catch_all(WebhookKind::Event, body.clone());
        assert_eq!(events[0].kind, CallEventKind::MachineDetected(by));
        assert_eq!(call.as_deref(), Some("leg-2"));
        body["uuid"] = json!("leg-1");
        assert_eq!(
            catch_all(WebhookKind::Event, body).0.as_deref(),
            Some("leg-1")
        );
    }
}

#[test]
fn the_leg_of_the_socket_ends_a_stream_and_never_the_call() {
    let by_address = json!({"to": "wss://voice.example.com/vonage/media/media-token-of-tests-1"});
    let by_headers = json!({"headers": {"call_key": KEY, "plan": "gold"}});
    for mark in [by_address, by_headers] {
        for kind in [
            WebhookKind::Event,
            WebhookKind::Status,
            WebhookKind::NextStep,
        ] {
            for word in [
                "started",
                "ringing",
                "answered",
                "completed",
                "busy",
                "cancelled",
                "unanswered",
                "timeout",
                "rejected",
                "failed",
                "disconnected",
                "anything",
            ] {
                let mut body = status(word, json!({"direction": "outbound", "detail": "why"}));
                merge(&mut body, mark.clone());
                let (call, events) = catch_all(kind, body);
                assert_eq!((call, events.len()), (None, 1), "{word}");
                let event = &events[0];
                assert_eq!((event.status(), &event.call_id), (None, &None), "{word}");
                match (word, &event.kind) {
                    ("answered", CallEventKind::StreamStarted { stream_id }) => {
                        assert_eq!(stream_id.as_ref().unwrap().as_str(), LEG);
                    }
                    ("completed" | "disconnected", CallEventKind::StreamStopped(report)) => {
                        assert_eq!(report.status.as_deref(), Some(word));
                    }
                    (
                        "busy" | "unanswered" | "timeout" | "rejected" | "failed",
                        CallEventKind::StreamFailed(report),
                    ) => {
                        assert_eq!(report.status.as_deref(), Some(word));
                        assert_eq!(report.error.as_deref(), Some("why"));
                        assert_eq!(report.stream_id.as_ref().unwrap().as_str(), LEG);
                    }
                    (
                        "started" | "ringing" | "cancelled" | "anything",
                        CallEventKind::Leg(report),
                    ) => {
                        assert_eq!((report.role, report.word.as_str()), (LegRole::Media, word));
                        assert_eq!(report.leg.as_ref().unwrap().as_str(), LEG);
                    }
                    (word, kind) => panic!("{word} became {kind:?}"),
                }
            }
        }
    }
    let bare = only(WebhookKind::Event, status("disconnected", json!({})));
    assert!(matches!(bare.kind, CallEventKind::StreamStopped(_)));
}

#[test]
fn the_media_token_is_taken_out() {
    let to = format!("wss://voice.example.com/vonage/media/{TOKEN}");
    let event = only(WebhookKind::Event, status("answered", json!({"to": to})));
    assert_eq!(
        event.parameters.get("to"),
        Some("wss://voice.example.com/vonage/media/***")
    );
    assert!(
        event
            .parameters
            .iter()
            .all(|(_, value)| !value.contains(TOKEN))
    );
}

#[test]
fn a_dialled_leg_reports_at_the_answer_url() {
    for (word, wanted) in [
        ("timeout", CallStatus::NoAnswer),
        ("unanswered", CallStatus::NoAnswer),
        ("busy", CallStatus::Busy),
        ("rejected", CallStatus::Failed),
        ("failed", CallStatus::Failed),
    ] {
        let (call, events) = catch_all(
            WebhookKind::NextStep,
            status(word, json!({"direction": "outbound"})),
        );
        let CallEventKind::DialEnded(report) = &events[0].kind else {
            panic!("{:?}", events[0])
        };
        assert_eq!((report.status, call), (Some(wanted), None));
        assert_eq!(report.leg.as_ref().unwrap().as_str(), LEG);
        assert_eq!(report.to.as_ref().unwrap().e164(), Some("+442079460123"));
    }
    for (word, wanted) in [
        ("started", Some(CallStatus::Initiated)),
        ("ringing", Some(CallStatus::Ringing)),
        ("answered", Some(CallStatus::InProgress)),
        ("completed", Some(CallStatus::Completed)),
        ("cancelled", Some(CallStatus::Canceled)),
        ("strange", None),
    ] {
        let event = only(
            WebhookKind::NextStep,
            status(word, json!({"direction": "outbound"})),
        );
        let CallEventKind::Leg(report) = &event.kind else {
            panic!("{event:?}")
        };
        assert_eq!(
            (report.role, report.status, report.word.as_str()),
            (LegRole::Dialled, wanted, word)
        );
        assert_eq!(event.call_id, None);
    }
}

#[test]
fn a_status_callback_names_a_call() {
    let vonage = vonage();
    let read = |body: &str| {
        let request = verify(&vonage, post(WebhookKind::Status, body)).unwrap();
        vonage.status_callback(&request)
    };
    assert_eq!(
        read(r#"{"status":"completed","uuid":"u-1"}"#)
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        read(r#"{"status":"human","call_uuid":"u-1"}"#)
            .unwrap()
            .len(),
        1
    );
    for body in [
        r#"{"status":"completed"}"#,
        r#"{"status":"completed","uuid":""}"#,
        r#"{"status":"completed","conversation_uuid":"CON-1"}"#,
        "[]",
        "",
        "status=completed&uuid=u-1",
    ] {
        assert_eq!(
            read(body).expect_err(body).kind(),
            ErrorKind::Malformed,
            "{body}"
        );
    }
    let nameless = post(WebhookKind::Event, r#"{"status":"completed"}"#);
    let (call, events) = vonage
        .catch_all_status_callback(&verify(&vonage, nameless).unwrap())
        .unwrap();
    assert_eq!((call, events.len()), (None, 1));
}
