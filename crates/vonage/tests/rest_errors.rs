//! What REST answers when it does not do what it was asked: kind, code, retry and what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::Response;
use http::header::{HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};
use telephony_core::{Error, ErrorKind, Retry};
use telephony_vonage::rest::{RestOperation, failure};

const NUMBER: &str = "7700900456";

fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        response
            .headers_mut()
            .append(name, HeaderValue::from_str(value).unwrap());
    }
    response
}

fn now() -> SystemTime {
    at(NOW) // Tue, 03 Feb 2026 04:05:10 GMT
}

fn of(operation: RestOperation, status: u16, body: &'static str) -> Error {
    failure(operation, &response(status, &[], body), now())
}

#[test]
fn every_documented_body_is_read() {
    for (status, body, kind, code, detail) in [
        (
            401,
            r#"{"type":"UNAUTHORIZED","error_title":"Unauthorized"}"#,
            ErrorKind::Configuration,
            Some("UNAUTHORIZED"),
            "Unauthorized; check that `application_id` and `private_key` belong together, and this machine's clock",
        ),
        // `type` is a number here.
        (
            400,
            r#"{"type":400,"title":"Bad Request","invalid_parameters":[{"reason":"can contain up to 15 digits prefixed with +","name":"number"}]}"#,
            ErrorKind::InvalidArgument,
            None,
            "Bad Request: `number` can contain up to 15 digits prefixed with +",
        ),
        (
            400,
            r#"{"type":"https://developer.vonage.com/api-errors/bad-request","title":"Your request parameters did not validate","detail":"Bad timer","instance":"bf0ca0bf927b3b52","invalid_parameters":[{"name":"length_timer","reason":"Is too long"},{"name":"to"},{"reason":"Is bad"},"from"]}"#,
            ErrorKind::InvalidArgument,
            Some("bad-request"),
            "Your request parameters did not validate: Bad timer: `length_timer` Is too long, `to` is not valid, `a parameter` Is bad, from",
        ),
        (
            403,
            r##"{"type":"https://example.com/Error#out-of-credit","title":"You do not have enough credit","detail":"Your balance is 30"}"##,
            ErrorKind::Refused,
            Some("out-of-credit"),
            "You do not have enough credit: Your balance is 30; check what the account, the application and its numbers may do",
        ),
        (
            404,
            r#"{"type":"NOT_FOUND","error_title":"Not Found"}"#,
            ErrorKind::NotFound,
            Some("NOT_FOUND"),
            "Not Found; the call is over, or lives in another region: use the `region_url` of its webhook",
        ),
        (
            429,
            r#"{"type":"about:blank","title":"Too Many Requests"}"#,
            ErrorKind::RateLimited,
            None,
            "Too Many Requests; an account may send 15 requests per second by default",
        ),
        (
            402,
            r#"{"message":"No balance","code":1320}"#,
            ErrorKind::Refused,
            Some("1320"),
            "No balance; check the balance of the account",
        ),
        (
            422,
            r#"{"code":"http:error:validation-error","description":"Invalid action"}"#,
            ErrorKind::InvalidArgument,
            Some("http:error:validation-error"),
            "Invalid action",
        ),
        (
            500,
            r#"{"msg_error":"Unexpected error"}"#,
            ErrorKind::Carrier,
            None,
            "Unexpected error; try again later",
        ),
        (
            400,
            r#"{"Title":"In another case","invalid_parameters":{}}"#,
            ErrorKind::InvalidArgument,
            None,
            "In another case",
        ),
        (
            400,
            r#"{"title":"Twice","detail":"Twice","invalid_parameters":[]}"#,
            ErrorKind::InvalidArgument,
            None,
            "Twice",
        ),
        (
            400,
            r#"{"title":{"nested":1},"type":["x"]}"#,
            ErrorKind::InvalidArgument,
            None,
            "Vonage answered `Bad Request` and nothing that can be read",
        ),
    ] {
        let error = of(RestOperation::Mute, status, body);
        assert_eq!(error.kind(), kind, "{body}");
        assert_eq!(error.provider_code(), code, "{body}");
        assert_eq!(error.detail(), detail);
        assert_eq!(error.http_status(), Some(status));
        assert_eq!(error.operation(), "mute");
        assert_eq!(error.provider().unwrap().as_str(), "vonage");
    }
}

#[test]
fn a_body_that_says_nothing_is_not_repeated() {
    for body in [
        "",
        "   ",
        "null",
        "[]",
        "{}",
        "{",
        "\"text\"",
        "<html><body><h1>502 hunter2</h1></body></html>",
        r#"<?xml version="1.0"?><error><title>hunter2</title></error>"#,
        "hunter2",
    ] {
        let error = of(RestOperation::FetchCall, 502, body);
        assert_eq!(
            error.detail(),
            "Vonage answered `Bad Gateway` and nothing that can be read; try again later"
        );
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Carrier, Retry::Safe)
        );
    }
    let binary = response(500, &[], &b"\xff\xfe{\"title\":\"x\"}"[..]);
    let error = failure(RestOperation::FetchCall, &binary, now());
    assert!(error.detail().starts_with("Vonage answered"), "{error}");
    assert!(
        of(RestOperation::Mute, 599, "")
            .detail()
            .contains("an unknown status")
    );
}

#[test]
fn kinds_are_those_of_the_table() {
    for (status, kind) in [
        (301, ErrorKind::Carrier),
        (400, ErrorKind::InvalidArgument),
        (401, ErrorKind::Configuration),
        (402, ErrorKind::Refused),
        (403, ErrorKind::Refused),
        (404, ErrorKind::NotFound),
        (405, ErrorKind::Carrier),
        (408, ErrorKind::Timeout),
        (409, ErrorKind::Carrier),
        (410, ErrorKind::NotFound),
        (413, ErrorKind::InvalidArgument),
        (414, ErrorKind::InvalidArgument),
        (415, ErrorKind::InvalidArgument),
        (422, ErrorKind::InvalidArgument),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Carrier),
        (502, ErrorKind::Carrier),
        (503, ErrorKind::Carrier),
        (504, ErrorKind::Timeout),
    ] {
        for operation in RestOperation::ALL {
            assert_eq!(of(operation, status, "").kind(), kind, "{status}");
        }
    }
}

#[test]
fn what_may_be_done_twice_is_tried_again_and_nothing_else() {
    let once = [
        RestOperation::PlaceCall,
        RestOperation::Transfer,
        RestOperation::SendDtmf,
        RestOperation::StartTalk,
        RestOperation::StartStream,
    ];
    for operation in RestOperation::ALL {
        let repeatable = !once.contains(&operation);
        assert_eq!(operation.is_repeatable(), repeatable, "{operation:?}");
        for status in [408, 500, 502, 503, 504] {
            let wanted = if repeatable {
                Retry::Safe
            } else {
                Retry::OutcomeUnknown
            };
            assert_eq!(
                of(operation, status, "").retry(),
                wanted,
                "{operation:?} {status}"
            );
        }
        // It was not done, so this is for all of them.
        assert_eq!(of(operation, 429, "").retry(), Retry::Safe);
        for status in [302, 400, 401, 403, 404, 409, 422] {
            assert_eq!(
                of(operation, status, "").retry(),
                Retry::Never,
                "{operation:?} {status}"
            );
        }
    }
}

#[test]
fn it_says_when_to_try_again() {
    let day = Duration::from_secs(86_400);
    for (value, wanted) in [
        ("0", Some(Duration::ZERO)),
        (" 3 ", Some(Duration::from_secs(3))),
        ("99999999", Some(day)),
        ("99999999999999999999999999", Some(day)),
        (
            "Tue, 03 Feb 2026 04:05:40 GMT",
            Some(Duration::from_secs(30)),
        ),
        (
            "Tuesday, 03-Feb-26 04:05:40 GMT",
            Some(Duration::from_secs(30)),
        ),
        ("Tue Feb  3 04:05:40 2026", Some(Duration::from_secs(30))),
        ("Tue, 03 Feb 2026 04:05:00 GMT", Some(Duration::ZERO)),
        ("Fri, 03 Feb 2040 04:05:00 GMT", Some(day)),
        ("", None),
        ("-1", None),
        ("soon", None),
    ] {
        let retry = |operation, status| {
            let response = response(status, &[("Retry-After", value)], "");
            failure(operation, &response, now()).retry()
        };
        let known = wanted.map_or(Retry::Safe, Retry::After);
        assert_eq!(retry(RestOperation::PlaceCall, 429), known, "{value}");
        assert_eq!(retry(RestOperation::FetchCall, 503), known, "{value}");
        assert_eq!(retry(RestOperation::PlaceCall, 503), Retry::OutcomeUnknown);
        assert_eq!(retry(RestOperation::FetchCall, 400), Retry::Never);
    }
}

#[test]
fn it_says_what_to_do() {
    use RestOperation::{FetchRecording, HangUp, ListCalls, PlaceCall, SendDtmf};
    for (operation, status, advice) in [
        (PlaceCall, 301, "check `base_url`"),
        (PlaceCall, 404, "check `base_url`"),
        (PlaceCall, 429, "3 calls per second"),
        (HangUp, 429, "15 requests per second"),
        (PlaceCall, 500, "look with `Calls::find_placed`"),
        (PlaceCall, 408, "look with `Calls::find_placed`"),
        (SendDtmf, 500, "fetch the call to see"),
        (HangUp, 500, "try again later"),
        (HangUp, 404, "`region_url`"),
        (FetchRecording, 404, "30 days"),
        (PlaceCall, 401, "`private_key`"),
    ] {
        let error = of(operation, status, "");
        assert!(error.detail().contains(advice), "{error}");
    }
    assert!(!of(ListCalls, 404, "").detail().contains(';'));
}

#[test]
fn the_id_of_the_request_is_kept() {
    let body = r#"{"title":"x","instance":"from-the-body"}"#;
    for (headers, body, id) in [
        (vec![("X-Request-Id", "one")], body, Some("one")),
        (vec![("X-Nexmo-Trace-Id", "two")], "", Some("two")),
        (vec![("x-correlation-id", "three")], "", Some("three")),
        (vec![], body, Some("from-the-body")),
        (vec![], r#"{"instance":17}"#, Some("17")),
        (vec![], "", None),
        (vec![("x-request-id", "with a blank")], "", None),
        (vec![("x-request-id", "+447700900456")], "", None),
        (
            vec![],
            r#"{"instance":"https://e.com/media/hunter2"}"#,
            None,
        ),
    ] {
        let error = failure(RestOperation::Mute, &response(500, &headers, body), now());
        assert_eq!(error.request_id(), id);
    }
    let long = "x".repeat(65);
    let long = response(500, &[("x-request-id", long.as_str())], "");
    assert_eq!(
        failure(RestOperation::Mute, &long, now()).request_id(),
        None
    );
}

#[test]
fn what_vonage_repeats_of_ours_is_not_shown() {
    let token =
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJhcHBsaWNhdGlvbl9pZCI6Ijc4ZDMzNWZhIn0.c2lnbmF0dXJl";
    let words = [
        format!("the number +44{NUMBER} is not yours"),
        format!("44{NUMBER}"),
        format!("uri wss://voice.example.com/vonage/media/{TOKEN} cannot be reached"),
        format!("uri=\"wss://voice.example.com/vonage/media/{TOKEN}\""),
        format!("path /vonage/media/{TOKEN}"),
        format!("sip:{TOKEN}@example.com"),
        format!("bad token {token}"),
        format!("{}\r\n{token}", "long ".repeat(200)),
    ];
    for said in words {
        for member in ["title", "detail", "message", "type", "code", "instance"] {
            let body = serde_json::json!({ member: said }).to_string();
            let error = failure(RestOperation::PlaceCall, &response(400, &[], body), now());
            let shown = format!("{error} {error:?}");
            for private in [NUMBER, TOKEN, token, "\n", "\r"] {
                assert!(!shown.contains(private), "{member}: {shown}");
            }
            assert!(error.detail().chars().count() < 400, "{shown}");
        }
        let parameter =
            serde_json::json!({"invalid_parameters": [{"name": said, "reason": said}, said]});
        let body = parameter.to_string();
        let error = failure(RestOperation::PlaceCall, &response(400, &[], body), now());
        let shown = format!("{error} {error:?}");
        for private in [NUMBER, TOKEN, token] {
            assert!(!shown.contains(private), "{shown}");
        }
    }
}
