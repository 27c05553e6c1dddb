//! The carrier's HTTP client.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, timeout};

use crate::engine::address::AddressBook;
use crate::engine::recorder::Recorder;
use crate::outcome::WebhookAnswer;
use crate::trace::{TraceKind, Way};

/// A request of the carrier to the app.
#[derive(Clone)]
#[non_exhaustive]
pub struct Webhook {
    /// What it is for, such as `"answer"`: shown in the outcome.
    pub purpose: String,
    /// Method.
    pub method: Method,
    /// The URL as the carrier knows it. The engine finds the server under test behind it, strips the fragment, and
    /// turns user and password into Basic authentication.
    pub url: String,
    /// Headers, signatures included.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// Content type of the body.
    pub content_type: Option<String>,
    /// How long the carrier waits for the whole reply (wall time).
    pub timeout: Duration,
}

impl Webhook {
    /// A request without headers and body, which waits for 15 seconds.
    pub fn new(purpose: impl Into<String>, method: Method, url: impl Into<String>) -> Self {
        Self {
            purpose: purpose.into(),
            method,
            url: url.into(),
            headers: vec![],
            body: Bytes::new(),
            content_type: None,
            timeout: Duration::from_secs(15),
        }
    }

    /// With a header more.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    pub fn with_body(mut self, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.content_type = Some(content_type.into());
        self.body = body.into();
        self
    }

    /// With another time limit.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("purpose", &self.purpose)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The app's reply to a [`Webhook`].
#[derive(Clone)]
#[non_exhaustive]
pub struct WebhookReply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most one mebibyte.
    pub body: Bytes,
    /// From the request to the end of the reply (wall time).
    pub latency: Duration,
}

impl WebhookReply {
    /// The media type without its parameters, in lower case; empty when there is none.
    pub fn media_type(&self) -> String {
        self.header(CONTENT_TYPE)
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// A header's value, when it is readable.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl std::fmt::Debug for WebhookReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookReply")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// Why a [`Webhook`] has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookFailure {
    /// The URL cannot be read, or leads away from the server under test.
    #[error("{0}")]
    Url(String),
    /// Nobody took the connection, or it broke.
    #[error("the connection was refused or broke")]
    Connection,
    /// The reply took too long.
    #[error("no complete reply in time")]
    Timeout,
    /// The body is larger than the simulator reads.
    #[error("the reply is larger than 1 MiB")]
    TooLarge,
}

#[derive(Clone, Debug)]
pub(crate) struct HttpPort {
    client: Client<HttpConnector, Full<Bytes>>,
    addresses: AddressBook,
    recorder: Recorder,
}

const LARGEST_BODY: usize = 1024 * 1024;

impl HttpPort {
    pub(crate) fn new(addresses: AddressBook, recorder: Recorder) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            addresses,
            recorder,
        }
    }

    pub(crate) fn addresses(&self) -> &AddressBook {
        &self.addresses
    }

    /// Sends a webhook, waits for the reply, and says how it went.
    pub(crate) async fn send(
        &self,
        webhook: &Webhook,
    ) -> (Result<WebhookReply, WebhookFailure>, WebhookAnswer) {
        let begun = Instant::now();
        let result = match timeout(webhook.timeout, self.exchange(webhook, begun)).await {
            Ok(result) => result,
            Err(_) => Err(WebhookFailure::Timeout),
        };
        if let Err(failure) = &result {
            self.recorder.trace(
                Way::FromApp,
                TraceKind::Response,
                failure.to_string(),
                vec![],
                String::new(),
                0,
            );
        }
        self.recorder.exchanged();
        let answer = WebhookAnswer {
            purpose: webhook.purpose.clone(),
            method: webhook.method.to_string(),
            url: webhook.url.clone(),
            status: result.as_ref().ok().map(|reply| reply.status),
            content_type: result
                .as_ref()
                .ok()
                .and_then(|reply| reply.header(CONTENT_TYPE).map(str::to_owned)),
            latency: begun.elapsed(),
            failure: result.as_ref().err().map(ToString::to_string),
        };
        (result, answer)
    }

    async fn exchange(
        &self,
        webhook: &Webhook,
        begun: Instant,
    ) -> Result<WebhookReply, WebhookFailure> {
        let request = self.request(webhook)?;
        self.recorder.trace(
            Way::ToApp,
            TraceKind::Request,
            format!("{} {}", webhook.method, webhook.url),
            readable(request.headers()),
            String::from_utf8_lossy(&webhook.body).into_owned(),
            webhook.body.len(),
        );
        let response = self
            .client
            .request(request)
            .await
            .map_err(|_| WebhookFailure::Connection)?;
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, LARGEST_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(WebhookFailure::TooLarge);
            }
            Err(_) => return Err(WebhookFailure::Connection),
        };
        self.recorder.trace(
            Way::FromApp,
            TraceKind::Response,
            head.status.to_string(),
            readable(&head.headers),
            String::from_utf8_lossy(&body).into_owned(),
            body.len(),
        );
        Ok(WebhookReply {
            status: head.status,
            headers: head.headers,
            body,
            latency: begun.elapsed(),
        })
    }

    fn request(&self, webhook: &Webhook) -> Result<Request<Full<Bytes>>, WebhookFailure> {
        let target = self
            .addresses
            .target(&webhook.url)
            .map_err(|error| WebhookFailure::Url(error.to_string()))?;
        let mut request = Request::builder()
            .method(webhook.method.clone())
            .uri(format!(
                "http://{}:{}{}",
                target.host, target.port, target.path
            ))
            .header(HOST, target.host_header);
        if let Some(content_type) = &webhook.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(userinfo) = &target.userinfo {
            request = request.header(AUTHORIZATION, basic(userinfo));
        }
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(webhook.body.clone()))
            .map_err(|_| WebhookFailure::Url("the request cannot be written".into()))
    }
}

/// The value of an `Authorization` header for `user:password`.
pub(crate) fn basic(userinfo: &str) -> String {
    format!("Basic {}", STANDARD.encode(userinfo))
}

pub(crate) fn readable(headers: &HeaderMap<HeaderValue>) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}
