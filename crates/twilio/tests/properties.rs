//! No bytes make a parser panic, and what we write can be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{ACCOUNT, TOKEN, links, request, sign, twilio, with_header};
use http::{HeaderValue, Method};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::time::Duration;
use telephony_core::{
    Answer, Document, Gather, Party, Say, Stream, Telephony, WebhookKind, WebhookRequest, verify,
};

const KINDS: [WebhookKind; 5] = [
    WebhookKind::IncomingCall,
    WebhookKind::NextStep,
    WebhookKind::Status,
    WebhookKind::Event,
    WebhookKind::MediaUpgrade,
];

/// Fields that decide what a request is, filled with anything.
fn field() -> impl Strategy<Value = (String, String)> {
    let names = [
        "CallSid",
        "ParentCallSid",
        "CallStatus",
        "Digits",
        "SpeechResult",
        "Confidence",
        "DialCallStatus",
        "DialCallSid",
        "DialCallDuration",
        "RecordingUrl",
        "RecordingStatus",
        "RecordingDuration",
        "StreamEvent",
        "StreamSid",
        "StreamError",
        "AnsweredBy",
        "CallbackSource",
        "SequenceNumber",
        "CallDuration",
        "SipResponseCode",
        "ErrorCode",
        "ErrorUrl",
        "ErrorMessage",
        "Timestamp",
        "From",
        "To",
        "Direction",
        "TranscriptionStatus",
        "SessionStatus",
        "ReferTransferTarget",
        "msg",
        "FinishedOnKey",
        "after",
    ];
    (prop::sample::select(names.to_vec()), any::<String>())
        .prop_map(|(name, value)| (name.to_owned(), value))
}

fn read_everything(request: WebhookRequest) {
    let twilio = twilio();
    let Ok(verified) = verify(&twilio, request) else {
        return;
    };
    let _ = twilio.accept_call(&verified);
    let _ = twilio.status_callback(&verified);
    if let Ok((_, events)) = twilio.catch_all_status_callback(&verified) {
        assert!(!events.is_empty(), "a callback tells something");
    }
    let _ = twilio.reply(&verified, None, &links());
    let _ = twilio.reply(&verified, Some(&Answer::hang_up()), &links());
}

proptest! {
    #[test]
    fn any_request_is_refused_or_read(
        kind in prop::sample::select(KINDS.to_vec()),
        is_get in any::<bool>(),
        url in any::<String>(),
        body in any::<Vec<u8>>(),
        content_type in prop::sample::select(vec!["", "application/x-www-form-urlencoded", "application/json", "\u{e9}"]),
        signature in any::<Vec<u8>>(),
    ) {
        let method = if is_get { Method::GET } else { Method::POST };
        let mut request = request(kind, method, &url, "");
        request.body = Bytes::from(body);
        for (name, value) in [("content-type", content_type.as_bytes()), ("x-twilio-signature", &signature)] {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                request.headers.insert(name, value);
            }
        }
        prop_assert!(twilio().authenticate(&request).is_err());
    }

    #[test]
    fn any_signed_form_is_read(
        kind in prop::sample::select(KINDS[..4].to_vec()),
        fields in prop::collection::btree_map("[a-z]{1,3}", any::<String>(), 0..4),
        known in prop::collection::vec(field(), 0..6),
    ) {
        let mut pairs: std::collections::BTreeMap<String, String> = fields;
        pairs.extend(known);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = common::signed_post(kind, &common::url_of(kind), &pairs);
        prop_assert!(verify(&twilio(), request.clone()).is_ok());
        read_everything(request);
    }

    #[test]
    fn any_signed_query_is_read(kind in prop::sample::select(KINDS.to_vec()), query in "[ -~]{0,60}") {
        let query = query.replace('#', "");
        let url = format!("https://voice.example.com/x?AccountSid={ACCOUNT}&{query}");
        let request = request(kind, Method::GET, &url, "");
        read_everything(with_header(request, "x-twilio-signature", &sign(TOKEN, &url)));
    }

    #[test]
    fn what_is_said_comes_out_as_it_was(text in "[ -~\u{a0}-\u{d7ff}\n\t]{1,40}", value in "[ -~\n]{0,40}") {
        prop_assume!(!text.trim().is_empty());
        let twilio = twilio();
        let stream = Stream::new().with_parameter("own", &value);
        let answer = Answer::say(Say::new(&text).with_voice(&value)).then_stream(stream);
        let call = common::incoming(&twilio);
        let answered = twilio.incoming_call(&call, &answer, &links()).unwrap();
        let (said, parameter) = said_and_parameter(common::body(&answered));
        prop_assert_eq!(said, text);
        prop_assert_eq!(parameter, value);
    }

    #[test]
    fn any_answer_is_written_or_refused(
        text in any::<String>(), seconds in 0u64..1_000, digits in any::<u8>(), key in any::<char>(), address in any::<String>(),
    ) {
        let twilio = twilio();
        let call = common::incoming(&twilio);
        let gather = Gather::digits(digits)
            .with_prompt(text.as_str())
            .with_finish_key(Some(key))
            .with_timeout(Duration::from_secs(seconds))
            .or_speech()
            .with_hint(address.as_str());
        for answer in [
            Answer::say(text.as_str()),
            Answer::play(address.as_str()),
            Answer::gather(gather),
            Answer::dial(Party::parse(&address)),
            Answer::dial(Party::Number(address.clone())),
            Answer::from(Stream::new().with_parameter(text.as_str(), address.as_str())),
        ] {
            if let Ok(answered) = twilio.incoming_call(&call, &answer, &links()) {
                prop_assert!(is_well_formed(common::body(&answered)));
            }
        }
    }

    #[test]
    fn any_document_is_checked(text in any::<String>(), middle in "[<>/a-zA-Z\"'= &;!?{}\\[\\]-]{0,40}") {
        let twilio = twilio();
        let call = common::incoming(&twilio);
        for text in [text, format!("<Response>{middle}</Response>")] {
            let answer = Answer::document(Document::new("twilio", text));
            if let Ok(answered) = twilio.incoming_call(&call, &answer, &links()) {
                prop_assert!(is_well_formed(common::body(&answered)));
            }
        }
    }
}

fn is_well_formed(xml: &str) -> bool {
    let mut reader = Reader::from_str(xml);
    let mut depth = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => depth -= 1,
            Ok(Event::Eof) => return depth == 0,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// The text of `<Say>`, and the value of the parameter `own`.
fn said_and_parameter(xml: &str) -> (String, String) {
    let (_, rest) = xml.split_once("<Say ").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let (said, rest) = rest.split_once("</Say>").unwrap();
    let (_, rest) = rest.split_once("name=\"own\" value=\"").unwrap();
    let (parameter, _) = rest.split_once('"').unwrap();
    (unescape(said), unescape(parameter))
}

fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#10;", "\n"),
        ("&#9;", "\t"),
    ];
    let text = named
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}
