//! The personas: one per carrier.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{Call, RestApi, Webhook};

pub mod exotel;
mod mulaw;
pub mod plivo;
pub mod twilio;
pub mod vonage;
mod xml;

/// A carrier, as the engine knows it.
///
/// A persona drives one call from the first webhook to the last callback. Whatever waits returns
/// [`Ended`](crate::engine::Ended) when the call ends meanwhile: hand it up with `?`, then send what this carrier sends
/// at the end. With a [REST API](Self::rest) of its own the call may also be diverted meanwhile, which looks the same: then
/// [`take_diversion`](Call::take_diversion) says where to, and the call goes on. The engine watches the deadlines, plays the caller, keeps the record and delivers callbacks.
///
/// A persona is used for many calls at once, so what belongs to one call lives in [`run`](Self::run).
///
/// ```
/// use async_trait::async_trait;
/// use telephony_testkit::engine::{Call, Method, Upgrade, Webhook};
/// use telephony_testkit::{EndedBy, Finding, Persona};
///
/// /// A carrier that asks whether to take a call, and then does nothing with it.
/// #[derive(Debug)]
/// struct Polite;
///
/// #[async_trait]
/// impl Persona for Polite {
///     fn name(&self) -> &str {
///         "polite"
///     }
///
///     async fn run(&self, call: &Call) {
///         let webhook = Webhook::new("answer", Method::Post.into(), call.answer_url());
///         match call.request(&webhook).await {
///             Ok(reply) if reply.status.is_success() => call.answered(),
///             Ok(_) => call.complain(Finding::error("refused", "the app did not take the call")),
///             Err(failure) => call.complain(Finding::error("no-answer", failure.to_string())),
///         }
///         call.status("completed");
///         call.end(EndedBy::Document);
///     }
/// }
/// ```
#[async_trait]
pub trait Persona: fmt::Debug + Send + Sync {
    /// The carrier's name.
    fn name(&self) -> &str;

    /// A webhook that takes longer than this is worth a warning (wall time).
    fn slow_webhook(&self) -> std::time::Duration {
        std::time::Duration::from_secs(3)
    }

    /// The carrier's REST API, new and with nothing in it. Default: none.
    fn rest(&self) -> Option<Arc<dyn RestApi>> {
        None
    }

    /// Signs a request as the carrier signs those of its calls, in place of the signature that it has; the upgrade of a
    /// media socket is a GET of a `ws` or `wss` URL. Default: nothing is signed.
    fn sign(&self, webhook: Webhook) -> Webhook {
        webhook
    }

    /// Plays one whole call that comes in.
    async fn run(&self, call: &Call);
}
