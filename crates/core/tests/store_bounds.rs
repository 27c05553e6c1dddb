//! The call store in memory: how much it keeps at most. What all stores have in common is tested in the testkit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use std::time::Duration;
use support::store::{call, kind, store_with};
use support::{account, secs};
use telephony_core::store::MAX_ANSWER_BODY;
use telephony_core::{
    CallStore, EndReason, ErrorKind, FirstTime, KeptAnswer, MemoryStore, MemoryStoreOptions,
    RequestName,
};

fn request(number: usize) -> RequestName {
    RequestName::new(account("main"), format!("request-{number}"))
}

async fn answer(store: &MemoryStore, number: usize, bytes: usize) {
    let asked = store.first_time(&request(number), Duration::ZERO).await;
    let FirstTime::Yes(turn) = asked.unwrap() else {
        panic!("request {number} is known");
    };
    let answer = KeptAnswer::new(200, None, Bytes::from(vec![b'x'; bytes])).unwrap();
    let kept = store
        .keep_answer(&request(number), &turn, Some(answer))
        .await;
    kept.unwrap();
}

async fn is_known(store: &MemoryStore, number: usize) -> bool {
    let asked = store.first_time(&request(number), Duration::ZERO).await;
    !matches!(asked.unwrap(), FirstTime::Yes(_))
}

#[tokio::test]
async fn only_so_many_answers_are_kept() {
    let mut options = MemoryStoreOptions::default();
    options.max_answers = 3;
    let (store, _clock) = store_with(options);
    for number in 0..5 {
        answer(&store, number, 10).await;
    }
    assert!(is_known(&store, 4).await && is_known(&store, 3).await);
    assert!(!is_known(&store, 0).await, "the oldest is forgotten");
}

#[tokio::test]
async fn only_so_many_requests_are_worked_on() {
    let mut options = MemoryStoreOptions::default();
    options.max_answers = 3;
    let (store, _clock) = store_with(options);
    for number in 0..50 {
        assert!(!is_known(&store, number).await);
    }
    assert!(is_known(&store, 49).await && is_known(&store, 48).await);
    assert!(!is_known(&store, 0).await, "the oldest is forgotten");
}

#[tokio::test]
async fn only_so_many_bytes_of_answers_are_kept() {
    let mut options = MemoryStoreOptions::default();
    options.max_answer_bytes = 100;
    let (store, clock) = store_with(options);
    for number in 0..3 {
        answer(&store, number, 40).await;
    }
    assert!(is_known(&store, 2).await && is_known(&store, 1).await);
    assert!(!is_known(&store, 0).await);
    // What is over makes room.
    clock.turn(secs(600));
    for number in 10..12 {
        answer(&store, number, 50).await;
    }
    assert!(is_known(&store, 10).await && is_known(&store, 11).await);
    assert!(!is_known(&store, 2).await);
}

#[test]
fn an_answer_is_only_so_long_and_not_shown() {
    let body = Bytes::from(vec![b'x'; MAX_ANSWER_BODY + 1]);
    assert_eq!(
        kind(KeptAnswer::new(200, None, body)),
        ErrorKind::InvalidArgument
    );
    let answer = KeptAnswer::new(200, None, Bytes::from_static(b"+14155550100")).unwrap();
    assert_eq!(format!("{answer:?}"), "KeptAnswer(200, 12 bytes)");
    assert!(!format!("{:?}", request(7)).contains('7'));
}

#[tokio::test]
async fn a_full_store_is_not_searched_again_for_each_call_that_it_refuses() {
    let mut options = MemoryStoreOptions::default();
    options.max_calls = 1;
    let (store, clock) = store_with(options);
    let key = store.open(call("a")).await.unwrap().key;
    store.end(&key, EndReason::App).await.unwrap();
    clock.turn(secs(600) - Duration::from_millis(500));
    assert_eq!(kind(store.open(call("b")).await), ErrorKind::Store);
    clock.turn(Duration::from_millis(600));
    // There would be room now, but it was looked for just now.
    assert_eq!(kind(store.open(call("b")).await), ErrorKind::Store);
    clock.turn(secs(1));
    store.open(call("b")).await.unwrap();
}
