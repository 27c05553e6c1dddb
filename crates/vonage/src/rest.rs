//! The Voice API as requests and responses: nothing here waits, sends or looks at a clock.
//!
//! A request is built, sent by whatever HTTP client there is, and its response is read:
//!
//! ```
//! # fn main() -> telephony_core::Result<()> {
//! # use std::time::{Duration, UNIX_EPOCH};
//! # use bytes::Bytes;
//! use telephony_core::{AccountLabel, Answer, CallId, CallKey, CallLinks, CallStatus, OutboundCall, Party, PublicUrl};
//! use telephony_vonage::{VonageConfig, rest::{self, ApplicationToken, VoiceApi}};
//!
//! # let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg==\n-----END PRIVATE KEY-----\n";
//! # let config = VonageConfig::new("a1b2c3d", "78d335fa-323d-0114-9c3d-d6f0d48968cf", pem, "the signature secret");
//! # let links = CallLinks::new(PublicUrl::new("https://voice.example.com")?, AccountLabel::new("vonage")?, CallKey::parse("0123456789abcdef")?);
//! # let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
//! # let token = ApplicationToken::from_text("header.claims.signature", now, now + Duration::from_secs(900));
//! let api = VoiceApi::new(&config)?;
//! // let token = api.key()?.token(api.application_id(), "a unique id", now)?;
//! let call = OutboundCall::new(Party::parse("+447700900001"), Party::parse("+447700900000"), Answer::say("Hello."));
//! let request = api.place_call(&token, &call, &links)?;
//! assert_eq!(request.uri(), "https://api.nexmo.com/v1/calls");
//!
//! let body = r#"{"uuid":"63f61863","status":"started","direction":"outbound","conversation_uuid":"CON-1"}"#;
//! let response = http::Response::builder().status(201).body(Bytes::from(body)).unwrap();
//! let placed = rest::placed(&response, now)?;
//! assert_eq!(placed.status, CallStatus::Initiated); // taken, not answered
//! let request = api.hang_up(&token, &placed.id)?;
//! # assert_eq!(request.method(), "PUT");
//! # Ok(()) }
//! ```
//!
//! # Hosts
//! Requests go to the `base_url` of the configuration. **A call lives in one region**: one that came in is steered at the
//! `region_url` of its webhook ([`VoiceApi::at_region`]), one that we placed at the host where it was placed, or else Vonage
//! answers 404. The token goes to hosts under `vonage.com` and `nexmo.com` by HTTPS, and to the configured host, and nowhere
//! else.
//!
//! # What Vonage does not have
//! Starting and stopping a recording of a live call: a recording is an action of the NCCO. Choosing which changes of its status
//! a call reports: all come.
//!
//! Facts are from Vonage's OpenAPI of the Voice API (1.10.0), its guides on authentication, regions and machine detection,
//! and its SDKs, unless something else is named.

mod call_state;
mod control;
mod failure;
mod host;
mod options;
mod place;
mod response;
mod token;

pub use call_state::{CallFilter, CallPage, CallState};
pub use control::{StreamAudio, Talk};
pub use failure::{RestOperation, failure, is_gone};
pub use options::{
    DetectionMode, OnMachine, VonageCallOptions, VonageMachineDetection, WebsocketTarget,
    WebsocketTargetAuthorization,
};
pub use response::{
    HungUp, Placed, RecordedAudio, call_page, call_state, done, hung_up, placed, recording,
};
pub use token::{ApplicationToken, RestKey, TokenCache};

use crate::config::VonageConfig;
use bytes::Bytes;
use host::Origin;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use telephony_core::{CallId, Error, ErrorKind, PublicUrl, Result};

/// Where requests go if the configuration says nothing.
pub const BASE_URL: &str = "https://api.nexmo.com";

/// What stays as it is in a segment of a path or in a value of a query (RFC 3986, unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Builds the requests of one account. `Debug` shows no secret.
///
/// Every request takes the token that it is sent with; see [`TokenCache`] for keeping one.
#[derive(Clone)]
pub struct VoiceApi {
    config: Arc<VonageConfig>,
    /// Without a slash at its end.
    base: String,
    /// The base of the configuration, whose host may be trusted whatever its name.
    configured_base: String,
    configured: Origin,
}

impl VoiceApi {
    /// For that account, at the host of its configuration.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) if `base_url` is not `https://…`, or `http://…` on loopback.
    pub fn new(config: &VonageConfig) -> Result<Self> {
        let wrong = |why: &str| ours(Error::configuration(format!("`base_url`: {why}")));
        let base = config.base_url.as_deref().unwrap_or(BASE_URL);
        let base = PublicUrl::new(base).map_err(|error| wrong(error.detail()))?;
        let configured = Origin::of(base.as_str())
            .ok_or_else(|| wrong("it has a host name and, where needed, a port"))?;
        Ok(Self {
            config: Arc::new(config.clone()),
            base: base.as_str().to_owned(),
            configured_base: base.as_str().to_owned(),
            configured,
        })
    }

    /// The same account at the host of a region: what the `region_url` of a webhook says, or a name of the documentation
    /// such as `https://api-eu-3.vonage.com`. A path is ignored.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if it is neither a host of Vonage's, by HTTPS, nor the configured one:
    /// the token would go to a stranger.
    pub fn at_region(&self, region_url: &str) -> Result<Self> {
        let origin = Origin::of(region_url).filter(|origin| self.trusts(origin));
        let Some(origin) = origin else {
            let detail = "the region's URL is not of a host of Vonage's (https, under vonage.com or nexmo.com), nor of the \
                          configured `base_url`";
            return Err(invalid("choose region", detail));
        };
        let mut api = self.clone();
        // The configured host may have a prefix before its paths.
        api.base = if origin == self.configured {
            self.configured_base.clone()
        } else {
            origin.to_string()
        };
        Ok(api)
    }

    /// Where requests go, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The Voice application that tokens are for.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.config.application_id
    }

    /// Parses the application's private key; do it once. The configuration must hold the PEM text, as that of an
    /// [opened account](crate::Vonage::new) does, not the path of a file.
    ///
    /// # Errors
    /// As [`RestKey::parse`].
    pub fn key(&self) -> Result<RestKey> {
        RestKey::parse(self.config.private_key.expose())
    }

    fn trusts(&self, origin: &Origin) -> bool {
        origin.is_vonages() || *origin == self.configured
    }

    /// The URL of a call, or of what is under it.
    fn call_url(
        &self,
        operation: &'static str,
        call: &CallId,
        below: &str,
    ) -> Result<(&'static str, String)> {
        // As a segment of a path these mean another path, escaped or not.
        if matches!(call.as_str(), "." | "..") {
            return Err(invalid(operation, "this is not the id of a call"));
        }
        let id = utf8_percent_encode(call.as_str(), ESCAPED);
        Ok((operation, format!("{}/v1/calls/{id}{below}", self.base)))
    }
}

impl fmt::Debug for VoiceApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceApi")
            .field("base", &self.base)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A request without a body.
fn bare(
    (operation, url): (&'static str, String),
    method: Method,
    token: &ApplicationToken,
) -> Result<Request<Bytes>> {
    let uri: Uri = url
        .parse()
        .map_err(|_| invalid(operation, "the request's URL would not be valid"))?;
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, token.header(operation)?);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// A request with a JSON body.
fn with_json(
    target: (&'static str, String),
    method: Method,
    token: &ApplicationToken,
    body: &impl Serialize,
) -> Result<Request<Bytes>> {
    let operation = target.0;
    let mut request = bare(target, method, token)?;
    let json = serde_json::to_vec(body).map_err(|error| {
        let detail = "the request could not be written as JSON";
        ours(Error::new(ErrorKind::Internal, operation, detail).with_source(error))
    })?;
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = json.into();
    Ok(request)
}

fn invalid(operation: &'static str, detail: &str) -> Error {
    ours(Error::new(ErrorKind::InvalidArgument, operation, detail))
}

fn ours(error: Error) -> Error {
    error.with_provider(crate::provider_name())
}

/// Whether this can be a header value or an address: printable ASCII, blanks included, of that length at most.
fn is_printable(text: &str, max_bytes: usize) -> bool {
    let fits = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    !text.trim().is_empty() && text.len() <= max_bytes && text.bytes().all(fits)
}
