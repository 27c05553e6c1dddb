//! Vonage: JSON webhooks with a signed token, NCCO, binary media frames of exactly one size.
//!
//! <https://developer.vonage.com/en/voice/voice-api/overview>

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Call, MarksOnClear, Method};
use crate::persona::Persona;
use crate::persona::vonage::session::Session;

mod actions;
mod connect;
mod events;
mod jwt;
mod ncco;
mod rules;
mod session;
mod wire;

/// An account with the simulated Vonage. `Debug` shows neither ids nor the secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct VonageAccount {
    /// The account's key, a claim of signed webhooks.
    pub api_key: String,
    /// The application's id, a claim of signed webhooks.
    pub application_id: String,
    /// The secret that signs webhooks.
    pub signature_secret: String,
    /// Whether webhooks are signed at all. Default: they are.
    pub signed: bool,
    /// How events are sent. Default: POST.
    pub event_method: Method,
    /// What becomes of notifies that a clear has overtaken. The carrier does not say. Default: they are dropped.
    pub notifies_on_clear: MarksOnClear,
}

impl VonageAccount {
    /// An account that signs its webhooks.
    pub fn new(
        api_key: impl Into<String>,
        application_id: impl Into<String>,
        signature_secret: impl Into<String>,
    ) -> Self {
        Self {
            api_key: api_key.into(),
            application_id: application_id.into(),
            signature_secret: signature_secret.into(),
            signed: true,
            event_method: Method::Post,
            notifies_on_clear: MarksOnClear::Drop,
        }
    }

    /// Webhooks come without a token, as with `signed_callbacks` switched off.
    pub fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    /// How events are sent.
    pub fn with_event_method(mut self, method: Method) -> Self {
        self.event_method = method;
        self
    }

    /// What becomes of notifies that a clear has overtaken.
    pub fn with_notifies_on_clear(mut self, rule: MarksOnClear) -> Self {
        self.notifies_on_clear = rule;
        self
    }
}

impl fmt::Debug for VonageAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VonageAccount")
            .field("signed", &self.signed)
            .field("event_method", &self.event_method)
            .field("notifies_on_clear", &self.notifies_on_clear)
            .finish_non_exhaustive()
    }
}

/// The carrier Vonage.
#[derive(Clone, Debug)]
pub struct Vonage {
    account: VonageAccount,
}

impl Vonage {
    /// With one account.
    pub fn new(account: VonageAccount) -> Self {
        Self { account }
    }
}

#[async_trait]
impl Persona for Vonage {
    fn name(&self) -> &str {
        "vonage"
    }

    fn slow_webhook(&self) -> Duration {
        // The connect timeout can be a second, and some pages say that the answer has no more.
        Duration::from_secs(1)
    }

    async fn run(&self, call: &Call) {
        Session::new(&self.account, call).run().await;
    }
}
