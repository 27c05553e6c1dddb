//! Documents, and events that may be answered with one.

use super::{connect, echo, routes, simulated};
use crate::support::{App, Reply, SECOND, Seen, assert_clean, codes, no_socket};
use serde_json::{Value, json};
use telephony_testkit::{DialResult, EndedBy, Method, Outcome, Script};

/// An app that answers with one document.
async fn with_document(document: Value) -> Outcome {
    with_reply(Reply::json(document)).await
}

async fn with_reply(reply: Reply) -> Outcome {
    let app = App::serve(
        move |seen| match seen.path.as_str() {
            "/answer" => {
                let body = String::from_utf8(reply.body.clone()).unwrap();
                Reply {
                    body: body.replace("HOST", seen.host()).into(),
                    ..reply.clone()
                }
            }
            _ => routes(seen),
        },
        echo,
    )
    .await;
    simulated(&app)
        .speed(20.0)
        .script(Script::new().silence(2 * SECOND))
        .call()
        .await
}

#[tokio::test]
async fn bad_answers_are_complained_of() {
    for (reply, expected) in [
        (Reply::status(500), &["ncco-fetch-failed"][..]),
        (
            Reply::status(503),
            &["webhook-retried", "ncco-fetch-failed"],
        ),
        (Reply::new(200, "text/plain", "[]"), &["ncco-content-type"]),
        (Reply::new(200, "application/json", "{"), &["ncco-syntax"]),
        (Reply::json(json!([{"action": "hangup"}])), &["ncco-syntax"]),
        (
            Reply::json(json!([{"action": "talk", "text": "Hi", "loop": "1"}])),
            &["ncco-number-as-string"],
        ),
    ] {
        let outcome = with_reply(reply).await;
        assert_eq!(codes(&outcome), expected);
        assert_eq!(outcome.answered, expected == ["ncco-number-as-string"]);
    }
}

#[tokio::test]
async fn websocket_endpoints_are_checked() {
    let good = json!({"type": "websocket", "uri": "ws://HOST/socket", "content-type": "audio/l16;rate=16000"});
    let with = |name: &str, value: Value| {
        let mut endpoint = good.clone();
        endpoint[name] = value;
        connect(endpoint)
    };
    for (document, expected) in [
        (connect(good.clone()), &[][..]),
        (
            with("uri", json!("https://HOST/socket")),
            &["websocket-endpoint"],
        ),
        (
            with("uri", json!("ws://HOST/nothing")),
            &["websocket-not-opened"],
        ),
        (
            with("content-type", json!("audio/l16;rate=44100")),
            &["websocket-content-type"],
        ),
        (
            with("headers", json!({"a": "x".repeat(512)})),
            &["websocket-headers"],
        ),
        (
            with("headers", json!({"event": "x"})),
            &["websocket-headers"],
        ),
        (
            with("authorization", json!({"type": "custom"})),
            &["websocket-endpoint"],
        ),
        (with("colour", json!("red")), &["ncco-unknown-member"]),
        (with("type", json!("carrier pigeon")), &["ncco-syntax"]),
        (
            connect(
                json!({"type": "websocket", "uri": "ws://HOST/socket", "contentType": "audio/l16;rate=8000"}),
            ),
            &["websocket-content-type"],
        ),
        (
            json!([{"action": "connect", "endpoint": [good]}, {"action": "talk", "text": "Bye"}]),
            &["connect-not-last"],
        ),
        (
            json!([{"action": "connect", "endpoint": []}]),
            &["ncco-syntax"],
        ),
    ] {
        let outcome = with_document(document.clone()).await;
        assert_eq!(codes(&outcome), expected, "{document}");
    }
}

#[tokio::test]
async fn input_events_steer_the_call() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/answer" => Reply::json(json!([
                {"action": "talk", "text": "Which?", "bargeIn": true},
                {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1, "timeOut": 5},
                 "eventUrl": [format!("http://{}/input", seen.host())]},
                {"action": "talk", "text": "never said"},
            ])),
            "/input" => Reply::json(json!([
                {"action": "notify", "payload": {"a": 1}, "eventUrl": [format!("http://{}/notify", seen.host())]},
                {"action": "talk", "text": "Thanks"},
            ])),
            _ => Reply::status(204),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app)
        .script(Script::new().press("7").wait_for_hang_up(5 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::Document);
    let input = app.seen_at("/input")[0].json();
    assert_eq!(input["dtmf"], json!({"digits": "7", "timed_out": false}));
    assert_eq!(input["speech"], json!({"error": "Speech was not enabled"}));
    assert_eq!(app.seen_at("/notify")[0].json()["payload"], json!({"a": 1}));
    let asked: Vec<_> = outcome
        .documents
        .iter()
        .map(|document| document.asked_by.as_str())
        .collect();
    assert_eq!(asked, ["answer", "input"]);
}

#[tokio::test]
async fn a_synchronous_connect_may_be_answered() {
    let app = App::serve(
        |seen| match (seen.path.as_str(), seen.json()["status"].as_str()) {
            ("/answer", _) => Reply::json(json!([
                {"action": "connect", "eventType": "synchronous", "endpoint": [{"type": "phone", "number": "14155550123"}]},
            ])),
            ("/event", Some("busy")) => Reply::json(json!([{"action": "talk", "text": "They talk"}])),
            _ => Reply::status(204),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app)
        .dial_result(DialResult::Busy)
        .script(Script::new().wait_for_hang_up(5 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.documents[1].asked_by, "busy");
    let busy = app
        .seen_at("/event")
        .iter()
        .map(Seen::json)
        .find(|event| event["status"] == "busy")
        .unwrap();
    assert_eq!(
        (&busy["sip_code"], &busy["to"]),
        (&json!(486), &json!("14155550123"))
    );
    // A child leg's end is not the end of the call.
    assert_eq!(outcome.status, "completed");
}

#[tokio::test]
async fn the_fallback_is_told_why() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/answer" => Reply::status(500),
            "/fallback" => Reply::json(json!([{"action": "talk", "text": "Sorry"}])),
            _ => Reply::status(204),
        },
        no_socket,
    )
    .await;
    let outcome = simulated(&app)
        .method(Method::Post)
        .fallback_url(app.url("/fallback"))
        .script(Script::new().wait_for_hang_up(5 * SECOND))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["ncco-fetch-failed"]);
    assert!(outcome.answered);
    let asked = app.seen_at("/fallback")[0].json();
    assert_eq!(
        asked["original_request"],
        json!({"url": app.url("/answer"), "type": "answer"})
    );
}
