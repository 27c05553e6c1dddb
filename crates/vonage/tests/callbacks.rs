//! What callbacks without a status say: one case for each documented form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::{CallEvent, CallEventKind, CallStatus, Telephony, WebhookKind, verify};
use telephony_vonage::GetPayloadHash;

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

fn merge(body: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("not an object")
    };
    body.as_object_mut().unwrap().extend(more);
}

#[test]
fn input_in_every_form() {
    let base = json!({"from": "1", "to": "2", "uuid": LEG, "conversation_uuid": "CON-1", "timestamp": "t"});
    for (more, digits, timed_out) in [
        (
            json!({"speech": {"error": "Speech was not enabled"}, "dtmf": {"digits": "2", "timed_out": true}}),
            "2",
            true,
        ),
        (
            json!({"dtmf": {"digits": "42", "timed_out": false}}),
            "42",
            false,
        ),
        (
            json!({"dtmf": {"digits": null, "timed_out": true}, "speech": {"error": "x"}}),
            "",
            true,
        ),
        (
            json!({"dtmf": {"digits": "*0#", "timed_out": false}, "speech": {"error": "Speech overridden by DTMF"}}),
            "*0#",
            false,
        ),
        (json!({"dtmf": "0042", "timed_out": "true"}), "0042", true),
        (json!({"dtmf": "5"}), "5", false),
        (json!({"dtmf": {"digits": 7}}), "7", false),
    ] {
        let mut body = base.clone();
        merge(&mut body, more.clone());
        let (call, events) = catch_all(WebhookKind::NextStep, body);
        let CallEventKind::DigitsGathered(gathered) = &events[0].kind else {
            panic!("{:?}", events[0])
        };
        assert_eq!(
            (gathered.digits.as_str(), gathered.timed_out),
            (digits, timed_out),
            "{more}"
        );
        assert!(gathered.speech.is_empty());
        assert_eq!(call.as_deref(), Some(LEG));
    }
}

#[test]
fn speech_comes_with_how_sure_it_is() {
    let body = json!({
        "uuid": LEG,
        "speech": {
            "timeout_reason": "end_on_silence_timeout",
            "results": [
                {"confidence": "0.9405097", "text": "Sales"},
                {"confidence": 0.5, "text": "Sails"},
                {"text": "Sale"},
                {"confidence": 1},
                "noise",
            ],
        },
        "dtmf": {"digits": null, "timed_out": false},
    });
    let event = only(WebhookKind::Event, body);
    let CallEventKind::DigitsGathered(gathered) = &event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(
        gathered.speech,
        [
            ("Sales".to_owned(), Some(0.940_509_7)),
            ("Sails".to_owned(), Some(0.5)),
            ("Sale".to_owned(), None),
        ]
    );
    assert!(!gathered.timed_out && gathered.digits.is_empty());

    let silence =
        json!({"uuid": LEG, "speech": {"timeout_reason": "start_timeout", "results": []}});
    let event = only(WebhookKind::NextStep, silence);
    let CallEventKind::DigitsGathered(gathered) = &event.kind else {
        panic!("{event:?}")
    };
    assert!(gathered.timed_out && gathered.is_empty());
}

#[test]
fn recordings_are_ready_or_failed() {
    let recorded = json!({
        "start_time": "2026-02-03T04:05:06Z", "end_time": "2026-02-03T04:06:16Z",
        "recording_url": "https://api.nexmo.com/v1/files/1", "size": 18990, "recording_uuid": "r-1",
        "conversation_uuid": "CON-1", "timestamp": "2026-02-03T04:06:16.426Z",
    });
    let (call, events) = catch_all(WebhookKind::Event, recorded.clone());
    let CallEventKind::RecordingReady(recording) = &events[0].kind else {
        panic!("{:?}", events[0])
    };
    assert_eq!(recording.id.as_deref(), Some("r-1"));
    assert_eq!(recording.url, "https://api.nexmo.com/v1/files/1");
    assert_eq!(recording.duration, Some(Duration::from_secs(70)));
    assert_eq!(call, None);
    for more in [
        json!({"recording_url": "", "size": 0}),
        json!({"recording_url": ""}),
        json!({"size": "0"}),
    ] {
        let mut failed = recorded.clone();
        merge(&mut failed, more);
        assert_eq!(only(WebhookKind::Event, failed).name(), "record-failed");
    }
    let mut backwards = recorded;
    merge(&mut backwards, json!({"end_time": "2020-02-03T04:05:06Z"}));
    let event = only(WebhookKind::Event, backwards);
    let CallEventKind::RecordingReady(recording) = &event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(recording.duration, None);
}

#[test]
fn a_transcript_has_a_status_and_no_leg() {
    let body = json!({
        "conversation_uuid": "CON-1", "recording_uuid": "r-1", "status": "transcribed",
        "transcription_url": "https://api.nexmo.com/v1/files/1", "type": "record",
    });
    let (call, events) = catch_all(WebhookKind::Event, body);
    assert_eq!((call, events[0].name()), (None, "transcribed"));
}

#[test]
fn the_other_forms_without_a_status() {
    for (body, wanted) in [
        (
            json!({"conversation_uuid_from": "CON-1", "type": "transfer", "uuid": LEG, "conversation_uuid_to": "CON-2"}),
            CallEventKind::Transferred { target: None },
        ),
        (
            json!({"conversation_uuid_from": "CON-1", "uuid": LEG, "conversation_uuid_to": "CON-2"}),
            CallEventKind::Transferred { target: None },
        ),
        (
            json!({"payload": {"a": "b"}, "conversation_uuid": "CON-1"}),
            CallEventKind::NextStep {
                after: "notify".into(),
            },
        ),
        (
            json!({"payload": {}, "conversation_uuid": "CON-1"}),
            CallEventKind::NextStep {
                after: "notify".into(),
            },
        ),
        (
            json!({"reason": "Syntax error in NCCO. Invalid value type or action.", "conversation_uuid": "CON-1"}),
            CallEventKind::CarrierFault {
                code: None,
                message: "Syntax error in NCCO. Invalid value type or action.".into(),
            },
        ),
        (
            json!({"type": "audio:record:done", "body": {}}),
            CallEventKind::Other {
                name: "audio:record:done".into(),
            },
        ),
        (
            json!({}),
            CallEventKind::Other {
                name: "unknown".into(),
            },
        ),
    ] {
        assert_eq!(
            only(WebhookKind::Event, body.clone()).kind,
            wanted,
            "{body}"
        );
    }
    let placed = json!({"from": "1", "to": "2", "uuid": LEG, "conversation_uuid": "CON-1"});
    let answer = CallEventKind::NextStep {
        after: "answer".into(),
    };
    assert_eq!(only(WebhookKind::NextStep, placed.clone()).kind, answer);
    assert_eq!(only(WebhookKind::Event, placed).name(), "unknown");
}

#[test]
fn a_fallback_is_a_fault_and_what_was_asked_before() {
    let fallback = json!({
        "reason": "Connection closed.",
        "original_request": {"url": "https://voice.example.com/vonage/events", "type": "event"},
    });
    let mut input = json!({"uuid": LEG, "dtmf": {"digits": "1", "timed_out": false}});
    merge(&mut input, fallback.clone());
    let (call, events) = catch_all(WebhookKind::NextStep, input);
    assert_eq!(call.as_deref(), Some(LEG));
    let fault = CallEventKind::CarrierFault {
        code: Some("fallback".into()),
        message: "Connection closed.".into(),
    };
    assert_eq!(events[0].kind, fault);
    assert_eq!(events[1].name(), "digits-gathered");
    let mut answer = json!({"uuid": LEG, "from": "1", "to": "2"});
    merge(&mut answer, fallback);
    for kind in [WebhookKind::NextStep, WebhookKind::Event] {
        assert_eq!(only(kind, answer.clone()).kind, fault);
    }
}

#[test]
fn by_get_nested_values_are_text() {
    let vonage = open(config().with_get(GetPayloadHash::Off));
    let token = token(&head(), &claims(b""), SECRET);
    let read = |query: &str| {
        let request = verify(&vonage, get_with(WebhookKind::Event, query, &token)).unwrap();
        vonage
            .catch_all_status_callback(&request)
            .unwrap()
            .1
            .remove(0)
    };
    let input = read(
        "speech=%7B%22error%22:%22Speech%20was%20not%20enabled%22%7D&dtmf=%7B%22digits%22:%223%22,%22timed_out%22:true%7D&uuid=u-1&timestamp=2020-07-30T03:58:48.984Z",
    );
    let CallEventKind::DigitsGathered(gathered) = &input.kind else {
        panic!("{input:?}")
    };
    assert_eq!((gathered.digits.as_str(), gathered.timed_out), ("3", true));
    assert_eq!(input.timestamp.as_deref(), Some("2020-07-30T03:58:48.984Z"));
    assert_eq!(
        read("payload=%7B%22foo%22:%22bar%22%7D&conversation_uuid=CON-1").name(),
        "next-step"
    );
    assert_eq!(
        read("reason=This%20is%20an%20error&conversation_uuid=CON-1").name(),
        "carrier-fault"
    );
    assert_eq!(
        read("recording_url=https://api.nexmo.com/v1/files/1&size=18990&recording_uuid=r").name(),
        "recording-ready"
    );
    assert_eq!(
        read("status=completed&uuid=u-1&duration=0&sip_code=486").status(),
        Some(CallStatus::Completed)
    );
}
