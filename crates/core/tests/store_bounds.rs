//! The call store in memory: how much it keeps at most. What all stores have in common is tested in the testkit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};
use support::store::{call, kind, store_with};
use support::{account, secs};
use telephony_core::store::MAX_ANSWER_BODY;
use telephony_core::{
    CallStore, Clock, EndReason, ErrorKind, FirstTime, KeptAnswer, MemoryStore, MemoryStoreOptions,
    RequestName, StorePolicy, Turn,
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

/// What happens to requests, by their number.
#[derive(Debug, Clone)]
enum Step {
    Begin(usize),
    /// Of the turn that began last, or of the one before.
    Answer(usize, bool),
    GiveUp(usize, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_usize).prop_map(Step::Begin),
        2 => (0..6_usize, any::<bool>()).prop_map(|(number, late)| Step::Answer(number, late)),
        1 => (0..6_usize, any::<bool>()).prop_map(|(number, late)| Step::GiveUp(number, late)),
        1 => prop_oneof![0..15_u64, 0..400_u64].prop_map(Step::Wait),
    ]
}

/// What a request should look like.
enum Known {
    Working(Turn, SystemTime),
    Answered(KeptAnswer, SystemTime),
}

async fn as_expected(steps: Vec<Step>) {
    let (store, clock) = store_with(MemoryStoreOptions::default());
    let policy = StorePolicy::default();
    let mut known: HashMap<usize, Known> = HashMap::new();
    let mut turns: HashMap<usize, Vec<Turn>> = HashMap::new();
    let turn_of = |turns: &HashMap<usize, Vec<Turn>>, number, late| {
        let turns = turns.get(&number)?;
        turns.iter().nth_back(usize::from(late)).cloned()
    };
    for (at, step) in steps.into_iter().enumerate() {
        let now = clock.now();
        known.retain(|_, known| match known {
            Known::Working(_, until) | Known::Answered(_, until) => *until > now,
        });
        match step {
            Step::Begin(number) => {
                let asked = store.first_time(&request(number), Duration::ZERO).await;
                match (asked.unwrap(), known.get(&number)) {
                    (FirstTime::Yes(turn), None) => {
                        turns.entry(number).or_default().push(turn.clone());
                        let until = now + policy.answer_time;
                        known.insert(number, Known::Working(turn, until));
                    }
                    (FirstTime::Answered(answer), Some(Known::Answered(kept, _))) => {
                        assert_eq!(answer, *kept, "step {at}");
                    }
                    (FirstTime::InProgress, Some(Known::Working(..))) => {}
                    (found, _) => panic!("step {at}: {found:?}"),
                }
            }
            Step::Answer(number, late) => {
                let Some(turn) = turn_of(&turns, number, late) else {
                    continue;
                };
                let answer = KeptAnswer::new(200, None, Bytes::from(at.to_string())).unwrap();
                let kept = Some(answer.clone());
                let kept = store.keep_answer(&request(number), &turn, kept).await;
                kept.unwrap();
                if !matches!(known.get(&number), Some(Known::Answered(..))) {
                    let until = now + policy.keep_answers;
                    known.insert(number, Known::Answered(answer, until));
                }
            }
            Step::GiveUp(number, late) => {
                let Some(turn) = turn_of(&turns, number, late) else {
                    continue;
                };
                let kept = store.keep_answer(&request(number), &turn, None).await;
                kept.unwrap();
                if matches!(known.get(&number), Some(Known::Working(working, _)) if *working == turn)
                {
                    known.remove(&number);
                }
            }
            Step::Wait(seconds) => clock.turn(secs(seconds)),
        }
    }
}

proptest! {
    #[test]
    fn a_request_is_known_from_its_turn_until_its_answer_is_old(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(as_expected(steps));
    }
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
