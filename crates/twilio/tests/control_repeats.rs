//! What is sent again, and what never is: a call is not placed twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::links;
use common::rest::{answer, answer_with, call, now};
use common::scripted::{live, no_answer, no_connection, refused, reset, saying, scripted};
use http::Response;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{
    Answer, Dtmf, Error, ErrorKind, Recording, RecordingId, Result, Retry, Telephony,
};
use telephony_twilio::Twilio;
use telephony_twilio::rest::RecordingChange;

type Answered = Result<Response<Bytes>>;

#[derive(Debug, Clone, Copy)]
enum Operation {
    Place,
    HangUp,
    Transfer,
    Keys,
    StartRecording,
    StopRecording,
    ChangeRecording,
    FetchCall,
    FindPlaced,
    FetchRecording,
}

use Operation::*;

/// What must not be done twice.
const ONCE: [Operation; 4] = [Place, Transfer, Keys, StartRecording];
/// What may.
const AGAIN: [Operation; 6] = [
    HangUp,
    StopRecording,
    ChangeRecording,
    FetchCall,
    FindPlaced,
    FetchRecording,
];

async fn run(twilio: &Twilio, operation: Operation) -> Result<()> {
    let recording = RecordingId::new("RE0001").unwrap();
    match operation {
        Place => twilio.make_call(&call(), &links()).await.map(drop),
        HangUp => twilio.hang_up(&live()).await,
        Transfer => {
            let answer = Answer::say("Hi.");
            twilio.transfer(&live(), &answer, &links()).await.map(drop)
        }
        Keys => {
            let keys = Dtmf::new("1").unwrap().then(Answer::stream());
            twilio.send_dtmf(&live(), &keys, &links()).await
        }
        StartRecording => twilio.start_recording(&live(), &links()).await.map(drop),
        StopRecording => twilio.stop_recording(&live(), &recording).await,
        ChangeRecording => {
            let change = RecordingChange::Resume;
            twilio.change_recording(&live(), &recording, change).await
        }
        FetchCall => twilio.fetch_call(&live()).await.map(drop),
        FindPlaced => twilio.find_placed(&call(), now()).await.map(drop),
        FetchRecording => {
            let recording = Recording::new(Some("RE0001".into()), "");
            twilio.fetch_recording(&recording).await.map(drop)
        }
    }
}

/// An answer that is a success whatever was asked.
fn success() -> Answered {
    let body = r#"{"sid": "CA0001", "status": "completed", "calls": []}"#;
    let headers = [("content-type", "application/octet-stream")];
    Ok(answer_with(200, &headers, body))
}

async fn tried(operation: Operation, answers: Vec<Answered>) -> (Result<()>, Vec<Duration>) {
    let (http, twilio) = scripted(answers);
    let result = run(&twilio, operation).await;
    assert!(http.is_done(), "{operation:?}: answers are left");
    (result, http.times())
}

#[tokio::test(start_paused = true)]
async fn what_was_not_processed_is_sent_again_whatever_it_is() {
    for operation in ONCE.into_iter().chain(AGAIN) {
        let answers = vec![refused(None), no_connection(), refused(None), success()];
        let (result, times) = tried(operation, answers).await;
        assert!(result.is_ok(), "{operation:?}: {result:?}");
        assert_eq!(times.len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn twilio_says_how_long_to_wait() {
    // `common::rest::now` is 15:00:00.
    for after in ["7", "Fri, 20 Nov 2026 15:00:07 GMT"] {
        for operation in ONCE.into_iter().chain(AGAIN) {
            let answers = vec![refused(Some(after)), success()];
            let (result, times) = tried(operation, answers).await;
            assert!(result.is_ok(), "{operation:?}: {result:?}");
            let pause = times[1] - times[0];
            let wanted = Duration::from_secs(7)..Duration::from_secs(8);
            assert!(wanted.contains(&pause), "{operation:?}: {pause:?}");
        }
    }
    let (result, _) = tried(Place, vec![refused(Some("600"))]).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(600)));
}

#[tokio::test(start_paused = true)]
async fn refusals_come_to_an_end() {
    for operation in [Place, FetchCall] {
        let answers = (0..4).map(|_| refused(None)).collect();
        let (result, _) = tried(operation, answers).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry(), Retry::Safe);
        assert_eq!(error.provider_code(), Some("20429"));
    }
}

/// What leaves it open whether the request was processed.
fn ambiguous() -> Vec<Answered> {
    let too_large = Err(Error::new(
        ErrorKind::Carrier,
        "send request",
        "the answer is larger than the limit",
    ));
    vec![
        reset(),
        no_answer(),
        too_large,
        Ok(answer(500, r#"{"code": 20500}"#)),
        Ok(answer(502, "<html>Bad Gateway</html>")),
        Ok(answer(503, "")),
        Ok(answer(504, "")),
        Ok(answer(408, "")),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_again() {
    for operation in ONCE {
        for ambiguous in ambiguous() {
            let shown = format!("{operation:?} {ambiguous:?}");
            let (result, _) = tried(operation, vec![ambiguous]).await;
            let error = result.unwrap_err();
            assert_eq!(error.retry(), Retry::OutcomeUnknown, "{shown}");
            assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
        }
    }
    // A success that says nothing is one, too.
    for operation in [Place, StartRecording] {
        let (result, _) = tried(operation, saying(&[(201, "<html>Welcome</html>")])).await;
        assert_eq!(result.unwrap_err().retry(), Retry::OutcomeUnknown);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_done_twice_is() {
    for operation in AGAIN {
        for ambiguous in ambiguous() {
            let shown = format!("{operation:?} {ambiguous:?}");
            if shown.contains("larger") {
                continue; // It would be as large again.
            }
            let (result, times) = tried(operation, vec![ambiguous, success()]).await;
            assert!(result.is_ok(), "{shown}: {result:?}");
            assert_eq!(times.len(), 2);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_stays_wrong() {
    for operation in ONCE.into_iter().chain(AGAIN) {
        for (status, code) in [(400, 20001), (401, 20003), (403, 20005)] {
            let body = format!(r#"{{"code": {code}, "message": "no", "status": {status}}}"#);
            let (result, _) = tried(operation, saying(&[(status, &body)])).await;
            let error = result.unwrap_err();
            assert_eq!(error.retry(), Retry::Never, "{operation:?} {error}");
            assert_eq!(error.provider_code(), Some(code.to_string().as_str()));
        }
        // Credentials are not taken to another host.
        let elsewhere = [("location", "https://example.com/")];
        let (result, _) = tried(operation, vec![Ok(answer_with(302, &elsewhere, ""))]).await;
        assert_eq!(
            result.unwrap_err().kind(),
            ErrorKind::Configuration,
            "{operation:?}"
        );
    }
}

#[tokio::test]
async fn an_ambiguous_creation_says_what_to_do() {
    let headers = [("twilio-request-id", "RQ0001")];
    let failed = answer_with(500, &headers, r#"{"code": 20500, "message": "x"}"#);
    let (result, _) = tried(Place, vec![Ok(failed)]).await;
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "twilio: place call: Twilio had a fault of its own; nobody knows whether the call was placed: look for it \
         with `Calls::find_placed` before it is placed again (code 20500, HTTP 500)"
    );
    assert_eq!(error.request_id(), Some("RQ0001"));

    let (result, _) = tried(Place, vec![no_answer()]).await;
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "twilio: place call: the answer did not come in time; nobody knows whether the call was placed: look for it \
         with `Calls::find_placed` before it is placed again"
    );
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.source().is_some());
}

#[tokio::test(start_paused = true)]
async fn errors_on_the_way_say_what_to_do_too() {
    for (operation, answers, said) in [
        (
            Transfer,
            vec![reset()],
            "twilio: transfer call: the connection broke; it may have been done: fetch the call before it is done again",
        ),
        (
            FetchCall,
            vec![reset(), reset(), reset(), reset()],
            "twilio: fetch call: the connection broke; try again after a pause",
        ),
        (
            Place,
            vec![
                no_connection(),
                no_connection(),
                no_connection(),
                no_connection(),
            ],
            "twilio: place call: the host could not be connected to; try again after a pause",
        ),
    ] {
        let (result, _) = tried(operation, answers).await;
        assert_eq!(result.unwrap_err().to_string(), said);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_sends_nothing_more() {
    let (http, twilio) = scripted(vec![refused(Some("5"))]);
    let twilio = Arc::new(twilio);
    let placing = run(&twilio, Place);
    let waited = tokio::time::timeout(Duration::from_secs(1), placing).await;
    assert!(waited.is_err());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(http.count(), 1);
}
