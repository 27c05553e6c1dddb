//! Every callback that Twilio only tells us something by, and what it becomes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::callback::{kinds, name_of, next_step, one, other, read, sid, standard, status};
use common::{ACCOUNT, links, signed_get, twilio, verified};
use std::time::Duration;
use telephony_core::{
    AnsweredBy, CallEvent, CallEventKind, CallStatus, ErrorKind, LegReport, LegRole, StatusReport,
    StreamId, StreamReport, Telephony, WebhookKind, verify,
};

const STATUS: WebhookKind = WebhookKind::Status;
const EVENT: WebhookKind = WebhookKind::Event;
const NEXT: WebhookKind = WebhookKind::NextStep;

#[test]
fn every_word_of_status() {
    for (word, expected) in [
        ("queued", CallStatus::Queued),
        ("initiated", CallStatus::Initiated),
        ("ringing", CallStatus::Ringing),
        ("in-progress", CallStatus::InProgress),
        ("answered", CallStatus::InProgress),
        ("completed", CallStatus::Completed),
        ("busy", CallStatus::Busy),
        ("failed", CallStatus::Failed),
        ("no-answer", CallStatus::NoAnswer),
        ("canceled", CallStatus::Canceled),
    ] {
        for route in [STATUS, EVENT] {
            let pairs = standard(&[
                ("CallStatus", word),
                ("CallbackSource", "call-progress-events"),
            ]);
            assert_eq!(
                read(route, &pairs),
                (Some("CA0001".into()), vec![status(expected)])
            );
            // Some integrations see no marks of a callback at all.
            assert_eq!(
                one(route, &[("CallSid", "CA0001"), ("CallStatus", word)]),
                status(expected)
            );
        }
    }
    assert_eq!(
        one(STATUS, &standard(&[("CallStatus", "levitating")])),
        other("levitating")
    );
}

#[test]
fn a_completed_call_with_all_that_may_come_with_it() {
    let twilio = twilio();
    let pairs = standard(&[
        ("CallStatus", "completed"),
        ("CallDuration", "49"),
        ("Duration", "1"),
        ("SipResponseCode", "200"),
        ("Timestamp", "Fri, 20 Aug 2010 01:13:42 +0000"),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", "3"),
        ("RecordingUrl", "https://api.example.com/RE1"),
        ("RecordingSid", "RE1"),
        ("RecordingDuration", "40"),
        ("AnsweredBy", "human"),
    ]);
    let request = verified(&twilio, STATUS, &pairs);
    let events = twilio.status_callback(&request).unwrap();
    assert_eq!(
        events.iter().map(CallEvent::name).collect::<Vec<_>>(),
        ["status", "machine-detected", "recording-ready"]
    );
    let mut report = StatusReport::new(CallStatus::Completed);
    report.duration = Some(Duration::from_secs(49));
    report.sip_code = Some(200);
    assert_eq!(events[0].kind, CallEventKind::Status(report));
    assert_eq!(
        events[1].kind,
        CallEventKind::MachineDetected(AnsweredBy::Human)
    );
    let CallEventKind::RecordingReady(recording) = &events[2].kind else {
        panic!("no recording")
    };
    assert_eq!(recording.id.as_deref(), Some("RE1"));
    assert_eq!(recording.url, "https://api.example.com/RE1");
    assert_eq!(recording.duration, Some(Duration::from_secs(40)));
    for event in &events {
        assert_eq!(event.sequence, Some(3));
        assert_eq!(
            event.timestamp.as_deref(),
            Some("Fri, 20 Aug 2010 01:13:42 +0000")
        );
        assert_eq!(event.parameters.get("Duration"), Some("1"));
        assert_eq!(event.raw, request.request().body);
    }
}

#[test]
fn numbers_that_are_none_are_left_out() {
    let pairs = standard(&[
        ("CallStatus", "completed"),
        ("CallDuration", "not-a-number"),
        ("SipResponseCode", "99999"),
        ("SequenceNumber", "-1"),
    ]);
    let twilio = twilio();
    let events = twilio
        .status_callback(&verified(&twilio, STATUS, &pairs))
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, status(CallStatus::Completed));
    assert_eq!(events[0].sequence, None);
}

#[test]
fn an_error_code_comes_with_the_status() {
    let (_, kinds) = read(
        STATUS,
        &standard(&[
            ("CallStatus", "completed"),
            ("CallDuration", "2"),
            ("ErrorCode", "11200"),
            (
                "ErrorMessage",
                "HTTP retrieval failure calling +14155550123",
            ),
        ]),
    );
    let message = "HTTP retrieval failure calling [number]".to_owned();
    let mut report = StatusReport::new(CallStatus::Completed);
    report.duration = Some(Duration::from_secs(2));
    report.reason = Some(message.clone());
    let fault = CallEventKind::CarrierFault {
        code: Some("11200".into()),
        message,
    };
    assert_eq!(kinds, [CallEventKind::Status(report), fault.clone()]);
    let unmarked = [
        ("CallSid", "CA0001"),
        ("CallStatus", "failed"),
        ("ErrorCode", "11200"),
        (
            "ErrorMessage",
            "HTTP retrieval failure calling +14155550123",
        ),
    ];
    let (_, kinds) = read(STATUS, &unmarked);
    assert_eq!(kinds[1], fault);
}

#[test]
fn a_dialled_child_never_sets_the_calls_status() {
    for (word, expected) in [
        ("initiated", Some(CallStatus::Initiated)),
        ("completed", Some(CallStatus::Completed)),
        ("busy", Some(CallStatus::Busy)),
        ("levitating", None),
    ] {
        let pairs = standard(&[
            ("CallSid", "CA-child"),
            ("ParentCallSid", "CA0001"),
            ("Direction", "outbound-dial"),
            ("CallStatus", word),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", "0"),
            ("AnsweredBy", "human"),
        ]);
        let leg = LegReport::new(sid("CA-child"), LegRole::Dialled, expected, word);
        assert_eq!(
            read(STATUS, &pairs),
            (Some("CA0001".into()), vec![CallEventKind::Leg(leg)])
        );
    }
}

#[test]
fn get_callbacks_say_the_same() {
    let twilio = twilio();
    let url = format!(
        "{}?CallSid=CA0001&CallStatus=no-answer",
        links().status_url()
    );
    let request = verify(&twilio, signed_get(STATUS, &url)).unwrap();
    assert_eq!(
        kinds(&request),
        (Some("CA0001".into()), vec![status(CallStatus::NoAnswer)])
    );
}

#[test]
fn recordings() {
    let callback = |status: &'static str| {
        let pairs = [
            ("AccountSid", ACCOUNT),
            ("CallSid", "CA0001"),
            ("RecordingSid", "RE1"),
            ("RecordingUrl", "https://api.example.com/RE1"),
            ("RecordingStatus", status),
            ("RecordingDuration", "7"),
            ("RecordingSource", "StartCallRecordingAPI"),
        ];
        one(EVENT, &pairs)
    };
    assert!(
        matches!(callback("completed"), CallEventKind::RecordingReady(recording)
        if recording.duration == Some(Duration::from_secs(7)) && recording.id.as_deref() == Some("RE1"))
    );
    assert_eq!(callback("in-progress"), other("recording-in-progress"));
    assert_eq!(callback("absent"), other("recording-absent"));
    assert_eq!(callback("failed"), other("recording-failed"));

    // The `action` of a record: the keys that ended it are no gather.
    let pairs = standard(&[
        ("RecordingUrl", "https://api.example.com/RE1"),
        ("RecordingSid", "RE1"),
        ("RecordingDuration", "7"),
        ("Digits", "hangup"),
        ("CallStatus", "completed"),
    ]);
    let names: Vec<_> = read(NEXT, &pairs).1.iter().map(name_of).collect();
    assert_eq!(names, ["recording-ready", "status"]);
}

#[test]
fn answering_machines() {
    for (word, expected) in [
        ("human", AnsweredBy::Human),
        ("machine_start", AnsweredBy::Machine),
        ("machine_end_beep", AnsweredBy::MachineGreetingEnded),
        ("machine_end_silence", AnsweredBy::MachineGreetingEnded),
        ("machine_end_other", AnsweredBy::MachineGreetingEnded),
        ("fax", AnsweredBy::Fax),
        ("unknown", AnsweredBy::Unknown),
        ("parrot", AnsweredBy::Other("parrot".into())),
    ] {
        let alone = [
            ("CallSid", "CA0001"),
            ("AccountSid", ACCOUNT),
            ("AnsweredBy", word),
            ("MachineDetectionDuration", "3100"),
        ];
        assert_eq!(
            one(EVENT, &alone),
            CallEventKind::MachineDetected(expected.clone())
        );
        // The synchronous verdict comes with the request for TwiML.
        let (_, kinds) = read(NEXT, &standard(&[("AnsweredBy", word)]));
        assert_eq!(
            kinds,
            [
                next_step("redirect"),
                status(CallStatus::InProgress),
                CallEventKind::MachineDetected(expected)
            ]
        );
    }
    // Of a dialled child it says nothing about the caller.
    let child = [
        ("CallSid", "CA-child"),
        ("ParentCallSid", "CA0001"),
        ("AnsweredBy", "human"),
    ];
    let leg = LegReport::new(sid("CA-child"), LegRole::Dialled, None, "human");
    assert_eq!(one(EVENT, &child), CallEventKind::Leg(leg));
}

#[test]
fn streams() {
    let callback = |event: &'static str, more: &[(&'static str, &'static str)]| {
        let mut pairs = vec![
            ("AccountSid", ACCOUNT),
            ("CallSid", "CA0001"),
            ("StreamSid", "MZ1"),
            ("StreamName", "MZ1"),
            ("StreamEvent", event),
            ("Timestamp", "2026-04-01T10:00:00.123Z"),
        ];
        pairs.extend_from_slice(more);
        one(EVENT, &pairs)
    };
    let stream_id = Some(StreamId::new("MZ1").unwrap());
    let report = |status: &str, error: Option<&str>| {
        let mut report = StreamReport::new(stream_id.clone());
        report.status = Some(status.into());
        report.error = error.map(str::to_owned);
        report
    };
    assert_eq!(
        callback("stream-started", &[]),
        CallEventKind::StreamStarted {
            stream_id: stream_id.clone()
        }
    );
    assert_eq!(
        callback("stream-stopped", &[]),
        CallEventKind::StreamStopped(report("stream-stopped", None))
    );
    assert_eq!(
        callback(
            "stream-error",
            &[("StreamError", "31920: handshake of +14155550100")]
        ),
        CallEventKind::StreamFailed(report("stream-error", Some("31920: handshake of [number]")))
    );
    assert_eq!(callback("stream-paused", &[]), other("stream-paused"));
}

#[test]
fn transcriptions_partial_results_and_what_nobody_knows() {
    let transcribed = standard(&[
        ("TranscriptionSid", "TR1"),
        ("TranscriptionText", "hello"),
        ("TranscriptionStatus", "completed"),
        ("RecordingSid", "RE1"),
        ("RecordingUrl", "https://api.example.com/RE1"),
    ]);
    assert_eq!(one(EVENT, &transcribed), other("transcription-completed"));
    let live = [
        ("CallSid", "CA0001"),
        ("TranscriptionEvent", "transcription-content"),
    ];
    assert_eq!(one(EVENT, &live), other("transcription-content"));
    let partial = standard(&[
        ("StableSpeechResult", ""),
        ("UnstableSpeechResult", "sal"),
        ("SequenceNumber", "0"),
    ]);
    assert_eq!(one(EVENT, &partial), other("partial-result"));
    assert_eq!(
        one(EVENT, &[("CallSid", "CA0001"), ("Surprise", "1")]),
        other("unknown")
    );
}

#[test]
fn a_callback_that_names_no_call() {
    let twilio = twilio();
    for pairs in [
        vec![("CallStatus", "completed")],
        vec![("CallSid", " "), ("CallStatus", "completed")],
    ] {
        let request = verified(&twilio, STATUS, &pairs);
        let (id, events) = twilio.catch_all_status_callback(&request).unwrap();
        assert_eq!(id, None);
        assert_eq!(events[0].kind, status(CallStatus::Completed));
        let error = twilio.status_callback(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

#[test]
fn a_json_body_is_read_by_its_top_level() {
    let twilio = twilio();
    let json = |body: &str| {
        use sha2::Digest as _;
        let hash: String = sha2::Sha256::digest(body)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let url = format!("{}?bodySHA256={hash}", links().events_url());
        let request = common::request(EVENT, http::Method::POST, &url, body);
        let request = common::with_header(request, "content-type", "application/json");
        let request = common::with_header(
            request,
            "x-twilio-signature",
            &common::sign(common::TOKEN, &url),
        );
        verify(&twilio, request).unwrap()
    };
    let request = json(r#"{"CallSid":"CA0001","CallStatus":"busy","Extra":{"a":[1]},"None":null}"#);
    let (id, events) = twilio.catch_all_status_callback(&request).unwrap();
    assert_eq!(id, sid("CA0001"));
    assert_eq!(events[0].kind, status(CallStatus::Busy));
    assert_eq!(events[0].parameters.get("Extra"), Some(r#"{"a":[1]}"#));
    for bad in ["[1]", "\"x\"", "{", "null", "\u{0}"] {
        let error = twilio.catch_all_status_callback(&json(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{bad}");
    }
}
