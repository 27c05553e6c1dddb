//! Where calls are remembered, so that any webhook and any socket finds its call.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> telephony_core::Result<()> {
//! use telephony_core::{AccountLabel, CallKey, CallStatus, CallStore, Direction, MemoryStore, NewCall, OsRandom};
//! use telephony_core::{EndReason, Party, ProviderName};
//!
//! let store = MemoryStore::default();
//! let (provider, account) = (ProviderName::from_static("twilio"), AccountLabel::new("main")?);
//! let parties = (Party::Withheld, Party::Withheld);
//! let call = NewCall::new(CallKey::random(&OsRandom)?, provider, account, Direction::Inbound, parties);
//! let key = store.open(call).await?.key;
//! store.update_status(&key, CallStatus::Completed).await?;
//! assert_eq!(store.wait_for_end(&key).await?, EndReason::CallEnded(CallStatus::Completed));
//! # Ok(()) }
//! ```

mod memory;

pub use memory::{MemoryStore, MemoryStoreOptions};

use crate::{
    AccountLabel, CallId, CallKey, CallStatus, Direction, EndReason, MediaToken, Party,
    ProviderName, Result, Transition,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::{Duration, SystemTime};

/// A call to remember.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewCall {
    /// Our id of it.
    pub key: CallKey,
    /// The carrier.
    pub provider: ProviderName,
    /// The account.
    pub account: AccountLabel,
    /// The carrier's id, where it is known already.
    pub call_id: Option<CallId>,
    /// Who started it.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// Who is called.
    pub to: Party,
    /// Where it is, where that is known already.
    pub status: Option<CallStatus>,
    /// The app's own data.
    pub data: BTreeMap<String, String>,
}

impl NewCall {
    /// A call from the first to the second of `parties`.
    #[must_use]
    pub fn new(
        key: CallKey,
        provider: ProviderName,
        account: AccountLabel,
        direction: Direction,
        (from, to): (Party, Party),
    ) -> Self {
        Self {
            key,
            provider,
            account,
            call_id: None,
            direction,
            from,
            to,
            status: None,
            data: BTreeMap::new(),
        }
    }

    /// With the carrier's id.
    #[must_use]
    pub fn with_call_id(mut self, id: Option<CallId>) -> Self {
        self.call_id = id;
        self
    }

    /// With a status that is known already.
    #[must_use]
    pub fn with_status(mut self, status: Option<CallStatus>) -> Self {
        self.status = status;
        self
    }

    /// With the app's own data.
    #[must_use]
    pub fn with_data(mut self, data: BTreeMap<String, String>) -> Self {
        self.data = data;
        self
    }
}

/// A call that is remembered.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallRecord {
    /// Our id of it.
    pub key: CallKey,
    /// The carrier.
    pub provider: ProviderName,
    /// The account.
    pub account: AccountLabel,
    /// The carrier's id, once it is known.
    pub call_id: Option<CallId>,
    /// Who started it.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// Who is called.
    pub to: Party,
    /// Where it is.
    pub status: CallStatus,
    /// Where it was, and since when, oldest first. The last is where it is now.
    pub history: Vec<(SystemTime, CallStatus)>,
    /// The app's own data.
    pub data: BTreeMap<String, String>,
    /// Why it ended, if it has.
    pub ended: Option<EndReason>,
}

impl Debug for NewCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCall")
            .field("key", &self.key)
            .field("account", &self.account)
            .field("call_id", &self.call_id)
            .field("direction", &self.direction)
            .field("data", &self.data.keys())
            .finish_non_exhaustive()
    }
}

impl Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRecord")
            .field("key", &self.key)
            .field("account", &self.account)
            .field("call_id", &self.call_id)
            .field("direction", &self.direction)
            .field("status", &self.status)
            .field("data", &self.data.keys())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What a status report did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusUpdate {
    /// Whether the call moved.
    pub transition: Transition,
    /// Where it is now.
    pub status: CallStatus,
}

/// Where calls are remembered. Each operation is atomic, also among many nodes.
#[async_trait]
pub trait CallStore: Debug + Send + Sync {
    /// Remembers a call. If the account has one with that carrier's id already, that one is given back unchanged: carriers
    /// repeat their requests.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if it fails or is full.
    async fn open(&self, call: NewCall) -> Result<CallRecord>;

    /// Attaches the carrier's id. The same id again is fine.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store), also if it has another id already.
    async fn attach(&self, key: &CallKey, id: &CallId) -> Result<()>;

    /// Gives out the right to open one media socket of this call, for `lifetime` at most.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Closed`](crate::ErrorKind::Closed) if the call has ended;
    /// [`Store`](crate::ErrorKind::Store).
    async fn mint_token(&self, key: &CallKey, token: &MediaToken, lifetime: Duration)
    -> Result<()>;

    /// Takes that right; exactly one taker wins.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such token for this account or its time is over;
    /// [`AlreadyClaimed`](crate::ErrorKind::AlreadyClaimed); [`Closed`](crate::ErrorKind::Closed) if the call has ended;
    /// [`Store`](crate::ErrorKind::Store).
    async fn claim_token(&self, account: &AccountLabel, token: &MediaToken) -> Result<CallRecord>;

    /// Gives a claimed right back: the handshake failed and the carrier may try again.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn release_token(&self, token: &MediaToken) -> Result<()>;

    /// Reports a status. A terminal one ends the call.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn update_status(&self, key: &CallKey, status: CallStatus) -> Result<StatusUpdate>;

    /// Ends the call for that reason; whether this was the first.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn end(&self, key: &CallKey, reason: EndReason) -> Result<bool>;

    /// Waits until the call has ended, wherever that happens. The caller sets the deadline.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn wait_for_end(&self, key: &CallKey) -> Result<EndReason>;

    /// The call with that key.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn find(&self, key: &CallKey) -> Result<Option<CallRecord>>;

    /// The call of that account with that carrier's id.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn find_by_id(&self, account: &AccountLabel, id: &CallId) -> Result<Option<CallRecord>>;

    /// Forgets what is over: calls that ended long enough ago, and calls that nobody heard of for too long, which are ended
    /// as [`NeverStarted`](EndReason::NeverStarted) and given back.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn expire(&self) -> Result<Vec<CallRecord>>;
}
