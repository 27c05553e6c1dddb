//! What is in Redis: nothing without an expiry, nothing that need not be there, few connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use bytes::Bytes;
use futures_util::future::join_all;
use std::time::Duration;
use support::{Server, account, call, claim};
use telephony_core::{
    Answer, CallKey, CallStore, EndReason, FirstTime, KeptAnswer, MediaGrant, MediaToken, OsRandom,
    RequestName, Secret,
};
use telephony_redis::RedisStore;

/// A call with everything that a call may have.
async fn fill(store: &RedisStore, id: &str) -> CallKey {
    let data = [("tenant".to_owned(), "acme".to_owned())].into();
    let key = store.open(call(id).with_data(data)).await.unwrap().key;
    let token = MediaToken::random(&OsRandom).unwrap();
    let grant = MediaGrant::new(Duration::from_secs(4 * 3_600));
    store.mint_token(&key, &token, grant).await.unwrap();
    store.claim_token(&account(), &claim(&token)).await.unwrap();
    store.set_next(&key, Some(Answer::hang_up())).await.unwrap();
    let waiting = store.wait_for_end(&key);
    let _ = tokio::time::timeout(Duration::from_millis(50), waiting).await;
    let request = RequestName::new(account(), format!("request of {id}"));
    let told = store.first_time(&request, Duration::ZERO).await.unwrap();
    let FirstTime::Yes(turn) = told else {
        panic!("{id} is known");
    };
    let answer = KeptAnswer::new(200, Some("text/xml"), Bytes::from_static(b"<Response/>"));
    store
        .keep_answer(&request, &turn, Some(answer.unwrap()))
        .await
        .unwrap();
    key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_expires_by_itself_and_begins_with_the_prefix() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let store = RedisStore::connect(server.options("my.app")).await.unwrap();
    fill(&store, "call-1").await;
    let over = fill(&store, "call-2").await;
    let worked_on = RequestName::new(account(), "worked on");
    store.first_time(&worked_on, Duration::ZERO).await.unwrap();
    store.end(&over, EndReason::App).await.unwrap();
    store.expire(10, 10).await.unwrap();
    let keys = server.keys("*").await;
    assert!(keys.len() > 12, "{keys:?}");
    for key in keys {
        let plain = key.trim_start_matches('{');
        assert!(plain.starts_with("my.app:"), "{key}");
        let ms: i64 = server.ask(&["PTTL", &key]).await;
        let days = Duration::from_secs(2 * 86_400).as_millis();
        assert!(
            ms > 0 && u128::from(ms.unsigned_abs()) < days,
            "{key}: {ms} ms"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parties_stay_out_if_they_shall() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    for keep in [true, false] {
        let mut options = server.options("t");
        options.keep_parties = keep;
        let store = RedisStore::connect(options).await.unwrap();
        let key = fill(&store, &format!("call-{keep}")).await;
        let name = server.keys(&format!("*:call:{key}")).await.remove(0);
        let fields: Vec<String> = server.ask(&["HGETALL", &name]).await;
        let is_there = fields.iter().any(|field| field.contains("4155550100"));
        assert_eq!(is_there, keep);
        let call = store.find(&key).await.unwrap().unwrap();
        assert_eq!(call.from.e164().is_some(), keep);
        assert!(!format!("{store:?} {call:?}").contains("4155550"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_two_connections_and_goes_without_them_when_it_ends() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let clients = async || {
        let list: String = server.ask(&["CLIENT", "LIST"]).await;
        list.lines().count() - 1 // But for the one that asks.
    };
    assert_eq!(clients().await, 0);
    let store = RedisStore::connect(server.options("t")).await.unwrap();
    let ids: Vec<_> = (0..50).map(|at| format!("call-{at}")).collect();
    join_all(ids.iter().map(|id| fill(&store, id))).await;
    assert_eq!(clients().await, 2);
    drop(store);
    for _ in 0..200 {
        if clients().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("connections are left over");
}

/// The rights that the documentation says are enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_rights_are_enough() {
    let Some(server) = Server::start(&[]).await else {
        return;
    };
    let _: String = server
        .ask(&[
            "ACL",
            "SETUSER",
            "app",
            "on",
            ">word",
            "~telephony:*",
            "~{telephony:*",
            "resetchannels",
            "&telephony:*",
            "-@all",
            "+@read",
            "+@write",
            "+@pubsub",
            "+@scripting",
            "+@connection",
            "+time",
        ])
        .await;
    let mut options = server.options("telephony");
    options.url = Secret::new(server.url().replace("redis://", "redis://app:word@"));
    let store = RedisStore::connect(options).await.unwrap();
    let key = fill(&store, "call-1").await;
    assert!(store.end(&key, EndReason::App).await.unwrap());
    store.expire(10, 10).await.unwrap();
}

/// Not a test of a rule: what the crate's documentation says of sizes, measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn how_much_a_call_takes() {
    let Some(server) = Server::start(&["--appendonly", "no"]).await else {
        return;
    };
    let mut options = server.options("telephony");
    options.policy.limits.call_rate = None;
    let store = RedisStore::connect(options).await.unwrap();
    let used = async || {
        let info: String = server.ask(&["INFO", "memory"]).await;
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().parse::<u64>().unwrap()
    };
    fill(&store, "first").await;
    let before = used().await;
    let began = std::time::Instant::now();
    let ids: Vec<_> = (0..5_000).map(|at| format!("CA{at:032}")).collect();
    for some in ids.chunks(100) {
        join_all(some.iter().map(|id| fill(&store, id))).await;
    }
    let took = began.elapsed();
    let bytes = (used().await - before) / 5_000;
    let commands: String = server.ask(&["INFO", "commandstats"]).await;
    let scripts = commands
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    eprintln!("{bytes} bytes a call with its answer; 5,000 calls in {took:?}; {scripts:?}");
    for pattern in [
        "*:call:*",
        "*:token:*",
        "*:id:*",
        "*:request:*",
        "*:due",
        "*:live",
        "*:until",
        "*:held:*",
    ] {
        let key = server.keys(pattern).await.remove(0);
        let bytes: u64 = server.ask(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]).await;
        eprintln!("{bytes:>8} bytes  {key}");
    }
}
