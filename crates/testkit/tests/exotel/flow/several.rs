//! Flows of several applets.

use std::time::Duration;

use super::{account, app, purposes, simulated};
use crate::support::{App, Reply, SECOND, Socket, assert_clean, next_json};
use serde_json::json;
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{EndedBy, ExotelAccount, Script};

#[tokio::test]
async fn a_bot_hands_over_to_a_person() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::json(json!({"url": format!("ws://{}/media", seen.host())})),
            "/media" => Reply::switch(),
            "/connect" => Reply::json(json!({"destination": {"numbers": ["+919990000201"]}})),
            _ => Reply::status(200),
        },
        |mut socket: Socket, _| async move {
            while next_json(&mut socket).await.unwrap()["event"] != "start" {}
            let _ = socket.close(None).await;
            while next_json(&mut socket).await.is_some() {}
        },
    )
    .await;
    let flow = [
        Applet::Voicebot,
        Applet::passthru("/passthru"),
        Applet::connect("/connect"),
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ];
    let outcome = simulated(&app, account(flow)).call().await;
    assert_clean(&outcome);
    assert_eq!(
        purposes(&outcome),
        ["answer", "passthru", "connect", "passthru"]
    );
    assert_eq!(outcome.ended_by, EndedBy::Document);
    let told = app.seen_at("/passthru");
    assert_eq!(
        (
            told[0].param("Stream[Status]"),
            told[0].param("DialCallStatus")
        ),
        ("completed".into(), String::new())
    );
    assert_eq!(told[1].param("DialCallStatus"), "completed");
}

#[tokio::test]
async fn the_default_flow_is_a_bot_and_nobody_to_tell() {
    let app = App::serve(
        |seen| match seen.path.as_str() {
            "/call" => Reply::json(json!({"url": format!("ws://{}/media", seen.host())})),
            "/media" => Reply::switch(),
            _ => Reply::status(200),
        },
        |mut socket: Socket, _| async move { while next_json(&mut socket).await.is_some() {} },
    )
    .await;
    let outcome = simulated(&app, ExotelAccount::new("exampleacct1"))
        .from("+14155550100")
        .script(Script::new())
        .call()
        .await;
    assert_clean(&outcome);
    assert_eq!(purposes(&outcome), ["answer"]);
    assert_eq!(app.seen_at("/call")[0].param("From"), "+14155550100");
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
}

#[tokio::test]
async fn a_call_that_is_over_before_an_answer_is_canceled() {
    let app = app("/call", Reply::status(500).after(SECOND)).await;
    let call = simulated(&app, account([Applet::Voicebot, Applet::Hangup])).start();
    tokio::time::sleep(Duration::from_millis(200)).await;
    call.handle().hang_up();
    let outcome = call.outcome().await;
    assert_eq!(
        (outcome.answered, outcome.status.as_str()),
        (false, "canceled")
    );
}
