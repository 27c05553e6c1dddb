//! The media protocol, both ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{codec, codec_with, config, decode, encode};
use std::time::Duration;
use telephony_core::audio::{AudioFormat, SampleRate};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, WireMessage,
};
use telephony_core::{ErrorKind, Party};
use telephony_exotel::MediaFields;

/// As it was seen in a real call (other values): texts for numbers, no parameters, an encoding that is none.
const SEEN: &str = r#"{"event":"start","stream_sid":"0d5f7b18bl","sequence_number":"1","start":{"stream_sid":"0d5f7b18bl",
    "call_sid":"a94c0e19co","account_sid":"example1","from":"09876501234","to":"08033334444",
    "media_format":{"encoding":"base64","sample_rate":"8000","bit_rate":"128kbps"}}}"#;

fn start_with(codec: &mut dyn MediaCodec, message: &str) -> StreamStart {
    match decode(codec, message).unwrap().pop() {
        Some(CodecEvent::Start(start)) => *start,
        other => panic!("{other:?}"),
    }
}

fn start(message: &str) -> StreamStart {
    start_with(&mut *codec(), message)
}

fn started() -> Box<dyn MediaCodec> {
    let mut codec = codec();
    start_with(&mut *codec, SEEN);
    codec
}

#[test]
fn a_stream_starts_as_it_was_seen() {
    let start = start(SEEN);
    assert_eq!(start.stream_id.unwrap().as_str(), "0d5f7b18bl");
    assert_eq!(start.call_id.unwrap().as_str(), "a94c0e19co");
    assert_eq!(start.from, Some(Party::Number("+919876501234".into())));
    assert_eq!(start.to, Some(Party::Number("+918033334444".into())));
    assert_eq!(
        (start.inbound, start.outbound),
        (AudioFormat::PCM16_8000, AudioFormat::PCM16_8000)
    );
    let rules = (
        start.frames.unit_bytes(),
        start.frames.preferred_bytes(),
        start.frames.max_bytes(),
    );
    assert_eq!(rules, (320, 3_200, 100_000));
    assert!(start.parameters.is_empty() && start.echoes_marks && start.clears);
    assert_eq!(start.max_lead, Some(Duration::from_millis(400)));
}

#[test]
fn a_stream_starts_as_it_is_documented() {
    let start = start(
        r#"{"event":"start","sequence_number":1,"stream_sid":"MZ1","start":{"stream_sid":"MZ1","call_sid":"CA1","account_sid":"AC1",
        "from":"+919876501234","to":"+918033334444","custom_parameters":{"call_key":"k","n":7,"x":null,"o":{"a":1}},
        "media_format":{"encoding":"audio/x-raw","sample_rate":16000,"bit_rate":16}}}"#,
    );
    assert_eq!(start.inbound, AudioFormat::PCM16_16000);
    let parameters: Vec<_> = start
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        parameters,
        [
            ("call_key", "k"),
            ("n", "7"),
            ("o", r#"{"a":1}"#),
            ("x", "")
        ]
    );
}

#[test]
fn camel_case_is_understood() {
    let start = start(
        r#"{"event":"start","streamSid":"s1","start":{"streamSid":"s2","callSid":"c1","customParameters":{"a":"b"},
        "mediaFormat":{"sampleRate":"24kHz"}}}"#,
    );
    assert_eq!(start.stream_id.unwrap().as_str(), "s1");
    assert_eq!(start.call_id.unwrap().as_str(), "c1");
    assert_eq!(start.inbound, AudioFormat::PCM16_24000);
    assert_eq!(start.parameters["a"], "b");
}

#[test]
fn both_spellings_at_once_are_no_contradiction() {
    let start = start(
        r#"{"event":"start","stream_sid":"s1","streamSid":"s1","sequence_number":1,"sequenceNumber":1,"start":{}}"#,
    );
    assert_eq!(start.stream_id.unwrap().as_str(), "s1");
}

#[test]
fn what_is_missing_at_the_start_is_done_without() {
    for message in [
        r#"{"event":"start"}"#,
        r#"{"event":"start","start":null,"stream_sid":null}"#,
        r#"{"event":"start","start":"now","stream_sid":{"a":[1]}}"#,
        r#"{"event":"start","start":{"stream_sid":"","call_sid":"","from":"","to":null,"custom_parameters":"","media_format":""}}"#,
        r#"{"event":"start","start":{"custom_parameters":[],"media_format":{"sample_rate":"<>"}},"stream_sid":true}"#,
    ] {
        let start = start(message);
        assert!(
            start.stream_id.is_none() && start.call_id.is_none() && start.from.is_none(),
            "{message}"
        );
        assert!(start.parameters.is_empty());
        assert_eq!(start.inbound, AudioFormat::PCM16_8000);
    }
    let start = start(
        r#"{"event":"start","start":{"stream_sid":7,"custom_parameters":{"{&quot;a&quot;:1}":""}}}"#,
    );
    assert_eq!(start.stream_id.unwrap().as_str(), "7");
    assert_eq!(start.parameters["{&quot;a&quot;:1}"], "");
}

#[test]
fn the_rate_is_the_starts_then_the_urls_then_the_accounts() {
    let rate = |message: &str| {
        let mut codec = codec_with(config().with_media_rate(SampleRate::HZ_24000));
        start_with(&mut *codec, message).inbound.rate.hz()
    };
    assert_eq!(rate(SEEN), 8_000);
    assert_eq!(
        rate(r#"{"event":"start","start":{"custom_parameters":{"sample-rate":"16000"}}}"#),
        16_000
    );
    assert_eq!(
        rate(
            r#"{"event":"start","start":{"custom_parameters":{"sample_rate":"16000"},"media_format":{"sample_rate":0}}}"#
        ),
        16_000
    );
    assert_eq!(rate(r#"{"event":"start","start":{}}"#), 24_000);
}

#[test]
fn the_chunk_is_as_configured() {
    let mut small = codec_with(config().with_chunk_bytes(320));
    let start = start_with(&mut *small, SEEN);
    assert_eq!(start.frames.preferred_bytes(), 320);
    assert_eq!(
        start.max_lead,
        Some(Duration::from_millis(200)),
        "20 ms of lead would stutter"
    );
}

#[test]
fn a_stream_starts_once() {
    let mut codec = started();
    let again = decode(&mut *codec, &SEEN.replace("0d5f7b18bl", "another")).unwrap();
    assert!(matches!(&again[..], [CodecEvent::Unknown { name, .. }] if name == "start"));
    assert!(encode(&mut *codec, MediaCommand::Clear).contains("0d5f7b18bl"));
}

fn audio(events: Vec<CodecEvent>) -> (Vec<u8>, Option<Duration>) {
    match &events[..] {
        [CodecEvent::Audio { payload, timestamp }] => (payload.to_vec(), *timestamp),
        other => panic!("{other:?}"),
    }
}

#[test]
fn audio_comes_with_numbers_as_texts_or_numbers() {
    for (message, ms) in [
        (
            r#"{"event":"media","sequence_number":"3","stream_sid":"s","media":{"chunk":"2","timestamp":"200","payload":"AQACAP//"}}"#,
            Some(200),
        ),
        (
            r#"{"event":"media","sequence_number":3,"stream_sid":"s","media":{"chunk":2,"timestamp":10,"payload":"AQACAP//"}}"#,
            Some(10),
        ),
        (r#"{"event":"media","media":{"payload":"AQACAP//"}}"#, None),
        (
            r#"{"event":"media","media":{"payload":"AQACAP\/\/","timestamp":""}}"#,
            None,
        ),
        (
            r#"{"event":"media","media":{"payload":"AQACAP//","timestamp":-5}}"#,
            None,
        ),
        (
            r#"{"event":"media","media":{"payload":"AQACAP//","timestamp":1e300}}"#,
            None,
        ),
        (
            r#"{"event":"media","media":{"payload":"AQACAP//","timestamp":"NaN"}}"#,
            None,
        ),
        (
            r#"{"event":"media","media":{"payload":"AQACAP//","timestamp":18446744073709551615}}"#,
            None,
        ),
        (
            r#"{"event":"media","media":{"payload":"AQACAP//","timestamp":20.0}}"#,
            Some(20),
        ),
    ] {
        let found = audio(decode(&mut *started(), message).unwrap());
        assert_eq!(
            found,
            (vec![1, 0, 2, 0, 255, 255], ms.map(Duration::from_millis)),
            "{message}"
        );
    }
}

#[test]
fn padding_may_be_missing() {
    for payload in ["AQIDBA==", "AQIDBA"] {
        let message = format!(r#"{{"event":"media","media":{{"payload":"{payload}"}}}}"#);
        assert_eq!(
            audio(decode(&mut *started(), &message).unwrap()).0,
            [1, 2, 3, 4]
        );
    }
}

#[test]
fn an_odd_byte_waits_for_its_other_half() {
    let mut codec = started();
    let mut feed = |payload: &str| {
        let message = format!(r#"{{"event":"media","media":{{"payload":"{payload}"}}}}"#);
        audio(decode(&mut *codec, &message).unwrap()).0
    };
    assert_eq!(feed("AQID"), [1, 2]);
    assert_eq!(feed("BA=="), [3, 4]);
    assert_eq!(feed("BQYHCAk="), [5, 6, 7, 8]);
    assert_eq!(feed("CgsM"), [9, 10, 11, 12]);
}

#[test]
fn media_without_audio_is_nothing() {
    for message in [
        r#"{"event":"media"}"#,
        r#"{"event":"media","media":null}"#,
        r#"{"event":"media","media":{}}"#,
        r#"{"event":"media","media":{"payload":""}}"#,
        r#"{"event":"media","media":{"payload":null}}"#,
        r#"{"event":"connected"}"#,
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#,
        r#"{"event":"clear","stream_sid":"s"}"#,
    ] {
        assert!(
            decode(&mut *started(), message).unwrap().is_empty(),
            "{message}"
        );
    }
}

#[test]
fn keys_come_in_every_documented_shape() {
    for (message, digit, ms) in [
        (
            r#"{"event":"dtmf","sequence_number":"7","stream_sid":"s","dtmf":{"digit":"5","duration":"100"}}"#,
            '5',
            Some(100),
        ),
        (
            r#"{"event":"dtmf","sequence_number":1,"stream_sid":"s","dtmf":{"duration":200,"digit":5}}"#,
            '5',
            Some(200),
        ),
        (r##"{"event":"dtmf","dtmf":{"digit":"#"}}"##, '#', None),
        (r#"{"event":"dtmf","digit":"*"}"#, '*', None),
        (r#"{"event":"dtmf","dtmf":"0"}"#, '0', None),
        (
            r#"{"event":"dtmf","dtmf":{"digit":"a","duration":"soon"}}"#,
            'A',
            None,
        ),
        (
            r#"{"event":"dtmf","dtmf":{"digit":"1","duration":99999999}}"#,
            '1',
            None,
        ),
    ] {
        let events = decode(&mut *started(), message).unwrap();
        let [
            CodecEvent::Dtmf {
                digit: found,
                duration,
            },
        ] = events[..]
        else {
            panic!("{message}: {events:?}")
        };
        assert_eq!(
            (found, duration),
            (digit, ms.map(Duration::from_millis)),
            "{message}"
        );
    }
    assert_eq!(
        decode(&mut *started(), r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#)
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn marks_and_the_end_are_told() {
    let mark = decode(
        &mut *started(),
        r#"{"event":"mark","sequence_number":"15","stream_sid":"s","mark":{"name":"g0-1"}}"#,
    )
    .unwrap();
    assert!(matches!(&mark[..], [CodecEvent::Mark { name }] if name == "g0-1"));
    for (message, reason) in [
        (
            r#"{"event":"stop","sequence_number":10,"stream_sid":"s","stop":{"call_sid":"c","account_sid":"a","reason":"stopped"}}"#,
            Some("stopped"),
        ),
        (
            r#"{"event":"stop","stop":{"reason":"callended"}}"#,
            Some("callended"),
        ),
        (r#"{"event":"stop","stop":{"reason":""}}"#, None),
        (r#"{"event":"stop","stop":null}"#, None),
        (r#"{"event":"stop"}"#, None),
    ] {
        let events = decode(&mut *started(), message).unwrap();
        let [CodecEvent::Stop { reason: found }] = &events[..] else {
            panic!("{message}: {events:?}")
        };
        assert_eq!(found.as_deref(), reason);
    }
}

#[test]
fn what_cannot_be_read_is_malformed_and_the_stream_goes_on() {
    let mut codec = started();
    for message in [
        "",
        "hello",
        "[]",
        "7",
        "\"media\"",
        r#"["media"]"#,
        r#"{"event":"media""#,
        r#"{"event":"media","media":{"payload":"**"}}"#,
        r#"{"event":"media","media":{"payload":"A"}}"#,
        r#"{"event":"media","media":{"payload":"AQ=ID"}}"#,
        r#"{"event":"media","media":{"payload":"===="}}"#,
        r#"{"event":"media","media":{"payload":"AQ ID"}}"#,
        r#"{"event":"media","media":"AQID"}"#,
        r#"{"event":"dtmf"}"#,
        r#"{"event":"dtmf","dtmf":{"digit":""}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":"x"}}"#,
        r#"{"event":"mark"}"#,
        r#"{"event":"mark","mark":{"name":""}}"#,
    ] {
        let error = decode(&mut *codec, message).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{message}");
    }
    let mut decoded = Decoded::default();
    let broken = WireMessage::Text(Bytes::from_static(b"{\"event\":\"\xff\"}"));
    assert_eq!(
        codec.decode(broken, &mut decoded).unwrap_err().kind(),
        ErrorKind::Malformed
    );
    assert_eq!(
        decode(
            &mut *codec,
            r#"{"event":"media","media":{"payload":"AQI="}}"#
        )
        .unwrap()
        .len(),
        1
    );
}

#[test]
fn what_is_not_known_is_kept() {
    for (message, wanted) in [
        (r#"{"event":"silence","silence":{"ms":900}}"#, "silence"),
        (r#"{"event":7}"#, "7"),
        (r#"{"foo":1}"#, ""),
        (r#"{"event":null}"#, ""),
        (r#"{"event":"Media"}"#, "Media"),
    ] {
        let events = decode(&mut *started(), message).unwrap();
        let [CodecEvent::Unknown { name, raw }] = &events[..] else {
            panic!("{message}: {events:?}")
        };
        assert_eq!((name.as_str(), raw), (wanted, &WireMessage::text(message)));
    }
    let long = format!(r#"{{"event":"{}"}}"#, "é".repeat(1_000));
    assert!(
        matches!(&decode(&mut *started(), &long).unwrap()[..], [CodecEvent::Unknown { name, .. }] if name.chars().count() == 64)
    );
    let mut decoded = Decoded::default();
    codec()
        .decode(WireMessage::Binary(Bytes::from_static(b"{}")), &mut decoded)
        .unwrap();
    assert!(matches!(&decoded.events[0], CodecEvent::Unknown { name, .. } if name == "binary"));
}

#[test]
fn audio_goes_out_with_counters_as_texts() {
    let mut codec = started();
    let chunk = Bytes::from(vec![0_u8; 320]);
    let zeros = "A".repeat(426) + "A=";
    for (count, ms) in [(1, 0), (2, 20), (3, 40)] {
        assert_eq!(
            encode(&mut *codec, MediaCommand::Audio(&chunk)),
            format!(
                r#"{{"event":"media","stream_sid":"0d5f7b18bl","sequence_number":"{count}","media":{{"chunk":"{count}","timestamp":"{ms}","payload":"{zeros}"}}}}"#
            )
        );
    }
}

#[test]
fn the_minimal_form_has_the_audio_only() {
    let mut codec = codec_with(config().with_media_fields(MediaFields::Minimal));
    start_with(&mut *codec, SEEN);
    assert_eq!(
        encode(
            &mut *codec,
            MediaCommand::Audio(&Bytes::from_static(&[1, 2, 3]))
        ),
        r#"{"event":"media","stream_sid":"0d5f7b18bl","media":{"payload":"AQID"}}"#
    );
}

#[test]
fn marks_and_clears_go_out_as_documented() {
    let mut codec = started();
    assert_eq!(
        encode(&mut *codec, MediaCommand::Mark("g0-1")),
        r#"{"event":"mark","stream_sid":"0d5f7b18bl","mark":{"name":"g0-1"}}"#
    );
    assert_eq!(
        encode(&mut *codec, MediaCommand::Clear),
        r#"{"event":"clear","stream_sid":"0d5f7b18bl"}"#
    );
    let mut out = Vec::new();
    codec.finish(&mut out);
    assert!(out.is_empty(), "Exotel has no goodbye");
}

#[test]
fn ids_and_names_are_escaped() {
    let mut codec = codec();
    start_with(&mut *codec, r#"{"event":"start","stream_sid":"a\"b\\c"}"#);
    assert_eq!(
        encode(&mut *codec, MediaCommand::Clear),
        r#"{"event":"clear","stream_sid":"a\"b\\c"}"#
    );
    assert!(
        encode(&mut *codec, MediaCommand::Mark("\"\n")).ends_with(r#""mark":{"name":"\"\n"}}"#)
    );
    assert!(
        encode(
            &mut *codec,
            MediaCommand::Audio(&Bytes::from_static(&[0, 0]))
        )
        .contains(r#""stream_sid":"a\"b\\c","#)
    );
}
