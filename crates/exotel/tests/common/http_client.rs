//! An account whose HTTP client has prepared answers, and notes what it was asked and when.

use super::rest::{noon, response};
use super::{config, label};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use telephony_core::{Clock, Error, ErrorKind, HttpClient, Ports, Result, Retry};
use telephony_exotel::{Exotel, ExotelConfig};
use tokio::time::Instant;

#[derive(Debug)]
pub struct Scripted {
    replies: Mutex<VecDeque<Result<Response<Bytes>>>>,
    seen: Mutex<Vec<(Duration, Request<Bytes>)>>,
    began: Instant,
}

impl Scripted {
    /// The requests so far.
    pub fn seen(&self) -> Vec<Request<Bytes>> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(_, request)| request.clone()).collect()
    }

    /// The only request so far.
    #[track_caller]
    pub fn only(&self) -> Request<Bytes> {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }

    /// When each of them came, since the account was opened.
    pub fn times(&self) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(at, _)| *at).collect()
    }

    /// How many answers nobody asked for.
    pub fn left(&self) -> usize {
        self.replies.lock().unwrap().len()
    }
}

#[async_trait]
impl HttpClient for Scripted {
    async fn execute(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let at = self.began.elapsed();
        self.seen.lock().unwrap().push((at, request));
        let reply = self.replies.lock().unwrap().pop_front();
        reply.expect("no more requests were expected")
    }
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> SystemTime {
        noon()
    }
}

pub type Replies = Vec<Result<Response<Bytes>>>;

/// The account of `config`; its clock stands at noon.
pub fn account_of(config: ExotelConfig, replies: Replies) -> (Arc<Scripted>, Exotel) {
    let http = Arc::new(Scripted {
        replies: Mutex::new(replies.into()),
        seen: Mutex::default(),
        began: Instant::now(),
    });
    let ports = Ports::default()
        .with_http(Arc::clone(&http) as Arc<dyn HttpClient>)
        .with_clock(Arc::new(Noon));
    (http, Exotel::new(label(), config, &ports).unwrap())
}

pub fn account(replies: Replies) -> (Arc<Scripted>, Exotel) {
    account_of(config(), replies)
}

pub fn ok(body: &str) -> Result<Response<Bytes>> {
    status(200, body)
}

pub fn status(status: u16, body: &str) -> Result<Response<Bytes>> {
    Ok(response(status, body.to_owned()))
}

pub fn with_header(
    reply: Result<Response<Bytes>>,
    name: &'static str,
    value: &'static str,
) -> Result<Response<Bytes>> {
    let mut response = reply.unwrap();
    let (name, value) = (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    );
    response.headers_mut().insert(name, value);
    Ok(response)
}

/// The connection broke when the request may have been on its way.
pub fn reset() -> Result<Response<Bytes>> {
    Err(Error::new(
        ErrorKind::Transport,
        "send request",
        "the connection broke",
    ))
}

pub fn timed_out() -> Result<Response<Bytes>> {
    let detail = "the answer did not come in time";
    Err(Error::new(ErrorKind::Timeout, "send request", detail))
}

/// Nothing was sent.
pub fn not_connected() -> Result<Response<Bytes>> {
    let detail = "the host could not be connected to";
    Err(Error::new(ErrorKind::Transport, "send request", detail).with_retry(Retry::Safe))
}

pub fn too_large() -> Result<Response<Bytes>> {
    let detail = "the answer is larger than the limit";
    Err(Error::new(ErrorKind::Carrier, "send request", detail).with_http_status(200))
}
