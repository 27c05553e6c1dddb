//! The call store in memory: ids, statuses, the end, and its bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use support::store::{call, kind, store, store_with, token};
use support::{account, call_id, claim, random_key, secs};
use telephony_core::{
    CallKey, CallRecord, CallStatus, CallStore, Clock, Direction, EndReason, ErrorKind, MediaGrant,
    MemoryStore, MemoryStoreOptions, NewCall, Party, ProviderName, StatusUpdate, Transition,
};
use tokio::time::timeout;

/// A call of ours whose id the carrier has not told yet.
fn outbound() -> NewCall {
    let parties = (Party::Withheld, Party::Withheld);
    let provider = ProviderName::from_static("dummy");
    NewCall::new(
        random_key(),
        provider,
        account("main"),
        Direction::Outbound,
        parties,
    )
}

#[tokio::test]
async fn a_call_is_remembered_as_it_was_opened() {
    let (store, clock) = store();
    let data = [("tenant".to_owned(), "acme".to_owned())].into();
    let opened = store.open(call("call-1").with_data(data)).await.unwrap();
    assert_eq!(opened.status, CallStatus::Ringing, "it calls us");
    assert_eq!(opened.history, [(clock.now(), CallStatus::Ringing)]);
    assert_eq!(opened.direction, Direction::Inbound);
    assert_eq!(opened.from, Party::parse("+14155550100"));
    assert_eq!(opened.ended, None);
    assert_eq!(opened.data.get("tenant").map(String::as_str), Some("acme"));

    let by_key = store.find(&opened.key).await.unwrap().unwrap();
    let by_id = store
        .find_by_id(&account("main"), &call_id("call-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((by_key.key, by_id.key), (opened.key.clone(), opened.key));
    assert_eq!(
        store.open(outbound()).await.unwrap().status,
        CallStatus::Queued,
        "we call"
    );
    assert!(store.find(&random_key()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_repeated_request_finds_the_call_of_the_first() {
    let (store, _clock) = store();
    let first = store.open(call("call-1")).await.unwrap();
    store
        .update_status(&first.key, CallStatus::InProgress)
        .await
        .unwrap();
    let again = call("call-1").with_data([("x".to_owned(), "y".to_owned())].into());
    let unused = again.key.clone();
    let again = store.open(again).await.unwrap();
    assert_eq!(again.key, first.key);
    assert_eq!(again.status, CallStatus::InProgress);
    assert!(again.data.is_empty(), "unchanged");
    assert!(store.find(&unused).await.unwrap().is_none());
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn accounts_do_not_share_ids() {
    let (store, _clock) = store();
    let mine = store.open(call("call-1")).await.unwrap();
    let mut other = call("call-1");
    other.account = account("other");
    let other = store.open(other).await.unwrap();
    assert_ne!(mine.key, other.key);
    let found = store
        .find_by_id(&account("other"), &call_id("call-1"))
        .await
        .unwrap();
    assert_eq!(found.unwrap().key, other.key);
    let found = store
        .find_by_id(&account("third"), &call_id("call-1"))
        .await
        .unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn one_key_is_one_call() {
    let (store, _clock) = store();
    let first = store.open(call("call-1")).await.unwrap();
    let mut second = call("call-2");
    second.key = first.key.clone();
    assert_eq!(kind(store.open(second).await), ErrorKind::Store);
    let kept = store.find(&first.key).await.unwrap().unwrap();
    assert_eq!(kept.call_id, Some(call_id("call-1")));
}

#[tokio::test]
async fn the_carriers_id_is_attached_once() {
    let (store, _clock) = store();
    let key = store.open(outbound()).await.unwrap().key;
    store.attach(&key, &call_id("late").into()).await.unwrap();
    store
        .attach(&key, &call_id("late").into())
        .await
        .expect("the same again is fine");
    assert_eq!(
        kind(store.attach(&key, &call_id("other").into()).await),
        ErrorKind::Store
    );
    let found = store
        .find_by_id(&account("main"), &call_id("late"))
        .await
        .unwrap();
    assert_eq!(found.unwrap().key, key);
    let other = store
        .find_by_id(&account("main"), &call_id("other"))
        .await
        .unwrap();
    assert!(other.is_none());
    assert_eq!(
        kind(store.attach(&random_key(), &call_id("late").into()).await),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn an_id_that_another_call_has_is_not_attached() {
    let (store, _clock) = store();
    let first = store.open(call("call-1")).await.unwrap();
    let second = store.open(outbound()).await.unwrap();
    assert_eq!(
        kind(store.attach(&second.key, &call_id("call-1").into()).await),
        ErrorKind::Store
    );
    let found = store
        .find_by_id(&account("main"), &call_id("call-1"))
        .await
        .unwrap();
    assert_eq!(found.unwrap().key, first.key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_open_the_same_call_all_get_the_same() {
    let store = Arc::new(MemoryStore::default());
    let opens: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.open(call("call-1")).await.unwrap().key })
        })
        .collect();
    let mut keys: Vec<CallKey> = Vec::new();
    for open in opens {
        keys.push(open.await.unwrap());
    }
    keys.dedup();
    assert_eq!((keys.len(), store.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_status_ends_the_call_and_wakes_who_waits() {
    for status in CallStatus::ALL
        .into_iter()
        .filter(|status| status.is_terminal())
    {
        let (store, _clock) = store();
        let store = Arc::new(store);
        let key = store.open(call("call-1")).await.unwrap().key;
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let (store, key) = (store.clone(), key.clone());
                tokio::spawn(async move { store.wait_for_end(&key).await.unwrap() })
            })
            .collect();
        assert!(
            timeout(secs(3_600), store.wait_for_end(&key))
                .await
                .is_err(),
            "it is not over"
        );
        let update = store.update_status(&key, status).await.unwrap();
        let moved = StatusUpdate {
            transition: Transition::Advanced,
            status,
        };
        assert_eq!(update, moved);
        for waiting in waiting {
            let reason = timeout(secs(1), waiting).await.unwrap().unwrap();
            assert_eq!(reason, EndReason::CallEnded(status));
        }
        let late = timeout(secs(1), store.wait_for_end(&key)).await.unwrap();
        assert_eq!(late.unwrap(), EndReason::CallEnded(status));
        let record = store.find(&key).await.unwrap().unwrap();
        assert_eq!(record.ended, Some(EndReason::CallEnded(status)));
    }
}

#[tokio::test]
async fn the_first_reason_stays() {
    let (store, _clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    assert!(store.end(&key, EndReason::App).await.unwrap());
    assert!(!store.end(&key, EndReason::Shutdown).await.unwrap());
    // The carrier's last word is kept as the status, not as the reason.
    let update = store
        .update_status(&key, CallStatus::Completed)
        .await
        .unwrap();
    assert_eq!(update.status, CallStatus::Completed);
    let record = store.find(&key).await.unwrap().unwrap();
    assert_eq!(
        (record.status, record.ended),
        (CallStatus::Completed, Some(EndReason::App))
    );
    assert_eq!(store.wait_for_end(&key).await.unwrap(), EndReason::App);
}

#[tokio::test]
async fn late_and_repeated_reports_are_stale() {
    let (store, clock) = store();
    let key = store.open(outbound()).await.unwrap().key;
    let mut history = vec![(clock.now(), CallStatus::Queued)];
    for (reported, transition) in [
        (CallStatus::Queued, Transition::Stale),
        (CallStatus::InProgress, Transition::Advanced),
        (CallStatus::Ringing, Transition::Stale),
        (CallStatus::InProgress, Transition::Stale),
        (CallStatus::NoAnswer, Transition::Advanced),
        (CallStatus::Completed, Transition::Stale),
        (CallStatus::NoAnswer, Transition::Stale),
    ] {
        clock.turn(secs(1));
        let update = store.update_status(&key, reported).await.unwrap();
        assert_eq!(update.transition, transition, "{reported}");
        if transition == Transition::Advanced {
            history.push((clock.now(), reported));
        }
        assert_eq!(update.status, history.last().unwrap().1);
    }
    let record: CallRecord = store.find(&key).await.unwrap().unwrap();
    assert_eq!(record.history, history);
    assert_eq!(
        record.ended,
        Some(EndReason::CallEnded(CallStatus::NoAnswer))
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_opened_as_over_is_over() {
    let (store, _clock) = store();
    let over = call("call-1").with_status(Some(CallStatus::Failed));
    let record = store.open(over).await.unwrap();
    assert_eq!(record.status, CallStatus::Failed);
    let reason = EndReason::CallEnded(CallStatus::Failed);
    assert_eq!(record.ended, Some(reason.clone()));
    let waited = timeout(secs(1), store.wait_for_end(&record.key)).await;
    assert_eq!(
        waited.expect("nobody will report it again").unwrap(),
        reason
    );
}

#[tokio::test]
async fn a_call_that_nobody_knows_is_not_found() {
    let (store, _clock) = store();
    let key = random_key();
    let kinds = [
        kind(store.update_status(&key, CallStatus::Ringing).await),
        kind(store.end(&key, EndReason::App).await),
        kind(store.wait_for_end(&key).await),
        kind(store.attach(&key, &call_id("x").into()).await),
        kind(
            store
                .mint_token(&key, &token(), MediaGrant::new(secs(1)))
                .await,
        ),
    ];
    assert_eq!(kinds, [ErrorKind::NotFound; 5]);
}

fn small() -> MemoryStoreOptions {
    let mut options = MemoryStoreOptions::default();
    options.max_calls = 3;
    options
}

#[tokio::test]
async fn a_full_store_takes_no_more_calls() {
    let (store, clock) = store_with(small());
    let mut keys = Vec::new();
    for id in ["a", "b", "c"] {
        keys.push(store.open(call(id)).await.unwrap().key);
    }
    let error = store.open(call("d")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("full"), "{error}");
    store.open(call("b")).await.expect("it is there already");

    // An ended call makes room once it has been remembered for long enough.
    store.end(&keys[0], EndReason::App).await.unwrap();
    clock.turn(secs(599));
    assert_eq!(kind(store.open(call("d")).await), ErrorKind::Store);
    clock.turn(secs(1));
    store.open(call("d")).await.unwrap();
    assert!(store.find(&keys[0]).await.unwrap().is_none());
    assert_eq!(store.len(), 3);
}

#[tokio::test]
async fn what_ended_is_remembered_for_late_callbacks_and_then_forgotten() {
    let (store, clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let token = token();
    store
        .mint_token(&key, &token, MediaGrant::new(secs(86_400)))
        .await
        .unwrap();
    store
        .claim_token(&account("main"), &claim(&token))
        .await
        .unwrap();
    clock.turn(secs(3_600));
    store
        .update_status(&key, CallStatus::Completed)
        .await
        .unwrap();
    clock.turn(secs(599));
    assert!(store.expire(100, 100).await.unwrap().is_empty());
    assert!(store.find(&key).await.unwrap().is_some());
    clock.turn(secs(1));
    assert!(
        store.expire(100, 100).await.unwrap().is_empty(),
        "it ended as it should"
    );
    assert!(store.is_empty());
    assert!(store.find(&key).await.unwrap().is_none());
    let by_id = store
        .find_by_id(&account("main"), &call_id("call-1"))
        .await
        .unwrap();
    assert!(by_id.is_none());
    assert_eq!(
        kind(store.claim_token(&account("main"), &claim(&token)).await),
        ErrorKind::NotFound
    );
    let again = store.open(call("call-1")).await.unwrap();
    assert_ne!(again.key, key, "carriers may use an id again some day");
}

#[tokio::test]
async fn a_call_that_nobody_hears_of_is_ended_and_given_back() {
    let (store, clock) = store();
    let store = Arc::new(store);
    let silent = store.open(call("silent")).await.unwrap().key;
    let alive = store.open(call("alive")).await.unwrap().key;
    let waiting = tokio::spawn({
        let (store, silent) = (store.clone(), silent.clone());
        async move { store.wait_for_end(&silent).await.unwrap() }
    });
    tokio::task::yield_now().await;
    clock.turn(secs(24 * 3_600));
    store
        .update_status(&alive, CallStatus::InProgress)
        .await
        .unwrap();
    clock.turn(secs(3_600));
    let dead = store.expire(100, 100).await.unwrap();
    let dead: Vec<_> = dead
        .never_started
        .into_iter()
        .map(|call| (call.key, call.ended))
        .collect();
    assert_eq!(dead, [(silent, Some(EndReason::NeverStarted))]);
    assert_eq!(waiting.await.unwrap(), EndReason::NeverStarted);
    assert!(store.find(&alive).await.unwrap().is_some());
    assert!(
        store.expire(100, 100).await.unwrap().is_empty(),
        "only once"
    );
}

#[tokio::test]
async fn a_clock_that_goes_back_expires_nothing() {
    let (store, clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    clock.turn_back(secs(365 * 86_400));
    assert!(store.expire(100, 100).await.unwrap().is_empty());
    assert!(store.find(&key).await.unwrap().is_some());
}
