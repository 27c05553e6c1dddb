//! What an app does wrong on its socket.

use super::{echo, routes, silence, simulated, with_fault_during};
use crate::support::{App, SECOND, Socket, codes, drain, send_json, tone};
use futures_util::StreamExt;
use serde_json::{Value, json};
use telephony_testkit::{EndedBy, Outcome, Script, Severity};

/// Calls an app that does one thing wrong on its socket.
async fn with_fault<F>(
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> Outcome
where
    F: Future<Output = ()> + Send + 'static,
{
    with_fault_during(400, fault).await
}

#[tokio::test]
async fn invalid_messages_are_reported_once() {
    for bad in [
        json!({"event": "media", "streamSid": "SID", "media": {"playload": "//8="}}),
        json!({"event": "media", "streamSid": "MZ0", "media": {"payload": "//8="}}),
        json!({"event": "hangup", "streamSid": "SID"}),
        json!({"event": "mark", "streamSid": "SID"}),
    ] {
        let outcome = with_fault(move |mut socket, sid| {
            let bad = bad.to_string().replace("\"SID\"", &sid.to_string());
            async move {
                for _ in 0..3 {
                    send_json(&mut socket, serde_json::from_str(&bad).unwrap()).await;
                }
                drain(socket).await;
            }
        })
        .await;
        assert_eq!(codes(&outcome), ["31951"]);
        assert!(!outcome.ok());
    }
}

#[tokio::test]
async fn binary_and_odd_frames_are_complained_of() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    let outcome = with_fault(|mut socket, sid| async move {
        socket.send(Message::binary(vec![0_u8; 160])).await.unwrap();
        let odd = json!({"event": "media", "streamSid": sid, "media": {"payload": "/////w=="}});
        send_json(&mut socket, odd).await;
        drain(socket).await;
    })
    .await;
    assert_eq!(codes(&outcome), ["31950", "odd-frame-size"]);
    assert_eq!(outcome.complaints[1].severity, Severity::Warning);
}

#[tokio::test]
async fn a_socket_that_stays_open_is_found() {
    let outcome = with_fault(|socket, _| async move {
        // Neither read nor closed: the carrier's goodbye is not heard.
        tokio::time::sleep(SECOND).await;
        drop(socket);
    })
    .await;
    assert_eq!(codes(&outcome), ["socket-left-open"]);
}

#[tokio::test]
async fn a_broken_connection_and_an_odd_close_code_are_found() {
    let outcome = with_fault(|socket, _| async move { drop(socket) }).await;
    assert_eq!(codes(&outcome), ["31903"]);
    assert_eq!(outcome.ended_by, EndedBy::App);

    use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
    let outcome = with_fault(|mut socket, sid| async move {
        send_json(&mut socket, silence(&sid, 2_000)).await;
        let frame = CloseFrame {
            code: CloseCode::Error,
            reason: "".into(),
        };
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    assert_eq!(codes(&outcome), ["audio-lost", "31921"]);
    assert_eq!(outcome.stream().unwrap().closed_by_app, Some(1011));
}

#[tokio::test]
async fn an_app_that_speaks_before_the_start_is_found() {
    let app = App::serve(routes, |mut socket: Socket, seen| async move {
        send_json(&mut socket, json!({"event": "clear", "streamSid": "MZ0"})).await;
        echo(socket, seen).await;
    })
    .await;
    let outcome = simulated(&app)
        .script(Script::new().speak(tone(100)))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["message-before-start"]);
}
