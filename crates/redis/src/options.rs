//! How a store is reached and how it behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{Clock, Secret, StorePolicy};

/// How a [`RedisStore`](crate::RedisStore) is reached and how it behaves. All nodes must have the same prefix and policy.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`; `rediss://` for TLS, with the feature `tls`. A secret: it may hold a
    /// password.
    pub url: Secret,
    /// More nodes of a Redis Cluster to begin with, as further URLs. With any, or with [`cluster`](Self::cluster), the store
    /// speaks to a cluster, which needs the feature `cluster`.
    pub more_urls: Vec<Secret>,
    /// Whether this is a Redis Cluster. Default: only if there are more URLs.
    pub cluster: bool,
    /// What all keys and channels begin with. Default `telephony`.
    pub prefix: String,
    /// A name of this node for people. Default: the variable `HOSTNAME`, if there is one.
    pub node_name: String,
    /// How long an operation may take, a repeat after a lost connection included. Default 1 s.
    pub operation_timeout: Duration,
    /// How long connecting may take. Default 2 s.
    pub connect_timeout: Duration,
    /// How often whoever waits looks by itself, in case a message was lost. Default 15 s: a lost connection is noticed on
    /// its own, so this is for what nobody thought of. Each wait costs one script in that time.
    pub poll: Duration,
    /// Whether the parties of a call are kept. Default yes. Without them [`CallRecord`](telephony_core::CallRecord)s say
    /// that both are withheld, and no phone number gets into Redis, except for those in answers and in the app's own data.
    pub keep_parties: bool,
    /// For how long things are remembered, and how many calls an account may have.
    pub policy: StorePolicy,
    /// Tells the time. Default: Redis itself does, so that all nodes agree. For tests.
    pub clock: Option<Arc<dyn Clock>>,
}

impl RedisOptions {
    /// The Redis at that URL, with everything else at its default.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: Secret::new(url),
            more_urls: Vec::new(),
            cluster: false,
            prefix: "telephony".to_owned(),
            node_name: std::env::var("HOSTNAME").unwrap_or_default(),
            operation_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(2),
            poll: Duration::from_secs(15),
            keep_parties: true,
            policy: StorePolicy::default(),
            clock: None,
        }
    }

    /// All keys and channels begin with that.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// This node's name for people.
    #[must_use]
    pub fn with_node_name(mut self, name: impl Into<String>) -> Self {
        self.node_name = name.into();
        self
    }

    /// For how long things are remembered, and how many calls an account may have.
    #[must_use]
    pub fn with_policy(mut self, policy: StorePolicy) -> Self {
        self.policy = policy;
        self
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster || !self.more_urls.is_empty()
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("cluster", &self.is_cluster())
            .field("prefix", &self.prefix)
            .field("node_name", &self.node_name)
            .field("operation_timeout", &self.operation_timeout)
            .field("poll", &self.poll)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
