//! A Redis of our own for a demonstration or a test, on a free port of the loopback.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use telephony::BoxError;

/// How long it may take to come up.
const UP: Duration = Duration::from_secs(20);

static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// Whether a Redis that is stopped knows what it knew when it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It writes everything down before it answers.
    Lasting,
    /// It forgets everything.
    Fleeting,
}

/// A `redis-server` that ends when this is dropped.
#[derive(Debug)]
pub struct OwnRedis {
    port: u16,
    directory: PathBuf,
    memory: Memory,
    running: Option<Child>,
}

impl OwnRedis {
    /// Starts one; [`None`] if there is no `redis-server` on this machine.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(memory: Memory) -> Result<Option<Self>, BoxError> {
        let mut version = Command::new("redis-server");
        version.arg("--version").stdout(Stdio::null());
        if version.status().is_err() {
            return Ok(None);
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("telephony-house-redis-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory)?;
        let mut redis = Self {
            port,
            directory,
            memory,
            running: None,
        };
        redis.run().await?;
        Ok(Some(redis))
    }

    /// Starts it, again if need be, and waits until it answers.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn run(&mut self) -> Result<(), BoxError> {
        let lasting = match self.memory {
            Memory::Lasting => "yes",
            Memory::Fleeting => "no",
        };
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--appendonly", lasting, "--appendfsync", "always"])
            .args(["--save", "", "--dir"])
            .arg(&self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.running = Some(child);
        let url = self.url();
        crate::within(UP, async move {
            while ask::<String>(&url, &["PING"]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        })
        .await
    }

    /// Stops it at once, as a power cut does.
    ///
    /// # Errors
    /// If that fails.
    pub fn stop(&mut self) -> std::io::Result<()> {
        match self.running.take() {
            Some(mut child) => child.kill().and_then(|()| child.wait()).map(drop),
            None => Ok(()),
        }
    }

    /// Holds it: connections stay open, and nobody answers.
    ///
    /// # Errors
    /// If that fails.
    pub fn freeze(&self) -> std::io::Result<()> {
        signal("STOP", self.running.as_ref().map(Child::id))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If that fails.
    pub fn thaw(&self) -> std::io::Result<()> {
        signal("CONT", self.running.as_ref().map(Child::id))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: Option<u32>) -> std::io::Result<()> {
    let Some(process) = process else {
        return Err(std::io::Error::other("it does not run"));
    };
    // The shell's own command: there is one everywhere, and no unsafe code.
    let command = format!("kill -{name} {process}");
    let done = Command::new("sh").args(["-c", &command]).status()?;
    match done.success() {
        true => Ok(()),
        false => Err(std::io::Error::other("the signal was not sent")),
    }
}

/// Asks a Redis.
///
/// # Errors
/// Those of Redis.
pub async fn ask<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> redis::RedisResult<T> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query_async(&mut connection).await
}

/// All keys of a prefix that are there for a call or a stream: but for the lease, which a living node always has.
///
/// # Errors
/// Those of Redis.
pub async fn left(url: &str, prefix: &str) -> redis::RedisResult<Vec<String>> {
    let mut left = keys(url, &format!("{prefix}:")).await?;
    let lease = format!("{{{prefix}:nodes}}:");
    let is_lease = |key: &str| matches!(key.strip_prefix(&lease), Some("until" | "since"));
    left.retain(|key| !is_lease(key));
    Ok(left)
}

/// All keys that have `part` in their names.
///
/// # Errors
/// Those of Redis.
pub async fn keys(url: &str, part: &str) -> redis::RedisResult<Vec<String>> {
    let pattern = format!("*{part}*");
    let (mut cursor, mut all) = (String::from("0"), Vec::new());
    loop {
        let words = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", "1000"];
        let (next, mut some): (String, Vec<String>) = ask(url, &words).await?;
        all.append(&mut some);
        if next == "0" {
            return Ok(all);
        }
        cursor = next;
    }
}
