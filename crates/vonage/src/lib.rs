//! Vonage Voice (once Nexmo) for the telephony crates.
//!
//! A signed webhook is verified, read and answered with an NCCO, without any network:
//!
//! ```
//! # fn main() -> telephony_core::Result<()> {
//! # use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
//! # use hmac::{Hmac, KeyInit as _, Mac as _};
//! # use sha2::{Digest as _, Sha256};
//! # use std::time::{Duration, UNIX_EPOCH};
//! # let body = r#"{"from":"447700900000","to":"442079460000","uuid":"63f61863","conversation_uuid":"CON-1"}"#;
//! # let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
//! # let claims = format!(r#"{{"iat":1767225600,"jti":"1","iss":"Vonage","api_key":"a1b2c3d","payload_hash":"{hash}"}}"#);
//! # let signed = [r#"{"alg":"HS256","typ":"JWT"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
//! # let mac = Hmac::<Sha256>::new_from_slice(b"the signature secret").unwrap().chain_update(&signed).finalize();
//! # let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()));
//! # let mut headers = http::HeaderMap::new();
//! # headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
//! # let request = telephony_core::WebhookRequest {
//! #     method: http::Method::POST,
//! #     public_url: "https://voice.example.com/vonage/call".into(),
//! #     headers,
//! #     body: body.into(),
//! #     received_at: UNIX_EPOCH + Duration::from_secs(1767225601),
//! #     kind: telephony_core::WebhookKind::IncomingCall,
//! # };
//! use telephony_core::{AccountLabel, Answer, CallKey, CallLinks, MediaToken, OsRandom, Ports, PublicUrl, Telephony, verify};
//! use telephony_vonage::{Vonage, VonageConfig};
//!
//! # let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg==\n-----END PRIVATE KEY-----\n";
//! let config = VonageConfig::new("a1b2c3d", "78d335fa-323d-0114-9c3d-d6f0d48968cf", key, "the signature secret");
//! let vonage = Vonage::new(AccountLabel::new("vonage")?, config, &Ports::default())?;
//!
//! let request = verify(&vonage, request)?; // an error here is a 403
//! let call = vonage.accept_call(&request)?;
//! assert_eq!(call.from().e164(), Some("+447700900000"));
//!
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let links = CallLinks::new(base, vonage.account().clone(), CallKey::random(&OsRandom)?)
//!     .with_media(MediaToken::random(&OsRandom)?);
//! let answered = vonage.incoming_call(&call, &Answer::stream(), &links)?;
//! assert!(answered.response.body().starts_with(br#"[{"action":"connect","#));
//! # Ok(()) }
//! ```
//!
//! # Setting up
//! In the dashboard: a Voice application with the answer URL `…/vonage/call` and the event URL `…/vonage/events`, **both by
//! POST**, signed webhooks switched on, and the number linked to it. Keys of the configuration: [`KEYS`].
//!
//! # What is verified
//! *Webhooks* carry a token (HS256) whose `payload_hash` is of the body: both are required, with `iss`, `api_key`, `jti`,
//! an `iat` within the window and, where it is there, `application_id`. *By GET* there is no body; such webhooks are refused
//! unless [`VonageConfig::with_get`] takes them, which says what that gives up. *The upgrade of the media socket* may come
//! without a token, because it is not certain that Vonage always sends one; then the secret in the URL guards it. A token
//! that is there must be right.
//!
//! # Status words
//! | Vonage says | [`CallStatus`](telephony_core::CallStatus) |
//! |---|---|
//! | `started` | `Initiated` |
//! | `ringing` | `Ringing` |
//! | `answered` | `InProgress` |
//! | `completed` | `Completed` |
//! | `busy` | `Busy` |
//! | `cancelled` | `Canceled` |
//! | `unanswered`, `timeout` | `NoAnswer` |
//! | `rejected` | `Failed`, or `Busy` with `detail` `declined` |
//! | `failed` | `Failed` |
//! | `human`, `machine`, `transcribed`, `disconnected`, anything else | none: an event |
//!
//! # Whose status it is
//! Vonage has an id (`uuid`) for each leg, and a call is known by the caller's. An event does not say whose leg it is:
//! * The media socket's leg is told by its address (`ws…`), by the headers that it repeats, or by `disconnected`, which only
//!   such legs have. Its events are about the stream, never about the call.
//! * A leg that we dialled reports to the answer URL of the call, because the NCCO says so. It is a
//!   [`Leg`](telephony_core::CallEventKind::Leg), or [`DialEnded`](telephony_core::CallEventKind::DialEnded) if nobody came.
//! * Every other status event is a [`Status`](telephony_core::CallEventKind::Status) with the leg's id as
//!   [`call_id`](telephony_core::CallEvent::call_id). It may still be another leg, one that the app's own NCCO dialled: **compare
//!   the id with the call's** where that is known.
//!
//! # Callbacks
//! What decides is what is there, in this order (as in Vonage's .NET SDK, extended):
//!
//! | member | event | takes an answer |
//! |---|---|---|
//! | `original_request` | `CarrierFault` with the code `fallback`, then what the original request said | yes |
//! | `status` of the caller's leg | `Status` | no |
//! | `status` of the socket's leg: `answered` | `StreamStarted` | no |
//! | … `disconnected` | `StreamStopped`: our side closed, or it broke | yes |
//! | … `completed` | `StreamStopped` | no |
//! | … `failed`, `unanswered`, `busy`, `rejected`, `timeout` | `StreamFailed` | yes |
//! | `status` of a dialled leg: the same five | `DialEnded` | yes |
//! | … any other | `Leg` | no |
//! | `status` `human`, `machine` | `MachineDetected`; `MachineGreetingEnded` with `sub_state` `beep_start` | yes |
//! | `conversation_uuid_from`, or `type` `transfer` | `Transferred` | no |
//! | `speech`, `dtmf` | `DigitsGathered` | yes |
//! | `recording_url` | `RecordingReady`, or `Other` `record-failed` if it is empty | no |
//! | `payload` | `NextStep` after `notify` | yes |
//! | `reason` | `CarrierFault` | no |
//! | none, at the answer URL | `NextStep` after `answer` | yes |
//! | none | `Other` | no |
//!
//! Without an answer of the app they get `204 No Content`: the call goes on with its next action, and ends if there is none.
//!
//! # Answers
//! | step | action | limits |
//! |---|---|---|
//! | stream | `connect` to a `websocket` | the last action; headers of 512 bytes; 8000, 16000 or 24000 Hz |
//! | say | `talk` | 1500 characters; the voice is the number of a `style` |
//! | play | `stream` | `http(s)` URL |
//! | gather | `talk`/`stream` with `bargeIn`, then `input` | 0–10 s for keys, 1–60 s for speech, 1–22 keys; ends with `#` or no key |
//! | dial | `connect` to a `phone`, `sip`, `app` or `vbc` | the last action; one target; rings 3–7200 s; lasts 1–7200 s |
//! | pause | `wait` | 0.1–7200 s |
//! | redirect | `notify`, whose response replaces the rest | `http(s)` URL; the last step |
//! | hang up | none: a call ends with its NCCO | the last step |
//! | reject | unsupported: Vonage has answered by then | |
//!
//! A `connect` is done as soon as the other side is there, so what follows it would be heard at the start and not at the end
//! (field reports; Vonage's own sample of one recording over two `connect`s relies on it). So nothing but a hang-up may follow
//! a stream or a dial, and [`AfterStream`](telephony_core::AfterStream) changes nothing in the NCCO: what comes after is the
//! answer to the event, and without one the call ends.
//!
//! # Placing and steering calls
//! | operation | request | again if it failed | limits |
//! |---|---|---|---|
//! | [`make_call`](Telephony::make_call) | `POST /v1/calls` | only if it was surely not done | one party; rings 1–120 s, lasts 1–86400 s; options: [`VonageCallOptions`] |
//! | [`hang_up`](Telephony::hang_up) | `PUT …/{uuid}` `hangup` | yes | a call that is gone is a success |
//! | [`transfer`](Telephony::transfer) | `PUT …/{uuid}` `transfer` with the NCCO | only if it was surely not done | a call that was answered |
//! | [`send_dtmf`](Telephony::send_dtmf) | `PUT …/{uuid}/dtmf`, `w` as `p` | only if it was surely not done | the call goes on; [`Dtmf::then`] changes nothing |
//! | [`fetch_call`](Telephony::fetch_call) | `GET …/{uuid}` | yes | no moment of placing: Vonage tells only when it was answered |
//! | [`find_placed`](Telephony::find_placed) | `GET /v1/calls` from the moment on | yes | 10 pages of 100, the last that fits first; over that, an error if none fits |
//! | [`fetch_recording`](Telephony::fetch_recording) | `GET` the `recording_url` | yes | hosts of Vonage's, and `base_url` |
//! | [`start_recording`](Telephony::start_recording), [`stop_recording`](Telephony::stop_recording) | none: unsupported | | record with [`OutboundCall::record`] or an NCCO of your own |
//!
//! Only Vonage can [mute](Vonage::mute), [earmuff](Vonage::earmuff), [talk](Vonage::start_talk) and [play](Vonage::start_stream)
//! into a live call, [report single keys](Vonage::subscribe_dtmf) and [list calls](Vonage::list_calls):
//!
//! ```no_run
//! use telephony_core::{CallKey, Calls, Result};
//! use telephony_vonage::{Vonage, rest::Talk};
//!
//! async fn warn(calls: &Calls, key: &CallKey) -> Result<()> {
//!     let record = calls.find(key).await?;
//!     let carrier = calls.account(&record.account)?;
//!     match (carrier.downcast_ref::<Vonage>(), record.carrier_call()) {
//!         (Some(vonage), Some(call)) => vonage.start_talk(&call, &Talk::new("One minute left.")).await,
//!         _ => Ok(()),
//!     }
//! }
//! ```
//!
//! * *Where a call lives.* A call that came in is steered at the `region_url` of its webhook, one that was placed with
//!   [`with_region_url`](VonageCallOptions::with_region_url) there, any other at `base_url`. A region that is not a host of
//!   Vonage's is an error before anything is sent.
//! * *When it is answered* the NCCO is known already, or, [with an answer URL](VonageCallOptions::with_answer_url), Vonage asks
//!   for it. Which changes of its status are told cannot be chosen: all are, also with
//!   [`StatusEvents::End`](telephony_core::StatusEvents).
//! * *Whether it was placed*, after an answer that was lost: Vonage's list has no filter by number, so it is read and what is
//!   surely another call is left out. None found is a proof as far as the list is up to date, which Vonage does not publish; wait
//!   a few seconds, and look again before placing the call anew.
//! * *How often.* New calls wait for their turn, 3 a second unless `calls_per_second` says otherwise, and all other requests,
//!   15 a second; who would wait for over 30 s is refused. Vonage counts dials in answers as calls, and other nodes too.
//! * *The token* of the application is signed when it is needed, kept for 10 minutes, and signed anew once if Vonage does not take
//!   it. The private key is parsed at the first request.
//! * *The body and reading of each request*, for use with another client: [`rest`].
//!
//! Facts are from Vonage's OpenAPI of the Voice API (1.10.0), its NCCO reference and webhook reference, its guides on
//! WebSockets and signed webhooks, and its SDKs, unless something else is named.

pub mod error;
pub mod rest;

mod answer;
mod config;
mod control;
mod media;
mod sender;
mod signature;
mod time;
mod webhook;

pub use config::{GetPayloadHash, KEYS, VonageConfig, WebsocketAuthorization};
pub use rest::VonageCallOptions;

use async_trait::async_trait;
use http::StatusCode;
use sender::Sender;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::audio::AudioFormat;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, CallSnapshot,
    Capabilities, CarrierCall, CarrierEntry, Clear, Dtmf, DtmfOut, Error, Handover, HangUpBy,
    IncomingCall, Marks, Operation, OutboundCall, PlacedCall, Ports, ProviderName, Recording,
    RecordingAudio, RecordingId, Registry, Result, Settings, Telephony, Verb, Verified,
    WebhookRequest,
};
use webhook::Acknowledgement;

/// The carrier's name.
pub const NAME: &str = "vonage";

/// The carrier's name as core has it.
#[must_use]
pub fn provider_name() -> ProviderName {
    ProviderName::from_static(NAME)
}

/// Makes Vonage known, under its old name `nexmo` too.
///
/// # Errors
/// If one of the names is taken.
pub fn register(registry: &mut Registry) -> Result<()> {
    registry.register(CarrierEntry {
        name: NAME,
        aliases: &["nexmo"],
        keys: KEYS,
        open,
    })
}

fn open(label: AccountLabel, settings: Settings, ports: &Ports) -> Result<Arc<dyn Telephony>> {
    let config = settings.read(&provider_name(), KEYS)?;
    Ok(Arc::new(Vonage::new(label, config, ports)?))
}

/// One account of Vonage.
pub struct Vonage {
    provider: ProviderName,
    label: AccountLabel,
    config: VonageConfig,
    sender: Sender,
}

impl Vonage {
    /// Opens an account. Reads the private key's file if it is named by its path; asks nothing of the network.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) that names the key that is empty or wrong.
    pub fn new(label: AccountLabel, config: VonageConfig, ports: &Ports) -> Result<Self> {
        let config = config.checked().map_err(ours)?;
        Ok(Self {
            provider: provider_name(),
            label,
            sender: Sender::new(&config, ports)?,
            config,
        })
    }
}

#[async_trait]
impl Telephony for Vonage {
    fn provider(&self) -> &ProviderName {
        &self.provider
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
                Verb::Redirect,
            ])
            .with_operations([
                Operation::MakeCall,
                Operation::HangUp,
                Operation::Transfer,
                Operation::SendDtmf,
                Operation::FetchCall,
                Operation::FindPlaced,
                Operation::FetchRecording,
            ])
            .with_formats([
                AudioFormat::PCM16_8000,
                AudioFormat::PCM16_16000,
                AudioFormat::PCM16_24000,
            ])
            .with_marks(Marks::Echoed)
            .with_clear(Clear::Everything)
            .with_hang_up(HangUpBy::ClosingSocket)
            .with_dtmf_in()
            .with_dtmf_out(DtmfOut::Beside)
            .with_signatures(true, true)
            // Published as the default of the answer URL; the connection alone has 1 s of it.
            .with_answer_deadline(Duration::from_secs(5))
            .with_max_stream(Duration::from_secs(7200))
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        signature::authenticate(&self.config, request).map_err(ours)
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        webhook::accept_call(request, request.for_account(self)?).map_err(ours)
    }

    fn incoming_call(
        &self,
        call: &IncomingCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Answered> {
        call.check_account(self)?;
        answer::write(&self.config, answer, links).map_err(ours)
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        webhook::status_callback(request.for_account(self)?).map_err(ours)
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        webhook::catch_all(request.for_account(self)?).map_err(ours)
    }

    fn reply(
        &self,
        request: &Verified,
        answer: Option<&Answer>,
        links: &CallLinks,
    ) -> Result<Answered> {
        let (takes_answer, acknowledgement) =
            webhook::takes_answer(request.for_account(self)?).map_err(ours)?;
        match answer {
            Some(answer) if takes_answer => {
                answer::write(&self.config, answer, links).map_err(ours)
            }
            Some(_) => {
                let detail = "Vonage ignores what is answered to this callback";
                Err(ours(Error::unsupported("answer callback", detail)))
            }
            None if acknowledgement == Acknowledgement::EmptyNcco => Ok(answer::empty()),
            None => Ok(Answered::empty(StatusCode::NO_CONTENT)),
        }
    }

    fn media_codec(&self, _ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        Ok(Box::new(media::VonageCodec::default()))
    }

    fn plan_call(&self, call: &OutboundCall, _links: &CallLinks) -> Result<Handover> {
        self.handover(call)
    }

    fn plan_transfer(
        &self,
        _call: &CarrierCall,
        _answer: &Answer,
        _links: &CallLinks,
    ) -> Result<Handover> {
        Ok(Handover::Sent)
    }

    async fn make_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        self.place(call, links).await
    }

    async fn hang_up(&self, call: &CarrierCall) -> Result<()> {
        self.end(call).await
    }

    async fn transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.give_answer(call, answer, links).await
    }

    async fn send_dtmf(&self, call: &CarrierCall, keys: &Dtmf, _links: &CallLinks) -> Result<()> {
        self.press(call, keys).await
    }

    async fn start_recording(
        &self,
        _call: &CarrierCall,
        _links: &CallLinks,
    ) -> Result<RecordingId> {
        Err(no_recording("start recording"))
    }

    async fn stop_recording(&self, _call: &CarrierCall, _recording: &RecordingId) -> Result<()> {
        Err(no_recording("stop recording"))
    }

    async fn fetch_call(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        self.state(call).await
    }

    async fn find_placed(
        &self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        self.look_up(call, since).await
    }

    async fn fetch_recording(&self, recording: &Recording) -> Result<RecordingAudio> {
        self.audio(recording).await
    }
}

impl fmt::Debug for Vonage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vonage")
            .field("label", &self.label)
            .field("config", &self.config)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

/// The call is as it was.
fn no_recording(operation: &'static str) -> Error {
    let detail = "Vonage records by an action of the NCCO only: place the call with `OutboundCall::record`, or give it an \
                  NCCO of your own with a `record` action, which ends with the call";
    ours(Error::unsupported(operation, detail))
}

fn ours(error: Error) -> Error {
    error.with_provider(provider_name())
}
