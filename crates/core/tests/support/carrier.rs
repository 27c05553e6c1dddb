//! A carrier that can do nothing but open and believe or not believe a request.

use serde::Deserialize;
use std::sync::Arc;
use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    CarrierEntry, ConfigKey, Direction, Error, IncomingCall, Ports, ProviderName, Result, Secret,
    Settings, Telephony, Verified, WebhookRequest,
};

#[derive(Debug)]
pub(crate) struct Dummy {
    provider: ProviderName,
    account: AccountLabel,
    token: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    account: String,
    token: Secret,
    #[serde(default)]
    region: Option<String>,
}

const KEYS: &[ConfigKey] = &[
    ConfigKey::required("account"),
    ConfigKey::required("token"),
    ConfigKey::optional("region"),
];

/// The header that a believed request has the token in.
pub(crate) const TOKEN: &str = "x-token";

pub(crate) fn entry(name: &'static str, aliases: &'static [&'static str]) -> CarrierEntry {
    CarrierEntry {
        name,
        aliases,
        keys: KEYS,
        // A plain function knows nothing of `name`: the tests use two carriers.
        open: if name == "other" {
            open_other
        } else {
            open_dummy
        },
    }
}

fn open_dummy(account: AccountLabel, settings: Settings, _: &Ports) -> Result<Arc<dyn Telephony>> {
    Ok(Arc::new(Dummy::open("dummy", account, settings)?))
}

fn open_other(account: AccountLabel, settings: Settings, _: &Ports) -> Result<Arc<dyn Telephony>> {
    Ok(Arc::new(Dummy::open("other", account, settings)?))
}

impl Dummy {
    pub(crate) fn new(provider: &'static str, account: &str, token: &str) -> Self {
        Self {
            provider: ProviderName::from_static(provider),
            account: super::account(account),
            token: Secret::new(token),
        }
    }

    fn open(provider: &'static str, account: AccountLabel, settings: Settings) -> Result<Self> {
        let provider = ProviderName::from_static(provider);
        let config: Config = settings.read(&provider, KEYS)?;
        let _ = (config.account, config.region);
        Ok(Self {
            provider,
            account,
            token: config.token,
        })
    }
}

impl Telephony for Dummy {
    fn provider(&self) -> &ProviderName {
        &self.provider
    }

    fn account(&self) -> &AccountLabel {
        &self.account
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn authenticate(&self, request: &WebhookRequest) -> Result<Authenticated> {
        match request.header(TOKEN) {
            Some(token) if self.token.matches(token.as_bytes()) => {
                Ok(Authenticated::new().with_replay_key("once"))
            }
            _ => Err(Error::unauthenticated("the token is wrong").with_provider(&self.provider)),
        }
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        request.for_account(self)?;
        let party = telephony_core::Party::Withheld;
        Ok(IncomingCall::new(
            request,
            Direction::Inbound,
            party.clone(),
            party,
        ))
    }

    fn incoming_call(&self, _: &IncomingCall, _: &Answer, _: &CallLinks) -> Result<Answered> {
        Err(Error::unsupported("answer call", "a dummy says nothing"))
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        request.for_account(self).map(|_| Vec::new())
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        request.for_account(self).map(|_| (None, Vec::new()))
    }

    fn reply(&self, _: &Verified, _: Option<&Answer>, _: &CallLinks) -> Result<Answered> {
        Ok(Answered::empty(http::StatusCode::NO_CONTENT))
    }

    fn media_codec(&self, _: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        Err(Error::unsupported("open media", "a dummy hears nothing"))
    }
}
