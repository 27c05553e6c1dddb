//! The media socket: what its messages mean in all forms that were seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use proptest::prelude::*;
use std::time::Duration;
use telephony_core::audio::AudioFormat;
use telephony_core::media::{
    CodecEvent, Decoded, EndSignal, MediaCodec, MediaCommand, StreamStart, StreamTicket,
    WireMessage,
};
use telephony_core::{
    CallKey, CallStore as _, Direction, ErrorKind, MemoryStore, NewCall, Party, Result, Telephony,
};

fn codec() -> Box<dyn MediaCodec> {
    let parties = (Party::Withheld, Party::Withheld);
    let provider = telephony_plivo::provider_name();
    let key = CallKey::parse(KEY).unwrap();
    let call = NewCall::new(key, provider, label(), Direction::Inbound, parties);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let record = runtime.block_on(MemoryStore::default().open(call)).unwrap();
    let ticket = StreamTicket::new(record, EndSignal::new().1);
    plivo().media_codec(&ticket).unwrap()
}

fn decode(codec: &mut dyn MediaCodec, text: &str) -> Result<Vec<CodecEvent>> {
    let mut decoded = Decoded::default();
    codec.decode(WireMessage::text(text.to_owned()), &mut decoded)?;
    Ok(decoded.events.into())
}

fn start(more: &str) -> Result<StreamStart> {
    let message = format!(r#"{{"event":"start","start":{{"callId":"c1","streamId":"s\"1"{more}"#);
    match decode(&mut *codec(), &message)?.pop() {
        Some(CodecEvent::Start(start)) => Ok(*start),
        other => panic!("{other:?}"),
    }
}

fn started() -> Box<dyn MediaCodec> {
    let mut codec = codec();
    let message = r#"{"event":"start","start":{"streamId":"s\"1"}}"#;
    decode(&mut *codec, message).unwrap();
    codec
}

#[test]
fn a_stream_starts() {
    let format = r#","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":"8000"}}}"#;
    let start = start(format).unwrap();
    assert_eq!(
        (start.inbound, start.outbound),
        (AudioFormat::MULAW_8000, AudioFormat::MULAW_8000)
    );
    assert_eq!(start.call_id.unwrap().as_str(), "c1");
    assert_eq!(start.stream_id.unwrap().as_str(), "s\"1");
    assert!(start.echoes_marks && start.clears && start.parameters.is_empty());
}

#[test]
fn extra_headers_come_back_in_many_forms() {
    for headers in [
        r#""call_key=k;lang=de""#,
        r#""call_key=k,lang=de""#,
        r#""call_key=k; lang = de""#,
        r#""{\"call_key\":\"k\",\"lang\":\"de\"}""#,
        r#"{"call_key":"k","lang":"de"}"#,
        r#""{X-PH-call_key: k, x-ph-lang: de}""#,
    ] {
        let start = start(&format!(r#"}},"extra_headers":{headers}}}"#)).unwrap();
        let pairs: Vec<_> = start
            .parameters
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(pairs, [("call_key", "k"), ("lang", "de")], "{headers}");
    }
    for nothing in ["null", r#""""#, r#""{}""#, "7", "[]"] {
        let start = start(&format!(r#"}},"extra_headers":{nothing}}}"#)).unwrap();
        assert!(start.parameters.is_empty(), "{nothing}");
    }
}

#[test]
fn a_stream_in_another_format_cannot_go_on() {
    for format in [
        r#"{"encoding":"audio/x-l16","sampleRate":8000}"#,
        r#"{"encoding":"audio/x-mulaw","sampleRate":16000}"#,
    ] {
        let error = start(&format!(r#","mediaFormat":{format}}}}}"#)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{format}");
    }
    let error = decode(&mut *codec(), r#"{"event":"start","start":{}}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn the_first_timestamp_is_the_beginning() {
    let mut codec = started();
    for (wall, at) in [
        ("\"1705312200040\"", Some(0)),
        ("1705312200060", Some(20)),
        ("\"x\"", None),
        ("1", Some(0)),
    ] {
        let message = format!(
            r#"{{"event":"media","media":{{"track":"inbound","timestamp":{wall},"payload":"/w=="}}}}"#
        );
        let event = decode(&mut *codec, &message).unwrap().remove(0);
        let CodecEvent::Audio { payload, timestamp } = event else {
            panic!("{event:?}")
        };
        assert_eq!(payload, [0xff].as_slice());
        assert_eq!(timestamp, at.map(Duration::from_millis), "{wall}");
    }
    let outbound = r#"{"event":"media","media":{"track":"outbound","payload":"/w=="}}"#;
    assert!(decode(&mut *codec, outbound).unwrap().is_empty());
}

#[test]
fn what_is_sent_is_what_is_documented() {
    let mut stream = started();
    let mut out = Vec::new();
    for command in [
        MediaCommand::Audio(&bytes::Bytes::from_static(&[0xff, 0x7f])),
        MediaCommand::Audio(&bytes::Bytes::new()),
        MediaCommand::Mark("g0-\"1"),
        MediaCommand::Clear,
    ] {
        stream.encode(command, &mut out).unwrap();
    }
    assert_eq!(
        out,
        [
            r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"/38="}}"#,
            r#"{"event":"checkpoint","streamId":"s\"1","name":"g0-\"1"}"#,
            r#"{"event":"clearAudio","streamId":"s\"1"}"#,
        ]
        .map(WireMessage::text)
    );
    // Before the start nothing can be said.
    codec().encode(MediaCommand::Clear, &mut out).unwrap_err();
}

proptest! {
    #[test]
    fn what_we_encode_comes_back(audio in proptest::collection::vec(any::<u8>(), 1..400)) {
        let mut codec = started();
        let mut out = Vec::new();
        let sent = bytes::Bytes::from(audio);
        codec.encode(MediaCommand::Audio(&sent), &mut out).unwrap();
        let WireMessage::Text(text) = &out[0] else { panic!("{out:?}") };
        let echo: serde_json::Value = serde_json::from_slice(text).unwrap();
        let echo = serde_json::json!({"event": "media", "media": {"payload": echo["media"]["payload"]}});
        let heard = decode(&mut *codec, &echo.to_string()).unwrap();
        let is_same = matches!(&heard[0], CodecEvent::Audio { payload, .. } if *payload == sent);
        prop_assert!(is_same);
    }
}
