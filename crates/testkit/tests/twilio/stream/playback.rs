//! Marks, clears, gaps and what the buffer holds.

use std::time::Duration;

use super::{routes, silence, simulated, started, with_fault_during};
use crate::support::{App, SECOND, Socket, assert_clean, codes, drain, next_json, send_json, tone};
use serde_json::json;
use telephony_testkit::{EndedBy, Script};

#[tokio::test]
async fn marks_come_back_when_their_audio_was_played() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await;
        send_json(&mut socket, silence(&sid, 400)).await;
        let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": "said"}});
        let begun = tokio::time::Instant::now();
        send_json(&mut socket, mark).await;
        while let Some(message) = next_json(&mut socket).await {
            if message["event"] == "mark" {
                assert_eq!(message["mark"]["name"], "said");
                // 400 ms at four times the speed
                assert!(
                    begun.elapsed() >= Duration::from_millis(90),
                    "{:?}",
                    begun.elapsed()
                );
                let _ = socket.close(None).await;
            }
        }
    })
    .await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .wait_for_marks(1, 5 * SECOND)
                .wait_for_hang_up(5 * SECOND),
        )
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::App);
    let stream = outcome.stream().unwrap();
    assert_eq!((stream.marks_played, stream.marks_cleared), (1, 0));
    assert_eq!(stream.played, Duration::from_millis(400));
    assert!(stream.closed_by_app.is_some());
}

#[tokio::test]
async fn an_interruption_is_measured_and_a_clear_returns_the_marks() {
    let app = App::serve(routes, |mut socket: Socket, _| async move {
        let sid = started(&mut socket).await;
        send_json(&mut socket, silence(&sid, 20_000)).await;
        let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": "never"}});
        send_json(&mut socket, mark).await;
        let mut cleared = false;
        while let Some(message) = next_json(&mut socket).await {
            let loud = message["media"]["payload"]
                .as_str()
                .is_some_and(|payload| !payload.starts_with("////"));
            if loud && !cleared {
                cleared = true;
                send_json(&mut socket, json!({"event": "clear", "streamSid": sid})).await;
            }
        }
    })
    .await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .wait_to_hear(Duration::from_millis(200), 5 * SECOND)
                .interrupt(tone(400))
                .wait_for_marks(1, 5 * SECOND),
        )
        .call()
        .await;
    assert_clean(&outcome);
    let interruption = outcome.interruption.unwrap();
    assert!(
        interruption.by_clear && interruption.after < Duration::from_millis(300),
        "{interruption:?}"
    );
    let stream = outcome.stream().unwrap();
    assert_eq!(
        (stream.clears, stream.marks_cleared, stream.marks_played),
        (1, 1, 0)
    );
    assert_eq!(stream.played + stream.cleared, Duration::from_secs(20));
    assert_eq!(stream.unplayed, Duration::ZERO);
}

#[tokio::test]
async fn more_than_ten_minutes_are_thrown_away() {
    let outcome = with_fault_during(40_000, |mut socket, sid| async move {
        for _ in 0..80 {
            send_json(&mut socket, silence(&sid, 10_000)).await;
        }
        let _ = socket.close(None).await;
        drain(socket).await;
    })
    .await;
    assert_eq!(codes(&outcome), ["31931", "audio-lost"]);
    assert!(outcome.stream().unwrap().overflowed >= Duration::from_secs(10));
}

#[tokio::test]
async fn gaps_are_counted_and_pauses_are_not() {
    let outcome = with_fault_during(4_000, |mut socket, sid| async move {
        for pause in [100, 100, 400] {
            send_json(&mut socket, silence(&sid, 100)).await;
            // At four times the speed: twice 300 ms of silence, then 1.5 s.
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        send_json(&mut socket, silence(&sid, 100)).await;
        drain(socket).await;
    })
    .await;
    let stream = outcome.stream().unwrap();
    assert_eq!(stream.gaps, 2, "{stream:?}");
    assert!(
        (200..1_000).contains(&stream.gap_time.as_millis()),
        "{stream:?}"
    );
}
