//! The carrier's REST API: what its server, its faults and its calls have in common, whoever the carrier is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::complaint::Finding;
use crate::engine::live::LiveCall;

mod fault;
mod limit;
mod server;
mod switchboard;

pub use self::fault::{Fault, RestFailure};
pub use self::limit::RateLimit;
pub(crate) use self::server::serve;
pub use self::switchboard::{Application, Placement, Switchboard};

/// One carrier's REST API.
///
/// The engine owns the server, the faults and the calls; the API checks credentials and parameters as its carrier does,
/// places calls on the [`Switchboard`] and steers those that are there.
#[async_trait]
pub trait RestApi: fmt::Debug + Send + Sync {
    /// What a request wants, as far as its method, path and parameters say: faults are aimed by it.
    fn operation(&self, request: &RestRequest) -> Operation;

    /// Answers a request.
    async fn respond(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse;

    /// The carrier's documented error body for a failure that the test asked for.
    fn failure(&self, request: &RestRequest, failure: &RestFailure) -> RestResponse;
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Operation {
    /// Place a call.
    PlaceCall,
    /// End a call.
    HangUp,
    /// Give a call another document.
    Redirect,
    /// Send key tones into a call.
    SendDigits,
    /// Begin to record a call.
    StartRecording,
    /// Pause, resume or end a recording.
    ChangeRecording,
    /// Fetch a recording, or what is known of it.
    FetchRecording,
    /// Fetch what is known of one call.
    FetchCall,
    /// List calls.
    ListCalls,
    /// Anything else.
    Other,
}

/// A request of the app to the carrier.
#[derive(Clone)]
#[non_exhaustive]
pub struct RestRequest {
    /// Method.
    pub method: Method,
    /// Path, as written.
    pub path: String,
    /// Query without the question mark; empty when there is none.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most one mebibyte.
    pub body: Bytes,
}

impl RestRequest {
    /// A header's value; empty when it is missing or no text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The media type of the body without its parameters, in lower case.
    pub fn media_type(&self) -> String {
        let value = self.header(CONTENT_TYPE);
        let media_type = value.split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    /// Parameters of a form, in their order, or none when the body is no form.
    pub fn form(&self) -> Vec<(String, String)> {
        match self.media_type().as_str() {
            "application/x-www-form-urlencoded" => {
                form_urlencoded::parse(&self.body).into_owned().collect()
            }
            _ => vec![],
        }
    }

    /// Parameters of the query, in their order.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes())
            .into_owned()
            .collect()
    }

    /// User and password of Basic authentication.
    pub fn basic(&self) -> Option<(String, String)> {
        let value = self.header(AUTHORIZATION);
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (user, password) = plain.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The token of Bearer authentication.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(AUTHORIZATION).split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    }
}

impl fmt::Debug for RestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths hold the account's id.
        f.debug_struct("RestRequest")
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The carrier's answer to a [`RestRequest`].
#[derive(Clone)]
#[non_exhaustive]
pub struct RestResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// What the carrier has to say about the request. Of a placed call it becomes a complaint in its outcome, too.
    pub findings: Vec<Finding>,
    /// The call that it is about.
    pub call: Option<LiveCall>,
}

impl RestResponse {
    /// Without a body.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            findings: vec![],
            call: None,
        }
    }

    /// A JSON body.
    pub fn json(status: StatusCode, value: &Value) -> Self {
        Self::new(status).with_body("application/json", value.to_string())
    }

    /// With a body.
    pub fn with_body(self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut response = self.with_header(CONTENT_TYPE, content_type);
        response.body = body.into();
        response
    }

    /// With a header; a value that cannot be one is left out.
    pub fn with_header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With something that the carrier has to say.
    pub fn with_finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// With several things that the carrier has to say.
    pub fn with_findings(mut self, findings: impl IntoIterator<Item = Finding>) -> Self {
        self.findings.extend(findings);
        self
    }

    /// About this call.
    pub fn about(mut self, call: &LiveCall) -> Self {
        self.call = Some(call.clone());
        self
    }
}

impl fmt::Debug for RestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestResponse")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

/// A request that the simulated carrier has got, and how it answered.
///
/// `Debug` shows neither path nor body; the value of `Authorization` is not kept.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct RestExchange {
    /// When, since the carrier was opened (wall time).
    #[serde(rename = "at_ms", serialize_with = "crate::outcome::as_millis")]
    pub at: Duration,
    /// What it wanted.
    pub operation: Operation,
    /// Method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query without the question mark.
    pub query: String,
    /// Headers; of `Authorization` only the scheme.
    pub headers: Vec<(String, String)>,
    /// Body; what is not UTF-8 is replaced.
    pub body: String,
    /// Status of the answer; `None` when there is none (yet).
    pub status: Option<u16>,
    /// The call that it was about.
    pub call_id: Option<String>,
    /// What the carrier has to say about it.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

impl RestExchange {
    /// A header's value; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    /// Parameters of a form, in their order.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl fmt::Debug for RestExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestExchange")
            .field("at", &self.at)
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("status", &self.status)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

/// An API that many connections share.
pub(crate) type SharedApi = Arc<dyn RestApi>;
