//! The media socket: frames, commands and its end.

use std::time::Duration;

use super::{account, connect, endpoint, routes, say, simulated, statuses};
use crate::support::{
    App, Reply, SECOND, Seen, Socket, assert_clean, codes, drain, next_json, send_json,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use telephony_testkit::engine::MarksOnClear;
use telephony_testkit::{EndedBy, Script, Simulator};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn every_rate_has_its_frame() {
    for (rate, bytes) in [(8_000, 320), (16_000, 640), (24_000, 960)] {
        let app = App::serve(
            move |seen| match seen.path.as_str() {
                "/answer" => Reply::json(connect(endpoint(seen, rate))),
                _ => routes(seen),
            },
            move |mut socket: Socket, _| async move {
                let hello = next_json(&mut socket).await.unwrap();
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
            next_json(&mut socket).await;
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
            next_json(&mut socket).await;
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
        next_json(&mut socket).await;
        say(&mut socket, 20).await;
        send_json(
            &mut socket,
            json!({"action": "notify", "payload": {"id": 1}}),
        )
        .await;
        let begun = tokio::time::Instant::now();
        let event = next_json(&mut socket).await.unwrap();
        assert_eq!(
            event,
            json!({"event": "websocket:notify", "payload": {"id": 1}})
        );
        assert!(begun.elapsed() >= Duration::from_millis(80));
        say(&mut socket, 500).await;
        send_json(
            &mut socket,
            json!({"action": "notify", "payload": {"id": 2}}),
        )
        .await;
        send_json(&mut socket, json!({"action": "clear"})).await;
        let event = next_json(&mut socket).await.unwrap();
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
        next_json(&mut socket).await;
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
        next_json(&mut socket).await;
        send_json(&mut socket, json!({"action": "hangup"})).await;
        send_json(&mut socket, json!({"action": "notify"})).await;
        send_json(&mut socket, json!({"action": "clear", "when": "now"})).await;
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
