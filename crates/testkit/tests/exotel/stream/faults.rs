//! What an app does wrong on its socket.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{account, echo, loud, patient, routes, simulated, started};
use crate::support::{App, Reply, SECOND, Socket, codes, drain, send_json, tone};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use telephony_testkit::{EndedBy, Outcome, Script, Severity};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

/// Calls an app that does one thing wrong on its socket.
async fn with_fault<F>(
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> (App, Outcome)
where
    F: Future<Output = ()> + Send + 'static,
{
    with_fault_during(Script::new().speak(tone(400)), fault).await
}

async fn with_fault_during<F>(
    script: Script,
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> (App, Outcome)
where
    F: Future<Output = ()> + Send + 'static,
{
    let app = App::serve(routes, move |mut socket: Socket, _| {
        let fault = fault.clone();
        async move {
            let sid = started(&mut socket).await["stream_sid"].clone();
            fault(socket, sid).await;
        }
    })
    .await;
    let outcome = simulated(&app, account())
        .linger(Duration::from_millis(300))
        .script(script)
        .call()
        .await;
    (app, outcome)
}

#[tokio::test]
async fn faulty_messages_are_complained_of() {
    let payload = |bytes: usize| STANDARD.encode(vec![0_u8; bytes]);
    for (bad, code, severity) in [
        (
            json!({"event": "hangup", "stream_sid": "SID"}),
            "unknown-event",
            Severity::Error,
        ),
        (
            json!({"event": "mark", "stream_sid": "SID", "mark": {}}),
            "no-mark-name",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID"}),
            "invalid-message",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {}}),
            "no-payload",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": "%"}}),
            "invalid-base64",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(100_160)}}),
            "chunk-too-long",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(3_201)}}),
            "half-sample",
            Severity::Error,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(3_210)}}),
            "gap",
            Severity::Warning,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(640)}}),
            "short-chunk",
            Severity::Note,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": payload(64_000)}}),
            "burst",
            Severity::Warning,
        ),
        (
            json!({"event": "media", "stream_sid": "SID", "media": {"payload": STANDARD.encode(b"RIFF".repeat(800))}}),
            "file-header-in-audio",
            Severity::Warning,
        ),
        (
            json!({"event": "clear", "stream_sid": "another"}),
            "stream-sid",
            Severity::Warning,
        ),
        (json!({"event": "clear"}), "stream-sid", Severity::Warning),
        (
            json!({"event": "clear", "streamSid": "SID"}),
            "camel-case",
            Severity::Note,
        ),
        (
            json!({"event": "clear", "stream_sid": "SID", "x": 1}),
            "unknown-member",
            Severity::Note,
        ),
        (
            json!({"event": "clear", "stream_sid": "SID", "sequence_number": []}),
            "odd-counter",
            Severity::Warning,
        ),
    ] {
        let (_app, outcome) = with_fault(move |mut socket, sid| {
            let bad = bad.to_string().replace("\"SID\"", &sid.to_string());
            async move {
                for _ in 0..3 {
                    send_json(&mut socket, serde_json::from_str(&bad).unwrap()).await;
                }
                drain(socket).await;
            }
        })
        .await;
        assert_eq!(codes(&outcome), [code]);
        assert_eq!(outcome.complaints[0].severity, severity, "{code}");
        assert_eq!(outcome.ok(), severity < Severity::Error);
    }
    let (_app, outcome) = with_fault(|mut socket, _| async move {
        socket.send(Message::binary(vec![0_u8; 320])).await.unwrap();
        drain(socket).await;
    })
    .await;
    assert_eq!(codes(&outcome), ["binary-message"]);
}

#[tokio::test]
async fn an_app_that_speaks_before_the_start_is_found() {
    let app = App::serve(routes, |mut socket: Socket, seen| async move {
        send_json(&mut socket, json!({"event": "clear", "stream_sid": "x"})).await;
        echo(socket, seen).await;
    })
    .await;
    let outcome = simulated(&app, account().with_chunk(Duration::from_millis(200)))
        .script(Script::new().speak(tone(100)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["message-before-start"]);
}

#[tokio::test]
async fn a_socket_that_stays_open_is_found() {
    let (_app, outcome) = with_fault(|socket, _| async move {
        // Neither read nor closed: Exotel's goodbye is not heard.
        tokio::time::sleep(SECOND).await;
        drop(socket);
    })
    .await;
    assert_eq!(codes(&outcome), ["socket-left-open"]);
}

#[tokio::test]
async fn a_broken_connection_and_an_odd_close_code_are_found() {
    let (app, outcome) =
        with_fault_during(patient(), |socket, _| async move { drop(socket) }).await;
    assert_eq!(codes(&outcome), ["connection-broken"]);
    assert_eq!(outcome.ended_by, EndedBy::App);
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(
        (
            told.param("Stream[Status]"),
            told.param("Stream[DisconnectedBy]")
        ),
        ("failed".into(), "bot".into())
    );
    assert!(told.param("Stream[Error]").contains("1006"));

    let (app, outcome) = with_fault_during(patient(), |mut socket, sid| async move {
        send_json(&mut socket, loud(&sid, 800)).await;
        let frame = CloseFrame {
            code: CloseCode::Error,
            reason: "".into(),
        };
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    assert_eq!(codes(&outcome), ["audio-lost", "close-code"]);
    assert!(
        app.seen_at("/passthru")[0]
            .param("Stream[Error]")
            .contains("1011")
    );
}

#[tokio::test]
async fn a_handshake_is_tried_twice() {
    let app = |failures: usize| async move {
        let tried = AtomicUsize::new(0);
        App::serve(
            move |seen| match seen.path.as_str() {
                "/media/one" if tried.fetch_add(1, Ordering::SeqCst) < failures => {
                    Reply::status(503)
                }
                _ => routes(seen),
            },
            |socket, _| drain(socket),
        )
        .await
    };
    let once = app(1).await;
    let outcome = simulated(&once, account()).call().await;
    assert_eq!(codes(&outcome), ["handshake-retried"]);
    assert!(outcome.ok() && outcome.streams.len() == 1);

    let always = app(9).await;
    let outcome = simulated(&always, account()).call().await;
    assert_eq!(codes(&outcome), ["3009"]);
    assert_eq!(always.seen_at("/media/one").len(), 2);
    let told = &always.seen_at("/passthru")[0];
    assert_eq!(
        told.param("Stream[Error]"),
        "3009 failed to establish ws conn websocket: bad handshake"
    );
}
