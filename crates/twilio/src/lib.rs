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
//! # REST
//! Placing and steering calls, recordings and look-ups: [`rest`] writes the requests and reads the answers.

mod answer;
mod config;
pub mod error;
mod media;
mod party;
pub mod rest;
mod signature;
mod webhook;

pub use config::{KEYS, TwilioConfig};
pub use rest::TwilioCallOptions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierEntry, Clear, HangUpBy, IncomingCall, Marks, Ports, ProviderName, Registry, Result,
    Settings, Telephony, Verb, Verified, WebhookRequest,
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
    ports: Ports,
}

impl Twilio {
    /// The account of `config` under `label`.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) as [`TwilioConfig::validate`].
    pub fn new(label: AccountLabel, config: TwilioConfig, ports: &Ports) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            label,
            config,
            ports: ports.clone(),
        })
    }

    /// The account's configuration.
    #[must_use]
    pub fn config(&self) -> &TwilioConfig {
        &self.config
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("label", &self.label)
            .field("config", &self.config)
            .field("ports", &self.ports)
            .finish()
    }
}

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
            .with_dtmf_in()
            .with_signatures(true, true)
            .with_answer_deadline(ANSWER_DEADLINE)
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        webhook::authenticate(&self.config, request)
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        webhook::accept_call(request, request.for_account(self)?)
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
}
