//! The same over real connections, with the simulated Twilio at the other end: it checks credentials and parameters as
//! Twilio does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{ACCOUNT, TOKEN};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::{
    AccountLabel, Answer, CallKey, CallLinks, CallSnapshot, CallStatus, CarrierCall, ErrorKind,
    Handover, MachineDetection, OsRandom, OutboundCall, Party, Ports, PublicUrl, Recording, Retry,
    Secret, Telephony,
};
use telephony_reqwest::{HttpOptions, ReqwestClient};
use telephony_testkit::{
    EndedBy, Fault, OnDial, Operation, Script, SimulatedCall, SimulatedCarrier, Simulator,
    TwilioAccount,
};
use telephony_twilio::rest::RecordingChange;
use telephony_twilio::{Twilio, TwilioConfig};

const SECOND: Duration = Duration::from_secs(1);

/// Whoever is called answers and listens until the call is ended.
fn pattern() -> SimulatedCall {
    let account = TwilioAccount::new(ACCOUNT, TOKEN).with_calls_per_second(1_000);
    Simulator::twilio(account)
        .speed(20.0)
        .script(Script::new().wait_for_hang_up(600 * SECOND))
}

async fn carrier() -> SimulatedCarrier {
    pattern().serve().await.unwrap()
}

fn twilio(carrier: &SimulatedCarrier, token: &str) -> Twilio {
    let config = TwilioConfig::new(ACCOUNT, Secret::new(token))
        .with_base_url(carrier.base_url())
        .with_calls_per_second(1_000.0);
    let client = ReqwestClient::new(HttpOptions::default()).unwrap();
    let ports = Ports::default().with_http(Arc::new(client));
    Twilio::new(AccountLabel::new("twilio").unwrap(), config, &ports).unwrap()
}

/// Nobody listens to callbacks.
fn links() -> CallLinks {
    let base = PublicUrl::new("http://127.0.0.1:1").unwrap();
    let key = CallKey::random(&OsRandom).unwrap();
    CallLinks::new(base, AccountLabel::new("twilio").unwrap(), key)
}

fn waiting() -> Answer {
    Answer::say("Hello.").then_pause(600 * SECOND)
}

fn call() -> OutboundCall {
    let (customer, ours) = (Party::parse("+14155550199"), Party::parse("+14155550100"));
    OutboundCall::new(customer, ours, waiting())
}

/// Waits until the call has this status, as its carrier tells it.
async fn until(twilio: &Twilio, call: &CarrierCall, status: CallStatus) -> CallSnapshot {
    for _ in 0..1_000 {
        let found = twilio.fetch_call(call).await.unwrap();
        if found.status == Some(status) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call never was {status:?}");
}

#[tokio::test]
async fn placed_fetched_and_hung_up() {
    let carrier = carrier().await;
    let twilio = twilio(&carrier, TOKEN);
    let call = call()
        .with_ring_timeout(30 * SECOND)
        .with_max_duration(3_600 * SECOND)
        .with_machine_detection(MachineDetection::Report)
        .with_parameter("order", "7 & 8");
    let placed = twilio.make_call(&call, &links()).await.unwrap();
    assert_eq!(placed.status, CallStatus::Queued);
    assert_eq!(placed.handover, Handover::Sent);

    let found = until(&twilio, &placed.call, CallStatus::InProgress).await;
    assert_eq!(found.call, placed.call);
    assert_eq!(found.to, Some(Party::parse("+14155550199")));

    twilio.hang_up(&placed.call).await.unwrap();
    let outcome = carrier.outcome(placed.id().as_str()).await.unwrap();
    assert_eq!(outcome.ended_by, EndedBy::App);
    let found = until(&twilio, &placed.call, CallStatus::Completed).await;
    assert!(found.duration.is_some());
    // Again: it is gone, and that is success.
    twilio.hang_up(&placed.call).await.unwrap();

    assert!(
        carrier.complaints().is_empty(),
        "{:#?}",
        carrier.complaints()
    );
    let placings = carrier.requests_for(Operation::PlaceCall);
    assert_eq!(placings.len(), 1);
}

#[tokio::test]
async fn a_call_that_rings_is_ended_too() {
    let carrier = carrier().await;
    carrier.set(|call| {
        call.speed(1.0).on_dial(OnDial::Answer {
            after: 600 * SECOND,
        })
    });
    let twilio = twilio(&carrier, TOKEN);
    let placed = twilio.make_call(&call(), &links()).await.unwrap();
    twilio.hang_up(&placed.call).await.unwrap();
    let outcome = carrier.outcome(placed.id().as_str()).await.unwrap();
    assert!(!outcome.answered);
    assert_ne!(outcome.status, "completed");
}

#[tokio::test]
async fn steered_and_recorded() {
    let carrier = carrier().await;
    let twilio = twilio(&carrier, TOKEN);
    let links = links();
    let placed = twilio.make_call(&call(), &links).await.unwrap();
    let call = placed.call;

    until(&twilio, &call, CallStatus::InProgress).await;
    let recording = twilio.start_recording(&call, &links).await.unwrap();
    for change in [RecordingChange::PauseAndSkip, RecordingChange::Resume] {
        twilio
            .change_recording(&call, &recording, change)
            .await
            .unwrap();
    }
    let keys = telephony_core::Dtmf::new("1w2").unwrap().then(waiting());
    twilio.send_dtmf(&call, &keys, &links).await.unwrap();
    let handover = twilio.transfer(&call, &waiting(), &links).await.unwrap();
    assert_eq!(handover, Handover::Sent);
    twilio.stop_recording(&call, &recording).await.unwrap();
    twilio.stop_recording(&call, &recording).await.unwrap();

    let by_id = Recording::new(Some(recording.as_str().to_owned()), "");
    let audio = twilio.fetch_recording(&by_id).await.unwrap();
    assert_eq!(audio.media_type.as_deref(), Some("audio/x-wav"));
    assert!(audio.audio.starts_with(b"RIFF"));

    twilio.hang_up(&call).await.unwrap();
    let error = twilio.transfer(&call, &waiting(), &links).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Closed);
    assert!(
        carrier.complaints().is_empty(),
        "{:#?}",
        carrier.complaints()
    );
}

#[tokio::test]
async fn after_an_answer_that_was_lost_the_call_is_found_and_not_placed_again() {
    let carrier = carrier().await;
    let twilio = twilio(&carrier, TOKEN);
    carrier.inject(Fault::close_after());
    let since = SystemTime::now();
    let error = twilio.make_call(&call(), &links()).await.unwrap_err();
    assert_eq!(error.retry(), Retry::OutcomeUnknown, "{error}");
    assert!(error.detail().contains("`Calls::find_placed`"), "{error}");
    let found = twilio.find_placed(&call(), since).await.unwrap();
    let ids: Vec<_> = found.iter().map(|call| call.call.id.as_str()).collect();
    assert_eq!(ids, carrier.calls());
    assert_eq!(ids.len(), 1);
    twilio.hang_up(&found[0].call).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_waited_out() {
    let carrier = carrier().await;
    let twilio = twilio(&carrier, TOKEN);
    carrier.inject(Fault::too_many_requests(None).times(2));
    let placed = twilio.make_call(&call(), &links()).await.unwrap();
    assert_eq!(carrier.calls(), [placed.id().as_str()]);
    assert_eq!(carrier.requests_for(Operation::PlaceCall).len(), 3);
}

#[tokio::test]
async fn wrong_credentials_are_a_fault_of_the_configuration() {
    let carrier = carrier().await;
    let twilio = twilio(&carrier, "not the token");
    let error = twilio.make_call(&call(), &links()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.provider_code(), Some("20003"));
    assert!(carrier.calls().is_empty());
}
