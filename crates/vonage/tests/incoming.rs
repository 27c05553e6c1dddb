//! The answer webhook: who calls whom, and what else it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use telephony_core::{
    AccountLabel, Direction, ErrorKind, IncomingCall, Party, Ports, Telephony, WebhookKind, verify,
};
use telephony_vonage::{GetPayloadHash, Vonage};

fn call(body: Value) -> IncomingCall {
    let vonage = vonage();
    vonage
        .accept_call(&verified(&vonage, WebhookKind::IncomingCall, &body))
        .unwrap()
}

#[test]
fn a_phone_call_by_post() {
    let call = call(json!({
        "to": "442079460123",
        "from": "447700900456",
        "endpoint_type": "phone",
        "conversation_uuid": "CON-f972836a-550f-45fa-956c-12a2ab5b7d22",
        "region_url": "https://api-us-3.vonage.com",
        "uuid": "0779a56d002f1c7f47f82ef5fe84ab79",
    }));
    assert_eq!(
        call.id().unwrap().as_str(),
        "0779a56d002f1c7f47f82ef5fe84ab79"
    );
    assert_eq!(call.from().e164(), Some("+447700900456"));
    assert_eq!(call.to().e164(), Some("+442079460123"));
    assert_eq!(call.direction(), Direction::Inbound);
    assert_eq!(call.home(), Some("https://api-us-3.vonage.com"));
    assert_eq!(call.status(), None);
    assert_eq!(
        call.parameters().get("conversation_uuid"),
        Some("CON-f972836a-550f-45fa-956c-12a2ab5b7d22")
    );
}

#[test]
fn everything_else_is_kept() {
    let call = call(json!({
        "to": "442079460123",
        "from": "447700900456",
        "uuid": "u-1",
        "custom_data": {"plan": "gold", "tries": [1, 2]},
        "SipHeader_X-Department": "sales",
        "SipHeader_User-to-User": "1234567890abcdef;encoding=hex",
        "something_new": 7,
        "nothing": null,
    }));
    let parameters = call.parameters();
    assert_eq!(parameters.get("SipHeader_X-Department"), Some("sales"));
    assert_eq!(
        parameters.get("SipHeader_User-to-User"),
        Some("1234567890abcdef;encoding=hex")
    );
    assert_eq!(parameters.get("something_new"), Some("7"));
    assert_eq!(parameters.get("nothing"), Some(""));
    let data: Value = serde_json::from_str(parameters.get("custom_data").unwrap()).unwrap();
    assert_eq!(data, json!({"plan": "gold", "tries": [1, 2]}));
    assert!(call.raw().starts_with(b"{"));
}

#[test]
fn a_call_by_get_is_the_same_call() {
    let vonage = open(config().with_get(GetPayloadHash::Off));
    let query = "to=442079460123&from=447700900456&conversation_uuid=CON-1&uuid=u-1&custom_data=%7B%22plan%22:%22gold%22%7D";
    let token = token(&head(), &claims(b""), SECRET);
    let request = verify(&vonage, get_with(WebhookKind::IncomingCall, query, &token)).unwrap();
    let call = vonage.accept_call(&request).unwrap();
    assert_eq!(call.id().unwrap().as_str(), "u-1");
    assert_eq!(call.from().e164(), Some("+447700900456"));
    assert_eq!(
        call.parameters().get("custom_data"),
        Some(r#"{"plan":"gold"}"#)
    );
}

#[test]
fn callers_of_every_kind() {
    for (body, from) in [
        (json!({"from_user": "jamie"}), Party::Client("jamie".into())),
        (
            json!({"from": "447700900456", "from_user": "jamie"}),
            Party::Number("+447700900456".into()),
        ),
        (json!({"from": ""}), Party::Withheld),
        (json!({"from": "anonymous"}), Party::Withheld),
        (json!({"from": "unknown"}), Party::Withheld),
        (json!({}), Party::Withheld),
        (
            json!({"from": "02079460123"}),
            Party::LocalNumber("02079460123".into()),
        ),
        (
            json!({"from": "sip:a@example.com", "endpoint_type": "sip"}),
            Party::Sip("sip:a@example.com".into()),
        ),
        (
            json!({"from": "4711", "endpoint_type": "vbc"}),
            Party::Extension("4711".into()),
        ),
        (
            json!({"from": "4711", "endpoint_type": "unheard-of"}),
            Party::LocalNumber("4711".into()),
        ),
    ] {
        let mut body = body;
        body["uuid"] = json!("u-1");
        let call = call(body.clone());
        assert_eq!(call.from().address(), from.address(), "{body}");
        assert_eq!(call.from(), &from, "{body}");
        assert_eq!(call.to(), &Party::Withheld);
    }
}

#[test]
fn the_route_tells_the_direction_unless_the_carrier_does() {
    let vonage = vonage();
    for (kind, body, direction) in [
        (
            WebhookKind::IncomingCall,
            json!({"uuid": "u-1"}),
            Direction::Inbound,
        ),
        (
            WebhookKind::NextStep,
            json!({"uuid": "u-1"}),
            Direction::Outbound,
        ),
        (
            WebhookKind::NextStep,
            json!({"uuid": "u-1", "direction": "inbound"}),
            Direction::Inbound,
        ),
        (
            WebhookKind::IncomingCall,
            json!({"uuid": "u-1", "direction": "outbound"}),
            Direction::Outbound,
        ),
    ] {
        let call = vonage.accept_call(&verified(&vonage, kind, &body)).unwrap();
        assert_eq!(call.direction(), direction, "{kind:?} {body}");
    }
}

#[test]
fn the_fallback_url_may_ask_for_the_same_call() {
    let call = call(json!({
        "from": "447700900456",
        "to": "442079460123",
        "uuid": "u-1",
        "reason": "Connection closed.",
        "original_request": {"url": "https://voice.example.com/vonage/call", "type": "answer"},
    }));
    assert_eq!(call.id().unwrap().as_str(), "u-1");
    assert_eq!(call.parameters().get("reason"), Some("Connection closed."));
}

#[test]
fn what_is_no_call_is_malformed() {
    let vonage = vonage();
    for body in [
        "",
        "null",
        "[]",
        "\"uuid\"",
        "{\"uuid\":\"u-1\"",
        "{\"uuid\":\"u-1\"}x",
        "{}",
        "{\"uuid\":\"\"}",
        "{\"uuid\":null,\"to\":\"1\"}",
        "uuid=u-1",
        "{\"uuid\":\"a\\nb\"}",
    ] {
        let request = verify(&vonage, post(WebhookKind::IncomingCall, body)).unwrap();
        let error = vonage.accept_call(&request).expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
        assert_eq!(error.provider(), Some(&telephony_vonage::provider_name()));
    }
    let long = json!({"uuid": "x".repeat(300)});
    assert!(
        vonage
            .accept_call(&verified(&vonage, WebhookKind::IncomingCall, &long))
            .is_err()
    );
}

#[test]
fn a_request_of_another_account_is_not_read() {
    let vonage = vonage();
    let other = Vonage::new(
        AccountLabel::new("other").unwrap(),
        config(),
        &Ports::default(),
    )
    .unwrap();
    let request = verified(&other, WebhookKind::IncomingCall, &json!({"uuid": "u-1"}));
    let unauthenticated = |kind: ErrorKind| assert_eq!(kind, ErrorKind::Unauthenticated);
    unauthenticated(vonage.accept_call(&request).unwrap_err().kind());
    unauthenticated(vonage.status_callback(&request).unwrap_err().kind());
    unauthenticated(
        vonage
            .catch_all_status_callback(&request)
            .unwrap_err()
            .kind(),
    );
    unauthenticated(vonage.reply(&request, None, &links()).unwrap_err().kind());
}

#[test]
fn an_event_is_no_call() {
    let vonage = vonage();
    let refused = |kind, body: Value| {
        let error = vonage
            .accept_call(&verified(&vonage, kind, &body))
            .expect_err("an event is no call");
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    };
    // The event URL of the application set to where calls come in.
    let event =
        json!({"uuid": "u-1", "status": "ringing", "timestamp": "2026-02-03T04:05:06.789Z"});
    refused(WebhookKind::IncomingCall, event);
    refused(
        WebhookKind::NextStep,
        json!({"uuid": "u-1", "status": "busy", "direction": "outbound"}),
    );
    refused(
        WebhookKind::NextStep,
        json!({"uuid": "u-1", "dtmf": {"digits": "1"}}),
    );
    // But a new member is no reason to lose a call.
    call(
        json!({"uuid": "u-1", "to": "442079460123", "status": "new", "payload": {}, "type": "new"}),
    );
}
