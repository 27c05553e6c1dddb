//! Over a real connection, to a simulated Vonage that checks tokens and parameters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::scripted::{PKCS8, call_out, number};
use common::*;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::{
    Answer, CallKey, CallLinks, CallStatus, CarrierCall, Dtmf, ErrorKind, OutboundCall, Ports,
    PublicUrl, Retry, Telephony,
};
use telephony_reqwest::{HttpOptions, ReqwestClient};
use telephony_testkit::{
    EndedBy, Fault, Operation, Script, SimulatedCarrier, Simulator, VonageAccount,
};
use telephony_vonage::{Vonage, VonageConfig};

const PUBLIC: &str = include_str!("keys/public.pem");
const OTHER_APPLICATION: &str = "00000000-0000-0000-0000-000000000001";

/// A carrier whose callee stays on the line.
async fn carrier() -> SimulatedCarrier {
    let account = VonageAccount::new(API_KEY, APPLICATION, SECRET).with_public_key(PUBLIC);
    Simulator::vonage(account)
        .script(Script::new().wait_for_hang_up(Duration::from_secs(60)))
        .serve()
        .await
        .unwrap()
}

fn account(carrier: &SimulatedCarrier, application: &str) -> Vonage {
    let config =
        VonageConfig::new(API_KEY, application, PKCS8, SECRET).with_base_url(carrier.base_url());
    let client = ReqwestClient::new(HttpOptions::default()).unwrap();
    let ports = Ports::default().with_http(Arc::new(client));
    Vonage::new(label(), config, &ports).unwrap()
}

/// Waits for a minute in silence, long enough to be steered. Its events go to nobody.
fn waiting() -> OutboundCall {
    let mut call = call_out();
    call.answer = Answer::default().then_pause(Duration::from_secs(60));
    call
}

fn links() -> CallLinks {
    let base = PublicUrl::new("http://127.0.0.1:1").unwrap();
    let key = CallKey::parse(KEY).unwrap();
    CallLinks::new(base, label(), key)
}

async fn until(vonage: &Vonage, call: &CarrierCall, status: CallStatus) {
    for _ in 0..100 {
        let snapshot = vonage.fetch_call(call).await.unwrap();
        if snapshot.status == Some(status) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the call is not {status:?}");
}

#[tokio::test]
async fn a_call_is_placed_steered_and_ended() {
    let carrier = carrier().await;
    let vonage = account(&carrier, APPLICATION);
    let placed = vonage.make_call(&waiting(), &links()).await.unwrap();
    assert_eq!(placed.status, CallStatus::Initiated);
    assert_eq!(carrier.calls(), [placed.id().as_str()]);
    let call = &placed.call;
    until(&vonage, call, CallStatus::InProgress).await;

    let keys = Dtmf::new("12w#").unwrap();
    vonage.send_dtmf(call, &keys, &links()).await.unwrap();
    vonage.mute(call).await.unwrap();
    vonage.unmute(call).await.unwrap();
    let answer = waiting().answer;
    vonage.transfer(call, &answer, &links()).await.unwrap();

    vonage.hang_up(call).await.unwrap();
    // It is gone, which is as good.
    vonage.hang_up(call).await.unwrap();
    let outcome = carrier.outcome(call.id.as_str()).await.unwrap();
    assert_eq!(outcome.ended_by, EndedBy::App);
    until(&vonage, call, CallStatus::Completed).await;
    let findings = carrier.complaints();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_found() {
    let carrier = carrier().await;
    let vonage = account(&carrier, APPLICATION);
    let since = SystemTime::now();
    for fault in [Fault::close_after(), Fault::garbage()] {
        carrier.inject(fault.on(Operation::PlaceCall));
        let error = vonage.make_call(&waiting(), &links()).await.unwrap_err();
        assert_eq!(error.retry(), Retry::OutcomeUnknown, "{error}");
    }
    // Each once, and both are there.
    assert_eq!(carrier.requests_for(Operation::PlaceCall).len(), 2);
    let found = vonage.find_placed(&waiting(), since).await.unwrap();
    let mut ids: Vec<_> = found.iter().map(|found| found.call.id.as_str()).collect();
    ids.reverse();
    assert_eq!(ids, carrier.calls());
    for found in &found {
        vonage.hang_up(&found.call).await.unwrap();
    }
    let mut another = waiting();
    another.to = number("447700900002");
    let none = vonage.find_placed(&another, since).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_call_that_was_refused_for_now_is_placed_once() {
    let carrier = carrier().await;
    let vonage = account(&carrier, APPLICATION);
    let second = Some(Duration::from_secs(1));
    carrier.inject(Fault::too_many_requests(second).on(Operation::PlaceCall));
    carrier.inject(Fault::too_many_requests(None).on(Operation::PlaceCall));
    let placed = vonage.make_call(&waiting(), &links()).await.unwrap();
    assert_eq!(carrier.requests_for(Operation::PlaceCall).len(), 3);
    assert_eq!(carrier.calls(), [placed.id().as_str()]);
    vonage.hang_up(&placed.call).await.unwrap();
}

#[tokio::test]
async fn faults_have_their_errors() {
    let carrier = carrier().await;
    let vonage = account(&carrier, APPLICATION);
    for (fault, kind, retry) in [
        (Fault::status(400), ErrorKind::InvalidArgument, Retry::Never),
        (
            Fault::status(500),
            ErrorKind::Carrier,
            Retry::OutcomeUnknown,
        ),
        (
            Fault::redirect("http://127.0.0.1:1/v1/calls"),
            ErrorKind::Carrier,
            Retry::Never,
        ),
        (
            Fault::close_before(),
            ErrorKind::Transport,
            Retry::OutcomeUnknown,
        ),
    ] {
        carrier.inject(fault.clone().on(Operation::PlaceCall));
        let error = vonage.make_call(&waiting(), &links()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (kind, retry),
            "{fault:?}: {error}"
        );
    }
    assert!(carrier.calls().is_empty());
}

#[tokio::test]
async fn a_stranger_is_not_let_in() {
    let carrier = carrier().await;
    let vonage = account(&carrier, OTHER_APPLICATION);
    let error = vonage.make_call(&waiting(), &links()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.provider_code(), Some("UNAUTHORIZED"));
    assert_eq!(carrier.requests().len(), 1);
}
