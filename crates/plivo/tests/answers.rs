//! Answers as Plivo XML, word for word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AfterStream, Answer, Dial, Document, ErrorKind, Gather, Party, Play, Redirect, RejectReason,
    Result, Say, Step, Stream, Telephony, WebhookKind,
};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const ANSWER: &str = "https://voice.example.com/plivo/answer/key0key0key0key0key0ke";
const EVENTS: &str = "https://voice.example.com/plivo/events/key0key0key0key0key0ke";

fn at(status: &str, answer: &Answer) -> Result<String> {
    let plivo = plivo();
    let form = [("CallUUID", "c1"), ("CallStatus", status)];
    let asked = verified(&plivo, WebhookKind::IncomingCall, "", &form);
    let call = plivo.accept_call(&asked)?;
    let answered = plivo.incoming_call(&call, answer, &links())?;
    assert_eq!(
        answered.response.headers()["content-type"],
        "application/xml"
    );
    assert!(answered.commands.is_empty());
    Ok(body(&answered).to_owned())
}

#[track_caller]
fn is(answer: &Answer, elements: &str) {
    let wanted = format!("{HEAD}<Response>{elements}</Response>");
    assert_eq!(at("ringing", answer).unwrap(), wanted);
}

#[track_caller]
fn refused(answer: &Answer, kind: ErrorKind) {
    assert_eq!(at("ringing", answer).unwrap_err().kind(), kind);
}

fn stream(headers: &str) -> String {
    format!(
        r#"<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000" statusCallbackUrl="{EVENTS}" statusCallbackMethod="POST" extraHeaders="call_key={KEY}{headers}">wss://voice.example.com/plivo/media/token0token0token0toke</Stream>"#
    )
}

#[test]
fn a_stream_and_what_comes_after_it() {
    is(&Answer::stream(), &format!("{}<Hangup/>", stream("")));
    let named = Stream::new()
        .with_parameter("plan", "gold")
        .with_parameter("lang", "de");
    let headers = ",lang=de,plan=gold";
    is(&named.into(), &format!("{}<Hangup/>", stream(headers)));
    let continued = Stream::new().then(AfterStream::Continue);
    let asks = format!(r#"<Redirect method="POST">{ANSWER}?after=stream</Redirect>"#);
    is(&continued.clone().into(), &format!("{}{asks}", stream("")));
    let spoken = Answer::from(continued).then_say("Goodbye.");
    is(&spoken, &format!("{}<Speak>Goodbye.</Speak>", stream("")));
}

#[test]
fn texts_files_waits_and_ends() {
    is(
        &Answer::say("Fish & <chips>"),
        "<Speak>Fish &amp; &lt;chips&gt;</Speak>",
    );
    let voice = Say::new("Hallo")
        .with_language("de-DE")
        .with_voice("Polly.Vicki");
    is(
        &Answer::say(voice.clone()),
        r#"<Speak language="de-DE" voice="Polly.Vicki">Hallo</Speak>"#,
    );
    let url = "https://example.com/a.mp3";
    is(&Answer::play(url), "<Play>https://example.com/a.mp3</Play>");
    is(
        &Answer::play(Play::new(url).times(0)),
        r#"<Play loop="0">https://example.com/a.mp3</Play>"#,
    );
    is(
        &Answer::default().then_pause(Duration::from_millis(1200)),
        r#"<Wait length="2"/>"#,
    );
    is(&Answer::hang_up(), "<Hangup/>");
    is(
        &Answer::reject(RejectReason::Busy),
        r#"<Hangup reason="busy"/>"#,
    );
    is(
        &Answer::reject(RejectReason::Rejected),
        r#"<Hangup reason="rejected"/>"#,
    );
    is(
        &Answer::redirect(),
        &format!(r#"<Redirect method="POST">{ANSWER}</Redirect>"#),
    );
    assert_eq!(
        at("ringing", &Answer::default()).unwrap(),
        format!("{HEAD}<Response/>")
    );
}

#[test]
fn keys_are_asked_for_and_nothing_is_asked_again() {
    let again = format!(r#"<Redirect method="POST">{ANSWER}?after=gather</Redirect>"#);
    let action = format!(r#"action="{ANSWER}?after=gather" method="POST""#);
    is(
        &Answer::gather(Gather::digits(1).with_prompt("Press a key.")),
        &format!(
            r##"<GetDigits {action} timeout="5" digitTimeout="5" retries="1" numDigits="1" finishOnKey="#" log="false"><Speak>Press a key.</Speak></GetDigits>{again}"##
        ),
    );
    let until = Gather::until_finish()
        .with_finish_key(None)
        .with_timeout(Duration::from_secs(2));
    is(
        &Answer::gather(until),
        &format!(
            r#"<GetDigits {action} timeout="2" digitTimeout="2" retries="1" finishOnKey="none" log="false"/>{again}"#
        ),
    );
    let speech = Gather::digits(4)
        .or_speech()
        .with_language("en-GB")
        .with_hint("yes")
        .with_hint("no");
    is(
        &Answer::gather(speech),
        &format!(
            r##"<GetInput {action} inputType="dtmf speech" executionTimeout="5" numDigits="4" finishOnKey="#" language="en-GB" hints="yes,no" log="false"/>{again}"##
        ),
    );
    refused(
        &Answer::gather(Gather::speech().with_timeout(Duration::from_secs(4))),
        ErrorKind::InvalidArgument,
    );
    refused(
        &Answer::gather(Gather::digits(1)).then_say("x"),
        ErrorKind::Unsupported,
    );
}

#[test]
fn somebody_is_dialled_without_the_plus() {
    let dial = Dial::new(Party::parse("+14155550123"))
        .and(Party::parse("sip:a@example.com"))
        .with_caller_id(Party::parse("+14155550100"))
        .with_ring_timeout(Duration::from_secs(20));
    is(
        &Answer::dial(dial),
        &format!(
            r#"<Dial action="{ANSWER}?after=dial" method="POST" callbackUrl="{EVENTS}" callbackMethod="POST" callerId="14155550100" timeout="20"><Number>14155550123</Number><User>sip:a@example.com</User></Dial>"#
        ),
    );
    for party in [
        Party::Client("jenny".into()),
        Party::Withheld,
        Party::Extension("7".into()),
    ] {
        refused(&Answer::dial(party), ErrorKind::Unsupported);
    }
    for party in [
        Party::Number("+1415<sip:x@y>".into()),
        Party::Sip("sip:a@b<14155550100".into()),
        Party::Sip("sip:".into()),
    ] {
        refused(&Answer::dial(party), ErrorKind::InvalidArgument);
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let wide: SampleRate = SampleRate::HZ_16000;
    refused(
        &Stream::new().with_rate(wide).into(),
        ErrorKind::Unsupported,
    );
    for (name, value) in [
        ("call_key", "x"),
        ("a=b", "x"),
        ("a", "x,y"),
        ("a", "x y"),
        ("", "x"),
        ("a", ""),
    ] {
        let stream = Stream::new().with_parameter(name, value);
        refused(&stream.into(), ErrorKind::InvalidArgument);
    }
    let long = Stream::new().with_parameter("a", "x".repeat(500));
    refused(&long.into(), ErrorKind::InvalidArgument);
    refused(
        &Answer::stream().then_say("never heard"),
        ErrorKind::InvalidArgument,
    );
    refused(&Answer::hang_up().then_say("x"), ErrorKind::InvalidArgument);
    refused(
        &Answer::new([Step::Redirect(Redirect::To("/here".into()))]),
        ErrorKind::InvalidArgument,
    );
    refused(
        &Answer::say("x".repeat(101_000)),
        ErrorKind::InvalidArgument,
    );
    let late = Answer::reject(RejectReason::Busy);
    assert_eq!(
        at("in-progress", &late).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn a_document_of_the_apps_own_is_filled_in_and_checked() {
    let document = |text: &str| Answer::document(Document::new("plivo", text));
    let own = r#"<Response><Stream bidirectional="true">{{media_url}}</Stream></Response>"#;
    let filled = at("ringing", &document(own)).unwrap();
    assert!(
        filled.contains(">wss://voice.example.com/plivo/media/token0"),
        "{filled}"
    );
    for bad in [
        "",
        "<Response>",
        "<Other/>",
        "<Response/><Response/>",
        "<Response>&nbsp;</Response>",
        "<Response><Stream>a</Stream><Stream>b</Stream></Response>",
        "<Response>{{nothing}}</Response>",
    ] {
        refused(&document(bad), ErrorKind::InvalidArgument);
    }
    refused(
        &Answer::document(Document::new("twilio", own)),
        ErrorKind::Unsupported,
    );
}
