//! The carrier of `examples/new_carrier.rs`, by its trait: who is let in, what is read, what is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../examples/new_carrier.rs"]
#[allow(dead_code)]
mod new_carrier;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telephony::media::{
    CodecEvent, Decoded, EndSignal, MediaCodec, MediaCommand, StreamTicket, WireMessage,
};
use telephony::*;

const SECRET: &str = "acme-test-secret";
/// Seconds since 1970.
const NOW: u64 = 1_700_000_000;

fn open(settings: Settings) -> Result<Arc<dyn Telephony>> {
    let mut registry = registry().unwrap();
    new_carrier::register(&mut registry).unwrap();
    registry.open("ACME", None, settings, &Ports::default())
}

fn acme() -> Arc<dyn Telephony> {
    open(Settings::new().with("secret", SECRET)).unwrap()
}

/// Written anew here, so that the carrier does not agree with itself only.
fn sign(time: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn request(time: &str, signature: &str, body: &str) -> WebhookRequest {
    let mut headers = http::HeaderMap::new();
    headers.insert("acme-timestamp", time.parse().unwrap());
    headers.insert("acme-signature", signature.parse().unwrap());
    WebhookRequest {
        method: http::Method::POST,
        public_url: "https://voice.example.com/acme/call".to_owned(),
        headers,
        body: Bytes::from(body.to_owned()),
        received_at: at(NOW),
        kind: WebhookKind::IncomingCall,
    }
}

fn verified(carrier: &dyn Telephony, body: &Value) -> Verified {
    let (time, body) = (NOW.to_string(), body.to_string());
    verify(carrier, request(&time, &sign(&time, &body), &body)).unwrap()
}

fn links() -> CallLinks {
    let base = PublicUrl::new("https://voice.example.com").unwrap();
    let key = CallKey::parse("0123456789abcdefghij_-").unwrap();
    CallLinks::new(base, AccountLabel::new("acme").unwrap(), key)
        .with_media(MediaToken::parse("tokentokentokentoken00").unwrap())
}

fn codec(carrier: &dyn Telephony) -> Box<dyn MediaCodec> {
    let label = AccountLabel::new("acme").unwrap();
    let parties = (Party::Withheld, Party::Withheld);
    let key = CallKey::parse("0123456789abcdefghij_-").unwrap();
    let new = NewCall::new(
        key,
        ProviderName::new("acme"),
        label,
        Direction::Inbound,
        parties,
    );
    let store = MemoryStore::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let record = runtime.block_on(store.open(new)).unwrap();
    let (_trigger, ended) = EndSignal::new();
    carrier
        .media_codec(&StreamTicket::new(record, ended))
        .unwrap()
}

#[test]
fn configuration_errors_name_the_key() {
    let cases = [
        (Settings::new(), "`secret` is missing"),
        (Settings::new().with("secret", " "), "`secret` is empty"),
        (
            Settings::new()
                .with("secret", SECRET)
                .with("secrte", "hunter2"),
            "`secrte`",
        ),
    ];
    for (settings, told) in cases {
        let error = open(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(told), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert!(!format!("{:?}", acme()).contains(SECRET));
}

#[test]
fn a_signed_request_is_let_in() {
    // Computed with openssl dgst -sha256 -hmac acme-test-secret.
    let signature = "8d14eb08013f7cf08a28580a254da669dfbf872fdae6df4dda7bc2075e60b38c";
    let verified = verify(
        &*acme(),
        request("1700000000", signature, r#"{"call_id":"A-1"}"#),
    );
    assert_eq!(verified.unwrap().authenticated().signed_at, Some(at(NOW)));
}

#[test]
fn anything_else_is_not() {
    let carrier = acme();
    let body = r#"{"call_id":"A-1"}"#;
    let (time, good) = (NOW.to_string(), sign(&NOW.to_string(), body));
    assert!(carrier.authenticate(&request(&time, &good, body)).is_ok());

    let mut other = good.clone();
    other.replace_range(0..1, if good.starts_with('0') { "1" } else { "0" });
    let mut refused = vec![
        ("another signature", request(&time, &other, body)),
        ("a shorter signature", request(&time, &good[..32], body)),
        ("no signature", request(&time, "", body)),
        (
            "another body",
            request(&time, &good, r#"{"call_id":"A-2"}"#),
        ),
        ("another time", request("1700000001", &good, body)),
    ];
    for time in [
        "",
        "soon",
        "-1",
        "1.7e9",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        refused.push(("no real time", request(time, &sign(time, body), body)));
    }
    for time in [NOW - 301, NOW + 301] {
        let time = time.to_string();
        refused.push((
            "outside of the window",
            request(&time, &sign(&time, body), body),
        ));
    }
    for name in ["acme-timestamp", "acme-signature"] {
        let mut without = request(&time, &good, body);
        without.headers.remove(name);
        refused.push(("a header is missing", without));
        let mut twice = request(&time, &good, body);
        let value = twice.headers.get(name).unwrap().clone();
        twice.headers.append(name, value);
        refused.push(("a header is there twice", twice));
    }
    for (what, request) in refused {
        let error = carrier.authenticate(&request).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{what}");
        assert!(!error.to_string().contains(&good), "{error}");
    }
    for time in [NOW - 300, NOW + 300] {
        let time = time.to_string();
        assert!(
            carrier
                .authenticate(&request(&time, &sign(&time, body), body))
                .is_ok()
        );
    }
}

#[test]
fn a_call_is_read_and_answered() {
    let carrier = acme();
    let call = json!({"call_id": "A-1", "from": "+14155550100", "to": "+14155550199"});
    let request = verified(&*carrier, &call);
    let call = carrier.accept_call(&request).unwrap();
    assert_eq!(call.id().unwrap().as_str(), "A-1");
    assert_eq!(
        (call.from().e164(), call.to().e164()),
        (Some("+14155550100"), Some("+14155550199"))
    );

    let stream = Stream::new().with_parameter("customer", "42");
    let answer = Answer::say("Hello \"you\".").then_stream(stream);
    let answered = carrier.incoming_call(&call, &answer, &links()).unwrap();
    let body: Value = serde_json::from_slice(answered.response.body()).unwrap();
    assert_eq!(
        body,
        json!({
            "status_url": "https://voice.example.com/acme/status/0123456789abcdefghij_-",
            "steps": [
                {"say": "Hello \"you\"."},
                {
                    "stream": "wss://voice.example.com/acme/media/tokentokentokentoken00",
                    "parameters": {"call_key": "0123456789abcdefghij_-", "customer": "42"},
                    "hang_up": true,
                },
            ],
        })
    );
}

#[test]
fn what_acme_cannot_do_is_refused() {
    let carrier = acme();
    let request = verified(&*carrier, &json!({"call_id": "A-1"}));
    let call = carrier.accept_call(&request).unwrap();
    let rate = audio::SampleRate::HZ_8000;
    for answer in [
        Answer::gather(Gather::digits(1)),
        Answer::say("Hello.").then_dial("+14155550123"),
        Answer::from(Stream::new().with_rate(rate)),
        Answer::document(Document::new("acme", "{}")),
        Answer::default(),
    ] {
        let error = carrier.incoming_call(&call, &answer, &links()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{answer:?}");
    }
    let error = carrier
        .reply(&request, Some(&Answer::hang_up()), &links())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        carrier
            .reply(&request, None, &links())
            .unwrap()
            .response
            .status(),
        204
    );
}

#[test]
fn statuses_are_read_and_other_words_are_events() {
    let carrier = acme();
    for (word, status) in [
        ("ringing", Some(CallStatus::Ringing)),
        ("answered", Some(CallStatus::InProgress)),
        ("completed", Some(CallStatus::Completed)),
        ("no-answer", Some(CallStatus::NoAnswer)),
        ("parked", None),
        ("", None),
    ] {
        let request = verified(&*carrier, &json!({"call_id": "A-1", "status": word}));
        let events = carrier.status_callback(&request).unwrap();
        assert_eq!((events.len(), events[0].status()), (1, status), "{word}");
    }
    for body in [
        json!([]),
        json!({"status": "completed"}),
        json!({"call_id": 1}),
        json!(null),
    ] {
        let request = verified(&*carrier, &body);
        assert_eq!(
            carrier.status_callback(&request).unwrap_err().kind(),
            ErrorKind::Malformed
        );
        assert_eq!(
            carrier.accept_call(&request).unwrap_err().kind(),
            ErrorKind::Malformed
        );
    }
}

#[test]
fn media_messages_are_read() {
    let mut codec = codec(&*acme());
    let mut read = |message: WireMessage| {
        let mut decoded = Decoded::default();
        codec
            .decode(message, &mut decoded)
            .map(|()| decoded.events.pop_front().unwrap())
    };
    let text = |json: Value| WireMessage::text(json.to_string());

    let start = json!({"event": "start", "call_id": "A-1", "parameters": {"call_key": "k"}});
    let Ok(CodecEvent::Start(start)) = read(text(start)) else {
        panic!("no start")
    };
    assert_eq!(start.call_id.unwrap().as_str(), "A-1");
    assert_eq!(start.inbound, audio::AudioFormat::PCM16_16000);
    assert_eq!(start.parameters["call_key"], "k");

    let audio = WireMessage::Binary(Bytes::from_static(&[1, 2, 3, 4]));
    assert!(
        matches!(read(audio), Ok(CodecEvent::Audio { payload, .. }) if payload[..] == [1, 2, 3, 4])
    );
    for key in ['0', '9', '*', '#'] {
        let event = read(text(json!({"event": "key", "key": key.to_string()})));
        assert!(
            matches!(event, Ok(CodecEvent::Dtmf { digit, .. }) if digit == key),
            "{key}"
        );
    }
    let mark = read(text(json!({"event": "mark", "name": "g0-1"})));
    assert!(matches!(mark, Ok(CodecEvent::Mark { name }) if name == "g0-1"));
    assert!(matches!(
        read(text(json!({"event": "stop"}))),
        Ok(CodecEvent::Stop { .. })
    ));
    for unknown in [
        json!({"event": "wink"}),
        json!({"event": "key", "key": "x"}),
        json!({}),
    ] {
        assert!(matches!(
            read(text(unknown)),
            Ok(CodecEvent::Unknown { .. })
        ));
    }
}

#[test]
fn broken_media_messages_are_malformed() {
    let mut codec = codec(&*acme());
    let start = r#"{"event":"start","call_id":"A-1","parameters":{"call_key":"k"}}"#;
    let mut broken: Vec<_> = (0..start.len())
        .map(|end| WireMessage::text(&start[..end]))
        .collect();
    broken.push(WireMessage::text(r#"{"event":"start","parameters":{}}"#));
    broken.push(WireMessage::text(r#"{"event":"start","call_id":"A-1"}"#));
    broken.push(WireMessage::Text(Bytes::from_static(&[0xFF, 0xFE])));
    broken.push(WireMessage::Binary(Bytes::from_static(&[1, 2, 3])));
    for message in broken {
        let error = codec
            .decode(message.clone(), &mut Decoded::default())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{message:?}");
    }
}

#[test]
fn media_commands_are_written() {
    let mut codec = codec(&*acme());
    let mut out = Vec::new();
    let audio = Bytes::from_static(&[1, 2]);
    for command in [
        MediaCommand::Audio(&audio),
        MediaCommand::Mark("a \"b\""),
        MediaCommand::Clear,
    ] {
        codec.encode(command, &mut out).unwrap();
    }
    assert_eq!(
        out,
        [
            WireMessage::Binary(audio),
            WireMessage::text(r#"{"event":"mark","name":"a \"b\""}"#),
            WireMessage::text(r#"{"event":"clear"}"#),
        ]
    );
}
