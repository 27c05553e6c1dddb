//! Exotel Voice (India) for the telephony crates.
//!
//! ```
//! use bytes::Bytes;
//! use http::{HeaderMap, Method};
//! use std::time::SystemTime;
//! use telephony_core::{
//!     AccountLabel, Answer, CallKey, CallLinks, MediaToken, OsRandom, Ports, PublicUrl, Telephony, WebhookKind,
//!     WebhookRequest, verify,
//! };
//! use telephony_exotel::{Exotel, ExotelConfig};
//!
//! # fn main() -> telephony_core::Result<()> {
//! let config = ExotelConfig::new("example1", "api-key", "api-token", "a-long-random-secret");
//! let exotel = Exotel::new(AccountLabel::new("exotel")?, config, &Ports::default())?;
//!
//! // What the Voicebot applet asks; a server makes this of an HTTP request.
//! let request = WebhookRequest {
//!     method: Method::GET,
//!     public_url: "https://voice.example.com/exotel/call?key=a-long-random-secret\
//!         &CallSid=b0c8aea60aceb0007fc5a1bb75c218bl&CallFrom=09990000105&CallTo=04440002319&Direction=incoming"
//!         .to_owned(),
//!     headers: HeaderMap::new(),
//!     body: Bytes::new(),
//!     received_at: SystemTime::now(),
//!     kind: WebhookKind::IncomingCall,
//! };
//! let request = verify(&exotel, request)?;
//! let call = exotel.accept_call(&request)?;
//! assert_eq!(call.from().e164(), Some("+919990000105"));
//!
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let links = CallLinks::new(base, AccountLabel::new("exotel")?, CallKey::random(&OsRandom)?)
//!     .with_media(MediaToken::random(&OsRandom)?);
//! let answered = exotel.incoming_call(&call, &Answer::stream(), &links)?;
//! assert!(answered.response.body().starts_with(br#"{"url":"wss://voice.example.com/exotel/media/"#));
//! # Ok(()) }
//! ```
//!
//! Where a fact is from is said in brackets: *documented* (Exotel's pages), *seen* (captures and reports of real calls),
//! *public code* (other adapters agree on it). Exotel's pages contradict each other in places; what was seen wins.
//!
//! # Applets, their URLs, and what each can be answered with
//!
//! Exotel has no document that controls a call. A call runs through the applets of a *flow* that is drawn in Exotel's
//! console; an applet may ask one URL for one thing, and then the flow goes on at the next applet. All applets ask alike,
//! so the URL says which one asks, in a parameter `applet` of ours. Put these into the console, with the account's label in
//! the place of `exotel` and the webhook secret behind `key=`, over https and without a redirect in between:
//!
//! | applet | URL | takes |
//! |---|---|---|
//! | Voicebot | `…/exotel/call?key=…` | [`Answer::stream`]: `{"url": "wss://…"}` |
//! | Connect | `…/exotel/answer?key=…&applet=connect` | [`Answer::dial`] with one to five numbers, [`Answer::hang_up`] or nothing: nobody is dialled, and the flow takes that branch |
//! | Gather | `…/exotel/answer?key=…&applet=gather` | [`Answer::gather`] with one prompt; keys only |
//! | Greeting | `…/exotel/answer?key=…&applet=greeting` | [`Answer::say`] or [`Answer::play`]: plain text; also asked with `HEAD` |
//! | Passthru | `…/exotel/answer?key=…&applet=passthru` | nothing: 200, branch A; [`Answer::hang_up`]: 302, branch B, where the Hangup applet belongs |
//! | Passthru, not waiting | `…/exotel/events?key=…` | nothing: it only reports |
//! | Stream (one way) | – | not supported: it is a listener beside the call |
//!
//! `/call?applet=…` works for the other applets too, where one of them comes first in the flow. An answer has exactly one
//! step; a step that the asking applet cannot do is [`Unsupported`](telephony_core::ErrorKind::Unsupported) and the error
//! says which applet can. Pauses, redirects, rejecting, speech and choosing a voice do not exist. The app's own
//! [`Document`](telephony_core::Document) may say more (recording, SIP trunk, music on hold); our HTTP links in it get the
//! secret.
//!
//! **Hanging up.** There is no REST request for it. When our side ends the stream, the socket closes and the flow goes on:
//! draw a Hangup applet behind the Voicebot applet. [`AfterStream::HangUp`](telephony_core::AfterStream) and
//! [`AfterStream::Continue`](telephony_core::AfterStream) therefore make the same document. A call that was placed straight
//! to the stream ends when its socket closes.
//!
//! **Transferring.** There is no REST request for that either. Put a Connect applet right behind the Voicebot applet:
//! [`Telephony::transfer`] checks that the applet can be told so, the server keeps the answer and closes the stream, and the
//! applet gets the answer when it asks. [`Answer::dial`], [`Answer::hang_up`] (in a Passthru applet too, which takes branch B)
//! and a document for the Connect applet can be given; anything else is
//! [`Unsupported`](telephony_core::ErrorKind::Unsupported), and so is the transfer of a call that was placed without a flow:
//! the call stays as it was. If the flow ends behind the Voicebot applet, nobody asks and the call is over; that cannot be
//! seen from here.
//!
//! **Stream parameters** are three at most in 256 characters (documented). The rate takes one unless it is 8000; our call
//! key takes one if there is room; the rest is for the app, in letters, digits, `-` and `_`.
//!
//! What one applet found out (keys, a dial, a stream) may come again with the questions of later applets, and then it is told
//! again.
//!
//! # Who is asking
//!
//! Exotel signs nothing (documented nowhere, and several adapters found out). Each HTTP URL carries `?key=` with a secret of
//! ours; a request without it, with two of them or with a wrong one is
//! [`Unauthenticated`](telephony_core::ErrorKind::Unauthenticated). The query of a *media* URL does not reach us (seen three times
//! over), so the socket is guarded by the token in its path, by Basic credentials if the configuration has some, and by the
//! call key and call id in the stream's start.
//!
//! # Requests
//!
//! | field | meaning | from |
//! |---|---|---|
//! | `CallSid` | the call; 32 characters, not always hexadecimal | seen |
//! | `CallFrom`, `CallTo`; else `From`, `To` | the parties; `0` and ten digits, or with country code, become E.164 | seen |
//! | `Direction` | `incoming`, `inbound`; `outbound-dial`, `outbound-api` | documented |
//! | `digits` | keys in literal double quotes: a gather is over | documented |
//! | `DialCallStatus`, `DialWhomNumber`, `Legs[i][OnCallDuration]` | a Connect applet is over | documented |
//! | `Stream[…]`, or one `Stream` in JSON | the stream is over; `Error` is trusted over `Status` | documented |
//! | `EventType` `Dial`, `Ringing`, `Answered`, `Terminal` beside `DialWhomNumber` | what an agent's leg does: an event of that leg | documented |
//! | `RecordingUrl` | a recording, once it is filled in | documented |
//! | `Legs[i][AnsweredBy]` | `Human`, `Machine`, `NotSure`, in any case; `NA` is nothing | documented |
//! | `EndTime` | not used: it is the zero of time during the call | documented |
//!
//! Bodies are multipart forms (what Exotel sends by default), urlencoded forms or JSON; the query is read together with
//! them; names may be in any case. `key` and `Stream[StreamUrl]` (which holds our token) are taken out of what the app sees.
//!
//! # Status words
//!
//! | Exotel | is |
//! |---|---|
//! | `queued` | [`Queued`](telephony_core::CallStatus::Queued) |
//! | `initiated` | [`Initiated`](telephony_core::CallStatus::Initiated) |
//! | `EventType` `ringing`, `ringing` | [`Ringing`](telephony_core::CallStatus::Ringing) |
//! | `EventType` `answered`, `in-progress`, `answered` | [`InProgress`](telephony_core::CallStatus::InProgress) |
//! | `completed` | [`Completed`](telephony_core::CallStatus::Completed) |
//! | `busy` | [`Busy`](telephony_core::CallStatus::Busy) |
//! | `failed` | [`Failed`](telephony_core::CallStatus::Failed) |
//! | `no-answer` | [`NoAnswer`](telephony_core::CallStatus::NoAnswer) |
//! | `canceled`, `cancelled` | [`Canceled`](telephony_core::CallStatus::Canceled) |
//! | `busy`, `free` of an agent event; the status of further legs | no status: events of that leg |
//! | `CallType` (`completed`, `client-hangup`, …) | no status: how far the flow got |
//! | anything else | an event by its own name |
//!
//! In REST answers `in-progress` is also said of a call that was only just taken: it is
//! [`Initiated`](telephony_core::CallStatus::Initiated) there unless a leg shows that somebody answered.
//!
//! A terminal word in a question (from any applet but Passthru) is not believed: a call that asks is up.
//!
//! # REST
//!
//! | operation | what is sent | sent again |
//! |---|---|---|
//! | [`make_call`](Telephony::make_call) | `POST …/Calls/connect.json`: straight to our media socket, to a second number, or into a flow ([how](rest#the-three-ways-to-place-a-call)) | only if Exotel surely did not process it: a 429, or it was not connected to |
//! | [`fetch_call`](Telephony::fetch_call) | `GET …/Calls/{id}.json?details=true` | also if it failed |
//! | [`find_placed`](Telephony::find_placed) | `GET …/Calls.json?DateCreated=…&From=…&Direction=outbound-api&PageSize=100`, up to 10 pages | also if it failed |
//! | [`fetch_recording`](Telephony::fetch_recording) | `GET` of its URL, from Exotel's hosts, its stores and `base_url` only | also if it failed, but not if it is not there |
//! | [`transfer`](Telephony::transfer) | nothing, see above | |
//! | [`Exotel::fetch_active_streams`] | `GET …/ActiveStreams` | also if it failed |
//! | hanging up, sending keys, starting and stopping a recording | nothing: Exotel has no such request | |
//!
//! All requests share one limit, `requests_per_minute`, and are spaced evenly. Exotel may take half a minute to place a call:
//! give the HTTP client 35 s or more. What [`rest`] writes and reads can be had without sending it, too.
//!
//! **Status events.** With [`StatusEvents::All`](telephony_core::StatusEvents) a call straight to the stream reports
//! `ringing`, `answered` and `terminal`, others the last two; with [`StatusEvents::End`](telephony_core::StatusEvents) only
//! `terminal`. The events of a flow's call may be missing (documented): its applets and its stream tell.
//!
//! **Calls into a flow** come to the URLs of its applets as calls do that come in, with the call's key in `CustomField`:
//! [`IncomingCall::key`] has it where `Direction` is outbound, so that a server knows the call. If it was placed with
//! [`Answer::stream`], that answer is kept for the Voicebot applet ([`Handover::Asks`]); with [`Answer::redirect`] nothing is
//! kept, and the app is asked.
//!
//! **Where a call lives**: [`CarrierCall::home`] says `no-flow` of a call that was placed without one, and nothing of others.
//!
//! **Looking for a call that may have been placed**: outgoing calls of the API between the two numbers, and to the same second
//! number if there is one, since a minute before that time, the oldest first. Take out those that you know of. Exotel
//! documents that the list leaves out calls that are still going on, so *none* is a proof only once the call must be over.
//!
//! # Media
//!
//! JSON text messages; audio is 16-bit little-endian PCM in base64, at 8000, 16000 or 24000 Hz both ways (documented).
//!
//! | message | read or written as | from |
//! |---|---|---|
//! | `connected` | nothing | documented |
//! | `start` | ids in snake or camel case; `sample_rate` as text or number (`"8000"`, `"16kHz"`), never `encoding`, which says `base64`; `custom_parameters` may be missing | seen |
//! | `media` | numbers are texts on the wire and numbers on the pages; any length, an odd byte waits for its other half | seen, documented |
//! | `dtmf` | a key and its milliseconds; also with the key at the top | documented |
//! | `mark` | our mark, when that audio was played; may be late after a clear | seen |
//! | `stop` | the end, with `stopped` or `callended` | documented |
//! | `media` to Exotel | `stream_sid`, `sequence_number`, `chunk`, `timestamp`, `payload`, all texts; a multiple of 320 bytes, 3200 normally, 100 000 at most | documented, public code |
//! | `mark`, `clear` to Exotel | as documented; a clear does not reach what Exotel has picked up already | documented |
//!
//! Audio is paced: a burst clips the voice (seen). The longest lead is two messages, or 200 ms where that is more.

mod answer;
mod applet;
mod config;
mod control;
mod error;
mod event;
mod media;
mod multipart;
mod number;
mod payload;
pub mod rest;
mod secret;
mod webhook;

pub use config::{ExotelConfig, KEYS, MediaFields, Region, UnknownWord};
pub use error::kind_of_code;
pub use rest::ExotelCallOptions;

use answer::Writer;
use applet::Applet;
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use media::ExotelCodec;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telephony_core::audio::{AudioFormat, FrameRules};
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, CallSnapshot,
    Capabilities, CarrierCall, CarrierEntry, Clear, Clock, Error, Handover, HangUpBy, IncomingCall,
    Marks, Operation, OutboundCall, PlacedCall, Ports, ProviderName, Recording, RecordingAudio,
    Registry, RestClient, Result, Telephony, Verb, Verified, WebhookKind, WebhookRequest,
};

/// The carrier's name.
pub const NAME: &str = "exotel";

const PROVIDER: ProviderName = ProviderName::from_static(NAME);
/// Third parties report that Exotel waits about so long.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// Exotel ends a stream then.
const MAX_STREAM: Duration = Duration::from_secs(60 * 60);

/// The carrier's name as a [`ProviderName`].
#[must_use]
pub fn provider_name() -> ProviderName {
    PROVIDER
}

/// Makes Exotel known to `registry`.
///
/// # Errors
/// [`ErrorKind::Configuration`](telephony_core::ErrorKind::Configuration) if there is a carrier of that name already.
pub fn register(registry: &mut Registry) -> Result<()> {
    registry.register(CarrierEntry {
        name: NAME,
        aliases: &[],
        keys: KEYS,
        open: |label, settings, ports| {
            let config: ExotelConfig = settings.read(&PROVIDER, KEYS)?;
            Ok(Arc::new(Exotel::new(label, config, ports)?))
        },
    })
}

/// One Exotel account. See the [crate's page](crate).
pub struct Exotel {
    account: AccountLabel,
    config: ExotelConfig,
    frames: FrameRules,
    rest: RestClient,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Exotel {
    /// What an HTTP client shows of itself is not in our hands, so it is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exotel")
            .field("account", &self.account)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Exotel {
    /// The account of `config` under `label`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](telephony_core::ErrorKind::Configuration) that names the key that is wrong.
    pub fn new(label: AccountLabel, config: ExotelConfig, ports: &Ports) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            account: label,
            frames: config.frames()?,
            rest: control::client(&config, ports),
            clock: Arc::clone(&ports.clock),
            config,
        })
    }

    fn writer<'a>(&'a self, links: &'a CallLinks) -> Writer<'a> {
        Writer {
            config: &self.config,
            links,
        }
    }
}

#[async_trait]
impl Telephony for Exotel {
    fn provider(&self) -> &ProviderName {
        const { &PROVIDER }
    }

    fn account(&self) -> &AccountLabel {
        &self.account
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_verbs([
                Verb::Stream,
                Verb::Say,
                Verb::Play,
                Verb::Gather,
                Verb::Dial,
                Verb::HangUp,
            ])
            .with_formats([
                AudioFormat::PCM16_8000,
                AudioFormat::PCM16_16000,
                AudioFormat::PCM16_24000,
            ])
            .with_marks(Marks::Echoed)
            .with_clear(Clear::ExceptCurrentMessage)
            .with_operations([
                Operation::MakeCall,
                Operation::Transfer,
                Operation::FetchCall,
                Operation::FindPlaced,
                Operation::FetchRecording,
            ])
            .with_transfers_after_stream()
            .with_hang_up(HangUpBy::CarrierFlow)
            .with_dtmf_in()
            .with_signatures(false, false)
            .with_answer_deadline(ANSWER_DEADLINE)
            .with_max_stream(MAX_STREAM)
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        secret::authenticate(&self.config, request)
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
        let applet = Applet::from_word(call.parameters().get(applet::PARAMETER))?;
        self.writer(links)
            .write(applet.unwrap_or(Applet::Voicebot), answer)
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        webhook::status_callback(request.for_account(self)?)
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        webhook::callback(request.for_account(self)?)
    }

    fn reply(
        &self,
        request: &Verified,
        answer: Option<&Answer>,
        links: &CallLinks,
    ) -> Result<Answered> {
        let request = request.for_account(self)?;
        let applet = webhook::asking(request)?;
        let mut answered = match (answer, applet) {
            (None, applet) => Writer::acknowledge(applet)?,
            (Some(answer), Some(applet)) => self.writer(links).write(applet, answer)?,
            (Some(_), None) => return Err(takes_no_answer(request.kind)),
        };
        if request.method == Method::HEAD {
            *answered.response.body_mut() = Bytes::new();
        }
        Ok(answered)
    }

    fn media_codec(&self, _ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        let codec = ExotelCodec::new(
            self.config.media_rate(),
            self.frames,
            self.config.media_fields(),
        );
        Ok(Box::new(codec))
    }

    fn plan_call(&self, call: &OutboundCall, _links: &CallLinks) -> Result<Handover> {
        Ok(rest::handover(call))
    }

    fn plan_transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.hand_over(call, answer, links)
    }

    async fn make_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<PlacedCall> {
        self.place(call, links).await
    }

    async fn transfer(
        &self,
        call: &CarrierCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        self.hand_over(call, answer, links)
    }

    async fn fetch_call(&self, call: &CarrierCall) -> Result<CallSnapshot> {
        self.look_at(call).await
    }

    async fn find_placed(
        &self,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        self.look_for(call, since).await
    }

    async fn fetch_recording(&self, recording: &Recording) -> Result<RecordingAudio> {
        self.fetch_audio(recording).await
    }
}

fn takes_no_answer(kind: WebhookKind) -> Error {
    let detail = if kind == WebhookKind::NextStep {
        "the URL of the applet does not say which one it is: add applet=connect, gather, greeting, passthru or voicebot"
    } else {
        "Exotel takes no answer to this callback"
    };
    Error::unsupported("reply to webhook", detail).with_provider(NAME)
}
