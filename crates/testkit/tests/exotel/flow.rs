//! Calls through the simulated Exotel that are about applets and callbacks.

mod callbacks;
mod connect;
mod passthru;
mod prompts;
mod several;

use crate::support::{App, Reply, SECOND, Seen, no_socket};
use serde_json::{Value, json};
use telephony_testkit::persona::exotel::Applet;
use telephony_testkit::{ExotelAccount, Outcome, Script, SimulatedCall, Simulator};

fn account(flow: impl IntoIterator<Item = Applet>) -> ExotelAccount {
    ExotelAccount::new("exampleacct1").with_flow(flow)
}

fn simulated(app: &App, account: ExotelAccount) -> SimulatedCall {
    Simulator::exotel(account)
        .answer_url(app.url("/call?key=secret"))
        .status_url(app.url("/status"))
        .from("+919990000105")
        .to("+914440002319")
        .speed(20.0)
        .script(Script::new().wait_for_hang_up(10 * SECOND))
}

/// An app that answers at one path, and 200 elsewhere.
async fn app(path: &'static str, reply: Reply) -> App {
    App::serve(
        move |seen| match seen.path.as_str() {
            at if at == path => reply.clone(),
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await
}

fn purposes(outcome: &Outcome) -> Vec<&str> {
    outcome
        .webhooks
        .iter()
        .map(|webhook| webhook.purpose.as_str())
        .collect()
}

fn connect_flow() -> [Applet; 3] {
    [
        Applet::connect("/connect?applet=connect"),
        Applet::passthru("/passthru"),
        Applet::Hangup,
    ]
}

fn connect_answer(seen: &Seen) -> Value {
    json!({
        "fetch_after_attempt": false,
        "destination": {"numbers": ["+919990000201", "+919990000202"]},
        "outgoing_phone_number": "04440002319",
        "record": false,
        "max_ringing_duration": 30,
        "max_conversation_duration": 3,
        "music_on_hold": {"type": "operator_tone"},
        "dial_passthru_event_url": format!("http://{}/agent?key=secret", seen.host()),
    })
}

async fn connect_app() -> App {
    App::serve(
        |seen| match seen.path.as_str() {
            "/connect" => Reply::json(connect_answer(seen)),
            _ => Reply::status(200),
        },
        no_socket,
    )
    .await
}
