//! Plivo: signed form webhooks, Plivo XML, audio streaming, the REST API of calls.
//!
//! <https://www.plivo.com/docs/voice/>

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Call, RestApi, Webhook};
use crate::persona::Persona;
use crate::persona::plivo::rest::PlivoRest;
use crate::persona::plivo::session::Session;

mod elements;
mod gather;
mod hangup;
mod outbound;
mod records;
mod resign;
mod rest;
mod schema;
mod session;
mod sign;
mod stream;
mod webhooks;
mod wire;

pub use self::sign::UpgradeSignature;

/// An account with the simulated Plivo. `Debug` shows neither the id nor the token.
#[derive(Clone)]
#[non_exhaustive]
pub struct PlivoAccount {
    /// `MA…`
    pub auth_id: String,
    /// The secret that signs webhooks and opens the REST API.
    pub auth_token: String,
    /// How the WebSocket upgrade is signed.
    pub upgrade_signature: UpgradeSignature,
    /// The numbers that calls may be placed from, without `+`. Default: none are named, and then every number will do.
    pub numbers: Vec<String>,
    /// How many placed calls start each second; the others wait in a queue. Default: 2.
    pub calls_per_second: u32,
    /// How long after its end the record of a call is there (wall time). Until then REST knows nothing of it. Default: none.
    pub record_delay: Duration,
}

impl PlivoAccount {
    /// An account.
    pub fn new(auth_id: impl Into<String>, auth_token: impl Into<String>) -> Self {
        Self {
            auth_id: auth_id.into(),
            auth_token: auth_token.into(),
            upgrade_signature: UpgradeSignature::Http,
            numbers: vec![],
            calls_per_second: 2,
            record_delay: Duration::ZERO,
        }
    }

    /// With one more number that calls may be placed from; all others are refused then.
    pub fn with_number(mut self, number: impl Into<String>) -> Self {
        self.numbers.push(number.into());
        self
    }

    /// How many placed calls start each second (wall time).
    pub fn with_calls_per_second(mut self, calls: u32) -> Self {
        self.calls_per_second = calls;
        self
    }

    /// How long after its end the record of a call is there (wall time).
    pub fn with_record_delay(mut self, delay: Duration) -> Self {
        self.record_delay = delay;
        self
    }

    /// How the WebSocket upgrade is signed.
    pub fn with_upgrade_signature(mut self, signature: UpgradeSignature) -> Self {
        self.upgrade_signature = signature;
        self
    }
}

impl fmt::Debug for PlivoAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlivoAccount")
            .field("upgrade_signature", &self.upgrade_signature)
            .field("calls_per_second", &self.calls_per_second)
            .field("record_delay", &self.record_delay)
            .finish_non_exhaustive()
    }
}

/// The carrier Plivo.
#[derive(Clone, Debug)]
pub struct Plivo {
    account: PlivoAccount,
}

impl Plivo {
    /// With one account.
    pub fn new(account: PlivoAccount) -> Self {
        Self { account }
    }
}

#[async_trait]
impl Persona for Plivo {
    fn name(&self) -> &str {
        "plivo"
    }

    fn rest(&self) -> Option<Arc<dyn RestApi>> {
        Some(Arc::new(PlivoRest::new(self.account.clone())))
    }

    fn sign(&self, webhook: Webhook) -> Webhook {
        resign::signed(&self.account, webhook)
    }

    async fn run(&self, call: &Call) {
        Session::incoming(&self.account, call).run().await;
    }
}
