//! What is reported about a call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{MULTIPART, assert_kind, events, exotel, get, kinds, multipart, post, verified};
use http::Method;
use std::time::Duration;
use telephony_core::{
    AnsweredBy, CallEventKind, CallStatus, ErrorKind, LegReport, LegRole, Recording, StatusReport,
    Telephony, WebhookKind,
};

fn status(status: CallStatus) -> CallEventKind {
    CallEventKind::Status(StatusReport::new(status))
}

fn status_after(status: CallStatus, seconds: u64) -> CallEventKind {
    let mut report = StatusReport::new(status);
    report.duration = Some(Duration::from_secs(seconds));
    CallEventKind::Status(report)
}

fn other(name: &str) -> CallEventKind {
    CallEventKind::Other { name: name.into() }
}

fn leg(status: Option<CallStatus>, word: &str) -> CallEventKind {
    CallEventKind::Leg(LegReport::new(None, LegRole::Dialled, status, word))
}

#[test]
fn the_default_callback_is_a_multipart_form_of_four_fields() {
    let fields = [
        ("CallSid", "c1"),
        ("DateUpdated", "2026-01-15 14:30:45"),
        ("Status", "completed"),
        ("RecordingUrl", ""),
    ];
    let events = events(
        post(WebhookKind::Status, MULTIPART, multipart(&fields)),
        Some("c1"),
    );
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, status(CallStatus::Completed));
    assert_eq!(events[0].timestamp.as_deref(), Some("2026-01-15 14:30:45"));
    assert_eq!(events[0].raw, multipart(&fields));
}

/// As the portal documents it, with other values.
const TERMINAL: &str = r#"{
    "CallSid": "77c1d2", "DateUpdated": "2026-02-01 09:10:11", "Status": "completed",
    "RecordingUrl": "https://recordings.example.com/77c1d2.mp3", "EventType": "terminal",
    "DateCreated": "2026-02-01 09:00:00", "To": "09111122223", "From": "09222233334", "PhoneNumberSid": "08033334444",
    "StartTime": "2026-02-01 09:00:02", "EndTime": "1970-01-01 05:30:00", "ConversationDuration": 320,
    "Direction": "outbound-api", "CustomField": "order-1",
    "Legs": [{"OnCallDuration": 335, "Status": "completed", "AnsweredBy": "NA"},
             {"OnCallDuration": 320, "Status": "no-answer", "AnsweredBy": "HUMAN"}]
}"#;

#[test]
fn a_terminal_event_tells_everything() {
    let events = events(
        post(WebhookKind::Status, "application/json", TERMINAL),
        Some("77c1d2"),
    );
    let kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            status_after(CallStatus::Completed, 320),
            leg(Some(CallStatus::NoAnswer), "no-answer"),
            CallEventKind::MachineDetected(AnsweredBy::Human),
            CallEventKind::RecordingReady(Recording::new(
                None,
                "https://recordings.example.com/77c1d2.mp3"
            )),
        ]
    );
    assert_eq!(events[0].parameters.get("CustomField"), Some("order-1"));
}

#[test]
fn a_form_tells_the_same_as_json() {
    let fields = [
        ("CallSid", "77c1d2"),
        ("Status", "completed"),
        ("EventType", "Terminal"),
        ("RecordingUrl", "https://recordings.example.com/77c1d2.mp3"),
        ("ConversationDuration", "320"),
        ("Legs[0][OnCallDuration]", "335"),
        ("Legs[0][AnsweredBy]", "NA"),
        ("Legs[1][Status]", "no-answer"),
        ("legs[1][answeredby]", "Human"),
    ];
    let json = kinds(post(WebhookKind::Status, "application/json", TERMINAL));
    assert_eq!(
        kinds(post(WebhookKind::Status, MULTIPART, multipart(&fields))),
        json
    );
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(kinds(get(WebhookKind::Status, &pairs.join("&"))), json);
    let form = post(
        WebhookKind::Event,
        "application/x-www-form-urlencoded",
        pairs.join("&"),
    );
    assert_eq!(kinds(form), json);
}

#[test]
fn event_types_say_what_the_status_is() {
    for (query, kind) in [
        (
            "EventType=answered&Status=in-progress",
            status(CallStatus::InProgress),
        ),
        (
            "EventType=Answered&Status=completed",
            status(CallStatus::InProgress),
        ),
        ("EventType=ringing", status(CallStatus::Ringing)),
        ("EventType=terminal&Status=Busy", status(CallStatus::Busy)),
        (
            "EventType=terminal&Status=no-answer&ConversationDuration=0",
            status_after(CallStatus::NoAnswer, 0),
        ),
        (
            "EventType=terminal&Status=completed&Duration=7",
            status_after(CallStatus::Completed, 7),
        ),
        (
            "EventType=terminal&Status=completed&ConversationDuration=-1",
            status(CallStatus::Completed),
        ),
        (
            "EventType=terminal&Status=completed&ConversationDuration=NaN",
            status(CallStatus::Completed),
        ),
        (
            "EventType=terminal&Status=in-progress",
            other("in-progress"),
        ),
        ("EventType=terminal", other("terminal")),
        ("EventType=hold&Status=in-progress", other("hold")),
        ("Status=queued", status(CallStatus::Queued)),
        ("Status=failed", status(CallStatus::Failed)),
        ("Status=canceled", status(CallStatus::Canceled)),
        ("Status=Cancelled", status(CallStatus::Canceled)),
        ("Status=on-the-moon", other("on-the-moon")),
        ("CallStatus=in-progress", status(CallStatus::InProgress)),
        ("CallType=completed", other("callback")),
        ("Status=&CustomField=x", other("callback")),
    ] {
        for route in [WebhookKind::Status, WebhookKind::Event] {
            assert_eq!(
                kinds(get(route, &format!("CallSid=c1&{query}"))),
                std::slice::from_ref(&kind),
                "{query}"
            );
        }
    }
}

#[test]
fn an_agent_is_not_the_call() {
    for (word, agent, wanted) in [
        ("Dial", "busy", Some(CallStatus::Initiated)),
        ("Ringing", "busy", Some(CallStatus::Ringing)),
        ("Answered", "busy", Some(CallStatus::InProgress)),
        ("Terminal", "free", None),
        ("Terminal", "busy", None),
    ] {
        let query = format!(
            "CallSid=c1&CallFrom=09876501234&CallTo=08033334444&Direction=outbound-dial&From=09876501234&To=08033334444\
             &CurrentTime=2026-01-05+10%3A00%3A01&DialWhomNumber=07200498000&Status={agent}&EventType={word}"
        );
        for route in [WebhookKind::Status, WebhookKind::Event] {
            assert_eq!(kinds(get(route, &query)), [leg(wanted, word)]);
        }
    }
    // Without the number they are told apart by what only they say.
    assert_eq!(
        kinds(get(
            WebhookKind::Event,
            "CallSid=c1&EventType=Terminal&Status=free"
        )),
        [leg(None, "Terminal")]
    );
    assert_eq!(
        kinds(get(
            WebhookKind::Event,
            "CallSid=c1&EventType=Dial&Status=busy"
        )),
        [leg(Some(CallStatus::Initiated), "Dial")]
    );
}

#[test]
fn who_answered_is_told_in_any_spelling() {
    for (word, wanted) in [
        ("Human", Some(AnsweredBy::Human)),
        ("machine", Some(AnsweredBy::Machine)),
        ("NotSure", Some(AnsweredBy::Unknown)),
        ("NA", None),
        ("null", None),
        ("Robot", Some(AnsweredBy::Other("Robot".into()))),
    ] {
        let kinds = kinds(get(
            WebhookKind::Status,
            &format!("CallSid=c1&EventType=answered&AnsweredBy={word}"),
        ));
        let found = kinds.iter().find_map(|kind| match kind {
            CallEventKind::MachineDetected(by) => Some(by.clone()),
            _ => None,
        });
        assert_eq!(found, wanted, "{word}");
    }
}

#[test]
fn the_time_is_as_exotel_wrote_it_unless_it_is_zero() {
    let time = |query: &str| {
        events(get(WebhookKind::Event, query), Some("c1"))[0]
            .timestamp
            .clone()
    };
    assert_eq!(
        time("CallSid=c1&Status=queued&CurrentTime=2026-01-05+10:00:01").as_deref(),
        Some("2026-01-05 10:00:01")
    );
    assert_eq!(
        time("CallSid=c1&Status=queued&DateUpdated=1970-01-01+05:30:00"),
        None
    );
}

#[test]
fn a_callback_that_names_no_call() {
    let request = || verified(get(WebhookKind::Status, "Status=completed"));
    assert_kind(
        exotel().status_callback(&request()),
        ErrorKind::Malformed,
        "`CallSid`",
    );
    let (call, events) = exotel().catch_all_status_callback(&request()).unwrap();
    assert_eq!((call, events.len()), (None, 1));
    assert_eq!(events[0].status(), Some(CallStatus::Completed));
    assert!(
        kinds(get(WebhookKind::Event, "")).is_empty(),
        "nothing said"
    );
    let named = verified(get(WebhookKind::Status, "CallSid=c1&Status=completed"));
    assert_eq!(exotel().status_callback(&named).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_is_malformed() {
    for (content_type, body) in [
        ("application/json", "{"),
        (MULTIPART, "x"),
        ("application/json", "null"),
    ] {
        let request = verified(post(WebhookKind::Status, content_type, body));
        assert_kind(
            exotel().catch_all_status_callback(&request),
            ErrorKind::Malformed,
            "body",
        );
        assert_kind(
            exotel().status_callback(&request),
            ErrorKind::Malformed,
            "body",
        );
    }
    let endless = format!("CallSid={}", "x".repeat(300));
    let request = verified(get(WebhookKind::Status, &endless));
    assert_kind(
        exotel().catch_all_status_callback(&request),
        ErrorKind::Malformed,
        "call id",
    );
    let mut delete = get(WebhookKind::Status, "CallSid=c1");
    delete.method = Method::DELETE;
    assert_kind(
        exotel().status_callback(&verified(delete)),
        ErrorKind::Malformed,
        "GET",
    );
}

#[test]
fn legs_without_end_are_bounded() {
    let many: String = (0..100)
        .map(|i| format!("&Legs[{i}][Status]=busy"))
        .collect();
    let found = kinds(get(
        WebhookKind::Status,
        &format!(
            "CallSid=c1&Status=completed{many}&Legs[x][Status]=busy&Legs[18446744073709551616][Status]=busy"
        ),
    ));
    assert_eq!(found.len(), 1 + 15);
}
