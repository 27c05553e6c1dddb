//! Exotel's REST API (v1) as pure functions: what to send, and what the answer means.
//!
//! Nothing here waits, sends or looks at a clock, so that any HTTP client will do.
//!
//! ```
//! use std::time::SystemTime;
//! use telephony_core::{
//!     AccountLabel, Answer, CallKey, CallLinks, CallStatus, MediaToken, OsRandom, OutboundCall, Party, PublicUrl,
//! };
//! use telephony_exotel::ExotelConfig;
//! use telephony_exotel::rest::Rest;
//!
//! # fn main() -> telephony_core::Result<()> {
//! let config = ExotelConfig::new("example1", "api-key", "api-token", "a-long-random-secret");
//! let rest = Rest::new(&config)?;
//!
//! let links = CallLinks::new(
//!     PublicUrl::new("https://voice.example.com")?,
//!     AccountLabel::new("exotel")?,
//!     CallKey::random(&OsRandom)?,
//! )
//! .with_media(MediaToken::random(&OsRandom)?);
//! let call = OutboundCall::new(Party::parse("+919876501234"), Party::parse("08033334444"), Answer::stream());
//! let request = rest.place_call(&call, &links)?;
//! assert_eq!(request.uri(), "https://api.exotel.com/v1/Accounts/example1/Calls/connect.json");
//!
//! // What a client brought back:
//! let body = r#"{"Call": {"Sid": "b0c8aea60aceb0007fc5a1bb75c218bl", "Status": "in-progress"}}"#;
//! let response = http::Response::new(body.into());
//! let placed = rest.read_placed_call(&call, &links, &response, SystemTime::now())?;
//! assert_eq!(placed.status, CallStatus::Initiated); // Taken, not answered, whatever the word.
//! # Ok(()) }
//! ```
//!
//! | to | send | read with |
//! |---|---|---|
//! | place a call | [`Rest::place_call`]: `POST …/Calls/connect.json` | [`Rest::read_placed_call`] |
//! | look at one call | [`Rest::fetch_call`]: `GET …/Calls/{id}.json?details=true` | [`Rest::read_call`] |
//! | look for calls | [`Rest::list_calls`]: `GET …/Calls.json?…`, [`Rest::next_calls`] | [`Rest::read_calls`] |
//! | count the streams | [`Rest::fetch_active_streams`]: `GET …/ActiveStreams` | [`Rest::read_active_streams`] |
//! | get a recording | [`Rest::fetch_recording`] | [`Rest::read_recording`] |
//!
//! There is no request that hangs up, transfers, sends keys or starts a recording. Until its stream runs a call cannot be
//! ended at all: bound it with [`OutboundCall::max_duration`](telephony_core::OutboundCall), and a call to a second number
//! or a flow with `ring_timeout` too.
//!
//! # The three ways to place a call
//!
//! Exotel's words mislead: `From` is the number that it *dials*, `CallerId` is our number (ExoPhone) that is shown. Here
//! [`OutboundCall::to`](telephony_core::OutboundCall) is always who is dialled first and `from` is always the ExoPhone.
//!
//! | answer | way | parameters |
//! |---|---|---|
//! | [`Answer::stream`](telephony_core::Answer::stream) | straight to our media socket; must be enabled on the account; the call ends with the stream | `StreamUrl`, `StreamType`, `StreamName` |
//! | [`Answer::dial`](telephony_core::Answer::dial) with one number | when `to` has answered, that number is dialled and the two are connected | `To`, `TimeOut`, `WaitUrl`, `RecordingFormat`, `StreamBegin`, `StartPlayback…` |
//! | [`Answer::redirect`](telephony_core::Answer::redirect), or a stream without parameters, with [`ExotelCallOptions::with_flow`] | into a flow of the console, whose applets ask us | `Url`, `TimeOut` |
//!
//! [`OutboundCall::status_events`](telephony_core::OutboundCall) chooses the `StatusCallbackEvents`. All of them take a
//! duration limit, recording and its channels. The call's key goes into `CustomField`, which Exotel hands
//! to applets and callbacks, and into the callback URL. What a way does not take is an error, before anything is sent.
//!
//! # When nobody knows whether a call was placed
//!
//! Exotel answers a creation in under a second or in half a minute (public reports), so a time limit below 35 s makes
//! ambiguous failures. After one ([`Retry::OutcomeUnknown`](telephony_core::Retry)) a callback that carries the call's key
//! proves that the call exists. [`CallQuery::placed`] looks it up as well, but Exotel documents that the list leaves out
//! calls that are still going on: *not found* means not placed only once the call must be over.

mod body;
mod fault;
mod options;
mod place;
mod query;
mod read;
mod recording;
mod state;
mod time;

pub(crate) use fault::LOOK_UP;
pub(crate) use place::{handover, home};

pub use options::{
    ExotelCallOptions, ListenFrom, Listener, Playback, RecordingChannels, RecordingFormat,
};
pub use query::{CallPage, CallQuery};
pub use read::ActiveStreams;
pub use state::{CallState, LegState};

use crate::ExotelConfig;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use telephony_core::{CallId, Error, ErrorKind, Result};

/// The [home](telephony_core::CarrierCall) of a call that was placed without a flow: nothing comes after its stream or its
/// second number, and no applet will ask what to do.
pub(crate) const NO_FLOW: &str = "no-flow";

pub(crate) const PLACE: &str = "place call";
pub(crate) const FETCH: &str = "fetch call";
pub(crate) const LIST: &str = "list calls";
pub(crate) const STREAMS: &str = "fetch active streams";
pub(crate) const RECORDING: &str = "fetch recording";

/// What stands for itself in every part of a URL and of a form (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Writes the requests to the REST API for one account, and reads the answers. See the [module's page](self).
///
/// Requests hold phone numbers and secrets: do not log them.
#[derive(Debug, Clone, Copy)]
pub struct Rest<'a> {
    config: &'a ExotelConfig,
}

impl<'a> Rest<'a> {
    /// For the account of `config`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] that names the key that is wrong.
    pub fn new(config: &'a ExotelConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// Asks for one call, its legs included. Duration, price and end settle about two minutes after the call (documented).
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if no request can be made of it.
    pub fn fetch_call(&self, id: &CallId) -> Result<Request<Bytes>> {
        let path = format!("Calls/{}.json?details=true", escaped(id.as_str()));
        self.get(FETCH, &self.url(&path), true)
    }

    /// Asks how many media streams the account has, and may have.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if no request can be made of it.
    pub fn fetch_active_streams(&self) -> Result<Request<Bytes>> {
        self.get(STREAMS, &self.url("ActiveStreams"), true)
    }

    /// The URL of something of the account's. Paths are case-sensitive.
    fn url(&self, path: &str) -> String {
        let (host, account) = (self.config.rest_url(), self.config.account_sid());
        format!("{host}/v1/Accounts/{account}/{path}")
    }

    fn get(&self, operation: &'static str, url: &str, signed: bool) -> Result<Request<Bytes>> {
        self.request(operation, Method::GET, url, signed, Bytes::new())
    }

    fn post_form(&self, operation: &'static str, url: &str, form: Form) -> Result<Request<Bytes>> {
        let mut request = self.request(operation, Method::POST, url, true, form.0.into())?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        Ok(request)
    }

    /// The only place that sends the credentials.
    fn request(
        &self,
        operation: &'static str,
        method: Method,
        url: &str,
        signed: bool,
        body: Bytes,
    ) -> Result<Request<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .body(body)
            .map_err(|_| error(ErrorKind::Internal, operation, "its URL is not valid"))?;
        let headers = request.headers_mut();
        if signed {
            let credentials = STANDARD.encode(self.config.rest_credentials().expose());
            let mut value = HeaderValue::try_from(format!("Basic {credentials}"))
                .map_err(|_| error(ErrorKind::Internal, operation, "its header is not valid"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if operation != RECORDING {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        }
        Ok(request)
    }
}

/// Names and values, as a form or the query of a URL.
#[derive(Default)]
struct Form(String);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend(utf8_percent_encode(name, ESCAPED));
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, ESCAPED));
    }

    fn add_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, &value.to_string());
        }
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn error(kind: ErrorKind, operation: &'static str, detail: &str) -> Error {
    Error::new(kind, operation, detail).with_provider(crate::NAME)
}
