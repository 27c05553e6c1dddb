//! Over real connections, to a simulated Exotel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{SECOND, call};
use common::{assert_kind, config, label, links};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::{
    Answer, CallStatus, ErrorKind, OutboundCall, Ports, Recording, Result, Retry, Telephony,
};
use telephony_exotel::Exotel;
use telephony_reqwest::{HttpOptions, ReqwestClient};
use telephony_testkit::{
    DialResult, ExotelAccount, Fault, OnDial, Operation, SimulatedCarrier, Simulator,
};

async fn carrier() -> SimulatedCarrier {
    let account = ExotelAccount::new("example1").with_api_key("rest-api-key", "rest-api-token");
    Simulator::exotel(account)
        .speed(20.0)
        .dial_result(DialResult::Completed(Duration::from_secs(2)))
        .serve()
        .await
        .unwrap()
}

fn exotel(carrier: &SimulatedCarrier) -> Exotel {
    let client = ReqwestClient::new(HttpOptions::default()).unwrap();
    let ports = Ports::default().with_http(Arc::new(client));
    Exotel::new(label(), config().with_base_url(carrier.base_url()), &ports).unwrap()
}

/// Nobody listens to the callbacks of this call.
fn two_numbers() -> OutboundCall {
    call(Answer::dial(SECOND)).with_recording()
}

#[tokio::test]
async fn a_call_is_placed_looked_at_found_and_its_recording_fetched() {
    let carrier = carrier().await;
    let exotel = exotel(&carrier);
    let (call, since) = (two_numbers(), SystemTime::now());
    let placed = exotel.make_call(&call, &links()).await.unwrap();
    assert_eq!(placed.status, CallStatus::Initiated);
    let live = exotel.fetch_call(&placed.call).await.unwrap();
    assert!(live.status.is_some());
    assert_eq!(live.call, placed.call);

    // Nothing hangs it up but its people.
    assert_kind(
        exotel.hang_up(&placed.call).await,
        ErrorKind::Unsupported,
        "no such operation",
    );
    let outcome = carrier.outcome(placed.id().as_str()).await.unwrap();
    assert_eq!(outcome.status, "completed");
    let over = exotel.fetch_call(&placed.call).await.unwrap();
    assert_eq!(over.status, Some(CallStatus::Completed));
    assert!(over.duration.is_some() && over.began.is_some());
    assert_eq!(over.to.as_ref().unwrap().e164(), call.to.e164());

    let found = exotel.find_placed(&call, since).await.unwrap();
    let ids: Vec<_> = found.iter().map(|snapshot| &snapshot.call).collect();
    assert_eq!(ids, [&placed.call]);

    let said: serde_json::Value = serde_json::from_slice(&over.raw).unwrap();
    let url = said["RecordingUrl"].as_str().unwrap().to_owned();
    let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
    let recording = Recording::new(None, url.replace(&host, carrier.base_url()));
    let audio = exotel.fetch_recording(&recording).await.unwrap();
    assert_eq!(audio.media_type.as_deref(), Some("audio/mpeg"));
    assert!(!audio.audio.is_empty());
    assert_eq!(
        exotel.fetch_active_streams().await.unwrap().limit,
        Some(100)
    );
    let complaints = carrier.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[tokio::test]
async fn a_call_of_unknown_outcome_is_there_once_and_can_be_found() {
    for fault in [Fault::close_after(), Fault::garbage()] {
        let carrier = carrier().await;
        let exotel = exotel(&carrier);
        carrier.set(|call| call.on_dial(OnDial::Busy));
        carrier.inject(fault.on(Operation::PlaceCall));
        let (call, since) = (two_numbers(), SystemTime::now());
        let error = exotel.make_call(&call, &links()).await.unwrap_err();
        assert_eq!(error.retry(), Retry::OutcomeUnknown);
        assert!(
            error.to_string().contains("`Calls::find_placed`"),
            "{error}"
        );
        let [id] = &carrier.calls()[..] else {
            panic!("not one call: {:?}", carrier.calls());
        };
        carrier.outcome(id).await.unwrap();
        let found = exotel.find_placed(&call, since).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].call.id.as_str(), id);
        assert_eq!(found[0].status, Some(CallStatus::Busy));
    }
}

#[tokio::test]
async fn faults_before_the_call_leave_none() {
    let carrier = carrier().await;
    let exotel = exotel(&carrier);
    let place =
        async || -> Result<()> { exotel.make_call(&two_numbers(), &links()).await.map(drop) };
    carrier.inject(Fault::status(403));
    assert_kind(place().await, ErrorKind::Refused, "do-not-call register");
    carrier.inject(Fault::status(401));
    assert_kind(place().await, ErrorKind::Configuration, "`api_token`");
    carrier.inject(Fault::redirect("https://evil.example/"));
    assert_kind(place().await, ErrorKind::Carrier, "not followed");
    carrier.inject(Fault::close_before());
    assert_kind(place().await, ErrorKind::Transport, "nobody knows");
    assert!(carrier.calls().is_empty());
    assert_eq!(carrier.requests().len(), 4);

    carrier.inject(Fault::too_many_requests(Some(Duration::from_secs(1))));
    place().await.unwrap();
    assert_eq!((carrier.calls().len(), carrier.requests().len()), (1, 6));
}
