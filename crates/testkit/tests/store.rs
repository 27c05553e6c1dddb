//! The store in memory keeps the rules of every store, and the rules notice a store that does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{CallStore, MemoryStore, MemoryStoreOptions, NodeId, OsRandom, StorePolicy};
use telephony_testkit::store::{Hands, RULES, StoreBench, StoreUnderTest};

/// Makes stores in memory, all nodes sharing one; or, when `apart`, each having its own.
struct Memory {
    apart: bool,
}

struct MemoryUnderTest {
    store: MemoryStore,
    options: MemoryStoreOptions,
    clock: Arc<Hands>,
    apart: bool,
}

#[async_trait]
impl StoreBench for Memory {
    async fn fresh(&self, policy: StorePolicy) -> Box<dyn StoreUnderTest> {
        let mut options = MemoryStoreOptions::default();
        options.policy = policy;
        let clock = Arc::new(Hands::default());
        Box::new(MemoryUnderTest {
            store: MemoryStore::new(options.clone(), clock.clone()),
            options,
            clock,
            apart: self.apart,
        })
    }
}

#[async_trait]
impl StoreUnderTest for MemoryUnderTest {
    async fn node(&self, name: &str) -> Arc<dyn CallStore> {
        let node = NodeId::random(name, &OsRandom).unwrap();
        if self.apart && name != "a" {
            let other = MemoryStore::new(self.options.clone(), self.clock.clone());
            return Arc::new(other.as_node(node));
        }
        Arc::new(self.store.as_node(node))
    }

    async fn pass(&self, time: Duration) {
        self.clock.turn(time);
    }

    async fn left(&self) -> usize {
        self.store.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_keeps_every_rule() {
    for rule in RULES {
        rule.check(&Memory { apart: false })
            .await
            .unwrap_or_else(|broken| panic!("{broken}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_do_not_share_a_store_break_the_rules() {
    let mut kept = Vec::new();
    for rule in RULES {
        match rule.check(&Memory { apart: true }).await {
            Ok(()) => kept.push(rule.name),
            Err(broken) => assert!(broken.to_string().contains(rule.name), "{broken}"),
        }
    }
    // What takes place on one node only is kept all the same.
    let few = RULES.len() / 4;
    assert!(kept.len() <= few, "too few rules need both nodes: {kept:?}");
}
