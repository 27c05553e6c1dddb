//! Whatever comes in, nothing panics; what goes out is what came in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use http::{HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value, json};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamTicket, WireMessage,
};
use telephony_core::{
    Answer, Document, Gather, Party, Say, Stream, Telephony, WebhookKind, verify,
};
use telephony_vonage::GetPayloadHash;

fn kinds() -> impl Strategy<Value = WebhookKind> {
    prop::sample::select(vec![
        WebhookKind::IncomingCall,
        WebhookKind::NextStep,
        WebhookKind::Status,
        WebhookKind::Event,
    ])
}

/// Bodies that are nearly right: known members with values of any kind.
fn bodies() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "uuid",
        "call_uuid",
        "status",
        "dtmf",
        "speech",
        "payload",
        "reason",
        "original_request",
        "type",
        "recording_url",
        "size",
        "start_time",
        "end_time",
        "duration",
        "sip_code",
        "to",
        "from",
        "headers",
        "detail",
        "conversation_uuid_from",
        "timestamp",
        "sub_state",
        "from_user",
        "endpoint_type",
        "direction",
        "timed_out",
    ]);
    let words = prop::sample::select(vec![
        "completed",
        "disconnected",
        "machine",
        "failed",
        "wss://e.com/m/t",
        "2026-02-03T04:05:06Z",
        "9999-12-31T23:59:60Z",
        "{",
        "[{\"text\":\"x\"}]",
        "-1",
        "1e999",
        "transfer",
        "",
    ]);
    let leaf = prop_oneof![
        words.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(
                "digits|timed_out|results|text|confidence|error|call_key|[a-z]",
                inner,
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::hash_map(names, value, 0..8).prop_map(|map| {
        map.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

fn codec() -> Box<dyn MediaCodec> {
    vonage().media_codec(&ticket()).unwrap()
}

fn decode(codec: &mut dyn MediaCodec, message: WireMessage) -> Vec<CodecEvent> {
    let mut decoded = Decoded::default();
    let _ = codec.decode(message, &mut decoded);
    decoded.events.into()
}

fn read_all(body: &[u8], kind: WebhookKind) {
    let vonage = vonage();
    let request = verify(&vonage, post(kind, body)).unwrap();
    let _ = vonage.accept_call(&request);
    let _ = vonage.status_callback(&request);
    let events = vonage.catch_all_status_callback(&request);
    let reply = vonage.reply(&request, None, &links());
    assert_eq!(
        events.is_ok(),
        reply.is_ok(),
        "what can be read gets an acknowledgement"
    );
    if let Ok((_, events)) = events {
        assert!(!events.is_empty());
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), kind in kinds()) {
        read_all(&body, kind);
    }

    #[test]
    fn every_object_is_an_event(body in bodies(), kind in kinds()) {
        read_all(body.to_string().as_bytes(), kind);
        let vonage = vonage();
        let request = verified(&vonage, kind, &body);
        prop_assert!(vonage.catch_all_status_callback(&request).is_ok());
    }

    #[test]
    fn no_query_panics(query in "\\PC{0,80}", check in any::<bool>(), kind in kinds()) {
        let hash = if check { GetPayloadHash::Check } else { GetPayloadHash::Off };
        let vonage = open(config().with_get(hash));
        let token = token(&head(), &claims(b"{}"), SECRET);
        if let Ok(request) = verify(&vonage, get_with(kind, &query, &token)) {
            let _ = vonage.accept_call(&request);
            prop_assert!(vonage.catch_all_status_callback(&request).is_ok());
        }
    }

    #[test]
    fn no_header_panics_and_none_is_believed(value in prop::collection::vec(any::<u8>(), 0..200), upgrade in any::<bool>()) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut request = post_with(WebhookKind::Event, "{}", "");
        if upgrade {
            request.kind = WebhookKind::MediaUpgrade;
            request.method = Method::GET;
        }
        request.headers.insert("authorization", value);
        prop_assert!(vonage().authenticate(&request).is_err());
    }

    #[test]
    fn no_token_panics_and_none_is_believed(token in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,50}") {
        let request = post_with(WebhookKind::Event, "{}", &token);
        prop_assert!(vonage().authenticate(&request).is_err());
    }

    #[test]
    fn signed_claims_of_any_kind_do_not_panic(claims in bodies(), iat in any::<u64>(), exp in any::<f64>()) {
        let mut claims = claims;
        claims["iat"] = json!(iat);
        claims["exp"] = json!(exp);
        claims["jti"] = json!("1");
        claims["iss"] = json!("Vonage");
        claims["api_key"] = json!(API_KEY);
        let token = token(&head(), &claims, SECRET);
        let _ = vonage().authenticate(&post_with(WebhookKind::Event, "{}", &token));
        let mut upgrade = post_with(WebhookKind::MediaUpgrade, "", &token);
        upgrade.method = Method::GET;
        let _ = vonage().authenticate(&upgrade);
    }

    #[test]
    fn one_changed_byte_is_not_believed(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let body = r#"{"uuid":"u-1","status":"ringing"}"#;
        let mut changed = body.as_bytes().to_vec();
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        let mut request = post(WebhookKind::Event, body);
        request.body = changed.into();
        prop_assert!(vonage().authenticate(&request).is_err());
    }

    #[test]
    fn no_media_message_panics(
        messages in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..100)), 0..8),
        object in bodies(),
    ) {
        let mut codec = codec();
        for (binary, bytes) in messages {
            decode(&mut *codec, if binary { WireMessage::Binary(bytes.into()) } else { WireMessage::Text(bytes.into()) });
        }
        for event in ["websocket:connected", "websocket:dtmf", "websocket:notify", "websocket:disconnected"] {
            let mut object = object.clone();
            object["event"] = json!(event);
            decode(&mut *codec, WireMessage::text(object.to_string()));
        }
    }

    #[test]
    fn a_mark_comes_back_as_it_went(name in any::<String>()) {
        let mut codec = codec();
        decode(&mut *codec, WireMessage::text(r#"{"event":"websocket:connected"}"#));
        let mut out = Vec::new();
        codec.encode(MediaCommand::Mark(&name), &mut out).unwrap();
        let WireMessage::Text(sent) = &out[0] else { panic!("{out:?}") };
        let sent: Value = serde_json::from_slice(sent).unwrap();
        prop_assert_eq!(&sent["action"], "notify");
        let echo = json!({"payload": sent["payload"], "event": "websocket:notify"});
        let events = decode(&mut *codec, WireMessage::text(echo.to_string()));
        let [CodecEvent::Mark { name: back }] = &events[..] else { panic!("{events:?}") };
        prop_assert_eq!(back, &name);
    }

    #[test]
    fn headers_come_back_as_they_went(parameters in prop::collection::btree_map("[a-z]{1,8}", "\\PC{0,12}", 0..4)) {
        let vonage = vonage();
        let request = verified(&vonage, WebhookKind::IncomingCall, &json!({"uuid": "u-1"}));
        let call = vonage.accept_call(&request).unwrap();
        let mut stream = Stream::new();
        stream.parameters = parameters.clone();
        let Ok(answered) = vonage.incoming_call(&call, &stream.into(), &links()) else {
            prop_assert!(parameters.contains_key("event"));
            return Ok(());
        };
        let ncco: Value = serde_json::from_slice(answered.response.body()).unwrap();
        let endpoint = &ncco[0]["endpoint"][0];
        let mut connected = endpoint["headers"].clone();
        connected["event"] = json!("websocket:connected");
        connected["content-type"] = endpoint["content-type"].clone();
        let events = decode(&mut *codec(), WireMessage::text(connected.to_string()));
        let [CodecEvent::Start(start)] = &events[..] else { panic!("{events:?}") };
        let mut expected = parameters;
        expected.insert(StreamTicket::KEY_PARAMETER.to_owned(), KEY.to_owned());
        prop_assert_eq!(&start.parameters, &expected);
    }

    #[test]
    fn every_answer_is_json_or_an_error(text in any::<String>(), hint in any::<String>(), document in any::<String>()) {
        let vonage = vonage();
        let request = verified(&vonage, WebhookKind::IncomingCall, &json!({"uuid": "u-1"}));
        let call = vonage.accept_call(&request).unwrap();
        for answer in [
            Answer::say(Say::new(&text).with_language(&hint).with_voice(&hint)),
            Answer::say(text.as_str()),
            Answer::play(text.as_str()),
            Answer::gather(Gather::speech().with_prompt(text.as_str()).with_hint(hint.as_str())),
            Answer::dial(Party::Client(text.clone())),
            Answer::document(Document::new("vonage", document)),
        ] {
            if let Ok(answered) = vonage.incoming_call(&call, &answer, &links()) {
                let written: Result<Vec<Value>, _> = serde_json::from_slice(answered.response.body());
                prop_assert!(written.is_ok());
            }
        }
    }
}
