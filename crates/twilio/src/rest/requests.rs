//! Requests about one account.

use super::options::RecordingOptions;
use super::response::CallPage;
use super::{RecordingChannels, RestOperation};
use crate::{NAME, TwilioConfig, answer, party};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use telephony_core::{
    Answer, CallId, CallLinks, CallStatus, Error, ErrorKind, Party, Result, Secret,
};

/// The version of the API, in every path.
pub(super) const VERSION: &str = "2010-04-01";
/// The longest TwiML in a request, in UTF-16 units (Twilio docs: 4,000 characters; error 32018).
const INLINE_UNITS: usize = 4_000;
/// How many calls a page has (Twilio docs: 50 unless asked, 1,000 at most).
const PAGE_SIZE: &str = "50";
/// What we hear of a recording, in one field.
pub(super) const RECORDING_EVENTS: &str = "in-progress completed absent";
/// What need not be escaped in a path or query (RFC 3986, unreserved).
pub(super) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const JSON: &str = "application/json";
const AGENT: &str = concat!("telephony-twilio/", env!("CARGO_PKG_VERSION"));

/// Writes requests about one account.
#[derive(Debug, Clone, Copy)]
pub struct Requests<'a> {
    pub(super) config: &'a TwilioConfig,
    account: &'a str,
    user: &'a str,
    password: &'a Secret,
}

/// A request that says what a call is to do, and how Twilio gets to know it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Directed {
    /// The request.
    pub request: Request<Bytes>,
    /// Where the TwiML is.
    pub delivery: Delivery,
}

/// Where the TwiML of a call is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// In the request.
    Inline,
    /// It is too long for a request (4,000 characters): Twilio asks our answer URL, which must answer with this TwiML.
    AnswerUrl(String),
    /// A TwiML application has it.
    Application,
}

impl fmt::Debug for Directed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directed")
            .field("body_bytes", &self.request.body().len())
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("Inline"),
            Self::AnswerUrl(twiml) => write!(f, "AnswerUrl({} bytes)", twiml.len()),
            Self::Application => f.write_str("Application"),
        }
    }
}

/// What is to become of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingChange {
    /// It ends.
    Stop,
    /// It pauses; the pause is silence in it.
    PauseWithSilence,
    /// It pauses; the pause is left out.
    PauseAndSkip,
    /// It goes on.
    Resume,
}

impl<'a> Requests<'a> {
    /// The recording of a call, whichever it is, while there is exactly one (`OpenAPI` description).
    pub const CURRENT_RECORDING: &'static str = "Twilio.CURRENT";

    /// About the account of `config`, signed in with its API key or else with its current auth token.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) as [`TwilioConfig::validate`].
    pub fn new(config: &'a TwilioConfig) -> Result<Self> {
        config.validate()?;
        Self::of(config, config.account_sid())
    }

    /// About a subaccount of `config`, signed in with its own auth token. Calls are found under their own account only.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) as [`TwilioConfig::validate`], or if the subaccount is not in it.
    pub fn for_subaccount(config: &'a TwilioConfig, account_sid: &'a str) -> Result<Self> {
        config.validate()?;
        Self::of(config, account_sid)
    }

    pub(super) fn of(config: &'a TwilioConfig, account: &'a str) -> Result<Self> {
        let (user, password) = config.rest_credentials(account).ok_or_else(|| {
            let detail =
                "the account is not in the configuration, or has no token: see `subaccounts`";
            Error::configuration(detail).with_provider(NAME)
        })?;
        Ok(Self {
            config,
            account,
            user,
            password,
        })
    }

    /// Ends a call, whether it is up, rings or waits.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if the id cannot be part of a path.
    pub fn hang_up(&self, call: &CallId) -> Result<Request<Bytes>> {
        self.set_status(call, "completed")
    }

    /// Gives up a call that was not answered yet. A call that is up stays up.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn cancel(&self, call: &CallId) -> Result<Request<Bytes>> {
        self.set_status(call, "canceled")
    }

    fn set_status(&self, call: &CallId, status: &str) -> Result<Request<Bytes>> {
        let mut form = Form::new();
        form.add("Status", status);
        self.post(RestOperation::HangUp, &["Calls", call.as_str()], form)
    }

    /// Does `answer` with a call that is up, in the place of what runs now: a running stream ends, a running dial is cut
    /// off (and its `action` is asked once more before, field reports).
    ///
    /// # Errors
    /// What the answer says: [`Unsupported`](ErrorKind::Unsupported) or
    /// [`InvalidArgument`](ErrorKind::InvalidArgument); else as [`hang_up`](Self::hang_up).
    pub fn transfer(&self, call: &CallId, answer: &Answer, links: &CallLinks) -> Result<Directed> {
        let twiml = answer::twiml(answer, links, Some(CallStatus::InProgress))?;
        self.redirect(RestOperation::Transfer, call, twiml, links)
    }

    /// Sends keys (`0-9 * #`, `w` waits 0.5 s, `W` 1 s) into a call that is up, and then does `then`.
    ///
    /// Twilio cannot send keys beside anything else: what runs now, a stream too, is ended by it, which is why what comes
    /// after has to be said. To go on streaming, `then` is a stream, and `links` have a new media token.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for other keys or none, or if `then` has no step;
    /// [`Unsupported`](ErrorKind::Unsupported) if `then` is a document; else as [`transfer`](Self::transfer).
    pub fn send_digits(
        &self,
        call: &CallId,
        digits: &str,
        then: &Answer,
        links: &CallLinks,
    ) -> Result<Directed> {
        let operation = RestOperation::SendDigits;
        let is_key = |byte: u8| byte.is_ascii_digit() || b"*#wW".contains(&byte);
        if !digits.bytes().all(is_key) || digits.bytes().all(|byte| b"wW".contains(&byte)) {
            return Err(
                operation.invalid("the keys must be out of 0-9 * #, with w and W for pauses")
            );
        }
        if then.as_document().is_some() {
            let detail = "after keys come steps: put a <Play digits> into the document and transfer the call to it";
            return Err(Error::unsupported(operation.name(), detail).with_provider(NAME));
        }
        if then.steps().is_empty() {
            return Err(operation.invalid(
                "Twilio ends what runs to send keys: say what comes after them, else the call ends",
            ));
        }
        let twiml = answer::twiml_with_keys(digits, then.steps(), links)?;
        self.redirect(operation, call, twiml, links)
    }

    fn redirect(
        &self,
        operation: RestOperation,
        call: &CallId,
        twiml: String,
        links: &CallLinks,
    ) -> Result<Directed> {
        let mut form = Form::new();
        let delivery = form.add_twiml(twiml, || links.answer_url());
        let request = self.post(operation, &["Calls", call.as_str()], form)?;
        Ok(Directed { request, delivery })
    }

    /// Asks what became of a call. It may lag behind: callbacks are newer.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn fetch_call(&self, call: &CallId) -> Result<Request<Bytes>> {
        let operation = RestOperation::FetchCall;
        let url = self.url(operation, &["Calls", call.as_str()], ".json")?;
        self.request(operation, Method::GET, &url, JSON, None)
    }

    /// Lists the calls from one party to another, the latest first: after a creation whose outcome is not known, with
    /// [`CallPage::placed_since`].
    ///
    /// Twilio could filter by the time at which a call *started*, but a call that waits to be dialled has not started, and
    /// is the one that must be found.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) or [`InvalidArgument`](ErrorKind::InvalidArgument) if Twilio cannot call
    /// such a party.
    pub fn find_calls(&self, from: &Party, to: &Party) -> Result<Request<Bytes>> {
        let operation = RestOperation::FindCalls;
        let mut query = Form::new();
        query.add("To", &party::written(to, operation.name())?);
        query.add("From", &party::written(from, operation.name())?);
        query.add("PageSize", PAGE_SIZE);
        let url = self.url(operation, &["Calls"], ".json")?;
        let url = format!("{url}?{}", query.finish());
        self.request(operation, Method::GET, &url, JSON, None)
    }

    /// Asks for the page after this one, if there is one.
    ///
    /// # Errors
    /// [`Carrier`](ErrorKind::Carrier) if the page does not say where in the API the next one is.
    pub fn next_calls(&self, page: &CallPage) -> Result<Option<Request<Bytes>>> {
        let operation = RestOperation::FindCalls;
        let Some(next) = page.next() else {
            return Ok(None);
        };
        // A path on the API's host, and nothing that a URL parser could take for another host.
        let below = format!("/{VERSION}/Accounts/");
        let api = self.config.api_url();
        let origin = origin(&api);
        let prefix = &api[origin.len()..];
        let rest = next.strip_prefix(prefix).unwrap_or(next);
        let is_plain = next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !rest.starts_with(&below) || !is_plain || has_dot_segment(rest) {
            let detail = "the page says that the next one is outside of the API";
            return Err(
                Error::new(ErrorKind::Carrier, operation.name(), detail).with_provider(NAME)
            );
        }
        let url = format!("{api}{rest}");
        self.request(operation, Method::GET, &url, JSON, None)
            .map(Some)
    }

    /// Records a call that is up. What becomes of the recording is reported to our events URL.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn start_recording(
        &self,
        call: &CallId,
        links: &CallLinks,
        options: &RecordingOptions,
    ) -> Result<Request<Bytes>> {
        let mut form = Form::new();
        form.add_recording_callback(&links.events_url());
        form.add_all(options.pairs());
        let path = ["Calls", call.as_str(), "Recordings"];
        self.post(RestOperation::StartRecording, &path, form)
    }

    /// Stops, pauses or resumes a recording of a call that is up. For `recording` see also
    /// [`CURRENT_RECORDING`](Self::CURRENT_RECORDING).
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn change_recording(
        &self,
        call: &CallId,
        recording: &str,
        change: RecordingChange,
    ) -> Result<Request<Bytes>> {
        let (status, pause) = match change {
            RecordingChange::Stop => ("stopped", None),
            RecordingChange::PauseWithSilence => ("paused", Some("silence")),
            RecordingChange::PauseAndSkip => ("paused", Some("skip")),
            RecordingChange::Resume => ("in-progress", None),
        };
        let mut form = Form::new();
        form.add("Status", status);
        form.add_all(pause.map(|pause| ("PauseBehavior", pause)));
        let path = ["Calls", call.as_str(), "Recordings", recording];
        self.post(RestOperation::ChangeRecording, &path, form)
    }

    /// Asks what became of a recording.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if the id cannot be part of a path.
    pub fn fetch_recording(&self, recording: &str) -> Result<Request<Bytes>> {
        let operation = RestOperation::FetchRecording;
        let url = self.url(operation, &["Recordings", recording], ".json")?;
        self.request(operation, Method::GET, &url, JSON, None)
    }

    pub(super) fn post(
        &self,
        operation: RestOperation,
        path: &[&str],
        form: Form,
    ) -> Result<Request<Bytes>> {
        let url = self.url(operation, path, ".json")?;
        self.request(operation, Method::POST, &url, JSON, Some(form))
    }

    pub(super) fn url(
        &self,
        operation: RestOperation,
        path: &[&str],
        extension: &str,
    ) -> Result<String> {
        let mut url = format!(
            "{}/{VERSION}/Accounts/{}",
            self.config.api_url(),
            self.account
        );
        for segment in path {
            if matches!(*segment, "" | "." | "..") {
                return Err(operation.invalid("this is not an id of Twilio's"));
            }
            url.push('/');
            url.extend(utf8_percent_encode(segment, ESCAPED));
        }
        url.push_str(extension);
        Ok(url)
    }

    pub(super) fn request(
        &self,
        operation: RestOperation,
        method: Method,
        url: &str,
        accept: &'static str,
        form: Option<Form>,
    ) -> Result<Request<Bytes>> {
        let credentials = format!("{}:{}", self.user, self.password.expose());
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        let unwritable =
            || operation.invalid("the request cannot be written: an id or a number is too long");
        let mut authorization = HeaderValue::try_from(authorization).map_err(|_| unwritable())?;
        authorization.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_CHARSET, "utf-8")
            .header(header::USER_AGENT, AGENT)
            .header(header::AUTHORIZATION, authorization);
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = form.map(Form::finish).unwrap_or_default();
        request.body(body.into()).map_err(|_| unwritable())
    }
}

/// Scheme, host and port of a base URL, which was checked to have them.
pub(super) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

/// Whether a URL parser would take this path for another one.
pub(super) fn has_dot_segment(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
        matches!(decoded.as_slice(), b"." | b"..")
            || decoded.contains(&b'/')
            || decoded.contains(&b'\\')
    })
}

/// A form or a query.
pub(super) struct Form(form_urlencoded::Serializer<'static, String>);

impl Form {
    pub(super) fn new() -> Self {
        Self(form_urlencoded::Serializer::new(String::with_capacity(512)))
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.append_pair(name, value);
    }

    pub(super) fn add_all<'p>(&mut self, pairs: impl IntoIterator<Item = (&'p str, &'p str)>) {
        self.0.extend_pairs(pairs);
    }

    /// The TwiML itself, or where it is if it is too long.
    pub(super) fn add_twiml(&mut self, twiml: String, url: impl FnOnce() -> String) -> Delivery {
        if twiml.encode_utf16().count() <= INLINE_UNITS {
            self.add("Twiml", &twiml);
            return Delivery::Inline;
        }
        self.add("Url", &url());
        self.add("Method", "POST");
        Delivery::AnswerUrl(twiml)
    }

    pub(super) fn add_recording_callback(&mut self, url: &str) {
        self.add("RecordingStatusCallback", url);
        self.add("RecordingStatusCallbackEvent", RECORDING_EVENTS);
        self.add("RecordingStatusCallbackMethod", "POST");
    }

    pub(super) fn finish(mut self) -> String {
        self.0.finish()
    }
}

impl RecordingChannels {
    /// The query that asks for audio with these channels.
    pub(super) fn query(self) -> &'static str {
        match self {
            Self::Mono => "RequestedChannels=1",
            Self::Dual => "RequestedChannels=2",
        }
    }
}
