//! No bytes make a parser panic, and what we write is what Exotel documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use common::{
    MULTIPART, codec, decode, encode, exotel, exotel_with, get, kinds, links, multipart, post,
};
use http::{HeaderValue, Method, header};
use proptest::prelude::*;
use telephony_core::media::{CodecEvent, Decoded, MediaCommand, WireMessage};
use telephony_core::{Answer, Dial, Party, Stream, Telephony, WebhookKind, WebhookRequest, verify};

const KINDS: [WebhookKind; 5] = [
    WebhookKind::IncomingCall,
    WebhookKind::NextStep,
    WebhookKind::Status,
    WebhookKind::Event,
    WebhookKind::MediaUpgrade,
];

/// Everything that reads a request, one after the other.
fn read(request: WebhookRequest) {
    let exotel = exotel();
    let guarded = exotel_with(common::config().with_socket_credentials("bot", "pass-word"));
    let _ = guarded.authenticate(&request);
    let Ok(request) = verify(&exotel, request) else {
        return;
    };
    if let Ok(call) = exotel.accept_call(&request) {
        let _ = exotel.incoming_call(&call, &Answer::stream(), &links());
    }
    let _ = exotel.status_callback(&request);
    let _ = exotel.catch_all_status_callback(&request);
    let _ = exotel.reply(&request, None, &links());
    let _ = exotel.reply(&request, Some(&Answer::hang_up()), &links());
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "(CallSid|CallFrom|CallTo|From|To|Status|CallStatus|EventType|Direction|digits|DialCallStatus|DialWhomNumber|applet|key)",
        "(Stream|Legs|stream|legs)(\\[[0-9a-zA-Z\\[\\]é]{0,12}\\])?",
        ".{0,12}",
    ]
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        "(completed|busy|terminal|answered|Dial|connect|gather|passthru|\"1\"|NA|null|1e999|-1)",
        "[\\[{\"a-zA-Z:,0-9\\]}\\\\]{0,24}",
        ".{0,24}",
    ]
}

proptest! {
    #[test]
    fn no_request_makes_a_reader_panic(
        kind in 0..KINDS.len(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
        query in ".{0,60}",
        content_type in prop_oneof![Just(MULTIPART.to_owned()), Just("application/json".to_owned()), "[ -~]{0,40}"],
        authorization in "[ -~]{0,40}",
    ) {
        let mut request = get(KINDS[kind], &query);
        request.method = Method::POST;
        request.body = body.into();
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&content_type).unwrap());
        request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&authorization).unwrap());
        read(request.clone());
        request.public_url = query;
        read(request);
    }

    #[test]
    fn no_fields_make_a_reader_panic(
        kind in 0..KINDS.len(),
        fields in proptest::collection::vec((names(), values()), 0..12),
    ) {
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let json: serde_json::Map<_, _> = fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        read(post(KINDS[kind], MULTIPART, multipart(&pairs)));
        read(post(KINDS[kind], "application/json", serde_json::Value::from(json).to_string()));
        let query: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        read(get(KINDS[kind], &query.join("&")));
    }

    #[test]
    fn the_body_may_have_any_form(fields in proptest::collection::btree_map("[A-Za-z]{1,12}", "[a-zA-Z0-9 ]{0,12}", 0..8)) {
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let form: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        let json = serde_json::to_string(&fields).unwrap();
        let wanted = kinds(get(WebhookKind::Event, &form.join("&")));
        prop_assert_eq!(&kinds(post(WebhookKind::Event, MULTIPART, multipart(&pairs))), &wanted);
        prop_assert_eq!(&kinds(post(WebhookKind::Event, "application/x-www-form-urlencoded", form.join("&"))), &wanted);
        prop_assert_eq!(&kinds(post(WebhookKind::Event, "application/json", json)), &wanted);
    }

    #[test]
    fn no_message_makes_the_codec_panic(messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..4), text in "\\{.{0,80}\\}") {
        let mut codec = codec();
        let mut decoded = Decoded::default();
        for message in messages {
            let _ = codec.decode(WireMessage::Text(message.clone().into()), &mut decoded);
            let _ = codec.decode(WireMessage::Binary(message.into()), &mut decoded);
        }
        let _ = codec.decode(WireMessage::text(text), &mut decoded);
    }

    #[test]
    fn no_field_of_a_message_makes_the_codec_panic(
        event in "(start|media|dtmf|mark|stop|clear|connected)",
        fields in proptest::collection::btree_map(
            "(stream_sid|streamSid|call_sid|from|to|payload|timestamp|chunk|digit|duration|name|reason|sample_rate|custom_parameters)",
            prop_oneof![
                Just(serde_json::Value::Null),
                any::<bool>().prop_map(Into::into),
                any::<i64>().prop_map(Into::into),
                any::<f64>().prop_map(Into::into),
                ".{0,16}".prop_map(Into::into),
                proptest::collection::vec("[a-z]", 0..3).prop_map(Into::into),
            ],
            0..8,
        ),
    ) {
        let inner = serde_json::to_value(&fields).unwrap();
        let mut message = inner.clone();
        message["event"] = event.clone().into();
        message["media_format"] = inner.clone();
        message[&event] = message.clone();
        let mut codec = codec();
        let mut decoded = Decoded::default();
        let _ = codec.decode(WireMessage::text(message.to_string()), &mut decoded);
        let _ = encode(&mut *codec, MediaCommand::Audio(&Bytes::from_static(&[0; 320])));
    }

    #[test]
    fn audio_comes_through_unharmed(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..700), 1..8), sid in "[ -~]{1,40}") {
        let mut codec = codec();
        let start = serde_json::json!({"event": "start", "stream_sid": sid});
        decode(&mut *codec, &start.to_string()).unwrap();
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for (index, chunk) in chunks.iter().enumerate() {
            // What we send has every documented field as text …
            let message = encode(&mut *codec, MediaCommand::Audio(&Bytes::from(chunk.clone())));
            let value: serde_json::Value = serde_json::from_str(&message).unwrap();
            prop_assert_eq!(value.as_object().unwrap().len(), 4);
            prop_assert_eq!(value["event"].as_str(), Some("media"));
            prop_assert_eq!(value["stream_sid"].as_str(), Some(sid.trim()));
            let count = (index + 1).to_string();
            prop_assert_eq!(value["sequence_number"].as_str(), Some(count.as_str()));
            prop_assert_eq!(value["media"]["chunk"].as_str(), Some(count.as_str()));
            let ms = (said.len() / 16).to_string();
            prop_assert_eq!(value["media"]["timestamp"].as_str(), Some(ms.as_str()));
            let payload = STANDARD.decode(value["media"]["payload"].as_str().unwrap()).unwrap();
            prop_assert_eq!(&payload, chunk);
            said.extend_from_slice(chunk);
            // … and is of the shape that comes in.
            for event in decode(&mut *codec, &message).unwrap() {
                let CodecEvent::Audio { payload, .. } = event else { panic!("{event:?}") };
                heard.extend_from_slice(&payload);
            }
        }
        said.truncate(said.len() / 2 * 2);
        prop_assert_eq!(heard, said);
    }

    #[test]
    fn a_stream_url_keeps_exotels_limits_or_is_refused(parameters in proptest::collection::btree_map("[a-zA-Z_-]{1,20}", "[ -~]{0,90}", 0..5)) {
        let stream = parameters.iter().fold(Stream::new(), |stream, (name, value)| stream.with_parameter(name, value));
        let request = verify(&exotel(), get(WebhookKind::IncomingCall, "CallFrom=1")).unwrap();
        let call = exotel().accept_call(&request).unwrap();
        if let Ok(answered) = exotel().incoming_call(&call, &stream.into(), &links()) {
            let body: serde_json::Value = serde_json::from_slice(answered.response.body()).unwrap();
            let (_, query) = body["url"].as_str().unwrap().split_once('?').unwrap();
            prop_assert!(query.len() <= 256 && query.split('&').count() <= 3, "{}", query);
            prop_assert!(query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=&".contains(&byte)));
            for (name, value) in &parameters {
                let wanted = format!("{name}={value}");
                prop_assert!(query.split('&').any(|pair| pair == wanted));
            }
        }
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_dial(number in ".{0,20}") {
        let answer = Answer::dial(Dial::new(Party::LocalNumber(number.clone())));
        let request = verify(&exotel(), get(WebhookKind::NextStep, "applet=connect")).unwrap();
        if let Ok(answered) = exotel().reply(&request, Some(&answer), &links()) {
            let body: serde_json::Value = serde_json::from_slice(answered.response.body()).unwrap();
            prop_assert_eq!(body["destination"]["numbers"][0].as_str(), Some(number.as_str()));
            prop_assert!(number.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}
