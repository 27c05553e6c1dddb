//! Media Streams: every documented message, what is tolerated, what is not, and exactly what goes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::codec;
use std::time::Duration;
use telephony_core::audio::AudioFormat;
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, StreamTicket, WireMessage,
};
use telephony_core::{ErrorKind, Result};

fn decode(codec: &mut dyn MediaCodec, text: &str) -> Result<Vec<CodecEvent>> {
    let mut decoded = Decoded::default();
    codec.decode(WireMessage::text(text), &mut decoded)?;
    assert!(
        decoded.replies.is_empty(),
        "the protocol demands no replies"
    );
    Ok(decoded.events.into())
}

fn one(text: &str) -> CodecEvent {
    let mut events = decode(&mut *codec(), text).unwrap();
    assert_eq!(events.len(), 1, "{text}");
    events.remove(0)
}

fn error(text: &str) -> ErrorKind {
    let error = decode(&mut *codec(), text).expect_err(text);
    assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
    error.kind()
}

const START: &str = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1",
    "streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],
    "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
    "customParameters":{"call_key":"k","Name":"Zo\u00eb","n":5}}}"#;

fn started() -> Box<dyn MediaCodec> {
    let mut codec = codec();
    decode(&mut *codec, START).unwrap();
    codec
}

fn encode(codec: &mut dyn MediaCodec, command: MediaCommand<'_>) -> Vec<String> {
    let mut out = Vec::new();
    codec.encode(command, &mut out).unwrap();
    out.into_iter()
        .map(|message| match message {
            WireMessage::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn connected_says_nothing_yet() {
    let text = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
    assert!(decode(&mut *codec(), text).unwrap().is_empty());
}

fn start(text: &str) -> StreamStart {
    match one(text) {
        CodecEvent::Start(start) => *start,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_start_of_a_stream() {
    let start = start(START);
    assert_eq!(start.stream_id.unwrap().as_str(), "MZ1");
    assert_eq!(start.call_id.unwrap().as_str(), "CA1");
    assert_eq!(start.inbound, AudioFormat::MULAW_8000);
    assert_eq!(start.outbound, AudioFormat::MULAW_8000);
    assert_eq!(start.frames.unit_bytes(), 160);
    assert_eq!(start.frames.preferred_bytes(), 160);
    assert_eq!(start.frames.max_bytes(), 8_000);
    assert!(start.echoes_marks && start.clears);
    let parameters: Vec<_> = start.parameters.iter().collect();
    let expected = [("Name", "Zo\u{eb}"), ("call_key", "k"), ("n", "5")];
    assert_eq!(parameters.len(), expected.len());
    for (got, wanted) in parameters.into_iter().zip(expected) {
        assert_eq!((got.0.as_str(), got.1.as_str()), wanted);
    }
}

#[test]
fn a_start_may_leave_out_what_is_always_the_same() {
    for text in [
        r#"{"event":"start","start":{"streamSid":"MZ1"}}"#,
        r#"{"event":"start","streamSid":"MZ1","start":{}}"#,
        r#"{"event":"start","streamSid":"MZ1","start":{"mediaFormat":null,"customParameters":null}}"#,
        r#"{"start":{"streamSid":"MZ1","mediaFormat":{"sampleRate":"8000","channels":"1","encoding":"AUDIO/X-MULAW"}},"event":"start","new":[1]}"#,
    ] {
        let start = start(text);
        assert_eq!(start.stream_id.unwrap().as_str(), "MZ1");
        assert_eq!(start.call_id, None);
        assert!(start.parameters.is_empty());
    }
}

#[test]
fn a_start_that_cannot_be_used() {
    for text in [
        r#"{"event":"start"}"#,
        r#"{"event":"start","start":{}}"#,
        r#"{"event":"start","start":{"streamSid":""}}"#,
        r#"{"event":"start","start":{"streamSid":"MZ\n"}}"#,
        r#"{"event":"start","start":{"streamSid":"MZ1","callSid":""}}"#,
        r#"{"event":"start","start":[]}"#,
    ] {
        assert_eq!(error(text), ErrorKind::Malformed, "{text}");
    }
    for format in [
        r#"{"encoding":"audio/x-l16","sampleRate":8000,"channels":1}"#,
        r#"{"encoding":"audio/x-mulaw","sampleRate":16000,"channels":1}"#,
        r#"{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":2}"#,
    ] {
        let text =
            format!(r#"{{"event":"start","start":{{"streamSid":"MZ1","mediaFormat":{format}}}}}"#);
        assert_eq!(error(&text), ErrorKind::Closed, "{format}");
    }
}

#[test]
fn a_second_start_changes_nothing() {
    let mut codec = started();
    let second = r#"{"event":"start","start":{"streamSid":"MZ2","callSid":"CA2"}}"#;
    let events = decode(&mut *codec, second).unwrap();
    assert!(matches!(&events[..], [CodecEvent::Unknown { name, .. }] if name == "start"));
    let clear = encode(&mut *codec, MediaCommand::Clear);
    assert_eq!(clear, [r#"{"event":"clear","streamSid":"MZ1"}"#]);
}

fn audio(text: &str) -> (Vec<u8>, Option<Duration>) {
    match one(text) {
        CodecEvent::Audio { payload, timestamp } => (payload.to_vec(), timestamp),
        other => panic!("{other:?}"),
    }
}

#[test]
fn audio_of_the_caller() {
    let text = r#"{"event":"media","sequenceNumber":"4","streamSid":"MZ1",
        "media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"/wCAfw=="}}"#;
    assert_eq!(
        audio(text),
        (vec![0xff, 0x00, 0x80, 0x7f], Some(Duration::from_millis(5)))
    );
}

#[test]
fn audio_in_other_clothes() {
    let bytes = vec![0xff, 0x00, 0x80, 0x7f];
    for (media, timestamp) in [
        (r#"{"payload":"/wCAfw=="}"#, None),
        (r#"{"payload":"/wCAfw"}"#, None),
        (r#"{"payload":"\/wCAfw==","timestamp":5}"#, Some(5)),
        (
            r#"{"track":"inbound_track","payload":"/wCAfw==","timestamp":" 20 "}"#,
            Some(20),
        ),
        (r#"{"payload":"/wCAfw==","timestamp":""}"#, None),
        (r#"{"payload":"/wCAfw==","timestamp":"soon"}"#, None),
        (r#"{"payload":"/wCAfw==","timestamp":"-1"}"#, None),
        (
            r#"{"payload":"/wCAfw==","timestamp":null,"chunk":{}}"#,
            None,
        ),
        (
            r#"{"payload":"/wCAfw==","timestamp":"18446744073709551615"}"#,
            Some(u64::MAX),
        ),
    ] {
        let text = format!(r#"{{"media":{media},"event":"media"}}"#);
        assert_eq!(
            audio(&text),
            (bytes.clone(), timestamp.map(Duration::from_millis)),
            "{media}"
        );
    }
    assert_eq!(
        audio(r#"{"event":"media","media":{"payload":""}}"#),
        (vec![], None)
    );
}

#[test]
fn audio_of_others_is_not_the_callers() {
    for track in ["outbound", "outbound_track", "both"] {
        let text = format!(r#"{{"event":"media","media":{{"track":"{track}","payload":"/w=="}}}}"#);
        assert!(decode(&mut *codec(), &text).unwrap().is_empty(), "{track}");
    }
}

#[test]
fn keys() {
    for key in "0123456789*#ABCD".chars() {
        let text = format!(
            r#"{{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{{"track":"inbound_track","digit":"{key}"}}}}"#
        );
        assert!(matches!(one(&text), CodecEvent::Dtmf { digit, duration: None } if digit == key));
    }
    let number = one(r#"{"event":"dtmf","dtmf":{"digit":7}}"#);
    assert!(matches!(number, CodecEvent::Dtmf { digit: '7', .. }));
    let lower = one(r#"{"event":"dtmf","dtmf":{"digit":"a"}}"#);
    assert!(matches!(lower, CodecEvent::Dtmf { digit: 'A', .. }));
}

#[test]
fn marks_and_the_end() {
    let mark = one(
        r#"{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"g0-\u0031"}}"#,
    );
    assert!(matches!(mark, CodecEvent::Mark { name } if name == "g0-1"));
    for stop in [
        r#"{"event":"stop","sequenceNumber":"5","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}"#,
        r#"{"event":"stop"}"#,
    ] {
        assert!(matches!(one(stop), CodecEvent::Stop { reason: None }));
    }
}

#[test]
fn what_is_not_known_is_kept() {
    let text = r#"{"event":"fancy","streamSid":"MZ1","fancy":{"a":1}}"#;
    let CodecEvent::Unknown { name, raw } = one(text) else {
        panic!("known")
    };
    assert_eq!(name, "fancy");
    assert_eq!(raw, WireMessage::text(text));
}

#[test]
fn what_cannot_be_read_is_malformed_and_the_stream_goes_on() {
    let mut codec = started();
    for text in [
        "",
        "{",
        "null",
        "\"scalar\"",
        "[]",
        "{}",
        r#"{"event":null}"#,
        r#"{"event":["media"]}"#,
        r#"{"event":"media"}"#,
        r#"{"event":"media","media":null}"#,
        r#"{"event":"media","media":"x"}"#,
        r#"{"event":"media","media":{}}"#,
        r#"{"event":"media","media":{"payload":{}}}"#,
        r#"{"event":"media","media":{"payload":"!!"}}"#,
        r#"{"event":"media","media":{"payload":"A"}}"#,
        r#"{"event":"media","media":{"payload":"AA=A"}}"#,
        r#"{"event":"media","media":{"payload":"===="}}"#,
        r#"{"event":"mark"}"#,
        r#"{"event":"mark","mark":{}}"#,
        r#"{"event":"dtmf","dtmf":{}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":""}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":"E"}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":"\u0661"}}"#,
    ] {
        let error = decode(&mut *codec, text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{text}");
    }
    let mut decoded = Decoded::default();
    for binary in [&b"\x09\x09"[..], &b"{\"event\":\"stop\"}"[..], &b""[..]] {
        let message = WireMessage::Binary(Bytes::copy_from_slice(binary));
        let error = codec.decode(message, &mut decoded).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    let not_utf8 = WireMessage::Text(Bytes::from_static(b"{\"event\":\"\xff\"}"));
    assert!(codec.decode(not_utf8, &mut decoded).is_err());
    assert!(decoded.events.is_empty());
    assert_eq!(decode(&mut *codec, r#"{"event":"stop"}"#).unwrap().len(), 1);
}

#[test]
fn what_goes_out_is_exactly_as_documented() {
    let mut codec = started();
    let audio = Bytes::from_static(b"test");
    assert_eq!(
        encode(&mut *codec, MediaCommand::Audio(&audio)),
        [r#"{"event":"media","streamSid":"MZ1","media":{"payload":"dGVzdA=="}}"#]
    );
    assert_eq!(
        encode(&mut *codec, MediaCommand::Mark("g1-\"2\"")),
        [r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"g1-\"2\""}}"#]
    );
    assert_eq!(
        encode(&mut *codec, MediaCommand::Clear),
        [r#"{"event":"clear","streamSid":"MZ1"}"#]
    );
    assert!(encode(&mut *codec, MediaCommand::Audio(&Bytes::new())).is_empty());
    let mut goodbye = Vec::new();
    codec.finish(&mut goodbye);
    assert!(goodbye.is_empty(), "there is no word for it");
}

#[test]
fn an_id_with_quotes_stays_json() {
    let mut codec = codec();
    decode(
        &mut *codec,
        r#"{"event":"start","start":{"streamSid":"M\"Z\\"}}"#,
    )
    .unwrap();
    let clear = encode(&mut *codec, MediaCommand::Clear);
    assert_eq!(clear, [r#"{"event":"clear","streamSid":"M\"Z\\"}"#]);
}

#[test]
fn nothing_goes_out_before_the_start() {
    let mut codec = codec();
    let mut out = Vec::new();
    assert!(codec.encode(MediaCommand::Clear, &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn the_call_key_and_the_call_id_tie_the_socket_to_its_call() {
    // Core compares what the start says with the ticket; this is what it gets to compare.
    let start = start(START);
    assert_eq!(start.parameters[StreamTicket::KEY_PARAMETER], "k");
    assert_eq!(start.call_id.unwrap().as_str(), "CA1");
}
