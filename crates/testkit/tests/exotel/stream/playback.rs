//! Marks, clears and interruptions.

use std::time::Duration;

use super::{account, loud, mark, patient, routes, simulated, started};
use crate::support::{App, SECOND, Seen, Socket, assert_clean, drain, next_json, send_json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use telephony_testkit::{EndedBy, Script};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

#[tokio::test]
async fn marks_come_back_when_their_audio_was_played() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await["stream_sid"].clone();
        let begun = tokio::time::Instant::now();
        for _ in 0..2 {
            send_json(&mut socket, loud(&sid, 200)).await;
        }
        send_json(&mut socket, mark(&sid, "said")).await;
        loop {
            let message = next_json(&mut socket).await.unwrap();
            if message["event"] == "mark" {
                assert_eq!(message["mark"]["name"], "said");
                // 400 ms at four times the speed.
                assert!(
                    begun.elapsed() >= Duration::from_millis(95),
                    "{:?}",
                    begun.elapsed()
                );
                break;
            }
        }
        let _ = socket
            .close(Some(CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            }))
            .await;
        drain(socket).await;
    })
    .await;
    let outcome = simulated(&app, account()).script(patient()).call().await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    let stream = outcome.stream().unwrap();
    assert_eq!((stream.marks_played, stream.marks_cleared), (1, 0));
    assert_eq!(stream.played, Duration::from_millis(400));
    assert_eq!(stream.closed_by_app, Some(1000));
    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("Stream[Status]"), "completed");
    assert_eq!(told.param("Stream[DisconnectedBy]"), "bot");
    assert_eq!(told.param("CallStatus"), "in-progress");
}

/// Speaks for a second in chunks of 200 ms with a mark behind, and clears when the caller interrupts.
async fn interruptible(mut socket: Socket, _: Seen) {
    let sid = started(&mut socket).await["stream_sid"].clone();
    for _ in 0..5 {
        send_json(&mut socket, loud(&sid, 200)).await;
    }
    send_json(&mut socket, mark(&sid, "never")).await;
    let mut cleared = false;
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "dtmf" && !cleared {
            cleared = true;
            send_json(&mut socket, json!({"event": "clear", "stream_sid": sid})).await;
        }
    }
}

#[tokio::test]
async fn a_clear_spares_what_is_in_play_and_drops_marks_unless_told_otherwise() {
    for (account, marks) in [(account(), 0), (account().with_cleared_marks_returned(), 1)] {
        let app = App::serve(routes, interruptible).await;
        let outcome = simulated(&app, account)
            .speed(1.0)
            .script(
                Script::new()
                    .wait_to_hear(Duration::from_millis(240), 5 * SECOND)
                    .interrupt_with_key('5')
                    .wait_for_quiet(Duration::from_millis(100), 5 * SECOND),
            )
            .call()
            .await;
        assert_clean(&outcome);
        let stream = outcome.stream().unwrap();
        assert_eq!(
            (stream.clears, stream.marks_cleared, stream.marks_played),
            (1, marks, 0)
        );
        assert_eq!(stream.played + stream.cleared, SECOND);
        // The chunk in play went on to its end.
        assert_eq!(stream.played.as_millis() % 200, 0, "{stream:?}");
        assert!(stream.cleared >= Duration::from_millis(200), "{stream:?}");
        let interruption = outcome.interruption.unwrap();
        assert!(
            interruption.by_clear && interruption.after < Duration::from_millis(400),
            "{interruption:?}"
        );
    }
}

#[tokio::test]
async fn an_interruption_is_over_though_the_app_goes_on_with_silence() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await["stream_sid"].clone();
        for _ in 0..5 {
            send_json(&mut socket, loud(&sid, 200)).await;
        }
        let quiet = json!({
            "event": "media", "stream_sid": sid, "media": {"payload": STANDARD.encode([0; 3_200])}
        });
        while let Some(message) = next_json(&mut socket).await {
            if message["event"] == "dtmf" {
                send_json(&mut socket, json!({"event": "clear", "stream_sid": sid})).await;
                for _ in 0..5 {
                    send_json(&mut socket, quiet.clone()).await;
                }
            }
        }
    })
    .await;
    let outcome = simulated(&app, account())
        .speed(1.0)
        .script(
            Script::new()
                .interrupt_with_key('5')
                .silence(Duration::from_millis(500)),
        )
        .call()
        .await;
    assert_clean(&outcome);
    let interruption = outcome.interruption.unwrap();
    // The chunk in play is at most 200 ms long.
    assert!(
        interruption.by_clear && interruption.after < Duration::from_millis(400),
        "{interruption:?}"
    );
    assert!(!outcome.stream().unwrap().unplayed.is_zero());
}
