//! What needs care is found: all of it in turn, and whatever else is there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use support::proxy::Proxy;
use support::{Server, account, call, claim};
use telephony_core::{
    CallId, CallStatus, CallStore, Clock, EndReason, MediaGrant, MediaToken, OsRandom, StorePolicy,
};
use telephony_redis::RedisStore;
use telephony_testkit::store::Hands;

async fn connect(server: &Server, name: &str, clock: &Arc<Hands>) -> RedisStore {
    let mut options = server.options("t").with_node_name(name);
    options.clock = Some(Arc::clone(clock) as Arc<dyn Clock>);
    RedisStore::connect(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_slot_waits_for_others_in_which_more_is_due() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let clock = Arc::new(Hands::default());
    let store = connect(&server, "a", &clock).await;
    for at in 0..100 {
        store.open(call(&format!("call-{at}"))).await.unwrap();
    }
    // Silent, all of them.
    clock.turn(Duration::from_secs(61));
    let slots = server.keys("*:due").await.len();
    let mut seen = BTreeSet::new();
    for _ in 0..slots {
        let silent = store.expire(1, 1).await.unwrap().silent;
        let [call] = silent.as_slice() else {
            panic!("{} calls instead of one", silent.len());
        };
        let name = server.keys(&format!("*:call:{}", call.key)).await.remove(0);
        let slot = name.split('}').next().unwrap_or_default().to_owned();
        assert!(seen.insert(slot), "{name}: that slot had its turn");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_keeps_nothing_else_from_being_found() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let clock = Arc::new(Hands::default());
    let (a, b) = (
        connect(&server, "a", &clock).await,
        connect(&server, "b", &clock).await,
    );
    let mut held = BTreeSet::new();
    for at in 0..5 {
        let key = a.open(call(&format!("call-{at}"))).await.unwrap().key;
        let token = MediaToken::random(&OsRandom).unwrap();
        let grant = MediaGrant::new(Duration::from_secs(600));
        a.mint_token(&key, &token, grant).await.unwrap();
        b.claim_token(&account(), &claim(&token)).await.unwrap();
        held.insert(key.as_str().to_owned());
    }
    let silent = a.open(call("silent")).await.unwrap().key;
    // What somebody else has written, or a version to come.
    let names = server.keys("*:nodes}:held:*").await;
    let [name] = names.as_slice() else {
        panic!("{names:?}");
    };
    for junk in ["junk", "two words", "2 AAAAAAAAAAAAAAAAAAAAAA more"] {
        let _: i64 = server.ask(&["SADD", name, junk]).await;
    }
    let _: i64 = server
        .ask(&["ZADD", "{t:nodes}:until", "1", "no node"])
        .await;
    for due in server.keys("*:due").await {
        let _: i64 = server.ask(&["ZADD", &due, "1", "no key"]).await;
    }
    // A call of which only the stream can be read.
    let broken = held.first().unwrap().clone();
    let name_of_call = server.keys(&format!("*:call:{broken}")).await.remove(0);
    let _: i64 = server
        .ask(&["HSET", &name_of_call, "hi", "no history"])
        .await;

    for _ in 0..4 {
        clock.turn(Duration::from_secs(20));
        a.renew_lease().await.unwrap();
    }
    let found = a.expire(100, 100).await.unwrap();
    let keys = found.orphaned.iter().map(|stream| stream.call.key.as_str());
    let keys: BTreeSet<_> = keys.map(str::to_owned).collect();
    held.remove(&broken);
    assert_eq!(keys, held);
    assert!(found.silent.iter().any(|call| call.key == silent));

    // What cannot be read is there for a version that can, and in nobody's way.
    let left: Vec<String> = server.ask(&["SMEMBERS", name]).await;
    assert_eq!(left.len(), 3, "{left:?}");
    let again = a.expire(100, 100).await.unwrap();
    assert!(again.orphaned.is_empty() && again.silent.is_empty());
    let due = server.keys("*:due").await;
    for due in due {
        let rank: Option<i64> = server.ask(&["ZRANK", &due, "no key"]).await;
        assert_eq!(rank, None, "{due}");
    }
}

/// The end comes when the call is written and its id leads to it, and before it is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_another_node_ends_while_it_is_opened_does_not_count() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let proxy = Proxy::start(&server).await;
    let options = server.options("t");
    let a = RedisStore::connect(proxy.between(options.clone())).await;
    let (a, b) = (Arc::new(a.unwrap()), RedisStore::connect(options).await);
    let b = b.unwrap();
    let live = async || -> i64 { server.ask(&["ZCARD", "{t:account:main}:live"]).await };
    // Redis is told all scripts, so that each request is one.
    let first = a.open(call("first")).await.unwrap().key;
    assert_eq!(live().await, 1);
    a.end(&first, EndReason::App).await.unwrap();
    assert_eq!(live().await, 0);

    let is_count = |request: &str| {
        request.contains("EVALSHA") && request.contains(":live") && !request.contains(":rate")
    };
    let (came, go_on) = proxy.hold(is_count);
    let opening = tokio::spawn({
        let a = Arc::clone(&a);
        async move { a.open(call("second")).await }
    });
    came.await.unwrap();
    assert_eq!(live().await, 1, "it was admitted");
    let (account, id) = (account(), CallId::new("second").unwrap());
    let key = b.find_by_id(&account, &id).await.unwrap().unwrap().key;
    assert!(b.end(&key, EndReason::App).await.unwrap());
    go_on.send(()).unwrap();
    assert_eq!(opening.await.unwrap().unwrap().key, key);
    assert_eq!(live().await, 0, "it counts for hours though it is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_outlives_what_is_known_of_its_call_is_let_go_of() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let clock = Arc::new(Hands::default());
    let store = connect(&server, "a", &clock).await;
    let mut claims = Vec::new();
    for id in ["call-1", "call-2"] {
        let key = store.open(call(id)).await.unwrap().key;
        let token = MediaToken::random(&OsRandom).unwrap();
        let grant = MediaGrant::new(Duration::from_secs(600));
        store.mint_token(&key, &token, grant).await.unwrap();
        store.claim_token(&account(), &claim(&token)).await.unwrap();
        claims.push((key, claim(&token)));
    }
    let held = async || -> Vec<String> {
        let names = server.keys("*:nodes}:held:*").await;
        match names.first() {
            Some(name) => server.ask(&["SMEMBERS", name]).await,
            None => Vec::new(),
        }
    };
    assert_eq!(held().await.len(), 2);
    let (key, over) = &claims[0];
    let status = CallStatus::Completed;
    store.update_status(key, status).await.unwrap();
    clock.turn(StorePolicy::default().keep_ended * 2);
    store.expire(10, 10).await.unwrap();
    assert!(store.find(key).await.unwrap().is_none());
    store.finish_stream(over, None).await.unwrap();
    let left = held().await;
    let [left] = left.as_slice() else {
        panic!("{} streams instead of the other one", left.len());
    };
    assert!(left.contains(claims[1].0.as_str()));
}
