//! No secret and no phone number in any `Debug` or error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::call;
use common::scripted::{live, live_at, saying, scripted};
use common::{ACCOUNT, links, ringing, signed_post, verified, with_config};
use std::fmt::Debug;
use telephony_core::media::{Decoded, WireMessage};
use telephony_core::{
    Answer, Dial, Document, Dtmf, Party, Play, Recording, Redirect, Secret, Step, Stream,
    Telephony, WebhookKind,
};
use telephony_twilio::{Twilio, TwilioConfig};

const SECRETS: [&str; 8] = [
    common::TOKEN,
    "next-auth-token",
    "api-key-secret",
    "subaccount-token",
    "4155550100",
    "4155550199",
    "hunter2",
    "token0token0token0toke",
];

fn clean(what: &impl Debug) {
    let shown = format!("{what:?} {what:#?}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

fn full() -> Twilio {
    let config = TwilioConfig::new(ACCOUNT, Secret::new(common::TOKEN))
        .with_next_auth_token(Secret::new("next-auth-token"))
        .with_api_key("SK1", Secret::new("api-key-secret"))
        .with_subaccount("AC2", Secret::new("subaccount-token"));
    with_config(config)
}

#[test]
fn the_account_and_its_configuration() {
    let twilio = full();
    clean(&twilio);
    clean(twilio.config());
    clean(&twilio.capabilities());
}

#[test]
fn requests_and_events() {
    let twilio = full();
    for (kind, own) in [
        (WebhookKind::IncomingCall, ("CallerName", "hunter2")),
        (
            WebhookKind::Status,
            ("CallbackSource", "call-progress-events"),
        ),
        (WebhookKind::Status, ("ParentCallSid", "CA-parent")),
        (WebhookKind::Status, ("CallStatus", "calling +14155550100")),
        (
            WebhookKind::Event,
            ("RecordingUrl", "https://user:hunter2@api.example.com/RE1"),
        ),
        (WebhookKind::Event, ("RecordingStatus", "of +14155550100")),
        (WebhookKind::Event, ("StreamEvent", "of +14155550100")),
        (WebhookKind::Event, ("AnsweredBy", "+14155550100")),
        (WebhookKind::NextStep, ("Digits", "4155550100")),
        (
            WebhookKind::NextStep,
            ("SpeechResult", "my code is hunter2"),
        ),
        (WebhookKind::NextStep, ("DialCallStatus", "completed")),
        (
            WebhookKind::NextStep,
            ("ErrorUrl", "https://user:hunter2@voice.example.com/"),
        ),
        (
            WebhookKind::NextStep,
            ("ReferTransferTarget", "sip:hunter2@example.com"),
        ),
        (WebhookKind::NextStep, ("HandoffData", "hunter2")),
        (WebhookKind::NextStep, ("QueueResult", "hunter2")),
    ] {
        let mut pairs = ringing();
        pairs.retain(|(name, _)| name != &own.0);
        pairs.push(own);
        pairs.push(("ErrorMessage", "could not call +1 (415) 555-0199"));
        pairs.push(("StreamError", "no way to +14155550199"));
        clean(&signed_post(kind, &common::url_of(kind), &pairs));
        let request = verified(&twilio, kind, &pairs);
        clean(&request);
        clean(&twilio.catch_all_status_callback(&request).unwrap());
        clean(&twilio.reply(&request, None, &links()).unwrap());
    }
}

#[test]
fn calls() {
    clean(&common::incoming(&full()));
}

#[test]
fn errors_of_webhooks() {
    let twilio = full();
    let url = "https://hunter2@voice.example.com/twilio/call?key=hunter2";
    let pairs = [
        ("From", "+14155550100"),
        ("CallSid", "hunter2\u{7}"),
        ("AccountSid", ACCOUNT),
    ];
    let good = signed_post(WebhookKind::IncomingCall, url, &pairs);
    let request = telephony_core::verify(&twilio, good.clone()).unwrap();
    clean(&twilio.accept_call(&request).unwrap_err());
    clean(&twilio.status_callback(&request).unwrap_err());

    let mut forged = good.clone();
    forged
        .headers
        .insert("x-twilio-signature", "hunter2".parse().unwrap());
    clean(&twilio.authenticate(&forged).unwrap_err());
    let mut bare = good;
    bare.headers.clear();
    clean(&twilio.authenticate(&bare).unwrap_err());
    let foreign = [("AccountSid", "AChunter2")];
    let foreign = signed_post(WebhookKind::IncomingCall, url, &foreign);
    clean(&twilio.authenticate(&foreign).unwrap_err());
}

#[test]
fn errors_of_answers() {
    let twilio = full();
    let call = common::incoming(&twilio);
    for answer in [
        Answer::dial(Party::Number("+14155550100x".into())),
        Answer::dial(Party::Sip("hunter2@example.com".into())),
        Answer::dial(Dial::new(Party::Extension("4155550100".into()))),
        Answer::play(Play::new("ftp://user:hunter2@example.com")),
        Answer::new([Step::Redirect(Redirect::To("hunter2".into()))]),
        Answer::from(Stream::new().with_parameter("a", "hunter2".repeat(100))),
        Answer::say("hunter2\u{7}"),
        Answer::document(Document::new("twilio", "<hunter2>4155550100")),
        Answer::document(Document::new("hunter", "hunter2")),
    ] {
        clean(&twilio.incoming_call(&call, &answer, &links()).unwrap_err());
    }
    clean(
        &twilio
            .incoming_call(&call, &Answer::stream(), &links())
            .unwrap(),
    );
}

#[tokio::test]
async fn calls_that_are_placed_and_steered() {
    let personal = r#"{"sid": "CA0001", "code": 1, "status": "for +14155550100", "to": "+14155550199",
        "message": "no such sip:hunter2@example.com, call +1 (415) 555-0199", "direction": "hunter2"}"#;
    let recording = Recording::new(
        Some("RE1".into()),
        "https://user:hunter2@api.example.com/4155550100",
    );
    let keys = Dtmf::new("4155550100").unwrap();
    for status in [200, 400, 500] {
        let (_, twilio) = scripted(saying(&[(status, personal); 3]));
        clean(&twilio.make_call(&call(), &links()).await);
        clean(&twilio.transfer(&live(), &Answer::stream(), &links()).await);
        clean(&twilio.send_dtmf(&live(), &keys, &links()).await);
        let then = keys.clone().then(Answer::say("hunter2"));
        clean(&twilio.send_dtmf(&live(), &then, &links()).await);
        clean(&twilio.fetch_recording(&recording).await);
        clean(&twilio);
    }
    let (_, twilio) = scripted(saying(&[(200, personal)]));
    clean(&twilio.fetch_call(&live()).await);
    let (_, twilio) = scripted(vec![]);
    clean(&twilio.fetch_call(&live_at("hunter2")).await);
}

#[test]
fn errors_of_media() {
    let mut codec = common::codec();
    for text in [
        r#"{"event":"dtmf","dtmf":{"digit":"4155550100"}}"#,
        r#"{"event":"media","media":"hunter2"}"#,
        r#"{"event":"media","media":{"payload":"hunter2!"}}"#,
        r#"{"event":"start","start":"hunter2"}"#,
        r#"{"event":{"hunter2":1}}"#,
        "hunter2",
    ] {
        let error = codec.decode(WireMessage::text(text), &mut Decoded::default());
        clean(&error.unwrap_err());
    }
    clean(&codec);
}
