//! The store on a real Redis keeps the rules of every store, also on a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use support::{Bench, Server};
use telephony_testkit::store::RULES;

async fn keeps_every_rule(bench: &Bench) {
    for rule in RULES {
        let began = std::time::Instant::now();
        if let Err(broken) = rule.check(bench).await {
            panic!("{broken}");
        }
        eprintln!("{:>7} ms  {}", began.elapsed().as_millis(), rule.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_redis_keeps_every_rule() {
    if let Some(server) = Server::start(&[]).await {
        keeps_every_rule(&Bench::new(server, false)).await;
    }
}

#[cfg(feature = "cluster")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_a_cluster_keeps_every_rule() {
    let Some(server) = Server::start(&["--cluster-enabled", "yes"]).await else {
        return;
    };
    server.take_all_slots().await;
    keeps_every_rule(&Bench::new(server, true)).await;
}
