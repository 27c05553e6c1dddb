//! Redis has done it, dies, and nobody hears that it was done.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::proxy::Proxy;
use support::{Server, account, call, claim};
use telephony_core::{
    CallKey, CallStatus, CallStore, Claim, ErrorKind, MediaGrant, MediaToken, OsRandom, Retry,
    Transition,
};
use telephony_redis::RedisStore;

/// A store that reaches its Redis through a proxy.
struct Bench {
    server: Server,
    proxy: Proxy,
    store: Arc<RedisStore>,
}

impl Bench {
    async fn start() -> Option<Self> {
        let server = Server::start(&[]).await?;
        let proxy = Proxy::start(&server).await;
        let mut options = proxy.between(server.options("t"));
        // The machine may be busy when Redis starts again.
        options.operation_timeout = Duration::from_secs(5);
        let store = RedisStore::connect(options).await;
        let store = Arc::new(store.unwrap());
        let bench = Self {
            server,
            proxy,
            store,
        };
        // Redis has been told all scripts, so that each request is one.
        let (key, token) = bench.offer("first").await;
        let (store, first) = (&bench.store, claim(&token));
        store.claim_token(&account(), &first).await.unwrap();
        store.release_token(&first).await.unwrap();
        let status = CallStatus::Completed;
        store.update_status(&key, status).await.unwrap();
        Some(bench)
    }

    /// A call with a media token.
    async fn offer(&self, id: &str) -> (CallKey, MediaToken) {
        let key = self.store.open(call(id)).await.unwrap().key;
        let token = MediaToken::random(&OsRandom).unwrap();
        let grant = MediaGrant::new(Duration::from_secs(600));
        self.store.mint_token(&key, &token, grant).await.unwrap();
        (key, token)
    }

    /// What is in Redis of a call, seen without the proxy.
    async fn status(&self, key: &CallKey) -> CallStatus {
        let store = RedisStore::connect(self.server.options("t")).await.unwrap();
        store.find(key).await.unwrap().unwrap().status
    }

    async fn held(&self) -> Vec<String> {
        let mut held = Vec::new();
        for name in self.server.keys("*:nodes}:held:*").await {
            held.extend(self.server.ask::<Vec<String>>(&["SMEMBERS", &name]).await);
        }
        held
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_may_have_been_done() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let (key, _) = bench.offer("call-1").await;
    let answered = bench
        .proxy
        .swallow_answer(|request| request.contains("in-progress"));
    let update = tokio::spawn({
        let (store, key) = (Arc::clone(&bench.store), key.clone());
        async move { store.update_status(&key, CallStatus::InProgress).await }
    });
    answered.await.unwrap();
    bench.server.stop();
    let error = update.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    assert_eq!(error.retry(), Retry::OutcomeUnknown, "{error}");
    // Nothing of this one was sent.
    let error = bench.store.find(&key).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Safe, "{error}");

    bench.server.run().await;
    let status = bench.status(&key).await;
    assert_eq!(status, CallStatus::InProgress, "it was done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_status_is_told_once_though_redis_died_before_it_answered() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let (key, _) = bench.offer("call-1").await;
    let answered = bench
        .proxy
        .swallow_answer(|request| request.contains("completed"));
    let update = tokio::spawn({
        let (store, key) = (Arc::clone(&bench.store), key.clone());
        async move { store.update_status(&key, CallStatus::Completed).await }
    });
    answered.await.unwrap();
    bench.server.stop();
    // Longer than a try takes that finds nobody.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!update.is_finished(), "it has given up");
    bench.server.run().await;
    let update = update.await.unwrap().unwrap();
    assert_eq!(update.transition, Transition::Advanced, "it is news");
    let again = bench.store.update_status(&key, CallStatus::Completed).await;
    assert_eq!(again.unwrap().transition, Transition::Stale, "but once");
}

/// What the server does with a claim that it heard nothing of: see `claim` in telephony-axum's `media.rs`.
async fn is_let_go_of(bench: &Bench, key: &CallKey, lost: &Claim) {
    let freed = async {
        while bench.store.release_token(lost).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let freed = tokio::time::timeout(Duration::from_secs(30), freed).await;
    freed.expect("it is not let go of");
    assert!(bench.held().await.is_empty());
    let again = Claim::numbered(lost.token.clone(), 2);
    bench.store.claim_token(&account(), &again).await.unwrap();
    assert_eq!(bench.held().await.len(), 1);
    let call = bench.store.find(key).await.unwrap().unwrap();
    assert_eq!(call.live_streams, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_let_go_of_though_redis_died_before_it_answered() {
    // When the node notes what it holds, and when it claims the stream.
    for part in [":nodes}:held:", "call:"] {
        let Some(mut bench) = Bench::start().await else {
            return;
        };
        let (key, token) = bench.offer("call-1").await;
        let lost = claim(&token);
        let answered = bench
            .proxy
            .swallow_answer(move |request| is_of(request, part));
        let claiming = tokio::spawn({
            let (store, lost) = (Arc::clone(&bench.store), lost.clone());
            async move { store.claim_token(&account(), &lost).await }
        });
        answered.await.unwrap();
        bench.server.stop();
        let error = claiming.await.unwrap().unwrap_err();
        assert_eq!(error.retry(), Retry::OutcomeUnknown, "{part}: {error}");
        bench.server.run().await;
        assert_eq!(bench.held().await.len(), 1, "{part}: it was done");
        is_let_go_of(&bench, &key, &lost).await;
    }
}

/// Whether that is a script about such a key.
fn is_of(request: &str, part: &str) -> bool {
    request.contains("EVALSHA") && request.contains(part)
}
