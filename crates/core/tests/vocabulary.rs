//! What a store keeps survives the trip: answers, parties, statuses and reasons as JSON.
#![allow(clippy::unwrap_used)]

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AfterStream, Answer, CallStatus, Dial, Direction, Document, EndReason, Gather, Party, Play,
    Redirect, RejectReason, Say, Step, Stream,
};

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text).unwrap();
    assert_eq!(back, *value, "{text}");
    text
}

/// An answer with every step and every option of it.
fn everything() -> Answer {
    let stream = Stream::new()
        .then(AfterStream::Continue)
        .with_parameter("tenant", "acme")
        .with_rate(SampleRate::new(16_000).unwrap());
    let mut gather = Gather::digits(4)
        .with_prompt("Your PIN, please.")
        .with_timeout(Duration::from_millis(7_500))
        .with_finish_key(None)
        .or_speech()
        .with_language("en-GB")
        .with_hint("one");
    gather.prompts.push(telephony_core::Prompt::Play(Play::new(
        "https://a.example/b.wav",
    )));
    let dial = Dial::new(Party::parse("+14155550100"))
        .and(Party::parse("sip:desk@example.com"))
        .and(Party::Client("jenny".into()))
        .and(Party::Extension("12".into()))
        .and(Party::LocalNumber("0991".into()))
        .with_caller_id(Party::Withheld)
        .with_ring_timeout(Duration::from_secs(20))
        .with_time_limit(Duration::from_secs(600));
    Answer::new([
        Step::Stream(stream),
        Step::Say(
            Say::new("Hi <&> \u{e9}")
                .with_language("fr")
                .with_voice("v"),
        ),
        Step::Play(Play::new("https://a.example/c.wav").times(0)),
        Step::Gather(gather),
        Step::Dial(dial),
        Step::Pause(Duration::from_millis(1_250)),
        Step::Reject(RejectReason::Busy),
        Step::Redirect(Redirect::Here),
        Step::Redirect(Redirect::To("https://b.example/".into())),
        Step::HangUp,
    ])
}

#[test]
fn every_step_of_an_answer_survives() {
    survives(&everything());
    survives(&Answer::default());
    survives(&Answer::document(Document::new("twilio", "<Response/>")));
}

#[test]
fn words_stay_the_words_of_the_field() {
    for status in CallStatus::ALL {
        assert_eq!(survives(&status), format!("\"{status}\""));
    }
    for direction in [Direction::Inbound, Direction::Outbound] {
        assert_eq!(survives(&direction), format!("\"{direction}\""));
    }
}

#[test]
fn every_end_reason_survives() {
    let plain = [
        EndReason::SocketClosed,
        EndReason::App,
        EndReason::Transferred,
        EndReason::Idle,
        EndReason::Silence,
        EndReason::MaxDuration,
        EndReason::Shutdown,
        EndReason::NodeLost,
        EndReason::WriteTimeout,
        EndReason::NeverStarted,
        EndReason::Protocol,
    ];
    for reason in plain {
        assert_eq!(survives(&reason), format!("\"{reason}\""));
    }
    survives(&EndReason::CarrierStopped(None));
    survives(&EndReason::CarrierStopped(Some("a|b,\"c\"".into())));
    for status in CallStatus::ALL {
        survives(&EndReason::CallEnded(status));
    }
}

#[test]
fn what_a_newer_node_wrote_more_is_ignored() {
    let text = r#"{"steps":[{"stream":{"then":"hang-up","to-come":1}}],"document":null,"more":[]}"#;
    let answer: Answer = serde_json::from_str(text).unwrap();
    assert_eq!(answer, Answer::stream());
}
