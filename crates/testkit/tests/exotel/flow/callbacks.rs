//! Status callbacks.

use super::{account, app, connect_app, connect_flow, simulated};
use crate::support::{Reply, Seen, assert_clean, codes};
use serde_json::{Value, json};
use telephony_testkit::CallbackDelivery;
use telephony_testkit::persona::exotel::{Applet, CallbackBody};

/// What the default, a multipart form, says.
fn multipart(seen: &Seen) -> Vec<(String, String)> {
    let boundary = seen
        .header("content-type")
        .split_once("boundary=")
        .unwrap()
        .1
        .to_owned();
    let body = String::from_utf8(seen.body.to_vec()).unwrap();
    assert!(body.ends_with(&format!("--{boundary}--\r\n")), "{body}");
    body.split(&format!("--{boundary}"))
        .filter_map(|part| part.strip_prefix("\r\nContent-Disposition: form-data; name=\""))
        .map(|part| {
            let (name, value) = part.split_once("\"\r\n\r\n").unwrap();
            (
                name.to_owned(),
                value.strip_suffix("\r\n").unwrap().to_owned(),
            )
        })
        .collect()
}

#[tokio::test]
async fn one_callback_with_four_fields_comes_at_the_end() {
    let app = app("/greet", Reply::new(200, "text/plain", "Hello")).await;
    let flow = [Applet::greeting("/greet"), Applet::Hangup];
    let outcome = simulated(&app, account(flow.clone())).call().await;
    assert_clean(&outcome);
    let status = app.seen_at("/status");
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].method, "POST");
    let fields = multipart(&status[0]);
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CallSid", "DateUpdated", "Status", "RecordingUrl"]);
    assert_eq!(fields[0].1, outcome.call_id);
    assert_eq!(fields[2].1, "completed");
    assert_eq!(outcome.callbacks[0].purpose, "status completed");

    for (body, content_type) in [
        (CallbackBody::Form, "application/x-www-form-urlencoded"),
        (CallbackBody::Json, "application/json"),
    ] {
        let outcome = simulated(&app, account(flow.clone()).with_callback_body(body))
            .call()
            .await;
        let seen = app.seen_at("/status").pop().unwrap();
        assert_eq!(seen.header("content-type"), content_type);
        let id = match body {
            CallbackBody::Json => seen.json()["CallSid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            _ => seen.param("CallSid"),
        };
        assert_eq!(id, outcome.call_id);
    }
}

#[tokio::test]
async fn chosen_events_come_with_all_fields() {
    let app = connect_app().await;
    let account = account(connect_flow())
        .with_status_events(["ringing", "answered", "terminal"])
        .with_callback_body(CallbackBody::Json);
    let outcome = simulated(&app, account.clone()).call().await;
    assert_clean(&outcome);
    let status: Vec<Value> = app.seen_at("/status").iter().map(Seen::json).collect();
    let words: Vec<_> = status
        .iter()
        .map(|body| (body["EventType"].clone(), body["Status"].clone()))
        .collect();
    assert_eq!(
        words,
        [
            (json!("ringing"), json!("ringing")),
            (json!("answered"), json!("in-progress")),
            (json!("terminal"), json!("completed")),
        ]
    );
    assert_eq!(
        (&status[1]["EndTime"], &status[1]["From"]),
        (&json!(""), &json!("09990000105"))
    );
    let last = &status[2];
    assert_eq!(last["Direction"], "inbound");
    assert!(
        last["ConversationDuration"].as_u64().unwrap() >= 1,
        "{last}"
    );
    assert_eq!(last["Legs"].as_array().unwrap().len(), 2);
    assert_eq!(last["Legs"][1]["Status"], "completed");
    assert!(last["Legs"][1]["OnCallDuration"].is_u64());

    simulated(
        &app,
        account
            .with_callback_body(CallbackBody::Multipart)
            .with_status_events(["terminal"]),
    )
    .call()
    .await;
    let fields = multipart(&app.seen_at("/status")[3]);
    assert!(
        fields.contains(&("Legs[1][Status]".into(), "completed".into())),
        "{fields:?}"
    );
    assert_eq!(app.seen_at("/status").len(), 4);
}

#[tokio::test]
async fn callbacks_may_be_refused_repeated_or_lost() {
    let app = app("/status", Reply::status(500)).await;
    let flow = [Applet::Hangup];
    let outcome = simulated(&app, account(flow.clone())).call().await;
    assert_eq!(codes(&outcome), ["callback-status"]);
    let outcome = simulated(&app, account(flow.clone()))
        .status_url("http://127.0.0.1:1/")
        .call()
        .await;
    assert_eq!(codes(&outcome), ["callback-failed"]);

    let twice = CallbackDelivery::reliable().repeated(1);
    let outcome = simulated(&app, account(flow.clone()))
        .callbacks(twice)
        .call()
        .await;
    assert_eq!(outcome.callbacks.len(), 2);
    let never = CallbackDelivery::reliable().losing("status completed");
    let outcome = simulated(&app, account(flow)).callbacks(never).call().await;
    assert!(outcome.callbacks.is_empty() && outcome.ok());
}
