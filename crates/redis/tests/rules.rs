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

/// One node that owns all slots refuses what would not work on many: scripts whose keys are in different slots.
#[cfg(feature = "cluster")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_a_cluster_keeps_every_rule() {
    let Some(server) = Server::start(&["--cluster-enabled", "yes"]).await else {
        return;
    };
    let slots: Vec<String> = (0..16_384).map(|slot| slot.to_string()).collect();
    let mut words = vec!["CLUSTER", "ADDSLOTS"];
    words.extend(slots.iter().map(String::as_str));
    let _: String = server.ask(&words).await;
    for _ in 0..100 {
        let info: String = server.ask(&["CLUSTER", "INFO"]).await;
        if info.contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    keeps_every_rule(&Bench::new(server, true)).await;
}
