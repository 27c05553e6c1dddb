//! Calls remembered in this process.

mod answers;
mod calls;
mod guard;

use self::answers::{Answers, Begin};
use self::calls::{Calls, not_found};
use super::{
    CallRecord, CallStore, Claim, ClaimedStream, DataChanges, Expired, FirstTime, KeptAnswer,
    MediaGrant, NewCall, NodeId, RequestName, StatusUpdate, StorePolicy, TransferOutcome, Turn,
    check_data,
};
use crate::{
    AccountLabel, Answer, CallId, CallKey, CallStatus, CarrierCall, Clock, EndReason, MediaToken,
    Result, SystemClock,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest that a repeat waits for the answer of the first.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Bounds of a [`MemoryStore`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryStoreOptions {
    /// How many calls at once, ended ones that are still remembered included. Default 100,000; one takes some
    /// 4 KiB with the answers that are kept for it.
    pub max_calls: usize,
    /// How many answers are kept for repeats of their requests. Of more, the oldest are forgotten. Default 50,000.
    pub max_answers: usize,
    /// How many bytes their bodies may have together. Default 64 MiB.
    pub max_answer_bytes: usize,
    /// For how long things are remembered, and how many calls an account may have.
    pub policy: StorePolicy,
}

impl Default for MemoryStoreOptions {
    fn default() -> Self {
        Self {
            max_calls: 100_000,
            max_answers: 50_000,
            max_answer_bytes: 64 << 20,
            policy: StorePolicy::default(),
        }
    }
}

/// Calls remembered in this process: for one node. For tests, [`as_node`](Self::as_node) makes it look like several.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    node: NodeId,
}

#[derive(Debug)]
struct Shared {
    options: MemoryStoreOptions,
    clock: Arc<dyn Clock>,
    // Both held for map operations only, never across an await, and never both.
    calls: Mutex<Calls>,
    answers: Mutex<Answers>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryStoreOptions::default(), Arc::new(SystemClock))
    }
}

impl MemoryStore {
    /// A store with these bounds.
    #[must_use]
    pub fn new(mut options: MemoryStoreOptions, clock: Arc<dyn Clock>) -> Self {
        options.policy = options.policy.bounded();
        let shared = Shared {
            options,
            clock,
            calls: Mutex::default(),
            answers: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            node: NodeId::local(),
        }
    }

    /// The same store as another node sees it.
    #[must_use]
    pub fn as_node(&self, node: NodeId) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            node,
        }
    }

    /// How many calls are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Every operation leaves the maps whole before it can panic, so a poisoned lock still guards good data.
        self.shared
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.shared
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> std::time::SystemTime {
        self.shared.clock.now()
    }

    fn policy(&self) -> &StorePolicy {
        &self.shared.options.policy
    }
}

#[async_trait]
impl CallStore for MemoryStore {
    fn node(&self) -> &NodeId {
        &self.node
    }

    async fn open(&self, call: NewCall) -> Result<CallRecord> {
        check_data(call.data.iter().map(|(name, value)| (name, Some(value))))?;
        self.lock().open(call, self.now(), &self.shared.options)
    }

    async fn attach(&self, key: &CallKey, call: &CarrierCall) -> Result<()> {
        self.lock().attach(key, call)
    }

    async fn update_data(&self, key: &CallKey, changes: DataChanges) -> Result<()> {
        check_data(changes.iter().map(|(name, value)| (name, value.as_ref())))?;
        self.lock().update_data(key, changes)
    }

    async fn mint_token(&self, key: &CallKey, token: &MediaToken, grant: MediaGrant) -> Result<()> {
        let now = self.now();
        self.lock().mint(key, token, grant, now, self.policy())
    }

    async fn claim_token(&self, account: &AccountLabel, claim: &Claim) -> Result<ClaimedStream> {
        let now = self.now();
        self.lock()
            .claim(account, claim, &self.node, now, self.policy())
    }

    async fn release_token(&self, claim: &Claim) -> Result<()> {
        self.lock().release(claim);
        Ok(())
    }

    async fn finish_stream(&self, claim: &Claim, ends: Option<&EndReason>) -> Result<()> {
        let now = self.now();
        self.lock().finish(claim, ends, now, self.policy());
        Ok(())
    }

    async fn wait_for_stream_end(&self, token: &MediaToken) -> Result<EndReason> {
        let (key, mut stopped) = self
            .lock()
            .watch_stream(token)
            .ok_or_else(|| not_found("wait for the stream's end"))?;
        let stopped = async {
            let reason = stopped.wait_for(Option::is_some).await;
            match reason.map(|reason| reason.clone()) {
                Ok(Some(reason)) => reason,
                // The call is forgotten, which its own end tells.
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            reason = stopped => Ok(reason),
            reason = self.wait_for_end(&key) => reason,
        }
    }

    async fn stop_streams(
        &self,
        key: &CallKey,
        reason: EndReason,
        before: Option<u32>,
    ) -> Result<u32> {
        self.lock().stop_streams(key, &reason, before)
    }

    async fn set_next(&self, key: &CallKey, next: Option<Answer>) -> Result<Option<Answer>> {
        self.lock().set_next(key, next)
    }

    async fn take_next(&self, key: &CallKey, request: &str) -> Result<Option<Answer>> {
        let now = self.now();
        self.lock().take_next(key, request, now, self.policy())
    }

    async fn begin_transfer(&self, key: &CallKey) -> Result<u32> {
        let now = self.now();
        self.lock().begin_transfer(key, now)
    }

    async fn end_transfer(
        &self,
        key: &CallKey,
        number: u32,
        outcome: TransferOutcome,
    ) -> Result<()> {
        self.lock().end_transfer(key, number, outcome)
    }

    async fn update_status(&self, key: &CallKey, status: CallStatus) -> Result<StatusUpdate> {
        let now = self.now();
        self.lock().update_status(key, status, now, self.policy())
    }

    async fn end(&self, key: &CallKey, reason: EndReason) -> Result<bool> {
        let now = self.now();
        let first = self.lock().end(key, reason, now, self.policy());
        first.ok_or_else(|| not_found("end call"))
    }

    async fn wait_for_end(&self, key: &CallKey) -> Result<EndReason> {
        let ended = self.lock().watch_call(key);
        let mut ended = ended.ok_or_else(|| not_found("wait for the call's end"))?;
        match ended
            .wait_for(Option::is_some)
            .await
            .map(|reason| reason.clone())
        {
            Ok(Some(reason)) => Ok(reason),
            // Forgotten.
            _ => Ok(EndReason::NeverStarted),
        }
    }

    async fn find(&self, key: &CallKey) -> Result<Option<CallRecord>> {
        Ok(self.lock().record(key))
    }

    async fn find_by_id(&self, account: &AccountLabel, id: &CallId) -> Result<Option<CallRecord>> {
        Ok(self.lock().record_by_id(&(account.clone(), id.clone())))
    }

    async fn renew_lease(&self) -> Result<()> {
        let now = self.now();
        self.lock()
            .leases
            .renew(&self.node, now, self.policy().lease);
        Ok(())
    }

    async fn expire(&self, limit: usize, silent: usize) -> Result<Expired> {
        let now = self.now();
        let limits = (limit, silent);
        self.answers().tidy(now);
        Ok(self.lock().expire(&self.node, now, self.policy(), limits))
    }

    async fn first_time(&self, request: &RequestName, wait: Duration) -> Result<FirstTime> {
        let look_until_known = async {
            loop {
                let begun = self
                    .answers()
                    .begin(request, self.now(), &self.shared.options);
                match begun {
                    Begin::First(turn) => return FirstTime::Yes(turn),
                    Begin::Answered(answer) => return FirstTime::Answered(answer),
                    // It goes away when there is an answer, or when there will be none.
                    Begin::Busy(mut going_on) => drop(going_on.changed().await),
                }
            }
        };
        let known = tokio::time::timeout(wait.min(MAX_WAIT), look_until_known).await;
        Ok(known.unwrap_or(FirstTime::InProgress))
    }

    async fn keep_answer(
        &self,
        request: &RequestName,
        turn: &Turn,
        answer: Option<KeptAnswer>,
    ) -> Result<()> {
        let now = self.now();
        self.answers()
            .keep(request, turn, answer, now, &self.shared.options);
        Ok(())
    }
}
