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
//! # REST
//! Requests and responses of the Voice API are in [`rest`], as plain functions; a call's own options are
//! [`VonageCallOptions`].
//!
//! Facts are from Vonage's OpenAPI of the Voice API (1.10.0), its NCCO reference and webhook reference, its guides on
//! WebSockets and signed webhooks, and its SDKs, unless something else is named.

pub mod error;
pub mod rest;

mod answer;
mod config;
mod media;
mod signature;
mod time;
mod webhook;

pub use config::{GetPayloadHash, KEYS, VonageConfig, WebsocketAuthorization};
pub use rest::VonageCallOptions;

use async_trait::async_trait;
use http::StatusCode;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::audio::AudioFormat;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierEntry, Clear, Error, HangUpBy, IncomingCall, Marks, Ports, ProviderName, Registry,
    Result, Settings, Telephony, Verb, Verified, WebhookRequest,
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
    ports: Ports,
}

impl Vonage {
    /// Opens an account. Reads the private key's file if it is named by its path; asks nothing of the network.
    ///
    /// # Errors
    /// [`Configuration`](telephony_core::ErrorKind::Configuration) that names the key that is empty or wrong.
    pub fn new(label: AccountLabel, config: VonageConfig, ports: &Ports) -> Result<Self> {
        Ok(Self {
            provider: provider_name(),
            label,
            config: config.checked().map_err(ours)?,
            ports: ports.clone(),
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
            .with_formats([
                AudioFormat::PCM16_8000,
                AudioFormat::PCM16_16000,
                AudioFormat::PCM16_24000,
            ])
            .with_marks(Marks::Echoed)
            .with_clear(Clear::Everything)
            .with_hang_up(HangUpBy::ClosingSocket)
            .with_dtmf_in()
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
}

impl fmt::Debug for Vonage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vonage")
            .field("label", &self.label)
            .field("config", &self.config)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

fn ours(error: Error) -> Error {
    error.with_provider(provider_name())
}
