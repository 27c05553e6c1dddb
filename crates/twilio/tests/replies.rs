//! What goes back for each callback: TwiML where Twilio reads it, else nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{body, links, ringing, twilio, verified, verified_at};
use http::StatusCode;
use telephony_core::{Answer, ErrorKind, RejectReason, Telephony, WebhookKind};

const EMPTY: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
const HANG_UP: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>"#;

fn standard<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![("CallSid", "CA0001"), ("CallStatus", "in-progress")];
    for change in more {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs
}

/// Checks that the callback takes TwiML.
fn takes(kind: WebhookKind, pairs: &[(&str, &str)]) {
    let twilio = twilio();
    let request = verified(&twilio, kind, pairs);
    for (answer, expected) in [(None, EMPTY), (Some(Answer::hang_up()), HANG_UP)] {
        let answered = twilio.reply(&request, answer.as_ref(), &links()).unwrap();
        assert_eq!(answered.response.status(), StatusCode::OK, "{pairs:?}");
        assert_eq!(answered.response.headers()["content-type"], "text/xml");
        assert_eq!(body(&answered), expected);
        assert!(answered.commands.is_empty());
    }
}

/// Checks that the callback takes no answer.
fn is_only_told(kind: WebhookKind, pairs: &[(&str, &str)]) {
    let twilio = twilio();
    let request = verified(&twilio, kind, pairs);
    let answered = twilio.reply(&request, None, &links()).unwrap();
    assert_eq!(
        answered.response.status(),
        StatusCode::NO_CONTENT,
        "{pairs:?}"
    );
    assert!(answered.response.body().is_empty());
    let error = twilio
        .reply(&request, Some(&Answer::hang_up()), &links())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{pairs:?}");
}

#[test]
fn a_call_that_comes_in_wants_twiml() {
    takes(WebhookKind::IncomingCall, &ringing());
}

#[test]
fn a_client_of_the_voice_sdk_cannot_make_its_call_look_like_a_callback() {
    for own in [
        "CallbackSource",
        "StreamEvent",
        "RecordingStatus",
        "SequenceNumber",
        "TranscriptionEvent",
    ] {
        let mut pairs = ringing();
        pairs.push((own, "stream-started"));
        takes(WebhookKind::IncomingCall, &pairs);
    }
}

#[test]
fn actions_want_twiml_wherever_they_are_sent() {
    for own in [
        ("Digits", "1"),
        ("Digits", ""),
        ("SpeechResult", "yes"),
        ("msg", "Gather End"),
        ("DialCallStatus", "busy"),
        ("RecordingUrl", "https://api.example.com/RE1"),
        ("StreamSid", "MZ1"),
        ("SessionStatus", "ended"),
        ("HandoffData", "x"),
        ("QueueResult", "leave"),
        ("ReferTransferTarget", "sip:a@example.com"),
        ("ErrorUrl", "https://voice.example.com/twilio/call"),
    ] {
        for kind in [
            WebhookKind::NextStep,
            WebhookKind::Status,
            WebhookKind::Event,
        ] {
            takes(kind, &standard(&[own]));
            takes(kind, &standard(&[own, ("CallStatus", "completed")]));
        }
    }
    takes(WebhookKind::NextStep, &standard(&[]));
}

#[test]
fn what_twilio_only_tells_is_acknowledged() {
    for kind in [
        WebhookKind::Status,
        WebhookKind::Event,
        WebhookKind::NextStep,
    ] {
        for own in [
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", "0"),
            ("CallDuration", "3"),
            ("RecordingStatus", "completed"),
            ("StreamEvent", "stream-started"),
            ("StableSpeechResult", ""),
            ("UnstableSpeechResult", "ye"),
            ("TranscriptionStatus", "completed"),
            ("TranscriptionEvent", "transcription-content"),
        ] {
            is_only_told(kind, &standard(&[own]));
        }
        is_only_told(kind, &[("CallSid", "CA0001"), ("AnsweredBy", "human")]);
    }
    for kind in [WebhookKind::Status, WebhookKind::Event] {
        is_only_told(kind, &standard(&[]));
        is_only_told(kind, &[]);
    }
}

#[test]
fn our_own_action_urls_are_known_on_any_route() {
    let twilio = twilio();
    for after in ["gather", "stream"] {
        let url = format!("{}?after={after}", links().events_url());
        let request = verified_at(&twilio, WebhookKind::Event, &url, &standard(&[]));
        let answered = twilio
            .reply(&request, Some(&Answer::hang_up()), &links())
            .unwrap();
        assert_eq!(body(&answered), HANG_UP);
    }
}

#[test]
fn a_call_can_be_rejected_only_before_it_is_answered() {
    let twilio = twilio();
    let reject = Answer::reject(RejectReason::Busy);
    let ringing = verified(
        &twilio,
        WebhookKind::NextStep,
        &standard(&[("CallStatus", "ringing")]),
    );
    assert!(twilio.reply(&ringing, Some(&reject), &links()).is_ok());
    let answered = verified(&twilio, WebhookKind::NextStep, &standard(&[]));
    let error = twilio
        .reply(&answered, Some(&reject), &links())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
