//! Server processes, one real Redis, simulated carriers, and the load balancer in front.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are tests"
)]

use house::front::{Front, Pass};
use house::node::Node;
use house::own_redis::{Memory, OwnRedis};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use telephony::redis::{RedisOptions, RedisStore};
use telephony::{Provider, StorePolicy};
use telephony_testkit::{EndedBy, Outcome, RunningCall, Script, SimulatedCall, SimulatedCarrier};

/// Longer than anything here takes, on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

const PREFIX: &str = "fleet";

/// The binary that `cargo test` has built.
pub fn two_nodes() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let name = format!("two_nodes{}", std::env::consts::EXE_SUFFIX);
    let binary = target.join("examples").join(name);
    assert!(
        binary.is_file(),
        "{} is missing: `cargo test --workspace` builds it, and so does `cargo build --examples`",
        binary.display()
    );
    binary
}

/// A Redis; [`None`] if there is none on this machine: the test is skipped then, or fails if it must not be.
pub async fn redis(memory: Memory) -> Option<OwnRedis> {
    let redis = OwnRedis::start(memory).await.unwrap();
    if redis.is_none() {
        let required = std::env::var("TELEPHONY_REQUIRE_REDIS").is_ok_and(|value| value == "1");
        assert!(!required, "there is no redis-server, and it is required");
        eprintln!("SKIPPED: there is no redis-server on this machine");
    }
    redis
}

/// Two nodes and what they need.
pub struct Fleet {
    pub redis: OwnRedis,
    pub front: Front,
    pub carriers: Vec<(Provider, SimulatedCarrier)>,
    pub nodes: Vec<Node>,
    settings: Vec<String>,
}

impl Fleet {
    /// Webhooks go to the first node, media sockets to the second.
    pub async fn start(memory: Memory, settings: &[&str]) -> Option<Self> {
        Self::with(memory, settings, |call| call).await
    }

    /// With carriers of that pattern.
    pub async fn with(
        memory: Memory,
        settings: &[&str],
        pattern: impl Fn(SimulatedCall) -> SimulatedCall,
    ) -> Option<Self> {
        let redis = redis(memory).await?;
        let front = Front::start().await.unwrap();
        let mut carriers = Vec::new();
        for provider in Provider::ALL {
            let carrier =
                house::simulated::call(provider, &front.url).linger(Duration::from_millis(100));
            carriers.push((provider, pattern(carrier).serve().await.unwrap()));
        }
        let mut fleet = Self {
            redis,
            front,
            carriers,
            nodes: Vec::new(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        };
        fleet.add("A").await;
        fleet.add("B").await;
        let nodes = fleet.addresses();
        fleet
            .front
            .route(move |path| Pass::To(nodes[usize::from(is_media(path))].clone()));
        Some(fleet)
    }

    /// One node more.
    pub async fn add(&mut self, name: &str) {
        let mut arguments: Vec<_> = ["--node", name, &self.front.url, &self.redis.url(), PREFIX]
            .map(str::to_owned)
            .into();
        let carriers = self.carriers.iter();
        arguments.extend(carriers.map(|(name, carrier)| format!("{name}={}", carrier.base_url())));
        arguments.extend(self.settings.clone());
        let node = Node::start(name, &two_nodes(), arguments, false).await;
        self.nodes.push(node.unwrap());
    }

    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    pub fn carrier(&self, provider: Provider) -> &SimulatedCarrier {
        let found = self.carriers.iter().find(|(name, _)| *name == provider);
        &found.unwrap().1
    }

    /// A call to the number with that last digit, of a caller who waits, once its stream is up on the second node. Its key.
    pub async fn talk(&self, provider: Provider, digit: char) -> (RunningCall, String) {
        let from = self.nodes[1].lines();
        let call = self
            .carrier(provider)
            .incoming()
            .to(format!("+1415555010{digit}"))
            .script(Script::new().wait_for_hang_up(SOON * 2))
            .start();
        let key = self.says(1, from, "stream ", "").await.1;
        (call, key)
    }

    /// When that node said such a line, and its second word: the call.
    pub async fn says(
        &self,
        node: usize,
        from: usize,
        begin: &str,
        end: &str,
    ) -> (Instant, String) {
        let is_it = |line: &str| line.starts_with(begin) && line.ends_with(end);
        let (when, line) = self.nodes[node].says(from, SOON, is_it).await.unwrap();
        (when, line.split(' ').nth(1).unwrap().to_owned())
    }

    /// Waits until all nodes reach their store again.
    pub async fn ready(&self) {
        for node in &self.nodes {
            let url = format!("http://{}/readyz", node.address);
            let ready = async {
                while !matches!(house::get(&url).await, Ok((200, _))) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(SOON, ready)
                .await
                .expect("it is not ready");
        }
    }

    /// Waits until nothing of any call or stream is left in Redis.
    pub async fn forgotten(&self) {
        let began = Instant::now();
        loop {
            let keys = house::own_redis::left(&self.redis.url(), PREFIX)
                .await
                .unwrap();
            if keys.is_empty() {
                return;
            }
            assert!(began.elapsed() < SOON * 2, "left in the store: {keys:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The store as another process sees it, with the policy of the nodes.
    pub async fn store(&self, policy: StorePolicy) -> Arc<RedisStore> {
        let options = RedisOptions::new(&self.redis.url())
            .with_prefix(PREFIX)
            .with_policy(policy);
        Arc::new(RedisStore::connect(options).await.unwrap())
    }
}

/// The caller hangs up, and the carrier has done what it does then.
pub async fn hang_up(call: RunningCall) -> Outcome {
    call.handle().hang_up_as(EndedBy::Caller);
    over(call).await
}

/// The call is over.
pub async fn over(call: RunningCall) -> Outcome {
    let outcome = tokio::time::timeout(SOON, call.outcome()).await;
    outcome.expect("the call does not end")
}

/// Whether a media socket is asked for.
pub fn is_media(path: &str) -> bool {
    path.contains("/media/")
}

/// Whether something is told that wants no answer.
pub fn is_callback(path: &str) -> bool {
    path.contains("/status") || path.contains("/events")
}
