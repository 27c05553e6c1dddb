//! Recordings of live calls, and their audio.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::links;
use common::rest::{EVENTS, answer_with, get, post};
use common::scripted::{live, saying, scripted};
use telephony_core::{ErrorKind, Recording, RecordingId, Retry, Telephony};
use telephony_twilio::Twilio;
use telephony_twilio::rest::{RecordingChange, RecordingChannels, RecordingOptions};

const BEGUN: &str = r#"{"sid": "RE0001", "status": "in-progress"}"#;
const CHANGE: &str = "Calls/CA0001/Recordings/RE0001.json";
const URL: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Recordings/RE0001";

fn recording() -> RecordingId {
    RecordingId::new("RE0001").unwrap()
}

fn callback() -> String {
    format!(
        "RecordingStatusCallback={EVENTS}&RecordingStatusCallbackEvent=in-progress+completed+absent\
         &RecordingStatusCallbackMethod=POST"
    )
}

#[tokio::test]
async fn a_recording_is_started() {
    let (http, twilio) = scripted(saying(&[(201, BEGUN)]));
    let started = twilio.start_recording(&live(), &links()).await.unwrap();
    assert_eq!(started, recording());
    assert_eq!(
        http.request(),
        post("Calls/CA0001/Recordings.json", &callback())
    );
}

#[tokio::test]
async fn a_recording_is_started_in_twilios_own_way() {
    let (http, twilio) = scripted(saying(&[(201, BEGUN)]));
    let options = RecordingOptions::new().with_channels(RecordingChannels::Dual);
    twilio
        .start_recording_with(&live(), &links(), &options)
        .await
        .unwrap();
    let form = format!("{}&RecordingChannels=dual", callback());
    assert_eq!(http.request(), post("Calls/CA0001/Recordings.json", &form));
}

#[tokio::test]
async fn a_start_that_names_no_recording_may_have_begun_one() {
    for body in ["", "{}", r#"{"sid": "RE\u0007"}"#] {
        let (http, twilio) = scripted(saying(&[(201, body)]));
        let started = twilio.start_recording(&live(), &links()).await;
        assert_eq!(started.unwrap_err().retry(), Retry::OutcomeUnknown);
        assert_eq!(http.count(), 1);
    }
}

#[tokio::test]
async fn a_recording_is_stopped_also_if_it_is_over() {
    for (status, body) in [
        (200, BEGUN),
        (404, r#"{"code": 20404}"#),
        (400, r#"{"code": 21220}"#),
    ] {
        let (http, twilio) = scripted(saying(&[(status, body)]));
        twilio.stop_recording(&live(), &recording()).await.unwrap();
        assert_eq!(http.request(), post(CHANGE, "Status=stopped"));
    }
}

#[tokio::test]
async fn a_recording_is_paused_and_goes_on() {
    for (change, form) in [
        (
            RecordingChange::PauseAndSkip,
            "Status=paused&PauseBehavior=skip",
        ),
        (
            RecordingChange::PauseWithSilence,
            "Status=paused&PauseBehavior=silence",
        ),
        (RecordingChange::Resume, "Status=in-progress"),
        (RecordingChange::Stop, "Status=stopped"),
    ] {
        let (http, twilio) = scripted(saying(&[(200, BEGUN)]));
        let carrier: &dyn Telephony = &twilio;
        let own = carrier.downcast_ref::<Twilio>().unwrap();
        own.change_recording(&live(), &recording(), change)
            .await
            .unwrap();
        assert_eq!(http.request(), post(CHANGE, form));
    }
    // Who wants it to go on must hear that it is over.
    let (_, twilio) = scripted(saying(&[(404, r#"{"code": 20404}"#)]));
    let resumed = twilio
        .change_recording(&live(), &recording(), RecordingChange::Resume)
        .await;
    assert_eq!(resumed.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn audio_is_fetched_by_url_or_by_id() {
    for recording in [
        Recording::new(Some("RE0001".into()), URL),
        Recording::new(None, URL.replace("https", "http")),
        Recording::new(Some("RE0001".into()), ""),
    ] {
        let file = answer_with(200, &[("content-type", "audio/x-wav")], "RIFF");
        let (http, twilio) = scripted(vec![Ok(file)]);
        let audio = twilio.fetch_recording(&recording).await.unwrap();
        assert_eq!(audio.media_type.as_deref(), Some("audio/x-wav"));
        assert_eq!(audio.audio, "RIFF");
        assert_eq!(http.request(), get("Recordings/RE0001.wav", "audio/*"));
    }
}

#[tokio::test]
async fn no_other_host_is_asked() {
    for url in [
        "https://api.twilio.com.example.com/2010-04-01/Accounts/AC1/Recordings/RE0001",
        "https://example.com/?x=api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE0001",
        "https://api.twilio.com@example.com/2010-04-01/Accounts/AC1/Recordings/RE0001",
        "file:///etc/passwd",
        "RE0001",
    ] {
        let (http, twilio) = scripted(vec![]);
        let fetched = twilio.fetch_recording(&Recording::new(None, url)).await;
        assert_eq!(
            fetched.unwrap_err().kind(),
            ErrorKind::InvalidArgument,
            "{url}"
        );
        assert_eq!(http.count(), 0);
    }
    let (http, twilio) = scripted(vec![]);
    let nothing = twilio.fetch_recording(&Recording::new(None, "")).await;
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(http.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_is_asked_for_again_and_then_safe_to_try_later() {
    let missing = (404, r#"{"code": 20404}"#);
    let (http, twilio) = scripted(saying(&[missing; 4]));
    let recording = Recording::new(None, URL);
    let error = twilio.fetch_recording(&recording).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.retry(), Retry::Safe);
    assert_eq!(http.count(), 4);

    let file = answer_with(200, &[("content-type", "audio/x-wav")], "RIFF");
    let mut answers = saying(&[missing]);
    answers.push(Ok(file));
    let (_, twilio) = scripted(answers);
    assert!(twilio.fetch_recording(&recording).await.is_ok());
}
