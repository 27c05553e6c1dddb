//! What happens to those who wait when a node of a cluster is lost.
#![cfg(feature = "cluster")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};
use support::Server;
use support::cluster::Cluster;
use telephony_core::{
    AccountLimits, CallKey, CallStore, Direction, EndReason, NewCall, OsRandom, Party, ProviderName,
};
use telephony_redis::{RedisOptions, RedisStore};
use tokio::time::timeout;

/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

/// Nobody looks by itself, and all that is kept of a call is on one node.
fn only_told(mut options: RedisOptions) -> RedisOptions {
    options.poll = Duration::from_secs(3_600);
    options.policy.keep_ended = 2 * options.poll;
    options.policy.limits = AccountLimits::none();
    options
}

/// A call that is on one of these nodes.
async fn call_on(nodes: &[Server], store: &RedisStore) -> CallKey {
    loop {
        let call = NewCall::new(
            CallKey::random(&OsRandom).unwrap(),
            ProviderName::from_static("dummy"),
            support::account(),
            Direction::Inbound,
            (Party::Withheld, Party::Withheld),
        );
        let key = store.open(call).await.unwrap().key;
        for node in nodes {
            if !node.keys(&format!("*:call:{key}")).await.is_empty() {
                return key;
            }
        }
    }
}

/// Waits until that store is subscribed at one of these nodes.
async fn until_subscribed(nodes: &[Server], store: &RedisStore) {
    let began = Instant::now();
    while began.elapsed() < SOON {
        for node in nodes {
            let channels: Vec<String> = node.ask(&["PUBSUB", "CHANNELS"]).await;
            let name = store.node().as_str();
            if channels.iter().any(|channel| channel.ends_with(name)) {
                eprintln!("subscribed elsewhere after {:?}", began.elapsed());
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the store is subscribed nowhere");
}

async fn messages_go_on(known: usize, lose: fn(&mut Server)) {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let a = RedisStore::connect(only_told(cluster.options(known))).await;
    let b = RedisStore::connect(only_told(cluster.options(3))).await;
    let (a, b) = (Arc::new(a.unwrap()), b.unwrap());
    until_subscribed(&cluster.nodes[..1], &a).await;
    let keys = [
        call_on(&cluster.nodes[1..], &a).await,
        call_on(&cluster.nodes[1..], &a).await,
    ];
    let wait = |key: &CallKey| {
        let (a, key) = (Arc::clone(&a), key.clone());
        tokio::spawn(async move { a.wait_for_end(&key).await })
    };
    let before = wait(&keys[0]);
    tokio::time::sleep(Duration::from_millis(200)).await;

    lose(&mut cluster.nodes[0]);
    until_subscribed(&cluster.nodes[1..], &a).await;
    // Who has waited looks again within a second, so that after two only a message can tell.
    let after = wait(&keys[1]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (key, waiting) in keys.iter().zip([before, after]) {
        assert!(!waiting.is_finished());
        b.end(key, EndReason::App).await.unwrap();
        let reason = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
        assert_eq!(reason, EndReason::App);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_on_from_another_node_when_theirs_dies() {
    messages_go_on(3, Server::stop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_on_from_another_node_when_theirs_says_nothing_any_more() {
    messages_go_on(3, Server::freeze).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_on_from_a_node_that_only_the_cluster_told_of() {
    messages_go_on(1, Server::stop).await;
}

/// The rights that the documentation says are enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_rights_are_enough() {
    let Some(server) = Server::start(&["--cluster-enabled", "yes"]).await else {
        return;
    };
    server.take_all_slots().await;
    let user = "ACL SETUSER app on >word -@all ~telephony:* ~{telephony:* resetchannels &telephony:* \
                +@read +@write +@pubsub +@scripting +@connection +time +cluster|slots";
    let words: Vec<_> = user.split_whitespace().collect();
    let _: String = server.ask(&words).await;
    let mut options = server.options("telephony");
    options.url = server.url().replace("redis://", "redis://app:word@").into();
    options.cluster = true;
    let store = RedisStore::connect(options).await.unwrap();
    let key = call_on(std::slice::from_ref(&server), &store).await;
    store.end(&key, EndReason::App).await.unwrap();
    assert_eq!(store.wait_for_end(&key).await.unwrap(), EndReason::App);
    store.expire(10, 10).await.unwrap();
}
