//! Whole calls through the simulated Exotel into a media stream.

mod address;
mod calls;
mod faults;
mod playback;

use std::time::Duration;

use crate::support::{App, Reply, SECOND, Seen, Socket, next_json, send_json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{ExotelAccount, Script, SimulatedCall, Simulator};

/// Voicebot, a Passthru that somebody answers, Hangup.
fn account() -> ExotelAccount {
    ExotelAccount::new("exampleacct1").with_flow([
        Applet::Voicebot,
        Applet::passthru("/passthru?key=secret"),
        Applet::Hangup,
    ])
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::json(json!({"url": format!("ws://{}/media/one", seen.host())})),
        "/media/one" => Reply::switch(),
        "/status" | "/passthru" => Reply::status(200),
        _ => Reply::status(404),
    }
}

fn simulated(app: &App, account: ExotelAccount) -> SimulatedCall {
    Simulator::exotel(account)
        .answer_url(app.url("/call?key=secret"))
        .status_url(app.url("/status?key=secret"))
        .from("+919990000105")
        .to("+914440002319")
        .speed(4.0)
        // Long enough for the stream to start.
        .script(Script::new().silence(Duration::from_millis(400)))
}

/// Returns every frame at once, and echoes nothing else.
async fn echo(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "media" {
            let back = json!({
                "event": "media",
                "stream_sid": message["stream_sid"],
                "media": {"payload": message["media"]["payload"]},
            });
            send_json(&mut socket, back).await;
        }
    }
}

/// Audio of 8 kHz that is loud enough to be heard.
fn loud(stream_sid: &Value, millis: usize) -> Value {
    let payload = STANDARD.encode([0x00, 0x20].repeat(millis * 8));
    json!({"event": "media", "stream_sid": stream_sid, "media": {"payload": payload}})
}

fn mark(stream_sid: &Value, name: &str) -> Value {
    json!({"event": "mark", "stream_sid": stream_sid, "mark": {"name": name}})
}

/// Waits for the start.
async fn started(socket: &mut Socket) -> Value {
    loop {
        let message = next_json(socket).await.unwrap();
        if message["event"] == "start" {
            return message;
        }
    }
}

/// A caller whom the app hangs up on.
fn patient() -> Script {
    Script::new().wait_for_hang_up(5 * SECOND)
}
