//! Twilio: signed form webhooks, TwiML, Media Streams, the REST API of calls.
//!
//! <https://www.twilio.com/docs/voice>

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{Call, RestApi, Webhook};
use crate::persona::Persona;
use crate::persona::twilio::rest::TwilioRest;
use crate::persona::twilio::session::Session;

mod dial;
mod outbound;
mod recordings;
mod resign;
mod rest;
mod schema;
mod session;
mod sign;
mod stream;
mod twiml;
mod verbs;
mod webhooks;
mod wire;

pub use self::sign::UpgradeSignature;

/// An account with the simulated Twilio. `Debug` shows neither the id nor the token.
#[derive(Clone)]
#[non_exhaustive]
pub struct TwilioAccount {
    /// `AC…`
    pub account_sid: String,
    /// The secret that signs webhooks.
    pub auth_token: String,
    /// Which status callbacks are sent: any of `initiated`, `ringing`, `answered`, `completed`. A phone number sends
    /// `completed` only, which is the default.
    pub status_events: Vec<String>,
    /// How the WebSocket upgrade is signed.
    pub upgrade_signature: UpgradeSignature,
    /// API keys beside the auth token: `SK…` and secret.
    pub api_keys: Vec<(String, String)>,
    /// The numbers that calls may be placed from. Default: none are named, and then every number will do.
    pub numbers: Vec<String>,
    /// How many placed calls start each second; the others wait in a queue. Default: 1.
    pub calls_per_second: u32,
    /// What hanging up a call that is over is answered with. Default: 404.
    pub gone_call: GoneCall,
}

/// What hanging up a call that is over is answered with. Both were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoneCall {
    /// 404 with code 20404.
    #[default]
    NotFound,
    /// 400 with code 21220.
    NotInProgress,
}

impl TwilioAccount {
    /// An account whose phone number sends a status callback at the end of the call.
    pub fn new(account_sid: impl Into<String>, auth_token: impl Into<String>) -> Self {
        Self {
            account_sid: account_sid.into(),
            auth_token: auth_token.into(),
            status_events: vec!["completed".into()],
            upgrade_signature: UpgradeSignature::Plain,
            api_keys: vec![],
            numbers: vec![],
            calls_per_second: 1,
            gone_call: GoneCall::NotFound,
        }
    }

    /// With one more API key.
    pub fn with_api_key(mut self, sid: impl Into<String>, secret: impl Into<String>) -> Self {
        self.api_keys.push((sid.into(), secret.into()));
        self
    }

    /// With one more number that calls may be placed from; all others are refused then (21210).
    pub fn with_number(mut self, number: impl Into<String>) -> Self {
        self.numbers.push(number.into());
        self
    }

    /// How many placed calls start each second (wall time).
    pub fn with_calls_per_second(mut self, calls: u32) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// What hanging up a call that is over is answered with.
    pub fn with_gone_call(mut self, answer: GoneCall) -> Self {
        self.gone_call = answer;
        self
    }

    /// Which status callbacks are sent, in the words of `statusCallbackEvent`.
    pub fn with_status_events<I: Into<String>>(
        mut self,
        events: impl IntoIterator<Item = I>,
    ) -> Self {
        self.status_events = events.into_iter().map(Into::into).collect();
        self
    }

    /// How the WebSocket upgrade is signed.
    pub fn with_upgrade_signature(mut self, signature: UpgradeSignature) -> Self {
        self.upgrade_signature = signature;
        self
    }
}

impl fmt::Debug for TwilioAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioAccount")
            .field("status_events", &self.status_events)
            .field("upgrade_signature", &self.upgrade_signature)
            .finish_non_exhaustive()
    }
}

/// The carrier Twilio.
#[derive(Clone, Debug)]
pub struct Twilio {
    account: TwilioAccount,
}

impl Twilio {
    /// With one account.
    pub fn new(account: TwilioAccount) -> Self {
        Self { account }
    }
}

#[async_trait]
impl Persona for Twilio {
    fn name(&self) -> &str {
        "twilio"
    }

    fn rest(&self) -> Option<Arc<dyn RestApi>> {
        Some(Arc::new(TwilioRest::new(self.account.clone())))
    }

    fn sign(&self, webhook: Webhook) -> Webhook {
        resign::signed(&self.account, webhook)
    }

    async fn run(&self, call: &Call) {
        Session::incoming(&self.account, call).run().await;
    }
}
