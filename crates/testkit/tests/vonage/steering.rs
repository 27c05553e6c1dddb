//! The app steers calls of the simulated Vonage.

use std::time::Duration;

use crate::api::*;
use crate::support::raw::Ask;
use crate::support::{App, SECOND, Seen, Socket, assert_clean, listen, no_socket};
use serde_json::{Value, json};
use telephony_testkit::{EndedBy, OnDial, Script, Speech};

#[tokio::test]
async fn the_app_hangs_up() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let uuid = live_call(&carrier, &app).await;
    let path = format!("/v1/calls/{uuid}");
    let told = put(&carrier, &path, json!({"action": "hangup"})).await;
    assert_eq!((told.status, told.body.len()), (204, 0));
    let ended = outcome(&carrier, &uuid).await;
    assert_eq!(
        (ended.ended_by, ended.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert_clean(&ended);
    assert!(!statuses_of_all(&app).contains(&"disconnected".to_owned()));
    assert_eq!(
        put(&carrier, &path, json!({"action": "hangup"}))
            .await
            .status,
        404
    );
    let told = put(&carrier, "/v1/calls/nobody", json!({"action": "hangup"})).await;
    assert_eq!(told.status, 404);

    // Before anybody answers, it is cancelled.
    carrier.set(|call| call.on_dial(OnDial::NoAnswer));
    let uuid = placed(&carrier, &app, json!({"answer_url": [app.url("/talk")]})).await;
    let told = put(
        &carrier,
        &format!("/v1/calls/{uuid}"),
        json!({"action": "hangup"}),
    )
    .await;
    assert_eq!(told.status, 204);
    assert_eq!(outcome(&carrier, &uuid).await.status, "cancelled");
}

fn statuses_of_all(app: &App) -> Vec<String> {
    let events = app.seen_at("/event");
    let events = events.iter().map(Seen::json);
    events
        .filter_map(|event| event["status"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_leg_of_the_socket_is_hung_up_by_itself() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let uuid = live_call(&carrier, &app).await;
    let events = app.seen_at("/event");
    let mut legs = events
        .iter()
        .map(Seen::json)
        .filter(|event| event["uuid"] != uuid.as_str());
    let leg = legs.next().unwrap()["uuid"].as_str().unwrap().to_owned();
    assert_eq!(fetched(&carrier, &leg).await["status"], "answered");
    let told = put(
        &carrier,
        &format!("/v1/calls/{leg}"),
        json!({"action": "hangup"}),
    )
    .await;
    assert_eq!(told.status, 204);
    let outcome = outcome(&carrier, &uuid).await;
    assert_clean(&outcome);
    assert_eq!(outcome.ended_by, EndedBy::App, "nothing was left to do");
    assert_eq!(statuses(&app, &leg), ["started", "answered", "completed"]);
}

#[tokio::test]
async fn a_live_call_gets_a_new_document() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    for destination in [
        json!({"type": "ncco", "url": [app.url("/talk")]}),
        json!({"type": "ncco", "ncco": [{"action": "talk", "text": "Bye"}]}),
    ] {
        let uuid = live_call(&carrier, &app).await;
        let path = format!("/v1/calls/{uuid}");
        let before = fetched(&carrier, &uuid).await["conversation_uuid"].clone();
        let transfer = json!({"action": "transfer", "destination": destination});
        assert_eq!(put(&carrier, &path, transfer.clone()).await.status, 204);
        let outcome = outcome(&carrier, &uuid).await;
        assert_clean(&outcome);
        assert_eq!(outcome.ended_by, EndedBy::Document);
        let events = app.seen_at("/event");
        let events: Vec<Value> = events.iter().map(Seen::json).collect();
        let moved = events
            .iter()
            .rfind(|event| event["type"] == "transfer")
            .unwrap();
        assert_eq!(moved["conversation_uuid_from"], before);
        assert_eq!(
            moved["conversation_uuid_to"],
            fetched(&carrier, &uuid).await["conversation_uuid"]
        );
        assert_eq!(put(&carrier, &path, transfer).await.status, 404);
    }
    let uuid = live_call(&carrier, &app).await;
    let path = format!("/v1/calls/{uuid}");
    for bad in [
        json!({"action": "transfer"}),
        json!({"action": "transfer", "destination": {"type": "ncco"}}),
        json!({"action": "transfer", "destination": {"type": "ncco", "url": "x"}}),
        json!({"action": "dance"}),
        json!({}),
    ] {
        assert_eq!(put(&carrier, &path, bad.clone()).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn legs_are_muted_and_hear_keys_and_prompts() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let uuid = live_call(&carrier, &app).await;
    let path = format!("/v1/calls/{uuid}");
    for action in ["mute", "unmute", "earmuff", "unearmuff"] {
        assert_eq!(
            put(&carrier, &path, json!({"action": action})).await.status,
            204
        );
    }
    let told = put(&carrier, &format!("{path}/dtmf"), json!({"digits": "12#p"})).await;
    assert_eq!(
        (told.status, told.json()),
        (200, json!({"message": "DTMF sent", "uuid": uuid}))
    );
    assert_eq!(
        put(&carrier, &format!("{path}/dtmf"), json!({"digits": "x"}))
            .await
            .status,
        400
    );
    let told = put(
        &carrier,
        &format!("{path}/talk"),
        json!({"text": "Hi", "level": "0.4"}),
    )
    .await;
    assert_eq!(told.json()["message"], "Talk started");
    let told = ask(&carrier, "DELETE", &format!("{path}/talk"))
        .told()
        .await;
    assert_eq!(told.json()["message"], "Talk stopped");
    let stream = json!({"stream_url": ["https://example.com/a.mp3"]});
    let told = put(&carrier, &format!("{path}/stream"), stream).await;
    assert_eq!(told.json()["message"], "Stream started");
    let told = ask(&carrier, "DELETE", &format!("{path}/stream"))
        .told()
        .await;
    assert_eq!(told.json()["message"], "Stream stopped");
    put(&carrier, &path, json!({"action": "hangup"})).await;
    assert_eq!(outcome(&carrier, &uuid).await.tones_heard, "12#p");
    assert_eq!(
        put(&carrier, &format!("{path}/dtmf"), json!({"digits": "1"}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_muted_caller_is_not_heard() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    carrier.set(|call| {
        call.script(
            Script::new()
                .speak(Speech::tone(440.0, 60 * SECOND))
                .hang_up(),
        )
        .whole_trace()
    });
    let sounds = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&sounds);
    let app_two = App::serve(routes, move |mut socket: Socket, _| {
        let counted = std::sync::Arc::clone(&counted);
        async move {
            use futures_util::StreamExt;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_binary() && message.into_data().iter().any(|byte| *byte != 0) {
                    counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            }
        }
    })
    .await;
    let uuid = placed(
        &carrier,
        &app,
        json!({"answer_url": [app_two.url("/answer")]}),
    )
    .await;
    while sounds.load(std::sync::atomic::Ordering::SeqCst) < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    put(
        &carrier,
        &format!("/v1/calls/{uuid}"),
        json!({"action": "mute"}),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let heard = sounds.load(std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(sounds.load(std::sync::atomic::Ordering::SeqCst), heard);
    put(
        &carrier,
        &format!("/v1/calls/{uuid}"),
        json!({"action": "hangup"}),
    )
    .await;
    outcome(&carrier, &uuid).await;
}

#[tokio::test]
async fn recordings_are_fetched_with_the_token() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let more = json!({"ncco": [
        {"action": "record", "format": "wav", "eventUrl": [app.url("/record")]},
        {"action": "talk", "text": "Hi"},
    ]});
    let uuid = placed(&carrier, &app, more).await;
    assert_clean(&outcome(&carrier, &uuid).await);
    let url = app.seen_at("/record")[0].json()["recording_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = url.strip_prefix(carrier.base_url()).unwrap();
    let told = ask(&carrier, "GET", path).told().await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, "audio/wav")
    );
    assert!(told.body.starts_with(b"RIFF"));
    assert_eq!(
        Ask::new("GET", carrier.base_url(), path)
            .told()
            .await
            .status,
        401
    );
    assert_eq!(
        ask(&carrier, "GET", "/v1/files/other").told().await.status,
        404
    );
}

#[tokio::test]
async fn calls_are_listed() {
    let app = App::serve(routes, no_socket).await;
    let carrier = carrier().await;
    let mut uuids = vec![];
    for _ in 0..3 {
        let uuid = placed(&carrier, &app, json!({"answer_url": [app.url("/talk")]})).await;
        outcome(&carrier, &uuid).await;
        uuids.push(uuid);
    }
    let list = async |query: &str| {
        ask(&carrier, "GET", &format!("/v1/calls{query}"))
            .told()
            .await
    };
    let page = list("?page_size=2&order=desc&date_start=2020-01-01T00:00:00Z")
        .await
        .json();
    assert_eq!((&page["count"], &page["page_size"]), (&json!(3), &json!(2)));
    assert_eq!(page["_embedded"]["calls"][0]["uuid"], uuids[2]);
    let next = page["_links"]["next"]["href"].as_str().unwrap();
    let page = list(next.strip_prefix("/calls").unwrap()).await.json();
    assert_eq!(page["_embedded"]["calls"].as_array().unwrap().len(), 1);
    assert_eq!(page["_embedded"]["calls"][0]["uuid"], uuids[0]);
    assert!(page["_links"]["next"].is_null());
    assert_eq!(list("?status=completed").await.json()["count"], 3);
    assert_eq!(list("?status=busy").await.json()["count"], 0);
    assert_eq!(
        list("?date_start=2999-01-01T00:00:00Z").await.json()["count"],
        0
    );
    let conversation = fetched(&carrier, &uuids[1]).await["conversation_uuid"].clone();
    let query = format!("?conversation_uuid={}", conversation.as_str().unwrap());
    assert_eq!(
        list(&query).await.json()["_embedded"]["calls"][0]["uuid"],
        uuids[1]
    );
    assert_eq!(list("?page_size=101").await.status, 400);
    assert_eq!(list("?status=sleeping").await.status, 400);
}

#[tokio::test]
async fn a_call_that_came_in_can_be_steered_too() {
    let app = App::serve(routes, listen).await;
    let carrier = carrier().await;
    let running = carrier
        .incoming()
        .answer_url(app.url("/answer"))
        .status_url(app.url("/event"))
        .script(Script::new().wait_for_hang_up(10 * SECOND))
        .start();
    while app.seen_at("/media").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let uuid = app.seen_at("/answer")[0].param("uuid");
    assert_eq!(fetched(&carrier, &uuid).await["direction"], "inbound");
    assert_eq!(
        app.seen_at("/answer")[0].param("region_url"),
        carrier.base_url()
    );
    let told = put(
        &carrier,
        &format!("/v1/calls/{uuid}"),
        json!({"action": "hangup"}),
    )
    .await;
    assert_eq!(told.status, 204);
    let outcome = running.outcome().await;
    assert_eq!(outcome.ended_by, EndedBy::App);
    assert_clean(&outcome);
}
