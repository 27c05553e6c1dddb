//! Calls in all three modes.

use std::time::Duration;

use super::{
    EXOPHONE, FLOW, account, ask, carrier, fetched, greet, outcome, place, placed, routes,
    stream_url,
};
use crate::support::raw::Ask;
use crate::support::{App, SECOND, Seen, assert_clean, codes, listen, no_socket};
use serde_json::{Value, json};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{DialResult, EndedBy, OnDial, Script, Simulator, Speech};

#[tokio::test]
async fn a_call_is_connected_to_a_stream() {
    let app = App::serve(routes, greet).await;
    let carrier = carrier().await;
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let told = place(
        &carrier,
        &[
            ("StreamUrl", &stream_url(&app)),
            ("StreamType", "bidirectional"),
            ("CustomField", "order 7"),
            ("StatusCallback", &app.url("/status?key=secret")),
            ("StatusCallbackEvents[0]", "ringing"),
            ("StatusCallbackEvents[1]", "answered"),
            ("StatusCallbackEvents[]", "terminal"),
            ("StatusCallbackContentType", "application/json"),
        ],
    )
    .await;
    let call = told.json()["Call"].clone();
    assert_eq!(told.status, 200, "{call}");
    assert_eq!(
        (&call["Status"], &call["Direction"], &call["EndTime"]),
        (&json!("in-progress"), &json!("outbound-api"), &Value::Null)
    );
    assert_eq!(
        (&call["From"], &call["To"], &call["PhoneNumberSid"]),
        (&json!("09990000105"), &json!(EXOPHONE), &json!(EXOPHONE))
    );
    let sid = call["Sid"].as_str().unwrap();
    assert_eq!(sid.len(), 32);
    let outcome = outcome(&carrier, sid).await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert!(outcome.webhooks.is_empty(), "there is no flow");
    let told = app.seen_at("/status");
    let told: Vec<Value> = told.iter().map(Seen::json).collect();
    let events: Vec<_> = told
        .iter()
        .map(|event| event["EventType"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["ringing", "answered", "terminal"]);
    let last = &told[2];
    assert_eq!(
        (&last["CallSid"], &last["Status"]),
        (&json!(sid), &json!("completed"))
    );
    assert_eq!(
        (&last["CustomField"], &last["Direction"]),
        (&json!("order 7"), &json!("outbound-api"))
    );
    assert_eq!(last["Legs"][0]["AnsweredBy"], "Human");
    assert_eq!(app.seen_at("/status")[0].query, "key=secret");
    assert_eq!(
        app.seen_at("/media")[0].query,
        "",
        "the query stays at home"
    );

    let call = fetched(&carrier, sid).await;
    assert_eq!(
        (&call["Status"], &call["Details"]["Leg1Status"]),
        (&json!("completed"), &json!("completed"))
    );
    assert!(
        call["Duration"].is_string() && call["Price"].is_string(),
        "{call}"
    );
}

#[tokio::test]
async fn a_call_runs_through_a_flow() {
    let app = App::serve(routes, greet).await;
    let flow = [
        Applet::Voicebot,
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ];
    let carrier = Simulator::exotel(account().with_flow(flow))
        .answer_url(app.url("/call"))
        .speed(20.0)
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .serve()
        .await
        .unwrap();
    let sid = placed(
        &carrier,
        &[
            ("Url", FLOW),
            ("CallType", "trans"),
            ("CustomField", "42"),
            ("StatusCallback", &app.url("/status")),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    assert_clean(&outcome);
    let asked = &app.seen_at("/call")[0];
    assert_eq!(asked.param("CallSid"), sid);
    assert_eq!(
        (
            asked.param("From"),
            asked.param("CallFrom"),
            asked.param("CallTo")
        ),
        ("09990000105".into(), EXOPHONE.into(), "09990000105".into())
    );
    let passed = &app.seen_at("/passthru")[0];
    assert_eq!(passed.param("CustomField"), "42");
    assert_eq!(passed.param("Direction"), "outbound-dial");
    assert_eq!(passed.param("Stream[DisconnectedBy]"), "bot");
    // Without chosen events, a form with four fields comes at the end.
    let status = app.seen_at("/status");
    assert_eq!(status.len(), 1);
    assert!(
        status[0]
            .header("content-type")
            .starts_with("multipart/form-data")
    );
    let body = String::from_utf8(status[0].body.to_vec()).unwrap();
    assert!(body.contains("\"Status\"\r\n\r\ncompleted") && !body.contains("EventType"));
}

#[tokio::test]
async fn foreign_flows_fail() {
    let carrier = carrier().await;
    for url in [
        "https://voice.example.com/answer",
        "http://my.exotel.com/another1/exoml/start_voice/926",
        "http://my.exotel.com/exampleacct1/exoml/start_voice/",
    ] {
        let sid = placed(&carrier, &[("Url", url)]).await;
        let outcome = outcome(&carrier, &sid).await;
        assert_eq!(
            (outcome.status.as_str(), codes(&outcome)),
            ("failed", vec!["flow-url"]),
            "{url}"
        );
    }
}

#[tokio::test]
async fn two_numbers_are_connected() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let more = [
        ("To", "+919990000106"),
        ("StatusCallback", &app.url("/status")),
        ("StatusCallbackEvents[]", "terminal"),
        ("StatusCallbackContentType", "application/json"),
    ];
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    for (result, second) in [
        (DialResult::Completed(2 * SECOND), "completed"),
        (DialResult::Busy, "busy"),
    ] {
        carrier.set(|call| call.dial_result(result));
        let sid = placed(&carrier, &more).await;
        let outcome = outcome(&carrier, &sid).await;
        assert_clean(&outcome);
        assert_eq!(outcome.ended_by, EndedBy::Document);
        let last = app.seen_at("/status").pop().unwrap().json();
        assert_eq!(
            (&last["Status"], &last["Legs"][1]["Status"]),
            (&json!("completed"), &json!(second))
        );
        assert_eq!(last["To"], "09990000106");
    }
}

#[tokio::test]
async fn nobody_may_answer() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    for (on_dial, expected) in [
        (OnDial::Busy, "busy"),
        (OnDial::NoAnswer, "no-answer"),
        (OnDial::Answer { after: 20 * SECOND }, "no-answer"),
        (OnDial::Failed, "failed"),
    ] {
        carrier.set(|call| call.on_dial(on_dial));
        let path = format!("/status/{expected}");
        let url = app.url(&path);
        let more = [("Url", FLOW), ("TimeOut", "5"), ("StatusCallback", &url)];
        let sid = placed(&carrier, &more).await;
        assert_eq!(
            fetched(&carrier, &sid).await["Status"],
            "in-progress",
            "that is no answer"
        );
        let outcome = outcome(&carrier, &sid).await;
        assert!(!outcome.answered);
        assert_eq!(outcome.status, expected);
        assert_eq!(fetched(&carrier, &sid).await["Status"], expected);
        assert!(!app.seen_at(&path).is_empty());
    }
}

#[tokio::test]
async fn machines_answer_and_limits_end_calls() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.on_dial(OnDial::Machine { after: SECOND })
            .script(Script::new().wait_for_hang_up(10 * SECOND))
    });
    let sid = placed(
        &carrier,
        &[
            ("StreamUrl", &stream_url(&app)),
            ("StreamType", "bidirectional"),
            ("TimeLimit", "3"),
            ("Record", "true"),
            ("StatusCallback", &app.url("/status")),
            ("StatusCallbackEvents[]", "terminal"),
            ("StatusCallbackContentType", "application/json"),
        ],
    )
    .await;
    let outcome = outcome(&carrier, &sid).await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
    let last = app.seen_at("/status")[0].json();
    assert_eq!(last["Legs"][0]["AnsweredBy"], "Machine");
    let url = last["RecordingUrl"].as_str().unwrap();
    let path = url.strip_prefix(carrier.base_url()).unwrap();
    let told = ask(&carrier, "GET", path).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "audio/mpeg")
    );
    assert_eq!(
        Ask::new("GET", carrier.base_url(), path)
            .told()
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_callee_hangs_up() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.script(
            Script::new()
                .speak(Speech::tone(440.0, Duration::from_millis(300)))
                .hang_up(),
        )
    });
    let more = [
        ("StreamUrl", &*stream_url(&app)),
        ("StreamType", "bidirectional"),
    ];
    let sid = placed(&carrier, &more).await;
    let outcome = outcome(&carrier, &sid).await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Callee, "completed")
    );
    assert!(outcome.stream().unwrap().to_app.frames > 0);
}
