//! What is measured of a stream, and callers who speak to whoever is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{App, Reply, SECOND, Seen, Socket, codes, next_json, no_socket, send_json};
use telephony_testkit::{Script, SimulatedCall, Simulator, Speech, TwilioAccount, VonageAccount};

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::xml(format!(
            r#"<Response><Connect><Stream url="ws://{}/media"/></Connect></Response>"#,
            seen.host()
        )),
        "/media" => Reply::switch(),
        _ => Reply::status(404),
    }
}

fn simulated(app: &App) -> SimulatedCall {
    let account = TwilioAccount::new("AC00000000000000000000000000000001", "a token for tests");
    Simulator::twilio(account)
        .answer_url(app.url("/call"))
        .slow_webhook(None)
}

fn tone(time: Duration) -> Speech {
    Speech::tone(440.0, time)
}

async fn echo(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "media" {
            let payload = &message["media"]["payload"];
            let back = media(&message["streamSid"], payload.as_str().unwrap());
            send_json(&mut socket, back).await;
        }
    }
}

fn media(stream: &Value, payload: &str) -> Value {
    json!({"event": "media", "streamSid": stream, "media": {"payload": payload}})
}

#[tokio::test]
async fn replies_are_measured_once_for_each_utterance() {
    let app = App::serve(routes, echo).await;
    let script = Script::new()
        .speak(tone(SECOND / 5))
        .silence(SECOND / 2)
        .speak(tone(SECOND / 5))
        .silence(SECOND / 2)
        .hang_up();
    let outcome = simulated(&app).script(script).call().await;
    let stream = outcome.stream().unwrap();
    assert_eq!(stream.replies.len(), 2, "{stream:?}");
    assert!(
        stream
            .replies
            .iter()
            .all(|reply| !reply.is_zero() && *reply < SECOND / 2),
        "{stream:?}"
    );
}

/// Talks all the time, clears as soon as the caller can be heard, and, if it is `stubborn`, goes on talking.
async fn talk(mut socket: Socket, stubborn: bool) {
    let loud = STANDARD.encode([[0x10; 10], [0x90; 10]].concat().repeat(8));
    let mut talks = true;
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] != "media" {
            continue;
        }
        let stream = &message["streamSid"];
        let heard = STANDARD
            .decode(message["media"]["payload"].as_str().unwrap())
            .unwrap();
        let is_sound = heard.iter().any(|byte| byte & 0x7f < 0x60);
        if talks && is_sound {
            send_json(&mut socket, json!({"event": "clear", "streamSid": stream})).await;
            talks = stubborn;
        }
        if talks {
            send_json(&mut socket, media(stream, &loud)).await;
        }
    }
}

#[tokio::test]
async fn who_talks_on_after_a_clear_is_told_so() {
    for stubborn in [false, true] {
        let app = App::serve(routes, move |socket, _| talk(socket, stubborn)).await;
        let script = Script::new()
            .interrupt(tone(SECOND / 2))
            .silence(SECOND / 5)
            .hang_up();
        let outcome = simulated(&app).script(script).call().await;
        let found = codes(&outcome).contains(&"audio-after-clear");
        assert_eq!(found, stubborn, "{:?}", outcome.complaints);
    }
}

#[tokio::test]
async fn who_speaks_to_whoever_is_there_waits_for_nobody() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::xml(r#"<Response><Gather numDigits="1" action="/keys"/></Response>"#),
            _ => Reply::xml("<Response/>"),
        },
        no_socket,
    )
    .await;
    let script = Script::new()
        .wait_for_listener(10 * SECOND)
        .speak_now(tone(SECOND / 10))
        .press("7")
        .wait_for_hang_up(10 * SECOND);
    let outcome = simulated(&app).script(script).call().await;
    assert!(outcome.complaints.is_empty(), "{:?}", outcome.complaints);
    assert_eq!(app.seen_at("/keys")[0].param("Digits"), "7");
}

#[tokio::test]
async fn a_lean_call_keeps_numbers_only_and_a_whole_trace_everything() {
    let app = App::serve(routes, echo).await;
    let script = Script::new()
        .speak(tone(SECOND / 5))
        .wait_for_audio(5 * SECOND)
        .hang_up();
    let lean = simulated(&app).script(script.clone()).lean().call().await;
    assert!(lean.trace.is_empty() && lean.heard.is_empty());
    assert!(lean.ok() && lean.stream().unwrap().from_app.frames > 0);

    let ncco = |seen: &Seen| match seen.path.as_str() {
        "/call" => Reply::json(json!([{"action": "connect", "endpoint": [{
            "type": "websocket", "uri": format!("ws://{}/media", seen.host()), "content-type": "audio/l16;rate=8000"
        }]}])),
        "/media" => Reply::switch(),
        _ => Reply::status(204),
    };
    let quiet = |mut socket: Socket, _: Seen| async move {
        while next_json(&mut socket).await.is_some() {}
    };
    let app = App::serve(ncco, quiet).await;
    let outcome = Simulator::vonage(VonageAccount::new("key", "application", "secret"))
        .answer_url(app.url("/call"))
        .script(Script::new().speak(tone(SECOND / 10)).hang_up())
        .whole_trace()
        .call()
        .await;
    let binary = outcome
        .trace
        .iter()
        .find(|entry| entry.kind == telephony_testkit::TraceKind::Binary);
    let audio = STANDARD.decode(&binary.unwrap().text).unwrap();
    assert_eq!(audio.len(), 320);
}

#[tokio::test]
async fn the_api_can_be_served_where_one_likes() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let account = || TwilioAccount::new("AC00000000000000000000000000000001", "token");
    assert!(
        Simulator::twilio(account())
            .serve_at(address)
            .await
            .is_err(),
        "it is taken"
    );
    drop(free);
    let carrier = Simulator::twilio(account())
        .serve_at(address)
        .await
        .unwrap();
    assert_eq!(carrier.base_url(), format!("http://{address}"));
}
