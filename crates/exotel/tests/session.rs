//! A whole stream on the core's media machinery, without clock and socket: sizes, pacing, marks, interruption.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use common::codec;
use serde_json::Value;
use std::time::Duration;
use telephony_core::media::{MarkOutcome, MediaEvent, MediaSession, StreamOptions, WireMessage};

const MS: Duration = Duration::from_millis(1);

fn session() -> MediaSession<()> {
    let mut session = MediaSession::new(codec(), StreamOptions::default());
    session
        .receive(
            WireMessage::text(r#"{"event":"connected"}"#),
            Duration::ZERO,
        )
        .unwrap();
    let start = r#"{"event":"start","stream_sid":"s1","start":{"call_sid":"c1","media_format":{"sample_rate":"8000"}}}"#;
    session
        .receive(WireMessage::text(start), Duration::ZERO)
        .unwrap();
    assert_eq!(session.next_event(), Some(MediaEvent::Started));
    session
}

/// All that goes out until `now`, as JSON.
fn sent(session: &mut MediaSession<()>, now: Duration) -> Vec<Value> {
    session.advance(now);
    std::iter::from_fn(|| session.next_message(now))
        .map(|message| match message {
            WireMessage::Text(text) => serde_json::from_slice(&text).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn audio_bytes(message: &Value) -> usize {
    STANDARD
        .decode(message["media"]["payload"].as_str().unwrap())
        .unwrap()
        .len()
}

#[test]
fn speech_goes_out_in_whole_units_at_the_pace_of_speech() {
    let mut session = session();
    session.push(Bytes::from(vec![7; 16_100]), (), Duration::ZERO); // a little more than a second
    session.finish();
    let first = sent(&mut session, Duration::ZERO);
    assert_eq!(
        first.iter().map(audio_bytes).collect::<Vec<_>>(),
        [3_200, 3_200],
        "the lead is two messages"
    );
    assert_eq!(first[1]["media"]["timestamp"], "200");
    assert!(sent(&mut session, 199 * MS).is_empty());
    assert_eq!(sent(&mut session, 200 * MS).len(), 1);
    let rest: Vec<_> = (3..=20)
        .flat_map(|tick| sent(&mut session, 100 * tick * MS))
        .map(|message| audio_bytes(&message))
        .collect();
    assert_eq!(
        rest.iter().sum::<usize>(),
        16_320 - 3 * 3_200,
        "padded to whole units"
    );
    assert!(
        rest.iter().all(|bytes| bytes % 320 == 0 && *bytes <= 3_200),
        "{rest:?}"
    );
}

#[test]
fn a_mark_comes_back_and_one_from_before_a_clear_proves_nothing() {
    let mut session = session();
    session.push(Bytes::from(vec![7; 3_200]), (), Duration::ZERO);
    session.mark("hello".into());
    let out = sent(&mut session, Duration::ZERO);
    assert_eq!(
        (out[0]["event"].as_str(), out[1]["event"].as_str()),
        (Some("media"), Some("mark"))
    );
    let echo = out[1].to_string();
    session.clear(100 * MS);
    let played = |outcome| {
        Some(MediaEvent::Played {
            mark: "hello".into(),
            outcome,
        })
    };
    assert_eq!(session.next_event(), played(MarkOutcome::Cleared));
    let out = sent(&mut session, 100 * MS);
    assert_eq!(
        out,
        [serde_json::json!({"event": "clear", "stream_sid": "s1"})]
    );
    session.receive(WireMessage::text(echo), 150 * MS).unwrap();
    assert_eq!(session.next_event(), None);

    session.push(Bytes::from(vec![7; 320]), (), 200 * MS);
    session.mark("hello".into());
    let out: Vec<_> = (2..=10)
        .flat_map(|tick| sent(&mut session, 100 * tick * MS))
        .collect();
    session
        .receive(WireMessage::text(out[1].to_string()), 1_500 * MS)
        .unwrap();
    assert_eq!(session.next_event(), played(MarkOutcome::Reached));
}
