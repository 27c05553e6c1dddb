//! Plivo Voice: signed webhooks, Plivo XML and audio streaming.
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
//! use telephony_plivo::{Plivo, PlivoConfig};
//!
//! let label = AccountLabel::new("plivo")?;
//! let config = PlivoConfig::new("MA0123", Secret::new("secret-token"));
//! let plivo = Plivo::new(label.clone(), config, &Ports::default())?;
//!
//! // What Plivo sends when a number of the account is called.
//! let mut headers = HeaderMap::new();
//! headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
//! headers.insert("x-plivo-signature-v3-nonce", HeaderValue::from_static("12345"));
//! headers.insert("x-plivo-signature-v3", HeaderValue::from_static("//mHt5B7XmNT09ht2Ka3r8sH7H6WT/vyvvyHrWQmT2A="));
//! let request = WebhookRequest {
//!     method: Method::POST,
//!     public_url: "https://voice.example.com/plivo/call".into(),
//!     headers,
//!     body: Bytes::from_static(
//!         b"CallUUID=8fe1&From=14155550100&To=14155550199&CallStatus=ringing&Direction=inbound&Event=StartApp",
//!     ),
//!     received_at: SystemTime::now(),
//!     kind: WebhookKind::IncomingCall,
//! };
//!
//! let request = verify(&plivo, request)?;
//! let call = plivo.accept_call(&request)?;
//! assert_eq!(call.from().e164(), Some("+14155550100"));
//!
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let links = CallLinks::new(base, label, CallKey::random(&OsRandom)?);
//! let answered = plivo.incoming_call(&call, &Answer::say("Hello & welcome.").then_hang_up(), &links)?;
//! assert_eq!(
//!     answered.response.body(),
//!     r#"<?xml version="1.0" encoding="UTF-8"?><Response><Speak>Hello &amp; welcome.</Speak><Hangup/></Response>"#,
//! );
//! # Ok::<(), telephony_core::Error>(())
//! ```
//!
//! # Words of status
//! `CallStatus` of webhooks (Plivo docs; the others are taken for good measure):
//!
//! | Plivo | [`CallStatus`](telephony_core::CallStatus) |
//! |---|---|
//! | `queued` | `Queued` |
//! | `initiated` | `Initiated` |
//! | `ringing` | `Ringing` |
//! | `in-progress`, `answered` | `InProgress` |
//! | `completed` | `Completed` |
//! | `busy` | `Busy` |
//! | `failed` | `Failed` |
//! | `no-answer`, `timeout` | `NoAnswer` |
//! | `cancel`, `canceled`, `cancelled` | `Canceled` |
//! | any other word | no status: [`CallEventKind::Other`](telephony_core::CallEventKind::Other) with that name |
//!
//! # Callbacks
//! What decides is what is there, in this order (Plivo docs). A callback is a form, or a query if the console says GET.
//!
//! | fields | event | answer |
//! |---|---|---|
//! | `StreamID` | `StreamStarted` (`StartStream`, `started`), `StreamStopped` (`StopStream`, `stopped`), `StreamFailed` (`DroppedStream`, `failed`), else `Other` | none |
//! | `DialAction`, `DialBLegStatus` | `Leg` | none |
//! | our `?after=dial`, `DialStatus` | `DialEnded` | XML |
//! | our `?after=gather`, `Digits`, `InputType`, `Speech` | `DigitsGathered` | XML |
//! | our `?after=stream` | `NextStep` after `stream` | XML |
//! | `RecordUrl`, `RecordingID` | `RecordingReady` | XML on the answer route |
//! | `Event` `MachineDetection`, `Machine` on the events route | `MachineDetected` | none |
//! | `Event` `Hangup`, `HangupCause…` | the status | none |
//! | none of these, on the answer route | `NextStep` after `redirect`; `MachineDetected` where `Machine` is there | XML |
//!
//! What takes XML has the call's status too, as an event after the others. Callbacks that take none get 200.
//!
//! # Media
//! µ-law at 8000 Hz both ways, checkpoints as marks, a clear that reaches everything, keys from the caller. The stream has
//! `keepCallAlive`, so that the next element runs when it is over: `<Hangup/>`, unless the answer says to continue.
//! Parameters of a stream come back as `extra_headers` and may have letters, digits, `-` and `_`.
//!
//! # Placing and steering calls
//! Below `https://api.plivo.com/v1/Account/{auth_id}/`, or the configured host. [`rest`] writes these requests and reads the
//! answers; it can be used with any HTTP client.
//!
//! | operation | request | sent again after |
//! |---|---|---|
//! | [`make_call`](Telephony::make_call) | `POST Call/`, see [`place_call`](rest::Requests::place_call); as many a second as `calls_per_second` says | a refusal (429), a connection that was not made |
//! | [`hang_up`](Telephony::hang_up) | `DELETE Call/{uuid}/`; if there is no such call, `DELETE Request/{uuid}/` | any failure |
//! | [`transfer`](Telephony::transfer) | `POST Call/{uuid}/` with `aleg_url`, our answer URL | a refusal, a connection that was not made |
//! | [`send_dtmf`](Telephony::send_dtmf) | `POST Call/{uuid}/DTMF/`; a stream goes on | a refusal, a connection that was not made |
//! | [`fetch_call`](Telephony::fetch_call) | `GET Call/{uuid}/?status=live`; if it is not live `GET Call/{uuid}/`, its record; if there is none `…?status=queued`, and then once more `…?status=live` | any failure |
//!
//! * **Gone is success** for hanging up (404).
//! * **A transfer** is taken up once the stream is over (Plivo's guide for agents says so): the library closes it then.
//! * **What became of a call** is the word of a live or queued call, and of one that is over what its record says, by the
//!   cause of its end: see [`CallState`](rest::CallState). Until Plivo has written the record nobody knows the call:
//!   [`NotFound`](telephony_core::ErrorKind::NotFound) with [`Retry::Safe`](telephony_core::Retry::Safe).
//! * **Looking for a call that may have been placed** is not there: Plivo's list has calls that are over only, with times in a
//!   zone of the account's, and its lists of the others have ids and nothing else. Nor is **recording**.
//!
//! # What is not certain
//! Nothing here was tried against live Plivo. Where its pages differ, every form is taken:
//! * **the signature of the media socket's upgrade**: the pages say that it is there, field reports that it is made over
//!   `http://…` whatever the URL was. Every scheme is tried; `require_upgrade_signature = false` takes one that is not signed.
//! * **`extra_headers`** with commas, semicolons or as JSON; whether `_` and `-` survive.
//! * **whether a transfer interrupts a stream** at once, as older pages read. Then it is over before we close it.
//! * **whether `w` waits** among the keys of `send_dtmf`, as it does among those of a new call.
//! * **`machine_detection` without a URL**: that the verdict comes with the question.
//! * **how soon the record of a call is there**, and whether a call that is neither live nor queued any more is a 404 in all
//!   three places until then. SDKs and field reports read it so.

mod answer;
mod config;
mod control;
pub mod error;
mod media;
mod party;
pub mod rest;
mod signature;
mod webhook;

pub use config::{KEYS, PlivoConfig};
pub use rest::PlivoCallOptions;

use async_trait::async_trait;
use control::Control;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, CallSnapshot,
    Capabilities, CarrierCall, CarrierEntry, Clear, Dtmf, DtmfOut, Handover, HangUpBy,
    IncomingCall, Marks, Operation, OutboundCall, PlacedCall, Ports, ProviderName, Registry,
    RestClient, Result, Settings, Telephony, Verb, Verified, WebhookRequest,
};

/// The carrier's name.
pub const NAME: &str = "plivo";

static PROVIDER: ProviderName = ProviderName::from_static(NAME);

/// How long Plivo waits for XML (Plivo's guide for agents).
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// How long a stream lasts unless the XML says less (Plivo docs).
const MAX_STREAM: Duration = Duration::from_secs(86_400);

/// The carrier's name as a [`ProviderName`].
#[must_use]
pub fn provider_name() -> ProviderName {
    PROVIDER.clone()
}

/// Adds Plivo to the carriers that configuration can name.
///
/// ```
/// use telephony_core::{Ports, Registry, Settings};
///
/// let mut registry = Registry::new();
/// telephony_plivo::register(&mut registry)?;
/// let settings = Settings::new().with("auth_id", "MA0123").with("auth_token", "current, next");
/// let plivo = registry.open("Plivo", None, settings, &Ports::default())?;
/// assert_eq!(plivo.provider().as_str(), "plivo");
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
    Ok(Arc::new(Plivo::new(label, config, ports)?))
}

/// One Plivo account.
pub struct Plivo {
    label: AccountLabel,
    config: PlivoConfig,
    rest: RestClient,
}

impl Plivo {
    /// The account of `config` under `label`.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) as [`PlivoConfig::validate`].
    pub fn new(label: AccountLabel, config: PlivoConfig, ports: &Ports) -> Result<Self> {
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
    pub fn config(&self) -> &PlivoConfig {
        &self.config
    }

    fn control(&self) -> Control<'_> {
        Control::new(&self.config, &self.rest)
    }
}

impl fmt::Debug for Plivo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plivo")
            .field("label", &self.label)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Telephony for Plivo {
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
            .with_operations([
                Operation::MakeCall,
                Operation::HangUp,
                Operation::Transfer,
                Operation::SendDtmf,
                Operation::FetchCall,
            ])
            .with_formats([media::FORMAT])
            .with_marks(Marks::Echoed)
            .with_clear(Clear::Everything)
            .with_hang_up(HangUpBy::ClosingSocket)
            .with_transfers_after_stream()
            .with_dtmf_in()
            .with_dtmf_out(DtmfOut::Beside)
            .with_signatures(true, self.config.requires_upgrade_signature())
            .with_answer_deadline(ANSWER_DEADLINE)
            .with_max_stream(MAX_STREAM)
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
        Ok(Box::new(media::PlivoCodec::default()))
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

    async fn send_dtmf(&self, call: &CarrierCall, keys: &Dtmf, _links: &CallLinks) -> Result<()> {
        self.control().send_dtmf(call, keys).await
    }

    async fn fetch_call(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        self.control().fetch_call(call).await
    }
}
