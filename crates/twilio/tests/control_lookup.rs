//! What became of a call, and whether there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{call, callee, caller, get, now};
use common::scripted::{live, saying, scripted};
use std::time::Duration;
use telephony_core::{CallSnapshot, CallStatus, Direction, ErrorKind, Telephony};

const LIST: &str = "Calls.json?To=%2B14155550199&From=%2B14155550100&PageSize=50";
const JSON: &str = "application/json";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ids(found: &[CallSnapshot]) -> Vec<&str> {
    found.iter().map(|call| call.call.id.as_str()).collect()
}

/// A call between the two, created then (`15:00:00` is now).
fn entry(sid: &str, created: &str) -> String {
    entry_with(sid, created, "outbound-api", "+14155550199")
}

fn entry_with(sid: &str, created: &str, direction: &str, to: &str) -> String {
    let created = match created {
        "" => "null".to_owned(),
        time => format!("\"Fri, 20 Nov 2026 {time} +0000\""),
    };
    format!(
        r#"{{"sid": "{sid}", "status": "queued", "direction": "{direction}", "date_created": {created},
            "from": "+14155550100", "to": "{to}"}}"#
    )
}

fn page(entries: &[String], next: Option<u32>) -> String {
    let next = match next {
        Some(page) => {
            let list = LIST.replace("PageSize", &format!("Page={page}&PageSize"));
            let path = "/2010-04-01/Accounts/AC00000000000000000000000000000001";
            format!("\"{path}/{list}\"")
        }
        None => "null".to_owned(),
    };
    let calls = entries.join(",");
    format!(r#"{{"calls": [{calls}], "next_page_uri": {next}}}"#)
}

#[tokio::test]
async fn a_call_is_fetched() {
    let body = r#"{"sid": "CA0001", "status": "completed", "direction": "outbound-api", "duration": "30",
        "from": "+14155550100", "to": "+14155550199", "date_created": "Fri, 20 Nov 2026 14:58:00 +0000"}"#;
    let (http, twilio) = scripted(saying(&[(200, body)]));
    let found = twilio.fetch_call(&live()).await.unwrap();
    assert_eq!(http.request(), get("Calls/CA0001.json", JSON));
    assert_eq!(found.call, live());
    assert_eq!(found.status, Some(CallStatus::Completed));
    assert_eq!(found.direction, Some(Direction::Outbound));
    assert_eq!((found.from, found.to), (Some(caller()), Some(callee())));
    assert_eq!(found.began, Some(now() - seconds(120)));
    assert_eq!(found.duration, Some(seconds(30)));
    assert_eq!(found.raw, body);
}

#[tokio::test]
async fn a_call_that_is_not_there() {
    let (http, twilio) = scripted(saying(&[(404, r#"{"code": 20404}"#)]));
    let error = twilio.fetch_call(&live()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(http.count(), 1);
}

#[tokio::test]
async fn a_call_that_may_have_been_placed_is_looked_for() {
    let body = page(
        &[
            entry("CA-waits", ""),
            entry("CA-second", "15:00:03"),
            entry_with("CA-inbound", "15:00:02", "inbound", "+14155550199"),
            entry_with("CA-other", "15:00:02", "outbound-api", "+14155550198"),
            entry("CA-first", "15:00:01"),
            entry("CA-clocks", "14:59:56"),
            entry("CA-before", "14:59:50"),
        ],
        Some(1),
    );
    let (http, twilio) = scripted(saying(&[(200, &body)]));
    let found = twilio.find_placed(&call(), now()).await.unwrap();
    // The oldest first, and no further page: this one reaches back.
    assert_eq!(http.request(), get(LIST, JSON));
    assert_eq!(
        ids(&found),
        ["CA-clocks", "CA-first", "CA-second", "CA-waits"]
    );
    assert_eq!(found[0].status, Some(CallStatus::Queued));
    assert_eq!(found[0].began, Some(now() - seconds(4)));
}

#[tokio::test]
async fn none_is_an_answer() {
    let (_, twilio) = scripted(saying(&[(200, &page(&[], None))]));
    assert_eq!(twilio.find_placed(&call(), now()).await.unwrap(), []);
}

#[tokio::test]
async fn pages_are_read_as_far_as_needed() {
    let pages = [
        page(&[entry("CA3", "15:00:03")], Some(1)),
        page(&[entry("CA2", "15:00:02")], Some(2)),
        page(
            &[entry("CA1", "15:00:01"), entry("CA0", "14:00:00")],
            Some(3),
        ),
    ];
    let answers: Vec<_> = pages.iter().map(|page| (200, page.as_str())).collect();
    let (http, twilio) = scripted(saying(&answers));
    let found = twilio.find_placed(&call(), now()).await.unwrap();
    assert_eq!(ids(&found), ["CA1", "CA2", "CA3"]);
    let list = |page: u32| {
        get(
            &LIST.replace("PageSize", &format!("Page={page}&PageSize")),
            JSON,
        )
    };
    assert_eq!(http.requests(), [get(LIST, JSON), list(1), list(2)]);
}

#[tokio::test]
async fn pages_have_an_end() {
    let body = page(&[entry("CA", "15:00:03")], Some(1));
    let (http, twilio) = scripted(saying(&[(200, body.as_str()); 10]));
    let found = twilio.find_placed(&call(), now()).await.unwrap();
    assert_eq!((found.len(), http.count()), (10, 10));
}

#[tokio::test]
async fn a_page_that_leads_elsewhere_is_not_followed() {
    let body = r#"{"calls": [], "next_page_uri": "https://example.com/2010-04-01/Accounts/AC1/Calls.json"}"#;
    let (http, twilio) = scripted(saying(&[(200, body)]));
    let error = twilio.find_placed(&call(), now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Carrier);
    assert_eq!(http.count(), 1);
}

#[tokio::test]
async fn an_account_from_before_all_times_is_no_trouble() {
    let (_, twilio) = scripted(saying(&[(200, &page(&[entry("CA1", "")], None))]));
    let since = std::time::SystemTime::UNIX_EPOCH;
    assert_eq!(
        ids(&twilio.find_placed(&call(), since).await.unwrap()),
        ["CA1"]
    );
}
