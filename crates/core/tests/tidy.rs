//! Looking after calls: what nobody reported is found out, told, and ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::account;
use support::secs;
use support::steered::{able, calls_in, live, outbound, place};
use support::store::store;
use telephony_core::{
    AfterStream, Answer, CallEventKind, CallStatus, CallStore, EndReason, Error, ErrorKind,
    HangUpBy, MediaGrant, MediaToken, NodeId, Operation, OsRandom,
};

#[tokio::test(start_paused = true)]
async fn a_carrier_is_asked_about_a_call_that_nobody_heard_of() {
    let (store, clock) = store();
    let (calls, carrier) = calls_in(
        Arc::new(store),
        able().with_operations([Operation::FetchCall]),
        Duration::ZERO,
    );
    let (key, _, token) = live(&calls, AfterStream::Continue).await;
    calls.store().finish_stream(&token).await.unwrap();
    clock.turn(secs(59));
    assert!(calls.tidy().await.unwrap().is_empty());
    clock.turn(secs(1));
    assert!(calls.tidy().await.unwrap().is_empty(), "it is up");
    assert_eq!(carrier.asked(), ["look at CA2"]);
    assert_eq!(
        calls.find(&key).await.unwrap().status,
        CallStatus::InProgress
    );
    *carrier.state.lock().unwrap() = CallStatus::Completed;
    clock.turn(secs(200));
    let news = calls.tidy().await.unwrap();
    let [(record, event)] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!(record.key, key);
    assert_eq!(event.status(), Some(CallStatus::Completed));
    let ended = calls.find(&key).await.unwrap().ended;
    assert_eq!(ended, Some(EndReason::CallEnded(CallStatus::Completed)));
    clock.turn(secs(200));
    assert!(calls.tidy().await.unwrap().is_empty(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_answer_delays_nobody() {
    let (store, clock) = store();
    let capabilities = able().with_operations([Operation::FetchCall]);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, secs(3_600));
    for id in 0..20 {
        let mut call = support::store::call(&format!("CA-{id}"));
        call.account = account("main");
        calls.store().open(call).await.unwrap();
    }
    clock.turn(secs(60));
    let began = tokio::time::Instant::now();
    assert!(calls.tidy().await.unwrap().is_empty());
    assert!(began.elapsed() <= secs(10), "{:?}", began.elapsed());
    assert_eq!(carrier.asked().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_started_is_told_and_hung_up() {
    let (store, clock) = store();
    let capabilities =
        able().with_operations([Operation::MakeCall, Operation::HangUp, Operation::FetchCall]);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    *carrier.state.lock().unwrap() = CallStatus::Ringing;
    let placed = place(&calls, "main", outbound(Answer::stream()))
        .await
        .unwrap();
    clock.turn(secs(600));
    let news = calls.tidy().await.unwrap();
    let [(record, event)] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!(record.key, placed.key);
    assert_eq!(event.kind, CallEventKind::GivenUp(EndReason::NeverStarted));
    calls.drain();
    calls.settle().await;
    assert_eq!(
        carrier.asked(),
        ["place with media", "look at CA1", "hang up CA1 at region-1"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_lost_node_are_hung_up_by_another() {
    let (store, clock) = store();
    let lost = store.as_node(NodeId::parse("lost").unwrap());
    let capabilities = able().with_hang_up(HangUpBy::Rest);
    let (calls, carrier) = calls_in(Arc::new(store), capabilities, Duration::ZERO);
    let mut call = support::store::call("CA-1");
    call.account = account("main");
    let key = lost.open(call).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(secs(60));
    lost.mint_token(&key, &token, grant).await.unwrap();
    lost.claim_token(&account("main"), &token).await.unwrap();
    // The hang-up of a lost node's call may fail at first, too.
    carrier.say(|| Err(Error::new(ErrorKind::Transport, "hang up", "no route")));
    for _ in 0..5 {
        calls.store().renew_lease().await.unwrap();
        calls.tidy().await.unwrap();
        clock.turn(secs(10));
    }
    tokio::time::sleep(secs(1)).await;
    assert_eq!(carrier.asked(), ["hang up CA-1 at -"]);
    carrier.say(|| Ok(telephony_core::Handover::Sent));
    tokio::time::sleep(secs(600)).await;
    assert_eq!(carrier.asked().len(), 2);
    assert_eq!(
        calls.find(&key).await.unwrap().ended,
        Some(EndReason::NodeLost)
    );
}
