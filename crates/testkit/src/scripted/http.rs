//! An HTTP client that gives prepared answers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use telephony_core::{Error, ErrorKind, HttpClient, Result, Retry};

/// Gives prepared answers in their order and keeps what it was asked. A request for which there is no answer fails as a
/// broken connection does, and is kept all the same. Clones are the same client; `Debug` shows how many requests there were.
#[derive(Clone, Default)]
pub struct ScriptedHttp(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    answers: VecDeque<Result<Response<Bytes>>>,
    /// What is answered when there is nothing else.
    otherwise: Option<(StatusCode, Bytes)>,
    requests: Vec<Request<Bytes>>,
}

impl ScriptedHttp {
    /// Without answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Then answers this, as JSON. A number that is no status becomes 500.
    #[must_use]
    pub fn answer(self, status: u16, body: impl Into<Bytes>) -> Self {
        self.answer_with(status, [("content-type", "application/json")], body)
    }

    /// Then answers this. A header that cannot be one is left out.
    #[must_use]
    pub fn answer_with<'h>(
        self,
        status: u16,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: impl Into<Bytes>,
    ) -> Self {
        let mut response = Response::new(body.into());
        *response.status_mut() = valid(status);
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        self.lock().answers.push_back(Ok(response));
        self
    }

    /// Then no connection can be made: the request was not sent.
    #[must_use]
    pub fn no_connection(self) -> Self {
        self.fail(ErrorKind::Transport, Retry::Safe, "no connection was made")
    }

    /// Then the connection breaks after the request was sent.
    #[must_use]
    pub fn reset(self) -> Self {
        self.fail(ErrorKind::Transport, Retry::Never, "the connection broke")
    }

    /// Then no answer comes in time.
    #[must_use]
    pub fn no_answer(self) -> Self {
        self.fail(ErrorKind::Timeout, Retry::Never, "no answer came in time")
    }

    /// Answers this whenever no other answer is left.
    #[must_use]
    pub fn otherwise(self, status: u16, body: impl Into<Bytes>) -> Self {
        self.lock().otherwise = Some((valid(status), body.into()));
        self
    }

    /// The requests so far, in their order.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.lock().requests.clone()
    }

    /// As a port.
    pub fn port(&self) -> Arc<dyn HttpClient> {
        Arc::new(self.clone())
    }

    fn fail(self, kind: ErrorKind, retry: Retry, detail: &'static str) -> Self {
        let error = Error::new(kind, "send request", detail).with_retry(retry);
        self.lock().answers.push_back(Err(error));
        self
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HttpClient for ScriptedHttp {
    async fn execute(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let mut inner = self.lock();
        inner.requests.push(request);
        if let Some(answer) = inner.answers.pop_front() {
            return answer;
        }
        let Some((status, body)) = inner.otherwise.clone() else {
            let detail = "no more answers are prepared";
            return Err(Error::new(ErrorKind::Transport, "send request", detail));
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

impl fmt::Debug for ScriptedHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedHttp")
            .field("requests", &self.lock().requests.len())
            .finish_non_exhaustive()
    }
}

fn valid(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
