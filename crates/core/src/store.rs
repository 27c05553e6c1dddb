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
//!
//! # What a server does with a store
//! | when | what |
//! |---|---|
//! | a verified request came | [`first_time`](CallStore::first_time), and [`keep_answer`](CallStore::keep_answer) once it is answered |
//! | a call comes in or is placed | [`open`](CallStore::open); [`attach`](CallStore::attach) once the carrier tells its id |
//! | an answer offers a stream | [`mint_token`](CallStore::mint_token) |
//! | a call is given something else to do | [`begin_transfer`](CallStore::begin_transfer), and [`end_transfer`](CallStore::end_transfer) once the outcome is known |
//! | a media socket comes | [`claim_token`](CallStore::claim_token), then [`wait_for_stream_end`](CallStore::wait_for_stream_end); at its end [`finish_stream`](CallStore::finish_stream) |
//! | the carrier reports a status | [`update_status`](CallStore::update_status) |
//! | every third of a lease | [`renew_lease`](CallStore::renew_lease) |
//! | every few seconds | [`expire`](CallStore::expire): hang up what is orphaned, ask the carrier for what is silent |
//!
//! # When nobody says that a call is over
//! All times are in [`StorePolicy`]. A call that is not up yet, of which nothing was heard and for which no media socket
//! came, is ended as [never started](EndReason::NeverStarted) after 10 minutes: every outbound one, and an inbound one that
//! was offered a stream. A call without a live stream of which nothing was heard for a minute is [silent](Expired::silent):
//! its last callback may be lost. Whatever else is forgotten after 5 hours without a sign.
//!
//! A call that our side ended, or whose stream ended it, is looked at sooner: after 10 s, and then less and less often, until
//! the carrier has said that it is over, and remembered until then, at most for those 5 hours. So no hang-up is forgotten
//! that failed, or whose node was lost.

mod memory;
mod node;
mod policy;
mod record;
mod replay;

pub use memory::{MemoryStore, MemoryStoreOptions};
pub use node::NodeId;
pub use policy::{AccountLimits, CallRate, StorePolicy};
pub use record::{
    CallRecord, Claim, ClaimedStream, DataChanges, Expired, MAX_DATA_NAMES, MAX_DATA_VALUE,
    MAX_OPEN_TRANSFERS, MediaGrant, NewCall, PlannedEnd, StatusUpdate, TransferOutcome, check_data,
    too_much_data,
};
pub use replay::{FirstTime, KeptAnswer, MAX_ANSWER_BODY, RequestName, Turn};

use crate::{
    AccountLabel, Answer, CallId, CallKey, CallStatus, CarrierCall, EndReason, MediaToken, Result,
};
use async_trait::async_trait;
use std::fmt::Debug;
use std::time::Duration;

/// How long a status history gets. No real call has more.
pub const MAX_HISTORY: usize = 32;
/// How many media tokens of one call are remembered; of more, the oldest that are over are forgotten.
pub const MAX_TOKENS: usize = 32;

/// Where calls are remembered. Each operation is atomic, also among many nodes.
#[async_trait]
pub trait CallStore: Debug + Send + Sync {
    /// This node, which holds the streams that are claimed through this store.
    fn node(&self) -> &NodeId;

    /// Remembers a call. If the account has one with that carrier's id already, that one is given back unchanged: carriers
    /// repeat their requests.
    ///
    /// # Errors
    /// [`RateLimited`](crate::ErrorKind::RateLimited) if the account's [limits](AccountLimits) are reached;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if its data is [too much](check_data);
    /// [`Store`](crate::ErrorKind::Store) if the store fails or is full, or there is a call with this key.
    async fn open(&self, call: NewCall) -> Result<CallRecord>;

    /// Attaches the carrier's id. The same id again is fine, and adds where the call lives if that was not known.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store), also if it has another id already.
    async fn attach(&self, key: &CallKey, call: &CarrierCall) -> Result<()>;

    /// Changes the data that the app keeps with the call.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if it becomes
    /// [too much](check_data), and nothing is changed; [`Store`](crate::ErrorKind::Store).
    async fn update_data(&self, key: &CallKey, changes: DataChanges) -> Result<()>;

    /// Gives out the right to open one media socket of this call. What an earlier answer offered and nobody took is void,
    /// unless the [grant](MediaGrant::beside) says otherwise.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Closed`](crate::ErrorKind::Closed) if the call has ended;
    /// [`Store`](crate::ErrorKind::Store).
    async fn mint_token(&self, key: &CallKey, token: &MediaToken, grant: MediaGrant) -> Result<()>;

    /// Takes that right; exactly one claim wins, which may be made again if its answer was lost. This [node](Self::node)
    /// holds the stream from then on, as long as it [renews its lease](Self::renew_lease).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such token for this account or its time is over;
    /// [`AlreadyClaimed`](crate::ErrorKind::AlreadyClaimed); [`Closed`](crate::ErrorKind::Closed) if the call has ended;
    /// [`Store`](crate::ErrorKind::Store).
    async fn claim_token(&self, account: &AccountLabel, claim: &Claim) -> Result<ClaimedStream>;

    /// Gives a claimed right back: the handshake failed and the carrier may try again. Nothing happens if that claim does not
    /// hold it (any more).
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn release_token(&self, claim: &Claim) -> Result<()>;

    /// The stream of a claimed token is over; the token stays taken. With `ends`, its call [is to
    /// end](CallRecord::planned_end) for that reason and is [silent](Expired::silent) until it has, unless a later transfer
    /// took place. Of several streams the one that was offered last decides. Nothing happens if that claim does not hold
    /// the token (any more).
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn finish_stream(&self, claim: &Claim, ends: Option<&EndReason>) -> Result<()>;

    /// Waits until the stream of a claimed token is to end: its call has ended, or it was
    /// [stopped](Self::stop_streams), wherever that happens. A store that fails while this waits only makes it later, and
    /// one that has lost all that it knew says nothing any more: a stream has its own ends.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store) if it fails at once.
    async fn wait_for_stream_end(&self, token: &MediaToken) -> Result<EndReason>;

    /// Tells open media sockets of this call to close for that reason, while the call goes on: those that were offered
    /// before the [transfer](Self::begin_transfer) with that number began, or all. How many were told.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn stop_streams(
        &self,
        key: &CallKey,
        reason: EndReason,
        before: Option<u32>,
    ) -> Result<u32>;

    /// Keeps what the call is to do when the carrier asks next; [`None`] forgets it. Gives what was kept before and nobody
    /// has taken.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn set_next(&self, key: &CallKey, next: Option<Answer>) -> Result<Option<Answer>>;

    /// Takes what was kept, once. `request` names the request that asks: the same one again gets the same, because carriers
    /// repeat their requests.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn take_next(&self, key: &CallKey, request: &str) -> Result<Option<Answer>>;

    /// Notes that the carrier is about to be asked to give the call something else to do. Gives the transfer's number: 1, 2,
    /// and so on. Media sockets that are offered from now on are part of it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn begin_transfer(&self, key: &CallKey) -> Result<u32>;

    /// Notes what came of that transfer. Of one that the carrier took, media tokens that were offered before and that
    /// nobody took are void.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store).
    async fn end_transfer(
        &self,
        key: &CallKey,
        number: u32,
        outcome: TransferOutcome,
    ) -> Result<()>;

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

    /// Waits until the call has ended, wherever that happens. The caller sets the deadline. A store that fails while this
    /// waits only makes it later; a call that is forgotten meanwhile has [never started](EndReason::NeverStarted).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Store`](crate::ErrorKind::Store) if it fails at once.
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

    /// Says that this node lives, for [`StorePolicy::lease`] from now. The streams of a node that does not are given to
    /// others by [`expire`](Self::expire).
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn renew_lease(&self) -> Result<()>;

    /// Forgets calls that ended long enough ago, and finds what needs care, at most `limit` of each kind, and of silent
    /// calls at most `silent`: see [`Expired`]. Each find is given to one asker only, on whichever node.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store). What was found until then is lost to the asker: never-started calls are ended all
    /// the same, and calls of orphaned streams come as silent ones later.
    async fn expire(&self, limit: usize, silent: usize) -> Result<Expired>;

    /// Whether this request comes for the first time. If it does, the asker works on it and then
    /// [keeps its answer](Self::keep_answer); a repeat waits for that answer, at most for `wait`. A first asker that keeps
    /// nothing within [`StorePolicy::answer_time`] has failed: the next one is the first.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn first_time(&self, request: &RequestName, wait: Duration) -> Result<FirstTime>;

    /// Keeps the answer to a request for its repeats; [`None`] if there is none, so that a repeat is worked on as the first.
    /// An answer that is kept already stays. Who was too late, so that it is the [turn](Turn) of another meanwhile, may
    /// still bring an answer, but not say that there is none.
    ///
    /// # Errors
    /// [`Store`](crate::ErrorKind::Store).
    async fn keep_answer(
        &self,
        request: &RequestName,
        turn: &Turn,
        answer: Option<KeptAnswer>,
    ) -> Result<()>;
}
