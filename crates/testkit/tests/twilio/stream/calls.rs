//! Calls from the first webhook to the last.

use std::time::Duration;

use super::{echo, routes, signature, simulated, started, twiml};
use crate::support::{App, Reply, SECOND, Socket, assert_clean, codes, drain, tone};
use serde_json::Value;
use telephony_testkit::{EndedBy, Script};

#[tokio::test]
async fn an_echo_app_is_clean() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .script(
            Script::new()
                .speak(tone(400))
                .press("5#")
                .wait_to_hear(Duration::from_millis(300), 5 * SECOND)
                .wait_for_quiet(Duration::from_millis(200), 5 * SECOND)
                .hang_up(),
        )
        .call()
        .await;

    assert_clean(&outcome);
    assert!(outcome.ok() && outcome.answered);
    assert_eq!(outcome.carrier, "twilio");
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    assert_eq!(outcome.keys_pressed, 2);
    let stream = outcome.stream().unwrap();
    assert_eq!(stream.keys, 2);
    assert!(
        stream.to_app.frames >= 20 && stream.from_app.frames > 15,
        "{stream:?}"
    );
    assert!(stream.played >= Duration::from_millis(400), "{stream:?}");
    assert!(stream.first_audio.unwrap() <= stream.first_sound.unwrap());
    assert_eq!(stream.closed_by_app, None);
    assert_eq!(outcome.heard_rate, 8_000);
    let loudest = outcome
        .heard
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap();
    assert!(
        (15_000..18_000).contains(&loudest),
        "a tone went out and came back: {loudest}"
    );

    // Every request was signed, the socket included, and callbacks came.
    let calls = app.seen_at("/call");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].param("CallStatus"), "ringing");
    assert_eq!(calls[0].param("From"), "+14155550100");
    assert_eq!(calls[0].param("CallSid"), outcome.call_id);
    let status = app.seen_at("/status");
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].param("CallStatus"), "completed");
    assert_eq!(status[0].param("SequenceNumber"), "0");
    let events: Vec<_> = app
        .seen_at("/stream")
        .iter()
        .map(|seen| seen.param("StreamEvent"))
        .collect();
    assert_eq!(events, ["stream-started", "stream-stopped"]);
    for seen in calls.iter().chain(&status).chain(&app.seen_at("/stream")) {
        let url = app.url(&seen.path_and_query());
        assert_eq!(
            seen.header("x-twilio-signature"),
            signature(&url, &seen.form())
        );
    }
    let upgrade = &app.seen_at("/media/one")[0];
    let url = app.url("/media/one").replace("http://", "ws://");
    assert_eq!(upgrade.header("x-twilio-signature"), signature(&url, &[]));
    assert_eq!(upgrade.header("origin"), "");
}

#[tokio::test]
async fn the_document_goes_on_behind_a_closed_stream() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::xml(twiml(seen).replace("<Connect>", "<Connect action=\"/after\">")),
            "/after" => Reply::xml("<Response><Say>Bye</Say></Response>"),
            _ => routes(seen),
        },
        |mut socket: Socket, _| async move {
            started(&mut socket).await;
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
    assert_eq!(app.seen_at("/after")[0].param("CallStatus"), "in-progress");
    let asked: Vec<_> = outcome
        .documents
        .iter()
        .map(|document| document.asked_by.as_str())
        .collect();
    assert_eq!(asked, ["answer", "connect"]);
}

#[tokio::test]
async fn a_call_can_be_ended_from_outside() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app)
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .start();
    let handle = call.handle();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!handle.is_over());
    assert!(handle.call_id().unwrap().starts_with("CA"));
    handle.hang_up();
    let outcome = call.outcome().await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::App);
}

#[tokio::test]
async fn a_call_that_never_ends_is_ended() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app)
        .deadline(Duration::from_millis(300))
        .script(Script::new().wait_for_hang_up(60 * SECOND))
        .call()
        .await;
    assert_eq!(codes(&outcome), ["deadline"]);
    assert_eq!(outcome.ended_by, EndedBy::Carrier);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_run_at_once() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app).script(
        Script::new()
            .speak(tone(300))
            .wait_to_hear(Duration::from_millis(200), 10 * SECOND),
    );
    let running: Vec<_> = (0..30).map(|_| call.clone().start()).collect();
    let mut ids = vec![];
    for call in running {
        let outcome = call.outcome().await;
        assert_clean(&outcome);
        ids.push(outcome.call_id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
}

#[tokio::test]
async fn neither_numbers_nor_secrets_are_shown() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app)
        .answer_url(app.url("/call?key=hush"))
        .script(Script::new().speak(tone(60)).press("4711081547"));
    let shown = format!("{call:?}");
    let outcome = call.call().await;
    let shown = format!("{shown} {outcome:#?} {:?}", outcome.trace);
    for secret in [
        "4155550100",
        "4155550199",
        "a token for tests",
        "hush",
        "4711081547",
        "AC0000000",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
    // The trace as JSON is for the author of the app, and holds the messages.
    let lines = outcome.trace_lines();
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert!(lines.contains("websocket") && lines.contains("4155550100"));
}
