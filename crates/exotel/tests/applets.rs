//! What the Connect, Gather, Greeting and Passthru applets get, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::answering::{NOBODY, acknowledge, assert_document, events_url, write};
use common::{assert_kind, exotel, get, links, verified};
use http::{Method, StatusCode};
use std::time::Duration;
use telephony_core::{Answer, Dial, ErrorKind, Gather, Party, Play, Say, Telephony, WebhookKind};

#[test]
fn a_connect_dials_numbers() {
    let body = format!(
        r#"{{"fetch_after_attempt":false,"destination":{{"numbers":["+919812345670"]}},"dial_passthru_event_url":"{}"}}"#,
        events_url()
    );
    assert_document(
        write("connect", &Answer::dial("+919812345670")),
        "application/json",
        &body,
    );

    let dial = Dial::new(Party::parse("+919812345670"))
        .and(Party::parse("08040000009"))
        .with_caller_id(Party::parse("08040000008"))
        .with_ring_timeout(Duration::from_millis(44_100))
        .with_time_limit(Duration::from_secs(3600));
    let body = format!(
        concat!(
            r#"{{"fetch_after_attempt":false,"destination":{{"numbers":["+919812345670","08040000009"]}},"#,
            r#""outgoing_phone_number":"08040000008","max_ringing_duration":45,"max_conversation_duration":3600,"#,
            r#""parallel_ringing":{{"activate":true,"max_parallel_attempts":2}},"dial_passthru_event_url":"{}"}}"#
        ),
        events_url()
    );
    assert_document(
        write("connect", &Answer::dial(dial)),
        "application/json",
        &body,
    );
}

#[test]
fn a_connect_without_anybody_dials_nobody() {
    assert_document(
        write("connect", &Answer::hang_up()),
        "application/json",
        NOBODY,
    );
    assert_document(acknowledge("connect"), "application/json", NOBODY);
}

#[test]
fn a_connect_refuses_what_it_would_drop() {
    for target in ["sip:agent@example.com", "client:jenny", ""] {
        assert_kind(
            write("connect", &Answer::dial(target)),
            ErrorKind::Unsupported,
            "phone numbers",
        );
    }
    let hidden = Dial::new(Party::parse("+919812345670")).with_caller_id(Party::Withheld);
    assert_kind(
        write("connect", &Answer::dial(hidden)),
        ErrorKind::Unsupported,
        "phone numbers",
    );
    for bad in ["12", "*21#", "1234567890123456"] {
        let target = Party::LocalNumber(bad.into());
        assert_kind(
            write("connect", &Answer::dial(Dial::new(target))),
            ErrorKind::InvalidArgument,
            "digits",
        );
    }
    let six = (1..6).fold(Dial::new(Party::parse("+919812345670")), |dial, _| {
        dial.and(Party::parse("+919812345671"))
    });
    assert_kind(
        write("connect", &Answer::dial(six)),
        ErrorKind::InvalidArgument,
        "five",
    );
    let mut none = Dial::new(Party::Withheld);
    none.targets.clear();
    assert_kind(
        write("connect", &Answer::dial(none)),
        ErrorKind::InvalidArgument,
        "one to five",
    );
    let dial = || Dial::new(Party::parse("+919812345670"));
    for dial in [
        dial().with_ring_timeout(Duration::ZERO),
        dial().with_time_limit(Duration::ZERO),
    ] {
        assert_kind(
            write("connect", &Answer::dial(dial)),
            ErrorKind::InvalidArgument,
            "second",
        );
    }
}

#[test]
fn a_gather_asks_one_question() {
    let gather = Gather::digits(1)
        .with_prompt("Say \"1\" or – \u{20b9}2.")
        .with_timeout(Duration::from_secs(6));
    let body = "{\"gather_prompt\":{\"text\":\"Say \\\"1\\\" or – \u{20b9}2.\"},\"max_input_digits\":1,\"finish_on_key\":\"#\",\"input_timeout\":6}";
    assert_document(
        write("gather", &Answer::gather(gather)),
        "application/json",
        body,
    );

    let gather = Gather::until_finish()
        .with_audio_prompt("https://cdn.example.com/menu.wav")
        .with_finish_key(None)
        .with_timeout(Duration::from_millis(2_001));
    let body = r#"{"gather_prompt":{"audio_url":"https://cdn.example.com/menu.wav"},"finish_on_key":"","input_timeout":3}"#;
    assert_document(
        write("gather", &Answer::gather(gather)),
        "application/json",
        body,
    );
}

#[test]
fn a_gather_refuses_what_it_cannot_ask() {
    let ask = || Gather::digits(1).with_prompt("One?");
    for (gather, kind, says) in [
        (Gather::digits(1), ErrorKind::InvalidArgument, "prompt"),
        (
            ask().with_prompt("Two?"),
            ErrorKind::Unsupported,
            "one prompt",
        ),
        (
            Gather::speech().with_prompt("Say."),
            ErrorKind::Unsupported,
            "keys only",
        ),
        (ask().or_speech(), ErrorKind::Unsupported, "keys only"),
        (
            Gather::digits(0).with_prompt("None?"),
            ErrorKind::InvalidArgument,
            "one key",
        ),
        (
            ask().with_finish_key(Some('A')),
            ErrorKind::InvalidArgument,
            "0-9",
        ),
        (
            ask().with_timeout(Duration::ZERO),
            ErrorKind::InvalidArgument,
            "second",
        ),
        (
            Gather::digits(1).with_prompt(Say::new("Eins?").with_language("de")),
            ErrorKind::Unsupported,
            "language",
        ),
        (
            Gather::digits(1).with_prompt(" "),
            ErrorKind::InvalidArgument,
            "empty",
        ),
        (
            Gather::digits(1).with_audio_prompt("ftp://x/a.wav"),
            ErrorKind::InvalidArgument,
            "http",
        ),
    ] {
        assert_kind(write("gather", &Answer::gather(gather)), kind, says);
    }
}

#[test]
fn a_greeting_is_plain_text() {
    assert_document(
        write("greeting", &Answer::say("Hello & <welcome>.")),
        "text/plain",
        "Hello & <welcome>.",
    );
    let url = "https://cdn.example.com/a%20b.mp3?x=1";
    assert_document(write("greeting", &Answer::play(url)), "text/plain", url);
    for (answer, kind) in [
        (Answer::say(""), ErrorKind::InvalidArgument),
        (
            Answer::say(" https://cdn.example.com/a.mp3"),
            ErrorKind::InvalidArgument,
        ),
        (
            Answer::say(Say::new("x").with_voice("Asha")),
            ErrorKind::Unsupported,
        ),
        (Answer::play("a.mp3"), ErrorKind::InvalidArgument),
        (Answer::play("https://"), ErrorKind::InvalidArgument),
        (Answer::play("https:///a.mp3"), ErrorKind::InvalidArgument),
        (
            Answer::play("https://cdn.example.com/a b.mp3"),
            ErrorKind::InvalidArgument,
        ),
        (
            Answer::play(Play::new("https://cdn.example.com/a.mp3").times(2)),
            ErrorKind::Unsupported,
        ),
        (
            Answer::play(Play::new("https://cdn.example.com/a.mp3").times(0)),
            ErrorKind::Unsupported,
        ),
    ] {
        assert_kind(write("greeting", &answer), kind, "");
    }
}

#[test]
fn a_head_gets_the_same_headers_and_no_body() {
    let ask = |method: Method, answer: Option<&Answer>| {
        let mut request = get(WebhookKind::NextStep, "applet=greeting&CallSid=c1");
        request.method = method;
        exotel()
            .reply(&verified(request), answer, &links())
            .unwrap()
            .response
    };
    let hello = Answer::say("Hello.");
    let (got, head) = (
        ask(Method::GET, Some(&hello)),
        ask(Method::HEAD, Some(&hello)),
    );
    assert_eq!(
        (got.status(), got.headers()),
        (head.status(), head.headers())
    );
    assert_eq!(
        (&got.body()[..], &head.body()[..]),
        (&b"Hello."[..], &b""[..])
    );
    assert_eq!(ask(Method::HEAD, None).headers(), got.headers());
}

#[test]
fn a_passthru_is_answered_by_its_status() {
    let response = write("passthru", &Answer::hang_up()).unwrap().response;
    assert_eq!(
        (response.status(), response.body().len()),
        (StatusCode::FOUND, 0)
    );
    let response = acknowledge("passthru").unwrap().response;
    assert_eq!(
        (response.status(), response.body().len()),
        (StatusCode::OK, 0)
    );
}
