//! Twilio: signed form webhooks, TwiML, Media Streams.
//!
//! <https://www.twilio.com/docs/voice>

use std::fmt;

use async_trait::async_trait;

use crate::engine::Call;
use crate::persona::Persona;
use crate::persona::twilio::session::Session;

mod dial;
mod mulaw;
mod schema;
mod session;
mod sign;
mod stream;
mod twiml;
mod verbs;
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
}

impl TwilioAccount {
    /// An account whose phone number sends a status callback at the end of the call.
    pub fn new(account_sid: impl Into<String>, auth_token: impl Into<String>) -> Self {
        Self {
            account_sid: account_sid.into(),
            auth_token: auth_token.into(),
            status_events: vec!["completed".into()],
            upgrade_signature: UpgradeSignature::Plain,
        }
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

    async fn run(&self, call: &Call) {
        Session::new(&self.account, call).run().await;
    }
}
