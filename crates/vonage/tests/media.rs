//! The media socket: every documented message both ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use std::collections::BTreeMap;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, SampleRate};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, MediaEvent, MediaSession, StreamOptions,
    StreamStart, WireMessage,
};
use telephony_core::{ErrorKind, Telephony};

const CONNECTED: &str = r#"{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}"#;

fn codec() -> Box<dyn MediaCodec> {
    vonage().media_codec(&ticket()).unwrap()
}

fn text(text: &str) -> WireMessage {
    WireMessage::text(text)
}

fn decode(
    codec: &mut dyn MediaCodec,
    message: WireMessage,
) -> telephony_core::Result<Vec<CodecEvent>> {
    let mut decoded = Decoded::default();
    codec.decode(message, &mut decoded)?;
    assert!(
        decoded.replies.is_empty(),
        "the protocol demands no replies"
    );
    Ok(decoded.events.into())
}

fn start(message: &str) -> StreamStart {
    let events = decode(&mut *codec(), text(message)).unwrap();
    match events.as_slice() {
        [CodecEvent::Start(start)] => (**start).clone(),
        other => panic!("{other:?}"),
    }
}

fn started() -> Box<dyn MediaCodec> {
    let mut codec = codec();
    decode(&mut *codec, text(CONNECTED)).unwrap();
    codec
}

#[test]
fn the_first_message_tells_the_rate_and_hands_the_headers_back() {
    for (hz, format, frame) in [
        (8_000, AudioFormat::PCM16_8000, 320),
        (16_000, AudioFormat::PCM16_16000, 640),
        (24_000, AudioFormat::PCM16_24000, 960),
    ] {
        let start = start(&format!(
            r#"{{"event":"websocket:connected","content-type":"audio/l16;rate={hz}","call_key":"{KEY}","plan":"gold","nested":{{"a": [1]}},"n":7}}"#
        ));
        assert_eq!((start.inbound, start.outbound), (format, format));
        let frames = start.frames;
        assert_eq!(
            (
                frames.unit_bytes(),
                frames.preferred_bytes(),
                frames.max_bytes()
            ),
            (frame, frame, frame)
        );
        let expected = [
            ("call_key", KEY),
            ("plan", "gold"),
            ("nested", r#"{"a": [1]}"#),
            ("n", "7"),
        ];
        let expected: BTreeMap<_, _> = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(start.parameters, expected);
        assert!(start.stream_id.is_none() && start.call_id.is_none());
        assert!(start.echoes_marks && start.clears);
    }
}

#[test]
fn the_first_message_in_its_other_forms() {
    for (message, rate) in [
        (
            r#"{"content-type":"audio/l16;rate=8000","event":"websocket:connected"}"#,
            SampleRate::HZ_8000,
        ),
        (
            r#" {"event":"websocket:connected","content-type":"audio/l16;rate=24000"}"#,
            SampleRate::HZ_24000,
        ),
        (
            r#"{"app":"demo","content-type":"audio/l16;rate=8000"}"#,
            SampleRate::HZ_8000,
        ),
        (r#"{"event":"websocket:connected"}"#, SampleRate::HZ_16000),
        (
            r#"{"event":"websocket:connected","content-type":"Audio/L16; Rate=8000"}"#,
            SampleRate::HZ_8000,
        ),
        (
            r#"{"event":"websocket:connected","content-type":"audio/l16"}"#,
            SampleRate::HZ_16000,
        ),
    ] {
        assert_eq!(start(message).inbound.rate, rate, "{message}");
    }
    assert_eq!(
        start(r#"{"app":"demo","content-type":"audio/l16"}"#).parameters["app"],
        "demo"
    );
    let with_id = start(r#"{"event":"websocket:connected","call_uuid":"u-1"}"#);
    assert_eq!(with_id.call_id.unwrap().as_str(), "u-1");
}

#[test]
fn a_format_that_we_cannot_read_ends_the_stream() {
    for content_type in [
        "audio/l16;rate=44100",
        "audio/l16;rate=x",
        "audio/x-mulaw;rate=8000",
        "l16",
    ] {
        let message =
            format!(r#"{{"event":"websocket:connected","content-type":"{content_type}"}}"#);
        let error = decode(&mut *codec(), text(&message)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{content_type}");
    }
}

#[test]
fn audio_is_passed_on_without_a_copy() {
    let mut codec = started();
    let frame = Bytes::from(vec![7; 640]);
    let events = decode(&mut *codec, WireMessage::Binary(frame.clone())).unwrap();
    let [
        CodecEvent::Audio {
            payload,
            timestamp: None,
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(payload.as_ptr(), frame.as_ptr());
    let odd = decode(
        &mut *codec,
        WireMessage::Binary(Bytes::from_static(&[1; 639])),
    );
    assert_eq!(odd.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(
        decode(&mut *codec, WireMessage::Binary(Bytes::new()))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn audio_that_comes_first_waits_for_the_rate() {
    let mut codec = codec();
    for n in 0..3_u8 {
        let early = WireMessage::Binary(Bytes::from(vec![n; 640]));
        assert!(decode(&mut *codec, early).unwrap().is_empty());
    }
    let events = decode(&mut *codec, text(CONNECTED)).unwrap();
    assert!(matches!(events[0], CodecEvent::Start(_)));
    let heard: Vec<u8> = events[1..]
        .iter()
        .map(|event| match event {
            CodecEvent::Audio { payload, .. } => payload[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(heard, [0, 1, 2]);
}

#[test]
fn early_audio_is_bounded_and_the_oldest_goes() {
    for size in [2, 640, 60_000] {
        let mut codec = codec();
        for n in 0..1_000_u32 {
            let mut frame = vec![0; size];
            frame[..2].copy_from_slice(&(n as u16).to_le_bytes());
            decode(&mut *codec, WireMessage::Binary(frame.into())).unwrap();
        }
        let events = decode(&mut *codec, text(CONNECTED)).unwrap();
        let kept: usize = events[1..]
            .iter()
            .map(|event| match event {
                CodecEvent::Audio { payload, .. } => payload.len(),
                other => panic!("{other:?}"),
            })
            .sum();
        assert!(
            kept <= 48_000 && events.len() <= 151,
            "{kept} bytes in {} events",
            events.len()
        );
        if let Some(CodecEvent::Audio { payload, .. }) = events[1..].last() {
            assert_eq!(payload[..2], 999_u16.to_le_bytes());
        }
    }
}

#[test]
fn keys_in_every_form() {
    for (message, keys, milliseconds) in [
        (
            r#"{"event":"websocket:dtmf","digit":"5","duration":260}"#,
            "5",
            Some(260),
        ),
        (
            r##"{"event":"websocket:dtmf","digit":"#","duration":"100"}"##,
            "#",
            Some(100),
        ),
        (r#"{"event":"websocket:dtmf","digit":"*"}"#, "*", None),
        (r#"{"event":"websocket:dtmf","digit":7}"#, "7", None),
        (r#"{"event":"websocket:dtmf","dtmf":"3"}"#, "3", None),
        (
            r#"{"event":"websocket:dtmf","dtmf":{"digit":"3","duration":90}}"#,
            "3",
            Some(90),
        ),
        (
            r#"{"event":"websocket:dtmf","dtmf":{"digits":"12"}}"#,
            "12",
            None,
        ),
        (r#"{"event":"websocket:dtmf","digit":"a"}"#, "A", None),
        (r#"{"digit":"5","duration":260}"#, "5", Some(260)),
        (r#" {"dtmf":"5"}"#, "5", None),
        (
            r#"{"event":"websocket:dtmf","digit":"5","duration":-3}"#,
            "5",
            None,
        ),
    ] {
        let events = decode(&mut *started(), text(message)).unwrap();
        let got: Vec<(char, Option<Duration>)> = events
            .iter()
            .map(|event| match event {
                CodecEvent::Dtmf { digit, duration } => (*digit, *duration),
                other => panic!("{message}: {other:?}"),
            })
            .collect();
        let duration = milliseconds.map(Duration::from_millis);
        let expected: Vec<_> = keys.chars().map(|key| (key, duration)).collect();
        assert_eq!(got, expected, "{message}");
    }
    for message in [
        r#"{"event":"websocket:dtmf"}"#,
        r#"{"event":"websocket:dtmf","digit":""}"#,
        r#"{"event":"websocket:dtmf","digit":"x"}"#,
        r#"{"event":"websocket:dtmf","dtmf":{}}"#,
        r#"{"digit":null}"#,
    ] {
        let error = decode(&mut *started(), text(message)).expect_err(message);
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    let many = format!(
        r#"{{"event":"websocket:dtmf","digit":"{}"}}"#,
        "1".repeat(33)
    );
    assert!(decode(&mut *started(), text(&many)).is_err());
}

#[test]
fn the_other_messages() {
    let mut codec = started();
    let mut one = |message: &str| {
        let mut events = decode(&mut *codec, text(message)).unwrap();
        assert_eq!(events.len(), 1, "{message}");
        events.remove(0)
    };
    assert!(matches!(
        one(r#"{"event":"websocket:cleared"}"#),
        CodecEvent::Cleared
    ));
    let mark = one(r#"{"event":"websocket:notify","payload":{"mark":"g0-1"}}"#);
    assert!(matches!(mark, CodecEvent::Mark { name } if name == "g0-1"));
    assert!(matches!(
        one(r#"{"event":"websocket:disconnected"}"#),
        CodecEvent::Stop { reason: None }
    ));
    let stop = one(r#"{"event":"websocket:disconnected","reason":"bye"}"#);
    assert!(matches!(stop, CodecEvent::Stop { reason: Some(reason) } if reason == "bye"));
    for (message, expected) in [
        (
            r#"{"event":"websocket:media:update","method":"update","active":false}"#,
            "websocket:media:update",
        ),
        (
            r#"{"event":"websocket:media:update","active":0}"#,
            "websocket:media:update",
        ),
        (
            r#"{"event":"websocket:notify","payload":{"customKey":"customValue"}}"#,
            "websocket:notify",
        ),
        (r#"{"event":"websocket:notify"}"#, "websocket:notify"),
        (
            r#"{"event":"websocket:new-thing","a":1}"#,
            "websocket:new-thing",
        ),
        (r#"{"a":1}"#, "unnamed"),
        (CONNECTED, "websocket:connected"),
    ] {
        match one(message) {
            CodecEvent::Unknown { name, raw } => {
                assert_eq!((name.as_str(), raw), (expected, text(message)));
            }
            other => panic!("{message}: {other:?}"),
        }
    }
    for bad in ["", "x", "[]", "null", "{", "\u{feff}{}"] {
        let error = decode(&mut *started(), text(bad)).expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    let not_utf8 = WireMessage::Text(Bytes::from_static(b"{\"event\":\"\xff\"}"));
    assert!(decode(&mut *started(), not_utf8).is_err());
}

#[test]
fn what_we_say_is_what_is_documented() {
    let mut codec = started();
    let mut encode = |command: MediaCommand<'_>| {
        let mut out = Vec::new();
        codec.encode(command, &mut out).map(|()| out)
    };
    assert_eq!(
        encode(MediaCommand::Clear).unwrap(),
        [text(r#"{"action":"clear"}"#)]
    );
    assert_eq!(
        encode(MediaCommand::Mark("g0-\"1\"")).unwrap(),
        [text(r#"{"action":"notify","payload":{"mark":"g0-\"1\""}}"#)]
    );
    let samples: Vec<u8> = [7_i16, -7, 4242, -4242]
        .iter()
        .flat_map(|s| s.to_le_bytes())
        .collect();
    let frame: Bytes = samples.iter().copied().cycle().take(640).collect();
    let sent = encode(MediaCommand::Audio(&frame)).unwrap();
    let [WireMessage::Binary(sent)] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(sent[..8], [0x07, 0x00, 0xf9, 0xff, 0x92, 0x10, 0x6e, 0xef]);
    assert_eq!(sent.as_ptr(), frame.as_ptr(), "not copied");
    for size in [0, 2, 320, 638, 642, 1280] {
        let wrong = Bytes::from(vec![0; size]);
        let error = encode(MediaCommand::Audio(&wrong)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{size}");
    }
}

#[test]
fn a_session_runs_on_it() {
    let mut session: MediaSession = MediaSession::new(codec(), StreamOptions::default());
    let now = Duration::ZERO;
    session
        .receive(WireMessage::Binary(vec![0; 320].into()), now)
        .unwrap();
    let connected = CONNECTED.replace("16000", "8000");
    session.receive(text(&connected), now).unwrap();
    assert_eq!(session.next_event(), Some(MediaEvent::Started));
    let Some(MediaEvent::Audio(early)) = session.next_event() else {
        panic!("the early audio is lost")
    };
    assert_eq!(early.payload.len(), 320);

    session.push(vec![1; 500].into(), (), now);
    session.mark("app".into());
    session.finish();
    session.advance(now);
    let sent: Vec<_> = std::iter::from_fn(|| session.next_message(now)).collect();
    let [
        WireMessage::Binary(first),
        WireMessage::Binary(tail),
        WireMessage::Text(mark),
    ] = sent.as_slice()
    else {
        panic!("{sent:?}")
    };
    assert_eq!(
        (first.len(), tail.len(), tail[180], tail[179]),
        (320, 320, 0, 1)
    );
    let echo = String::from_utf8(mark.to_vec()).unwrap();
    let echo = echo.replace(r#""action":"notify""#, r#""event":"websocket:notify""#);
    session
        .receive(text(&echo), Duration::from_millis(40))
        .unwrap();
    assert!(matches!(session.next_event(), Some(MediaEvent::Played { mark, .. }) if mark == "app"));
}
