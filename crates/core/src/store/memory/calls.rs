//! The calls and their media tokens, as maps.

mod expiry;
mod streams;

use super::guard::{Accounts, Leases};
use super::{MemoryStoreOptions, NodeId};
use crate::store::{
    CallRecord, Claim, DataChanges, MAX_DATA_NAMES, MAX_HISTORY, MAX_OPEN_TRANSFERS, NewCall,
    StatusUpdate, StorePolicy, TransferOutcome, too_much_data,
};
use crate::{
    AccountLabel, AfterStream, Answer, CallId, CallKey, CallStatus, CarrierCall, EndReason, Error,
    ErrorKind, MediaToken, Result, Transition,
};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

type Ended = watch::Receiver<Option<EndReason>>;

#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Boxed: a table has up to twice the room that it needs, and is copied when it grows.
    by_key: HashMap<CallKey, Box<Entry>>,
    by_id: HashMap<(AccountLabel, CallId), CallKey>,
    tokens: HashMap<MediaToken, Token>,
    accounts: Accounts,
    pub(super) leases: Leases,
    /// When a full store was last searched for room.
    searched: Option<SystemTime>,
}

#[derive(Debug)]
struct Entry {
    record: CallRecord,
    /// Tells those who wait for its end, while there is somebody.
    waiters: Option<watch::Sender<Option<EndReason>>>,
    /// The last news of it.
    seen: SystemTime,
    /// When its carrier should be asked, if there is nothing new until then.
    ask_at: SystemTime,
    /// How often that was said since then.
    asked: u32,
    /// A media socket came for it.
    was_claimed: bool,
    /// Its media tokens, oldest first.
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
    state: TokenState,
    then: AfterStream,
    /// How many transfers had begun when it was offered.
    transfers: u32,
    /// Tells the stream to stop.
    stopped: watch::Sender<Option<EndReason>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TokenState {
    Offered,
    /// By that node, with a claim of that number.
    Claimed(NodeId, u64),
    /// The stream has come and gone.
    Over,
}

impl Token {
    fn holder(&self) -> Option<&NodeId> {
        match &self.state {
            TokenState::Claimed(node, _) => Some(node),
            _ => None,
        }
    }

    fn is_held_by(&self, claim: &Claim) -> bool {
        matches!(self.state, TokenState::Claimed(_, number) if number == claim.number)
    }
}

impl Entry {
    fn touch(&mut self, now: SystemTime, policy: &StorePolicy) {
        self.seen = now;
        self.asked = 0;
        self.ask_at = now + self.pause(policy);
    }

    /// How long until its carrier should be asked.
    fn pause(&self, policy: &StorePolicy) -> Duration {
        match self.record.ended.is_some() || self.record.planned_end.is_some() {
            true => policy.confirm_pause(self.asked),
            false => policy.silent_pause(self.asked),
        }
    }

    /// Whether the carrier can be asked about it, and has not said that it is over.
    fn is_open(&self) -> bool {
        self.record.call_id.is_some() && !self.record.status.is_terminal()
    }

    /// Whether this was the first.
    fn end(&mut self, reason: EndReason, now: SystemTime, policy: &StorePolicy) -> bool {
        if self.record.ended.is_some() {
            return false;
        }
        self.record.ended = Some(reason.clone());
        self.touch(now, policy);
        if let Some(waiters) = self.waiters.take() {
            waiters.send_replace(Some(reason));
        }
        true
    }

    /// As it is told to others.
    fn record(&self, tokens: &HashMap<MediaToken, Token>) -> CallRecord {
        let mut record = self.record.clone();
        let holders = self
            .tokens
            .iter()
            .filter_map(|name| tokens.get(name)?.holder());
        record.held_by = holders.cloned().collect();
        record.live_streams = u32::try_from(record.held_by.len()).unwrap_or(u32::MAX);
        // Another stream came.
        record.planned_end.take_if(|_| record.live_streams > 0);
        record.held_by.sort();
        record.held_by.dedup();
        record
    }
}

pub(super) fn not_found(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        operation,
        "there is no such call, or it is over for too long",
    )
}

fn has_ended(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the call has ended")
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    fn entry(&mut self, key: &CallKey, operation: &'static str) -> Result<&mut Entry> {
        let entry = self.by_key.get_mut(key);
        entry.map(Box::as_mut).ok_or_else(|| not_found(operation))
    }

    pub(super) fn record(&self, key: &CallKey) -> Option<CallRecord> {
        let entry = self.by_key.get(key)?;
        Some(entry.record(&self.tokens))
    }

    pub(super) fn record_by_id(&self, id: &(AccountLabel, CallId)) -> Option<CallRecord> {
        self.record(self.by_id.get(id)?)
    }

    pub(super) fn open(
        &mut self,
        call: NewCall,
        now: SystemTime,
        options: &MemoryStoreOptions,
    ) -> Result<CallRecord> {
        const OPERATION: &str = "open call";
        let refuse = |detail: &str| Err(Error::new(ErrorKind::Store, OPERATION, detail));
        let by_id = call.call_id.clone().map(|id| (call.account.clone(), id));
        if let Some(known) = by_id.as_ref().and_then(|id| self.record_by_id(id)) {
            return Ok(known);
        }
        if self.by_key.contains_key(&call.key) {
            return refuse("there is a call with this key already");
        }
        if self.by_key.len() >= options.max_calls {
            self.search_for_room(now, &options.policy);
        }
        if self.by_key.len() >= options.max_calls {
            return refuse("the call store is full");
        }
        let limits = options.policy.limits_of(&call.account);
        self.accounts.admit(&call.account, limits, now)?;
        let next = Next {
            answer: call.next.clone(),
            taken_by: None,
        };
        let record = CallRecord::opened(call, now);
        if record.ended.is_some() {
            self.accounts.release(&record.account);
        }
        if let Some(id) = by_id {
            self.by_id.insert(id, record.key.clone());
        }
        let entry = Entry {
            record: record.clone(),
            waiters: None,
            seen: now,
            ask_at: now + options.policy.silent_pause(0),
            asked: 0,
            was_claimed: false,
            tokens: Vec::new(),
            next,
        };
        self.by_key.insert(record.key.clone(), Box::new(entry));
        Ok(record)
    }

    pub(super) fn attach(&mut self, key: &CallKey, call: &CarrierCall) -> Result<()> {
        const OPERATION: &str = "attach call id";
        let taken = |detail: &str| Err(Error::new(ErrorKind::Store, OPERATION, detail));
        let record = &mut self.entry(key, OPERATION)?.record;
        match &record.call_id {
            Some(known) if *known == call.id => {
                record.home = record.home.take().or_else(|| call.home.clone());
                return Ok(());
            }
            Some(_) => return taken("the call has another carrier id already"),
            None => {}
        }
        let by_id = (record.account.clone(), call.id.clone());
        if self.by_id.get(&by_id).is_some_and(|other| other != key) {
            return taken("another call has this carrier id already");
        }
        self.by_id.insert(by_id, key.clone());
        let record = &mut self.entry(key, OPERATION)?.record;
        record.call_id = Some(call.id.clone());
        record.home = record.home.take().or_else(|| call.home.clone());
        Ok(())
    }

    pub(super) fn update_data(&mut self, key: &CallKey, changes: DataChanges) -> Result<()> {
        let data = &mut self.entry(key, "keep data")?.record.data;
        let mut changed = data.clone();
        for (name, value) in changes {
            match value {
                Some(value) => drop(changed.insert(name, value)),
                None => drop(changed.remove(&name)),
            }
        }
        if changed.len() > MAX_DATA_NAMES {
            return Err(too_much_data());
        }
        *data = changed;
        Ok(())
    }

    pub(super) fn set_next(
        &mut self,
        key: &CallKey,
        next: Option<Answer>,
    ) -> Result<Option<Answer>> {
        let next = Next {
            answer: next,
            taken_by: None,
        };
        let former = std::mem::replace(&mut self.entry(key, "set next answer")?.next, next);
        Ok(former.answer.filter(|_| former.taken_by.is_none()))
    }

    pub(super) fn take_next(
        &mut self,
        key: &CallKey,
        request: &str,
        now: SystemTime,
        policy: &StorePolicy,
    ) -> Result<Option<Answer>> {
        let entry = self.entry(key, "take next answer")?;
        if entry.record.ended.is_none() {
            // The carrier asks: the call lives.
            entry.touch(now, policy);
        }
        let next = &mut entry.next;
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

    pub(super) fn begin_transfer(&mut self, key: &CallKey, now: SystemTime) -> Result<u32> {
        let record = &mut self.entry(key, "begin transfer")?.record;
        record.transfers = record.transfers.saturating_add(1);
        record.open_transfers.insert(record.transfers, now);
        if record.open_transfers.len() > MAX_OPEN_TRANSFERS {
            record.open_transfers.pop_first();
        }
        Ok(record.transfers)
    }

    pub(super) fn end_transfer(
        &mut self,
        key: &CallKey,
        number: u32,
        outcome: TransferOutcome,
    ) -> Result<()> {
        let tokens = &mut self.tokens;
        let entry = self
            .by_key
            .get_mut(key)
            .ok_or_else(|| not_found("end transfer"))?;
        let record = &mut entry.record;
        record.open_transfers.remove(&number);
        if outcome == TransferOutcome::Refused {
            return Ok(());
        }
        record.moved = record.moved.max(number);
        record
            .planned_end
            .take_if(|planned| planned.transfers < number);
        if outcome == TransferOutcome::Taken {
            let is_void = |old: &MediaToken| {
                tokens.get(old).is_none_or(|token| {
                    token.state == TokenState::Offered && token.transfers < number
                })
            };
            let void: Vec<_> = entry.tokens.extract_if(.., |old| is_void(old)).collect();
            for old in void {
                tokens.remove(&old);
            }
        }
        Ok(())
    }

    pub(super) fn update_status(
        &mut self,
        key: &CallKey,
        status: CallStatus,
        now: SystemTime,
        policy: &StorePolicy,
    ) -> Result<StatusUpdate> {
        let entry = self.entry(key, "update call status")?;
        let transition = entry.record.status.advance(status);
        if transition == Transition::Advanced {
            entry.touch(now, policy);
            entry.record.status = status;
            if entry.record.history.len() < MAX_HISTORY {
                entry.record.history.push((now, status));
            }
            if status.is_terminal() {
                self.end(key, EndReason::CallEnded(status), now, policy);
            }
        }
        let status = self.entry(key, "update call status")?.record.status;
        Ok(StatusUpdate { transition, status })
    }

    /// Whether this was the first end; [`None`] if there is no such call.
    pub(super) fn end(
        &mut self,
        key: &CallKey,
        reason: EndReason,
        now: SystemTime,
        policy: &StorePolicy,
    ) -> Option<bool> {
        let entry = self.by_key.get_mut(key)?;
        let is_first = entry.end(reason, now, policy);
        if is_first {
            self.accounts.release(&entry.record.account);
        }
        Some(is_first)
    }
}
