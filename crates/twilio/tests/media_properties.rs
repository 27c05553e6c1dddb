//! No message makes the codec panic, and what it writes is what Twilio reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use telephony_core::media::{CodecEvent, Decoded, MediaCodec, MediaCommand, WireMessage};

fn started(stream_sid: &str) -> Box<dyn MediaCodec> {
    let mut codec = common::codec();
    let start = json!({"event": "start", "start": {"streamSid": stream_sid}});
    codec
        .decode(
            WireMessage::text(start.to_string()),
            &mut Decoded::default(),
        )
        .unwrap();
    codec
}

fn sent(codec: &mut dyn MediaCodec, command: MediaCommand<'_>) -> Value {
    let mut out = Vec::new();
    codec.encode(command, &mut out).unwrap();
    match &out[..] {
        [WireMessage::Text(text)] => serde_json::from_slice(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// JSON of the right shape with anything in it.
fn message() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[A-Za-z0-9+/=]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
    ];
    let names = [
        "event",
        "streamSid",
        "track",
        "payload",
        "timestamp",
        "name",
        "digit",
        "callSid",
        "customParameters",
        "mediaFormat",
    ];
    let object = prop::collection::btree_map(prop::sample::select(names.to_vec()), leaf, 0..5);
    let events = [
        "connected",
        "start",
        "media",
        "dtmf",
        "mark",
        "stop",
        "else",
    ];
    (
        prop::sample::select(events.to_vec()),
        object.clone(),
        object,
    )
        .prop_map(|(event, outer, inner)| {
            let mut message = serde_json::Map::new();
            for (name, value) in outer {
                message.insert(name.to_owned(), value);
            }
            let inner = inner
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value));
            message.insert(event.to_owned(), Value::Object(inner.collect()));
            message.insert("event".to_owned(), event.into());
            Value::Object(message).to_string()
        })
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in any::<Vec<u8>>()) {
        let mut codec = common::codec();
        let mut decoded = Decoded::default();
        let _ = codec.decode(WireMessage::Text(Bytes::from(bytes.clone())), &mut decoded);
        prop_assert!(codec.decode(WireMessage::Binary(Bytes::from(bytes)), &mut decoded).is_err());
    }

    #[test]
    fn any_message_is_decoded_or_refused(messages in prop::collection::vec(message(), 1..5)) {
        let mut codec = common::codec();
        for message in messages {
            let mut decoded = Decoded::default();
            if codec.decode(WireMessage::text(message), &mut decoded).is_err() {
                prop_assert!(decoded.events.is_empty());
            }
            prop_assert!(decoded.events.len() <= 1);
        }
    }

    #[test]
    fn audio_goes_out_whole(audio in prop::collection::vec(any::<u8>(), 1..700), sid in "[ -~]{1,40}") {
        let mut codec = started(&sid);
        let message = sent(&mut *codec, MediaCommand::Audio(&Bytes::from(audio.clone())));
        prop_assert_eq!(&message, &json!({
            "event": "media", "streamSid": sid, "media": {"payload": STANDARD.encode(&audio)},
        }));
        // The same message the other way.
        let mut decoded = Decoded::default();
        codec.decode(WireMessage::text(message.to_string()), &mut decoded).unwrap();
        let is_it = matches!(decoded.events.pop_front(), Some(CodecEvent::Audio { payload, .. }) if payload == audio);
        prop_assert!(is_it);
    }

    #[test]
    fn marks_come_back_as_they_went(name in any::<String>()) {
        let mut codec = started("MZ1");
        let message = sent(&mut *codec, MediaCommand::Mark(&name));
        prop_assert_eq!(&message, &json!({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}));
        let mut decoded = Decoded::default();
        codec.decode(WireMessage::text(message.to_string()), &mut decoded).unwrap();
        let is_it = matches!(decoded.events.pop_front(), Some(CodecEvent::Mark { name: back }) if back == name);
        prop_assert!(is_it);
    }
}
