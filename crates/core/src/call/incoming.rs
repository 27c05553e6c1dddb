//! A call that comes in, as a verified webhook tells it.

use super::{CallStatus, Direction, Parameters, Party};
use crate::{
    AccountLabel, CallId, CallKey, Error, ErrorKind, ProviderName, Result, Telephony, Verified,
};
use bytes::Bytes;
use std::fmt;

/// What the carrier said about a call that wants an answer. Direction, id and parties are set here and never change.
///
/// ```
/// use telephony_core::{Answer, IncomingCall};
///
/// fn choose(call: &IncomingCall) -> Answer {
///     match call.parameters().get("SipHeader_X-Department") {
///         Some("sales") => Answer::stream(),
///         _ => Answer::say("We are closed.").then_hang_up(),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct IncomingCall {
    provider: ProviderName,
    account: AccountLabel,
    id: Option<CallId>,
    key: Option<CallKey>,
    conversation: Option<String>,
    direction: Direction,
    from: Party,
    to: Party,
    status: Option<CallStatus>,
    forwarded_from: Option<Party>,
    home: Option<String>,
    parameters: Parameters,
    raw: Bytes,
}

impl IncomingCall {
    /// A call of the carrier and account that `request` was verified for. For carrier crates.
    #[must_use]
    pub fn new(request: &Verified, direction: Direction, from: Party, to: Party) -> Self {
        Self {
            provider: request.provider().clone(),
            account: request.account().clone(),
            id: None,
            key: None,
            conversation: None,
            direction,
            from,
            to,
            status: None,
            forwarded_from: None,
            home: None,
            parameters: Parameters::default(),
            raw: request.request().body.clone(),
        }
    }

    /// Sets the carrier's id of the call.
    #[must_use]
    pub fn with_id(mut self, id: CallId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets our id of the call: the one that the carrier handed back for a call that we placed. Servers set it once they have
    /// opened the call.
    #[must_use]
    pub fn with_key(mut self, key: CallKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the carrier's id of the conversation that the call belongs to, where that is another than the call's.
    #[must_use]
    pub fn with_conversation(mut self, conversation: Option<String>) -> Self {
        self.conversation = conversation;
        self
    }

    /// Sets the status that the carrier reports with the request.
    #[must_use]
    pub fn with_status(mut self, status: Option<CallStatus>) -> Self {
        self.status = status;
        self
    }

    /// Sets who forwarded the call to us.
    #[must_use]
    pub fn with_forwarded_from(mut self, party: Option<Party>) -> Self {
        self.forwarded_from = party;
        self
    }

    /// Sets where at the carrier the call lives, if not where the account does. See [`CarrierCall`](crate::CarrierCall).
    #[must_use]
    pub fn with_home(mut self, home: Option<String>) -> Self {
        self.home = home;
        self
    }

    /// Sets all that the webhook said.
    #[must_use]
    pub fn with_parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// Whether it came in on this very account. Carriers ask before they write an answer.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if it came in on another one.
    pub fn check_account(&self, carrier: &dyn Telephony) -> Result<()> {
        if self.provider == *carrier.provider() && self.account == *carrier.account() {
            return Ok(());
        }
        let detail = "the call came in on another account";
        let error = Error::new(ErrorKind::InvalidArgument, "write answer", detail);
        Err(error.with_provider(carrier.provider()))
    }

    /// The carrier.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// The account that the call came in on.
    #[must_use]
    pub fn account(&self) -> &AccountLabel {
        &self.account
    }

    /// The carrier's id of the call. A carrier may tell it only when the media starts.
    #[must_use]
    pub fn id(&self) -> Option<&CallId> {
        self.id.as_ref()
    }

    /// Our id of the call, under which its stream and its events come: to keep what belongs to it.
    #[must_use]
    pub fn key(&self) -> Option<&CallKey> {
        self.key.as_ref()
    }

    /// The carrier's id of the conversation that the call belongs to, where that is another than the call's.
    #[must_use]
    pub fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    /// Who started it: outbound where the carrier asks what to do with a call that we placed.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Who calls.
    #[must_use]
    pub fn from(&self) -> &Party {
        &self.from
    }

    /// Who is called.
    #[must_use]
    pub fn to(&self) -> &Party {
        &self.to
    }

    /// The status that came with the request, if it is one of ours.
    #[must_use]
    pub fn status(&self) -> Option<CallStatus> {
        self.status
    }

    /// Who forwarded the call to us, where the carrier tells.
    #[must_use]
    pub fn forwarded_from(&self) -> Option<&Party> {
        self.forwarded_from.as_ref()
    }

    /// Where at the carrier the call lives, if not where the account does: the host of a region, a subaccount.
    #[must_use]
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref()
    }

    /// All that the webhook said: query, form, SIP headers, custom data. Nested JSON values are there as JSON text.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The body as it came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl fmt::Debug for IncomingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingCall")
            .field("provider", &self.provider)
            .field("account", &self.account)
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("status", &self.status)
            .field("parameters", &self.parameters)
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}
