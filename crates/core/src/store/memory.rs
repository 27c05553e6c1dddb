//! Calls remembered in this process.

use super::{CallRecord, CallStore, ClaimedStream, MediaGrant, NewCall, StatusUpdate};
use crate::{
    AccountLabel, AfterStream, Answer, CallId, CallKey, CallStatus, CarrierCall, Clock, EndReason,
    Error, ErrorKind, MediaToken, Result, SystemClock, Transition,
};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How long a status history gets. No real call has more.
const MAX_HISTORY: usize = 32;

/// Bounds of a [`MemoryStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStoreOptions {
    /// How many calls at once, ended ones that are still remembered included. Default 100,000; one takes about 1 KiB.
    pub max_calls: usize,
    /// How long an ended call is remembered, for callbacks that come late. Default 10 minutes.
    pub keep_ended: Duration,
    /// After how long without any sign a call is taken for dead. Default 5 hours: carriers end a call after 4 unless they
    /// are told otherwise.
    pub max_silence: Duration,
}

impl Default for MemoryStoreOptions {
    fn default() -> Self {
        Self {
            max_calls: 100_000,
            keep_ended: Duration::from_secs(600),
            max_silence: Duration::from_secs(5 * 3600),
        }
    }
}

/// Calls remembered in this process: for one node.
#[derive(Debug)]
pub struct MemoryStore {
    options: MemoryStoreOptions,
    clock: Arc<dyn Clock>,
    // Held for map operations only, never across an await.
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    by_key: HashMap<CallKey, Entry>,
    by_id: HashMap<(AccountLabel, CallId), CallKey>,
    tokens: HashMap<MediaToken, Token>,
}

#[derive(Debug)]
struct Entry {
    record: CallRecord,
    ended: watch::Sender<Option<EndReason>>,
    seen: SystemTime,
    /// Its media tokens.
    tokens: Vec<MediaToken>,
    next: Next,
}

/// What a call is to do when the carrier asks.
#[derive(Debug, Default)]
struct Next {
    answer: Option<Answer>,
    /// The request that took it.
    taken_by: Option<String>,
}

#[derive(Debug)]
struct Token {
    key: CallKey,
    /// Never, if the clock does not go that far.
    expires: Option<SystemTime>,
    claimed: bool,
    then: AfterStream,
    /// Tells the stream to stop.
    stopped: watch::Sender<Option<EndReason>>,
    /// The stream has come and gone.
    over: bool,
}

impl Token {
    fn is_live(&self) -> bool {
        self.claimed && !self.over
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryStoreOptions::default(), Arc::new(SystemClock))
    }
}

impl MemoryStore {
    /// A store with these bounds.
    #[must_use]
    pub fn new(options: MemoryStoreOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            clock,
            calls: Mutex::default(),
        }
    }

    /// How many calls are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Every operation leaves the maps whole before it can panic, so a poisoned lock still guards good data.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        operation,
        "there is no such call, or it is over for too long",
    )
}

impl Calls {
    fn entry(&mut self, key: &CallKey, operation: &'static str) -> Result<&mut Entry> {
        self.by_key.get_mut(key).ok_or_else(|| not_found(operation))
    }

    fn record(&self, key: &CallKey) -> Option<CallRecord> {
        let entry = self.by_key.get(key)?;
        Some(entry.record(&self.tokens))
    }

    fn record_by_id(&self, id: &(AccountLabel, CallId)) -> Option<CallRecord> {
        self.record(self.by_id.get(id)?)
    }

    fn remove(&mut self, key: &CallKey) -> Option<Entry> {
        let entry = self.by_key.remove(key)?;
        if let Some(id) = &entry.record.call_id {
            self.by_id
                .remove(&(entry.record.account.clone(), id.clone()));
        }
        for token in &entry.tokens {
            self.tokens.remove(token);
        }
        Some(entry)
    }

    /// Takes out what is over; gives back the calls that had not ended.
    fn sweep(&mut self, now: SystemTime, options: &MemoryStoreOptions) -> Vec<CallRecord> {
        let age = |entry: &Entry| now.duration_since(entry.seen).unwrap_or_default();
        let is_over = |entry: &Entry| {
            let limit = if entry.record.ended.is_some() {
                options.keep_ended
            } else {
                options.max_silence
            };
            age(entry) >= limit
        };
        let over: Vec<CallKey> = self
            .by_key
            .iter()
            .filter(|(_, e)| is_over(e))
            .map(|(key, _)| key.clone())
            .collect();
        let mut dead = Vec::new();
        for mut entry in over.iter().filter_map(|key| self.remove(key)) {
            if entry.end(EndReason::NeverStarted, now) {
                dead.push(entry.record);
            }
        }
        dead
    }
}

impl Entry {
    fn end(&mut self, reason: EndReason, now: SystemTime) -> bool {
        if self.record.ended.is_some() {
            return false;
        }
        self.record.ended = Some(reason.clone());
        self.seen = now;
        self.ended.send_replace(Some(reason));
        true
    }

    /// As it is told to others.
    fn record(&self, tokens: &HashMap<MediaToken, Token>) -> CallRecord {
        let is_live = |token: &&MediaToken| tokens.get(token).is_some_and(Token::is_live);
        let live = self.tokens.iter().filter(is_live).count();
        let mut record = self.record.clone();
        record.live_streams = u32::try_from(live).unwrap_or(u32::MAX);
        record
    }
}

#[async_trait]
impl CallStore for MemoryStore {
    async fn open(&self, call: NewCall) -> Result<CallRecord> {
        let now = self.clock.now();
        let mut calls = self.lock();
        let by_id = call.call_id.clone().map(|id| (call.account.clone(), id));
        if let Some(known) = by_id.as_ref().and_then(|id| calls.record_by_id(id)) {
            return Ok(known);
        }
        if calls.by_key.len() >= self.options.max_calls {
            calls.sweep(now, &self.options);
        }
        if calls.by_key.contains_key(&call.key) {
            return Err(Error::new(
                ErrorKind::Store,
                "open call",
                "there is a call with this key already",
            ));
        }
        if calls.by_key.len() >= self.options.max_calls {
            return Err(Error::new(
                ErrorKind::Store,
                "open call",
                "the call store is full",
            ));
        }
        let status = call.status.unwrap_or(match call.direction {
            crate::Direction::Inbound => CallStatus::Ringing,
            crate::Direction::Outbound => CallStatus::Queued,
        });
        let record = CallRecord {
            key: call.key,
            provider: call.provider,
            account: call.account,
            call_id: call.call_id,
            home: call.home,
            direction: call.direction,
            from: call.from,
            to: call.to,
            status,
            history: vec![(now, status)],
            data: call.data,
            transfers: 0,
            live_streams: 0,
            ended: status.is_terminal().then_some(EndReason::CallEnded(status)),
        };
        if let Some(id) = by_id {
            calls.by_id.insert(id, record.key.clone());
        }
        let entry = Entry {
            record: record.clone(),
            ended: watch::Sender::new(record.ended.clone()),
            seen: now,
            tokens: Vec::new(),
            next: Next {
                answer: call.next,
                taken_by: None,
            },
        };
        calls.by_key.insert(record.key.clone(), entry);
        Ok(record)
    }

    async fn attach(&self, key: &CallKey, call: &CarrierCall) -> Result<()> {
        const OPERATION: &str = "attach call id";
        let taken = |detail: &str| Err(Error::new(ErrorKind::Store, OPERATION, detail));
        let id = &call.id;
        let mut calls = self.lock();
        let record = &mut calls.entry(key, OPERATION)?.record;
        match &record.call_id {
            Some(known) if known == id => {
                record.home = record.home.take().or_else(|| call.home.clone());
                return Ok(());
            }
            Some(_) => return taken("the call has another carrier id already"),
            None => {}
        }
        let by_id = (record.account.clone(), id.clone());
        if calls.by_id.get(&by_id).is_some_and(|other| other != key) {
            return taken("another call has this carrier id already");
        }
        calls.by_id.insert(by_id, key.clone());
        let record = &mut calls.entry(key, OPERATION)?.record;
        record.call_id = Some(id.clone());
        record.home = record.home.take().or_else(|| call.home.clone());
        Ok(())
    }

    async fn mint_token(&self, key: &CallKey, token: &MediaToken, grant: MediaGrant) -> Result<()> {
        const OPERATION: &str = "mint media token";
        let expires = self.clock.now().checked_add(grant.lifetime);
        let mut calls = self.lock();
        let calls = &mut *calls;
        let entry = calls
            .by_key
            .get_mut(key)
            .ok_or_else(|| not_found(OPERATION))?;
        if entry.record.ended.is_some() {
            return Err(Error::new(
                ErrorKind::Closed,
                OPERATION,
                "the call has ended",
            ));
        }
        // The carrier follows the last answer: what an earlier one offered and nobody took is void.
        entry.tokens.retain(|old| {
            let is_taken = calls.tokens.get(old).is_some_and(|old| old.claimed);
            if !is_taken {
                calls.tokens.remove(old);
            }
            is_taken
        });
        entry.tokens.push(token.clone());
        let minted = Token {
            key: key.clone(),
            expires,
            claimed: false,
            then: grant.then,
            stopped: watch::Sender::new(None),
            over: false,
        };
        calls.tokens.insert(token.clone(), minted);
        Ok(())
    }

    async fn claim_token(
        &self,
        account: &AccountLabel,
        token: &MediaToken,
    ) -> Result<ClaimedStream> {
        const OPERATION: &str = "claim media token";
        let now = self.clock.now();
        let mut calls = self.lock();
        let unknown = || {
            Error::new(
                ErrorKind::NotFound,
                OPERATION,
                "there is no such media token, or its time is over",
            )
        };
        let found = calls
            .tokens
            .get(token)
            .filter(|token| token.claimed || token.expires.is_none_or(|expires| expires > now))
            .ok_or_else(unknown)?;
        let (key, claimed, then) = (found.key.clone(), found.claimed, found.then);
        let entry = calls.entry(&key, OPERATION)?;
        if entry.record.account != *account {
            return Err(unknown());
        }
        if entry.record.ended.is_some() {
            return Err(Error::new(
                ErrorKind::Closed,
                OPERATION,
                "the call has ended",
            ));
        }
        if claimed {
            return Err(Error::new(
                ErrorKind::AlreadyClaimed,
                OPERATION,
                "another socket has this stream",
            ));
        }
        entry.seen = now;
        if let Some(token) = calls.tokens.get_mut(token) {
            token.claimed = true;
        }
        let call = calls.record(&key).ok_or_else(unknown)?;
        Ok(ClaimedStream::new(call, then))
    }

    async fn release_token(&self, token: &MediaToken) -> Result<()> {
        if let Some(token) = self.lock().tokens.get_mut(token) {
            token.claimed = false;
        }
        Ok(())
    }

    async fn finish_stream(&self, token: &MediaToken) -> Result<()> {
        if let Some(token) = self.lock().tokens.get_mut(token) {
            token.over = true;
        }
        Ok(())
    }

    async fn wait_for_stream_end(&self, token: &MediaToken) -> Result<EndReason> {
        const OPERATION: &str = "wait for the stream's end";
        let (key, mut stopped) = {
            let calls = self.lock();
            let token = calls.tokens.get(token);
            let token = token.ok_or_else(|| not_found(OPERATION))?;
            (token.key.clone(), token.stopped.subscribe())
        };
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

    async fn stop_streams(&self, key: &CallKey, reason: EndReason) -> Result<u32> {
        let mut calls = self.lock();
        let names = calls.entry(key, "stop streams")?.tokens.clone();
        let mut told = 0;
        for token in names.iter().filter_map(|name| calls.tokens.get(name)) {
            if token.is_live() {
                told += 1;
                // The first reason stays.
                token.stopped.send_if_modified(|stopped| {
                    let is_first = stopped.is_none();
                    stopped.get_or_insert_with(|| reason.clone());
                    is_first
                });
            }
        }
        Ok(told)
    }

    async fn set_next(&self, key: &CallKey, next: Option<Answer>) -> Result<()> {
        self.lock().entry(key, "set next answer")?.next = Next {
            answer: next,
            taken_by: None,
        };
        Ok(())
    }

    async fn take_next(&self, key: &CallKey, request: &str) -> Result<Option<Answer>> {
        let mut calls = self.lock();
        let next = &mut calls.entry(key, "take next answer")?.next;
        if next.answer.is_none() {
            return Ok(None);
        }
        let taker = next.taken_by.get_or_insert_with(|| request.to_owned());
        Ok(if taker == request {
            next.answer.clone()
        } else {
            None
        })
    }

    async fn note_transfer(&self, key: &CallKey) -> Result<()> {
        let mut calls = self.lock();
        let record = &mut calls.entry(key, "note transfer")?.record;
        record.transfers = record.transfers.saturating_add(1);
        Ok(())
    }

    async fn update_status(&self, key: &CallKey, status: CallStatus) -> Result<StatusUpdate> {
        let now = self.clock.now();
        let mut calls = self.lock();
        let entry = calls.entry(key, "update call status")?;
        let transition = entry.record.status.advance(status);
        if transition == Transition::Advanced {
            entry.seen = now;
            entry.record.status = status;
            if entry.record.history.len() < MAX_HISTORY {
                entry.record.history.push((now, status));
            }
            if status.is_terminal() {
                entry.end(EndReason::CallEnded(status), now);
            }
        }
        Ok(StatusUpdate {
            transition,
            status: entry.record.status,
        })
    }

    async fn end(&self, key: &CallKey, reason: EndReason) -> Result<bool> {
        let now = self.clock.now();
        Ok(self.lock().entry(key, "end call")?.end(reason, now))
    }

    async fn wait_for_end(&self, key: &CallKey) -> Result<EndReason> {
        let mut ended = self
            .lock()
            .entry(key, "wait for the call's end")?
            .ended
            .subscribe();
        match ended
            .wait_for(Option::is_some)
            .await
            .map(|reason| reason.clone())
        {
            Ok(Some(reason)) => Ok(reason),
            // The entry was swept: it had ended, or nobody heard of it for too long.
            _ => Ok(EndReason::NeverStarted),
        }
    }

    async fn find(&self, key: &CallKey) -> Result<Option<CallRecord>> {
        Ok(self.lock().record(key))
    }

    async fn find_by_id(&self, account: &AccountLabel, id: &CallId) -> Result<Option<CallRecord>> {
        Ok(self.lock().record_by_id(&(account.clone(), id.clone())))
    }

    async fn expire(&self) -> Result<Vec<CallRecord>> {
        let now = self.clock.now();
        Ok(self.lock().sweep(now, &self.options))
    }
}
