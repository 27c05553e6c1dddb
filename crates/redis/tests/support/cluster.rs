//! A cluster of three primaries on the loopback.

use super::Server;
use std::process::Command;
use std::time::Duration;
use telephony_redis::RedisOptions;

/// All slots.
const SLOTS: usize = 16_384;

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    /// [`None`] if there is no `redis-server` here. What is on a node that is lost is away, and the rest stays.
    pub(crate) async fn start() -> Option<Self> {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-require-full-coverage",
                "no",
                "--cluster-node-timeout",
                "2000",
            ];
            nodes.push(Server::start(&arguments).await?);
        }
        let cluster = Self { nodes };
        cluster.meet().await;
        Some(cluster)
    }

    async fn meet(&self) {
        let slots: Vec<String> = (0..SLOTS).map(|slot| slot.to_string()).collect();
        let shares = slots.chunks(SLOTS.div_ceil(self.nodes.len()));
        for ((node, share), epoch) in self.nodes.iter().zip(shares).zip(1..) {
            let epoch: i32 = epoch;
            let epoch = epoch.to_string();
            let _: String = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(share.iter().map(String::as_str));
            let _: String = node.ask(&words).await;
            let port = node.port().to_string();
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &port];
            let _: String = self.nodes[0].ask(&meet).await;
        }
        for node in &self.nodes {
            until_whole(node, self.nodes.len()).await;
        }
    }

    /// Options for a store that begins with the first so many nodes.
    pub(crate) fn options(&self, known: usize) -> RedisOptions {
        let mut options = self.nodes[0].options("t");
        options.cluster = true;
        let more = self.nodes[1..known].iter();
        options.more_urls = more.map(|node| node.url().into()).collect();
        options
    }
}

/// Waits until the node knows who of so many has which slots.
async fn until_whole(node: &Server, nodes: usize) {
    for _ in 0..600 {
        let info: String = node.ask(&["CLUSTER", "INFO"]).await;
        let slots: Vec<Vec<redis::Value>> = node.ask(&["CLUSTER", "SLOTS"]).await;
        if info.contains("cluster_state:ok") && slots.len() == nodes {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the cluster does not come together");
}

impl Server {
    /// One node that owns all slots refuses what would not work on many: scripts whose keys are in different slots.
    pub(crate) async fn take_all_slots(&self) {
        let slots: Vec<String> = (0..SLOTS).map(|slot| slot.to_string()).collect();
        let mut words = vec!["CLUSTER", "ADDSLOTS"];
        words.extend(slots.iter().map(String::as_str));
        let _: String = self.ask(&words).await;
        until_whole(self, 1).await;
    }

    /// It keeps its connections and says nothing any more, as a machine does that has lost its network.
    pub(crate) fn freeze(&mut self) {
        let id = self.running.as_ref().unwrap().id().to_string();
        let stopped = Command::new("kill").args(["-STOP", &id]).status();
        assert!(stopped.unwrap().success());
    }
}
