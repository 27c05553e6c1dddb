//! Exotel (India): applets that ask for one thing each, a JSON socket with linear audio, Passthru and status callbacks,
//! the REST API that places calls.
//!
//! ```
//! use std::time::Duration;
//! use telephony_testkit::persona::exotel::Applet;
//! use telephony_testkit::{ExotelAccount, Simulator};
//!
//! let account = ExotelAccount::new("exampleacct1").with_flow([
//!     Applet::Voicebot,
//!     Applet::passthru("/exotel/events?key=secret"),
//!     Applet::connect("/exotel/answer?key=secret&applet=connect"),
//!     Applet::Hangup,
//! ]);
//! let call = Simulator::exotel(account)
//!     .answer_url("http://127.0.0.1:8080/exotel/call?key=secret")
//!     .status_url("http://127.0.0.1:8080/exotel/status?key=secret")
//!     .from("+919990000105")
//!     .deadline(Duration::from_secs(20));
//! # drop(call);
//! ```
//!
//! No document controls a call here: the call runs through the applets of a flow, and the URL that
//! [`answer_url`](crate::SimulatedCall::answer_url) names is what the Voicebot applet asks for its stream. Nothing is
//! signed. What Exotel's pages leave open, or say twice and differently, is an option of [`ExotelAccount`]; its default is
//! what was seen in real calls, and where nothing was seen, what is harder for an app.
//!
//! The REST API ([`serve`](crate::SimulatedCall::serve)) places calls in all three modes: two numbers, a flow, a stream.
//! The flow of a placed call is the flow of the account, whatever its number; its applets ask the answer URL as those of
//! inbound calls do. No request hangs a call up or steers it: Exotel has none.
//!
//! How a call ends: `completed` when an applet has worked or the flow ran to its end; `failed` when nothing could be done
//! with what the app answered; `canceled` when it was over before any applet had worked. These words are Exotel's, but
//! which of them an unanswered call of a flow gets is not documented.
//!
//! <https://developer.exotel.com/docs/agentstream/websocket-protocol>

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Call, RestApi};
use crate::persona::Persona;
use crate::persona::exotel::rest::ExotelRest;
use crate::persona::exotel::session::Session;

mod applet;
mod callback;
mod connect;
mod dial;
mod fetch;
mod greeting;
mod members;
mod menu;
mod number;
mod outbound;
mod passthru;
mod rest;
mod session;
mod stream;
mod target;
mod wire;

pub use self::applet::Applet;
pub use self::callback::CallbackBody;
pub use self::fetch::UrlRequest;
pub use self::passthru::StreamParameters;

/// An account with the simulated Exotel, and how its console is set. `Debug` shows neither the id nor URLs.
#[derive(Clone)]
#[non_exhaustive]
pub struct ExotelAccount {
    /// The name of the account, which is its id.
    pub account_sid: String,
    /// The applets that a call runs through. Default: Voicebot, Passthru without a URL, Hangup.
    pub flow: Vec<Applet>,
    /// The applets that follow when a Passthru is answered with 302. Default: Hangup.
    pub branch_b: Vec<Applet>,
    /// How the Voicebot applet asks for its stream, which is not documented. Default: GET.
    pub url_request: UrlRequest,
    /// The stream that the Voicebot applet opens without asking. Default: none, it asks the answer URL.
    pub static_url: Option<String>,
    /// How long Exotel waits for an answer before it asks the fallback URL or gives up (wall time). Default: 5 s, which
    /// third parties report; it is not documented.
    pub webhook_timeout: Duration,
    /// Whether the query of the stream's URL reaches the app at the handshake. Default: no, as seen in real calls.
    pub keeps_query: bool,
    /// Whether `sample-rate` is among the custom parameters of the start. Default: no. Not documented.
    pub sample_rate_is_parameter: bool,
    /// How much audio one media message to the app holds. Default: 100 ms.
    pub chunk: Duration,
    /// Whether marks come back whose audio a clear has thrown away. Default: no, so that an app must not wait for them.
    /// Not documented; a late one was seen.
    pub returns_cleared_marks: bool,
    /// How a Passthru applet tells of the stream before it. Default: one parameter for each fact.
    pub stream_parameters: StreamParameters,
    /// Whether agent events of the kinds `Ringing` and `Answered` are sent, which Exotel enables on request. Default: no.
    pub all_agent_events: bool,
    /// Body of the status callbacks. Default: a multipart form.
    pub callback_body: CallbackBody,
    /// Which status callbacks are sent: any of `ringing`, `answered`, `terminal`. Default: none is chosen, and then one comes at
    /// the end with the four basic fields only.
    pub status_events: Vec<String>,
    /// API key and token, for the REST API. Default: none, and then no request is authentic.
    pub api_key: Option<(String, String)>,
    /// The numbers that calls may show (`CallerId`). Default: none are named, and then every number will do.
    pub numbers: Vec<String>,
    /// Whether calls may be connected to a stream without a flow, which Exotel enables on request. Default: yes.
    pub direct_streams: bool,
    /// How many REST requests may come in a minute (429 beyond that). Default: 200.
    pub requests_per_minute: usize,
}

impl ExotelAccount {
    /// An account with the flow Voicebot, Passthru (without a URL), Hangup.
    pub fn new(account_sid: impl Into<String>) -> Self {
        Self {
            account_sid: account_sid.into(),
            flow: vec![Applet::Voicebot, Applet::idle_passthru(), Applet::Hangup],
            branch_b: vec![Applet::Hangup],
            url_request: UrlRequest::Get,
            static_url: None,
            webhook_timeout: Duration::from_secs(5),
            keeps_query: false,
            sample_rate_is_parameter: false,
            chunk: Duration::from_millis(100),
            returns_cleared_marks: false,
            stream_parameters: StreamParameters::Flat,
            all_agent_events: false,
            callback_body: CallbackBody::Multipart,
            status_events: vec![],
            api_key: None,
            numbers: vec![],
            direct_streams: true,
            requests_per_minute: 200,
        }
    }

    /// The API key and its token, with which the REST API is used.
    pub fn with_api_key(mut self, key: impl Into<String>, token: impl Into<String>) -> Self {
        self.api_key = Some((key.into(), token.into()));
        self
    }

    /// With one more number that calls may show; all others are refused then.
    pub fn with_number(mut self, number: impl Into<String>) -> Self {
        self.numbers.push(number.into());
        self
    }

    /// Calls cannot be connected to a stream without a flow: 403.
    pub fn without_direct_streams(mut self) -> Self {
        self.direct_streams = false;
        self
    }

    /// How many REST requests may come in a minute (wall time).
    pub fn with_requests_per_minute(mut self, requests: usize) -> Self {
        self.requests_per_minute = requests;
        self
    }

    /// The applets that a call runs through.
    pub fn with_flow(mut self, applets: impl IntoIterator<Item = Applet>) -> Self {
        self.flow = applets.into_iter().collect();
        self
    }

    /// The applets that follow when a Passthru is answered with 302.
    pub fn with_branch_b(mut self, applets: impl IntoIterator<Item = Applet>) -> Self {
        self.branch_b = applets.into_iter().collect();
        self
    }

    /// How the Voicebot applet asks for its stream. A method that the call itself is set to comes first.
    pub fn with_url_request(mut self, request: UrlRequest) -> Self {
        self.url_request = request;
        self
    }

    /// A `ws://` or `wss://` URL in the Voicebot applet: nothing is asked.
    pub fn with_static_url(mut self, url: impl Into<String>) -> Self {
        self.static_url = Some(url.into());
        self
    }

    /// How long Exotel waits for an answer (wall time).
    pub fn with_webhook_timeout(mut self, timeout: Duration) -> Self {
        self.webhook_timeout = timeout;
        self
    }

    /// The query of the stream's URL reaches the app at the handshake, too.
    pub fn with_query_kept(mut self) -> Self {
        self.keeps_query = true;
        self
    }

    /// `sample-rate` is among the custom parameters of the start.
    pub fn with_sample_rate_as_parameter(mut self) -> Self {
        self.sample_rate_is_parameter = true;
        self
    }

    /// How much audio one media message to the app holds: brought to a multiple of 20 ms between 20 ms and 1 s, which
    /// makes multiples of 320 bytes at every rate.
    pub fn with_chunk(mut self, chunk: Duration) -> Self {
        let steps = (chunk.as_millis() / 20).clamp(1, 50);
        self.chunk = Duration::from_millis(20) * steps as u32;
        self
    }

    /// Marks whose audio a clear has thrown away come back at once.
    pub fn with_cleared_marks_returned(mut self) -> Self {
        self.returns_cleared_marks = true;
        self
    }

    /// How a Passthru applet tells of the stream before it.
    pub fn with_stream_parameters(mut self, shape: StreamParameters) -> Self {
        self.stream_parameters = shape;
        self
    }

    /// Agent events of all four kinds are sent.
    pub fn with_all_agent_events(mut self) -> Self {
        self.all_agent_events = true;
        self
    }

    /// Body of the status callbacks.
    pub fn with_callback_body(mut self, body: CallbackBody) -> Self {
        self.callback_body = body;
        self
    }

    /// Which status callbacks are sent, in the words of `StatusCallbackEvents[]`: then they come with all fields.
    pub fn with_status_events<I: Into<String>>(
        mut self,
        events: impl IntoIterator<Item = I>,
    ) -> Self {
        self.status_events = events.into_iter().map(Into::into).collect();
        self
    }
}

impl fmt::Debug for ExotelAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExotelAccount")
            .field("flow", &self.flow)
            .field("branch_b", &self.branch_b)
            .field("url_request", &self.url_request)
            .field("has_static_url", &self.static_url.is_some())
            .field("webhook_timeout", &self.webhook_timeout)
            .field("keeps_query", &self.keeps_query)
            .field("chunk", &self.chunk)
            .field("callback_body", &self.callback_body)
            .field("status_events", &self.status_events)
            .finish_non_exhaustive()
    }
}

/// The carrier Exotel.
#[derive(Clone, Debug)]
pub struct Exotel {
    account: ExotelAccount,
}

impl Exotel {
    /// With one account.
    pub fn new(account: ExotelAccount) -> Self {
        Self { account }
    }
}

#[async_trait]
impl Persona for Exotel {
    fn name(&self) -> &str {
        "exotel"
    }

    fn rest(&self) -> Option<Arc<dyn RestApi>> {
        Some(Arc::new(ExotelRest::new(self.account.clone())))
    }

    async fn run(&self, call: &Call) {
        Session::incoming(&self.account, call).run().await;
    }
}
