//! A Gather asks what to say and waits for keys; a Greeting asks what to say.

use std::time::Duration;

use super::{account, app, purposes, simulated};
use crate::support::{App, Reply, SECOND, assert_clean, codes, no_socket};
use serde_json::{Value, json};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{EndedBy, Instruction, Script};

fn gather_flow() -> [Applet; 3] {
    [
        Applet::gather("/gather"),
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ]
}

fn menu() -> Value {
    json!({"gather_prompt": {"text": "One for sales"}, "max_input_digits": 4, "finish_on_key": "#", "input_timeout": 2})
}

#[tokio::test]
async fn digits_come_with_quotes() {
    for (keys, digits) in [("12#", "\"12\""), ("12345", "\"1234\""), ("#", "\"\"")] {
        let app = app("/gather", Reply::json(menu())).await;
        let outcome = simulated(&app, account(gather_flow()))
            .script(Script::new().press(keys).wait_for_hang_up(10 * SECOND))
            .call()
            .await;
        assert_clean(&outcome);
        assert_eq!(
            outcome.documents[0].instructions,
            [Instruction::Gather { prompts: 1 }]
        );
        assert_eq!(app.seen_at("/gather")[0].header("exotel-version"), "1.0");
        assert_eq!(
            app.seen_at("/passthru")[0].param("digits"),
            digits,
            "{keys}"
        );
        assert_eq!(outcome.ended_by, EndedBy::Document);
    }
}

#[tokio::test]
async fn who_presses_nothing_hears_the_prompt_again() {
    let mut asked = menu();
    asked["repeat_menu"] = json!(2);
    asked["repeat_gather_prompt"] = json!({"text": "Once more"});
    let app = app("/gather", Reply::json(asked)).await;
    let begun = tokio::time::Instant::now();
    let outcome = simulated(&app, account(gather_flow())).call().await;
    assert_clean(&outcome);
    // Three times two seconds, at twenty times the speed.
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let told = &app.seen_at("/passthru")[0];
    assert!(told.form().iter().all(|(name, _)| name != "digits"));
}

#[tokio::test]
async fn gather_answers_are_checked() {
    let with = |name: &str, value: Value| {
        let mut answer = menu();
        answer[name] = value;
        Reply::json(answer)
    };
    for (reply, code) in [
        (Reply::xml("<Response/>"), "wrong-content-type"),
        (Reply::redirect(302, "/elsewhere"), "redirected"),
        (Reply::json(json!([])), "invalid-json"),
        (Reply::json(json!({})), "no-prompt"),
        (with("finish_on_key", json!("any")), "wrong-value"),
        (with("max_input_digits", json!(256)), "wrong-value"),
        (with("input_timeout", json!("2")), "wrong-type"),
        (with("language", json!("en")), "unknown-member"),
    ] {
        let app = app("/gather", reply).await;
        let outcome = simulated(&app, account(gather_flow())).call().await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(app.seen_at("/passthru").len(), 1);
    }
}

#[tokio::test]
async fn a_fallback_url_answers_for_a_broken_one() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/gather" => Reply::status(503),
            "/fallback" => Reply::json(menu()),
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app, account(gather_flow()))
        .fallback_url(app.url("/fallback"))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["unexpected-status"]);
    assert_eq!(purposes(&outcome), ["gather", "fallback", "passthru"]);
    assert!(outcome.answered);
    assert_eq!(app.seen_at("/fallback")[0].header("exotel-version"), "1.0");
}

#[tokio::test]
async fn a_greeting_is_asked_for_twice() {
    for (text, instruction) in [
        ("Hello, Ada", Instruction::Say { characters: 10 }),
        ("https://voice.example.com/hello.wav", Instruction::Play),
    ] {
        let app = app("/greet", Reply::new(200, "text/plain", text)).await;
        let outcome = simulated(
            &app,
            account([Applet::greeting("/greet?key=secret"), Applet::Hangup]),
        )
        .call()
        .await;
        assert_clean(&outcome);
        assert!(outcome.answered);
        assert_eq!(outcome.ended_by, EndedBy::Document);
        assert_eq!(outcome.documents[0].instructions, [instruction]);
        let asked = app.seen_at("/greet");
        assert_eq!(
            (asked[0].method.as_str(), asked[1].method.as_str()),
            ("HEAD", "GET")
        );
        assert_eq!(asked[0].query, asked[1].query);
        let names: Vec<_> = asked[0].form().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "key",
                "CallSid",
                "From",
                "To",
                "DialWhomNumber",
                "CustomField"
            ]
        );
    }
}

#[tokio::test]
async fn greetings_are_checked() {
    for (reply, code) in [
        (
            Reply::new(200, "text/plain; charset=utf-8", "Hello"),
            "wrong-content-type",
        ),
        (Reply::json(json!("Hello")), "wrong-content-type"),
        (Reply::new(200, "text/plain", " "), "empty-greeting"),
        (Reply::status(405), "unexpected-status"),
    ] {
        let app = app("/greet", reply).await;
        let outcome = simulated(&app, account([Applet::greeting("/greet"), Applet::Hangup]))
            .call()
            .await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(
            (outcome.answered, outcome.ended_by),
            (false, EndedBy::Carrier)
        );
    }
    let app = App::serve(
        |seen| match (seen.path.as_str(), seen.method.as_str()) {
            ("/greet", "HEAD") => Reply::new(200, "text/plain", "Something else"),
            ("/greet", _) => Reply::new(200, "text/plain", "Hello"),
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app, account([Applet::greeting("/greet"), Applet::Hangup]))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["head-differs"]);
    assert!(outcome.answered);
}
