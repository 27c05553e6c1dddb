//! Placing calls: what is sent, what comes back, and what is refused before anything is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::links;
use common::rest::{ANSWER_URL, STATUS, call, call_with, post};
use common::scripted::{saying, scripted};
use telephony_core::{
    Answer, CallStatus, ErrorKind, Handover, OutboundCall, RejectReason, StatusEvents, Telephony,
    metadata,
};
use telephony_twilio::TwilioCallOptions;
use telephony_twilio::rest::StatusEvent;

const TAKEN: &str = r#"{"sid": "CA0001", "status": "queued"}"#;

/// The form of the one request that placing this call sends.
async fn form(call: &OutboundCall) -> Vec<(String, String)> {
    let (http, twilio) = scripted(saying(&[(201, TAKEN)]));
    twilio.make_call(call, &links()).await.unwrap();
    let request = http.request();
    let (_, form) = request.split_once("\n\n").unwrap();
    form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect()
}

fn values<'f>(form: &'f [(String, String)], name: &str) -> Vec<&'f str> {
    form.iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .collect()
}

#[tokio::test]
async fn a_call_is_placed_with_one_request() {
    let (http, twilio) = scripted(saying(&[(201, TAKEN)]));
    let placed = twilio.make_call(&call(), &links()).await.unwrap();
    assert_eq!(
        http.request(),
        post(
            "Calls.json",
            &format!(
                "To=%2B14155550199&From=%2B14155550100\
                 &Twiml=%3C%3Fxml+version%3D%221.0%22+encoding%3D%22UTF-8%22%3F%3E\
                 %3CResponse%3E%3CSay%3EHi.%3C%2FSay%3E%3C%2FResponse%3E\
                 &StatusCallback={STATUS}&StatusCallbackEvent=initiated&StatusCallbackEvent=ringing\
                 &StatusCallbackEvent=answered&StatusCallbackEvent=completed&StatusCallbackMethod=POST"
            )
        )
    );
    assert_eq!(placed.key, *links().call_key());
    assert_eq!(placed.id().as_str(), "CA0001");
    assert_eq!(placed.call.home, None);
    assert_eq!(placed.status, CallStatus::Queued);
    assert_eq!(placed.handover, Handover::Sent);
    assert_eq!(placed.report.get(metadata::CALL_ID), Some("CA0001"));
}

#[tokio::test]
async fn what_is_too_long_for_the_request_is_asked_for() {
    let (http, twilio) = scripted(saying(&[(201, TAKEN)]));
    let mut call = call();
    call.answer = Answer::say("x".repeat(4_000));
    let placed = twilio.make_call(&call, &links()).await.unwrap();
    assert_eq!(placed.handover, Handover::Asks);
    let url: String = form_urlencoded::byte_serialize(ANSWER_URL.as_bytes()).collect();
    let request = http.request();
    assert!(
        request.contains(&format!("&Url={url}&Method=POST&")),
        "{request}"
    );
    assert!(!request.contains("Twiml="), "{request}");
}

#[tokio::test]
async fn an_application_answers_by_itself() {
    let mut call = call_with(TwilioCallOptions::new().with_application("AP0001"));
    call.answer = Answer::default();
    let (http, twilio) = scripted(saying(&[(201, TAKEN)]));
    let placed = twilio.make_call(&call, &links()).await.unwrap();
    assert_eq!(placed.handover, Handover::Sent);
    assert!(http.request().ends_with("&ApplicationSid=AP0001"));
}

#[tokio::test]
async fn the_end_only_is_reported_if_that_is_wanted() {
    use StatusEvent::{Answered, Completed, Ringing};
    let options = |events: &[StatusEvent]| {
        call_with(TwilioCallOptions::new().with_status_events(events.to_vec()))
    };
    let all = ["initiated", "ringing", "answered", "completed"];
    for (call, reported) in [
        (call(), &all[..]),
        (
            call().with_status_events(StatusEvents::End),
            &["completed"][..],
        ),
        // The carrier's own list is taken as it is.
        (options(&[Ringing]), &["ringing", "completed"]),
        (options(&[]), &["completed"]),
        (
            options(&[Completed]).with_status_events(StatusEvents::End),
            &["completed"],
        ),
        (
            options(&[]).with_status_events(StatusEvents::End),
            &["completed"],
        ),
    ] {
        let form = form(&call).await;
        assert_eq!(values(&form, "StatusCallbackEvent"), reported);
    }
    let conflict = options(&[Answered, Completed]).with_status_events(StatusEvents::End);
    let (http, twilio) = scripted(vec![]);
    let error = twilio.make_call(&conflict, &links()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(http.count(), 0);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_anything_is_sent() {
    let with_answer = |answer: Answer| {
        let mut call = call();
        call.answer = answer;
        call
    };
    let of_application = |call: OutboundCall| {
        let mut call = call.with_extension(
            telephony_twilio::provider_name(),
            TwilioCallOptions::new().with_application("AP0001"),
        );
        call.answer = Answer::default();
        call
    };
    for (call, kind) in [
        (
            with_answer(Answer::reject(RejectReason::Busy)),
            ErrorKind::InvalidArgument,
        ),
        (
            call_with(TwilioCallOptions::new().with_send_digits("x")),
            ErrorKind::InvalidArgument,
        ),
        (
            of_application(call()).with_status_events(StatusEvents::End),
            ErrorKind::InvalidArgument,
        ),
        (
            with_answer(Answer::document(telephony_core::Document::new(
                "vonage", "[]",
            ))),
            ErrorKind::Unsupported,
        ),
    ] {
        let (http, twilio) = scripted(vec![]);
        let error = twilio.make_call(&call, &links()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
        assert_eq!(http.count(), 0, "{error}");
    }
}

#[tokio::test]
async fn another_carriers_options_are_ignored() {
    let plain = form(&call()).await;
    let foreign = call().with_extension("vonage", TwilioCallOptions::new().with_send_digits("x"));
    assert_eq!(form(&foreign).await, plain);
}

#[tokio::test]
async fn without_an_http_client_nothing_is_placed_and_the_error_says_why() {
    let error = common::twilio()
        .make_call(&call(), &links())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(
        error.to_string(),
        "twilio: place call: this account was opened without an HTTP client; give one in `Ports`"
    );
}
