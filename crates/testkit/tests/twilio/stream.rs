//! Whole calls through the simulated Twilio into a media stream.

mod address;
mod calls;
mod faults;
mod playback;

use std::time::Duration;

use crate::support::{App, Reply, Seen, Socket, next_json, send_json, tone};
use serde_json::{Value, json};
use telephony_testkit::{Outcome, Script, SimulatedCall, Simulator, TwilioAccount};

fn account() -> TwilioAccount {
    TwilioAccount::new("AC00000000000000000000000000000001", "a token for tests")
}

fn twiml(seen: &Seen) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="ws://{}/media/one" statusCallback="/stream"><Parameter name="who" value="Ada"/></Stream></Connect><Hangup/></Response>"#,
        seen.host()
    )
}

fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/call" => Reply::xml(twiml(seen)),
        "/media/one" => Reply::switch(),
        "/status" | "/stream" => Reply::status(204),
        _ => Reply::status(404),
    }
}

fn simulated(app: &App) -> SimulatedCall {
    Simulator::twilio(account())
        .answer_url(app.url("/call"))
        .status_url(app.url("/status"))
        .speed(4.0)
}

/// Returns every frame at once, and echoes nothing else.
async fn echo(mut socket: Socket, _: Seen) {
    while let Some(message) = next_json(&mut socket).await {
        if message["event"] == "media" {
            let back = json!({
                "event": "media",
                "streamSid": message["streamSid"],
                "media": {"payload": message["media"]["payload"]},
            });
            send_json(&mut socket, back).await;
        }
    }
}

fn silence(stream_sid: &Value, millis: usize) -> Value {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::STANDARD.encode(vec![0x10_u8; millis * 8]);
    json!({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}})
}

/// Waits for the start and returns the stream's id.
async fn started(socket: &mut Socket) -> Value {
    loop {
        let message = next_json(socket).await.unwrap();
        if message["event"] == "start" {
            return message["streamSid"].clone();
        }
    }
}

/// The signature, computed once more from the documentation.
fn signature(url: &str, form: &[(String, String)]) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit, Mac};
    let mut form = form.to_vec();
    form.sort();
    let mut text = url.to_owned();
    for (name, value) in form {
        text += &name;
        text += &value;
    }
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(b"a token for tests").unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

/// Calls an app that does one thing on its socket, while the caller speaks so long.
async fn with_fault_during<F>(
    millis: u64,
    fault: impl Fn(Socket, Value) -> F + Clone + Send + Sync + 'static,
) -> Outcome
where
    F: Future<Output = ()> + Send + 'static,
{
    let app = App::serve(routes, move |mut socket: Socket, _| {
        let fault = fault.clone();
        async move {
            let sid = started(&mut socket).await;
            fault(socket, sid).await;
        }
    })
    .await;
    simulated(&app)
        .linger(Duration::from_millis(300))
        .script(Script::new().speak(tone(millis)))
        .call()
        .await
}
