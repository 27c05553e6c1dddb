//! Failed requests: every documented shape of error body, HTTP status and header.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{answer, answer_with, now};
use serde_json::json;
use std::time::Duration;
use telephony_core::{Error, ErrorKind, Retry};
use telephony_twilio::rest::{RestOperation, failure, is_gone};

const OPERATIONS: [RestOperation; 9] = [
    RestOperation::PlaceCall,
    RestOperation::HangUp,
    RestOperation::Transfer,
    RestOperation::SendDigits,
    RestOperation::FetchCall,
    RestOperation::FindCalls,
    RestOperation::StartRecording,
    RestOperation::ChangeRecording,
    RestOperation::FetchRecording,
];

fn fail(operation: RestOperation, status: u16, body: &str) -> Error {
    failure(operation, &answer(status, body.to_owned()), now())
}

/// An error of the API as it is documented.
fn documented(status: u16, code: u32) -> Error {
    let body = json!({
        "code": code, "message": "Something", "status": status,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
    });
    fail(RestOperation::PlaceCall, status, &body.to_string())
}

#[test]
fn the_documented_codes() {
    use ErrorKind::{
        Carrier, Closed, Configuration, InvalidArgument, NotFound, RateLimited, Refused,
    };
    for (status, code, kind, retry) in [
        (400, 20001, InvalidArgument, Retry::Never),
        (401, 20003, Configuration, Retry::Never),
        (403, 20003, Configuration, Retry::Never),
        (403, 20005, Refused, Retry::Never),
        (403, 20008, Configuration, Retry::Never),
        (400, 20009, InvalidArgument, Retry::Never),
        (403, 20403, Refused, Retry::Never),
        (404, 20404, NotFound, Retry::Never),
        (410, 20410, NotFound, Retry::Never),
        (426, 20426, Configuration, Retry::Never),
        (429, 20429, RateLimited, Retry::Safe),
        (500, 20500, Carrier, Retry::OutcomeUnknown),
        (503, 20503, Carrier, Retry::OutcomeUnknown),
        (403, 10001, Refused, Retry::Never),
        (400, 10004, RateLimited, Retry::Safe),
        (400, 21201, InvalidArgument, Retry::Never),
        (400, 21202, Refused, Retry::Never),
        (400, 21203, Refused, Retry::Never),
        (400, 21205, InvalidArgument, Retry::Never),
        (400, 21206, InvalidArgument, Retry::Never),
        (400, 21210, Refused, Retry::Never),
        (400, 21211, InvalidArgument, Retry::Never),
        (400, 21212, InvalidArgument, Retry::Never),
        (400, 21213, InvalidArgument, Retry::Never),
        (400, 21214, Refused, Retry::Never),
        (400, 21215, Refused, Retry::Never),
        (400, 21216, Refused, Retry::Never),
        (400, 21217, InvalidArgument, Retry::Never),
        (400, 21218, InvalidArgument, Retry::Never),
        (400, 21219, Refused, Retry::Never),
        (400, 21220, Closed, Retry::Never),
        (400, 21226, Refused, Retry::Never),
        (400, 21262, InvalidArgument, Retry::Never),
        (400, 21263, InvalidArgument, Retry::Never),
        (400, 21626, InvalidArgument, Retry::Never),
        (400, 32018, InvalidArgument, Retry::Never),
    ] {
        let error = documented(status, code);
        assert_eq!(error.kind(), kind, "{code}");
        assert_eq!(error.retry(), retry, "{code}");
        assert_eq!(error.provider_code(), Some(code.to_string().as_str()));
        assert_eq!(error.http_status(), Some(status));
        assert_eq!(error.operation(), "place call");
        assert!(!error.detail().contains("Something"), "{error}");
    }
}

#[test]
fn errors_say_what_to_do() {
    for (error, said) in [
        (
            documented(401, 20003),
            "twilio: place call: the credentials are wrong; check the account's SID, its auth token or API key, \
             and that they are of the region that is asked (code 20003, HTTP 401)",
        ),
        (
            documented(429, 20429),
            "twilio: place call: too many requests; try again after a pause (code 20429, HTTP 429)",
        ),
        (
            documented(500, 20500),
            "twilio: place call: Twilio had a fault of its own; nobody knows whether the call was placed: look \
             for it with `Calls::find_placed` before it is placed again (code 20500, HTTP 500)",
        ),
        (
            documented(404, 20404),
            "twilio: place call: there is no such call or resource; check the account's SID and `base_url` \
             (code 20404, HTTP 404)",
        ),
        (
            documented(400, 21211),
            "twilio: place call: the number to call is not valid (code 21211, HTTP 400)",
        ),
        (
            fail(RestOperation::Transfer, 400, r#"{"code": 21220}"#),
            "twilio: transfer call: the call is not in progress; it is over, or was not answered yet \
             (code 21220, HTTP 400)",
        ),
        (
            fail(RestOperation::Transfer, 404, ""),
            "twilio: transfer call: there is no such call or resource; it is over, or is of another account or region \
             (HTTP 404)",
        ),
        (
            fail(
                RestOperation::StartRecording,
                502,
                "<html>Bad Gateway</html>",
            ),
            "twilio: start recording: the service failed; the recording may have begun: wait for its callback before \
             it is started again (HTTP 502)",
        ),
        (
            fail(RestOperation::SendDigits, 500, ""),
            "twilio: send DTMF: the service failed; it may have been done: fetch the call before it is done again \
             (HTTP 500)",
        ),
    ] {
        assert_eq!(error.to_string(), said);
    }
}

#[test]
fn every_shape_of_body() {
    for body in [
        // The API.
        r#"{"code": 21211, "message": "m", "more_info": "https://www.twilio.com/docs/errors/21211", "status": 400}"#,
        r#"{"code": 21211, "message": "m", "status": 400, "details": {"a": 1}}"#,
        r#"{"code": "21211", "message": 7}"#,
        r#"{"Code": 21211, "Message": "m", "MoreInfo": null}"#,
        r#"{"status": 400, "code": 21211}"#,
        // Newer ones.
        r#"{"code": 21211, "message": "m", "httpStatusCode": 400, "params": {"To": "+14155550199"}, "userError": true}"#,
        r#"{"errors": [{"code": 21211, "message": "m", "infoUrl": "x", "context": "null"}, {"code": 20001}]}"#,
        // XML.
        "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException><Code>21211</Code>\
         <Message>m</Message><MoreInfo>x</MoreInfo><Status>400</Status></RestException></TwilioResponse>",
        "<TwilioResponse>\n <RestException>\n  <Status>400</Status>\n  <Message>a &amp; b</Message>\n  \
         <Code> 21211 </Code>\n </RestException>\n</TwilioResponse>",
        // The same as JSON.
        r#"{"TwilioResponse": {"RestException": {"Code": "21211", "Message": "m"}}}"#,
    ] {
        let error = fail(RestOperation::PlaceCall, 400, body);
        assert_eq!(error.provider_code(), Some("21211"), "{body}");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{body}");
        assert!(
            error
                .detail()
                .starts_with("the number to call is not valid"),
            "{error}"
        );
    }
    let bare = "<TwilioResponse><RestException><Status>404</Status><Message>Not there</Message></RestException></TwilioResponse>";
    let error = fail(RestOperation::FetchCall, 404, bare);
    assert_eq!(error.provider_code(), None);
    assert!(error.detail().starts_with("Not there; "), "{error}");
}

#[test]
fn without_a_body_that_says_something_the_status_counts() {
    use ErrorKind::{
        Carrier, Configuration, InvalidArgument, NotFound, RateLimited, Refused, Timeout,
    };
    for (status, kind) in [
        (301, Configuration),
        (302, Configuration),
        (307, Configuration),
        (400, InvalidArgument),
        (401, Configuration),
        (402, Refused),
        (403, Refused),
        (404, NotFound),
        (405, InvalidArgument),
        (407, Configuration),
        (408, Timeout),
        (409, Refused),
        (410, NotFound),
        (413, InvalidArgument),
        (415, InvalidArgument),
        (422, InvalidArgument),
        (429, RateLimited),
        (451, Refused),
        (500, Carrier),
        (502, Carrier),
        (503, Carrier),
        (504, Timeout),
        (599, Carrier),
        (100, Carrier),
        (999, Carrier),
    ] {
        for body in [
            "",
            " ",
            "null",
            "[1]",
            "{}",
            "{\"code\":",
            r#"{"code": null, "message": null}"#,
            r#"{"code": {}, "message": []}"#,
            r#"{"errors": []}"#,
            r#"{"errors": ["x"]}"#,
            r#"{"code": -1}"#,
            "<!DOCTYPE html><html><head><title>Oops</title></head><body>secret</body></html>",
            "<html><TwilioResponse><Code>20003</Code></TwilioResponse></html>",
            "upstream connect error",
            "\u{0}\u{1}\u{2}",
        ] {
            let error = fail(RestOperation::PlaceCall, status, body);
            assert_eq!(error.kind(), kind, "{status} {body}");
            assert!(!error.detail().contains("secret"), "{error}");
        }
    }
}

#[test]
fn an_unknown_code_leaves_it_to_the_status() {
    let error = fail(
        RestOperation::PlaceCall,
        400,
        r#"{"code": 45001, "message": "The Widget is not allowed: ask support."}"#,
    );
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.provider_code(), Some("45001"));
    assert_eq!(error.detail(), "The Widget is not allowed: ask support.");
    let word = fail(
        RestOperation::PlaceCall,
        403,
        r#"{"code": "ERR_NO", "message": ""}"#,
    );
    assert_eq!(word.kind(), ErrorKind::Refused);
    assert_eq!(word.provider_code(), Some("ERR_NO"));
    for odd in [r#""a b""#, r#""x y@z""#, r#""""#, "1e400", "[]"] {
        let error = fail(
            RestOperation::PlaceCall,
            400,
            &format!("{{\"code\": {odd}}}"),
        );
        assert_eq!(error.provider_code(), None, "{odd}");
    }
}

#[test]
fn nobodys_number_address_or_secret_is_in_the_text() {
    for message in [
        "The number +14155550199 is not good",
        "The number +1 (415) 555-0199 is not good",
        "The number %2B14155550199 is not good",
        "The number tel:4155550199x is not good",
        "No such client:jenny or sip:jenny@example.com",
        "Url https://voice.example.com/twilio/answer/key0key0key0key0key0ke is not valid",
        "Authorization: Basic QUMwMDAxOmh1bnRlcjI= is wrong",
        "AccountSid AC00000000000000000000000000000001 with 0123456789abcdef0123456789abcdef",
        "a=hunter2 <b>hunter2</b> {hunter2}",
        "line\nbreak\r\nhunter2hunter2",
    ] {
        let body = json!({"code": 45001, "message": message}).to_string();
        let error = fail(RestOperation::PlaceCall, 400, &body);
        let shown = format!("{error} {error:?}");
        for secret in [
            "555", "0199", "jenny", "example", "key0", "QUMw", "AC000", "0123456", "hunter2", "\n",
        ] {
            assert!(!error.detail().contains(secret), "{secret} is in {shown}");
        }
    }
    let long = json!({"message": "word ".repeat(10_000)}).to_string();
    assert!(fail(RestOperation::PlaceCall, 400, &long).detail().len() <= 200);
    let nothing = json!({"message": "+14155550199 sip:a@b"}).to_string();
    assert_eq!(
        fail(RestOperation::PlaceCall, 400, &nothing).detail(),
        "the request was not accepted"
    );
}

#[test]
fn too_many_requests_were_not_processed() {
    for operation in OPERATIONS {
        for (status, body) in [
            (429, ""),
            (429, "<html>slow down</html>"),
            (429, r#"{"code": 20429}"#),
            (503, r#"{"code": 20429}"#),
            (400, r#"{"code": 10004}"#),
        ] {
            let error = fail(operation, status, body);
            assert_eq!(
                error.kind(),
                ErrorKind::RateLimited,
                "{operation:?} {status}"
            );
            assert_eq!(error.retry(), Retry::Safe, "{operation:?} {status}");
        }
    }
}

#[test]
fn what_may_have_been_done() {
    for operation in OPERATIONS {
        let wanted = match operation.is_repeatable() {
            true => Retry::Safe,
            false => Retry::OutcomeUnknown,
        };
        for status in [408, 500, 502, 503, 504, 520, 599] {
            assert_eq!(
                fail(operation, status, "").retry(),
                wanted,
                "{operation:?} {status}"
            );
        }
        for status in [301, 400, 401, 403, 409, 422] {
            assert_eq!(fail(operation, status, "").retry(), Retry::Never);
        }
    }
    let repeatable: Vec<_> = OPERATIONS
        .into_iter()
        .filter(|operation| operation.is_repeatable())
        .collect();
    assert_eq!(
        repeatable,
        [
            RestOperation::HangUp,
            RestOperation::FetchCall,
            RestOperation::FindCalls,
            RestOperation::ChangeRecording,
            RestOperation::FetchRecording,
        ]
    );
}

fn retry(operation: RestOperation, status: u16, retry_after: &str) -> Retry {
    let response = answer_with(status, &[("retry-after", retry_after)], "");
    failure(operation, &response, now()).retry()
}

#[test]
fn how_long_to_wait() {
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    for (text, wanted) in [
        ("7", after(7)),
        (" 120 ", after(120)),
        ("0", Retry::Safe),
        ("Fri, 20 Nov 2026 15:00:30 GMT", after(30)),
        ("Friday, 20-Nov-26 15:00:30 GMT", after(30)),
        ("Fri Nov 20 15:00:30 2026", after(30)),
        ("Fri, 20 Nov 2026 15:00:30 +0000", after(30)),
        ("Fri, 20 Nov 2026 14:59:00 GMT", Retry::Safe),
        ("-1", Retry::Safe),
        ("soon", Retry::Safe),
        ("", Retry::Safe),
        ("99999999999999999999999", Retry::Safe),
    ] {
        assert_eq!(retry(RestOperation::PlaceCall, 429, text), wanted, "{text}");
        assert_eq!(retry(RestOperation::FetchCall, 503, text), wanted, "{text}");
        assert_eq!(retry(RestOperation::HangUp, 500, text), wanted, "{text}");
        assert_eq!(
            retry(RestOperation::FetchRecording, 404, text),
            wanted,
            "{text}"
        );
    }
    // A pause does not tell whether the call was placed.
    assert_eq!(
        retry(RestOperation::PlaceCall, 503, "7"),
        Retry::OutcomeUnknown
    );
    assert_eq!(retry(RestOperation::PlaceCall, 400, "7"), Retry::Never);
    assert_eq!(retry(RestOperation::FetchCall, 404, "7"), Retry::Never);
}

#[test]
fn the_id_of_the_request() {
    let id = |headers: &[(&str, &str)]| {
        let response = answer_with(500, headers, "");
        let error = failure(RestOperation::PlaceCall, &response, now());
        error.request_id().map(str::to_owned)
    };
    let sid = "RQ0123456789abcdef0123456789abcdef";
    assert_eq!(id(&[("Twilio-Request-Id", sid)]).as_deref(), Some(sid));
    assert_eq!(
        id(&[("x-request-id", "a-b.c_1")]).as_deref(),
        Some("a-b.c_1")
    );
    assert_eq!(
        id(&[("x-request-id", "other"), ("twilio-request-id", sid)]).as_deref(),
        Some(sid)
    );
    let long = "x".repeat(129);
    for odd in ["", " ", "a b", "<a>", "a@b", &long] {
        assert_eq!(id(&[("twilio-request-id", odd)]), None, "{odd}");
    }
    assert_eq!(id(&[]), None);
}

#[test]
fn what_is_gone() {
    for (status, body, wanted) in [
        (404, "", true),
        (404, r#"{"code": 20404}"#, true),
        (410, "", true),
        (400, r#"{"code": 21220}"#, true),
        (400, "", false),
        (401, r#"{"code": 20003}"#, false),
        (429, "", false),
        (500, "", false),
    ] {
        assert_eq!(
            is_gone(&fail(RestOperation::HangUp, status, body)),
            wanted,
            "{status} {body}"
        );
    }
}
