//! An HTTP client that gives prepared answers and keeps what it was asked, and an account that uses it.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{API_KEY, APPLICATION, NOW, SECRET, at, label};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use telephony_core::{
    Answer, Clock, Error, ErrorKind, HttpClient, OutboundCall, Party, Ports, RandomSource, Result,
    Retry,
};
use telephony_vonage::{Vonage, VonageConfig};
use tokio::time::Instant;

pub const PKCS8: &str = include_str!("../keys/pkcs8.pem");
pub const TAKEN: &str =
    r#"{"uuid":"u-1","status":"started","direction":"outbound","conversation_uuid":"CON-1"}"#;

/// A request that was sent.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Duration,
    pub request: Request<Bytes>,
}

impl Seen {
    pub fn line(&self) -> String {
        format!("{} {}", self.request.method(), self.request.uri())
    }

    pub fn body(&self) -> &str {
        std::str::from_utf8(self.request.body()).unwrap()
    }

    pub fn token(&self) -> &str {
        let value = self.request.headers()["authorization"].to_str().unwrap();
        value.strip_prefix("Bearer ").unwrap()
    }

    /// What the token says; that it is signed rightly is tested where tokens are.
    pub fn claims(&self) -> Value {
        let claims = self.token().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }
}

pub struct Scripted {
    answers: Mutex<VecDeque<Result<Response<Bytes>>>>,
    seen: Mutex<Vec<Seen>>,
    began: Instant,
}

impl Scripted {
    pub fn new(answers: impl IntoIterator<Item = Result<Response<Bytes>>>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().collect()),
            seen: Mutex::default(),
            began: Instant::now(),
        })
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request that was sent.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        let [only] = seen.as_slice() else {
            panic!("{} requests were sent", seen.len());
        };
        only.clone()
    }

    #[track_caller]
    pub fn assert_silent(&self) {
        assert_eq!(self.seen().len(), 0, "nothing was to be sent");
    }
}

/// Shows nothing, so that what an account shows is its own.
impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl HttpClient for Scripted {
    async fn execute(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let at = self.began.elapsed();
        self.seen.lock().unwrap().push(Seen { at, request });
        let answer = self.answers.lock().unwrap().pop_front();
        answer.expect("no more requests were expected")
    }
}

/// A wall clock that goes with tokio's time, and can be set.
#[derive(Debug)]
pub struct TestClock {
    began: Instant,
    ahead: AtomicI64,
}

impl TestClock {
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::SeqCst);
        at(NOW.checked_add_signed(ahead).unwrap()) + self.began.elapsed()
    }
}

/// Bytes that are all the same: 1, then 2, and so on.
#[derive(Debug, Default)]
pub struct Counting(AtomicU8);

impl RandomSource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        // The jitter of pauses draws 2 bytes.
        let drawn = if bytes.len() == 16 {
            self.0.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            0
        };
        bytes.fill(drawn);
        Ok(())
    }
}

/// An account, its HTTP client and its clock.
pub struct Bench {
    pub vonage: Vonage,
    pub http: Arc<Scripted>,
    pub clock: Arc<TestClock>,
}

pub fn rest_config() -> VonageConfig {
    VonageConfig::new(API_KEY, APPLICATION, PKCS8, SECRET)
}

pub fn bench(answers: impl IntoIterator<Item = Result<Response<Bytes>>>) -> Bench {
    bench_with(rest_config(), answers)
}

pub fn bench_with(
    config: VonageConfig,
    answers: impl IntoIterator<Item = Result<Response<Bytes>>>,
) -> Bench {
    let http = Scripted::new(answers);
    let clock = Arc::new(TestClock {
        began: Instant::now(),
        ahead: AtomicI64::new(0),
    });
    let ports = Ports::default()
        .with_http(Arc::clone(&http) as Arc<dyn HttpClient>)
        .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .with_random(Arc::new(Counting::default()));
    Bench {
        vonage: Vonage::new(label(), config, &ports).unwrap(),
        http,
        clock,
    }
}

pub fn says(status: u16, body: impl Into<Bytes>) -> Result<Response<Bytes>> {
    Ok(Response::builder()
        .status(status)
        .body(body.into())
        .unwrap())
}

pub fn says_with(status: u16, header: (&str, &str), body: &str) -> Result<Response<Bytes>> {
    Ok(Response::builder()
        .status(status)
        .header(header.0, header.1)
        .body(Bytes::from(body.to_owned()))
        .unwrap())
}

/// The connection broke, and nobody knows how far the request came.
pub fn reset() -> Result<Response<Bytes>> {
    let error = Error::new(ErrorKind::Transport, "send request", "the connection broke");
    Err(error)
}

pub fn timeout() -> Result<Response<Bytes>> {
    let detail = "the answer did not come in time";
    Err(Error::new(ErrorKind::Timeout, "send request", detail))
}

/// It never left us.
pub fn not_connected() -> Result<Response<Bytes>> {
    let detail = "the host could not be connected to";
    let error = Error::new(ErrorKind::Transport, "send request", detail);
    Err(error.with_retry(Retry::Safe))
}

pub fn number(digits: &str) -> Party {
    Party::Number(format!("+{digits}"))
}

pub fn call_out() -> OutboundCall {
    OutboundCall::new(
        number("447700900001"),
        number("447700900000"),
        Answer::say("Hello."),
    )
}
