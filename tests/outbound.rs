//! Calls that we place, through the real client, the real server and real sockets, on every carrier; and what may go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, SystemTime};
use support::rest::{House, SOON, Seen, history, listen};
use telephony::reqwest::HttpOptions;
use telephony::{
    Answer, CallEventKind, CallStatus, Direction, EndReason, ErrorKind, MachineDetection,
    OutboundCall, Provider, Retry, metadata,
};
use telephony_testkit::{EndedBy, Fault, OnDial, Operation, Script, SimulatedCall, Speech};

const RINGING: Duration = Duration::from_millis(200);

/// Somebody answers, says something and hangs up.
fn answered(call: SimulatedCall) -> SimulatedCall {
    call.on_dial(OnDial::Answer { after: RINGING }).script(
        Script::new()
            .speak(Speech::tone(440.0, Duration::from_millis(400)))
            .silence(Duration::from_millis(200))
            .hang_up(),
    )
}

#[tokio::test]
async fn a_call_is_placed_answered_streamed_and_over() {
    for provider in Provider::ALL {
        let house = House::start(provider, answered).await;
        let call = house.outbound(Answer::stream());
        let (to, from) = (call.to.clone(), call.from.clone());
        let placed = house.calls.place(&house.label, call).await.unwrap();
        // Taken is not answered, whatever the carrier's word.
        let taken = [CallStatus::Queued, CallStatus::Initiated];
        assert!(taken.contains(&placed.status), "{provider}: {placed:?}");
        assert_eq!(placed.report.get(metadata::TO_PHONE), Some(to.address()));
        let outcome = house.outcome(0).await;
        house.assert_no_complaints(&outcome);
        assert_eq!(outcome.ended_by, EndedBy::Callee, "{provider}");
        assert_eq!(placed.id().as_str(), outcome.call_id, "{provider}");
        assert!(outcome.stream().unwrap().to_app.frames > 2, "{provider}");

        let record = house.finished(&placed.key).await;
        assert_eq!(record.direction, Direction::Outbound);
        assert_eq!((&record.from, &record.to), (&from, &to), "{provider}");
        let history = history(&record);
        assert!(
            history.contains(&CallStatus::InProgress),
            "{provider}: {history:?}"
        );
        assert_eq!(record.status, CallStatus::Completed, "{provider}");
        let streams = house.seen();
        let is_ours = |seen: &Seen| matches!(seen, Seen::Stream(key) if *key == placed.key);
        assert_eq!(streams.iter().filter(|seen| is_ours(seen)).count(), 1);
        assert_eq!(house.carrier.requests_for(Operation::PlaceCall).len(), 1);
    }
}

#[tokio::test]
async fn nobody_answers_in_four_ways() {
    let ways = [
        (OnDial::Busy, CallStatus::Busy),
        (OnDial::NoAnswer, CallStatus::NoAnswer),
        (OnDial::Failed, CallStatus::Failed),
    ];
    for provider in Provider::ALL {
        for (on_dial, status) in ways {
            let house = House::start(provider, |call| call.on_dial(on_dial).speed(20.0)).await;
            let mut call = house.outbound(Answer::stream());
            if provider != Provider::Exotel {
                call = call.with_ring_timeout(Duration::from_secs(5));
            }
            let placed = house.calls.place(&house.label, call).await.unwrap();
            let record = house.finished(&placed.key).await;
            assert_eq!(record.status, status, "{provider}");
            assert_eq!(record.ended, Some(EndReason::CallEnded(status)));
            assert!(!history(&record).contains(&CallStatus::InProgress));
            house.assert_no_complaints(&house.outcome(0).await);
        }
    }
}

#[tokio::test]
async fn a_machine_is_told_apart_where_the_carrier_can() {
    for provider in [Provider::Twilio, Provider::Vonage, Provider::Plivo] {
        let machine = |call: SimulatedCall| {
            let script = Script::new()
                .speak(Speech::tone(300.0, Duration::from_millis(600)))
                .wait_for_hang_up(SOON);
            let after = RINGING;
            call.on_dial(OnDial::Machine { after }).script(script)
        };
        let house = House::start(provider, machine).await;
        let call = house.outbound(Answer::stream());
        let call = call.with_machine_detection(MachineDetection::Report);
        let placed = house.calls.place(&house.label, call).await.unwrap();
        let mut detected = false;
        let began = std::time::Instant::now();
        while !detected && began.elapsed() < SOON {
            tokio::time::sleep(Duration::from_millis(20)).await;
            detected = house.seen().iter().any(|seen| {
                matches!(seen, Seen::Event(Some(key), event)
                    if *key == placed.key && matches!(event.kind, CallEventKind::MachineDetected(_)))
            });
        }
        assert!(detected, "{provider}");
        house.calls.hang_up(&placed.key).await.unwrap();
        house.outcome(0).await;
    }
    let house = House::start(Provider::Exotel, answered).await;
    let call = house.outbound(Answer::stream());
    let call = call.with_machine_detection(MachineDetection::Report);
    let failed = house.calls.place(&house.label, call).await.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::Unsupported);
    assert!(house.carrier.requests().is_empty());
}

#[tokio::test]
async fn a_callback_may_overtake_the_response() {
    for provider in Provider::ALL {
        let house = House::start(provider, answered).await;
        let fault = Fault::after_first_callback().on(Operation::PlaceCall);
        house.carrier.inject(fault);
        let call = house.outbound(Answer::stream());
        let placed = house.calls.place(&house.label, call).await.unwrap();
        let outcome = house.outcome(0).await;
        house.assert_no_complaints(&outcome);
        let record = house.finished(&placed.key).await;
        assert_eq!(record.status, CallStatus::Completed, "{provider}");
        assert_eq!(record.call_id.as_ref(), Some(placed.id()));
    }
}

#[tokio::test]
async fn a_dropped_future_leaves_no_orphan() {
    for provider in Provider::ALL {
        let house = House::start(provider, answered).await;
        house
            .carrier
            .inject(Fault::slow(Duration::from_millis(300)).on(Operation::PlaceCall));
        let call = house.outbound(Answer::stream());
        let place = house.calls.place(&house.label, call);
        let given_up = tokio::time::timeout(Duration::from_millis(100), place).await;
        assert!(given_up.is_err(), "{provider}: it was not slow");
        let outcome = house.outcome(0).await;
        house.assert_no_complaints(&outcome);
        let id = telephony::CallId::new(&outcome.call_id).unwrap();
        let found = house.calls.store().find_by_id(&house.label, &id).await;
        let key = found.unwrap().expect("an orphan").key;
        assert_eq!(house.finished(&key).await.status, CallStatus::Completed);
    }
}

/// What came of placing one call while the carrier has that fault.
async fn place_with(
    provider: Provider,
    fault: Fault,
) -> (House, Result<(), telephony::FailedCall>) {
    let mut http = HttpOptions::default();
    http.total_timeout = Duration::from_millis(800);
    let house = House::with(provider, listen, http, |url| {
        answered(house::simulated::call(provider, url))
    })
    .await;
    house.carrier.inject(fault.on(Operation::PlaceCall));
    let call = house.outbound(Answer::stream());
    let result = house.calls.place(&house.label, call).await.map(drop);
    (house, result)
}

/// The carrier took the call, and its answer was lost: the call lives, and callbacks find it.
#[tokio::test]
async fn after_a_lost_answer_the_call_is_not_placed_again_and_can_be_found() {
    type Loses = fn() -> Fault;
    let lost: [(&str, Loses); 3] = [
        ("timeout", || Fault::slow(Duration::from_secs(3))),
        ("reset", Fault::close_after),
        ("garbage", Fault::garbage),
    ];
    for provider in Provider::ALL {
        for (name, fault) in lost {
            let began = SystemTime::now() - Duration::from_secs(2);
            let (house, result) = place_with(provider, fault()).await;
            let failed = result.expect_err(name);
            assert_eq!(
                failed.error.retry(),
                Retry::OutcomeUnknown,
                "{provider} {name}"
            );
            assert_eq!(failed.report.metric("STATUS"), Some("FAILED"));
            let can_be_found = provider != Provider::Plivo;
            assert!(
                !can_be_found || failed.error.detail().contains("find_placed"),
                "{provider} {name}: what to do? {failed}"
            );
            let placed = house.carrier.placed(1, SOON).await;
            assert_eq!(placed.len(), 1, "{provider} {name}");
            let key = failed.key.unwrap();
            let outcome = house.outcome(0).await;
            let record = house.finished(&key).await;
            assert_eq!(record.status, CallStatus::Completed, "{provider} {name}");
            assert_eq!(
                record.call_id.map(|id| id.to_string()).as_deref(),
                Some(outcome.call_id.as_str())
            );
            assert_eq!(house.carrier.requests_for(Operation::PlaceCall).len(), 1);
            let call: OutboundCall = house.outbound(Answer::stream());
            let found = house.calls.find_placed(&house.label, &call, began).await;
            if !can_be_found {
                assert_eq!(found.unwrap_err().kind(), ErrorKind::Unsupported);
                continue;
            }
            let found = found.unwrap();
            let ids: Vec<_> = found.iter().map(|call| call.call.id.to_string()).collect();
            assert_eq!(ids, [outcome.call_id], "{provider} {name}");
        }
    }
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again() {
    for provider in Provider::ALL {
        for retry_after in [None, Some(Duration::from_secs(1))] {
            let fault = Fault::too_many_requests(retry_after);
            let (house, result) = place_with(provider, fault).await;
            result.unwrap();
            house.outcome(0).await;
            let requests = house.carrier.requests_for(Operation::PlaceCall);
            assert_eq!(requests.len(), 2, "{provider}");
            assert_eq!(house.carrier.calls().len(), 1, "{provider}");
            if retry_after.is_some() {
                let pause = requests[1].at - requests[0].at;
                assert!(pause >= Duration::from_millis(950), "{provider}: {pause:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_error_of_unknown_meaning_places_no_second_call() {
    for provider in Provider::ALL {
        let (house, result) = place_with(provider, Fault::status(500)).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.error.retry(), Retry::OutcomeUnknown, "{provider}");
        assert_eq!(failed.error.http_status(), Some(500));
        assert_eq!(house.carrier.requests_for(Operation::PlaceCall).len(), 1);
    }
}

#[tokio::test]
async fn no_redirect_takes_the_credentials_to_a_stranger() {
    for provider in Provider::ALL {
        let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = format!("http://{}/v1/steal", stranger.local_addr().unwrap());
        let (house, result) = place_with(provider, Fault::redirect(there)).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.error.provider().unwrap().as_str(), provider.as_str());
        assert!(!failed.to_string().contains("steal"), "{failed}");
        assert_eq!(house.carrier.requests_for(Operation::PlaceCall).len(), 1);
        let visit = tokio::time::timeout(Duration::from_millis(300), stranger.accept()).await;
        assert!(visit.is_err(), "{provider}: the stranger was visited");
    }
}
