//! An HTTP client that gives prepared answers and keeps what it was asked.

use super::rest::{answer, answer_with, now, text};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use telephony_core::{
    AccountLabel, CallId, CarrierCall, Clock, Error, ErrorKind, HttpClient, Ports, Result, Retry,
};
use telephony_twilio::{Twilio, TwilioConfig};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Result<Response<Bytes>>>>,
    asked: Mutex<Vec<(Duration, Request<Bytes>)>>,
    began: Instant,
}

#[async_trait]
impl HttpClient for Scripted {
    async fn execute(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let at = self.began.elapsed();
        self.asked.lock().unwrap().push((at, request));
        let answer = self.answers.lock().unwrap().pop_front();
        answer.expect("no more requests were expected")
    }
}

impl Scripted {
    /// The requests so far, whole and as text.
    pub(crate) fn requests(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, request)| text(request)).collect()
    }

    /// The only request.
    pub(crate) fn request(&self) -> String {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// When the requests came.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(at, _)| *at).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Whether all answers were fetched.
    pub(crate) fn is_done(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

#[derive(Debug)]
struct At(SystemTime);

impl Clock for At {
    fn now(&self) -> SystemTime {
        self.0
    }
}

pub(crate) type Answers = Vec<Result<Response<Bytes>>>;

/// An account with a client that gives these answers.
pub(crate) fn scripted(answers: Answers) -> (Arc<Scripted>, Twilio) {
    scripted_with(super::rest::config(), answers)
}

pub(crate) fn scripted_with(config: TwilioConfig, answers: Answers) -> (Arc<Scripted>, Twilio) {
    let client = Arc::new(Scripted {
        answers: Mutex::new(answers.into()),
        asked: Mutex::default(),
        began: Instant::now(),
    });
    let ports = Ports::default()
        .with_http(Arc::clone(&client) as Arc<dyn HttpClient>)
        .with_clock(Arc::new(At(now())));
    let label = AccountLabel::new("twilio").unwrap();
    (client, Twilio::new(label, config, &ports).unwrap())
}

/// Answers of these statuses and bodies.
pub(crate) fn saying(answers: &[(u16, &str)]) -> Answers {
    answers
        .iter()
        .map(|(status, body)| Ok(answer(*status, (*body).to_owned())))
        .collect()
}

pub(crate) fn refused(retry_after: Option<&str>) -> Result<Response<Bytes>> {
    let headers: Vec<_> = retry_after
        .iter()
        .map(|after| ("retry-after", *after))
        .collect();
    Ok(answer_with(429, &headers, r#"{"code": 20429}"#))
}

/// The connection was not made: the request was not sent.
pub(crate) fn no_connection() -> Result<Response<Bytes>> {
    let detail = "the host could not be connected to";
    Err(Error::new(ErrorKind::Transport, "send request", detail).with_retry(Retry::Safe))
}

/// The connection broke after the request was sent.
pub(crate) fn reset() -> Result<Response<Bytes>> {
    let detail = "the connection broke";
    Err(Error::new(ErrorKind::Transport, "send request", detail))
}

pub(crate) fn no_answer() -> Result<Response<Bytes>> {
    let detail = "the answer did not come in time";
    Err(Error::new(ErrorKind::Timeout, "send request", detail))
}

/// A call that is up.
pub(crate) fn live() -> CarrierCall {
    CarrierCall::new(CallId::new("CA0001").unwrap())
}

/// A call of the subaccount AC2.
pub(crate) fn live_at(home: &str) -> CarrierCall {
    live().at(Some(home.to_owned()))
}
