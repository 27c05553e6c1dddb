//! What the API answers: every documented success, and everything that only looks like one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::links;
use common::rest::{answer, answer_with, call, now};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use telephony_core::{AnsweredBy, CallStatus, Direction, ErrorKind, Party, Retry, metadata};
use telephony_twilio::rest::{
    RestOperation, accepted, call_page, call_state, hung_up, placed_call, recording_audio,
    recording_state, started_recording,
};

/// A call right after its creation.
fn created() -> Value {
    json!({
        "sid": "CA0001", "account_sid": "AC0001", "parent_call_sid": null, "phone_number_sid": "PN0001",
        "to": "+14155550199", "to_formatted": "(415) 555-0199",
        "from": "+14155550100", "from_formatted": "(415) 555-0100",
        "status": "queued", "direction": "outbound-api", "api_version": "2010-04-01",
        "date_created": null, "date_updated": null, "start_time": null, "end_time": null,
        "duration": null, "price": null, "price_unit": "USD", "answered_by": null, "caller_name": null,
        "forwarded_from": null, "group_sid": null, "trunk_sid": null, "queue_time": "1500",
        "uri": "/2010-04-01/Accounts/AC0001/Calls/CA0001.json", "subresource_uris": {"events": "/x"},
    })
}

/// A call that is over.
fn ended() -> Value {
    let mut call = created();
    for (name, value) in [
        ("status", json!("completed")),
        ("date_created", json!("Fri, 20 Nov 2026 14:58:00 +0000")),
        ("start_time", json!("Fri, 20 Nov 2026 14:58:01 +0000")),
        ("end_time", json!("Fri, 20 Nov 2026 14:58:31 +0000")),
        ("duration", json!("30")),
        ("price", json!("-0.03000")),
        ("answered_by", json!("machine_start")),
    ] {
        call[name] = value;
    }
    call
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[test]
fn a_call_that_was_taken() {
    let body = created().to_string();
    let placed = placed_call(&call(), &links(), &answer(201, body.clone()), now()).unwrap();
    assert_eq!(placed.id().as_str(), "CA0001");
    assert_eq!(placed.status, CallStatus::Queued);
    let report = &placed.report;
    for (name, value) in [
        (metadata::PROVIDER, "twilio"),
        (metadata::TO_PHONE, "+14155550199"),
        (metadata::FROM_PHONE, "+14155550100"),
        (metadata::CALL_ID, "CA0001"),
        (metadata::CONVERSATION_REFERENCE, "CA0001"),
    ] {
        assert_eq!(report.get(name), Some(value));
    }
    assert_eq!(report.metric("STATUS"), Some("SUCCESS"));
    assert_eq!(report.events[0].payload, body);
}

#[test]
fn taken_is_never_answered() {
    for (word, status) in [
        (json!("queued"), CallStatus::Queued),
        (json!("QUEUED"), CallStatus::Queued),
        (json!("initiated"), CallStatus::Initiated),
        (json!("ringing"), CallStatus::Initiated),
        (json!("in-progress"), CallStatus::Initiated),
        (json!("answered"), CallStatus::Initiated),
        (json!("completed"), CallStatus::Initiated),
        (json!("scheduled"), CallStatus::Queued),
        (json!(""), CallStatus::Queued),
        (json!(7), CallStatus::Queued),
        (Value::Null, CallStatus::Queued),
    ] {
        let body = with(created(), "status", word.clone()).to_string();
        let placed = placed_call(&call(), &links(), &answer(201, body), now()).unwrap();
        assert_eq!(placed.status, status, "{word}");
    }
}

#[test]
fn a_taken_call_in_other_forms() {
    for (status, body) in [
        (200, r#"{"sid": "CA0001"}"#),
        (201, r#"{"Sid": " CA0001 ", "Status": "queued"}"#),
        (201, r#"{"Call": {"Sid": "CA0001"}}"#),
        (
            201,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse><Call><Sid>CA0001</Sid>\
             <Status>queued</Status><SubresourceUris><Events>/x</Events></SubresourceUris></Call></TwilioResponse>",
        ),
    ] {
        let placed = placed_call(&call(), &links(), &answer(status, body), now()).unwrap();
        assert_eq!(placed.id().as_str(), "CA0001", "{body}");
    }
    let number = placed_call(&call(), &links(), &answer(201, r#"{"sid": 17}"#), now()).unwrap();
    assert_eq!(number.id().as_str(), "17");
}

#[test]
fn a_success_without_a_call_may_have_placed_one() {
    for body in [
        "",
        "{}",
        "null",
        "[]",
        "CA0001",
        r#"{"sid": null}"#,
        r#"{"sid": ""}"#,
        r#"{"sid": ["CA0001"]}"#,
        r#"{"sid": "CA0001"#,
        "<html><body>Welcome</body></html>",
    ] {
        let response = answer_with(201, &[("twilio-request-id", "RQ0001")], body);
        let error = placed_call(&call(), &links(), &response, now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Carrier, "{body}");
        assert_eq!(error.retry(), Retry::OutcomeUnknown, "{body}");
        assert_eq!(error.http_status(), Some(201));
        assert_eq!(error.request_id(), Some("RQ0001"));
    }
}

#[test]
fn hung_up_is_hung_up() {
    for (status, body) in [
        (200, ended().to_string()),
        (200, String::new()),
        (204, String::new()),
        (404, String::new()),
        (404, "<html>not here</html>".to_owned()),
        (404, json!({"code": 20404, "status": 404}).to_string()),
        (410, String::new()),
        (
            400,
            json!({"code": 21220, "message": "Call is not in-progress. Cannot redirect."})
                .to_string(),
        ),
    ] {
        hung_up(&answer(status, body.clone()), now())
            .unwrap_or_else(|error| panic!("{status} {body}: {error}"));
    }
    for status in [301, 400, 401, 403, 429, 500, 503] {
        assert!(hung_up(&answer(status, ""), now()).is_err(), "{status}");
    }
}

#[test]
fn an_update_is_accepted_or_not() {
    for operation in [
        RestOperation::Transfer,
        RestOperation::SendDigits,
        RestOperation::ChangeRecording,
    ] {
        accepted(operation, &answer(200, "whatever"), now()).unwrap();
        let gone = json!({"code": 21220}).to_string();
        let error = accepted(operation, &answer(400, gone), now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.operation(), operation.name());
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[test]
fn the_state_of_a_call() {
    let body = ended().to_string();
    let state = call_state(&answer(200, body.clone()), now()).unwrap();
    let ago = |seconds| Some(now() - Duration::from_secs(seconds));
    assert_eq!(state.id.as_str(), "CA0001");
    assert_eq!(state.status, Some(CallStatus::Completed));
    assert_eq!(state.word, "completed");
    assert_eq!(state.direction, Some(Direction::Outbound));
    assert_eq!(state.from, Some(Party::Number("+14155550100".into())));
    assert_eq!(state.to, Some(Party::Number("+14155550199".into())));
    assert_eq!(state.parent, None);
    assert_eq!(state.answered_by, Some(AnsweredBy::Machine));
    assert_eq!(state.duration, Some(Duration::from_secs(30)));
    assert_eq!(state.queue_time, Some(Duration::from_millis(1_500)));
    assert_eq!(state.created_at, ago(120));
    assert_eq!(state.started_at, ago(119));
    assert_eq!(state.ended_at, ago(89));
    assert_eq!(state.raw, body);
}

#[test]
fn every_status_of_a_call() {
    for (word, status) in [
        ("queued", Some(CallStatus::Queued)),
        ("ringing", Some(CallStatus::Ringing)),
        ("in-progress", Some(CallStatus::InProgress)),
        ("completed", Some(CallStatus::Completed)),
        ("busy", Some(CallStatus::Busy)),
        ("failed", Some(CallStatus::Failed)),
        ("no-answer", Some(CallStatus::NoAnswer)),
        ("canceled", Some(CallStatus::Canceled)),
        ("In-Progress", Some(CallStatus::InProgress)),
        ("parked", None),
    ] {
        let body = with(created(), "status", json!(word)).to_string();
        let state = call_state(&answer(200, body), now()).unwrap();
        assert_eq!((state.status, state.word.as_str()), (status, word));
    }
}

#[test]
fn a_call_in_lenient_types() {
    let body = json!({
        "Sid": "CA0001", "Status": "completed", "Duration": 30, "queue_time": 5, "Direction": "INBOUND",
        "from": "anonymous", "to": "client:jenny", "parent_call_sid": "CA0000", "answered_by": "machine",
        "date_created": "yesterday", "start_time": 7, "end_time": "", "new_field": {"a": [1]},
    });
    let state = call_state(&answer(200, body.to_string()), now()).unwrap();
    assert_eq!(state.duration, Some(Duration::from_secs(30)));
    assert_eq!(state.queue_time, Some(Duration::from_millis(5)));
    assert_eq!(state.from, Some(Party::Withheld));
    assert_eq!(state.to, Some(Party::Client("jenny".into())));
    assert_eq!(state.parent.unwrap().as_str(), "CA0000");
    assert_eq!(state.answered_by, Some(AnsweredBy::Machine));
    assert_eq!(
        (state.created_at, state.started_at, state.ended_at),
        (None, None, None)
    );
    let bare = call_state(&answer(200, r#"{"sid": "CA0001"}"#), now()).unwrap();
    assert_eq!((bare.status, bare.word.as_str()), (None, ""));
    assert_eq!(
        (bare.from, bare.direction, bare.duration),
        (None, None, None)
    );
}

#[test]
fn an_unreadable_state_may_be_asked_for_again() {
    for body in ["", "{}", "<html/>", "[]"] {
        let error = call_state(&answer(200, body), now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Carrier, "{body}");
        assert_eq!(error.retry(), Retry::Safe, "{body}");
    }
}

/// A page of calls that were created so many seconds ago.
fn page(ages: &[Option<u64>], next: Value) -> String {
    let calls: Vec<_> = ages
        .iter()
        .enumerate()
        .map(|(at, age)| {
            let call = with(created(), "sid", json!(format!("CA{at}")));
            let date = age.map(|age| {
                let date = httpdate::fmt_http_date(now() - Duration::from_secs(age));
                date.replace("GMT", "+0000")
            });
            with(call, "date_created", json!(date))
        })
        .collect();
    json!({"calls": calls, "page": 0, "page_size": 50, "next_page_uri": next}).to_string()
}

fn ids(body: String, since: SystemTime) -> (Vec<String>, bool) {
    let page = call_page(&answer(200, body), now()).unwrap();
    let ids = page.placed_since(since).map(|call| call.id.to_string());
    (ids.collect(), page.reaches_back_to(since))
}

#[test]
fn which_calls_were_placed_since() {
    let since = now() - Duration::from_secs(10) + Duration::from_millis(300);
    let more = || json!("/2010-04-01/Accounts/AC0001/Calls.json?Page=1");
    // A date has no fractions: ten seconds ago may be after it.
    let ages = [None, Some(2), Some(10), Some(11), Some(100)];
    assert_eq!(
        ids(page(&ages, more()), since),
        (vec!["CA0".into(), "CA1".into(), "CA2".into()], true)
    );
    assert_eq!(
        ids(page(&[Some(2)], more()), since),
        (vec!["CA0".into()], false)
    );
    assert_eq!(
        ids(page(&[Some(2)], Value::Null), since),
        (vec!["CA0".into()], true)
    );
    assert_eq!(ids(page(&[], Value::Null), since), (vec![], true));
}

#[test]
fn children_and_calls_that_came_in_were_not_placed() {
    let calls = json!([
        with(created(), "parent_call_sid", json!("CA0000")),
        with(created(), "direction", json!("inbound")),
        with(created(), "sid", json!("")),
        "CA0009",
        with(created(), "sid", json!("CA0002")),
    ]);
    let body = json!({"calls": calls}).to_string();
    let page = call_page(&answer(200, body.clone()), now()).unwrap();
    assert_eq!(page.calls().len(), 3);
    assert_eq!(ids(body, now()), (vec!["CA0002".into()], true));
}

#[test]
fn a_list_that_is_none() {
    for body in ["", "{}", r#"{"calls": null}"#, r#"{"calls": {}}"#, "[]"] {
        let error = call_page(&answer(200, body), now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Carrier, "{body}");
        assert_eq!(error.retry(), Retry::Safe);
    }
}

fn recording() -> Value {
    json!({
        "sid": "RE0001", "account_sid": "AC0001", "call_sid": "CA0001", "conference_sid": null, "channels": 2,
        "status": "in-progress", "duration": null, "error_code": null, "source": "StartCallRecordingAPI",
        "track": "both", "price": null, "start_time": "Fri, 20 Nov 2026 14:58:01 +0000",
        "uri": "/2010-04-01/Accounts/AC0001/Calls/CA0001/Recordings/RE0001.json",
    })
}

#[test]
fn a_recording_that_began() {
    for status in [200, 201] {
        let began = answer(status, recording().to_string());
        assert_eq!(started_recording(&began, now()).unwrap().as_str(), "RE0001");
    }
    for body in ["", "{}", r#"{"sid": null}"#] {
        let error = started_recording(&answer(201, body), now()).unwrap_err();
        assert_eq!(error.retry(), Retry::OutcomeUnknown, "{body}");
    }
}

#[test]
fn the_state_of_a_recording() {
    let media = "http://api.twilio.com/2010-04-01/Accounts/AC0001/Recordings/RE0001";
    let mut done = with(recording(), "status", json!("completed"));
    done["duration"] = json!("4");
    done["media_url"] = json!(media);
    let body = done.to_string();
    let state = recording_state(&answer(200, body.clone()), now()).unwrap();
    assert_eq!(state.id, "RE0001");
    assert_eq!(state.call.as_ref().unwrap().as_str(), "CA0001");
    assert_eq!(state.duration, Some(Duration::from_secs(4)));
    assert_eq!(state.channels, Some(2));
    assert_eq!(state.url.as_deref(), Some(media));
    assert_eq!(state.raw, body);
    assert!(state.is_ready());
    for word in [
        "in-progress",
        "paused",
        "stopped",
        "processing",
        "absent",
        "deleted",
        "",
    ] {
        let body = with(recording(), "status", json!(word)).to_string();
        let state = recording_state(&answer(200, body), now()).unwrap();
        assert_eq!(state.word, word);
        assert!(!state.is_ready());
    }
    let absent = with(recording(), "error_code", json!(16101)).to_string();
    let state = recording_state(&answer(200, absent), now()).unwrap();
    assert_eq!(state.error_code.as_deref(), Some("16101"));
    let error = recording_state(&answer(200, "{}"), now()).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Carrier, Retry::Safe)
    );
}

#[test]
fn the_audio_of_a_recording() {
    for kind in [
        "audio/x-wav",
        "audio/mpeg",
        "AUDIO/WAV; x=y",
        "application/octet-stream",
    ] {
        let response = answer_with(200, &[("content-type", kind)], "RIFF");
        let audio = recording_audio(&response, now()).unwrap();
        assert_eq!(
            (audio.content_type.as_str(), &audio.audio[..]),
            (kind, &b"RIFF"[..])
        );
    }
    let bare = recording_audio(&answer(200, "RIFF"), now()).unwrap();
    assert_eq!(bare.content_type, "application/octet-stream");
    for (kind, body) in [
        ("text/html", "<html/>"),
        ("application/json", "{}"),
        ("audio/x-wav", ""),
        ("audio", "RIFF"),
    ] {
        let response = answer_with(200, &[("content-type", kind)], body);
        let error = recording_audio(&response, now()).unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Carrier, Retry::Safe),
            "{kind}"
        );
    }
}

#[test]
fn audio_that_is_not_there_yet() {
    let body =
        json!({"code": 20404, "message": "The requested resource was not found", "status": 404});
    let error = recording_audio(&answer(404, body.to_string()), now()).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::NotFound, Retry::Safe)
    );
    let no_dual = recording_audio(&answer(400, ""), now()).unwrap_err();
    assert_eq!(
        (no_dual.kind(), no_dual.retry()),
        (ErrorKind::InvalidArgument, Retry::Never)
    );
}
