//! Acme Voice for the telephony crates.

mod answer;
mod config;
mod media;
mod rest;
mod signature;
mod webhook;

pub use config::{AcmeConfig, KEYS};

use async_trait::async_trait;
use std::sync::Arc;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierCall, CarrierEntry, IncomingCall, Ports, ProviderName, Registry, RestClient, Result,
    Settings, Telephony, Verified, WebhookRequest,
};

/// The carrier's name.
pub const NAME: &str = "acme";

static PROVIDER: ProviderName = ProviderName::from_static(NAME);

/// Adds the carrier to those that configuration can name.
///
/// # Errors
/// `Configuration` if the name is taken.
pub fn register(registry: &mut Registry) -> Result<()> {
    registry.register(CarrierEntry {
        name: NAME,
        aliases: &[],
        keys: KEYS,
        open,
    })
}

fn open(label: AccountLabel, settings: Settings, ports: &Ports) -> Result<Arc<dyn Telephony>> {
    let config: AcmeConfig = settings.read(&PROVIDER, KEYS)?;
    config.validate()?;
    let rest = RestClient::new(ports);
    Ok(Arc::new(Acme {
        label,
        config,
        rest,
    }))
}

/// One account.
#[derive(Debug)]
pub struct Acme {
    label: AccountLabel,
    config: AcmeConfig,
    rest: RestClient,
}

#[async_trait]
impl Telephony for Acme {
    fn provider(&self) -> &ProviderName {
        &PROVIDER
    }

    fn account(&self) -> &AccountLabel {
        &self.label
    }

    fn capabilities(&self) -> Capabilities {
        // Claim a thing when it works. The suite then wants a message that shows it.
        Capabilities::new().with_signatures(true, true)
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        signature::authenticate(&self.config, request)
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
        answer::write(answer, links)
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        Ok(self.catch_all_status_callback(request)?.1)
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
        Ok(Box::new(media::AcmeCodec))
    }

    async fn hang_up(&self, call: &CarrierCall) -> Result<()> {
        rest::hang_up(&self.config, &self.rest, call).await
    }
}
