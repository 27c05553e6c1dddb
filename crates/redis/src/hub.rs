//! The one connection for messages: who waits for a call is told to look again.

use crate::endpoint::Endpoint;
use crate::link::{Backoff, HEARTBEAT, Link};
use futures_util::StreamExt as _;
use redis::Client;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Who waits for which call.
pub(crate) struct Hub {
    bells: Arc<Bells>,
    task: JoinHandle<()>,
}

struct Bells {
    by_call: Mutex<HashMap<String, watch::Sender<()>>>,
    /// Rung when messages may have been lost.
    all: watch::Sender<()>,
    /// Whether messages are received.
    is_up: watch::Sender<bool>,
}

/// Hears when a call should be looked at.
pub(crate) struct Listener {
    call: String,
    bell: Option<watch::Receiver<()>>,
    all: watch::Receiver<()>,
    bells: Arc<Bells>,
}

/// Why to look.
pub(crate) enum Heard {
    /// Something happened to the call.
    News,
    /// Messages may have been lost.
    Gap,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("waiting", &self.waiting())
            .field("is_up", &*self.bells.is_up.borrow())
            .finish_non_exhaustive()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bells {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.by_call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Receives messages on `channel` from one of the nodes, each of which has so long to answer.
    pub(crate) fn new(nodes: Nodes, channel: String, patience: Duration) -> Self {
        let bells = Arc::new(Bells {
            by_call: Mutex::default(),
            all: watch::Sender::new(()),
            is_up: watch::Sender::new(false),
        });
        let receiving = receive(nodes, channel, patience, Arc::clone(&bells));
        Self {
            bells,
            task: tokio::spawn(receiving),
        }
    }

    /// Waits until messages are received.
    pub(crate) async fn up(&self) {
        let mut is_up = self.bells.is_up.subscribe();
        // The sender lives as long as this.
        let _ = is_up.wait_for(|up| *up).await;
    }

    /// Hears of that call from now on.
    pub(crate) fn listen(&self, call: &str) -> Listener {
        let mut bells = self.bells.lock();
        let bell = bells
            .entry(call.to_owned())
            .or_insert_with(|| watch::Sender::new(()));
        Listener {
            call: call.to_owned(),
            bell: Some(bell.subscribe()),
            all: self.bells.all.subscribe(),
            bells: Arc::clone(&self.bells),
        }
    }

    /// How many calls are waited for.
    fn waiting(&self) -> usize {
        self.bells.lock().len()
    }
}

impl Listener {
    /// Waits for a reason to look, at most for `poll`.
    pub(crate) async fn heard(&mut self, poll: Duration) -> Heard {
        let Some(bell) = &mut self.bell else {
            return Heard::Gap;
        };
        tokio::select! {
            _ = bell.changed() => Heard::News,
            _ = self.all.changed() => Heard::Gap,
            () = tokio::time::sleep(poll) => Heard::News,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut bells = self.bells.lock();
        self.bell = None;
        if bells
            .get(&self.call)
            .is_some_and(|bell| bell.receiver_count() == 0)
        {
            bells.remove(&self.call);
        }
    }
}

/// The nodes of a cluster that messages can be received at, in turn: those that were configured, and those that the others
/// report when these fail. One Redis is a node too.
pub(crate) struct Nodes {
    endpoint: Endpoint,
    link: Arc<Link>,
    /// What is left of this turn.
    left: VecDeque<Client>,
}

impl Nodes {
    pub(crate) fn new(endpoint: Endpoint, link: Arc<Link>) -> Self {
        let left = endpoint.subscribers().to_vec().into();
        Self {
            endpoint,
            link,
            left,
        }
    }

    async fn next(&mut self) -> Option<Client> {
        if self.left.is_empty() {
            self.left.extend(self.endpoint.subscribers().to_vec());
            self.left.extend(self.endpoint.reported(&self.link).await);
        }
        self.left.pop_front()
    }
}

async fn receive(mut nodes: Nodes, channel: String, patience: Duration, bells: Arc<Bells>) {
    let mut backoff = Backoff::new();
    loop {
        let node = nodes.next().await;
        let subscribing = async {
            let mut messages = node?.get_async_pubsub().await.ok()?;
            messages.subscribe(&channel).await.ok()?;
            Some(messages)
        };
        if let Ok(Some(messages)) = tokio::time::timeout(patience, subscribing).await {
            backoff = Backoff::new();
            bells.is_up.send_replace(true);
            bells.all.send_replace(());
            pass_on(messages, &bells).await;
            bells.is_up.send_replace(false);
            tracing::warn!("the call store has lost its connection for messages from Redis");
        }
        backoff.pause().await;
    }
}

/// Rings bells until the connection is lost.
async fn pass_on(messages: redis::aio::PubSub, bells: &Bells) {
    let (mut sink, mut messages) = messages.split();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => {
                    let call = message.get_payload::<String>().unwrap_or_default();
                    if let Some(bell) = bells.lock().get(&call) {
                        bell.send_replace(());
                    }
                }
                None => return,
            },
            () = tokio::time::sleep(HEARTBEAT) => {
                let ping = tokio::time::timeout(HEARTBEAT, sink.ping::<redis::Value>()).await;
                if !matches!(ping, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RedisOptions;

    /// Nobody is there; that does not matter to who listens.
    fn hub() -> Hub {
        let options = RedisOptions::new("redis://127.0.0.1:1");
        let endpoint = Endpoint::new(&options).unwrap();
        let link = Arc::new(Link::new(endpoint.clone(), &options));
        let nodes = Nodes::new(endpoint, link);
        Hub::new(nodes, "c".to_owned(), Duration::from_secs(1))
    }

    #[tokio::test]
    async fn who_has_stopped_waiting_leaves_nothing_behind() {
        let hub = hub();
        let (one, other) = (hub.listen("call-1"), hub.listen("call-1"));
        let third = hub.listen("call-2");
        assert_eq!(hub.waiting(), 2);
        drop(one);
        drop(third);
        assert_eq!(hub.waiting(), 1);
        drop(other);
        assert_eq!(hub.waiting(), 0);
    }

    #[tokio::test]
    async fn only_who_waits_for_a_call_is_told_of_it() {
        let hub = hub();
        let (mut told, mut other) = (hub.listen("call-1"), hub.listen("call-2"));
        hub.bells.lock()["call-1"].send_replace(());
        let long = Duration::from_secs(3_600);
        assert!(matches!(told.heard(long).await, Heard::News));
        let early = tokio::time::timeout(Duration::from_millis(20), other.heard(long));
        assert!(early.await.is_err());
        hub.bells.all.send_replace(());
        assert!(matches!(other.heard(long).await, Heard::Gap));
    }
}
