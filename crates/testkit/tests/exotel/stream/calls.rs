//! Calls from the first webhook to the last.

use std::time::Duration;

use super::{account, echo, patient, routes, simulated};
use crate::support::{App, SECOND, assert_clean, drain, tone};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use telephony_testkit::persona::exotel::StreamParameters;
use telephony_testkit::{EndedBy, Instruction, Script};

#[tokio::test]
async fn an_echo_app_is_clean() {
    let app = App::serve(routes, echo).await;
    // 200 ms are 3,200 bytes, which is what Exotel wants back.
    let outcome = simulated(&app, account().with_chunk(Duration::from_millis(200)))
        .script(
            Script::new()
                .speak(tone(600))
                .press("5#")
                .wait_to_hear(Duration::from_millis(400), 5 * SECOND)
                .wait_for_quiet(Duration::from_millis(200), 5 * SECOND)
                .hang_up(),
        )
        .call()
        .await;

    assert_clean(&outcome);
    assert!(outcome.ok() && outcome.answered);
    assert_eq!(outcome.carrier, "exotel");
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::Caller, "completed")
    );
    assert_eq!(outcome.documents[0].instructions, [Instruction::Stream]);
    let stream = outcome.stream().unwrap();
    assert_eq!((outcome.keys_pressed, stream.keys), (2, 2));
    assert!(stream.played >= Duration::from_millis(600), "{stream:?}");
    assert_eq!((stream.closed_by_app, outcome.heard_rate), (None, 8_000));
    let loudest = outcome
        .heard
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap();
    assert!(
        (15_000..18_000).contains(&loudest),
        "a tone went out and came back: {loudest}"
    );

    let asked = &app.seen_at("/call")[0];
    assert_eq!((asked.method.as_str(), asked.body.len()), ("GET", 0));
    let names: Vec<_> = asked.form().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "key",
            "CallSid",
            "CallFrom",
            "CallTo",
            "Direction",
            "Created",
            "From",
            "To",
            "CurrentTime"
        ]
    );
    assert_eq!(asked.param("key"), "secret");
    assert_eq!(asked.param("CallSid"), outcome.call_id);
    assert_eq!(outcome.call_id.len(), 32);
    assert!(
        outcome
            .call_id
            .bytes()
            .any(|byte| !byte.is_ascii_hexdigit())
    );
    assert_eq!(
        (asked.param("CallFrom"), asked.param("To")),
        ("09990000105".into(), "04440002319".into())
    );
    assert_eq!(asked.param("Direction"), "incoming");

    let told = &app.seen_at("/passthru")[0];
    assert_eq!(told.param("key"), "secret");
    assert_eq!(told.param("CallStatus"), "completed");
    assert_eq!(told.param("CallType"), "call-attempt");
    assert_eq!(told.param("EndTime"), "1970-01-01 05:30:00");
    assert_eq!(told.param("Stream[Status]"), "cancelled");
    assert_eq!(told.param("Stream[DisconnectedBy]"), "user");
    assert_eq!(told.param("Stream[StreamSID]").len(), 32);
    assert_eq!(
        told.param("Stream[StreamUrl]"),
        app.url("/media/one").replace("http", "ws")
    );
    assert_eq!(told.param("Stream[Error]"), "");
    assert_eq!(app.seen_at("/status").len(), 1);
}

#[tokio::test]
async fn messages_come_in_order_and_stop_at_the_end() {
    let app = App::serve(routes, echo).await;
    let outcome = simulated(&app, account())
        .script(Script::new().speak(tone(300)).press("7"))
        .whole_trace()
        .call()
        .await;
    let sent: Vec<Value> = outcome
        .trace
        .iter()
        .filter(|entry| entry.way == telephony_testkit::Way::ToApp)
        .filter_map(|entry| serde_json::from_str(&entry.text).ok())
        .filter(|message: &Value| message["event"].is_string())
        .collect();
    assert_eq!(sent[0], json!({"event": "connected"}));
    let start = &sent[1];
    assert_eq!(start["event"], "start");
    assert_eq!(start["start"]["call_sid"], outcome.call_id.as_str());
    assert_eq!(start["start"]["account_sid"], "exampleacct1");
    assert_eq!(start["start"]["from"], "09990000105");
    assert_eq!(start["start"].get("custom_parameters"), None);
    for (index, message) in sent[1..].iter().enumerate() {
        assert_eq!(message["sequence_number"], (index + 1).to_string());
        assert_eq!(message["stream_sid"], start["start"]["stream_sid"]);
    }
    let media: Vec<&Value> = sent
        .iter()
        .filter(|message| message["event"] == "media")
        .collect();
    for (index, message) in media.iter().enumerate() {
        assert_eq!(message["media"]["chunk"], (index + 1).to_string());
        assert_eq!(message["media"]["timestamp"], (index * 100).to_string());
        let payload = STANDARD
            .decode(message["media"]["payload"].as_str().unwrap())
            .unwrap();
        assert_eq!(payload.len(), 1_600);
    }
    assert!(sent.iter().any(|message| message["dtmf"]["digit"] == "7"));
    let stop = sent.last().unwrap();
    assert_eq!(stop["stop"]["reason"], "callended");
    assert_eq!(stop["stop"]["call_sid"], outcome.call_id.as_str());
}

#[tokio::test]
async fn the_stream_may_be_told_of_in_one_parameter() {
    let app = App::serve(routes, |socket, _| drain(socket)).await;
    let outcome = simulated(
        &app,
        account().with_stream_parameters(StreamParameters::Json),
    )
    .call()
    .await;
    assert_clean(&outcome);
    let told = &app.seen_at("/passthru")[0];
    let stream: Value = serde_json::from_str(&told.param("Stream")).unwrap();
    assert_eq!(
        (&stream["Status"], &stream["DisconnectedBy"]),
        (&json!("cancelled"), &json!("user"))
    );
    assert!(stream["Duration"].is_string() && stream["StreamSID"].is_string());
    assert!(told.form().iter().all(|(name, _)| !name.contains('[')));
}

#[tokio::test]
async fn a_call_can_be_ended_from_outside() {
    let app = App::serve(routes, |socket, _| drain(socket)).await;
    let call = simulated(&app, account()).script(patient()).start();
    let handle = call.handle();
    tokio::time::sleep(Duration::from_millis(200)).await;
    handle.hang_up();
    let outcome = call.outcome().await;
    assert_clean(&outcome);
    assert_eq!(
        (outcome.ended_by, outcome.status.as_str()),
        (EndedBy::App, "completed")
    );
    assert_eq!(
        app.seen_at("/passthru")[0].param("Stream[DisconnectedBy]"),
        "NA"
    );
}

#[tokio::test]
async fn neither_numbers_nor_secrets_are_shown() {
    let app = App::serve(routes, echo).await;
    let call = simulated(&app, account()).script(Script::new().speak(tone(60)).press("47110815"));
    let shown = format!("{call:?} {:?}", account());
    let outcome = call.call().await;
    let shown = format!("{shown} {outcome:#?} {:?}", outcome.trace);
    for secret in [
        "9990000105",
        "4440002319",
        "secret",
        "47110815",
        "exampleacct1",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
