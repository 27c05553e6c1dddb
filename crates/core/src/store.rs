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
    AccountLabel, AfterStream, Answer, CallId, CallKey, CallStatus, CarrierCall, Direction,
    EndReason, MediaToken, Party, ProviderName, Result, Transition,
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
    /// Where at the carrier it lives, if not where the account does.
    pub home: Option<String>,
    /// Where it is, where that is known already.
    pub status: Option<CallStatus>,
    /// The app's own data.
    pub data: BTreeMap<String, String>,
    /// What it is to do when the carrier asks for it.
    pub next: Option<Answer>,
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
            home: None,
            status: None,
            data: BTreeMap::new(),
            next: None,
        }
    }

    /// With the carrier's id.
    #[must_use]
    pub fn with_call_id(mut self, id: Option<CallId>) -> Self {
        self.call_id = id;
        self
    }

    /// Lives there at the carrier.
    #[must_use]
    pub fn with_home(mut self, home: Option<String>) -> Self {
        self.home = home;
        self
    }

    /// With what it is to do when the carrier asks for it.
    #[must_use]
    pub fn with_next(mut self, next: Answer) -> Self {
        self.next = Some(next);
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
    /// Where at the carrier it lives, if not where the account does.
    pub home: Option<String>,
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
    /// How often it was given something else to do. A stream that began before does not hang it up.
    pub transfers: u32,
    /// How many media sockets of it are open.
    pub live_streams: u32,
    /// Why it ended, if it has.
    pub ended: Option<EndReason>,
}

impl CallRecord {
    /// The call as the carrier knows it, once the carrier's id is known.
    #[must_use]
    pub fn carrier_call(&self) -> Option<CarrierCall> {
        let id = self.call_id.clone()?;
        Some(CarrierCall::new(id).at(self.home.clone()))
    }
}

/// What a media token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaGrant {
    /// For how long.
    pub lifetime: Duration,
    /// What comes when the stream is over.
    pub then: AfterStream,
}

impl MediaGrant {
    /// One media socket within that time; the call ends with it.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            then: AfterStream::HangUp,
        }
    }

    /// What comes when the stream is over.
    #[must_use]
    pub fn then(mut self, then: AfterStream) -> Self {
        self.then = then;
        self
    }
}

/// A media stream that a token was taken for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClaimedStream {
    /// Its call.
    pub call: CallRecord,
    /// What comes when it is over.
    pub then: AfterStream,
}

impl ClaimedStream {
    /// A stream of that call.
    #[must_use]
    pub fn new(call: CallRecord, then: AfterStream) -> Self {
        Self { call, then }
    }
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

    /// Attaches the carrier's id. The same id again is fine, and adds where the call lives if that was not known.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store), also if it has another id already.
    async fn attach(&self, key: &CallKey, call: &CarrierCall) -> Result<()>;

    /// Gives out the right to open one media socket of this call. What an earlier answer offered and nobody took is void.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Closed`](crate::ErrorKind::Closed) if the call has ended;
    /// [`Store`](crate::ErrorKind::Store).
    async fn mint_token(&self, key: &CallKey, token: &MediaToken, grant: MediaGrant) -> Result<()>;

    /// Takes that right; exactly one taker wins.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such token for this account or its time is over;
    /// [`AlreadyClaimed`](crate::ErrorKind::AlreadyClaimed); [`Closed`](crate::ErrorKind::Closed) if the call has ended;
    /// [`Store`](crate::ErrorKind::Store).
    async fn claim_token(
        &self,
        account: &AccountLabel,
        token: &MediaToken,
    ) -> Result<ClaimedStream>;

    /// Gives a claimed right back: the handshake failed and the carrier may try again.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn release_token(&self, token: &MediaToken) -> Result<()>;

    /// The stream of a claimed token is over; the token stays taken.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn finish_stream(&self, token: &MediaToken) -> Result<()>;

    /// Waits until the stream of a claimed token is to end: its call has ended, or it was
    /// [stopped](Self::stop_streams), wherever that happens.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn wait_for_stream_end(&self, token: &MediaToken) -> Result<EndReason>;

    /// Tells the open media sockets of this call to close for that reason, while the call goes on. How many were told.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn stop_streams(&self, key: &CallKey, reason: EndReason) -> Result<u32>;

    /// Keeps what the call is to do when the carrier asks next; [`None`] forgets it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn set_next(&self, key: &CallKey, next: Option<Answer>) -> Result<()>;

    /// Takes what was kept, once. `request` names the request that asks: the same one again gets the same, because carriers
    /// repeat their requests.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn take_next(&self, key: &CallKey, request: &str) -> Result<Option<Answer>>;

    /// Notes that the call was given something else to do.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn note_transfer(&self, key: &CallKey) -> Result<()>;

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
