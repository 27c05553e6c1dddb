//! How a store is reached and how it behaves.

use crate::error::configuration;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{Clock, Result, Secret, StorePolicy};

/// How a [`RedisStore`](crate::RedisStore) is reached and how it behaves. All nodes must have the same prefix and policy.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// `redis://[user:password@]host[:port][/db]`; `rediss://` for TLS, with the feature `tls`. A secret: it may hold a
    /// password.
    pub url: Secret,
    /// More nodes of a Redis Cluster to begin with, as further URLs. With any, or with [`cluster`](Self::cluster), the store
    /// speaks to a cluster, which needs the feature `cluster`. Name two or more, so that a node that starts while one of them
    /// is gone finds the cluster all the same.
    pub more_urls: Vec<Secret>,
    /// The certificates that the server's must be signed by, as PEM, one or more: then the platform's do not count. For
    /// `rediss://`, with the feature `tls`. Default: the platform's.
    pub ca: Option<Vec<u8>>,
    /// What is shown to a server that wants to know who we are. For `rediss://`, with the feature `tls`. Default: nothing.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether this is a Redis Cluster. Default: only if there are more URLs.
    pub cluster: bool,
    /// What all keys and channels begin with. Default `telephony`.
    pub prefix: String,
    /// A name of this node for people. Default: the variable `HOSTNAME`, if there is one.
    pub node_name: String,
    /// How long one request to Redis may take, its repeat after a lost connection included. An operation is one request or
    /// [several](crate#connections-outages). Default 1 s.
    pub operation_timeout: Duration,
    /// How long connecting may take. Default 2 s.
    pub connect_timeout: Duration,
    /// How often whoever waits looks by itself, in case a message was lost. Default 15 s: a lost connection is noticed on
    /// its own, so this is for what nobody thought of. Each wait costs one script in that time. At most four fifths of
    /// [`keep_ended`](StorePolicy::keep_ended): calls take turns and look up to a quarter later, and who looks when the call
    /// is forgotten does not hear of its end.
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
            ca: None,
            client_certificate: None,
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

    /// The server's certificate must be signed by one of these, as PEM: see [`ca`](Self::ca).
    #[must_use]
    pub fn with_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// That is shown to a server that wants to know who we are.
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
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

    /// The same, with times that do not overflow.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](telephony_core::ErrorKind::Configuration) if it cannot work.
    pub(crate) fn checked(mut self) -> Result<Self> {
        self.policy = self.policy.bounded();
        if self.prefix.is_empty() || self.prefix.len() > 64 {
            return Err(configuration("the prefix of the keys has 1 to 64 bytes"));
        }
        // As late as the last of those who look.
        if self.policy.keep_ended < self.poll.saturating_mul(5) / 4 {
            let detail =
                "who only polls would miss ends: `keep_ended` is at least 1.25 times `poll`";
            return Err(configuration(detail));
        }
        Ok(self)
    }
}

/// A certificate of our own and its key, for a Redis that wants to know who we are (mutual TLS). `Debug` shows neither.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate as PEM, then those that it is signed by, if the server does not know them.
    pub certificate: Vec<u8>,
    /// Its private key as PEM: PKCS #8, PKCS #1 or SEC1.
    pub key: Vec<u8>,
}

impl ClientCertificate {
    /// That certificate with its key, both PEM.
    #[must_use]
    pub fn new(certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
        }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(***)")
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("cluster", &self.is_cluster())
            .field("ca", &self.ca.is_some())
            .field("client_certificate", &self.client_certificate)
            .field("prefix", &self.prefix)
            .field("node_name", &self.node_name)
            .field("operation_timeout", &self.operation_timeout)
            .field("poll", &self.poll)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
