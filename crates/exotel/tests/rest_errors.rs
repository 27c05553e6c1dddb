//! What is refused and what fails: kind, code, whether to try again, and what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::links;
use common::rest::{call, noon, response, rest};
use http::{HeaderName, HeaderValue, Response};
use std::time::Duration;
use telephony_core::{Answer, Error, ErrorKind, Retry};

fn placing(response: &Response<Bytes>) -> Error {
    rest(|rest| rest.read_placed_call(&call(Answer::stream()), &links(), response, noon()))
        .unwrap_err()
}

fn fetching(response: &Response<Bytes>) -> Error {
    let error = rest(|rest| rest.read_call(response, noon())).unwrap_err();
    let others = rest(|rest| {
        [
            rest.read_calls(response, noon()).unwrap_err(),
            rest.read_active_streams(response, noon()).unwrap_err(),
        ]
    });
    for other in others {
        assert_eq!((other.kind(), other.retry()), (error.kind(), error.retry()));
    }
    error
}

fn with(mut response: Response<Bytes>, name: &'static str, value: &str) -> Response<Bytes> {
    let value = HeaderValue::from_str(value).unwrap();
    response
        .headers_mut()
        .insert(HeaderName::from_static(name), value);
    response
}

fn exception(status: u16, message: &str) -> String {
    format!(r#"{{"RestException":{{"Status":{status},"Message":"{message}"}}}}"#)
}

#[test]
fn every_documented_status() {
    use ErrorKind::{
        Carrier, Configuration, InvalidArgument, NotFound, RateLimited, Refused, Timeout,
    };
    use Retry::{Never, OutcomeUnknown, Safe};
    for (status, kind, when_placing, when_fetching, says) in [
        (400, InvalidArgument, Never, Never, "a parameter is wrong"),
        (401, Configuration, Never, Never, "`api_token`"),
        (402, Refused, Never, Never, "balance"),
        (403, Refused, Never, Never, "enabled by Exotel"),
        (404, NotFound, Never, Never, "there is no"),
        (405, InvalidArgument, Never, Never, "does not take"),
        (409, Refused, Never, Never, "in use"),
        (429, RateLimited, Safe, Safe, "200 a minute"),
        (408, Timeout, OutcomeUnknown, Safe, "waited too long"),
        (500, Carrier, OutcomeUnknown, Safe, "side failed"),
        (502, Carrier, OutcomeUnknown, Safe, "side failed"),
        (503, Carrier, OutcomeUnknown, Safe, "side failed"),
        (504, Carrier, OutcomeUnknown, Safe, "side failed"),
        (302, Carrier, OutcomeUnknown, Never, "not followed"),
    ] {
        for body in [
            exception(status, "It went wrong."),
            exception(status, "It went wrong.").to_ascii_lowercase(),
            format!("<?xml version=\"1.0\"?><TwilioResponse><RestException><Status>{status}</Status><Message>It went wrong.</Message></RestException></TwilioResponse>"),
            format!("<RestException><Status>{status}</Status><Message>It went wrong.</Message></RestException>"),
            String::new(),
            "<html><head><title>502 Bad Gateway</title></head><body><hr><center>nginx</center></body></html>".to_owned(),
            "\u{fffd}{{{".to_owned(),
        ] {
            let response = response(status, body.clone());
            let (placing, fetching) = (placing(&response), fetching(&response));
            for (error, retry, operation) in [(placing, when_placing, "place call"), (fetching, when_fetching, "fetch call")] {
                assert_eq!((error.kind(), error.retry()), (kind, retry), "{status} {operation} {body}");
                assert_eq!((error.http_status(), error.operation()), (Some(status), operation));
                assert_eq!(error.provider().unwrap().as_str(), "exotel");
                assert_eq!(error.provider_code(), None);
                let text = error.to_string();
                assert!(text.contains(says), "{text}");
                assert_eq!(text.to_ascii_lowercase().contains("it went wrong."), body.to_ascii_lowercase().contains("it went wrong"), "{text}");
                assert_eq!(text.contains("nobody knows whether the call was placed"), retry == OutcomeUnknown, "{text}");
                assert!(!text.contains("nginx"), "{text}");
            }
        }
    }
}

#[test]
fn a_refusal_with_status_200_is_a_refusal() {
    for (status, kind, retry) in [
        (400, ErrorKind::InvalidArgument, Retry::Never),
        (403, ErrorKind::Refused, Retry::Never),
        (429, ErrorKind::RateLimited, Retry::Safe),
        (500, ErrorKind::Carrier, Retry::OutcomeUnknown),
    ] {
        let body = format!(
            r#"{{"Call":{{"Sid":"a"}},"restexception":{{"status":"{status}","message":"No."}}}}"#
        );
        let error = placing(&response(200, body));
        assert_eq!((error.kind(), error.retry()), (kind, retry));
        assert_eq!(
            (error.http_status(), error.provider_code()),
            (Some(200), Some(status.to_string().as_str()))
        );
    }
    let nothing_said = response(200, r#"{"RestException":{}}"#);
    assert_eq!(placing(&nothing_said).retry(), Retry::OutcomeUnknown);
    assert_eq!(fetching(&nothing_said).retry(), Retry::Never);
    let none = response(200, r#"{"RestException":null,"Call":{"Sid":"a"}}"#);
    assert!(rest(|rest| rest.read_call(&none, noon())).is_ok());
}

#[test]
fn an_answer_that_cannot_be_read_may_be_asked_for_again() {
    for body in ["", "garbage", "<html><br></html>", "{"] {
        let error = fetching(&response(200, body));
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Carrier, Retry::Safe)
        );
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
}

#[test]
fn codes_are_kept_and_known_ones_decide() {
    for (status, code, kind) in [
        (401, r#""UNAUTHORIZED""#, ErrorKind::Configuration),
        (401, "1010", ErrorKind::Configuration),
        (409, "1012", ErrorKind::Refused),
        (409, r#""10705""#, ErrorKind::Refused),
        (400, "10706", ErrorKind::Refused),
        (429, r#""RATE_LIMIT_EXCEEDED""#, ErrorKind::RateLimited),
        (403, r#""rate_limit_exceeded""#, ErrorKind::RateLimited),
        (400, "34001", ErrorKind::InvalidArgument),
        (500, "1012", ErrorKind::Carrier),
    ] {
        let body =
            format!(r#"{{"RestException":{{"Status":{status},"Message":"No.","Code":{code}}}}}"#);
        let error = placing(&response(status, body));
        assert_eq!(error.kind(), kind, "{code}");
        assert_eq!(error.provider_code(), Some(code.trim_matches('"')));
        assert_eq!(error.retry() == Retry::Safe, kind == ErrorKind::RateLimited);
    }
}

#[test]
fn a_number_on_the_do_not_call_register_is_not_called_again() {
    let body = exception(
        403,
        "Call to [09876501234] can not be made because of TRAI NDNC regulations",
    );
    let error = placing(&response(403, body));
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Refused, Retry::Never)
    );
    let text = error.to_string();
    assert!(
        text.contains("may not be called") && text.contains("TRAI NDNC"),
        "{text}"
    );
    assert!(!text.contains("98765"), "{text}");
}

#[test]
fn bodies_from_other_places() {
    for body in [
        r#"{"request_id":"9107ba6bdfc5","http_code":409,"response":{"code":409,"error_data":{"code":1012,"description":"Device is off"}}}"#,
        r#"{"error":{"code":"1012","message":"Device is off"},"request_id":"9107ba6bdfc5"}"#,
        r#"{"Code":"1012","message":"Device is off","RequestId":"9107ba6bdfc5"}"#,
        "<Error><Code>1012</Code><Message>Device is off</Message><RequestId>9107ba6bdfc5</RequestId></Error>",
    ] {
        let error = fetching(&response(409, body));
        assert_eq!(error.provider_code(), Some("1012"), "{body}");
        assert_eq!(error.request_id(), Some("9107ba6bdfc5"), "{body}");
        assert!(
            error.to_string().contains("(Exotel: Device is off)"),
            "{error}"
        );
    }
    let error = fetching(&response(502, r#"{"error":"upstream timed out"}"#));
    assert!(
        error.to_string().contains("(Exotel: upstream timed out)"),
        "{error}"
    );
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    for (value, retry) in [
        ("30", Retry::After(Duration::from_secs(30))),
        (" 7 ", Retry::After(Duration::from_secs(7))),
        (
            "Thu, 01 Jan 2026 12:01:00 GMT",
            Retry::After(Duration::from_secs(60)),
        ),
        (
            "Thursday, 01-Jan-26 12:00:09 GMT",
            Retry::After(Duration::from_secs(9)),
        ),
        ("Thu, 01 Jan 2026 11:00:00 GMT", Retry::Safe),
        ("0", Retry::Safe),
        ("-1", Retry::Safe),
        ("soon", Retry::Safe),
        ("", Retry::Safe),
        (
            "99999999999999999999999999",
            Retry::After(Duration::from_secs(86_400)),
        ),
        ("86401", Retry::After(Duration::from_secs(86_400))),
        (
            "Fri, 31 Dec 9999 23:59:59 GMT",
            Retry::After(Duration::from_secs(86_400)),
        ),
    ] {
        let limited = with(
            response(429, exception(429, "Slow down.")),
            "retry-after",
            value,
        );
        assert_eq!(placing(&limited).retry(), retry, "{value}");
        assert_eq!(fetching(&limited).retry(), retry, "{value}");
        let down = with(response(503, ""), "retry-after", value);
        assert_eq!(fetching(&down).retry(), retry, "{value}");
        assert_eq!(placing(&down).retry(), Retry::OutcomeUnknown, "{value}");
    }
    let refused = with(response(400, ""), "retry-after", "30");
    assert_eq!(placing(&refused).retry(), Retry::Never);
}

#[test]
fn the_id_of_the_request_is_kept_if_it_may_be_shown() {
    let header = |value: &str| placing(&with(response(500, ""), "x-request-id", value));
    let id = "9107ba6b-dfc5-493e-806b-7ea82706f2e0";
    assert_eq!(header(id).request_id(), Some(id));
    let long = "a".repeat(129);
    for bad in [
        "+919876501234",
        "9876501234",
        "a b",
        "",
        "rest-api-key",
        "x-rest-api-token-x",
        &long,
    ] {
        assert_eq!(header(bad).request_id(), None, "{bad}");
    }
}

#[test]
fn words_of_exotels_that_may_not_be_shown_are_masked() {
    for (message, shown) in [
        (
            "Invalid StreamUrl wss:\\/\\/bot:pass-word@voice.example.com\\/media\\/media-token-media-token",
            "Invalid StreamUrl ***",
        ),
        ("From=%2B919876501234 is wrong", "*** is wrong"),
        ("agent sip:jo@example.com is off", "agent *** is off"),
        ("key rest-api-key and rest-api-token", "key *** and ***"),
        ("98765 01234 and +91 98765-01234", "[number] and [number]"),
        ("yes / no", "yes / no"),
        ("a\\n  b\\t<i>", "a b ***"),
    ] {
        let error = placing(&response(400, exception(400, message)));
        assert!(
            error.to_string().contains(&format!("(Exotel: {shown})")),
            "{error}"
        );
    }
    let error = placing(&response(400, exception(400, &"word ".repeat(100))));
    assert!(error.detail().chars().count() < 400, "{error}");
    let error = placing(&response(
        400,
        exception(400, &format!("{}{}", "a ".repeat(96), "98765012345")),
    ));
    assert!(!error.to_string().contains("987650"), "{error}");
    let code = r#"{"RestException":{"Status":400,"Message":"No","Code":"09876501234"}}"#;
    assert_eq!(
        placing(&response(400, code)).provider_code(),
        Some("[number]")
    );
}
