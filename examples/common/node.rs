//! A node as a process of its own: started, listened to, killed.

use crate::own_redis::signal;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use telephony::BoxError;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a node says first, and then its URL.
pub const LISTENING: &str = "listening on http://";

/// How long a node may take to come up, on a busy machine.
const UP: Duration = Duration::from_secs(60);

/// A process that prints what happens, a line for each thing. It is killed when this is dropped.
#[derive(Debug)]
pub struct Node {
    /// Its name, for people.
    pub name: String,
    /// Its `host:port`.
    pub address: String,
    child: Child,
    said: Arc<Said>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Said {
    lines: Mutex<Vec<(Instant, String)>>,
    count: watch::Sender<usize>,
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, String)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// Starts `program` and waits until it listens. What it says is shown, too, if `is_shown`.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        is_shown: bool,
    ) -> Result<Self, BoxError> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the node has no output")?;
        let said = Arc::new(Said {
            lines: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let (keep, label) = (Arc::clone(&said), name.to_owned());
        let listening = tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if is_shown {
                    println!("  {label}: {line}");
                }
                keep.lock().push((Instant::now(), line));
                keep.count.send_modify(|count| *count += 1);
            }
        });
        let mut node = Self {
            name: name.to_owned(),
            address: String::new(),
            child,
            said,
            listening,
        };
        let (_, line) = node
            .says(0, UP, |line| line.starts_with(LISTENING))
            .await
            .map_err(|_| format!("node {name} does not come up"))?;
        node.address = line[LISTENING.len()..].to_owned();
        Ok(node)
    }

    /// How many lines it has said.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.said.lock().len()
    }

    /// What it has said from the `from`th line on.
    #[must_use]
    pub fn said(&self, from: usize) -> Vec<String> {
        let lines = self.said.lock();
        lines
            .iter()
            .skip(from)
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// What it has said last.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        self.said.lock().last().map(|(_, line)| line.clone())
    }

    /// Waits until it says such a line, and when that was; lines before the `from`th do not count.
    ///
    /// # Errors
    /// If it does not say it in time.
    pub async fn says(
        &self,
        from: usize,
        within: Duration,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<(Instant, String), BoxError> {
        let mut count = self.said.count.subscribe();
        let found = async {
            let mut at = from;
            loop {
                for (when, line) in self.said.lock().iter().skip(at) {
                    at += 1;
                    if is_it(line) {
                        return Ok((*when, line.clone()));
                    }
                }
                // The sender lives as long as this.
                count.changed().await?;
            }
        };
        let result = tokio::time::timeout(within, found).await;
        result.unwrap_or_else(|_| {
            let said = self.said(from).join("\n");
            Err(format!("node {} did not say it; it said:\n{said}", self.name).into())
        })
    }

    /// Ends it at once, as a machine that is lost.
    ///
    /// # Errors
    /// If that fails.
    pub async fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill().await
    }

    /// Holds it: its connections stay open, and it does nothing.
    ///
    /// # Errors
    /// If that fails.
    pub fn freeze(&self) -> std::io::Result<()> {
        signal("STOP", self.child.id())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If that fails.
    pub fn thaw(&self) -> std::io::Result<()> {
        signal("CONT", self.child.id())
    }

    /// Asks it to end, and waits until it has. Whether it ended well.
    ///
    /// # Errors
    /// If it does not end within `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> Result<bool, BoxError> {
        signal("TERM", self.child.id())?;
        let ended = tokio::time::timeout(deadline, self.child.wait()).await;
        let status = ended.map_err(|_| format!("node {} does not end", self.name))??;
        Ok(status.success())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
