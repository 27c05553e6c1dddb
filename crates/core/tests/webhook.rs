//! Webhooks: nobody reads what was not verified, and nothing of it shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::time::SystemTime;
use support::carrier::{Dummy, TOKEN};
use telephony_core::{Answered, ErrorKind, Telephony, WebhookKind, WebhookRequest, verify};

/// Parts of [`request`] that are nobody's business.
const HIDDEN: &[&str] = &[
    "s3cret",
    "4155550100",
    "4711",
    "right",
    "From",
    "voice.example",
];

fn request(token: &'static str) -> WebhookRequest {
    let mut headers = HeaderMap::new();
    headers.insert(TOKEN, HeaderValue::from_static(token));
    headers.insert(
        "content-type",
        HeaderValue::from_static("Application/JSON; charset=utf-8"),
    );
    WebhookRequest {
        method: Method::POST,
        public_url: "https://voice.example.com/main/call?key=s3cret&From=%2B14155550100#part"
            .to_owned(),
        headers,
        body: Bytes::from_static(b"{\"pin\":\"4711\"}"),
        received_at: SystemTime::UNIX_EPOCH,
        kind: WebhookKind::IncomingCall,
    }
}

#[test]
fn only_what_the_carrier_believes_is_verified() {
    let carrier = Dummy::new("dummy", "main", "right");
    let error = verify(&carrier, request("wrong")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);

    let verified = verify(&carrier, request("right")).unwrap();
    assert_eq!(verified.provider().as_str(), "dummy");
    assert_eq!(verified.account().as_str(), "main");
    assert_eq!(verified.authenticated().replay_key.as_deref(), Some("once"));
    assert_eq!(verified.request().body, request("right").body);
    assert!(verified.for_account(&carrier).is_ok());
    assert!(carrier.accept_call(&verified).is_ok());
}

#[test]
fn what_was_verified_for_one_account_is_not_read_by_another() {
    let carrier = Dummy::new("dummy", "main", "right");
    let verified = verify(&carrier, request("right")).unwrap();
    for other in [
        Dummy::new("dummy", "other", "right"),
        Dummy::new("other", "main", "right"),
    ] {
        let kinds = [
            verified.for_account(&other).unwrap_err().kind(),
            other.accept_call(&verified).unwrap_err().kind(),
            other.status_callback(&verified).unwrap_err().kind(),
            other
                .catch_all_status_callback(&verified)
                .unwrap_err()
                .kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Unauthenticated; 4]);
        let error = verified.for_account(&other).unwrap_err();
        assert_eq!(error.provider(), Some(other.provider()));
    }
    // The same account, opened again.
    assert!(
        verified
            .for_account(&Dummy::new("dummy", "main", "new token"))
            .is_ok()
    );
}

#[test]
fn debug_shows_neither_query_nor_headers_nor_body() {
    let carrier = Dummy::new("dummy", "main", "right");
    let verified = verify(&carrier, request("right")).unwrap();
    let shown = format!("{:?} {verified:?} {carrier:?}", request("right"));
    for hidden in HIDDEN {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    assert!(
        shown.contains("IncomingCall") && shown.contains("14"),
        "{shown}"
    );

    let mut answered = Answered::document("text/xml", "<Say>s3cret</Say>");
    answered
        .commands
        .push(http::Request::new(Bytes::from_static(b"s3cret")));
    let shown = format!("{answered:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("200") && shown.contains("17"), "{shown}");
}

#[test]
fn debug_of_a_call_shows_nothing_of_it_either() {
    let carrier = Dummy::new("dummy", "main", "right");
    let verified = verify(&carrier, request("right")).unwrap();
    let shown = format!("{:?}", carrier.accept_call(&verified).unwrap());
    for hidden in HIDDEN {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[test]
fn the_query_is_read_and_the_url_left_alone() {
    let request = request("right");
    assert_eq!(request.raw_query(), "key=s3cret&From=%2B14155550100");
    let query = request.query();
    assert_eq!(query.get("From"), Some("+14155550100"));
    assert_eq!(query.get("key"), Some("s3cret"));
    for (url, query) in [
        ("https://a.example/x", ""),
        ("https://a.example/x?", ""),
        ("https://a.example/x#a?b", ""),
        ("https://a.example/x?a=b?c", "a=b?c"),
        ("", ""),
    ] {
        let mut request = self::request("right");
        request.public_url = url.to_owned();
        assert_eq!(request.raw_query(), query, "{url}");
    }
}

#[test]
fn a_header_counts_only_once() {
    let mut request = request("right");
    assert_eq!(request.header(TOKEN), Some("right"));
    assert_eq!(request.header("X-Token"), Some("right"), "in any case");
    assert_eq!(request.header("x-missing"), None);
    assert_eq!(request.content_type(), "application/json");

    request
        .headers
        .insert("x-bytes", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert_eq!(request.header("x-bytes"), None);

    // Two signatures: which one was checked?
    request
        .headers
        .append(TOKEN, HeaderValue::from_static("right"));
    assert_eq!(request.header(TOKEN), None);
    let carrier = Dummy::new("dummy", "main", "right");
    assert!(verify(&carrier, request).is_err());
}

#[test]
fn an_answer_is_a_document_or_just_a_status() {
    let document = Answered::document("application/json", "[]");
    assert_eq!(document.response.status(), StatusCode::OK);
    assert_eq!(
        document.response.headers()["content-type"],
        "application/json"
    );
    assert_eq!(document.response.body(), "[]");
    assert!(document.commands.is_empty());

    let empty = Answered::empty(StatusCode::NO_CONTENT);
    assert_eq!(empty.response.status(), StatusCode::NO_CONTENT);
    assert!(empty.response.body().is_empty());
    assert!(empty.response.headers().is_empty());
}
