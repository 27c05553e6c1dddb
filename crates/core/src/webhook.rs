//! What a carrier asks of us over HTTP: first verified, then read.
//!
//! [`verify`] is the only way to a [`Verified`], and reading asks for one, so nobody reads an unverified request by
//! accident.
//!
//! ```
//! use telephony_core::{Telephony, WebhookRequest, verify};
//!
//! fn answer(carrier: &dyn Telephony, request: WebhookRequest) -> telephony_core::Result<()> {
//!     let request = verify(carrier, request)?; // an error here is a 403
//!     let call = carrier.accept_call(&request)?; // an error here is a 400
//!     println!("a call to {:?}", call.to());
//!     Ok(())
//! }
//! ```

use crate::{AccountLabel, Error, Parameters, ProviderName, Result, Telephony};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use std::fmt;
use std::time::SystemTime;

/// What is asked, by the route that was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookKind {
    /// A call comes in and wants an answer.
    IncomingCall,
    /// The carrier asks what to do next in a call: after a gather, a dial, a redirect, or for a long document.
    NextStep,
    /// The status of a call, or anything else that the carrier sends there.
    Status,
    /// Any other event.
    Event,
    /// The upgrade of a media socket.
    MediaUpgrade,
}

impl WebhookKind {
    /// A short word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IncomingCall => "incoming-call",
            Self::NextStep => "next-step",
            Self::Status => "status",
            Self::Event => "event",
            Self::MediaUpgrade => "media-upgrade",
        }
    }
}

/// A request as it came, not verified. `Debug` shows neither query nor headers nor body.
#[derive(Clone)]
pub struct WebhookRequest {
    /// The method.
    pub method: Method,
    /// The URL exactly as the carrier called it, from our configured public base URL: never normalised, never guessed
    /// from `Host`. Signed URLs are compared as strings.
    pub public_url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte. Empty for an upgrade.
    pub body: Bytes,
    /// When it came.
    pub received_at: SystemTime,
    /// What is asked.
    pub kind: WebhookKind,
}

impl WebhookRequest {
    /// The part of the URL after its `?`, as it came; empty if there is none. A fragment does not belong to it.
    #[must_use]
    pub fn raw_query(&self) -> &str {
        let url = self.public_url.split('#').next().unwrap_or_default();
        url.split_once('?').map_or("", |(_, query)| query)
    }

    /// The decoded query.
    #[must_use]
    pub fn query(&self) -> Parameters {
        Parameters::from_form(self.raw_query().as_bytes())
    }

    /// A header's value, if it is there once and is printable ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// The media type of the body in lower case, without its parameters; empty if none is said.
    #[must_use]
    pub fn content_type(&self) -> String {
        let value = self
            .header(header::CONTENT_TYPE.as_str())
            .unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRequest")
            .field("kind", &self.kind)
            .field("method", &self.method)
            .field("content_type", &self.content_type())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Who signed a request, as a carrier's [`Telephony::authenticate`] found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authenticated {
    /// A text that is the same for repeats of the same request and different otherwise, where the carrier has one.
    pub replay_key: Option<String>,
    /// When it was signed, where the carrier's scheme has a time.
    pub signed_at: Option<SystemTime>,
}

impl Authenticated {
    /// Signed, with nothing else known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Repeats of the same request have the same key.
    #[must_use]
    pub fn with_replay_key(mut self, key: impl Into<String>) -> Self {
        self.replay_key = Some(key.into());
        self
    }

    /// It was signed then.
    #[must_use]
    pub fn with_signed_at(mut self, time: SystemTime) -> Self {
        self.signed_at = Some(time);
        self
    }
}

/// A request that is from the carrier and for the account that it names. Only [`verify`] makes one.
#[derive(Debug, Clone)]
pub struct Verified {
    provider: ProviderName,
    account: AccountLabel,
    authenticated: Authenticated,
    request: WebhookRequest,
}

impl Verified {
    /// The carrier that it was verified for.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// The account that it was verified for.
    #[must_use]
    pub fn account(&self) -> &AccountLabel {
        &self.account
    }

    /// Who signed it.
    #[must_use]
    pub fn authenticated(&self) -> &Authenticated {
        &self.authenticated
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &WebhookRequest {
        &self.request
    }

    /// The request, if it was verified for this very account. Carriers read through this.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) if it was verified for another carrier or account.
    pub fn for_account(&self, carrier: &dyn Telephony) -> Result<&WebhookRequest> {
        if self.provider == *carrier.provider() && self.account == *carrier.account() {
            Ok(&self.request)
        } else {
            let detail = "the request was verified for another account";
            Err(Error::unauthenticated(detail).with_provider(carrier.provider()))
        }
    }
}

/// Lets `carrier` find out who signed `request`.
///
/// # Errors
/// What [`Telephony::authenticate`] says: the answer to the carrier is 403 with an empty body.
pub fn verify(carrier: &dyn Telephony, request: WebhookRequest) -> Result<Verified> {
    let authenticated = carrier.authenticate(&request)?;
    Ok(Verified {
        provider: carrier.provider().clone(),
        account: carrier.account().clone(),
        authenticated,
        request,
    })
}

/// What goes back to the carrier: most want a document, some an acknowledgement and REST commands.
#[derive(Clone)]
pub struct Answered {
    /// The HTTP response.
    pub response: Response<Bytes>,
    /// Requests to send to the carrier's REST API afterwards, in order.
    pub commands: Vec<http::Request<Bytes>>,
}

impl Answered {
    /// A document of that media type, with status 200.
    #[must_use]
    pub fn document(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut answered = Self::empty(StatusCode::OK);
        answered.response.headers_mut().insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static(content_type),
        );
        *answered.response.body_mut() = body.into();
        answered
    }

    /// Nothing but a status.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Self {
            response,
            commands: Vec::new(),
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("status", &self.response.status())
            .field("body_bytes", &self.response.body().len())
            .field("commands", &self.commands.len())
            .finish()
    }
}
