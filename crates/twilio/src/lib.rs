//! Twilio Programmable Voice: signed webhooks, TwiML and Media Streams.
//!
//! A call comes in, is verified and read, and gets its answer; no network is needed for that:
//!
//! ```
//! use bytes::Bytes;
//! use http::{HeaderMap, HeaderValue, Method};
//! use std::time::SystemTime;
//! use telephony_core::{
//!     AccountLabel, Answer, CallKey, CallLinks, OsRandom, Ports, PublicUrl, Secret, Telephony, WebhookKind,
//!     WebhookRequest, verify,
//! };
//! use telephony_twilio::{Twilio, TwilioConfig};
//!
//! let label = AccountLabel::new("twilio")?;
//! let config = TwilioConfig::new("AC0123", Secret::new("secret-token"));
//! let twilio = Twilio::new(label.clone(), config, &Ports::default())?;
//!
//! // What Twilio sends when a number of the account is called.
//! let mut headers = HeaderMap::new();
//! headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"));
//! headers.insert("x-twilio-signature", HeaderValue::from_static("96RjDB1Jd+J+gWKwBdXEob+TMW4="));
//! let request = WebhookRequest {
//!     method: Method::POST,
//!     public_url: "https://voice.example.com/twilio/call".into(),
//!     headers,
//!     body: Bytes::from_static(
//!         b"AccountSid=AC0123&CallSid=CA0001&CallStatus=ringing&Direction=inbound&From=%2B14155550100&To=%2B14155550199",
//!     ),
//!     received_at: SystemTime::now(),
//!     kind: WebhookKind::IncomingCall,
//! };
//!
//! let request = verify(&twilio, request)?;
//! let call = twilio.accept_call(&request)?;
//! assert_eq!(call.from().e164(), Some("+14155550100"));
//!
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let links = CallLinks::new(base, label, CallKey::random(&OsRandom)?);
//! let answered = twilio.incoming_call(&call, &Answer::say("Hello & welcome.").then_hang_up(), &links)?;
//! assert_eq!(
//!     answered.response.body(),
//!     r#"<?xml version="1.0" encoding="UTF-8"?><Response><Say>Hello &amp; welcome.</Say><Hangup/></Response>"#,
//! );
//! # Ok::<(), telephony_core::Error>(())
//! ```
//!
//! # Words of status
//! `CallStatus` of webhooks (Twilio docs; `answered` is seen in guides only, `cancelled` is taken for good measure):
//!
//! | Twilio | [`CallStatus`](telephony_core::CallStatus) |
//! |---|---|
//! | `queued` | `Queued` |
//! | `initiated` | `Initiated` |
//! | `ringing` | `Ringing` |
//! | `in-progress`, `answered` | `InProgress` |
//! | `completed` | `Completed` |
//! | `busy` | `Busy` |
//! | `failed` | `Failed` |
//! | `no-answer` | `NoAnswer` |
//! | `canceled`, `cancelled` | `Canceled` |
//! | any other word | no status: [`CallEventKind::Other`](telephony_core::CallEventKind::Other) with that name |
//!
//! With `ParentCallSid` it is the status of a dialled child: [`CallEventKind::Leg`](telephony_core::CallEventKind::Leg) of the parent.
//!
//! # Callbacks
//! Twilio's requests do not say what they are; their fields do (Twilio docs, SDKs, field reports).
//!
//! | fields | event | answer |
//! |---|---|---|
//! | `ErrorUrl`, `ErrorCode` | `CarrierFault`, then `NextStep` after `fallback` where an answer was asked for | TwiML |
//! | `TranscriptionEvent`, `TranscriptionStatus` | `Other`: `transcription-…` | 204 |
//! | `RecordingStatus` | `RecordingReady` if `completed`, else `Other`: `recording-…` | 204 |
//! | `StreamEvent` | `StreamStarted`, `StreamStopped`, `StreamFailed` | 204 |
//! | `StableSpeechResult`, `UnstableSpeechResult` | `Other`: `partial-result` | 204 |
//! | `CallbackSource`, `SequenceNumber`, `CallDuration` | the status; with it `MachineDetected`, `RecordingReady`, `CarrierFault` | 204 |
//! | `DialCallStatus` | `DialEnded`, `RecordingReady` if there is one | TwiML |
//! | `RecordingUrl` alone | `RecordingReady` | TwiML |
//! | `SessionStatus`, `HandoffData` | `NextStep` after `conversation-relay` | TwiML |
//! | `QueueResult` | `NextStep` after `enqueue` | TwiML |
//! | `ReferTransferTarget` | `Transferred`; where to is in the parameters only | TwiML |
//! | `Digits`, `SpeechResult`, our `?after=gather` | `DigitsGathered` | TwiML |
//! | our `?after=stream`, `StreamSid` alone | `NextStep` after `stream` | TwiML |
//! | `AnsweredBy` without `CallStatus` | `MachineDetected` | 204 |
//! | none of these, on the answer route | `NextStep` after `redirect` | TwiML |
//!
//! What takes TwiML has the call's status too, as an event after the others: `completed` there means that the caller has
//! gone. Repeats and events out of order are normal; [`CallEvent::sequence`](telephony_core::CallEvent::sequence) counts per
//! subscription.
//!
//! # Media
//! µ-law at 8000 Hz both ways, marks that come back, a clear that reaches everything, keys from the caller. Closing the
//! socket lets the document go on, so the answer has `<Hangup/>` after the stream unless it says to continue.
//!
//! # Placing and steering calls
//! What the trait's operations send below `https://api.twilio.com/2010-04-01/Accounts/{AccountSid}`, or the region's or the
//! configured host. [`rest`] writes these requests and reads the answers; it can be used with any HTTP client.
//!
//! | operation | request | sent again after |
//! |---|---|---|
//! | [`make_call`](Telephony::make_call) | `POST Calls.json`, see [`place_call`](rest::Requests::place_call); as many a second as `calls_per_second` says | a refusal (429), a connection that was not made |
//! | [`hang_up`](Telephony::hang_up) | `POST Calls/{Sid}.json` with `Status=completed`; then `Status=canceled`, if the call may be waiting to be dialled | any failure |
//! | [`transfer`](Telephony::transfer) | `POST Calls/{Sid}.json` with `Twiml`, or with `Url` if that is longer than 4,000 characters | a refusal, a connection that was not made |
//! | [`send_dtmf`](Telephony::send_dtmf) | the same, with `<Play digits>` before what comes after; up to 4,000 characters | a refusal, a connection that was not made |
//! | [`start_recording`](Telephony::start_recording) | `POST Calls/{Sid}/Recordings.json` | a refusal, a connection that was not made |
//! | [`stop_recording`](Telephony::stop_recording), [`Twilio::change_recording`] | `POST Calls/{Sid}/Recordings/{Sid}.json` with `Status` | any failure |
//! | [`fetch_call`](Telephony::fetch_call) | `GET Calls/{Sid}.json` | any failure |
//! | [`find_placed`](Telephony::find_placed) | `GET Calls.json?To=…&From=…`, and the pages after it | any failure |
//! | [`fetch_recording`](Telephony::fetch_recording) | `GET` of the recording's URL as `.wav`, on the configured host | any failure, 404 |
//!
//! * **Keys** end what the call is doing: a stream ends, and begins anew if [`Dtmf::then`](telephony_core::Dtmf::then) says so.
//!   Without it they are [`Unsupported`](telephony_core::ErrorKind::Unsupported) before anything is sent.
//! * **Gone is success** for hanging up and for stopping a recording (404, error 21220). Twilio gives 404 for a call of another
//!   account or region, too.
//! * **A call of a subaccount** is steered under that subaccount, with its own token:
//!   [`CarrierCall::home`](telephony_core::CarrierCall::home) has its SID, and `subaccounts` its token.
//! * **Calls that may have been placed**: the list has the calls between the two parties, the oldest first, that the API placed
//!   since then or up to 5 seconds before, for clocks differ; up to 500 calls are read. Twilio's list may lag behind by some
//!   seconds: look a second time before you take an empty list for a proof.
//! * **[`StatusEvents::End`](telephony_core::StatusEvents::End)** asks for `completed` only. A list of kinds in
//!   [`TwilioCallOptions`] is taken as it is; one that says more than `End` is an error.

mod answer;
mod config;
mod control;
pub mod error;
mod media;
mod party;
pub mod rest;
mod signature;
mod webhook;

pub use config::{KEYS, TwilioConfig};
pub use rest::TwilioCallOptions;

use async_trait::async_trait;
use control::Control;
use rest::{RecordingChange, RecordingOptions};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, CallSnapshot,
    Capabilities, CarrierCall, CarrierEntry, Clear, Dtmf, DtmfOut, Handover, HangUpBy,
    IncomingCall, Marks, Operation, OutboundCall, PlacedCall, Ports, ProviderName, Recording,
    RecordingAudio, RecordingId, Registry, RestClient, Result, Settings, Telephony, Verb, Verified,
    WebhookRequest,
};

/// The carrier's name.
pub const NAME: &str = "twilio";

static PROVIDER: ProviderName = ProviderName::from_static(NAME);

/// How long Twilio waits for an answer, retries included (Twilio docs). No setting raises it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// The carrier's name as a [`ProviderName`].
#[must_use]
pub fn provider_name() -> ProviderName {
    PROVIDER.clone()
}

/// Adds Twilio to the carriers that configuration can name.
///
/// ```
/// use telephony_core::{Ports, Registry, Settings};
///
/// let mut registry = Registry::new();
/// telephony_twilio::register(&mut registry)?;
/// let settings = Settings::new().with("account_sid", "AC0123").with("auth_token", "current, next");
/// let twilio = registry.open("Twilio", None, settings, &Ports::default())?;
/// assert_eq!(twilio.provider().as_str(), "twilio");
/// # Ok::<(), telephony_core::Error>(())
/// ```
///
/// # Errors
/// [`Configuration`](telephony_core::ErrorKind::Configuration) if the name is taken.
pub fn register(registry: &mut Registry) -> Result<()> {
    registry.register(CarrierEntry {
        name: NAME,
        aliases: &[],
        keys: KEYS,
        open,
    })
}

fn open(label: AccountLabel, settings: Settings, ports: &Ports) -> Result<Arc<dyn Telephony>> {
    let config = settings.read(&PROVIDER, KEYS)?;
    Ok(Arc::new(Twilio::new(label, config, ports)?))
}

/// One Twilio account.
pub struct Twilio {
    label: AccountLabel,
    config: TwilioConfig,
    rest: RestClient,
}

impl Twilio {
    /// The account of `config` under `label`.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) as [`TwilioConfig::validate`].
    pub fn new(label: AccountLabel, config: TwilioConfig, ports: &Ports) -> Result<Self> {
        config.validate()?;
        let rest = control::rest_client(&config, ports);
        Ok(Self {
            label,
            config,
            rest,
        })
    }

    /// The account's configuration.
    #[must_use]
    pub fn config(&self) -> &TwilioConfig {
        &self.config
    }

    /// Pauses, resumes or stops a recording of a call that is up: what only Twilio can do.
    ///
    /// ```
    /// use telephony_core::{CarrierCall, RecordingId, Result, Telephony};
    /// use telephony_twilio::Twilio;
    /// use telephony_twilio::rest::RecordingChange;
    ///
    /// /// Leaves out of the recording what the caller says now: the number of a card, perhaps.
    /// async fn look_away(carrier: &dyn Telephony, call: &CarrierCall, recording: &RecordingId) -> Result<()> {
    ///     match carrier.downcast_ref::<Twilio>() {
    ///         Some(twilio) => twilio.change_recording(call, recording, RecordingChange::PauseAndSkip).await,
    ///         None => Ok(()), // another carrier
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// What Twilio says; [`NotFound`](telephony_core::ErrorKind::NotFound) if the recording is over.
    pub async fn change_recording(
        &self,
        call: &CarrierCall,
        recording: &RecordingId,
        change: RecordingChange,
    ) -> Result<()> {
        self.control()
            .change_recording(call, recording, change)
            .await
    }

    /// As [`start_recording`](Telephony::start_recording), with options: one channel for each side, one side only.
    ///
    /// # Errors
    /// What Twilio says.
    pub async fn start_recording_with(
        &self,
        call: &CarrierCall,
        links: &CallLinks,
        options: &RecordingOptions,
    ) -> Result<RecordingId> {
        self.control().start_recording(call, links, options).await
    }

    fn control(&self) -> Control<'_> {
        Control::new(&self.config, &self.rest)
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("label", &self.label)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Telephony for Twilio {
    fn provider(&self) -> &ProviderName {
        &PROVIDER
    }

    fn account(&self) -> &AccountLabel {
        &self.label
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_verbs([
                Verb::Stream,
                Verb::Say,
                Verb::Play,
                Verb::Gather,
                Verb::GatherSpeech,
                Verb::Dial,
                Verb::Pause,
                Verb::HangUp,
                Verb::Reject,
                Verb::Redirect,
            ])
            .with_formats([media::FORMAT])
            .with_marks(Marks::Echoed)
            .with_clear(Clear::Everything)
            .with_hang_up(HangUpBy::ClosingSocket)
            .with_operations([
                Operation::MakeCall,
                Operation::HangUp,
                Operation::Transfer,
                Operation::SendDtmf,
                Operation::Record,
                Operation::FetchCall,
                Operation::FindPlaced,
                Operation::FetchRecording,
            ])
            .with_dtmf_in()
            .with_dtmf_out(DtmfOut::InPlace)
            .with_signatures(true, true)
            .with_answer_deadline(ANSWER_DEADLINE)
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        webhook::authenticate(&self.config, request)
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        webhook::accept_call(&self.config, request, request.for_account(self)?)
    }

    fn incoming_call(
        &self,
        call: &IncomingCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Answered> {
        call.check_account(self)?;
        answer::answered(answer, links, call.status())
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        webhook::status_callback(request.for_account(self)?)
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        webhook::read_callback(request.for_account(self)?)
    }

    fn reply(
        &self,
        request: &Verified,
        answer: Option<&Answer>,
        links: &CallLinks,
    ) -> Result<Answered> {
        webhook::reply(request.for_account(self)?, answer, links)
    }

    fn media_codec(&self, _ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        Ok(Box::new(media::TwilioCodec::default()))
    }

    fn plan_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<Handover> {
        self.control().plan_call(call, links)
    }

    fn plan_transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.control().plan_transfer(call, answer, links)
    }

    async fn make_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        self.control().make_call(call, links).await
    }

    async fn hang_up(&self, call: &CarrierCall) -> Result<()> {
        self.control().hang_up(call).await
    }

    async fn transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.control().transfer(call, answer, links).await
    }

    async fn send_dtmf(&self, call: &CarrierCall, keys: &Dtmf, links: &CallLinks) -> Result<()> {
        self.control().send_dtmf(call, keys, links).await
    }

    async fn start_recording(&self, call: &CarrierCall, links: &CallLinks) -> Result<RecordingId> {
        let options = RecordingOptions::default();
        self.control().start_recording(call, links, &options).await
    }

    async fn stop_recording(&self, call: &CarrierCall, recording: &RecordingId) -> Result<()> {
        self.control().stop_recording(call, recording).await
    }

    async fn fetch_call(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        self.control().fetch_call(call).await
    }

    async fn find_placed(
        &self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        self.control().find_placed(call, since).await
    }

    async fn fetch_recording(&self, recording: &Recording) -> Result<RecordingAudio> {
        self.control().fetch_recording(recording).await
    }
}
