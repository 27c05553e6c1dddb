//! The right to run one stream, and what is known about it.

use super::{StreamOptions, StreamStart};
use crate::{
    AccountLabel, CallId, CallKey, CallRecord, Direction, EndReason, Error, Party, ProviderName,
    Result, StreamId,
};
use std::collections::BTreeMap;
use std::fmt;
use telephony_audio::AudioFormat;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The name of the parameter in which carriers hand our call key back, so that a socket cannot be taken for another
/// call's. Short and plain: one carrier allows 256 characters for all parameters.
pub(crate) const KEY_PARAMETER: &str = "call_key";

/// The right to run one stream of one call. Made from a claimed media token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamTicket {
    /// The call.
    pub call: CallRecord,
    /// How the stream is run.
    pub options: StreamOptions,
    /// Ends the stream from outside.
    pub ended: EndSignal,
}

impl StreamTicket {
    /// The name of the parameter in which a carrier that hands parameters back gets our call key.
    pub const KEY_PARAMETER: &'static str = KEY_PARAMETER;

    /// A ticket for a stream of `call` that `ended` ends.
    #[must_use]
    pub fn new(call: CallRecord, ended: EndSignal) -> Self {
        Self {
            call,
            options: StreamOptions::default(),
            ended,
        }
    }

    /// Run in this way.
    #[must_use]
    pub fn with_options(mut self, options: StreamOptions) -> Self {
        self.options = options;
        self
    }

    /// Whether `start` is of this very call.
    pub(crate) fn check(&self, start: &StreamStart) -> Result<()> {
        let refuse =
            |detail: &str| Err(Error::unauthenticated(detail).with_provider(&self.call.provider));
        if let (Some(expected), Some(told)) = (&self.call.call_id, &start.call_id)
            && expected != told
        {
            return refuse("the media socket is of another call: its call id differs");
        }
        match start.parameters.get(KEY_PARAMETER) {
            Some(key) if key != self.call.key.as_str() => {
                refuse("the media socket is of another call: its call key differs")
            }
            _ => Ok(()),
        }
    }
}

/// An end from outside.
#[derive(Debug, Clone)]
struct End {
    reason: EndReason,
    /// What was sent is played first.
    after_goodbye: bool,
}

/// Ends a stream from outside, with a reason.
#[derive(Debug)]
pub struct EndTrigger(watch::Sender<Option<End>>);

impl EndTrigger {
    /// Ends it at once, also if it is saying goodbye. Only the first reason counts.
    pub fn end(&self, reason: EndReason) {
        self.0.send_if_modified(|ended| {
            let is_news = ended.as_ref().is_none_or(|end| end.after_goodbye);
            let end = ended.get_or_insert(End {
                reason,
                after_goodbye: false,
            });
            end.after_goodbye = false;
            is_news
        });
    }

    /// Ends it once everything that was sent so far has been played, within the bound of the stream's options.
    pub fn end_after_goodbye(&self, reason: EndReason) {
        self.0.send_if_modified(|ended| {
            let is_news = ended.is_none();
            ended.get_or_insert(End {
                reason,
                after_goodbye: true,
            });
            is_news
        });
    }
}

/// Tells a stream that it is to end. Without its [`EndTrigger`] it never does.
#[derive(Debug, Clone)]
pub struct EndSignal(watch::Receiver<Option<End>>);

impl EndSignal {
    /// A trigger and its signal.
    #[must_use]
    pub fn new() -> (EndTrigger, Self) {
        let (sender, receiver) = watch::channel(None);
        (EndTrigger(sender), Self(receiver))
    }

    /// Waits for the end.
    pub async fn wait(&mut self) -> EndReason {
        self.wait_for(|_| true).await.reason
    }

    /// Waits for an end, and whether there is time for a goodbye: if one is being said already, for an end that leaves none.
    pub(crate) async fn wait_with_time(&mut self, is_ending: bool) -> (EndReason, bool) {
        let end = self.wait_for(|end| !(is_ending && end.after_goodbye)).await;
        (end.reason, end.after_goodbye)
    }

    async fn wait_for(&mut self, is_it: impl Fn(&End) -> bool) -> End {
        let ended = self.0.wait_for(|end| end.as_ref().is_some_and(&is_it));
        match ended.await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            _ => std::future::pending().await,
        }
    }
}

/// What is known about a running stream.
#[derive(Clone)]
#[non_exhaustive]
pub struct StreamContext {
    /// The carrier.
    pub provider: ProviderName,
    /// The account.
    pub account: AccountLabel,
    /// Our id of the call.
    pub call_key: CallKey,
    /// The carrier's id of the call, where it is known by now.
    pub call_id: Option<CallId>,
    /// The carrier's id of the stream, where it has one.
    pub stream_id: Option<StreamId>,
    /// Who started the call.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// Who is called.
    pub to: Party,
    /// The format of what [`recv`](super::Streamer::recv) gives, as the app chose it.
    pub inbound: AudioFormat,
    /// The format of what [`send`](super::Streamer::send) takes, as the app chose it.
    pub outbound: AudioFormat,
    /// What the carrier sends.
    pub wire_inbound: AudioFormat,
    /// What the carrier takes.
    pub wire_outbound: AudioFormat,
    /// Parameters that the carrier handed back, and the app's own data of the call.
    pub parameters: BTreeMap<String, String>,
    /// Cancelled when the stream is over: for tasks of the app that belong to it.
    pub cancellation: CancellationToken,
    /// Cancelled when the socket is closed too: for who must not end before.
    pub closed: CancellationToken,
    /// Tells why the stream is over, once it is.
    pub ended: EndSignal,
}

impl fmt::Debug for StreamContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamContext")
            .field("account", &self.account)
            .field("call_key", &self.call_key)
            .field("call_id", &self.call_id)
            .field("stream_id", &self.stream_id)
            .field("direction", &self.direction)
            .field("inbound", &self.inbound)
            .field("outbound", &self.outbound)
            .field("wire_inbound", &self.wire_inbound)
            .field("wire_outbound", &self.wire_outbound)
            .field("parameters", &self.parameters.keys())
            .finish_non_exhaustive()
    }
}

impl StreamContext {
    pub(crate) fn new(ticket: &StreamTicket, start: &StreamStart) -> Self {
        let call = &ticket.call;
        let mut parameters = call.data.clone();
        parameters.extend(start.parameters.clone());
        parameters.remove(KEY_PARAMETER);
        Self {
            provider: call.provider.clone(),
            account: call.account.clone(),
            call_key: call.key.clone(),
            call_id: call.call_id.clone().or_else(|| start.call_id.clone()),
            stream_id: start.stream_id.clone(),
            direction: call.direction,
            from: call.from.clone(),
            to: call.to.clone(),
            inbound: ticket.options.receive_format.on(start.inbound),
            outbound: ticket.options.send_format.on(start.outbound),
            wire_inbound: start.inbound,
            wire_outbound: start.outbound,
            parameters,
            cancellation: CancellationToken::new(),
            closed: CancellationToken::new(),
            ended: EndSignal::new().1,
        }
    }
}
