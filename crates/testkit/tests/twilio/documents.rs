//! Calls through the simulated Twilio that are about documents and callbacks.

use std::time::Duration;

use crate::support::{App, Reply, Seen, codes, no_socket};
use telephony_testkit::{
    CallbackDelivery, DialResult, EndedBy, Instruction, Method, Outcome, Script, SimulatedCall,
    Simulator, TwilioAccount,
};

fn account() -> TwilioAccount {
    TwilioAccount::new("AC00000000000000000000000000000001", "a token for tests")
}

fn simulated(app: &App) -> SimulatedCall {
    Simulator::twilio(account())
        .answer_url(app.url("/call"))
        .status_url(app.url("/status"))
        .speed(20.0)
        .script(Script::new().wait_for_hang_up(Duration::from_secs(10)))
}

/// An app that answers with one document.
async fn with_reply(reply: Reply) -> Outcome {
    let app = App::serve(
        move |seen| match seen.path.as_str() {
            "/call" => reply.clone(),
            _ => Reply::status(204),
        },
        no_socket,
    )
    .await;
    simulated(&app).call().await
}

#[tokio::test]
async fn a_spoken_document_is_followed_to_its_end() {
    let outcome = with_reply(Reply::xml(
        "<Response><Pause/><Say>Hello</Say><Play>https://example.com/a.wav</Play><Pause length=\"2\"/></Response>",
    ))
    .await;
    assert_eq!(codes(&outcome), [""; 0]);
    assert!(outcome.answered);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Document, "completed")
    );
    assert_eq!(
        outcome.documents[0].instructions,
        [
            Instruction::Pause {
                length: Duration::from_secs(1)
            },
            Instruction::Say { characters: 5 },
            Instruction::Play,
            Instruction::Pause {
                length: Duration::from_secs(2)
            },
        ]
    );
}

#[tokio::test]
async fn a_refused_call_is_not_answered() {
    for (document, status) in [
        ("<Reject/>", "no-answer"),
        ("<Reject reason=\"busy\"/>", "busy"),
    ] {
        let outcome = with_reply(Reply::xml(format!("<Response>{document}</Response>"))).await;
        assert_eq!(codes(&outcome), [""; 0]);
        assert!(!outcome.answered);
        assert_eq!(
            (outcome.ended_by, outcome.status.as_str()),
            (EndedBy::Document, status)
        );
    }
}

#[tokio::test]
async fn bad_answers_have_the_carriers_codes() {
    let good = "<Response/>";
    for (reply, code) in [
        (Reply::xml("<Response>"), "12100"),
        (Reply::xml("<Answer/>"), "12102"),
        (Reply::xml(""), "11770"),
        (Reply::status(204), "11770"),
        (Reply::new(200, "application/json", good), "12300"),
        (Reply::status(500), "11200"),
        (Reply::status(403), "11200"),
        (Reply::redirect(302, "http://127.0.0.1:1/"), "11205"),
        (Reply::redirect(307, "/call"), "11215"),
        (Reply::redirect(302, "https://elsewhere.example/"), "11100"),
        (
            Reply::xml(format!(
                "<Response><!--{}--></Response>",
                "x".repeat(65_536)
            )),
            "11750",
        ),
        (
            Reply::xml("<Response><Redirect>/call</Redirect></Response>"),
            "endless-documents",
        ),
        (Reply::xml("<Response><Shout/></Response>"), "12200"),
        (Reply::xml("<Response><Echo/></Response>"), "not-simulated"),
    ] {
        let outcome = with_reply(reply.clone()).await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(
            outcome.ok(),
            ["12200", "not-simulated"].contains(&code),
            "{code} is a warning or a note"
        );
    }
}

#[tokio::test]
async fn an_app_that_is_not_there_is_complained_of() {
    let outcome = Simulator::twilio(account())
        .answer_url("http://127.0.0.1:1/call")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["11205"]);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
    let outcome = Simulator::twilio(account())
        .answer_url("call me")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["bad-answer-url"]);
}

#[tokio::test]
async fn the_fallback_takes_over() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::status(500),
            "/fallback" => Reply::xml("<Response><Say>Sorry</Say></Response>"),
            _ => Reply::status(204),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app)
        .fallback_url(app.url("/fallback"))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["11200"]);
    assert!(outcome.answered);
    let asked = &app.seen_at("/fallback")[0];
    assert_eq!(asked.param("ErrorCode"), "11200");
    assert_eq!(asked.param("ErrorUrl"), app.url("/call"));
}

#[tokio::test]
async fn plain_text_is_spoken_and_slow_answers_are_noticed() {
    let outcome = with_reply(Reply::new(200, "text/plain", "just words")).await;
    assert_eq!(codes(&outcome), [""; 0]);
    assert_eq!(
        outcome.documents[0].instructions,
        [Instruction::Say { characters: 10 }]
    );

    let app = App::serve(
        |_| Reply::xml("<Response/>").after(Duration::from_millis(150)),
        no_socket,
    )
    .await;
    let outcome = simulated(&app)
        .slow_webhook(Some(Duration::from_millis(100)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["slow-webhook"]);
    assert!(outcome.webhooks[0].latency >= Duration::from_millis(150));
}

fn menu(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::xml(
            "<Response><Gather numDigits=\"2\" timeout=\"3\" action=\"menu?x=1\"><Say>Which?</Say></Gather><Say>Nothing</Say></Response>",
        ),
        "/menu" => Reply::xml("<Response><Say>Thanks</Say></Response>"),
        _ => Reply::status(204),
    }
}

#[tokio::test]
async fn digits_go_to_the_action() {
    let app = App::serve(menu, no_socket).await;
    for (keys, digits, finished_on) in [("12", "12", ""), ("7#", "7", "#"), ("3", "3", "")] {
        let outcome = simulated(&app)
            .script(
                Script::new()
                    .press(keys)
                    .wait_for_hang_up(Duration::from_secs(10)),
            )
            .call()
            .await;
        assert_eq!(codes(&outcome), [""; 0]);
        let asked = app.seen_at("/menu").pop().unwrap();
        assert_eq!(asked.query, "x=1");
        assert_eq!(
            (
                asked.param("Digits").as_str(),
                asked.param("FinishedOnKey").as_str()
            ),
            (digits, finished_on)
        );
    }
    // Without a key the document goes on.
    let before = app.seen_at("/menu").len();
    let outcome = simulated(&app).call().await;
    assert_eq!(codes(&outcome), [""; 0]);
    assert_eq!(app.seen_at("/menu").len(), before);
}

#[tokio::test]
async fn an_empty_result_is_posted_where_the_document_wants_it() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::xml(
                "<Response><Gather timeout=\"1\" action=\"/menu\" method=\"GET\" actionOnEmptyResult=\"true\"/></Response>",
            ),
            _ => menu(seen),
        },
        no_socket,
    )
    .await;
    simulated(&app).call().await;
    let asked = &app.seen_at("/menu")[0];
    assert_eq!(asked.method, "GET");
    assert!(asked.form().contains(&("Digits".into(), String::new())));
}

#[tokio::test]
async fn a_dialled_leg_has_its_own_callbacks() {
    for (result, status, last) in [
        (
            DialResult::Completed(Duration::from_secs(2)),
            "completed",
            "completed",
        ),
        (DialResult::Busy, "busy", "busy"),
        (DialResult::NoAnswer, "no-answer", "no-answer"),
    ] {
        let app = App::serve(
            |seen| match seen.path.as_str() {
                "/call" => Reply::xml(
                    "<Response><Dial action=\"/after\"><Number statusCallback=\"/child\" statusCallbackEvent=\"initiated ringing answered completed\">+14155550123</Number></Dial></Response>",
                ),
                "/after" => Reply::xml("<Response><Hangup/></Response>"),
                _ => Reply::status(204),
            },
            no_socket,
        )
        .await;
        let outcome = simulated(&app).dial_result(result).call().await;
        assert_eq!(codes(&outcome), [""; 0]);
        assert_eq!(app.seen_at("/after")[0].param("DialCallStatus"), status);
        let children = app.seen_at("/child");
        assert_eq!(children.last().unwrap().param("CallStatus"), last);
        for (index, child) in children.iter().enumerate() {
            assert_eq!(child.param("ParentCallSid"), outcome.call_id);
            assert_ne!(child.param("CallSid"), outcome.call_id);
            assert_eq!(child.param("SequenceNumber"), index.to_string());
        }
        // The child's end is not the end of the call.
        assert_eq!(app.seen_at("/status").len(), 1);
        assert_eq!(outcome.status, "completed");
    }
}

#[tokio::test]
async fn get_puts_everything_into_the_query() {
    let app = App::serve(|_| Reply::xml("<Response/>"), no_socket).await;
    simulated(&app)
        .answer_url(app.url("/call?a=1"))
        .method(Method::Get)
        .call()
        .await;
    let seen = &app.seen_at("/call")[0];
    assert_eq!(seen.method, "GET");
    assert!(seen.query.starts_with("a=1&") && seen.query.contains("&From=%2B14155550100&"));
    assert!(seen.body.is_empty());
}

#[tokio::test]
async fn callbacks_arrive_as_badly_as_the_test_wants() {
    let all = ["initiated", "ringing", "answered", "completed"];
    let order = async |delivery: CallbackDelivery| {
        let app = App::serve(
            |seen| match seen.path.as_str() {
                "/call" => Reply::xml("<Response><Say>Hello</Say></Response>"),
                _ => Reply::status(204),
            },
            no_socket,
        )
        .await;
        let outcome = Simulator::twilio(account().with_status_events(all))
            .answer_url(app.url("/call"))
            .status_url(app.url("/status"))
            .speed(20.0)
            .script(Script::new().wait_for_hang_up(Duration::from_secs(10)))
            .callbacks(delivery)
            .call()
            .await;
        assert_eq!(codes(&outcome), [""; 0]);
        let sent: Vec<_> = app
            .seen_at("/status")
            .iter()
            .map(|seen| {
                format!(
                    "{} {}",
                    seen.param("SequenceNumber"),
                    seen.param("CallStatus")
                )
            })
            .collect();
        sent
    };
    let (ringing, talking, over) = ("0 ringing", "1 in-progress", "2 completed");
    assert_eq!(
        order(CallbackDelivery::reliable()).await,
        [ringing, talking, over]
    );
    assert_eq!(
        order(CallbackDelivery::reliable().swapped()).await,
        [talking, ringing, over]
    );
    assert_eq!(
        order(CallbackDelivery::reliable().backwards()).await,
        [over, talking, ringing]
    );
    assert_eq!(
        order(
            CallbackDelivery::reliable()
                .losing("status in-progress")
                .repeated(1)
        )
        .await,
        [ringing, ringing, over, over]
    );
}

#[tokio::test]
async fn status_callbacks_want_an_empty_reply() {
    for (reply, expected) in [
        (Reply::status(204), vec![]),
        (Reply::xml("<Response/>"), vec![]),
        (Reply::new(200, "application/json", "{}"), vec!["15003"]),
        (Reply::status(500), vec!["15003"]),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/call" => Reply::xml("<Response/>"),
                _ => reply.clone(),
            },
            no_socket,
        )
        .await;
        let outcome = simulated(&app).call().await;
        assert_eq!(codes(&outcome), expected);
        assert!(outcome.ok());
        assert_eq!(outcome.callbacks.len(), 1);
    }
}

#[tokio::test]
async fn an_app_that_does_not_hang_up_is_complained_of() {
    let app = App::serve(
        |_| {
            Reply::xml(
                "<Response><Pause length=\"2\"/><Say>x</Say><Pause length=\"20\"/></Response>",
            )
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app)
        .script(Script::new().wait_for_hang_up(Duration::from_millis(200)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["not-hung-up"]);
    assert_eq!(outcome.ended_by, EndedBy::Caller);
}
