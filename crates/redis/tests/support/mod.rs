//! A Redis of our own for each test, on a free port of the loopback, and stores on it.
#![allow(dead_code)]

#[cfg(feature = "cluster")]
pub(crate) mod cluster;
pub(crate) mod proxy;
#[cfg(feature = "tls")]
pub(crate) mod tls;

use async_trait::async_trait;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use telephony_core::{
    AccountLabel, CallId, CallKey, CallStore, Claim, Clock, Direction, MediaToken, NewCall,
    OsRandom, Party, ProviderName, StorePolicy,
};
use telephony_redis::{RedisOptions, RedisStore};
use telephony_testkit::store::{Hands, StoreBench, StoreUnderTest};

static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// A server that stops when it is dropped. What it keeps survives [`stop`](Self::stop).
pub(crate) struct Server {
    port: u16,
    directory: PathBuf,
    more: Vec<String>,
    running: Option<Child>,
    #[cfg(feature = "tls")]
    tls: Option<tls::Certificates>,
}

/// Says that a test is skipped for want of that, or fails if it must not be.
pub(crate) fn skip(missing: &str) {
    let required = std::env::var("TELEPHONY_REQUIRE_REDIS").is_ok_and(|value| value == "1");
    assert!(!required, "there is no {missing}, and it is required");
    eprintln!("SKIPPED: there is no {missing} on this machine");
}

/// A port that nobody has, and for a node of a cluster the one of its bus above it.
fn free_port(is_node: bool) -> u16 {
    loop {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        if !is_node {
            return port;
        }
        let bus = port.checked_add(10_000);
        if bus.is_some_and(|bus| TcpListener::bind(("127.0.0.1", bus)).is_ok()) {
            return port;
        }
    }
}

impl Server {
    /// [`None`] if there is no `redis-server` here: the test is skipped then, or fails if it must not be.
    pub(crate) async fn start(more: &[&str]) -> Option<Self> {
        let is_there = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if is_there.is_err() {
            skip("redis-server");
            return None;
        }
        let mut server = Self::new(more);
        server.run().await;
        Some(server)
    }

    fn new(more: &[&str]) -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("telephony-redis-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self {
            port: free_port(more.contains(&"--cluster-enabled")),
            directory,
            more: more.iter().map(|&arg| arg.to_owned()).collect(),
            running: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Starts it, again if need be, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        let port = self.port.to_string();
        #[cfg(feature = "tls")]
        let ports = match &self.tls {
            Some(_) => ["--port", "0", "--tls-port", &port].to_vec(),
            None => ["--port", &port].to_vec(),
        };
        #[cfg(not(feature = "tls"))]
        let ports = ["--port", &port];
        let child = Command::new("redis-server")
            .args(ports)
            .args(["--bind", "127.0.0.1"])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--save", "", "--dir"])
            .arg(&self.directory)
            .args(&self.more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.running = Some(child);
        for _ in 0..200 {
            if let Ok(mut connection) = self.connection().await
                && redis::cmd("PING")
                    .query_async::<String>(&mut connection)
                    .await
                    .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("redis-server does not answer");
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> redis::RedisResult<redis::Client> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return redis::Client::build_with_tls(self.secure_url(), tls.for_redis());
        }
        redis::Client::open(self.url())
    }

    pub(crate) async fn connection(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        self.client()?.get_multiplexed_async_connection().await
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        let mut connection = self.connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    pub(crate) async fn keys(&self, pattern: &str) -> Vec<String> {
        self.ask(&["KEYS", pattern]).await
    }

    /// Options for a store on it that looks often and gives up early.
    pub(crate) fn options(&self, prefix: &str) -> RedisOptions {
        let mut options = RedisOptions::new(&self.url()).with_prefix(prefix);
        options.poll = Duration::from_millis(200);
        // The machine of the tests may be busy.
        options.operation_timeout = Duration::from_secs(5);
        options
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Makes stores on one server, each with its own prefix.
pub(crate) struct Bench {
    pub(crate) server: Arc<Server>,
    pub(crate) cluster: bool,
    stores: AtomicU32,
}

impl Bench {
    pub(crate) fn new(server: Server, cluster: bool) -> Self {
        Self {
            server: Arc::new(server),
            cluster,
            stores: AtomicU32::new(0),
        }
    }
}

pub(crate) struct UnderTest {
    server: Arc<Server>,
    cluster: bool,
    clock: Arc<Hands>,
    prefix: String,
    policy: StorePolicy,
}

#[async_trait]
impl StoreBench for Bench {
    async fn fresh(&self, policy: StorePolicy) -> Box<dyn StoreUnderTest> {
        let number = self.stores.fetch_add(1, Ordering::Relaxed);
        Box::new(UnderTest {
            server: Arc::clone(&self.server),
            cluster: self.cluster,
            clock: Arc::new(Hands::default()),
            prefix: format!("test{number}"),
            policy,
        })
    }
}

#[async_trait]
impl StoreUnderTest for UnderTest {
    async fn node(&self, name: &str) -> Arc<dyn CallStore> {
        let mut options = self
            .server
            .options(&self.prefix)
            .with_node_name(name)
            .with_policy(self.policy.clone());
        options.cluster = self.cluster;
        options.clock = Some(Arc::clone(&self.clock) as Arc<dyn Clock>);
        Arc::new(RedisStore::connect(options).await.unwrap())
    }

    async fn pass(&self, time: Duration) {
        self.clock.turn(time);
    }

    async fn left(&self) -> usize {
        let keys = self.server.keys(&format!("*{}:*", self.prefix)).await;
        // The lease that a living node always has.
        let is_lease = |key: &str| key.ends_with(":nodes}:until") || key.ends_with(":nodes}:since");
        let is_left = |key: &&String| !is_lease(key) && !key.ends_with(":rate");
        keys.iter().filter(is_left).count()
    }
}

pub(crate) fn account() -> AccountLabel {
    AccountLabel::new("main").unwrap()
}

/// A call of the account `main` that comes in.
pub(crate) fn call(id: &str) -> NewCall {
    NewCall::new(
        CallKey::random(&OsRandom).unwrap(),
        ProviderName::from_static("dummy"),
        account(),
        Direction::Inbound,
        (Party::parse("+14155550100"), Party::parse("+14155550199")),
    )
    .with_call_id(Some(CallId::new(id).unwrap()))
}

/// The first claim of a token.
pub(crate) fn claim(token: &MediaToken) -> Claim {
    Claim::numbered(token.clone(), 1)
}
