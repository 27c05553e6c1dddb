//! What is over, and what needs care.

use super::RedisStore;
use super::streams::read_held;
use crate::keys::SLOTS;
use crate::record::{Fields, account, after_from_text, call_id, record, to_json, tokens};
use crate::script;
use futures_util::future::join_all;
use std::sync::atomic::Ordering;
use telephony_core::{
    CallKey, CallRecord, Claim, ClaimedStream, EndReason, Expired, NodeId, Result, Retry,
};

const EXPIRE: &str = "find expired calls";
/// How many calls are looked at together.
const TOGETHER: usize = 64;

/// What calls are due for.
#[derive(Clone, Copy)]
enum Due {
    /// To be forgotten or given up.
    End,
    /// To be asked about.
    Ask,
}

/// One call that cannot be read must not keep the others from being found.
fn readable(key: CallKey, fields: &Fields) -> Option<CallRecord> {
    let log = |error| tracing::error!(%error, call = %key, "a call that needs care cannot be read");
    record(key.clone(), fields).map_err(log).ok()
}

impl RedisStore {
    pub(super) async fn search(&self, limit: usize, silent: usize) -> Result<Expired> {
        let mut expired = Expired::new();
        let silent = silent.min(limit);
        let searched = self.search_all(limit, silent, &mut expired).await;
        match searched {
            Err(error) if expired.is_empty() => Err(error),
            // What was found is found no second time, so it is given all the same.
            Err(error) => {
                tracing::error!(%error, "not all calls that are due could be looked at");
                Ok(expired)
            }
            Ok(()) => Ok(expired),
        }
    }

    /// Begins behind the slot where there was no more room the last time, so that none waits for ever.
    async fn search_all(&self, limit: usize, silent: usize, expired: &mut Expired) -> Result<()> {
        let mut searched = self.orphans(limit, &mut expired.orphaned).await;
        let first = self.next_slot.load(Ordering::Relaxed);
        let mut next = None;
        for slot in (first..first + SLOTS).map(|slot| slot % SLOTS) {
            let (given_up, asked) = (&mut expired.never_started, &mut expired.silent);
            let ended = self.search_slot(slot, Due::End, limit, given_up).await;
            let silenced = self.search_slot(slot, Due::Ask, silent, asked).await;
            searched = searched.and(ended).and(silenced);
            if given_up.len() >= limit || asked.len() >= silent {
                next.get_or_insert(slot + 1);
            }
        }
        let next = next.unwrap_or(first + 1) % SLOTS;
        self.next_slot.store(next, Ordering::Relaxed);
        searched
    }

    /// Looks at all that is due in a slot, until so much is found.
    async fn search_slot(
        &self,
        slot: u32,
        due: Due,
        limit: usize,
        found: &mut Vec<CallRecord>,
    ) -> Result<()> {
        // What cannot be looked at is left where it is.
        let (mut left, mut failed) = (0, Ok(()));
        loop {
            let together = limit.saturating_sub(found.len()).min(TOGETHER);
            if together == 0 {
                return failed;
            }
            let name = self.name_of(due, slot);
            let mut read = script::DUE.key(&name);
            read.arg(self.now()).arg(together).arg(left);
            let keys: Vec<String> = self.ask(EXPIRE, read).await?;
            let before = left;
            let all = keys.iter().map(|key| self.look_at(key, due, &name));
            for looked in join_all(all).await {
                match looked {
                    Ok(record) => found.extend(record),
                    Err(error) => {
                        left += 1;
                        failed = Err(error);
                    }
                }
            }
            if keys.len() < together || left - before == keys.len() {
                return failed;
            }
        }
    }

    fn name_of(&self, due: Due, slot: u32) -> String {
        match due {
            Due::End => self.keys.due(slot),
            Due::Ask => self.keys.asks(slot),
        }
    }

    /// The call, if it is to be told of.
    async fn look_at(&self, key: &str, due: Due, name: &str) -> Result<Option<CallRecord>> {
        let Ok(key) = CallKey::parse(key) else {
            tracing::error!("something that is due cannot be read; it is taken out");
            let mut command = redis::cmd("ZREM");
            command.arg(name).arg(key);
            let _: u64 = self.command(EXPIRE, command).await?;
            return Ok(None);
        };
        match due {
            Due::End => self.examine(key).await,
            Due::Ask => {
                let ask = self.on_call(&script::ASK, &key);
                let (code, fields): (u8, Fields) = self.ask(EXPIRE, ask).await?;
                Ok((code == 1).then(|| readable(key, &fields)).flatten())
            }
        }
    }

    async fn examine(&self, key: CallKey) -> Result<Option<CallRecord>> {
        let mut examine = self.on_call(&script::EXAMINE, &key);
        examine.arg(to_json(&EndReason::NeverStarted)?);
        let (code, fields): (u8, Fields) = self.ask(EXPIRE, examine).await?;
        match code {
            1 => self.forget(&key, &fields).await.map(|()| None),
            2 => {
                self.has_ended(&account(&fields)?, &key).await;
                Ok(readable(key, &fields))
            }
            _ => Ok(None),
        }
    }

    /// Takes out what led to a call that is gone.
    async fn forget(&self, key: &CallKey, fields: &Fields) -> Result<()> {
        if let Some(id) = call_id(fields)? {
            self.free_id(&account(fields)?, &id, key, EXPIRE).await?;
        }
        let names: Vec<_> = tokens(fields).map(|(token, _)| token.to_owned()).collect();
        self.forget_tokens(&names).await;
        Ok(())
    }

    /// Ends the streams of lost nodes.
    async fn orphans(&self, limit: usize, orphans: &mut Vec<ClaimedStream>) -> Result<()> {
        let [until, since] = self.keys.nodes();
        let mut lost = script::LOST.key(until);
        lost.key(since)
            .arg(self.now())
            .arg(self.node.as_str())
            .arg(crate::record::millis(self.options.policy.lease));
        let lost: Vec<String> = self.ask(EXPIRE, lost).await?;
        for node in lost.iter().filter(|node| *node != self.node.as_str()) {
            let Ok(node) = NodeId::parse(node) else {
                tracing::error!("the name of a lost node cannot be read; it is left alone");
                continue;
            };
            self.orphans_of(&node, limit, orphans).await?;
            self.bury(&node).await?;
        }
        Ok(())
    }

    /// What cannot be read stays, and its node with it: a node of a newer version can end that stream, while without its name
    /// nobody would before [`max_silence`](telephony_core::StorePolicy::max_silence).
    async fn orphans_of(
        &self,
        node: &NodeId,
        limit: usize,
        orphans: &mut Vec<ClaimedStream>,
    ) -> Result<()> {
        let name = self.keys.held(node);
        let (mut cursor, mut unreadable) = (String::from("0"), 0_u32);
        loop {
            let mut command = redis::cmd("SSCAN");
            command.arg(&name).arg(&cursor).arg("COUNT").arg(TOGETHER);
            let (next, held): (String, Vec<String>) = self.command(EXPIRE, command).await?;
            for stream in held {
                if orphans.len() >= limit {
                    return Ok(());
                }
                let Ok((claim, key)) = read_held(&stream) else {
                    unreadable += 1;
                    continue;
                };
                match self.orphan(&claim, key).await {
                    Ok(orphan) => orphans.extend(orphan),
                    Err(error) if error.retry() == Retry::Safe => return Err(error),
                    Err(_) => {
                        unreadable += 1;
                        continue;
                    }
                }
                let mut command = redis::cmd("SREM");
                command.arg(&name).arg(&stream);
                let _: u64 = self.command(EXPIRE, command).await?;
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        if unreadable > 0 {
            tracing::error!(%node, unreadable, "streams of a lost node cannot be read; they are left alone");
        }
        Ok(())
    }

    async fn orphan(&self, claim: &Claim, key: CallKey) -> Result<Option<ClaimedStream>> {
        let mut orphan = self.on_call(&script::ORPHAN, &key);
        orphan
            .arg(claim.token.as_str())
            .arg(claim.number)
            .arg(to_json(&EndReason::NodeLost)?);
        let (code, after, transfers, fields): (u8, String, String, Fields) =
            self.ask(EXPIRE, orphan).await?;
        if code != 1 {
            return Ok(None);
        }
        let transfers = transfers.parse().unwrap_or_default();
        let call = readable(key, &fields).filter(|call| !call.status.is_terminal());
        Ok(call.map(|call| ClaimedStream::new(call, after_from_text(&after), transfers)))
    }

    async fn bury(&self, node: &NodeId) -> Result<()> {
        let [until, since] = self.keys.nodes();
        let mut bury = script::BURY.key(until);
        bury.key(since)
            .key(self.keys.held(node))
            .arg(self.now())
            .arg(node.as_str());
        self.ask::<u8>(EXPIRE, bury).await.map(drop)
    }
}
