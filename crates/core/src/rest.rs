//! Sending REST requests: within the carrier's rate, repeated only where that is safe, never for ever.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use telephony_core::{Limiter, Ports, Repeat, RestClient};
//!
//! # async fn run() -> telephony_core::Result<()> {
//! let client = RestClient::new(&Ports::default())
//!     .with_call_limiter(Arc::new(Limiter::per_second(1.0).with_longest_wait(Duration::from_secs(30))));
//! let request = http::Request::get("https://api.example.com/calls/1").body(bytes::Bytes::new()).unwrap();
//! let status = client.send("fetch call", request, Repeat::WhenFailed, |response, _now| Ok(response.status())).await?;
//! # Ok(()) }
//! ```

use crate::{
    Clock, Error, ErrorKind, HttpClient, Ports, ProviderName, RandomSource, Result, Retry, meter,
};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// When a request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Only if the carrier surely did not process it: it never left us, or the carrier says so. For what must not happen
    /// twice, such as placing a call.
    WhenNotProcessed,
    /// Also if nobody knows whether it was processed. For reads, and for changes that may well be made twice.
    WhenFailed,
}

/// How often and how long a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryOptions {
    /// How many times it is sent at most. Default 4.
    pub attempts: u32,
    /// The pause before the second; each later one is twice as long. Half of it is drawn by chance. Default 250 ms.
    pub first_pause: Duration,
    /// No pause is longer; if the carrier asks for more, the error goes to the caller. Default 30 s.
    pub longest_pause: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Spaces requests evenly, and lets so many wait.
#[derive(Debug)]
pub struct Limiter {
    interval: Duration,
    longest_wait: Duration,
    // Held for one comparison, never across an await.
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    /// So many a second, evenly spaced, so that no rolling second has more.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / rate.max(0.001)),
            longest_wait: Duration::from_secs(30),
            next: Mutex::new(None),
        }
    }

    /// Who would have to wait longer is refused at once. Default 30 s.
    #[must_use]
    pub fn with_longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ErrorKind::RateLimited`] if too many are waiting already; nothing was sent.
    pub async fn turn(&self, operation: &'static str) -> Result<()> {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.unwrap_or(now).max(now);
            if turn - now > self.longest_wait {
                let wait = turn - now;
                let detail =
                    "too many requests are waiting for this account already; nothing was sent";
                return Err(Error::new(ErrorKind::RateLimited, operation, detail)
                    .with_retry(Retry::After(wait)));
            }
            *next = Some(turn + self.interval);
            turn
        };
        tokio::time::sleep_until(turn).await;
        Ok(())
    }
}

/// Sends the REST requests of one account.
#[derive(Debug, Clone)]
pub struct RestClient {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    retry: RetryOptions,
    provider: Option<ProviderName>,
    calls: Option<Arc<Limiter>>,
    requests: Option<Arc<Limiter>>,
}

impl RestClient {
    /// Without limits.
    #[must_use]
    pub fn new(ports: &Ports) -> Self {
        Self {
            http: Arc::clone(&ports.http),
            clock: Arc::clone(&ports.clock),
            random: Arc::clone(&ports.random),
            retry: RetryOptions::default(),
            provider: None,
            calls: None,
            requests: None,
        }
    }

    /// Says whose API it is, for [metrics](crate::meter).
    #[must_use]
    pub fn of(mut self, provider: &ProviderName) -> Self {
        self.provider = Some(provider.clone());
        self
    }

    /// Limits what [creates](Self::create) calls.
    #[must_use]
    pub fn with_call_limiter(mut self, limiter: Arc<Limiter>) -> Self {
        self.calls = Some(limiter);
        self
    }

    /// Limits everything else. Give both the same limiter where the carrier counts them together.
    #[must_use]
    pub fn with_request_limiter(mut self, limiter: Arc<Limiter>) -> Self {
        self.requests = Some(limiter);
        self
    }

    /// Repeats in this way.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryOptions) -> Self {
        self.retry = retry;
        self
    }

    /// Sends a request that creates a call: within the limit for calls, and again only if the carrier surely did not
    /// process it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn create<T>(
        &self,
        operation: &'static str,
        request: http::Request<Bytes>,
        read: impl Fn(http::Response<Bytes>, SystemTime) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let limiter = self.calls.as_deref();
        self.run(limiter, operation, request, Repeat::WhenNotProcessed, read)
            .await
    }

    /// Sends `request` and lets `read` make sense of the answer, whatever its status; `read` is told the time, and its
    /// error's [`Retry`] says whether the carrier processed the request.
    ///
    /// # Errors
    /// What `read` says, or the HTTP client; [`Retry::OutcomeUnknown`] if the request may have been processed and must not
    /// be repeated blindly; [`ErrorKind::RateLimited`] if too many requests are waiting.
    pub async fn send<T>(
        &self,
        operation: &'static str,
        request: http::Request<Bytes>,
        repeat: Repeat,
        read: impl Fn(http::Response<Bytes>, SystemTime) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let limiter = self.requests.as_deref();
        self.run(limiter, operation, request, repeat, read).await
    }

    async fn run<T>(
        &self,
        limiter: Option<&Limiter>,
        operation: &'static str,
        request: http::Request<Bytes>,
        repeat: Repeat,
        read: impl Fn(http::Response<Bytes>, SystemTime) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            if let Some(limiter) = limiter {
                limiter.turn(operation).await?;
            }
            let asked = Instant::now();
            let answered = match self.http.execute(request.clone()).await {
                Ok(response) => read(response, self.clock.now()),
                Err(error) => Err(in_transit(error, operation, repeat)),
            };
            let outcome = answered
                .as_ref()
                .map_or_else(|error| error.kind().as_str(), |_| "ok");
            meter::request(self.provider.as_ref(), operation, outcome, asked.elapsed());
            let error = match answered {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(pause) = self.pause(&error, repeat, attempt) else {
                return Err(error);
            };
            tracing::debug!(operation, attempt, pause_ms = pause.as_millis(), %error, "the request is sent again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// How long to wait before the request is sent again, if it is.
    fn pause(&self, error: &Error, repeat: Repeat, attempt: u32) -> Option<Duration> {
        if attempt >= self.retry.attempts {
            return None;
        }
        let longest = self.retry.first_pause * 2_u32.saturating_pow(attempt - 1).min(1 << 16);
        let ours = self.jitter(longest.min(self.retry.longest_pause));
        match (error.retry(), repeat) {
            (Retry::After(pause), _) if pause > self.retry.longest_pause => None,
            (Retry::After(pause), _) => Some(pause + ours / 4),
            (Retry::Safe, _) | (Retry::OutcomeUnknown, Repeat::WhenFailed) => Some(ours),
            _ => None,
        }
    }

    /// Between half of it and all of it.
    fn jitter(&self, pause: Duration) -> Duration {
        let mut bytes = [0; 2];
        // Without randomness there is no jitter, which is no reason to fail.
        let _ = self.random.fill(&mut bytes);
        pause / 2 + (pause / 2).mul_f64(f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX))
    }
}

/// The client's error as one of this operation. What may have arrived is of unknown outcome.
fn in_transit(error: Error, operation: &'static str, repeat: Repeat) -> Error {
    let retry = match (error.retry(), error.kind(), repeat) {
        (Retry::Never, ErrorKind::Transport | ErrorKind::Timeout, Repeat::WhenFailed) => {
            Retry::Safe
        }
        // An answer that could not be read, such as one that is too large, was an answer.
        (
            Retry::Never,
            ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Carrier,
            Repeat::WhenNotProcessed,
        ) => Retry::OutcomeUnknown,
        (retry, ..) => retry,
    };
    let detail = error.detail().to_owned();
    Error::new(error.kind(), operation, detail)
        .with_retry(retry)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use std::collections::VecDeque;

    /// Gives prepared answers and notes when it was asked.
    #[derive(Debug)]
    struct Scripted {
        answers: Mutex<VecDeque<Result<u16>>>,
        asked: Mutex<Vec<Duration>>,
        began: Instant,
    }

    #[async_trait]
    impl HttpClient for Scripted {
        async fn execute(&self, _request: http::Request<Bytes>) -> Result<http::Response<Bytes>> {
            self.asked.lock().unwrap().push(self.began.elapsed());
            let status = self
                .answers
                .lock()
                .unwrap()
                .pop_front()
                .expect("no more requests were expected")?;
            Ok(http::Response::builder()
                .status(status)
                .body(Bytes::new())
                .unwrap())
        }
    }

    fn scripted(answers: impl IntoIterator<Item = Result<u16>>) -> (Arc<Scripted>, RestClient) {
        let http = Arc::new(Scripted {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
            began: Instant::now(),
        });
        let client =
            RestClient::new(&Ports::default().with_http(Arc::clone(&http) as Arc<dyn HttpClient>));
        (http, client)
    }

    fn read(response: http::Response<Bytes>, _now: SystemTime) -> Result<u16> {
        let error = |retry| Err(Error::new(ErrorKind::Carrier, "test", "no").with_retry(retry));
        match response.status().as_u16() {
            429 => error(Retry::Safe),
            430 => error(Retry::After(Duration::from_secs(7))),
            431 => error(Retry::After(Duration::from_secs(700))),
            500 => error(Retry::OutcomeUnknown),
            400 => error(Retry::Never),
            status => Ok(status),
        }
    }

    fn transport(retry: Retry) -> Result<u16> {
        Err(Error::new(ErrorKind::Transport, "send", "connection reset").with_retry(retry))
    }

    async fn run(repeat: Repeat, answers: Vec<Result<u16>>) -> (Result<u16>, Vec<Duration>) {
        let (http, client) = scripted(answers);
        let request = http::Request::new(Bytes::new());
        let result = client.send("test", request, repeat, read).await;
        let asked = http.asked.lock().unwrap().clone();
        (result, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_creation_is_repeated_only_if_it_was_not_processed() {
        let (result, asked) = run(
            Repeat::WhenNotProcessed,
            vec![Ok(429), transport(Retry::Safe), Ok(201)],
        )
        .await;
        assert_eq!((result.unwrap(), asked.len()), (201, 3));
        for (answer, wanted) in [
            (Ok(500), Retry::OutcomeUnknown),
            (transport(Retry::Never), Retry::OutcomeUnknown),
            (
                Err(Error::new(
                    ErrorKind::Carrier,
                    "send",
                    "the answer is too large",
                )),
                Retry::OutcomeUnknown,
            ),
            (Ok(400), Retry::Never),
            (Ok(431), Retry::After(Duration::from_secs(700))),
        ] {
            let (result, asked) = run(Repeat::WhenNotProcessed, vec![answer]).await;
            assert_eq!((result.unwrap_err().retry(), asked.len()), (wanted, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_repeated_with_longer_and_longer_pauses_and_a_bound() {
        let answers = vec![Ok(500), transport(Retry::Never), Ok(500), Ok(500)];
        let (result, asked) = run(Repeat::WhenFailed, answers).await;
        assert!(result.is_err());
        let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (pause, longest) in pauses.iter().zip([250, 500, 1000]) {
            let longest = Duration::from_millis(longest);
            assert!(
                (longest / 2..=longest + Duration::from_millis(2)).contains(pause),
                "{pauses:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_carrier_says_how_long_to_wait() {
        let (result, asked) = run(Repeat::WhenNotProcessed, vec![Ok(430), Ok(201)]).await;
        assert_eq!(result.unwrap(), 201);
        assert!(asked[1] >= Duration::from_secs(7), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limiter_spaces_and_refuses_what_would_wait_too_long() {
        let limiter = Arc::new(Limiter::per_second(2.0).with_longest_wait(Duration::from_secs(2)));
        let began = Instant::now();
        let turns: Vec<_> = (0..7)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                tokio::spawn(async move { limiter.turn("test").await.map(|()| began.elapsed()) })
            })
            .collect();
        let mut given = Vec::new();
        let mut refused = 0;
        for turn in turns {
            match turn.await.unwrap() {
                Ok(at) => given.push(at.as_millis()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::RateLimited);
                    refused += 1;
                }
            }
        }
        given.sort_unstable();
        assert_eq!(
            given.iter().map(|at| at / 500).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(refused, 2);
    }
}
