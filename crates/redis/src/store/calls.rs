//! Calls: opening, finding, statuses, the end.

use super::{GRACE, RedisStore, known, not_found};
use crate::error::unreadable;
use crate::record::{Fields, from_json, millis, new_fields, record, status, to_json};
use crate::script;
use std::time::Duration;
use telephony_core::store::{DataChanges, MAX_DATA_NAMES, MAX_HISTORY, too_much_data};
use telephony_core::{
    AccountLabel, AccountLimits, Answer, CallId, CallKey, CallRecord, CallStatus, CarrierCall,
    EndReason, Error, ErrorKind, NewCall, Result, Retry, StatusUpdate, TransferOutcome, Transition,
};
use tokio::time::Instant;

/// A last status whose answer was lost is reported again after that pause, and again, for as long as so many operations and
/// pauses take.
const STATUS_REPEATS: u32 = 2;
const STATUS_PAUSE: Duration = Duration::from_millis(250);
/// How long a call that is being opened counts as a live one.
const OPENING: Duration = Duration::from_secs(60);

impl RedisStore {
    /// The call and its id are in different slots of a cluster, so this takes steps. The call is written before its id leads
    /// to it: who finds the id finds the call. Who loses the id takes back a call that nobody has seen.
    pub(super) async fn open_call(&self, call: NewCall) -> Result<CallRecord> {
        const OPERATION: &str = "open call";
        let (account, id) = (call.account.clone(), call.call_id.clone());
        if let Some(id) = &id
            && let Some(known) = self.read_by_id(&account, id).await?
        {
            return Ok(known);
        }
        let limits = self.options.policy.limits_of(&account);
        self.admit(&call.key, &account, limits).await?;
        let (opened, number) = match self.write(&call).await {
            Ok(opened) => opened,
            Err(error) => {
                self.release(&account, &call.key, limits).await;
                return Err(error);
            }
        };
        let other = match &id {
            Some(id) => self.own_id(&account, id, &opened.key, OPERATION).await,
            None => Ok(None),
        };
        match other {
            Ok(None) => {}
            Ok(Some(other)) => {
                self.take_back(&opened, number, limits).await;
                return Ok(other);
            }
            Err(error) => {
                self.take_back(&opened, number, limits).await;
                return Err(error);
            }
        }
        if opened.ended.is_some() {
            self.release(&account, &opened.key, limits).await;
        } else if limits.live_calls.is_some() {
            self.count(&account, &opened.key).await;
        }
        Ok(opened)
    }

    /// Takes back a call that nobody has seen. Should this fail, it is found as a silent one.
    async fn take_back(&self, opened: &CallRecord, number: String, limits: AccountLimits) {
        let mut drop = self.on_call(&script::DROP, &opened.key);
        drop.arg(number);
        if let Err(error) = self.ask::<u8>("take back call", drop).await {
            tracing::warn!(%error, call = %opened.key, "a call that was opened twice is left over for now");
        }
        self.release(&opened.account, &opened.key, limits).await;
    }

    async fn write(&self, call: &NewCall) -> Result<(CallRecord, String)> {
        const OPERATION: &str = "open call";
        // The time is the store's; only the status is taken from this.
        let draft = CallRecord::opened(call.clone(), std::time::SystemTime::UNIX_EPOCH);
        let mut open = self.on_call(&script::OPEN, &call.key);
        open.arg(draft.status.as_str())
            .arg("rk")
            .arg(draft.status.rank());
        if let Some(reason) = &draft.ended {
            open.arg("en").arg(to_json(reason)?);
        }
        for (name, value) in new_fields(call, self.options.keep_parties)? {
            open.arg(name).arg(value);
        }
        let (code, mut fields): (u8, Fields) = self.ask(OPERATION, open).await?;
        if code != 1 {
            let detail = "there is a call with this key already";
            return Err(Error::new(ErrorKind::Store, OPERATION, detail));
        }
        let number = fields.remove("on").ok_or_else(|| unreadable(OPERATION))?;
        Ok((record(call.key.clone(), &fields)?, number))
    }

    async fn admit(
        &self,
        key: &CallKey,
        account: &AccountLabel,
        limits: AccountLimits,
    ) -> Result<()> {
        if limits == AccountLimits::none() {
            return Ok(());
        }
        let mut admit = script::ADMIT.prepare_invoke();
        for name in self.keys.account(account) {
            admit.key(name);
        }
        let rate = limits.call_rate.map(|rate| rate.interval_and_lead());
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let text = |number: Option<u64>| number.map_or(String::new(), |number| number.to_string());
        admit
            .arg(self.now())
            .arg(key.as_str())
            .arg(text(limits.live_calls.map(u64::from)))
            .arg(millis(OPENING))
            .arg(text(rate.map(|(interval, _)| micros(interval))))
            .arg(text(rate.map(|(_, lead)| micros(lead))));
        match self.ask("open call", admit).await? {
            (0, _) => Ok(()),
            (1, _) => Err(AccountLimits::too_many()),
            (_, wait) => Err(AccountLimits::too_fast(Duration::from_micros(wait))),
        }
    }

    /// Counts a call as live until it has ended. Should this fail, it counts for a short while only.
    async fn count(&self, account: &AccountLabel, key: &CallKey) {
        let [live, _] = self.keys.account(account);
        let mut count = script::COUNT.key(live);
        count.arg(self.now()).arg(key.as_str()).arg(self.longest());
        if let Err(error) = self.ask::<u8>("count live calls", count).await {
            tracing::warn!(%error, call = %key, "a call does not count as live");
        }
    }

    /// The call does not count any more. Should this fail, it stops by itself some day.
    async fn release(&self, account: &AccountLabel, key: &CallKey, limits: AccountLimits) {
        if limits.live_calls.is_some() {
            let [live, _] = self.keys.account(account);
            let mut command = redis::cmd("ZREM");
            command.arg(live).arg(key.as_str());
            if let Err(error) = self.command::<u64>("count live calls", command).await {
                tracing::warn!(%error, call = %key, "a call that has ended still counts as live");
            }
        }
    }

    pub(super) async fn has_ended(&self, account: &AccountLabel, key: &CallKey) {
        let limits = self.options.policy.limits_of(account);
        self.release(account, key, limits).await;
    }

    /// Makes the carrier's id lead to that call. Another call that it leads to is given back.
    async fn own_id(
        &self,
        account: &AccountLabel,
        id: &CallId,
        key: &CallKey,
        operation: &'static str,
    ) -> Result<Option<CallRecord>> {
        let name = self.keys.id(account, id);
        let mut gone = String::new();
        // Twice only if the id leads to a call that is forgotten; more often only if others do the same.
        for _ in 0..8 {
            let mut own = script::OWN_ID.key(&name);
            own.arg(key.as_str()).arg(self.longest() * 2).arg(&gone);
            let owner: String = self.ask(operation, own).await?;
            if owner.is_empty() {
                return Ok(None);
            }
            match self.read(&CallKey::parse(&owner)?).await? {
                Some(other) => return Ok(Some(other)),
                None => gone = owner,
            }
        }
        let detail = "the carrier's id changes its call all the time";
        Err(Error::new(ErrorKind::Store, operation, detail))
    }

    /// The carrier's id does not lead to that call any more.
    pub(super) async fn free_id(
        &self,
        account: &AccountLabel,
        id: &CallId,
        key: &CallKey,
        operation: &'static str,
    ) -> Result<()> {
        let mut free = script::FREE_ID.key(self.keys.id(account, id));
        free.arg(key.as_str());
        self.ask::<u8>(operation, free).await.map(drop)
    }

    pub(super) async fn read(&self, key: &CallKey) -> Result<Option<CallRecord>> {
        let mut command = redis::cmd("HGETALL");
        let [call, ..] = self.keys.call(key);
        command.arg(call);
        let fields: Fields = self.command("find call", command).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        record(key.clone(), &fields).map(Some)
    }

    pub(super) async fn read_by_id(
        &self,
        account: &AccountLabel,
        id: &CallId,
    ) -> Result<Option<CallRecord>> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.id(account, id));
        let key: Option<String> = self.command("find call", command).await?;
        match key {
            Some(key) => self.read(&CallKey::parse(&key)?).await,
            None => Ok(None),
        }
    }

    pub(super) async fn attach_id(&self, key: &CallKey, call: &CarrierCall) -> Result<()> {
        const OPERATION: &str = "attach call id";
        let taken = |detail: &str| Err(Error::new(ErrorKind::Store, OPERATION, detail));
        let another = || taken("the call has another carrier id already");
        let home = call.home.as_deref().unwrap_or_default();
        let step = |set: &'static str| {
            let mut step = self.on_call(&script::ATTACH, key);
            step.arg(call.id.as_str()).arg(home).arg(set);
            step
        };
        let (code, account): (u8, String) = self.ask(OPERATION, step("")).await?;
        match known(code, OPERATION)? {
            1 => return Ok(()),
            2 => return another(),
            _ => {}
        }
        let account = AccountLabel::new(account)?;
        let owner = self.own_id(&account, &call.id, key, OPERATION).await?;
        if owner.is_some() {
            return taken("another call has this carrier id already");
        }
        let (code, _): (u8, String) = self.ask(OPERATION, step("set")).await?;
        if code != 1 {
            self.free_id(&account, &call.id, key, OPERATION).await?;
            known(code, OPERATION)?;
            return another();
        }
        Ok(())
    }

    pub(super) async fn change_data(&self, key: &CallKey, changes: DataChanges) -> Result<()> {
        const OPERATION: &str = "keep data";
        let mut change = self.on_call(&script::DATA, key);
        change.arg(MAX_DATA_NAMES);
        for (name, value) in changes {
            let is_set = u8::from(value.is_some());
            change.arg(name).arg(is_set).arg(value.unwrap_or_default());
        }
        match known(self.ask(OPERATION, change).await?, OPERATION)? {
            1 => Ok(()),
            _ => Err(too_much_data()),
        }
    }

    pub(super) async fn keep_next(
        &self,
        key: &CallKey,
        next: Option<Answer>,
    ) -> Result<Option<Answer>> {
        const OPERATION: &str = "set next answer";
        let next = next.as_ref().map(to_json).transpose()?;
        let mut keep = self.on_call(&script::NEXT, key);
        keep.arg(next.unwrap_or_default());
        let (code, former): (u8, String) = self.ask(OPERATION, keep).await?;
        known(code, OPERATION)?;
        match former.as_str() {
            "" => Ok(None),
            former => from_json(former).map(Some),
        }
    }

    pub(super) async fn settle_transfer(
        &self,
        key: &CallKey,
        number: u32,
        outcome: TransferOutcome,
    ) -> Result<()> {
        const OPERATION: &str = "end transfer";
        let mut settle = self.on_call(&script::END_TRANSFER, key);
        settle.arg(number).arg(match outcome {
            TransferOutcome::Taken => "t",
            TransferOutcome::Refused => "r",
            TransferOutcome::Unknown => "u",
        });
        let (code, void): (u8, Vec<String>) = self.ask(OPERATION, settle).await?;
        known(code, OPERATION)?;
        self.forget_tokens(&void).await;
        Ok(())
    }

    pub(super) async fn give_next(&self, key: &CallKey, request: &str) -> Result<Option<Answer>> {
        const OPERATION: &str = "take next answer";
        let mut take = self.on_call(&script::TAKE, key);
        take.arg(request);
        let (code, next): (u8, String) = self.ask(OPERATION, take).await?;
        known(code, OPERATION)?;
        if next.is_empty() {
            return Ok(None);
        }
        from_json(&next).map(Some)
    }

    pub(super) async fn report(&self, key: &CallKey, reported: CallStatus) -> Result<StatusUpdate> {
        const OPERATION: &str = "update call status";
        let (code, word, ended, account, id) = self.until_told(OPERATION, key, reported).await?;
        let transition = match known(code, OPERATION)? {
            1 => Transition::Stale,
            _ => Transition::Advanced,
        };
        if ended {
            self.has_ended(&AccountLabel::new(&account)?, key).await;
        } else if transition == Transition::Advanced && !id.is_empty() {
            // The id leads to the call for as long as the call is kept.
            let name = self
                .keys
                .id(&AccountLabel::new(&account)?, &CallId::new(id)?);
            let mut command = redis::cmd("PEXPIRE");
            command.arg(name).arg(self.longest() * 2);
            if let Err(error) = self.command::<u8>(OPERATION, command).await {
                tracing::warn!(%error, call = %key, "a call's id may be forgotten before the call");
            }
        }
        Ok(StatusUpdate {
            transition,
            status: status(&word)?,
        })
    }

    /// Reports a status. An end whose answer is lost would be told to nobody: it is reported again, under its number, also to a
    /// Redis that is away for a moment.
    async fn until_told(
        &self,
        operation: &'static str,
        key: &CallKey,
        reported: CallStatus,
    ) -> Result<(u8, String, bool, String, String)> {
        let ends = match reported.is_terminal() {
            true => to_json(&EndReason::CallEnded(reported))?,
            false => String::new(),
        };
        let once = self.options.operation_timeout.saturating_add(STATUS_PAUSE);
        let (began, time) = (Instant::now(), once.saturating_mul(STATUS_REPEATS));
        let (number, mut is_unknown) = (self.number(), false);
        loop {
            let mut report = self.on_call_as(&script::STATUS, key, &number);
            report
                .arg(reported.as_str())
                .arg(reported.rank())
                .arg(&ends)
                .arg(MAX_HISTORY);
            let error = match self.ask(operation, report).await {
                Ok(told) => return Ok(told),
                Err(error) => error,
            };
            is_unknown |= error.retry() == Retry::OutcomeUnknown;
            if !is_unknown {
                return Err(error);
            }
            if !reported.is_terminal() || began.elapsed() >= time {
                return Err(error.with_retry(Retry::OutcomeUnknown));
            }
            tokio::time::sleep(STATUS_PAUSE).await;
        }
    }

    pub(super) async fn end_call(&self, key: &CallKey, reason: &EndReason) -> Result<bool> {
        const OPERATION: &str = "end call";
        let mut end = self.on_call(&script::END, key);
        end.arg(to_json(reason)?);
        let (code, account): (u8, String) = self.ask(OPERATION, end).await?;
        let is_first = known(code, OPERATION)? == 2;
        if is_first {
            self.has_ended(&AccountLabel::new(&account)?, key).await;
        }
        Ok(is_first)
    }

    pub(super) async fn stop(
        &self,
        key: &CallKey,
        reason: &EndReason,
        before: Option<u32>,
    ) -> Result<u32> {
        const OPERATION: &str = "stop streams";
        let mut stop = self.on_call(&script::STOP, key);
        let before = before.map(|number| number.to_string());
        stop.arg(to_json(reason)?).arg(before.unwrap_or_default());
        let told: i64 = self.ask(OPERATION, stop).await?;
        u32::try_from(told).map_err(|_| not_found(OPERATION))
    }

    /// How long a token's name leads to its call.
    pub(super) fn token_life(&self, lifetime: Duration) -> u64 {
        // Also after it was claimed: a late socket is told that it is late.
        millis(lifetime).saturating_add(self.longest() + millis(GRACE))
    }
}
