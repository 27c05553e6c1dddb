//! An app that has the simulated Vonage place calls, and asks it things.

use std::time::Duration;

use serde_json::{Value, json};
use telephony_testkit::{Outcome, Script, SimulatedCarrier, Simulator, VonageAccount};

use crate::key::{PUBLIC, token};
use crate::support::raw::{Ask, Told};
use crate::support::{App, Reply, SECOND, Seen};

pub(crate) const APPLICATION: &str = "00000000-0000-0000-0000-00000000a001";

pub(crate) fn account() -> VonageAccount {
    VonageAccount::new("abcd1234", APPLICATION, "a secret for tests")
        .with_public_key(PUBLIC)
        .with_limits(1_000, 1_000)
}

pub(crate) async fn carrier() -> SimulatedCarrier {
    Simulator::vonage(account())
        .speed(20.0)
        .serve()
        .await
        .unwrap()
}

pub(crate) fn socket_ncco(host: &str) -> Value {
    json!([{
        "action": "connect",
        "endpoint": [{
            "type": "websocket",
            "uri": format!("ws://{host}/media"),
            "content-type": "audio/l16;rate=8000",
        }],
    }])
}

pub(crate) fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/answer" => Reply::json(socket_ncco(seen.host())),
        "/talk" => Reply::json(json!([{"action": "talk", "text": "Hello"}])),
        "/media" => Reply::switch(),
        _ => Reply::status(204),
    }
}

pub(crate) fn ask(carrier: &SimulatedCarrier, method: &str, path: &str) -> Ask {
    let token = token(APPLICATION, json!({}));
    Ask::new(method, carrier.base_url(), path).header("Authorization", format!("Bearer {token}"))
}

pub(crate) fn body(app: &App, more: Value) -> Value {
    let mut body = json!({
        "to": [{"type": "phone", "number": "14155550199"}],
        "from": {"type": "phone", "number": "14155550100"},
        "event_url": [app.url("/event")],
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        }
    }
    body
}

pub(crate) async fn place(carrier: &SimulatedCarrier, app: &App, more: Value) -> Told {
    ask(carrier, "POST", "/v1/calls")
        .json(&body(app, more))
        .told()
        .await
}

pub(crate) async fn placed(carrier: &SimulatedCarrier, app: &App, more: Value) -> String {
    let told = place(carrier, app, more).await;
    assert_eq!(told.status, 201, "{}", told.text());
    told.json()["uuid"].as_str().unwrap().to_owned()
}

pub(crate) async fn put(carrier: &SimulatedCarrier, path: &str, body: Value) -> Told {
    ask(carrier, "PUT", path).json(&body).told().await
}

pub(crate) async fn fetched(carrier: &SimulatedCarrier, uuid: &str) -> Value {
    ask(carrier, "GET", &format!("/v1/calls/{uuid}"))
        .told()
        .await
        .json()
}

pub(crate) async fn outcome(carrier: &SimulatedCarrier, uuid: &str) -> Outcome {
    carrier.outcome(uuid).await.unwrap()
}

/// A call that lives until somebody ends it.
pub(crate) async fn live_call(carrier: &SimulatedCarrier, app: &App) -> String {
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let sockets = app.seen_at("/media").len();
    let uuid = placed(carrier, app, json!({"answer_url": [app.url("/answer")]})).await;
    for _ in 0..500 {
        if app.seen_at("/media").len() > sockets {
            tokio::time::sleep(Duration::from_millis(60)).await;
            return uuid;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no socket was opened");
}

/// The events with a status, of one leg.
pub(crate) fn statuses(app: &App, uuid: &str) -> Vec<String> {
    let events = app.seen_at("/event");
    let events = events.iter().map(Seen::json);
    events
        .filter(|event| event["uuid"] == uuid || event["call_uuid"] == uuid)
        .filter_map(|event| event["status"].as_str().map(str::to_owned))
        .collect()
}
