//! Calls through the simulated Exotel that are about applets and callbacks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{App, Reply, Seen, codes, next_json, no_socket};
use telephony_testkit::persona::exotel::{Applet, CallbackBody};
use telephony_testkit::{
    CallbackDelivery, DialResult, EndedBy, ExotelAccount, Instruction, Outcome, Script,
    SimulatedCall, Simulator,
};

const SECOND: Duration = Duration::from_secs(1);

fn account(flow: impl IntoIterator<Item = Applet>) -> ExotelAccount {
    ExotelAccount::new("exampleacct1").with_flow(flow)
}

fn simulated(app: &App, account: ExotelAccount) -> SimulatedCall {
    Simulator::exotel(account)
        .answer_url(app.url("/call?key=secret"))
        .status_url(app.url("/status"))
        .from("+919990000105")
        .to("+914440002319")
        .speed(20.0)
        .script(Script::new().wait_for_hang_up(10 * SECOND))
}

/// An app that answers at one path, and 200 elsewhere.
async fn app(path: &'static str, reply: Reply) -> App {
    App::serve(
        move |seen| match seen.path.as_str() {
            at if at == path => reply.clone(),
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await
}

fn assert_clean(outcome: &Outcome) {
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
}

fn purposes(outcome: &Outcome) -> Vec<&str> {
    outcome
        .webhooks
        .iter()
        .map(|webhook| webhook.purpose.as_str())
        .collect()
}

// Passthru.

#[tokio::test]
async fn a_passthru_chooses_the_branch() {
    let flow = [
        Applet::passthru("/passthru"),
        Applet::greeting("/a"),
        Applet::Hangup,
    ];
    for (status, greeted, code) in [
        (200, "/a", None),
        (302, "/b", None),
        (500, "/a", Some("passthru-status")),
        (204, "/a", Some("passthru-status")),
        (301, "/a", Some("passthru-status")),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/passthru" => Reply::status(status),
                _ => Reply::new(200, "text/plain", "Hello"),
            },
            no_socket,
        )
        .await;
        let account = account(flow.clone()).with_branch_b([Applet::greeting("/b"), Applet::Hangup]);
        let outcome = simulated(&app, account).call().await;
        assert_eq!(codes(&outcome), code.into_iter().collect::<Vec<_>>());
        assert_eq!(app.seen_at(greeted).len(), 2, "{status}");
        assert_eq!(
            app.seen_at("/a").len() + app.seen_at("/b").len(),
            2,
            "{status}"
        );
        assert_eq!(
            (outcome.ended_by, outcome.status.as_str()),
            (EndedBy::Document, "completed")
        );
    }
}

#[tokio::test]
async fn branch_b_hangs_up_unless_told_otherwise() {
    let app = app("/passthru", Reply::status(302)).await;
    let outcome = simulated(
        &app,
        account([Applet::passthru("/passthru"), Applet::greeting("/a")]),
    )
    .call()
    .await;
    assert_clean(&outcome);
    assert!(!outcome.answered && app.seen_at("/a").is_empty());
    assert_eq!(outcome.ended_by, EndedBy::Document);
}

#[tokio::test]
async fn an_asynchronous_passthru_is_not_waited_for() {
    let app = app(
        "/passthru",
        Reply::status(302).after(Duration::from_millis(600)),
    )
    .await;
    let flow = [Applet::asynchronous_passthru("/passthru"), Applet::Hangup];
    let call = simulated(&app, account(flow)).start();
    let handle = call.handle();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(handle.is_over());
    let outcome = call.outcome().await;
    // A redirect is no acknowledgement, and leads nowhere.
    assert_eq!(codes(&outcome), ["callback-status"]);
    assert!(outcome.webhooks.is_empty());
    assert_eq!(outcome.callbacks[0].purpose, "passthru");
}

#[tokio::test]
async fn without_a_url_nobody_is_told() {
    let app = app("/none", Reply::status(404)).await;
    let outcome = simulated(&app, account([Applet::idle_passthru(), Applet::Hangup]))
        .call()
        .await;
    assert_clean(&outcome);
    assert!(outcome.webhooks.is_empty());
}

#[tokio::test]
async fn a_flow_in_circles_is_ended() {
    let app = app("/passthru", Reply::status(302)).await;
    let account =
        account([Applet::passthru("/passthru")]).with_branch_b([Applet::passthru("/passthru")]);
    let outcome = simulated(&app, account).call().await;
    assert_eq!(codes(&outcome), ["endless-flow"]);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
}

#[tokio::test]
async fn an_applet_url_must_be_one() {
    let app = app("/none", Reply::status(404)).await;
    for applet in [
        Applet::passthru("http://a b/"),
        Applet::connect("http://a b/"),
        Applet::gather("http://a b/"),
        Applet::greeting("http://a b/"),
    ] {
        let outcome = simulated(&app, account([applet, Applet::Hangup]))
            .call()
            .await;
        assert_eq!(codes(&outcome), ["bad-applet-url"]);
    }
}

// Connect.

fn connect_flow() -> [Applet; 3] {
    [
        Applet::connect("/connect?applet=connect"),
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ]
}

fn connect_answer(seen: &Seen) -> Value {
    json!({
        "fetch_after_attempt": false,
        "destination": {"numbers": ["+919990000201", "+919990000202"]},
        "outgoing_phone_number": "04440002319",
        "record": false,
        "max_ringing_duration": 30,
        "max_conversation_duration": 3,
        "music_on_hold": {"type": "operator_tone"},
        "dial_passthru_event_url": format!("http://{}/agent?key=secret", seen.host()),
    })
}

async fn connect_app() -> App {
    App::serve(
        |seen| match seen.path.as_str() {
            "/connect" => Reply::json(connect_answer(seen)),
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await
}

#[tokio::test]
async fn a_connect_dials_and_tells_of_it() {
    let app = connect_app().await;
    let outcome = simulated(&app, account(connect_flow()))
        .dial_result(DialResult::Completed(10 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert!(outcome.answered);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Document, "completed")
    );
    assert_eq!(
        outcome.documents[0].instructions,
        [Instruction::Dial { targets: 2 }]
    );
    let asked = &app.seen_at("/connect")[0];
    assert_eq!(
        (asked.method.as_str(), asked.header("exotel-version")),
        ("GET", "1.0")
    );
    assert_eq!(
        (asked.param("applet"), asked.param("CallSid")),
        ("connect".into(), outcome.call_id.clone())
    );

    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("DialCallStatus"), "completed");
    assert_eq!(told.param("CallType"), "completed");
    // Talk is cut at the longest conversation; 3 s at twenty times the speed.
    let seconds: u64 = told.param("DialCallDuration").parse().unwrap();
    assert!((3..=5).contains(&seconds), "{seconds}");
    assert_eq!(told.param("DialWhomNumber"), "09990000201");
    assert_eq!(told.param("OutgoingPhoneNumber"), "04440002319");
    assert_eq!(told.param("Legs[0][CauseCode]"), "NORMAL_CLEARING");
    assert_eq!(told.param("Legs[0][Cause]"), "16");
    assert_eq!(told.param("Legs[0][Type]"), "single");
    assert_eq!(
        told.param("Legs[1][Number]"),
        "",
        "the second one was not needed"
    );

    let events = app.seen_at("/agent");
    let words: Vec<_> = events
        .iter()
        .map(|seen| (seen.param("EventType"), seen.param("Status")))
        .collect();
    assert_eq!(
        words,
        [
            ("Dial".into(), "busy".into()),
            ("Terminal".into(), "free".into())
        ]
    );
    for event in &events {
        assert_eq!(
            (event.method.as_str(), event.param("key")),
            ("GET", "secret".into())
        );
        assert_eq!(event.param("Direction"), "outbound-dial");
        assert_eq!(event.param("DialWhomNumber"), "09990000201");
    }
}

#[tokio::test]
async fn who_does_not_answer_is_followed_by_the_next() {
    for (result, status, cause) in [
        (DialResult::Busy, "busy", "17"),
        (DialResult::NoAnswer, "no-answer", "19"),
        (DialResult::Failed, "failed", "1"),
    ] {
        let app = connect_app().await;
        let outcome = simulated(&app, account(connect_flow()))
            .dial_result(result)
            .call()
            .await;
        assert_clean(&outcome);
        let told = &app.seen_at("/passthru")[0];
        assert_eq!(
            (told.param("DialCallStatus"), told.param("CallType")),
            (status.into(), "incomplete".into())
        );
        assert_eq!(told.param("Legs[0][Cause]"), cause);
        assert_eq!(told.param("Legs[1][Number]"), "09990000202");
        assert_eq!(told.param("DialWhomNumber"), "09990000202");
        assert_eq!(app.seen_at("/agent").len(), 4);
    }
}

#[tokio::test]
async fn numbers_may_ring_at_once_with_all_events() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/connect" => {
                let mut answer = connect_answer(seen);
                answer["parallel_ringing"] = json!({"activate": true, "max_parallel_attempts": 2});
                Reply::json(answer)
            }
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app, account(connect_flow()).with_all_agent_events())
        .call()
        .await;
    assert_clean(&outcome);
    let events: Vec<_> = app
        .seen_at("/agent")
        .iter()
        .map(|seen| seen.param("EventType"))
        .collect();
    assert_eq!(
        events,
        [
            "Dial", "Dial", "Ringing", "Ringing", "Answered", "Terminal", "Terminal"
        ]
    );
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("Legs[1][Type]"), "parallel");
    assert_eq!(told.param("Legs[1][OnCallDuration]"), "0");
}

#[tokio::test]
async fn nobody_may_be_dialled() {
    let app = app(
        "/connect",
        Reply::json(json!({"destination": {"numbers": []}})),
    )
    .await;
    let outcome = simulated(&app, account(connect_flow())).call().await;
    assert_clean(&outcome);
    assert!(!outcome.answered);
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(
        (told.param("CallType"), told.param("DialCallStatus")),
        ("incomplete".into(), String::new())
    );
}

#[tokio::test]
async fn a_connect_may_ask_again() {
    let questions = AtomicUsize::new(0);
    let app = App::serve(
        move |seen| match seen.path.as_str() {
            "/connect" => {
                let numbers = match questions.fetch_add(1, Ordering::SeqCst) {
                    0 => vec!["+919990000201"],
                    _ => vec![],
                };
                Reply::json(
                    json!({"fetch_after_attempt": true, "destination": {"numbers": numbers}}),
                )
            }
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await;
    let call = simulated(&app, account(connect_flow())).dial_result(DialResult::Busy);
    let outcome = call.call().await;
    assert_clean(&outcome);
    assert_eq!(purposes(&outcome), ["connect", "connect", "passthru"]);
    assert_eq!(app.seen_at("/connect")[1].param("DialCallStatus"), "busy");

    let stubborn =
        json!({"fetch_after_attempt": true, "destination": {"numbers": ["+919990000201"]}});
    let app = self::app("/connect", Reply::json(stubborn)).await;
    let outcome = simulated(&app, account(connect_flow()))
        .dial_result(DialResult::Busy)
        .call()
        .await;
    assert_eq!(codes(&outcome), ["endless-connect"]);
}

#[tokio::test]
async fn a_caller_may_hang_up_while_talking() {
    let app = connect_app().await;
    let outcome = simulated(&app, account(connect_flow()))
        .dial_result(DialResult::Completed(100 * SECOND))
        .script(Script::new().silence(2 * SECOND).hang_up())
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(
        (told.param("CallType"), told.param("CallStatus")),
        ("client-hangup".into(), "completed".into())
    );
    let events: Vec<_> = app
        .seen_at("/agent")
        .iter()
        .map(|seen| seen.param("EventType"))
        .collect();
    assert_eq!(events, ["Dial", "Terminal"]);
}

#[tokio::test]
async fn bad_connect_answers_dial_nobody() {
    for (reply, expected) in [
        (Reply::status(500), vec!["unexpected-status"]),
        (
            Reply::new(200, "text/plain", "+919990000201"),
            vec!["wrong-content-type"],
        ),
        (Reply::json(json!({})), vec!["no-destination"]),
        (
            Reply::json(json!({"destination": {"numbers": "1"}})),
            vec!["wrong-type", "no-destination"],
        ),
        (
            Reply::json(json!({"destination_type": "user"})),
            vec!["unknown-member", "not-simulated"],
        ),
    ] {
        let app = app("/connect", reply).await;
        let outcome = simulated(&app, account(connect_flow())).call().await;
        assert_eq!(codes(&outcome), expected);
        assert_eq!(outcome.ended_by, EndedBy::Carrier);
        assert_eq!(app.seen_at("/passthru").len(), 1, "the flow goes on");
    }
}

#[tokio::test]
async fn odd_connect_answers_dial_all_the_same() {
    let number = json!({"numbers": ["+919990000201"]});
    for (answer, code) in [
        (
            json!({"destination": number, "recording_channels": "stereo"}),
            "wrong-value",
        ),
        (
            json!({"destination": number, "dial_passthru_event_url": "/agent"}),
            "bad-event-url",
        ),
        (
            json!({"destination": number, "custom_params": "a=1"}),
            "custom-params-without-trunk",
        ),
        (
            json!({"destination": {"numbers": ["+919990000201", "sip:ada@example.com"]}}),
            "sip-in-numbers",
        ),
        (
            json!({"destination": {"numbers": vec!["+919990000201"; 6]}}),
            "too-many-numbers",
        ),
        (
            json!({"destination": {"trunk": "t"}, "custom_params": "x".repeat(201)}),
            "custom-params-too-long",
        ),
    ] {
        let app = app("/connect", Reply::json(answer)).await;
        let outcome = simulated(&app, account(connect_flow())).call().await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(
            app.seen_at("/passthru")[0].param("CallType"),
            "completed",
            "{code}"
        );
    }
}

// Gather.

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

// Greeting.

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

// Status callbacks.

/// What the default, a multipart form, says.
fn multipart(seen: &Seen) -> Vec<(String, String)> {
    let boundary = seen
        .header("content-type")
        .split_once("boundary=")
        .unwrap()
        .1
        .to_owned();
    let body = String::from_utf8(seen.body.to_vec()).unwrap();
    assert!(body.ends_with(&format!("--{boundary}--\r\n")), "{body}");
    body.split(&format!("--{boundary}"))
        .filter_map(|part| part.strip_prefix("\r\nContent-Disposition: form-data; name=\""))
        .map(|part| {
            let (name, value) = part.split_once("\"\r\n\r\n").unwrap();
            (
                name.to_owned(),
                value.strip_suffix("\r\n").unwrap().to_owned(),
            )
        })
        .collect()
}

#[tokio::test]
async fn one_callback_with_four_fields_comes_at_the_end() {
    let app = app("/greet", Reply::new(200, "text/plain", "Hello")).await;
    let flow = [Applet::greeting("/greet"), Applet::Hangup];
    let outcome = simulated(&app, account(flow.clone())).call().await;
    assert_clean(&outcome);
    let status = app.seen_at("/status");
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].method, "POST");
    let fields = multipart(&status[0]);
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CallSid", "DateUpdated", "Status", "RecordingUrl"]);
    assert_eq!(fields[0].1, outcome.call_id);
    assert_eq!(fields[2].1, "completed");
    assert_eq!(outcome.callbacks[0].purpose, "status completed");

    for (body, content_type) in [
        (CallbackBody::Form, "application/x-www-form-urlencoded"),
        (CallbackBody::Json, "application/json"),
    ] {
        let outcome = simulated(&app, account(flow.clone()).with_callback_body(body))
            .call()
            .await;
        let seen = app.seen_at("/status").pop().unwrap();
        assert_eq!(seen.header("content-type"), content_type);
        let id = match body {
            CallbackBody::Json => seen.json()["CallSid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            _ => seen.param("CallSid"),
        };
        assert_eq!(id, outcome.call_id);
    }
}

#[tokio::test]
async fn chosen_events_come_with_all_fields() {
    let app = connect_app().await;
    let account = account(connect_flow())
        .with_status_events(["ringing", "answered", "terminal"])
        .with_callback_body(CallbackBody::Json);
    let outcome = simulated(&app, account.clone()).call().await;
    assert_clean(&outcome);
    let status: Vec<Value> = app.seen_at("/status").iter().map(Seen::json).collect();
    let words: Vec<_> = status
        .iter()
        .map(|body| (body["EventType"].clone(), body["Status"].clone()))
        .collect();
    assert_eq!(
        words,
        [
            (json!("ringing"), json!("ringing")),
            (json!("answered"), json!("in-progress")),
            (json!("terminal"), json!("completed")),
        ]
    );
    assert_eq!(
        (&status[1]["EndTime"], &status[1]["From"]),
        (&json!(""), &json!("09990000105"))
    );
    let last = &status[2];
    assert_eq!(last["Direction"], "inbound");
    assert!(
        last["ConversationDuration"].as_u64().unwrap() >= 1,
        "{last}"
    );
    assert_eq!(last["Legs"].as_array().unwrap().len(), 2);
    assert_eq!(last["Legs"][1]["Status"], "completed");
    assert!(last["Legs"][1]["OnCallDuration"].is_u64());

    simulated(
        &app,
        account
            .with_callback_body(CallbackBody::Multipart)
            .with_status_events(["terminal"]),
    )
    .call()
    .await;
    let fields = multipart(&app.seen_at("/status")[3]);
    assert!(
        fields.contains(&("Legs[1][Status]".into(), "completed".into())),
        "{fields:?}"
    );
    assert_eq!(app.seen_at("/status").len(), 4);
}

#[tokio::test]
async fn callbacks_may_be_refused_repeated_or_lost() {
    let app = app("/status", Reply::status(500)).await;
    let flow = [Applet::Hangup];
    let outcome = simulated(&app, account(flow.clone())).call().await;
    assert_eq!(codes(&outcome), ["callback-status"]);
    let outcome = simulated(&app, account(flow.clone()))
        .status_url("http://127.0.0.1:1/")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["callback-failed"]);

    let twice = CallbackDelivery::reliable().repeated(1);
    let outcome = simulated(&app, account(flow.clone()))
        .callbacks(twice)
        .call()
        .await;
    assert_eq!(outcome.callbacks.len(), 2);
    let never = CallbackDelivery::reliable().losing("status completed");
    let outcome = simulated(&app, account(flow)).callbacks(never).call().await;
    assert!(outcome.callbacks.is_empty() && outcome.ok());
}

// Several applets.

#[tokio::test]
async fn a_bot_hands_over_to_a_person() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::json(json!({"url": format!("ws://{}/media", seen.host())})),
            "/media" => Reply::switch(),
            "/connect" => Reply::json(json!({"destination": {"numbers": ["+919990000201"]}})),
            _ => Reply::status(200),
        },
        |mut socket: support::Socket, _| async move {
            while next_json(&mut socket).await.unwrap()["event"] != "start" {}
            let _ = socket.close(None).await;
            while next_json(&mut socket).await.is_some() {}
        },
    )
    .await;
    let flow = [
        Applet::Voicebot,
        Applet::passthru("/passthru"),
        Applet::connect("/connect"),
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ];
    let outcome = simulated(&app, account(flow)).call().await;
    assert_clean(&outcome);
    assert_eq!(
        purposes(&outcome),
        ["answer", "passthru", "connect", "passthru"]
    );
    assert_eq!(outcome.ended_by, EndedBy::Document);
    let told = app.seen_at("/passthru");
    assert_eq!(
        (
            told[0].param("Stream[Status]"),
            told[0].param("DialCallStatus")
        ),
        ("completed".into(), String::new())
    );
    assert_eq!(told[1].param("DialCallStatus"), "completed");
}

#[tokio::test]
async fn the_default_flow_is_a_bot_and_nobody_to_tell() {
    let app =
        App::serve(
            |seen| match seen.path.as_str() {
                "/call" => Reply::json(json!({"url": format!("ws://{}/media", seen.host())})),
                "/media" => Reply::switch(),
                _ => Reply::status(200),
            },
            |mut socket: support::Socket, _| async move {
                while next_json(&mut socket).await.is_some() {}
            },
        )
        .await;
    let outcome = simulated(&app, ExotelAccount::new("exampleacct1"))
        .from("+14155550100")
        .script(Script::new())
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(purposes(&outcome), ["answer"]);
    assert_eq!(app.seen_at("/call")[0].param("From"), "+14155550100");
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
}

#[tokio::test]
async fn a_call_that_is_over_before_an_answer_is_canceled() {
    let app = app("/call", Reply::status(500).after(SECOND)).await;
    let call = simulated(&app, account([Applet::Voicebot, Applet::Hangup])).start();
    tokio::time::sleep(Duration::from_millis(200)).await;
    call.handle().hang_up();
    let outcome = call.outcome().await;
    assert_eq!(
        (outcome.answered, outcome.status.as_str()),
        (false, "canceled")
    );
}
