//! Answers that Twilio cannot express or that break its rules: a typed error, and nothing is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{incoming, links, twilio};
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AfterStream, Answer, Dial, ErrorKind, Gather, Party, Play, Redirect, RejectReason, Say, Step,
    Stream, Telephony,
};

fn refused(answer: &Answer) -> ErrorKind {
    let twilio = twilio();
    let error = twilio
        .incoming_call(&incoming(&twilio), answer, &links())
        .expect_err("must be refused");
    assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
    assert_eq!(error.operation(), "write answer");
    error.kind()
}

fn number(text: &str) -> Party {
    Party::Number(text.into())
}

#[test]
fn what_twilio_cannot_do_is_unsupported() {
    for answer in [
        Answer::from(Stream::new().with_rate(SampleRate::HZ_16000)),
        Answer::dial(Party::Extension("12".into())),
        Answer::dial(Party::Withheld),
        Answer::dial(Dial::new(number("+14155550111")).and(Party::Extension("12".into()))),
        Answer::dial(Dial::new(number("+14155550111")).with_caller_id(Party::Withheld)),
        Answer::gather(Gather::digits(1)).then_say("Nothing heard."),
        Answer::gather(Gather::digits(1))
            .then_hang_up()
            .then_hang_up(),
        Answer::dial("+14155550111").then_stream(Stream::new()),
    ] {
        assert_eq!(refused(&answer), ErrorKind::Unsupported, "{answer:?}");
    }
}

#[test]
fn what_breaks_the_rules_is_an_invalid_argument() {
    let second = Duration::from_secs(1);
    let long = |length: usize| Stream::new().with_parameter("name", "x".repeat(length - 4));
    for answer in [
        Answer::stream().then_say("Never said."),
        Answer::from(Stream::new().then(AfterStream::Continue)).then_stream(Stream::new()),
        Answer::hang_up().then_say("Never said."),
        Answer::redirect().then_hang_up(),
        Answer::reject(RejectReason::Busy).then_hang_up(),
        Answer::say("First.").then(Step::Reject(RejectReason::Busy)),
        Answer::from(long(500)),
        Answer::from(Stream::new().with_parameter("", "x")),
        Answer::from(Stream::new().with_parameter("call_key", "x")),
        Answer::say(""),
        Answer::say(" \n"),
        Answer::say("bell \u{7}"),
        Answer::say("\u{ffff}"),
        Answer::say(Say::new("x").with_voice("\u{0}")),
        Answer::from(Stream::new().with_parameter("a", "\u{1b}")),
        Answer::play(""),
        Answer::play("a.mp3"),
        Answer::play("https://"),
        Answer::play("ftp://example.com/a.mp3"),
        Answer::play("https://example.com/a b.mp3"),
        Answer::new([Step::Redirect(Redirect::To("/relative".into()))]),
        Answer::gather(Gather::digits(0)),
        Answer::gather(Gather::digits(1).with_timeout(Duration::ZERO)),
        Answer::gather(Gather::digits(1).with_finish_key(Some('A'))),
        Answer::gather(Gather::speech().with_hint("one, two")),
        Answer::gather(Gather::digits(1).with_prompt("")),
        Answer::gather(Gather::digits(1).with_audio_prompt(Play::new("a.mp3"))),
        Answer::gather({
            let mut neither = Gather::digits(1);
            neither.dtmf = false;
            neither
        }),
        Answer::dial({
            let mut nobody = Dial::new(number("+14155550111"));
            nobody.targets.clear();
            nobody
        }),
        Answer::dial(number("+1 <b>")),
        Answer::dial(number("+")),
        Answer::dial(Party::Sip("jenny@example.com".into())),
        Answer::dial(Party::Client(" ".into())),
        Answer::dial(Dial::new(number("+14155550111")).with_ring_timeout(second * 4)),
        Answer::dial(Dial::new(number("+14155550111")).with_ring_timeout(second * 601)),
        Answer::dial(Dial::new(number("+14155550111")).with_time_limit(Duration::ZERO)),
        Answer::say("x".repeat(64 * 1024)),
    ] {
        assert_eq!(refused(&answer), ErrorKind::InvalidArgument, "{answer:?}");
    }
    let twilio = twilio();
    let just = Answer::from(long(499));
    assert!(
        twilio
            .incoming_call(&incoming(&twilio), &just, &links())
            .is_ok()
    );
}

#[test]
fn a_parameters_length_is_counted_in_characters() {
    let twilio = twilio();
    let wide = Answer::from(Stream::new().with_parameter("n", "\u{e9}".repeat(498)));
    assert!(
        twilio
            .incoming_call(&incoming(&twilio), &wide, &links())
            .is_ok()
    );
}

#[test]
fn capabilities_and_answers_agree() {
    use telephony_core::{Capabilities, Clear, HangUpBy, Marks, Verb};
    let twilio = twilio();
    let capabilities: Capabilities = twilio.capabilities();
    let call = incoming(&twilio);
    for (verb, answer) in [
        (Verb::Stream, Answer::stream()),
        (Verb::Say, Answer::say("x")),
        (Verb::Play, Answer::play("https://example.com/a.mp3")),
        (Verb::Gather, Answer::gather(Gather::digits(1))),
        (Verb::GatherSpeech, Answer::gather(Gather::speech())),
        (Verb::Dial, Answer::dial("+14155550111")),
        (
            Verb::Pause,
            Answer::new([Step::Pause(Duration::from_secs(1))]),
        ),
        (Verb::HangUp, Answer::hang_up()),
        (Verb::Reject, Answer::reject(RejectReason::Busy)),
        (Verb::Redirect, Answer::redirect()),
    ] {
        let written = twilio.incoming_call(&call, &answer, &links()).is_ok();
        assert_eq!(capabilities.can(verb), written, "{verb:?}");
    }
    assert_eq!(
        capabilities.formats,
        [telephony_core::audio::AudioFormat::MULAW_8000]
    );
    assert_eq!(capabilities.marks, Marks::Echoed);
    assert_eq!(capabilities.clear, Clear::Everything);
    assert_eq!(capabilities.hang_up, HangUpBy::ClosingSocket);
    assert!(capabilities.dtmf_in && capabilities.signed_webhooks && capabilities.signed_upgrade);
    assert_eq!(capabilities.answer_deadline, Some(Duration::from_secs(15)));
}
