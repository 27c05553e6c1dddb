//! Vonage: JSON webhooks with a signed token, NCCO, binary media frames of exactly one size, the REST API of calls.
//!
//! <https://developer.vonage.com/en/voice/voice-api/overview>

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Call, MarksOnClear, Method, RestApi, Webhook};
use crate::persona::Persona;
use crate::persona::vonage::rest::VonageRest;
use crate::persona::vonage::session::Session;

mod actions;
mod connect;
mod events;
mod jwt;
mod key;
mod ncco;
mod outbound;
mod resign;
mod rest;
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
    /// The application's public key (PEM), for the signatures of REST requests. Default: none, and then only the structure
    /// and the claims of their tokens are checked, not who signed them.
    pub public_key: Option<String>,
    /// How many calls may be placed in any second (429 beyond that). Default: 3.
    pub calls_per_second: usize,
    /// How many other REST requests may come in any second (429 beyond that). Default: 15.
    pub requests_per_second: usize,
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
            public_key: None,
            calls_per_second: 3,
            requests_per_second: 15,
        }
    }

    /// The application's public key: `-----BEGIN PUBLIC KEY-----` or `-----BEGIN RSA PUBLIC KEY-----`. With one that cannot
    /// be read, no REST request is authentic.
    pub fn with_public_key(mut self, pem: impl Into<String>) -> Self {
        self.public_key = Some(pem.into());
        self
    }

    /// How many calls may be placed, and how many other REST requests may come, in any second (wall time).
    pub fn with_limits(mut self, calls_per_second: usize, requests_per_second: usize) -> Self {
        self.calls_per_second = calls_per_second;
        self.requests_per_second = requests_per_second;
        self
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
            .field("has_public_key", &self.public_key.is_some())
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

    fn rest(&self) -> Option<Arc<dyn RestApi>> {
        Some(Arc::new(VonageRest::new(self.account.clone())))
    }

    fn sign(&self, webhook: Webhook) -> Webhook {
        resign::signed(&self.account, webhook)
    }

    async fn run(&self, call: &Call) {
        Session::incoming(&self.account, call).run().await;
    }
}
