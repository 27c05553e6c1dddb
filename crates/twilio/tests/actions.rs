//! Every request that asks what to do next, and what it tells.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::callback::{kinds, name_of, next_step, read, sid, standard, status};
use common::{links, twilio, verified, verified_at};
use std::time::Duration;
use telephony_core::{CallEventKind, CallStatus, DialReport, Gathered, Telephony, WebhookKind};

const EVENT: WebhookKind = WebhookKind::Event;
const NEXT: WebhookKind = WebhookKind::NextStep;

#[test]
fn gathered_keys() {
    let pairs = standard(&[
        ("Digits", "1234"),
        ("msg", "Gather End"),
        ("FinishedOnKey", "#"),
    ]);
    let (id, kinds) = read(NEXT, &pairs);
    assert_eq!(id.as_deref(), Some("CA0001"));
    let gathered = CallEventKind::DigitsGathered(Gathered::digits("1234"));
    assert_eq!(kinds, [gathered, status(CallStatus::InProgress)]);
}

#[test]
fn gathered_speech() {
    let spoken = |more: &[(&'static str, &'static str)]| {
        let mut pairs = standard(&[("SpeechResult", "sales please")]);
        pairs.extend_from_slice(more);
        match read(NEXT, &pairs).1.remove(0) {
            CallEventKind::DigitsGathered(gathered) => gathered,
            other => panic!("{other:?}"),
        }
    };
    let gathered = spoken(&[("Confidence", "0.9"), ("Digits", "")]);
    assert_eq!(gathered.speech, [("sales please".to_owned(), Some(0.9))]);
    assert!(!gathered.timed_out);
    for confidence in ["", "NaN", "inf", "-0.1", "1.1", "high"] {
        assert_eq!(
            spoken(&[("Confidence", confidence)]).speech[0].1,
            None,
            "{confidence}"
        );
    }
}

#[test]
fn a_gather_that_heard_nothing() {
    let twilio = twilio();
    let mut nothing = Gathered::default();
    nothing.timed_out = true;
    let expected = vec![
        CallEventKind::DigitsGathered(nothing),
        status(CallStatus::InProgress),
    ];
    assert_eq!(read(NEXT, &standard(&[("Digits", "")])).1, expected);
    assert_eq!(read(NEXT, &standard(&[("SpeechResult", "")])).1, expected);
    assert_eq!(read(NEXT, &standard(&[("msg", "Gather End")])).1, expected);
    // Without any field of its own, by our own `action` URL.
    let url = format!("{}?after=gather", links().answer_url());
    let request = verified_at(&twilio, NEXT, &url, &standard(&[]));
    assert_eq!(kinds(&request).1, expected);
    let (_, events) = twilio.catch_all_status_callback(&request).unwrap();
    assert_eq!(
        events[0].parameters.get("after"),
        None,
        "our own mark is not theirs"
    );

    // The finish key alone is an answer: nothing.
    let finished = read(NEXT, &standard(&[("Digits", ""), ("FinishedOnKey", "#")])).1;
    assert_eq!(
        finished[0],
        CallEventKind::DigitsGathered(Gathered::default())
    );
}

#[test]
fn a_caller_who_hangs_up_meanwhile_ends_the_call() {
    for own in [
        ("Digits", "1"),
        ("DialCallStatus", "completed"),
        ("RecordingUrl", "https://api.example.com/RE1"),
        ("StreamSid", "MZ1"),
        ("SessionStatus", "ended"),
        ("QueueResult", "hangup"),
        ("ReferTransferTarget", "sip:a@example.com"),
    ] {
        let (_, kinds) = read(NEXT, &standard(&[own, ("CallStatus", "completed")]));
        assert_eq!(kinds.len(), 2, "{kinds:?}");
        assert_eq!(kinds[1], status(CallStatus::Completed), "{own:?}");
    }
}

#[test]
fn dials_that_ended() {
    for (word, expected) in [
        ("completed", Some(CallStatus::Completed)),
        ("answered", Some(CallStatus::Completed)),
        ("busy", Some(CallStatus::Busy)),
        ("no-answer", Some(CallStatus::NoAnswer)),
        ("failed", Some(CallStatus::Failed)),
        ("canceled", Some(CallStatus::Canceled)),
        ("levitating", None),
    ] {
        let pairs = standard(&[
            ("DialCallStatus", word),
            ("DialCallSid", "CA-child"),
            ("DialCallDuration", "33"),
            ("DialBridged", "true"),
        ]);
        let mut report = DialReport::new(expected);
        report.leg = sid("CA-child");
        report.duration = Some(Duration::from_secs(33));
        let expected = [
            CallEventKind::DialEnded(report),
            status(CallStatus::InProgress),
        ];
        assert_eq!(read(NEXT, &pairs).1, expected, "{word}");
    }
    let recorded = standard(&[
        ("DialCallStatus", "completed"),
        ("RecordingUrl", "https://api.example.com/RE1"),
    ]);
    let names: Vec<_> = read(NEXT, &recorded).1.iter().map(name_of).collect();
    assert_eq!(names, ["dial-ended", "status", "recording-ready"]);
}

#[test]
fn connects_that_ended() {
    let twilio = twilio();
    let url = format!("{}?after=stream", links().answer_url());
    let up = status(CallStatus::InProgress);
    let (_, plain) = kinds(&verified_at(&twilio, NEXT, &url, &standard(&[])));
    assert_eq!(plain, [next_step("stream"), up.clone()]);

    let failed = standard(&[("StreamSid", "MZ1"), ("StreamError", "31920")]);
    let (_, failed) = kinds(&verified_at(&twilio, NEXT, &url, &failed));
    assert!(matches!(failed[0], CallEventKind::StreamFailed(_)));
    assert_eq!(failed[1..], [next_step("stream"), up.clone()]);

    let relay = standard(&[
        ("SessionId", "VX1"),
        ("SessionStatus", "failed"),
        ("ErrorCode", "64105"),
        ("HandoffData", "{}"),
    ]);
    let fault = CallEventKind::CarrierFault {
        code: Some("64105".into()),
        message: "the socket of the conversation relay has ended".into(),
    };
    assert_eq!(
        read(NEXT, &relay).1,
        [fault, next_step("conversation-relay"), up.clone()]
    );
    let queue = standard(&[("QueueResult", "leave"), ("QueueTime", "3")]);
    assert_eq!(read(NEXT, &queue).1, [next_step("enqueue"), up.clone()]);
    assert_eq!(read(NEXT, &standard(&[])).1, [next_step("redirect"), up]);
}

#[test]
fn a_fallback_tells_the_fault_and_asks_again() {
    let pairs = standard(&[
        ("CallStatus", "ringing"),
        ("ErrorCode", "12100"),
        ("ErrorUrl", "https://voice.example.com/twilio/call"),
    ]);
    let fault = CallEventKind::CarrierFault {
        code: Some("12100".into()),
        message: "the TwiML is not well-formed XML".into(),
    };
    let ringing = status(CallStatus::Ringing);
    let asked = [fault.clone(), next_step("fallback"), ringing.clone()];
    assert_eq!(read(NEXT, &pairs).1, asked);
    assert_eq!(read(WebhookKind::IncomingCall, &pairs).1, asked);
    assert_eq!(read(EVENT, &pairs).1, [fault, ringing]);
}

#[test]
fn a_refer_tells_where_to_in_its_parameters_only() {
    let twilio = twilio();
    let pairs = standard(&[("ReferTransferTarget", "sip:jenny@example.com")]);
    let request = verified(&twilio, NEXT, &pairs);
    let (_, events) = twilio.catch_all_status_callback(&request).unwrap();
    assert_eq!(events[0].kind, CallEventKind::Transferred { target: None });
    let target = events[0].parameters.get("ReferTransferTarget");
    assert_eq!(target, Some("sip:jenny@example.com"));
    assert!(!format!("{events:?}").contains("jenny"));
}
