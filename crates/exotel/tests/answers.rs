//! Which applet takes which answer, what callbacks get, and documents of the app.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::answering::{acknowledge, assert_document, assert_url, events_url, write};
use common::{CALL_KEY, assert_kind, config, exotel, get, links, verified};
use http::StatusCode;
use std::time::Duration;
use telephony_core::{
    Answer, Document, ErrorKind, Gather, RejectReason, Step, Telephony, WebhookKind,
};
use telephony_exotel::Exotel;

const APPLETS: [&str; 5] = ["voicebot", "connect", "gather", "greeting", "passthru"];

#[test]
fn callbacks_are_acknowledged_and_take_no_answer() {
    for kind in [WebhookKind::Status, WebhookKind::Event] {
        let request = || verified(get(kind, "CallSid=c1&Status=completed&applet=connect"));
        let response = exotel().reply(&request(), None, &links()).unwrap().response;
        assert_eq!(
            (response.status(), response.body().len()),
            (StatusCode::OK, 0)
        );
        let answered = exotel().reply(&request(), Some(&Answer::dial("+919812345670")), &links());
        assert_kind(answered, ErrorKind::Unsupported, "no answer");
    }
    for applet in ["", "voicebot", "gather"] {
        assert_eq!(
            acknowledge(applet).unwrap().response.status(),
            StatusCode::OK
        );
    }
    assert_document(acknowledge("greeting"), "text/plain", "");
    let nameless = verified(get(WebhookKind::NextStep, "CallSid=c1"));
    assert_kind(
        exotel().reply(&nameless, Some(&Answer::hang_up()), &links()),
        ErrorKind::Unsupported,
        "applet=",
    );
    assert_kind(acknowledge("ivr"), ErrorKind::Malformed, "applet");
}

#[test]
fn an_applet_refuses_the_steps_of_the_others() {
    let steps = [
        (
            Answer::stream(),
            "stream",
            vec!["voicebot"],
            "applet=voicebot",
        ),
        (Answer::say("x"), "say", vec!["greeting"], "applet=greeting"),
        (
            Answer::play("https://x.example/a.mp3"),
            "play",
            vec!["greeting"],
            "applet=greeting",
        ),
        (
            Answer::gather(Gather::digits(1).with_prompt("x")),
            "gather",
            vec!["gather"],
            "applet=gather",
        ),
        (
            Answer::dial("+919812345670"),
            "dial",
            vec!["connect"],
            "applet=connect",
        ),
        (
            Answer::hang_up(),
            "hang up",
            vec!["connect", "passthru"],
            "Hangup applet",
        ),
        (
            Answer::reject(RejectReason::Busy),
            "reject",
            vec![],
            "no applet",
        ),
        (Answer::redirect(), "redirect", vec![], "no applet"),
        (
            Answer::new([Step::Pause(Duration::from_secs(1))]),
            "pause",
            vec![],
            "no applet",
        ),
    ];
    for (answer, step, homes, says) in steps {
        for applet in APPLETS {
            let written = write(applet, &answer);
            if homes.contains(&applet) {
                written.unwrap();
            } else {
                let error = written.unwrap_err();
                assert_kind(
                    Err::<(), _>(error),
                    ErrorKind::Unsupported,
                    &format!("the {applet} applet cannot {step}"),
                );
                assert_kind(write(applet, &answer), ErrorKind::Unsupported, says);
            }
        }
    }
    for applet in APPLETS {
        assert_kind(
            write(applet, &Answer::say("x").then_hang_up()),
            ErrorKind::Unsupported,
            "one step",
        );
        assert_kind(
            write(applet, &Answer::default()),
            ErrorKind::InvalidArgument,
            "no step",
        );
    }
}

#[test]
fn a_document_of_the_app_is_filled_and_checked() {
    let fill =
        |applet: &str, body: &str| write(applet, &Answer::document(Document::new("exotel", body)));
    let body = r#"{"fetch_after_attempt":false,"destination":{"trunk":"trunk-7"},"dial_passthru_event_url":"{{events_url}}"}"#;
    let filled = body.replace("{{events_url}}", &events_url());
    assert_document(fill("connect", body), "application/json", &filled);
    assert_url(
        fill("voicebot", r#"{"url":"{{ media_url }}?a={{call_key}}"}"#),
        &format!("?a={CALL_KEY}"),
    );
    assert_document(fill("greeting", "{{call_key}}"), "text/plain", CALL_KEY);
    assert!(
        fill(
            "gather",
            r#"{"gather_prompt":{"text":"x"},"repeat_menu":2}"#
        )
        .is_ok()
    );

    for (applet, body, says) in [
        ("voicebot", "{}", "`url`"),
        ("voicebot", r#"{"url":7}"#, "`url`"),
        ("voicebot", r#"{"url":"https://x.example"}"#, "wss://"),
        ("voicebot", r#"{"url":"wss://x.example/ a"}"#, "no URL"),
        ("voicebot", r#"{"url":"wss://"}"#, "no URL"),
        (
            "voicebot",
            r#"{"url":"wss://x.example?a=1&b=2&c=3&d=4"}"#,
            "3 parameters",
        ),
        ("connect", r#"{"destination":null}"#, "`destination`"),
        ("gather", "{}", "`gather_prompt`"),
        ("gather", "[1]", "JSON object"),
        ("connect", "<Response/>", "JSON object"),
        ("connect", r#"{"destination":{}"#, "JSON object"),
        (
            "connect",
            r#"{"destination":{},"x":"{{secret}}"}"#,
            "placeholder",
        ),
        ("greeting", " ", "empty"),
    ] {
        assert_kind(fill(applet, body), ErrorKind::InvalidArgument, says);
    }
    assert_kind(
        fill("passthru", "{}"),
        ErrorKind::Unsupported,
        "no document",
    );
    let foreign = Answer::document(Document::new("twilio", "<Response/>"));
    assert_kind(
        write("connect", &foreign),
        ErrorKind::Unsupported,
        "another carrier",
    );
}

#[test]
fn a_call_of_another_account_is_not_answered() {
    let label = telephony_core::AccountLabel::new("other").unwrap();
    let other = Exotel::new(label, config(), &telephony_core::Ports::default()).unwrap();
    let call = exotel()
        .accept_call(&verified(get(WebhookKind::IncomingCall, "CallFrom=1")))
        .unwrap();
    assert_kind(
        other.incoming_call(&call, &Answer::stream(), &links()),
        ErrorKind::InvalidArgument,
        "another account",
    );
}
