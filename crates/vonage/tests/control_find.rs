//! Looking for a call that may have been placed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::scripted::*;
use common::*;
use http::Response;
use serde_json::{Value, json};
use telephony_core::{CallSnapshot, CallStatus, ErrorKind, Party, Result, Telephony};
use telephony_vonage::rest::WebsocketTarget;
use telephony_vonage::{NAME, VonageCallOptions};

/// An outbound call between the parties of [`call_out`].
fn leg(uuid: &str, more: Value) -> Value {
    let mut leg = json!({
        "uuid": uuid,
        "status": "ringing",
        "direction": "outbound",
        "to": {"type": "phone", "number": "447700900001"},
        "from": {"type": "phone", "number": "447700900000"},
    });
    for (name, value) in more.as_object().unwrap() {
        leg[name] = value.clone();
    }
    leg
}

fn page(calls: &[Value], index: usize, count: usize) -> Result<Response<Bytes>> {
    let mut page = json!({
        "count": count,
        "page_size": 100,
        "record_index": index,
        "_links": {"self": {"href": "/calls"}},
        "_embedded": {"calls": calls},
    });
    if index + 100 < count {
        let href = format!("/calls?page_size=100&record_index={}", index + 100);
        page["_links"]["next"] = json!({"href": href});
    }
    says(200, page.to_string())
}

fn ids(found: &[CallSnapshot]) -> Vec<&str> {
    found.iter().map(|found| found.call.id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_surely_is_not_it_is_left_out_and_the_last_comes_first() {
    let calls = [
        leg("first", json!({"status": "busy"})),
        leg("inbound", json!({"direction": "inbound"})),
        leg(
            "to-another",
            json!({"to": {"type": "phone", "number": "447700900009"}}),
        ),
        leg(
            "from-another",
            json!({"from": {"type": "phone", "number": "447700900009"}}),
        ),
        leg("to-nobody", json!({"to": null})),
        leg(
            "old",
            json!({"status": "completed", "start_time": "2026-02-03 04:03:00", "end_time": "2026-02-03 04:05:09"}),
        ),
        leg(
            "ended-before",
            json!({"status": "completed", "end_time": "2026-02-03T04:03:00Z"}),
        ),
        leg(
            "within-the-slack",
            json!({"status": "completed", "start_time": "2026-02-03 04:04:20"}),
        ),
        leg("last", json!({"status": "answered", "from": null})),
    ];
    let bench = bench([page(&calls, 0, calls.len())]);
    let found = bench
        .vonage
        .find_placed(&call_out(), at(NOW))
        .await
        .unwrap();
    assert_eq!(ids(&found), ["last", "within-the-slack", "first"]);
    assert_eq!(found[0].status, Some(CallStatus::InProgress));
    assert_eq!(found[2].status, Some(CallStatus::Busy));
    assert_eq!(found[2].to, Some(call_out().to));
    // From a minute before, because clocks differ; Vonage cannot filter by number.
    assert_eq!(
        bench.http.only().line(),
        "GET https://api.nexmo.com/v1/calls?date_start=2026-02-03T04%3A04%3A10Z&page_size=100"
    );
}

#[tokio::test(start_paused = true)]
async fn pages_are_followed() {
    let full: Vec<_> = (0..100)
        .map(|at| {
            leg(
                &format!("other-{at}"),
                json!({"to": {"type": "phone", "number": "447700900009"}}),
            )
        })
        .collect();
    let bench = bench([
        page(&full, 0, 201),
        page(&full, 100, 201),
        page(&[leg("it", json!({}))], 200, 201),
    ]);
    let found = bench
        .vonage
        .find_placed(&call_out(), at(NOW))
        .await
        .unwrap();
    assert_eq!(ids(&found), ["it"]);
    let indices: Vec<_> = bench
        .http
        .seen()
        .iter()
        .map(|seen| seen.line().split("record_index=").nth(1).map(str::to_owned))
        .collect();
    assert_eq!(indices, [None, Some("100".into()), Some("200".into())]);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_bound_and_nothing_found_is_no_proof_then() {
    let pages = |with_it: bool| {
        (0..10).map(move |at| {
            let calls = if with_it && at == 3 {
                vec![leg("it", json!({}))]
            } else {
                vec![]
            };
            page(&calls, at * 100, 5_000)
        })
    };
    let without = bench(pages(false));
    let error = without
        .vonage
        .find_placed(&call_out(), at(NOW))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Carrier);
    assert!(error.detail().contains("`Vonage::list_calls`"), "{error}");
    assert_eq!(without.http.seen().len(), 10);

    let with = bench(pages(true));
    let found = with.vonage.find_placed(&call_out(), at(NOW)).await.unwrap();
    assert_eq!(ids(&found), ["it"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_an_answer_and_an_error_is_none() {
    let empty = bench([page(&[], 0, 0)]);
    let found = empty
        .vonage
        .find_placed(&call_out(), at(NOW))
        .await
        .unwrap();
    assert!(found.is_empty());

    let failing = bench([page(&[leg("it", json!({}))], 0, 200), says(403, "")]);
    let error = failing
        .vonage
        .find_placed(&call_out(), at(NOW))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_random_number_may_be_any_and_a_socket_is_nobody() {
    let random = VonageCallOptions::new().with_random_from_number();
    let mut call = call_out().with_extension(NAME, random);
    call.from = Party::Withheld;
    let calls = [leg(
        "it",
        json!({"from": {"type": "phone", "number": "447700900009"}}),
    )];
    let by_random = bench([page(&calls, 0, 1)]);
    let found = by_random.vonage.find_placed(&call, at(NOW)).await.unwrap();
    assert_eq!(ids(&found), ["it"]);

    let socket = WebsocketTarget::new("wss://e.com/socket");
    let options = VonageCallOptions::new().with_websocket(socket);
    let mut call = call_out().with_extension(NAME, options);
    call.to = Party::Withheld;
    let calls = [
        leg("a-phone", json!({})),
        leg(
            "it",
            json!({"to": {"type": "websocket", "uri": "wss://e.com/socket"}}),
        ),
    ];
    let of_socket = bench([page(&calls, 0, 2)]);
    let found = of_socket.vonage.find_placed(&call, at(NOW)).await.unwrap();
    assert_eq!(ids(&found), ["it"]);
}
