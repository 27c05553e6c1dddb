//! Whole calls through the simulated Vonage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::Digest;
use support::{App, Reply, Seen, Socket, codes, no_socket};
use telephony_testkit::engine::MarksOnClear;
use telephony_testkit::{
    DialResult, EndedBy, Method, Outcome, Script, SimulatedCall, Simulator, Speech, VonageAccount,
};
use tokio_tungstenite::tungstenite::Message;

const SECOND: Duration = Duration::from_secs(1);
const SECRET: &str = "the signature secret of the tests";

fn account() -> VonageAccount {
    VonageAccount::new("abcd1234", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", SECRET)
}

fn simulated(app: &App) -> SimulatedCall {
    Simulator::vonage(account())
        .answer_url(app.url("/answer"))
        .status_url(app.url("/event"))
        .slow_webhook(None)
        .speed(4.0)
}

fn tone(millis: u64) -> Speech {
    Speech::tone(440.0, Duration::from_millis(millis))
}

fn endpoint(seen: &Seen, rate: u32) -> Value {
    json!({
        "type": "websocket",
        "uri": format!("ws://{}/socket?who=me", seen.host()),
        "content-type": format!("audio/l16;rate={rate}"),
        "headers": {"call": "one"},
    })
}

fn connect(endpoint: Value) -> Value {
    json!([{"action": "connect", "endpoint": [endpoint]}])
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/answer" => Reply::json(connect(endpoint(seen, 16_000))),
        "/socket" => Reply::switch(),
        _ => Reply::status(200),
    }
}

async fn echo(mut socket: Socket, _: Seen) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// The next text message.
async fn next_event(socket: &mut Socket) -> Option<Value> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            return Some(serde_json::from_str(&text).unwrap());
        }
    }
    None
}

async fn send(socket: &mut Socket, value: Value) {
    let _ = socket.send(Message::text(value.to_string())).await;
}

async fn say(socket: &mut Socket, frames: usize) {
    for _ in 0..frames {
        let _ = socket
            .send(Message::binary([0x00_u8, 0x20].repeat(320)))
            .await;
    }
}

async fn drain(mut socket: Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

fn assert_clean(outcome: &Outcome) {
    assert!(outcome.complaints.is_empty(), "{:#?}", outcome.complaints);
}

/// The claims of a token, checked against the secret.
fn claims(seen: &Seen) -> Value {
    use hmac::{KeyInit, Mac};
    let token = seen
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap();
    let (text, signature) = token.rsplit_once('.').unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    assert_eq!(
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()),
        signature
    );
    let (_, body) = text.split_once('.').unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn statuses(app: &App) -> Vec<String> {
    app.seen_at("/event")
        .iter()
        .map(|seen| seen.json()["status"].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[tokio::test]
async fn an_echo_app_is_clean() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .speak(tone(400))
                .press("5")
                .wait_to_hear(Duration::from_millis(300), 5 * SECOND)
                .wait_for_quiet(Duration::from_millis(200), 5 * SECOND),
        )
        .call()
        .await;
    assert_clean(&outcome);
    assert!(outcome.answered);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    assert_eq!(outcome.heard_rate, 16_000);
    let loudest = outcome
        .heard
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap();
    assert!(
        (16_000..17_000).contains(&loudest),
        "nothing is lost on the way: {loudest}"
    );
    let stream = outcome.stream().unwrap();
    assert!(
        stream.from_app.bytes >= 20 * 640 && stream.keys == 1,
        "{stream:?}"
    );

    let asked = &app.seen_at("/answer")[0];
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.param("from"), "14155550100");
    assert_eq!(asked.param("uuid"), outcome.call_id);
    let signed: Vec<String> = asked
        .form()
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .collect();
    let claimed = claims(asked);
    assert_eq!(
        claimed["payload_hash"],
        hash(format!("{{{}}}", signed.join(",")).as_bytes())
    );
    assert_eq!(
        (&claimed["iss"], &claimed["api_key"]),
        (&json!("Vonage"), &json!("abcd1234"))
    );
    assert!(claimed.get("exp").is_none());

    for event in app.seen_at("/event") {
        assert_eq!(claims(&event)["payload_hash"], hash(&event.body));
    }
    assert_eq!(
        statuses(&app),
        [
            "started",
            "ringing",
            "answered",
            "started",
            "answered",
            "completed",
            "completed"
        ]
    );
    let own: Vec<_> = app
        .seen_at("/event")
        .iter()
        .map(|seen| seen.json()["uuid"] == outcome.call_id.as_str())
        .collect();
    assert_eq!(
        own,
        [true, true, true, false, false, false, true],
        "the socket is a leg of its own"
    );
    // The query of a socket arrives here, and nothing is signed unless the document asks for it.
    let upgrade = &app.seen_at("/socket")[0];
    assert_eq!(
        (upgrade.query.as_str(), upgrade.header("authorization")),
        ("who=me", "")
    );
}

#[tokio::test]
async fn post_signs_the_body_and_unsigned_sends_nothing() {
    let app = App::serve(|_| Reply::json(json!([])), no_socket).await;
    let outcome = simulated(&app).method(Method::Post).call().await;
    assert_clean(&outcome);
    assert!(!outcome.answered);
    assert_eq!(outcome.ended_by, EndedBy::Document);
    let asked = &app.seen_at("/answer")[0];
    assert_eq!(asked.json()["to"], "14155550199");
    assert_eq!(claims(asked)["payload_hash"], hash(&asked.body));

    Simulator::vonage(account().unsigned().with_event_method(Method::Get))
        .answer_url(app.url("/answer"))
        .status_url(app.url("/event"))
        .call()
        .await;
    let seen = app.seen();
    assert_eq!(seen.last().unwrap().method, "GET");
    assert_eq!(seen.last().unwrap().param("headers"), "{}");
    assert_eq!(seen.last().unwrap().header("authorization"), "");
}

#[tokio::test]
async fn the_upgrade_is_authorized_as_the_document_says() {
    for (authorization, expected) in [
        (json!({"type": "vonage"}), "jwt"),
        (json!({}), "jwt"),
        (
            json!({"type": "custom", "value": "Token of mine"}),
            "Token of mine",
        ),
    ] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/answer" => {
                    let mut endpoint = endpoint(seen, 8_000);
                    endpoint["authorization"] = authorization.clone();
                    Reply::json(connect(endpoint))
                }
                _ => routes(seen),
            },
            echo,
        )
        .await;
        assert_clean(&simulated(&app).call().await);
        let upgrade = &app.seen_at("/socket")[0];
        if expected == "jwt" {
            let claims = claims(upgrade);
            assert_eq!(claims["iss"], "Vonage");
            assert!(claims.get("payload_hash").is_none());
        } else {
            assert_eq!(upgrade.header("authorization"), expected);
        }
    }
}

#[tokio::test]
async fn every_rate_has_its_frame() {
    for (rate, bytes) in [(8_000, 320), (16_000, 640), (24_000, 960)] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/answer" => Reply::json(connect(endpoint(seen, rate))),
                _ => routes(seen),
            },
            move |mut socket: Socket, _| async move {
                let hello = next_event(&mut socket).await.unwrap();
                assert_eq!(
                    hello,
                    json!({"event": "websocket:connected", "content-type": format!("audio/l16;rate={rate}"), "call": "one"})
                );
                match socket.next().await {
                    Some(Ok(Message::Binary(frame))) => assert_eq!(frame.len(), bytes),
                    other => panic!("{other:?}"),
                }
                socket.send(Message::binary(vec![1_u8; bytes])).await.unwrap();
                // Only an app that found no fault closes by itself.
                let _ = socket.close(None).await;
                drain(socket).await;
            },
        )
        .await;
        let outcome = simulated(&app)
            .script(Script::new().wait_for_hang_up(5 * SECOND))
            .call()
            .await;
        assert_eq!(outcome.errors().count(), 0, "{outcome:#?}");
        assert_eq!((outcome.ended_by, outcome.heard_rate), (EndedBy::App, rate));
    }
}

#[tokio::test]
async fn a_frame_of_the_wrong_size_kills_the_socket() {
    for wrong in [639, 320, 1_280] {
        let app = App::serve(routes, move |mut socket: Socket, _| async move {
            next_event(&mut socket).await;
            let _ = socket.send(Message::binary(vec![0_u8; wrong])).await;
            let farewell = loop {
                match socket.next().await {
                    Some(Ok(Message::Close(_))) => break "close",
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break "dropped",
                }
            };
            assert_eq!(farewell, "dropped");
        })
        .await;
        let outcome = simulated(&app)
            .script(Script::new().wait_for_hang_up(5 * SECOND))
            .call()
            .await;
        assert_eq!(codes(&outcome), ["unexpected-frame-size"]);
        assert!(statuses(&app).contains(&"disconnected".into()));
    }
}

#[tokio::test]
async fn a_closed_socket_is_an_event_that_may_be_answered() {
    let app = App::serve(
        |seen| match (seen.path.as_str(), seen.json()["status"].as_str()) {
            ("/event", Some("disconnected")) => {
                Reply::json(json!([{"action": "talk", "text": "Bye"}]))
            }
            _ => routes(seen),
        },
        |mut socket: Socket, _| async move {
            next_event(&mut socket).await;
            let _ = socket.close(None).await;
            drain(socket).await;
        },
    )
    .await;
    let outcome = simulated(&app)
        .script(Script::new().wait_for_hang_up(5 * SECOND))
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::Document);
    assert_eq!(outcome.documents[1].asked_by, "disconnected");
    let event = app
        .seen_at("/event")
        .iter()
        .map(Seen::json)
        .find(|event| event["status"] == "disconnected")
        .unwrap();
    assert_eq!(event["headers"], json!({"call": "one"}));
    assert_ne!(event["uuid"], outcome.call_id.as_str());
}

#[tokio::test]
async fn notifies_come_back_when_played_and_clear_drops_them() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        next_event(&mut socket).await;
        say(&mut socket, 20).await;
        send(
            &mut socket,
            json!({"action": "notify", "payload": {"id": 1}}),
        )
        .await;
        let begun = tokio::time::Instant::now();
        let event = next_event(&mut socket).await.unwrap();
        assert_eq!(
            event,
            json!({"event": "websocket:notify", "payload": {"id": 1}})
        );
        assert!(begun.elapsed() >= Duration::from_millis(80));
        say(&mut socket, 500).await;
        send(
            &mut socket,
            json!({"action": "notify", "payload": {"id": 2}}),
        )
        .await;
        send(&mut socket, json!({"action": "clear"})).await;
        let event = next_event(&mut socket).await.unwrap();
        assert_eq!(event, json!({"event": "websocket:cleared"}));
        let _ = socket.close(None).await;
        drain(socket).await;
    })
    .await;
    for (rule, cleared) in [(MarksOnClear::Drop, 0), (MarksOnClear::Return, 1)] {
        let outcome = Simulator::vonage(account().with_notifies_on_clear(rule))
            .answer_url(app.url("/answer"))
            .slow_webhook(None)
            .speed(4.0)
            .script(Script::new().wait_for_hang_up(5 * SECOND))
            .call()
            .await;
        assert_clean(&outcome);
        let stream = outcome.stream().unwrap();
        assert_eq!(
            (stream.marks_played, stream.marks_cleared, stream.clears),
            (1, cleared, 1)
        );
        assert!(stream.cleared >= Duration::from_secs(8), "{stream:?}");
        assert_eq!(outcome.ended_by, EndedBy::App);
    }
}

#[tokio::test]
async fn more_than_the_buffer_holds_is_thrown_away() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        next_event(&mut socket).await;
        say(&mut socket, 3_500).await;
        drain(socket).await;
    })
    .await;
    let outcome = simulated(&app)
        .speed(1.0)
        .script(Script::new().silence(2 * SECOND))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["buffer-overflow"]);
    assert!(outcome.stream().unwrap().unplayed > Duration::from_secs(50));
}

#[tokio::test]
async fn bad_commands_are_complained_of() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        next_event(&mut socket).await;
        send(&mut socket, json!({"action": "hangup"})).await;
        send(&mut socket, json!({"action": "notify"})).await;
        send(&mut socket, json!({"action": "clear", "when": "now"})).await;
        drain(socket).await;
    })
    .await;
    let outcome = simulated(&app)
        .script(Script::new().silence(SECOND))
        .call()
        .await;
    assert_eq!(
        codes(&outcome),
        ["unknown-command", "bad-command", "unknown-member"]
    );
}

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
