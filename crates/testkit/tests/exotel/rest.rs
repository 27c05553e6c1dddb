//! The simulated Exotel places calls for the app.

mod modes;
mod requests;

use crate::support::raw::{Ask, Told};
use crate::support::{App, Reply, Seen, Socket, next_json};
use futures_util::SinkExt;
use serde_json::{Value, json};
use telephony_testkit::{ExotelAccount, Outcome, SimulatedCarrier, Simulator};

const CONNECT: &str = "/v1/Accounts/exampleacct1/Calls/connect.json";
const FLOW: &str = "http://my.exotel.com/exampleacct1/exoml/start_voice/926";
const CUSTOMER: &str = "+919990000105";
const EXOPHONE: &str = "08040000003";

fn account() -> ExotelAccount {
    ExotelAccount::new("exampleacct1").with_api_key("a key", "a token")
}

async fn serve(account: ExotelAccount) -> SimulatedCarrier {
    Simulator::exotel(account)
        .speed(20.0)
        .serve()
        .await
        .unwrap()
}

async fn carrier() -> SimulatedCarrier {
    serve(account()).await
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::json(json!({"url": format!("ws://{}/media", seen.host())})),
        "/media" => Reply::switch(),
        _ => Reply::status(200),
    }
}

/// Hears the start, then closes.
async fn greet(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "start" {
            break;
        }
    }
    let _ = socket.close(None).await;
    let _ = socket.flush().await;
    while next_json(&mut socket).await.is_some() {}
}

fn ask(carrier: &SimulatedCarrier, method: &str, path: &str) -> Ask {
    Ask::new(method, carrier.base_url(), path).basic("a key", "a token")
}

async fn place(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> Told {
    let mut form = vec![("From", CUSTOMER), ("CallerId", EXOPHONE)];
    form.extend_from_slice(more);
    ask(carrier, "POST", CONNECT).form(&form).told().await
}

async fn placed(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> String {
    let told = place(carrier, more).await;
    assert_eq!(told.status, 200, "{}", told.text());
    told.json()["Call"]["Sid"].as_str().unwrap().to_owned()
}

async fn outcome(carrier: &SimulatedCarrier, sid: &str) -> Outcome {
    carrier.outcome(sid).await.unwrap()
}

async fn fetched(carrier: &SimulatedCarrier, sid: &str) -> Value {
    let path = format!("/v1/Accounts/exampleacct1/Calls/{sid}.json?details=true");
    ask(carrier, "GET", &path).told().await.json()["Call"].clone()
}

fn stream_url(app: &App) -> String {
    app.url("/media?sample-rate=8000&who=Ada")
        .replace("http://", "ws://")
}

fn exception(told: &Told) -> (u16, u64) {
    let status = told.json()["RestException"]["Status"].as_u64().unwrap();
    assert!(told.json()["RestException"]["Message"].is_string());
    (told.status, status)
}
