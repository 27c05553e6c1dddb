//! What an app implements.

use async_trait::async_trait;
use std::fmt::Debug;
use telephony_core::media::{StreamOptions, Streamer};
use telephony_core::{
    AccountLabel, Answer, CallEvent, CallRecord, IncomingCall, ProviderName, Report,
};

/// Any error of an app.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An app that answers calls.
#[async_trait]
pub trait CallHandler: Debug + Send + Sync + 'static {
    /// A call comes in: what to do with it? Answer well within the carrier's deadline; see
    /// [`ServerOptions::handler_deadline`](crate::ServerOptions::handler_deadline).
    ///
    /// # Errors
    /// Any: the fallback answer goes out.
    async fn on_call(&self, call: IncomingCall) -> Result<Answer, BoxError>;

    /// How the media stream of this call is run: its formats, its bounds, who may interrupt whom. By default as
    /// [`ServerOptions::stream`](crate::ServerOptions::stream) says, which is what comes in.
    fn stream_options(&self, call: &CallRecord, options: StreamOptions) -> StreamOptions {
        let _ = call;
        options
    }

    /// The media stream of a call is up. When this returns, or lets go of the stream, our side hangs up.
    async fn on_stream(&self, stream: Box<dyn Streamer>) {
        drop(stream);
    }

    /// The carrier reports something about a call. Where it asks what to do next ([`DigitsGathered`], [`DialEnded`],
    /// [`NextStep`] and the like), give an answer; elsewhere an answer is ignored.
    ///
    /// A status is told once: repeats and reports that come late are left out. Events of one request come one after the
    /// other. An answer counts within the deadline of [`on_call`](Self::on_call); what is done about the event may take
    /// longer, up to [`ServerOptions::handler_grace`](crate::ServerOptions::handler_grace).
    ///
    /// [`DigitsGathered`]: telephony_core::CallEventKind::DigitsGathered
    /// [`DialEnded`]: telephony_core::CallEventKind::DialEnded
    /// [`NextStep`]: telephony_core::CallEventKind::NextStep
    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        let _ = (context, event);
        None
    }
}

/// Whose event it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventContext {
    /// The carrier.
    pub provider: ProviderName,
    /// The account.
    pub account: AccountLabel,
    /// The call, if it is known.
    pub call: Option<CallRecord>,
    /// The event as data: metadata, metric and payload.
    pub report: Report,
}

impl EventContext {
    pub(crate) fn new(
        provider: &ProviderName,
        account: &AccountLabel,
        call: Option<CallRecord>,
        event: &CallEvent,
    ) -> Self {
        let mut report = Report::event(provider, event);
        if let Some(call) = &call {
            report = report.with_parties(&call.from, &call.to);
        }
        Self {
            provider: provider.clone(),
            account: account.clone(),
            call,
            report,
        }
    }
}
