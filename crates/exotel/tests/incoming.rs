//! A call that comes in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CALL_KEY, MULTIPART, assert_kind, exotel, get, multipart, post, verified};
use http::Method;
use telephony_core::{
    CallStatus, Direction, ErrorKind, IncomingCall, Party, Result, Telephony, WebhookKind,
    WebhookRequest,
};

fn accept(request: WebhookRequest) -> Result<IncomingCall> {
    exotel().accept_call(&verified(request))
}

fn call(query: &str) -> IncomingCall {
    accept(get(WebhookKind::IncomingCall, query)).unwrap()
}

/// The parameters that the Passthru page lists and one production adapter reads.
const USUAL: &str = "CallSid=5a4cfc5d0e0a2c6fcb5c2f9a7a8b19co&CallFrom=09876501234&CallTo=08033334444&Direction=incoming\
    &Created=2026-01-05+10%3A00%3A00&From=09876501234&To=08033334444&CurrentTime=2026-01-05+10%3A00%3A01&CallStatus=in-progress";

#[test]
fn the_usual_request_is_read() {
    let call = call(USUAL);
    assert_eq!(
        call.id().unwrap().as_str(),
        "5a4cfc5d0e0a2c6fcb5c2f9a7a8b19co"
    );
    assert_eq!(call.direction(), Direction::Inbound);
    assert_eq!(*call.from(), Party::Number("+919876501234".into()));
    assert_eq!(*call.to(), Party::Number("+918033334444".into()));
    assert_eq!(call.status(), Some(CallStatus::InProgress));
    assert_eq!(
        call.parameters().get("CallFrom"),
        Some("09876501234"),
        "as it came"
    );
    assert_eq!(call.parameters().get("key"), None, "ours");
    assert_eq!(
        (call.provider().as_str(), call.account().as_str()),
        ("exotel", "exotel")
    );
}

#[test]
fn query_form_multipart_and_json_say_the_same() {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let fields = [
        ("CallSid", "c1"),
        ("CallFrom", "+919876501234"),
        ("To", "08033334444"),
    ];
    let json = r#"{"callsid":"c1","callFrom":"+919876501234","CallTo":null,"To":"08033334444","Extra":{"a":[1]},"N":7,"T":true}"#;
    for request in [
        get(
            WebhookKind::IncomingCall,
            "CallSid=c1&CallFrom=%2B919876501234&CallTo=08033334444",
        ),
        get(
            WebhookKind::IncomingCall,
            "CALLSID=c1&callfrom=+919876501234&to=08033334444",
        ),
        post(
            WebhookKind::IncomingCall,
            form,
            "CallSid=c1&CallFrom=%2B919876501234&CallTo=08033334444",
        ),
        post(WebhookKind::IncomingCall, MULTIPART, multipart(&fields)),
        post(WebhookKind::IncomingCall, "application/json", json),
        post(
            WebhookKind::IncomingCall,
            "text/plain",
            format!("\n {json}"),
        ),
    ] {
        let call = accept(request).unwrap();
        assert_eq!(call.id().unwrap().as_str(), "c1");
        assert_eq!(call.from().e164(), Some("+919876501234"));
        assert_eq!(call.to().e164(), Some("+918033334444"));
    }
    let call = accept(post(WebhookKind::IncomingCall, "application/json", json)).unwrap();
    assert_eq!(call.parameters().get("Extra"), Some(r#"{"a":[1]}"#));
    assert_eq!(
        (call.parameters().get("N"), call.parameters().get("T")),
        (Some("7"), Some("true"))
    );
    assert_eq!(call.raw(), json);
}

#[test]
fn query_and_body_are_read_together() {
    let mut request = post(
        WebhookKind::IncomingCall,
        MULTIPART,
        multipart(&[("CallSid", "c1"), ("CallFrom", "09876501234")]),
    );
    request.public_url += "CustomField=ticket-7&applet=connect";
    let call = accept(request).unwrap();
    assert_eq!(call.parameters().get("CustomField"), Some("ticket-7"));
    assert_eq!(call.parameters().get("applet"), Some("connect"));
    assert_eq!(call.id().unwrap().as_str(), "c1");
}

#[test]
fn a_call_that_we_placed_into_a_flow_brings_its_key_back() {
    let key = |query: &str| call(query).key().map(ToString::to_string);
    let placed = format!(
        "CallSid=c1&CallFrom=08033334444&CallTo=09876501234&CustomField={CALL_KEY}&Direction="
    );
    for direction in ["outbound-dial", "outbound-api", "Outgoing"] {
        let query = format!("{placed}{direction}");
        assert_eq!(key(&query).as_deref(), Some(CALL_KEY));
        assert_eq!(call(&query).direction(), Direction::Outbound);
    }
    // In a call that comes in, somebody else chose the field.
    for direction in ["incoming", "inbound", ""] {
        assert_eq!(key(&format!("{placed}{direction}")), None);
    }
    for field in ["ticket-7", "", "call key call key call key", "null"] {
        let query =
            format!("CallSid=c1&CallFrom=08033334444&Direction=outbound-dial&CustomField={field}");
        assert_eq!(key(&query), None, "{field}");
    }
    let fields = [
        ("callfrom", "08033334444"),
        ("direction", "outbound-dial"),
        ("customfield", CALL_KEY),
    ];
    let form = post(WebhookKind::IncomingCall, MULTIPART, multipart(&fields));
    assert_eq!(accept(form).unwrap().key().unwrap().as_str(), CALL_KEY);
}

#[test]
fn without_a_caller_there_is_no_call() {
    for query in ["", "CallSid=c1&CallTo=08033334444", "Direction=incoming"] {
        assert_kind(
            accept(get(WebhookKind::IncomingCall, query)),
            ErrorKind::Malformed,
            "`CallFrom`",
        );
    }
}

#[test]
fn a_caller_who_does_not_show_is_withheld() {
    for query in [
        "CallFrom=",
        "From=+",
        "CallFrom=anonymous",
        "CallFrom=null&From=",
        "CallFrom=&From=restricted",
    ] {
        assert_eq!(*call(query).from(), Party::Withheld, "{query}");
    }
    assert_eq!(
        call("CallFrom=&From=09876501234").from().e164(),
        Some("+919876501234")
    );
    assert_eq!(
        *call("CallFrom=sip%3Aagent%40example.com").from(),
        Party::Sip("sip:agent@example.com".into())
    );
    assert_eq!(
        *call("CallFrom=18001234567").from(),
        Party::LocalNumber("18001234567".into())
    );
}

#[test]
fn a_call_without_an_id_is_taken() {
    assert!(call("CallFrom=09876501234").id().is_none());
    assert!(call("CallFrom=09876501234&CallSid=+").id().is_none());
    let endless = format!("CallFrom=09876501234&CallSid={}", "x".repeat(300));
    assert_kind(
        accept(get(WebhookKind::IncomingCall, &endless)),
        ErrorKind::Malformed,
        "call id",
    );
}

#[test]
fn directions_are_read_leniently() {
    for (word, direction) in [
        ("incoming", Direction::Inbound),
        ("Inbound", Direction::Inbound),
        ("", Direction::Inbound),
        ("sideways", Direction::Inbound),
        ("outbound-dial", Direction::Outbound),
        ("Outbound-API", Direction::Outbound),
        ("outbound", Direction::Outbound),
        ("outgoing", Direction::Outbound),
    ] {
        assert_eq!(
            call(&format!("CallFrom=1&Direction={word}")).direction(),
            direction,
            "{word}"
        );
    }
    assert_eq!(call("CallFrom=1").direction(), Direction::Inbound);
}

#[test]
fn a_status_that_cannot_be_is_none() {
    assert_eq!(
        call("CallFrom=1&Status=ringing").status(),
        Some(CallStatus::Ringing)
    );
    for word in ["completed", "busy", "free", ""] {
        assert_eq!(
            call(&format!("CallFrom=1&CallStatus={word}")).status(),
            None,
            "{word}"
        );
    }
}

#[test]
fn who_forwarded_it_is_kept() {
    assert_eq!(
        call("CallFrom=1&ForwardedFrom=08033334444")
            .forwarded_from()
            .unwrap()
            .e164(),
        Some("+918033334444")
    );
    assert!(call("CallFrom=1&ForwardedFrom=").forwarded_from().is_none());
}

#[test]
fn what_cannot_be_read_is_refused() {
    for (content_type, body) in [
        ("application/json", "{\"CallFrom\": "),
        ("application/json", "[\"CallFrom\"]"),
        ("application/vnd.x+json", "7"),
        ("multipart/form-data", "--XB--"),
        (MULTIPART, "CallFrom=1"),
        (
            MULTIPART,
            "--XB\r\nContent-Disposition: form-data; name=\"CallFrom\"\r\n\r\ncut",
        ),
    ] {
        assert_kind(
            accept(post(WebhookKind::IncomingCall, content_type, body)),
            ErrorKind::Malformed,
            "body",
        );
    }
    assert_kind(
        accept(get(WebhookKind::IncomingCall, "CallFrom=1&applet=ivr")),
        ErrorKind::Malformed,
        "`applet`",
    );
    let mut put = get(WebhookKind::IncomingCall, "CallFrom=1");
    put.method = Method::PUT;
    assert_kind(accept(put), ErrorKind::Malformed, "GET");
}
