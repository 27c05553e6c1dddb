//! Whole calls through the simulated Vonage.

mod documents;
mod signed;
mod socket;

use crate::support::{App, Reply, Seen, Socket};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::Digest;
use telephony_testkit::{SimulatedCall, Simulator, VonageAccount};
use tokio_tungstenite::tungstenite::Message;

const SECRET: &str = "the signature secret of the tests";

fn account() -> VonageAccount {
    VonageAccount::new("abcd1234", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", SECRET)
}

fn simulated(app: &App) -> SimulatedCall {
    Simulator::vonage(account())
        .answer_url(app.url("/answer"))
        .status_url(app.url("/event"))
        .slow_webhook(None)
        .speed(4.0)
}

fn endpoint(seen: &Seen, rate: u32) -> Value {
    json!({
        "type": "websocket",
        "uri": format!("ws://{}/socket?who=me", seen.host()),
        "content-type": format!("audio/l16;rate={rate}"),
        "headers": {"call": "one"},
    })
}

fn connect(endpoint: Value) -> Value {
    json!([{"action": "connect", "endpoint": [endpoint]}])
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/answer" => Reply::json(connect(endpoint(seen, 16_000))),
        "/socket" => Reply::switch(),
        _ => Reply::status(200),
    }
}

async fn echo(mut socket: Socket, _: Seen) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn say(socket: &mut Socket, frames: usize) {
    for _ in 0..frames {
        let _ = socket
            .send(Message::binary([0x00_u8, 0x20].repeat(320)))
            .await;
    }
}

/// The claims of a token, checked against the secret.
fn claims(seen: &Seen) -> Value {
    use hmac::{KeyInit, Mac};
    let token = seen
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap();
    let (text, signature) = token.rsplit_once('.').unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    assert_eq!(
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()),
        signature
    );
    let (_, body) = text.split_once('.').unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

fn hash(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn statuses(app: &App) -> Vec<String> {
    app.seen_at("/event")
        .iter()
        .map(|seen| seen.json()["status"].as_str().unwrap_or("-").to_owned())
        .collect()
}
