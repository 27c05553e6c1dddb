//! What REST answers when it does what it was asked, in the documented shapes and in those that were seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::Response;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::{
    Answer, CallStatus, Direction, ErrorKind, OutboundCall, Party, Retry, metadata,
};
use telephony_vonage::rest::{self, CallState, HungUp, RestOperation};

const NUMBER: &str = "7700900456";

fn response(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(body.into())
        .unwrap()
}

fn call() -> OutboundCall {
    let to = Party::Number(format!("+44{NUMBER}"));
    let from = Party::Number("+442079460000".into());
    OutboundCall::new(to, from, Answer::stream())
}

fn state(body: &Value) -> CallState {
    rest::call_state(&response(200, body.to_string()), at(NOW)).unwrap()
}

#[test]
fn a_call_that_was_taken_has_its_ids() {
    let body = r#"{"uuid":"63f61863-4a51","status":"started","direction":"outbound","conversation_uuid":"CON-f972836a"}"#;
    let placed = rest::placed(&response(201, body), at(NOW)).unwrap();
    assert_eq!(placed.id.as_str(), "63f61863-4a51");
    assert_eq!(placed.status, CallStatus::Initiated);
    assert_eq!(placed.word.as_deref(), Some("started"));
    assert_eq!(placed.conversation.as_deref(), Some("CON-f972836a"));
    assert_eq!(placed.direction, Some(Direction::Outbound));
    assert_eq!(placed.raw, body);

    let placed = placed.into_placed_call(&call(), &links());
    assert_eq!(placed.key.as_str(), KEY);
    assert_eq!(placed.status, CallStatus::Initiated);
    let report = &placed.report;
    assert_eq!(report.get(metadata::PROVIDER), Some("vonage"));
    assert_eq!(report.get(metadata::CALL_ID), Some("63f61863-4a51"));
    assert_eq!(
        report.get(metadata::CONVERSATION_REFERENCE),
        Some("CON-f972836a")
    );
    assert_eq!(
        report.get(metadata::TO_PHONE),
        Some(format!("+44{NUMBER}").as_str())
    );
    assert_eq!(report.metric("STATUS"), Some("SUCCESS"));
    assert_eq!(report.events[0].name, "api-call");
    assert_eq!(report.events[1].name, "initiated");
}

#[test]
fn taken_is_never_answered() {
    for (word, status) in [
        (json!("started"), CallStatus::Initiated),
        (json!("Started"), CallStatus::Initiated),
        (json!("ringing"), CallStatus::Initiated),
        (json!("answered"), CallStatus::Initiated),
        (json!("completed"), CallStatus::Initiated),
        (json!("busy"), CallStatus::Busy),
        (json!("failed"), CallStatus::Failed),
        (json!("rejected"), CallStatus::Failed),
        (json!("cancelled"), CallStatus::Canceled),
        (json!("canceled"), CallStatus::Canceled),
        (json!("timeout"), CallStatus::NoAnswer),
        (json!("unanswered"), CallStatus::NoAnswer),
        (json!("something new"), CallStatus::Queued),
        (json!(7), CallStatus::Queued),
        (json!(""), CallStatus::Queued),
        (Value::Null, CallStatus::Queued),
    ] {
        let body = json!({"uuid": "u-1", "status": word}).to_string();
        let placed = rest::placed(&response(201, body), at(NOW)).unwrap();
        assert_eq!(placed.status, status, "{word}");
        assert_eq!(placed.conversation, None);
        let report = placed.into_placed_call(&call(), &links()).report;
        assert_eq!(report.get(metadata::CONVERSATION_REFERENCE), Some("u-1"));
    }
}

#[test]
fn ids_are_read_in_other_spellings_too() {
    for (status, body, id) in [
        (201, r#"{"UUID":"u-1"}"#, "u-1"),
        (200, r#"{"call_uuid":"u-1"}"#, "u-1"),
        (202, r#"{"uuid":"","Uuid":" u-1 "}"#, "u-1"),
        (201, r#"{"uuid":12345}"#, "12345"),
        (201, "\u{feff}{\"uuid\":\"u-1\",\"new\":{\"x\":[1]}}", "u-1"),
    ] {
        let placed = rest::placed(&response(status, body), at(NOW)).unwrap();
        assert_eq!(placed.id.as_str(), id, "{body}");
    }
}

#[test]
fn a_success_that_cannot_be_read_may_be_a_call() {
    let unreadable: [&[u8]; 9] = [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>ok</html>",
        b"{\"uuid\":\"\"}",
        b"{\"uuid\":null}",
        b"{\"uuid\":\"u-1\"",
        b"\xff\xfe",
    ];
    for body in unreadable {
        let error = rest::placed(&response(201, body), at(NOW)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Carrier);
        assert_eq!(error.retry(), Retry::OutcomeUnknown);
        assert_eq!(error.operation(), "place call");
        assert_eq!(error.http_status(), Some(201));
        assert!(error.detail().contains("`Calls::find_placed`"), "{error}");
        // Reading again does no harm.
        for error in [
            rest::call_state(&response(200, body), at(NOW)).unwrap_err(),
            rest::call_page(&response(200, body), at(NOW)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Carrier);
            assert_eq!(error.retry(), Retry::Safe);
        }
    }
    let long = json!({"uuid": "x".repeat(257)}).to_string();
    assert!(rest::placed(&response(201, long), at(NOW)).is_err());
}

#[test]
fn steering_is_done_with_any_success() {
    for (operation, status, body) in [
        (RestOperation::Mute, 204, ""),
        (RestOperation::Transfer, 204, ""),
        (
            RestOperation::SendDtmf,
            200,
            r#"{"message":"DTMF sent","uuid":"u-1"}"#,
        ),
        (
            RestOperation::StartTalk,
            200,
            r#"{"message":"Talk started","uuid":"u-1"}"#,
        ),
        (RestOperation::StopStream, 200, "Stream stopped"),
        (RestOperation::SubscribeDtmf, 200, ""),
    ] {
        assert!(rest::done(operation, &response(status, body), at(NOW)).is_ok());
        let error = rest::done(operation, &response(404, body), at(NOW)).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::NotFound, operation.name())
        );
    }
}

#[test]
fn a_call_that_is_gone_is_hung_up() {
    let hung_up = |status| rest::hung_up(&response(status, "{}"), at(NOW));
    assert_eq!(hung_up(204).unwrap(), HungUp::Accepted);
    assert_eq!(hung_up(200).unwrap(), HungUp::Accepted);
    assert_eq!(hung_up(404).unwrap(), HungUp::Gone);
    assert_eq!(hung_up(410).unwrap(), HungUp::Gone);
    for status in [400, 401, 403, 429, 500] {
        assert_eq!(hung_up(status).unwrap_err().operation(), "hang up");
        assert!(!rest::is_gone(&response(status, "")));
    }
}

#[test]
fn a_call_that_is_over_has_everything() {
    let call = state(&json!({
        "_links": {"self": {"href": "/calls/63f61863"}},
        "uuid": "63f61863",
        "conversation_uuid": "CON-f972836a",
        "to": {"type": "phone", "number": format!("44{NUMBER}")},
        "from": {"type": "phone", "number": "442079460000"},
        "status": "completed",
        "direction": "outbound",
        "rate": "0.39",
        "price": "23.40",
        "duration": "60",
        "start_time": "2026-02-03 04:05:06",
        "end_time": "2026-02-03T04:06:06.000Z",
        "network": "65512"
    }));
    assert_eq!(call.id.as_str(), "63f61863");
    assert_eq!(call.conversation.as_deref(), Some("CON-f972836a"));
    assert_eq!(call.status, Some(CallStatus::Completed));
    assert_eq!(call.word.as_deref(), Some("completed"));
    assert_eq!(call.direction, Some(Direction::Outbound));
    assert_eq!(call.to, Some(Party::Number(format!("+44{NUMBER}"))));
    assert_eq!(call.from, Some(Party::Number("+442079460000".into())));
    assert_eq!(call.rate.as_deref(), Some("0.39"));
    assert_eq!(call.price.as_deref(), Some("23.40"));
    assert_eq!(call.network.as_deref(), Some("65512"));
    assert_eq!(call.duration, Some(Duration::from_secs(60)));
    assert_eq!(call.started, Some(at(1_770_091_506)));
    assert_eq!(call.ended, Some(at(1_770_091_566)));
    assert!(!call.raw.is_empty());
    let shown = format!("{call:?}");
    assert!(
        !shown.contains(NUMBER) && !shown.contains("2079460000"),
        "{shown}"
    );
}

#[test]
fn a_call_that_goes_on_has_less() {
    let call = state(&json!({
        "uuid": "u-1", "status": "ringing", "direction": "inbound", "rate": null, "price": null, "duration": null,
        "start_time": null, "end_time": null, "network": null, "to": null
    }));
    assert_eq!(call.status, Some(CallStatus::Ringing));
    assert_eq!(call.direction, Some(Direction::Inbound));
    assert_eq!(
        (&call.rate, call.duration, call.started, &call.to),
        (&None, None, None, &None)
    );
    assert_eq!(state(&json!({"uuid": "u-1"})).status, None);
}

#[test]
fn numbers_may_be_texts_and_the_reverse() {
    let call = state(
        &json!({"uuid": 7, "duration": 60.5, "price": 23.4, "rate": 0.39, "network": 65512, "status": "answered"}),
    );
    assert_eq!(call.id.as_str(), "7");
    assert_eq!(call.duration, Some(Duration::from_millis(60_500)));
    assert_eq!(call.price.as_deref(), Some("23.4"));
    assert_eq!(call.network.as_deref(), Some("65512"));
    for bad in [json!("-1"), json!("1e400"), json!("soon"), json!({})] {
        assert_eq!(
            state(&json!({"uuid": "u-1", "duration": bad})).duration,
            None
        );
    }
}

#[test]
fn every_status_word_has_its_meaning() {
    for (word, status) in [
        ("started", Some(CallStatus::Initiated)),
        ("RINGING", Some(CallStatus::Ringing)),
        ("answered", Some(CallStatus::InProgress)),
        ("machine", None),
        ("completed", Some(CallStatus::Completed)),
        ("busy", Some(CallStatus::Busy)),
        ("cancelled", Some(CallStatus::Canceled)),
        ("failed", Some(CallStatus::Failed)),
        ("rejected", Some(CallStatus::Failed)),
        ("timeout", Some(CallStatus::NoAnswer)),
        ("unanswered", Some(CallStatus::NoAnswer)),
        ("disconnected", None),
    ] {
        let call = state(&json!({"uuid": "u-1", "status": word}));
        assert_eq!(call.status, status, "{word}");
        assert_eq!(call.word.as_deref(), Some(word.to_lowercase().as_str()));
    }
}

#[test]
fn parties_are_read_in_every_shape() {
    let number = Party::Number(format!("+44{NUMBER}"));
    for (to, party) in [
        (
            json!({"type": "phone", "number": format!("44{NUMBER}")}),
            Some(number.clone()),
        ),
        (
            json!([{"type": "phone", "number": format!("44{NUMBER}")}]),
            Some(number.clone()),
        ),
        (
            json!({"number": format!("+44{NUMBER}")}),
            Some(number.clone()),
        ),
        (json!(format!("44{NUMBER}")), Some(number.clone())),
        (json!([format!("44{NUMBER}")]), Some(number)),
        (
            json!({"type": "SIP", "uri": "sip:a@example.com"}),
            Some(Party::Sip("sip:a@example.com".into())),
        ),
        (
            json!({"type": "app", "user": "jamie"}),
            Some(Party::Client("jamie".into())),
        ),
        (
            json!({"type": "vbc", "extension": 1234}),
            Some(Party::Extension("1234".into())),
        ),
        (
            json!({"type": "websocket", "uri": "wss://e.com/media/t"}),
            None,
        ),
        (json!("wss://e.com/media/t"), None),
        (json!({"type": "phone"}), None),
        (json!([]), None),
        (json!({}), None),
    ] {
        assert_eq!(state(&json!({"uuid": "u-1", "to": to})).to, party, "{to}");
    }
}

fn page(body: &Value) -> rest::CallPage {
    rest::call_page(&response(200, body.to_string()), at(NOW)).unwrap()
}

#[test]
fn a_page_has_its_calls_and_leads_to_the_next() {
    let body = json!({
        "count": 100,
        "page_size": 10,
        "record_index": 20,
        "_links": {
            "self": {"href": "/calls?page_size=10&record_index=20&order=asc"},
            "next": {"href": "https://elsewhere.example/calls?page_size=10&record_index=30&order=asc"}
        },
        "_embedded": {"calls": [
            {"uuid": "u-1", "status": "started"},
            {"status": "names no leg"},
            "no call",
            {"uuid": "u-2", "status": "completed"}
        ]}
    });
    let page = page(&body);
    let ids: Vec<_> = page.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["u-1", "u-2"]);
    assert_eq!(page.count, Some(100));
    assert_eq!(page.next_index, Some(30));
}

#[test]
fn the_last_page_is_known() {
    let calls = json!({"calls": [{"uuid": "u-1"}, {"uuid": "u-2"}]});
    let next = |href: &str| json!({"next": {"href": href}});
    for (body, index) in [
        (json!({"_embedded": calls, "count": 2}), None),
        (json!({"_embedded": calls, "count": "3"}), Some(2)),
        (
            json!({"_embedded": calls, "count": 5, "record_index": "3"}),
            None,
        ),
        (
            json!({"_embedded": calls, "count": 6, "record_index": "3"}),
            Some(5),
        ),
        (json!({"_embedded": calls, "_links": {}}), None),
        (json!({"_embedded": calls, "_links": {"next": null}}), None),
        (
            json!({"_embedded": calls, "_links": next("/calls?record_index=2#x")}),
            Some(2),
        ),
        // Following this one would never end.
        (
            json!({"_embedded": calls, "record_index": 4, "_links": next("/calls?record_index=4")}),
            None,
        ),
        (json!({"_embedded": {"calls": []}, "count": 9}), None),
        (json!({"_embedded": {}, "count": 0}), None),
    ] {
        assert_eq!(page(&body).next_index, index, "{body}");
    }
    // There is more, but not where: what is looked for may be there.
    for href in ["/calls", "/calls?record_index=x", "/calls?page_size=10"] {
        let body = json!({"_embedded": calls, "_links": next(href)}).to_string();
        assert!(rest::call_page(&response(200, body), at(NOW)).is_err());
    }
}

#[test]
fn a_call_that_nobody_knows_of_is_looked_up() {
    let phone = |number: &str| json!({"type": "phone", "number": number});
    let to = phone(&format!("44{NUMBER}"));
    let from = phone("442079460000");
    let body = json!({"_embedded": {"calls": [
        {"uuid": "ours", "to": to, "from": from, "direction": "outbound", "status": "started"},
        {"uuid": "inbound", "to": to, "from": from, "direction": "inbound"},
        {"uuid": "other to", "to": phone("447700900999"), "from": from, "direction": "outbound"},
        {"uuid": "other from", "to": to, "from": phone("447700900999"), "direction": "outbound"},
        {"uuid": "no from", "to": to},
        {"uuid": "no to", "from": from},
    ]}});
    let page = page(&body);
    let found = |call: &OutboundCall| {
        let ids = page.that_may_be(call).map(|state| state.id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found(&call()), ["ours", "no from"]);
    let mut random = call();
    random.from = Party::Withheld;
    assert_eq!(found(&random), ["ours", "other from", "no from"]);

    let mut sip = call();
    sip.to = Party::Sip("sip:A@Example.com".into());
    let state = state(&json!({"uuid": "u", "to": {"type": "sip", "uri": "sip:a@example.com"}}));
    assert!(state.may_be(&sip) && !state.may_be(&call()));
}

#[test]
fn a_recording_is_its_bytes() {
    let mut answer = response(200, Bytes::from_static(b"ID3\x00\xff"));
    let recorded = rest::recording(&answer, at(NOW)).unwrap();
    assert_eq!(recorded.content_type, None);
    answer
        .headers_mut()
        .insert("content-type", "audio/mpeg".parse().unwrap());
    let recorded = rest::recording(&answer, at(NOW)).unwrap();
    assert_eq!(recorded.content_type.as_deref(), Some("audio/mpeg"));
    assert_eq!(recorded.content, &b"ID3\x00\xff"[..]);
    assert!(format!("{recorded:?}").contains("bytes: 5"));

    let error = rest::recording(&response(200, ""), at(NOW)).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Carrier, Retry::Safe)
    );
    // A redirect would take the token along.
    let error = rest::recording(&response(302, ""), at(NOW)).unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Carrier, Retry::Never)
    );
    assert!(error.detail().contains("redirects"), "{error}");
}
