//! A store that can be away.

use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use telephony_core::store::DataChanges;
use telephony_core::{
    AccountLabel, Answer, CallId, CallKey, CallRecord, CallStatus, CallStore, CarrierCall, Claim,
    ClaimedStream, EndReason, Error, ErrorKind, Expired, FirstTime, KeptAnswer, MediaGrant,
    MediaToken, MemoryStore, NewCall, NodeId, RequestName, Result, StatusUpdate, TransferOutcome,
    Turn,
};

#[derive(Debug, Default)]
pub(crate) struct Away {
    store: MemoryStore,
    pub(crate) is_away: AtomicBool,
    /// How often it was asked in vain.
    pub(crate) missed: AtomicUsize,
}

impl Away {
    fn is_there(&self) -> Result<()> {
        if !self.is_away.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.missed.fetch_add(1, Ordering::SeqCst);
        Err(Error::new(ErrorKind::Store, "ask the store", "it is away"))
    }
}

macro_rules! store {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl CallStore for Away {
            fn node(&self) -> &NodeId {
                self.store.node()
            }

            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                self.is_there()?;
                self.store.$name($($arg),*).await
            })*
        }
    };
}

store! {
    open(call: NewCall) -> CallRecord;
    attach(key: &CallKey, call: &CarrierCall) -> ();
    update_data(key: &CallKey, changes: DataChanges) -> ();
    mint_token(key: &CallKey, token: &MediaToken, grant: MediaGrant) -> ();
    claim_token(account: &AccountLabel, claim: &Claim) -> ClaimedStream;
    release_token(claim: &Claim) -> ();
    finish_stream(claim: &Claim, ends: Option<&EndReason>) -> ();
    wait_for_stream_end(token: &MediaToken) -> EndReason;
    stop_streams(key: &CallKey, reason: EndReason, before: Option<u32>) -> u32;
    set_next(key: &CallKey, next: Option<Answer>) -> Option<Answer>;
    take_next(key: &CallKey, request: &str) -> Option<Answer>;
    begin_transfer(key: &CallKey) -> u32;
    end_transfer(key: &CallKey, number: u32, outcome: TransferOutcome) -> ();
    update_status(key: &CallKey, status: CallStatus) -> StatusUpdate;
    end(key: &CallKey, reason: EndReason) -> bool;
    wait_for_end(key: &CallKey) -> EndReason;
    find(key: &CallKey) -> Option<CallRecord>;
    find_by_id(account: &AccountLabel, id: &CallId) -> Option<CallRecord>;
    renew_lease() -> ();
    expire(limit: usize, silent: usize) -> Expired;
    first_time(request: &RequestName, wait: Duration) -> FirstTime;
    keep_answer(request: &RequestName, turn: &Turn, answer: Option<KeptAnswer>) -> ();
}
