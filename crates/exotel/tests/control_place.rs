//! Placing calls: what goes out, when it goes out again, and what is told if it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::http_client::{
    Replies, Scripted, account, account_of, not_connected, ok, reset, status, timed_out, too_large,
    with_header,
};
use common::rest::{BASIC, SECOND, SID, call, wire};
use common::{assert_kind, config, links};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{
    Answer, CallStatus, Error, ErrorKind, Handover, MachineDetection, OutboundCall, PlacedCall,
    Result, Retry, StatusEvents, Stream, Telephony,
};
use telephony_exotel::{ExotelCallOptions, NAME};

const HEAD: &str = "POST https://api.exotel.com/v1/Accounts/example1/Calls/connect.json\n";
const CALLBACK: &str = "CustomField=call-key-call-key-call\
    &StatusCallback=https%3A%2F%2Fvoice.example.com%2Fexotel%2Fstatus%2Fcall-key-call-key-call%3Fkey%3Dfirst-webhook-secret";

fn taken() -> Result<http::Response<bytes::Bytes>> {
    ok(&format!(
        r#"{{"Call":{{"Sid":"{SID}","Status":"in-progress"}}}}"#
    ))
}

async fn place(call: &OutboundCall, replies: Replies) -> (Result<PlacedCall>, Arc<Scripted>) {
    let (http, exotel) = account(replies);
    let placed = Telephony::make_call(&exotel, call, &links()).await;
    (placed, http)
}

async fn fail(replies: Replies) -> (Error, Arc<Scripted>) {
    let (placed, http) = place(&call(Answer::stream()), replies).await;
    (placed.unwrap_err(), http)
}

fn into_flow(answer: Answer) -> OutboundCall {
    call(answer).with_extension(NAME, ExotelCallOptions::new().with_flow("926"))
}

#[tokio::test]
async fn each_way_is_one_request() {
    let headers = format!(
        "authorization: {BASIC}\naccept: application/json\ncontent-type: application/x-www-form-urlencoded\n"
    );
    let stream_url = "wss%3A%2F%2Fvoice.example.com%2Fexotel%2Fmedia%2Fmedia-token-media-token%3Fcall_key%3Dcall-key-call-key-call";
    let (two, three) = (
        "&StatusCallbackEvents%5B%5D=terminal&StatusCallbackEvents%5B%5D=answered",
        "&StatusCallbackEvents%5B%5D=terminal&StatusCallbackEvents%5B%5D=answered&StatusCallbackEvents%5B%5D=ringing",
    );
    let json = "&StatusCallbackContentType=application%2Fjson";
    for (call, body) in [
        (
            call(Answer::stream()),
            format!(
                "From=%2B919876501234&CallerId=08033334444&StreamUrl={stream_url}&StreamType=bidirectional&Record=false&{CALLBACK}{three}"
            ),
        ),
        (
            call(Answer::dial(SECOND))
                .with_recording()
                .with_ring_timeout(Duration::from_secs(25)),
            format!(
                "From=%2B919876501234&To=%2B917200498000&CallerId=08033334444&CallType=trans&TimeOut=25&Record=true&{CALLBACK}{two}{json}"
            ),
        ),
        (
            into_flow(Answer::redirect()).with_max_duration(Duration::from_secs(600)),
            format!(
                "From=%2B919876501234&CallerId=08033334444&Url=http%3A%2F%2Fmy.exotel.com%2Fexample1%2Fexoml%2Fstart_voice%2F926&CallType=trans&TimeLimit=600&Record=false&{CALLBACK}{two}{json}"
            ),
        ),
    ] {
        let (placed, http) = place(&call, vec![taken()]).await;
        let placed = placed.unwrap();
        assert_eq!(
            (placed.id().as_str(), placed.status),
            (SID, CallStatus::Initiated)
        );
        assert_eq!(placed.key, *links().call_key());
        assert_eq!(wire(&http.only()), format!("{HEAD}{headers}{body}"));
    }
}

#[tokio::test]
async fn who_places_a_call_knows_how_exotel_learns_what_it_is_to_do() {
    for (call, handover, home) in [
        (call(Answer::stream()), Handover::Sent, Some("no-flow")),
        (call(Answer::dial(SECOND)), Handover::Sent, Some("no-flow")),
        (into_flow(Answer::stream()), Handover::Asks, None),
        // Nothing is to be kept for it: the app is asked.
        (into_flow(Answer::redirect()), Handover::Sent, None),
    ] {
        let (placed, _) = place(&call, vec![taken()]).await;
        let placed = placed.unwrap();
        assert_eq!(
            (placed.handover, placed.call.home.as_deref()),
            (handover, home)
        );
    }
}

#[tokio::test]
async fn only_the_end_is_reported_if_that_is_wanted() {
    for call in [
        call(Answer::stream()),
        call(Answer::dial(SECOND)),
        into_flow(Answer::redirect()),
    ] {
        let (_, http) = place(&call.with_status_events(StatusEvents::End), vec![taken()]).await;
        let request = http.only();
        let body = std::str::from_utf8(request.body()).unwrap();
        let events: Vec<_> = body
            .split('&')
            .filter(|pair| pair.contains("Events"))
            .collect();
        assert_eq!(events, ["StatusCallbackEvents%5B%5D=terminal"]);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_before_anything_is_sent() {
    let stream_named = ExotelCallOptions::new().with_stream_name("bot");
    let to_two = call(Answer::dial(SECOND));
    for (call, kind, says) in [
        (
            call(Answer::say("Hello.")),
            ErrorKind::Unsupported,
            "with_flow",
        ),
        (
            call(Answer::stream()).with_machine_detection(MachineDetection::Wait),
            ErrorKind::Unsupported,
            "machine",
        ),
        (
            call(Answer::stream()).with_ring_timeout(Duration::from_secs(9)),
            ErrorKind::Unsupported,
            "rings",
        ),
        (
            call(Stream::new().with_parameter("a b", "c").into()),
            ErrorKind::InvalidArgument,
            "stream parameters",
        ),
        // Options of Exotel's own that do not go with the call.
        (
            to_two.clone().with_extension(NAME, stream_named),
            ErrorKind::InvalidArgument,
            "stream name",
        ),
        (
            into_flow(Answer::say("Hello.")),
            ErrorKind::Unsupported,
            "its applets",
        ),
    ] {
        let (placed, http) = place(&call, vec![]).await;
        assert_kind(placed, kind, says);
        assert!(http.seen().is_empty());
    }
    let foreign = to_two.with_extension("twilio", ExotelCallOptions::new().with_stream_name("bot"));
    let (placed, http) = place(&foreign, vec![taken()]).await;
    placed.unwrap();
    http.only();
}

#[tokio::test(start_paused = true)]
async fn what_exotel_did_not_process_is_sent_again() {
    let busy = || {
        status(
            429,
            r#"{"RestException":{"Status":429,"Message":"Slow down."}}"#,
        )
    };
    for (first, at_least) in [
        (busy(), Duration::from_millis(300)), // The limit's own pace.
        (
            with_header(busy(), "retry-after", "7"),
            Duration::from_secs(7),
        ),
        (not_connected(), Duration::from_millis(300)),
    ] {
        let (placed, http) = place(&call(Answer::stream()), vec![first, taken()]).await;
        placed.unwrap();
        let requests: Vec<_> = http.seen().iter().map(wire).collect();
        assert_eq!(requests[0], requests[1]);
        assert!(http.times()[1] >= at_least, "{:?}", http.times());
    }
    let (error, http) = fail(vec![busy(), busy(), busy(), busy(), taken()]).await;
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::RateLimited, Retry::Safe)
    );
    assert_eq!((http.seen().len(), http.left()), (4, 1));
    // Nobody waits for so long inside of a call.
    let (error, http) = fail(vec![with_header(busy(), "retry-after", "700")]).await;
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(700)));
    http.only();
}

#[tokio::test(start_paused = true)]
async fn what_exotel_may_have_processed_is_never_sent_again() {
    for reply in [
        reset(),
        timed_out(),
        too_large(),
        status(500, ""),
        status(502, "<html><center>nginx</center></html>"),
        with_header(status(503, ""), "retry-after", "1"),
        status(
            504,
            r#"{"RestException":{"Status":504,"Message":"Later."}}"#,
        ),
        status(408, ""),
        with_header(status(307, ""), "location", "https://evil.example/"),
        ok("garbage"),
        ok("{}"),
        ok(r#"{"RestException":{"Status":500,"Message":"No."}}"#),
    ] {
        let shown = format!("{reply:?}");
        let (error, http) = fail(vec![reply, taken()]).await;
        assert_eq!(error.retry(), Retry::OutcomeUnknown, "{shown}");
        let text = error.to_string();
        assert!(text.starts_with("exotel: place call: "), "{text}");
        assert!(
            text.contains("nobody knows whether the call was placed"),
            "{text}"
        );
        assert!(text.contains("`Calls::find_placed`"), "{text}");
        assert_eq!((http.seen().len(), http.left()), (1, 1), "{shown}");
    }
}

#[tokio::test]
async fn what_exotel_says_of_a_failure_is_kept() {
    let body = r#"{"RestException":{"Status":500,"Message":"No.","Code":"1012"}}"#;
    let reply = with_header(status(500, body), "x-request-id", "9107ba6bdfc5");
    let (error, _) = fail(vec![reply]).await;
    assert_eq!(
        (
            error.http_status(),
            error.provider_code(),
            error.request_id()
        ),
        (Some(500), Some("1012"), Some("9107ba6bdfc5"))
    );
    let (error, _) = fail(vec![too_large()]).await;
    assert_eq!(
        (error.kind(), error.http_status()),
        (ErrorKind::Carrier, Some(200))
    );
    let (error, _) = fail(vec![timed_out()]).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn what_exotel_refuses_is_not_placed() {
    for (code, kind, says) in [
        (400, ErrorKind::InvalidArgument, "check the numbers"),
        (401, ErrorKind::Configuration, "`api_token`"),
        (402, ErrorKind::Refused, "top it up"),
        (403, ErrorKind::Refused, "enabled by Exotel"),
        (404, ErrorKind::NotFound, "`base_url`"),
    ] {
        let (error, http) = fail(vec![status(code, "")]).await;
        assert_eq!(error.retry(), Retry::Never);
        assert!(!error.to_string().contains("nobody knows"), "{error}");
        assert_kind(Err::<(), _>(error), kind, says);
        http.only();
    }
}

#[tokio::test]
async fn without_an_http_client_the_error_says_so() {
    let exotel = common::exotel();
    let placed = exotel.make_call(&call(Answer::stream()), &links()).await;
    assert_eq!(placed.as_ref().unwrap_err().retry(), Retry::Never);
    assert_kind(placed, ErrorKind::Configuration, "without an HTTP client");
}

#[tokio::test]
async fn the_configured_host_is_asked() {
    let local = config().with_base_url("http://127.0.0.1:8080");
    let (http, exotel) = account_of(local, vec![taken()]);
    exotel
        .make_call(&call(Answer::stream()), &links())
        .await
        .unwrap();
    assert_eq!(
        http.only().uri(),
        "http://127.0.0.1:8080/v1/Accounts/example1/Calls/connect.json"
    );
}
