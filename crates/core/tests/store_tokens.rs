//! The right to open the media socket of a stream: once, for one account, for some time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use support::store::{call, kind, store, token};
use support::{account, ms, random_key, secs};
use telephony_core::{CallStatus, CallStore, EndReason, ErrorKind, MediaGrant, MemoryStore};

#[tokio::test]
async fn a_token_is_claimed_once() {
    let (store, _clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let token = token();
    store
        .mint_token(&key, &token, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    let claimed = store.claim_token(&account("main"), &token).await.unwrap();
    assert_eq!(claimed.call.key, key);
    assert_eq!(
        kind(store.claim_token(&account("main"), &token).await),
        ErrorKind::AlreadyClaimed
    );

    // The handshake failed: the carrier tries again.
    store.release_token(&token).await.unwrap();
    store.claim_token(&account("main"), &token).await.unwrap();
    assert_eq!(
        kind(store.claim_token(&account("main"), &token).await),
        ErrorKind::AlreadyClaimed
    );
}

#[tokio::test]
async fn a_token_is_for_one_account_and_gives_nothing_away() {
    let (store, _clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let good = token();
    store
        .mint_token(&key, &good, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    let wrong = store
        .claim_token(&account("other"), &good)
        .await
        .unwrap_err();
    let unknown = store
        .claim_token(&account("main"), &token())
        .await
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::NotFound);
    assert_eq!(
        wrong.to_string(),
        unknown.to_string(),
        "nobody learns that there is one"
    );
    assert!(!format!("{wrong:?} {store:?}").contains(good.as_str()));

    store.claim_token(&account("main"), &good).await.unwrap();
    let claimed = store.claim_token(&account("other"), &good).await;
    assert_eq!(kind(claimed), ErrorKind::NotFound);
    store.end(&key, EndReason::App).await.unwrap();
    let ended = store.claim_token(&account("other"), &good).await;
    assert_eq!(kind(ended), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_new_token_voids_older_ones_that_nobody_took() {
    let (store, _clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let (taken, idle, new) = (token(), token(), token());
    store
        .mint_token(&key, &taken, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    store.claim_token(&account("main"), &taken).await.unwrap();
    store
        .mint_token(&key, &idle, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    store
        .mint_token(&key, &new, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    for (token, wanted) in [
        (&taken, ErrorKind::AlreadyClaimed),
        (&idle, ErrorKind::NotFound),
    ] {
        assert_eq!(
            kind(store.claim_token(&account("main"), token).await),
            wanted
        );
    }
    store.claim_token(&account("main"), &new).await.unwrap();
}

#[tokio::test]
async fn a_token_lives_only_so_long() {
    let (store, clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let other = store.open(call("call-2")).await.unwrap().key;
    let (early, late) = (token(), token());
    store
        .mint_token(&key, &early, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    store
        .mint_token(&other, &late, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    clock.turn(secs(60) - ms(1));
    store.claim_token(&account("main"), &early).await.unwrap();
    clock.turn(ms(1));
    assert_eq!(
        kind(store.claim_token(&account("main"), &late).await),
        ErrorKind::NotFound
    );
    // One that was claimed in time and given back too late is over as well.
    assert_eq!(
        kind(store.claim_token(&account("main"), &early).await),
        ErrorKind::AlreadyClaimed
    );
    store.release_token(&early).await.unwrap();
    assert_eq!(
        kind(store.claim_token(&account("main"), &early).await),
        ErrorKind::NotFound
    );
    store.release_token(&token()).await.expect("nothing to do");
}

#[tokio::test]
async fn a_call_may_have_several_tokens() {
    // A redirect back into a stream mints a new one.
    let (store, _clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let (first, second) = (token(), token());
    store
        .mint_token(&key, &first, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    store.claim_token(&account("main"), &first).await.unwrap();
    store
        .mint_token(&key, &second, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    store.claim_token(&account("main"), &second).await.unwrap();
}

#[tokio::test]
async fn there_is_no_stream_for_a_call_that_is_over() {
    let (store, _clock) = store();
    let key = store.open(call("call-1")).await.unwrap().key;
    let token = token();
    store
        .mint_token(&key, &token, MediaGrant::new(secs(60)))
        .await
        .unwrap();
    store
        .update_status(&key, CallStatus::Completed)
        .await
        .unwrap();
    assert_eq!(
        kind(store.claim_token(&account("main"), &token).await),
        ErrorKind::Closed
    );
    assert_eq!(
        kind(
            store
                .mint_token(&key, &token, MediaGrant::new(secs(60)))
                .await
        ),
        ErrorKind::Closed
    );
    assert_eq!(
        kind(
            store
                .mint_token(&random_key(), &token, MediaGrant::new(secs(60)))
                .await
        ),
        ErrorKind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_claims_one_wins() {
    for _ in 0..20 {
        let store = Arc::new(MemoryStore::default());
        let key = store.open(call("call-1")).await.unwrap().key;
        let token = token();
        store
            .mint_token(&key, &token, MediaGrant::new(secs(60)))
            .await
            .unwrap();
        let barrier = Arc::new(tokio::sync::Barrier::new(100));
        let claims: Vec<_> = (0..100)
            .map(|_| {
                let (store, token, barrier) = (store.clone(), token.clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    store.claim_token(&account("main"), &token).await
                })
            })
            .collect();
        let mut won = 0;
        for claim in claims {
            match claim.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyClaimed),
            }
        }
        assert_eq!(won, 1);
    }
}
