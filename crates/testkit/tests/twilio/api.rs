//! An app that has the simulated Twilio place calls, and asks it things.

use std::time::Duration;

use serde_json::Value;
use telephony_testkit::{
    Outcome, Script, SimulatedCall, SimulatedCarrier, Simulator, TwilioAccount,
};

use crate::support::raw::{Ask, Told};
use crate::support::{App, Reply, SECOND, Seen};

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "a token for tests";
pub(crate) const CALLS: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json";

pub(crate) fn account() -> TwilioAccount {
    TwilioAccount::new(ACCOUNT, TOKEN).with_calls_per_second(1_000)
}

pub(crate) fn pattern() -> SimulatedCall {
    Simulator::twilio(account()).speed(20.0)
}

pub(crate) async fn carrier() -> SimulatedCarrier {
    pattern().serve().await.unwrap()
}

pub(crate) fn stream_twiml(seen_host: &str) -> String {
    format!(
        r#"<Response><Connect><Stream url="ws://{seen_host}/media"/></Connect><Hangup/></Response>"#
    )
}

pub(crate) fn routes(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/answer" => Reply::xml(stream_twiml(seen.host())),
        path if path.starts_with("/say") => Reply::xml("<Response><Say>Hello</Say></Response>"),
        "/media" => Reply::switch(),
        _ => Reply::status(204),
    }
}

pub(crate) fn ask(carrier: &SimulatedCarrier, method: &str, path: &str) -> Ask {
    Ask::new(method, carrier.base_url(), path).basic(ACCOUNT, TOKEN)
}

/// The parameters of a call, and some more.
pub(crate) async fn place(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> Told {
    let mut form = vec![("To", "+14155550199"), ("From", "+14155550100")];
    form.extend_from_slice(more);
    ask(carrier, "POST", CALLS).form(&form).told().await
}

pub(crate) async fn placed(carrier: &SimulatedCarrier, more: &[(&str, &str)]) -> String {
    let told = place(carrier, more).await;
    assert_eq!(told.status, 201, "{}", told.text());
    told.json()["sid"].as_str().unwrap().to_owned()
}

pub(crate) fn call_path(sid: &str) -> String {
    CALLS.replace(".json", &format!("/{sid}.json"))
}

pub(crate) async fn update(carrier: &SimulatedCarrier, sid: &str, form: &[(&str, &str)]) -> Told {
    let path = call_path(sid);
    ask(carrier, "POST", &path).form(form).told().await
}

pub(crate) async fn fetched(carrier: &SimulatedCarrier, sid: &str) -> Value {
    ask(carrier, "GET", &call_path(sid)).told().await.json()
}

pub(crate) async fn outcome(carrier: &SimulatedCarrier, sid: &str) -> Outcome {
    carrier.outcome(sid).await.unwrap()
}

/// Waits until the call has this status.
pub(crate) async fn until(carrier: &SimulatedCarrier, sid: &str, status: &str) {
    for _ in 0..500 {
        if fetched(carrier, sid).await["status"] == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call never was {status}");
}

/// A call that lives until somebody ends it.
pub(crate) async fn live_call(carrier: &SimulatedCarrier, app: &App) -> String {
    carrier.set(|call| call.script(Script::new().wait_for_hang_up(10 * SECOND)));
    let sid = placed(carrier, &[("Url", &app.url("/answer"))]).await;
    until(carrier, &sid, "in-progress").await;
    while app.seen_at("/media").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The stream has begun, too.
    tokio::time::sleep(Duration::from_millis(60)).await;
    sid
}

pub(crate) fn error(told: &Told) -> (u16, u64) {
    let body = told.json();
    assert_eq!(body["status"], told.status, "{body}");
    assert_eq!(
        body["more_info"],
        format!("https://www.twilio.com/docs/errors/{}", body["code"])
    );
    (told.status, body["code"].as_u64().unwrap())
}

pub(crate) fn statuses(app: &App, path: &str) -> Vec<String> {
    app.seen_at(path)
        .iter()
        .map(|seen| seen.param("CallStatus"))
        .collect()
}
