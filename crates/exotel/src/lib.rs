//! Exotel Voice for the telephony crates.
//! TODO

mod answer;
mod applet;
mod config;
mod error;
mod event;
mod media;
mod multipart;
mod number;
mod payload;
mod secret;
mod webhook;

pub use config::{ExotelConfig, KEYS, MediaFields, Region, UnknownWord};
pub use error::kind_of_code;

use answer::Writer;
use applet::Applet;
use bytes::Bytes;
use http::Method;
use media::ExotelCodec;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, FrameRules};
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierEntry, Clear, Error, HangUpBy, IncomingCall, Marks, Ports, ProviderName, Registry,
    Result, Telephony, Verb, Verified, WebhookKind, WebhookRequest,
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
#[derive(Debug)]
pub struct Exotel {
    account: AccountLabel,
    config: ExotelConfig,
    frames: FrameRules,
    /// What the REST operations will need.
    _ports: Ports,
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
            config,
            _ports: ports.clone(),
        })
    }

    fn writer<'a>(&'a self, links: &'a CallLinks) -> Writer<'a> {
        Writer {
            config: &self.config,
            links,
        }
    }
}

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
}

fn takes_no_answer(kind: WebhookKind) -> Error {
    let detail = if kind == WebhookKind::NextStep {
        "the URL of the applet does not say which one it is: add applet=connect, gather, greeting, passthru or voicebot"
    } else {
        "Exotel takes no answer to this callback"
    };
    Error::unsupported("reply to webhook", detail).with_provider(NAME)
}
