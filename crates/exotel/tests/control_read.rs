//! Looking at calls, streams and recordings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::assert_kind;
use common::http_client::{
    Replies, Scripted, account, ok, reset, status, timed_out, too_large, with_header,
};
use common::rest::{BASIC, SECOND, SID, call, noon, signed_get, wire};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{
    Answer, CallId, CallSnapshot, CallStatus, CarrierCall, Direction, Error, ErrorKind,
    OutboundCall, Party, Recording, RecordingAudio, Result, Retry, Telephony,
};
use telephony_exotel::{ExotelCallOptions, NAME};

const CALLS: &str = "https://api.exotel.com/v1/Accounts/example1/Calls";

fn carrier_call(home: Option<&str>) -> CarrierCall {
    CarrierCall::new(CallId::new(SID).unwrap()).at(home.map(str::to_owned))
}

async fn fetch(replies: Replies) -> (Result<CallSnapshot>, Arc<Scripted>) {
    let (http, exotel) = account(replies);
    (exotel.fetch_call(&carrier_call(None)).await, http)
}

fn number(party: &Option<Party>) -> Option<&str> {
    party.as_ref().and_then(Party::e164)
}

#[tokio::test]
async fn a_call_that_was_placed() {
    let body = format!(
        r#"{{"Call":{{"Sid":"{SID}","Status":"completed","Direction":"outbound-api","From":"09876501234","To":"07200498000",
        "PhoneNumberSid":"08033334444","DateCreated":"2026-01-01 17:30:00","Duration":"17"}}}}"#
    );
    let (http, exotel) = account(vec![ok(&body)]);
    let snapshot = exotel
        .fetch_call(&carrier_call(Some("no-flow")))
        .await
        .unwrap();
    let request = wire(&http.only());
    assert_eq!(
        request,
        signed_get(&format!("{CALLS}/{SID}.json?details=true"))
    );
    assert_eq!(snapshot.call, carrier_call(Some("no-flow")));
    assert_eq!(snapshot.status, Some(CallStatus::Completed));
    assert_eq!(snapshot.direction, Some(Direction::Outbound));
    // `From` is whom Exotel dialled.
    assert_eq!(number(&snapshot.to), Some("+919876501234"));
    assert_eq!(number(&snapshot.from), Some("+918033334444"));
    assert_eq!(snapshot.began, Some(noon()));
    assert_eq!(snapshot.duration, Some(Duration::from_secs(17)));
    assert!(snapshot.raw.starts_with(b"{"));
}

#[tokio::test]
async fn a_call_that_came_in_and_one_that_is_still_up() {
    let body = r#"{"Call":{"Sid":"a","Status":"in-progress","Direction":"inbound","From":"09876501234","To":"08033334444","Duration":"3"}}"#;
    let snapshot = fetch(vec![ok(body)]).await.0.unwrap();
    assert_eq!(snapshot.status, Some(CallStatus::InProgress));
    assert_eq!(number(&snapshot.from), Some("+919876501234"));
    assert_eq!(number(&snapshot.to), Some("+918033334444"));
    assert_eq!((snapshot.duration, snapshot.began), (None, None));

    let body =
        r#"{"Call":{"Sid":"a","Status":"in-progress","From":"09876501234","DateCreated":"soon"}}"#;
    let snapshot = fetch(vec![ok(body)]).await.0.unwrap();
    assert_eq!(snapshot.status, Some(CallStatus::Initiated));
    assert_eq!(
        (snapshot.from, snapshot.to, snapshot.began),
        (None, None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_asked_again_within_a_bound() {
    let found = || ok(r#"{"Call":{"Sid":"a","Status":"completed"}}"#);
    for first in [
        reset(),
        timed_out(),
        status(429, ""),
        status(500, ""),
        status(503, "<html>"),
        ok("garbage"),
    ] {
        let (snapshot, http) = fetch(vec![first, found()]).await;
        snapshot.unwrap();
        assert_eq!(http.seen().len(), 2);
    }
    let later = with_header(status(503, ""), "retry-after", "9");
    let (_, http) = fetch(vec![later, found()]).await;
    assert!(
        http.times()[1] >= Duration::from_secs(9),
        "{:?}",
        http.times()
    );

    let (snapshot, http) = fetch((0..5).map(|_| reset()).collect()).await;
    assert_kind(snapshot, ErrorKind::Transport, "the connection broke");
    assert_eq!((http.seen().len(), http.left()), (4, 1));
    for (first, kind) in [
        (status(404, ""), ErrorKind::NotFound),
        (status(401, ""), ErrorKind::Configuration),
        (
            with_header(status(302, ""), "location", "https://evil.example/"),
            ErrorKind::Carrier,
        ),
        (too_large(), ErrorKind::Carrier),
    ] {
        let (snapshot, http) = fetch(vec![first]).await;
        assert_kind(snapshot, kind, "fetch call");
        http.only();
    }
}

async fn find(call: &OutboundCall, replies: Replies) -> (Result<Vec<CallSnapshot>>, Arc<Scripted>) {
    let (http, exotel) = account(replies);
    let since = noon() - Duration::from_secs(60);
    (exotel.find_placed(call, since).await, http)
}

fn ids(found: &[CallSnapshot]) -> Vec<&str> {
    found
        .iter()
        .map(|snapshot| snapshot.call.id.as_str())
        .collect()
}

fn list(calls: &[String], next: &str) -> Result<http::Response<bytes::Bytes>> {
    ok(&format!(
        r#"{{"Metadata":{{"NextPageUri":{next}}},"Calls":[{}]}}"#,
        calls.join(",")
    ))
}

fn listed(id: &str, created: &str, more: &str) -> String {
    format!(
        r#"{{"Sid":"{id}","Status":"completed","Direction":"outbound-api","From":"09876501234","PhoneNumberSid":"08033334444","DateCreated":"{created}"{more}}}"#
    )
}

#[tokio::test]
async fn what_may_be_the_call_is_found_oldest_first() {
    let first = list(
        &[
            listed("third", "2026-01-01 17:29:59", ""),
            listed("second", "2026-01-01 17:29:40", ""),
            r#"{"Sid":"in","Direction":"inbound","From":"09876501234"}"#.to_owned(),
            r#"{"Sid":"other","Direction":"outbound-api","From":"07200498000"}"#.to_owned(),
        ],
        r#""/v1/Accounts/example1/Calls.json?After=second&PageSize=100""#,
    );
    let second = list(
        &[
            listed("untimed", "", ""),
            listed("first", "2026-01-01 17:29:40", ""),
        ],
        "null",
    );
    let (found, http) = find(&call(Answer::stream()), vec![first, second]).await;
    let found = found.unwrap();
    assert_eq!(ids(&found), ["first", "second", "third", "untimed"]);
    assert_eq!(found[0].call.home.as_deref(), Some("no-flow"));
    assert_eq!(number(&found[0].to), Some("+919876501234"));
    let requests: Vec<_> = http.seen().iter().map(wire).collect();
    assert_eq!(
        requests,
        [
            signed_get(&format!(
                "{CALLS}.json?DateCreated=gte%3A2026-01-01%2017%3A28%3A00%3Blte%3A2026-01-01%2017%3A31%3A00\
                 &From=%2B919876501234&Direction=outbound-api&PageSize=100"
            )),
            signed_get(&format!("{CALLS}.json?After=second&PageSize=100")),
        ]
    );
}

#[tokio::test]
async fn a_call_to_two_numbers_has_the_same_second_one() {
    let calls = [
        listed("same", "2026-01-01 17:29:59", r#","To":"07200498000""#),
        listed("another", "2026-01-01 17:29:59", r#","To":"01140001234""#),
        listed("unsaid", "2026-01-01 17:29:59", ""),
    ];
    let (found, _) = find(&call(Answer::dial(SECOND)), vec![list(&calls, "null")]).await;
    assert_eq!(ids(&found.unwrap()), ["unsaid", "same"]);
    let in_flow =
        call(Answer::redirect()).with_extension(NAME, ExotelCallOptions::new().with_flow("926"));
    let (found, _) = find(&in_flow, vec![list(&calls, "null")]).await;
    let found = found.unwrap();
    assert_eq!(ids(&found).len(), 3);
    assert_eq!(found[0].call.home, None);
}

#[tokio::test(start_paused = true)]
async fn a_search_is_bounded_and_asked_again() {
    let next = r#""/v1/Accounts/example1/Calls.json?After=x""#;
    let pages = |calls: &[String]| (0..11).map(|_| list(calls, next)).collect::<Vec<_>>();
    let (found, http) = find(&call(Answer::stream()), pages(&[])).await;
    assert_kind(found, ErrorKind::InvalidArgument, "there are more");
    assert_eq!((http.seen().len(), http.left()), (10, 1));
    let one = [listed("a", "2026-01-01 17:29:59", "")];
    let (found, _) = find(&call(Answer::stream()), pages(&one)).await;
    assert_eq!(found.unwrap().len(), 10);

    let (found, http) = find(&call(Answer::stream()), vec![reset(), list(&one, "null")]).await;
    assert_eq!((found.unwrap().len(), http.seen().len()), (1, 2));
    let (found, _) = find(&call(Answer::stream()), vec![list(&[], "null")]).await;
    assert_eq!(ids(&found.unwrap()), [""; 0]);
    let foreign = list(&[], r#""https://evil.example/Calls.json?After=x""#);
    let (found, http) = find(&call(Answer::stream()), vec![foreign]).await;
    assert_kind(found, ErrorKind::Carrier, "not where the calls");
    http.only();
}

#[tokio::test]
async fn nothing_is_looked_for_in_more_than_a_month() {
    let (http, exotel) = account(vec![]);
    for since in [
        noon() - Duration::from_secs(32 * 86_400),
        noon() + Duration::from_secs(3_600),
    ] {
        let found = exotel.find_placed(&call(Answer::stream()), since).await;
        assert_kind(found, ErrorKind::InvalidArgument, "a month");
    }
    assert!(http.seen().is_empty());
}

async fn recording(url: &str, replies: Replies) -> (Result<RecordingAudio>, Arc<Scripted>) {
    let (http, exotel) = account(replies);
    (
        exotel.fetch_recording(&Recording::new(None, url)).await,
        http,
    )
}

const AT_EXOTEL: &str = "https://recordings.exotel.com/exotelrecordings/example1/a.mp3";

#[tokio::test(start_paused = true)]
async fn a_recording_is_fetched_from_exotels_hosts_only() {
    let mp3 = || with_header(ok("ID3"), "content-type", "audio/mpeg");
    let (audio, http) = recording(AT_EXOTEL, vec![status(503, ""), mp3()]).await;
    assert_eq!(
        audio.unwrap(),
        RecordingAudio::new(Some("audio/mpeg".into()), "ID3".into())
    );
    let wanted = format!("GET {AT_EXOTEL}\nauthorization: {BASIC}\n");
    assert_eq!(
        http.seen().iter().map(wire).collect::<Vec<_>>(),
        [wanted.as_str(), &wanted]
    );

    let store = "https://s3-ap-southeast-1.amazonaws.com/exotelrecordings/example1/a.mp3";
    let (audio, http) = recording(store, vec![ok("ID3")]).await;
    assert_eq!(audio.unwrap().media_type, None);
    assert_eq!(wire(&http.only()), format!("GET {store}\n"));

    for (url, kind) in [
        ("https://evil.example/a.mp3", ErrorKind::InvalidArgument),
        (
            "http://recordings.exotel.com/a.mp3",
            ErrorKind::InvalidArgument,
        ),
        ("", ErrorKind::NotFound),
    ] {
        let (audio, http) = recording(url, vec![]).await;
        assert_kind(audio, kind, "fetch recording");
        assert!(http.seen().is_empty());
    }
}

#[tokio::test]
async fn what_is_not_there_yet_is_the_callers_to_wait_for() {
    for reply in [
        status(404, ""),
        ok(""),
        status(404, "<Error><Code>NoSuchKey</Code></Error>"),
    ] {
        let (audio, http) = recording(AT_EXOTEL, vec![reply]).await;
        let error: Error = audio.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::NotFound, Retry::Safe)
        );
        assert!(
            error.to_string().contains("minutes after the end"),
            "{error}"
        );
        http.only();
    }
    let away = with_header(status(302, ""), "location", "https://evil.example/");
    let (audio, http) = recording(AT_EXOTEL, vec![away]).await;
    assert_kind(audio, ErrorKind::Carrier, "not followed");
    http.only();
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_the_account_are_counted() {
    let xml = "<TwilioResponse><Stream><ActiveStreamCount>3</ActiveStreamCount><ThrottleLimit>100</ThrottleLimit></Stream></TwilioResponse>";
    let (http, exotel) = account(vec![status(502, ""), ok(xml)]);
    // As an app reaches it that knows a carrier only.
    let carrier: &dyn Telephony = &exotel;
    let exotel: &telephony_exotel::Exotel = carrier.downcast_ref().unwrap();
    let streams = exotel.fetch_active_streams().await.unwrap();
    assert_eq!((streams.active, streams.limit), (3, Some(100)));
    let wanted = signed_get("https://api.exotel.com/v1/Accounts/example1/ActiveStreams");
    assert_eq!(
        http.seen().iter().map(wire).collect::<Vec<_>>(),
        [wanted.as_str(), &wanted]
    );
}
