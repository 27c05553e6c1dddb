//! No secret and no number where people look: `Debug`, errors, logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::json;
use telephony_core::{Answer, Dial, Party, Redirect, Step, Stream, Telephony, WebhookKind};

const NUMBER: &str = "7700900456";
const WORDS: [&str; 5] = [NUMBER, SECRET, TOKEN, "MIIEvgIBADANBg", "hunter2"];

fn clean(shown: String) {
    for word in WORDS {
        assert!(!shown.contains(word), "{word} is in {shown}");
    }
}

#[test]
fn an_account_shows_no_secret() {
    let config = config().with_signature_secret("hunter2");
    clean(format!("{config:?} {config:#?}"));
    clean(format!("{:?}", open(config)));
}

#[test]
fn requests_calls_and_events_show_no_number() {
    let vonage = vonage();
    let bodies = [
        json!({"uuid": "u-1", "from": format!("44{NUMBER}"), "to": format!("44{NUMBER}"), "custom_data": "hunter2"}),
        json!({"uuid": "u-1", "status": format!("44{NUMBER}"), "to": format!("44{NUMBER}")}),
        json!({"uuid": "u-1", "status": "failed", "detail": format!("no route to 44{NUMBER}"), "to": format!("44{NUMBER}")}),
        json!({"uuid": "u-1", "status": "failed", "detail": format!("+44{NUMBER}"), "to": format!("wss://e.com/vonage/media/{TOKEN}")}),
        json!({"uuid": "u-1", "status": format!("44{NUMBER}"), "to": format!("wss://e.com/vonage/media/{TOKEN}")}),
        json!({"reason": format!("44{NUMBER} is not yours"), "conversation_uuid": "CON-1"}),
        json!({"reason": format!("44{NUMBER} is not yours"), "original_request": {"type": "event"}}),
        json!({"type": format!("44{NUMBER}")}),
        json!({"uuid": "u-1", "dtmf": {"digits": NUMBER}, "speech": {"results": [{"text": "hunter2", "confidence": 1}]}}),
        json!({"recording_url": "https://hunter2.example/x", "recording_uuid": "r-1"}),
        json!({"uuid": "u-1", "payload": {"hunter2": NUMBER}}),
    ];
    for kind in [
        WebhookKind::IncomingCall,
        WebhookKind::NextStep,
        WebhookKind::Status,
        WebhookKind::Event,
    ] {
        for body in &bodies {
            let request = verified(&vonage, kind, body);
            clean(format!("{request:?} {:?}", request.request()));
            match vonage.accept_call(&request) {
                Ok(call) => clean(format!(
                    "{:?} {:?} {:?} {:?}",
                    call.id(),
                    call.from(),
                    call.to(),
                    call.parameters()
                )),
                Err(error) => clean(format!("{error} {error:?}")),
            }
            clean(format!("{:?}", vonage.status_callback(&request)));
            clean(format!("{:?}", vonage.catch_all_status_callback(&request)));
            let answered = vonage.reply(&request, Some(&Answer::stream()), &links());
            clean(format!("{answered:?}"));
        }
    }
}

#[test]
fn errors_show_neither() {
    let vonage = vonage();
    let mut failed = 0;
    for request in [
        post_with(WebhookKind::Event, NUMBER, SECRET),
        post_with(
            WebhookKind::Event,
            NUMBER,
            &token(&head(), &json!({"hunter2": NUMBER}), SECRET),
        ),
        get_with(WebhookKind::Event, &format!("from=44{NUMBER}"), TOKEN),
    ] {
        let error = vonage.authenticate(&request).unwrap_err();
        clean(format!("{error} {error:?}"));
        failed += 1;
    }
    let request = verified(&vonage, WebhookKind::IncomingCall, &json!({"uuid": "u-1"}));
    let call = vonage.accept_call(&request).unwrap();
    let local = Party::LocalNumber(format!("0{NUMBER}"));
    for answer in [
        Answer::dial(Dial::new(local.clone())),
        Answer::dial(Dial::new(Party::Number(format!("+44{NUMBER}"))).with_caller_id(local)),
        Answer::new([Step::Redirect(Redirect::To(format!("hunter2 {NUMBER}")))]),
        Answer::play(format!("hunter2://{NUMBER}")),
        Answer::from(Stream::new().with_parameter("hunter2", NUMBER.repeat(60))),
        Answer::say(format!("hunter2 {NUMBER}").repeat(100)),
    ] {
        let error = vonage.incoming_call(&call, &answer, &links()).unwrap_err();
        clean(format!("{error} {error:?}"));
        failed += 1;
    }
    assert_eq!(failed, 9);
}
