//! What happens when Redis, a connection, a message or a node is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Server, account, call, claim};
use telephony_core::{
    CallStatus, CallStore, EndReason, ErrorKind, MediaGrant, MediaToken, OsRandom, Retry,
    StorePolicy, Transition,
};
use telephony_redis::{RedisOptions, RedisStore};
use tokio::time::timeout;

/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

async fn store(server: &Server) -> Arc<RedisStore> {
    Arc::new(RedisStore::connect(server.options("t")).await.unwrap())
}

/// Asks until it works again.
async fn until_up<T>(ask: impl AsyncFn() -> telephony_core::Result<T>) -> T {
    let trying = async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Store, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, trying).await.expect("it never works again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_stopped_and_started_in_the_middle() {
    let Some(mut server) = Server::start(&[]).await else {
        return;
    };
    let (a, b) = (store(&server).await, store(&server).await);
    let key = a.open(call("call-1")).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(Duration::from_secs(600));
    a.mint_token(&key, &token, grant).await.unwrap();
    b.claim_token(&account(), &claim(&token)).await.unwrap();
    let waiting = tokio::spawn({
        let (b, token) = (b.clone(), token.clone());
        async move { b.wait_for_stream_end(&token).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;

    server.stop();
    for attempt in 0..3 {
        let began = Instant::now();
        let error = a
            .update_status(&key, CallStatus::InProgress)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert_ne!(error.retry(), Retry::Never, "{error}");
        eprintln!(
            "attempt {attempt}: refused after {:?}: {error}",
            began.elapsed()
        );
        assert!(began.elapsed() < Duration::from_secs(10), "it hangs");
    }
    assert!(!waiting.is_finished(), "an outage is no end");

    server.run().await;
    let update = until_up(async || a.update_status(&key, CallStatus::InProgress).await).await;
    assert_eq!(update.transition, Transition::Advanced);
    let call = b.find(&key).await.unwrap().unwrap();
    assert_eq!(call.held_by, [b.node().clone()], "what was known is known");
    a.update_status(&key, CallStatus::Completed).await.unwrap();
    let reason = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(reason, EndReason::CallEnded(CallStatus::Completed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_costs_no_operation() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let store = store(&server).await;
    for round in 0..20 {
        let killed: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        assert!(killed > 0, "nobody was connected");
        let key = store
            .open(call(&format!("call-{round}")))
            .await
            .unwrap()
            .key;
        let _: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        let update = store
            .update_status(&key, CallStatus::Completed)
            .await
            .unwrap();
        assert_eq!(update.transition, Transition::Advanced, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_told_though_the_connection_for_messages_was_lost() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let mut options = server.options("t");
    options.poll = Duration::from_secs(3_600); // Nobody looks by itself.
    options.policy.keep_ended = 2 * options.poll;
    let a = RedisStore::connect(options.clone()).await.unwrap();
    let b = Arc::new(RedisStore::connect(options).await.unwrap());
    let key = a.open(call("call-1")).await.unwrap().key;
    let waiting = tokio::spawn({
        let (b, key) = (b.clone(), key.clone());
        async move { b.wait_for_end(&key).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let killed: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(killed, 2);
    a.end(&key, EndReason::App).await.unwrap();
    let reason = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(reason, EndReason::App);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_told_though_nobody_could_look_when_the_message_came() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let add = [
        "ACL", "SETUSER", "other", "on", ">word", "~*", "&*", "+@all",
    ];
    let _: String = server.ask(&add).await;
    let mut options = server.options("t");
    options.poll = Duration::from_secs(3_600); // Nobody looks by itself.
    options.policy.keep_ended = 2 * options.poll;
    let a = Arc::new(RedisStore::connect(options.clone()).await.unwrap());
    options.url = server
        .url()
        .replace("redis://", "redis://other:word@")
        .into();
    let b = RedisStore::connect(options).await.unwrap();
    let key = a.open(call("call-1")).await.unwrap().key;
    let waiting = tokio::spawn({
        let (a, key) = (Arc::clone(&a), key.clone());
        async move { a.wait_for_end(&key).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _: String = server.ask(&["ACL", "SETUSER", "default", "-evalsha"]).await;
    b.end(&key, EndReason::App).await.unwrap();
    let refused = async {
        let is_refused = |log: Vec<redis::Value>| !log.is_empty();
        while !is_refused(server.ask(&["ACL", "LOG"]).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, refused).await.expect("nobody has looked");
    let _: String = server.ask(&["ACL", "SETUSER", "default", "+evalsha"]).await;
    let reason = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(reason, EndReason::App);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_seen_though_its_message_was_lost() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let store = store(&server).await;
    let key = store.open(call("call-1")).await.unwrap().key;
    let waiting = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { store.wait_for_end(&key).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The end as a script writes it, without the message.
    let name = server.keys(&format!("*:call:{key}")).await.remove(0);
    let _: i64 = server.ask(&["HSET", &name, "en", "\"app\""]).await;
    let reason = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(reason, EndReason::App);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_everything_ends_no_live_stream() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let store = store(&server).await;
    let key = store.open(call("call-1")).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(Duration::from_secs(600));
    store.mint_token(&key, &token, grant).await.unwrap();
    store.claim_token(&account(), &claim(&token)).await.unwrap();
    let waiting = tokio::spawn({
        let (store, token) = (store.clone(), token.clone());
        async move { store.wait_for_stream_end(&token).await }
    });
    let call_waits = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { store.wait_for_end(&key).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    // Both have looked when the one has been told.
    let told = timeout(SOON, call_waits).await.unwrap().unwrap().unwrap();
    assert_eq!(told, EndReason::NeverStarted);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished(), "a live stream was ended");
    store.finish_stream(&claim(&token), None).await.unwrap();
    store.open(call("call-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_redis_forgot_are_told_again() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let store = store(&server).await;
    let key = store.open(call("call-1")).await.unwrap().key;
    let _: String = server.ask(&["SCRIPT", "FLUSH"]).await;
    assert!(store.end(&key, EndReason::App).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_held_is_found() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let mut policy = StorePolicy::default();
    policy.lease = Duration::from_secs(1);
    let connect = async |name: &str| {
        let options = server.options("t").with_node_name(name);
        let options = options.with_policy(policy.clone());
        RedisStore::connect(options).await.unwrap()
    };
    let (a, b) = (connect("a").await, connect("b").await);
    let key = a.open(call("call-1")).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(Duration::from_secs(600));
    a.mint_token(&key, &token, grant).await.unwrap();
    b.claim_token(&account(), &claim(&token)).await.unwrap();
    drop(b);
    let found = async {
        loop {
            a.renew_lease().await.unwrap();
            let mut found = a.expire(10, 10).await.unwrap().orphaned;
            if let Some(stream) = found.pop() {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let stream = timeout(SOON, found).await.expect("nobody finds it");
    assert_eq!((stream.call.key, stream.call.live_streams), (key, 0));
    let left = server.keys("*:nodes}:held:*").await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_whose_answer_comes_too_late_is_still_news() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let mut options = server.options("t");
    options.operation_timeout = Duration::from_millis(500);
    let store = RedisStore::connect(options).await.unwrap();
    let key = store.open(call("call-1")).await.unwrap().key;
    // Redis takes what comes now, and answers after that.
    let _: String = server.ask(&["CLIENT", "PAUSE", "800", "ALL"]).await;
    let told = store.update_status(&key, CallStatus::Completed).await;
    let update = told.unwrap();
    assert_eq!(update.transition, Transition::Advanced);
    let again = store.update_status(&key, CallStatus::Completed).await;
    assert_eq!(again.unwrap().transition, Transition::Stale);
}

#[tokio::test]
async fn what_cannot_work_is_said_at_once_and_without_secrets() {
    for url in [
        "http://secret-host/",
        "redis://",
        "rediss://:secret@127.0.0.1",
        "secret",
    ] {
        let error = RedisStore::connect(RedisOptions::new(url))
            .await
            .unwrap_err();
        let kinds = [ErrorKind::Configuration, ErrorKind::Store];
        assert!(kinds.contains(&error.kind()), "{url}: {error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let mut forgetful = RedisOptions::new("redis://127.0.0.1:1");
    forgetful.policy.keep_ended = forgetful.poll + forgetful.poll / 4;
    forgetful.poll += Duration::from_millis(1);
    let error = RedisStore::connect(forgetful).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`keep_ended`"), "{error}");
    let nobody = RedisStore::connect(RedisOptions::new("redis://127.0.0.1:1")).await;
    let error = nobody.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("nobody answers"), "{error}");
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let _: String = server.ask(&["CONFIG", "SET", "requirepass", "right"]).await;
    let url = server.url().replace("redis://", "redis://:secret@");
    let error = RedisStore::connect(RedisOptions::new(&url))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("the password"), "{error}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    let url = server.url().replace("redis://", "redis://:right@");
    let store = RedisStore::connect(RedisOptions::new(&url)).await.unwrap();
    assert!(!format!("{store:?}").contains("right"), "{store:?}");
}
