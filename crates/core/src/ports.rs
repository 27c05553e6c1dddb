//! What the library needs from outside: an HTTP client, the wall clock, randomness.
//!
//! ```
//! use telephony_core::{Clock, Ports, SystemClock};
//!
//! let ports = Ports::default(); // no HTTP client: enough to answer calls
//! assert!(ports.clock.now() <= SystemClock.now());
//! ```

use crate::{Error, ErrorKind, Result, Retry};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// Sends one HTTP request and reads the whole answer, within its own time and size limits. Never follows a redirect.
#[async_trait]
pub trait HttpClient: Debug + Send + Sync {
    /// Any status is an answer, also 500.
    ///
    /// # Errors
    /// [`ErrorKind::Transport`] or [`ErrorKind::Timeout`], with [`Retry::Safe`] only if the request was not sent.
    async fn execute(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>>;
}

/// Tells wall time. Waiting is done with tokio's time.
pub trait Clock: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> SystemTime;
}

/// Gives bytes that nobody can guess.
pub trait RandomSource: Debug + Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// If there is no randomness to be had.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                "draw random bytes",
                "the operating system gave none",
            )
            .with_source(error)
        })
    }
}

/// Stands in where no HTTP client was given: every request is refused before anything is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttpClient;

#[async_trait]
impl HttpClient for NoHttpClient {
    async fn execute(&self, _request: http::Request<Bytes>) -> Result<http::Response<Bytes>> {
        let detail = "this account was opened without an HTTP client; give one in `Ports`";
        Err(Error::new(ErrorKind::Configuration, "send request", detail).with_retry(Retry::Never))
    }
}

/// What a carrier is constructed with. Cheap to clone; all accounts may share one.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Sends REST requests.
    pub http: Arc<dyn HttpClient>,
    /// Tells wall time.
    pub clock: Arc<dyn Clock>,
    /// Draws keys and tokens.
    pub random: Arc<dyn RandomSource>,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            http: Arc::new(NoHttpClient),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }
}

impl Ports {
    /// With this HTTP client.
    #[must_use]
    pub fn with_http(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = http;
        self
    }

    /// With this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this random source.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }
}
