//! What is over, and what needs care.

use super::RedisStore;
use super::streams::read_held;
use crate::keys::SLOTS;
use crate::record::{Fields, account, after_from_text, call_id, record, to_json, tokens};
use crate::script;
use futures_util::future::join_all;
use std::sync::atomic::Ordering;
use telephony_core::{
    CallKey, CallRecord, Claim, ClaimedStream, EndReason, Expired, NodeId, Result,
};

const EXPIRE: &str = "find expired calls";
/// How many calls are looked at together.
const TOGETHER: usize = 64;

/// What came of looking at a call that was due.
enum Found {
    /// Nothing to be told, but it was worth a look.
    Nothing,
    /// It should be asked about, and there is no room for it.
    Left,
    GivenUp(CallKey, Fields),
    Silent(CallKey, Fields),
}

/// How much is found at most.
struct Room {
    given_up: usize,
    silent: usize,
}

/// One call that cannot be read must not keep the others from being found.
fn readable(key: CallKey, fields: &Fields) -> Option<CallRecord> {
    let log = |error| tracing::error!(%error, call = %key, "a call that needs care cannot be read");
    record(key.clone(), fields).map_err(log).ok()
}

impl RedisStore {
    pub(super) async fn search(&self, limit: usize, silent: usize) -> Result<Expired> {
        let mut expired = Expired::new();
        let room = Room {
            given_up: limit,
            silent: silent.min(limit),
        };
        let searched = self.search_all(&room, &mut expired).await;
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
    async fn search_all(&self, room: &Room, expired: &mut Expired) -> Result<()> {
        self.orphans(room.given_up, &mut expired.orphaned).await?;
        let first = self.next_slot.load(Ordering::Relaxed);
        let (mut searched, mut next) = (Ok(()), None);
        for slot in (first..first + SLOTS).map(|slot| slot % SLOTS) {
            searched = searched.and(self.search_slot(slot, room, expired).await);
            let is_full = expired.never_started.len() >= room.given_up;
            if is_full || expired.silent.len() >= room.silent {
                next.get_or_insert(slot + 1);
            }
            if is_full {
                break;
            }
        }
        let next = next.unwrap_or(first + 1) % SLOTS;
        self.next_slot.store(next, Ordering::Relaxed);
        searched
    }

    /// What ended long ago is forgotten however much else there is.
    async fn search_slot(&self, slot: u32, room: &Room, expired: &mut Expired) -> Result<()> {
        // What is left where it is: there is no room for it, or it cannot be looked at.
        let (mut left, mut failed) = (0, Ok(()));
        loop {
            let together = room.given_up.saturating_sub(expired.never_started.len());
            let together = together.min(TOGETHER);
            if together == 0 {
                return failed;
            }
            let mut due = script::DUE.key(self.keys.due(slot));
            due.arg(self.now()).arg(together).arg(left);
            let due: Vec<String> = self.ask(EXPIRE, due).await?;
            let mut asks = room.silent.saturating_sub(expired.silent.len());
            let all = due.iter().map(|key| {
                let may_ask = asks > 0;
                asks = asks.saturating_sub(1);
                self.examine(slot, key, may_ask)
            });
            let mut failures = 0;
            for found in join_all(all).await {
                match found {
                    Ok(Found::Nothing) => {}
                    Ok(Found::Left) => left += 1,
                    Ok(Found::GivenUp(key, fields)) => {
                        expired.never_started.extend(readable(key, &fields));
                    }
                    Ok(Found::Silent(key, fields)) => {
                        expired.silent.extend(readable(key, &fields));
                    }
                    Err(error) => {
                        left += 1;
                        failures += 1;
                        failed = Err(error);
                    }
                }
            }
            if due.len() < together || failures == due.len() {
                return failed;
            }
        }
    }

    async fn examine(&self, slot: u32, key: &str, may_ask: bool) -> Result<Found> {
        let Ok(key) = CallKey::parse(key) else {
            tracing::error!("something that is due cannot be read; it is taken out");
            let mut command = redis::cmd("ZREM");
            command.arg(self.keys.due(slot)).arg(key);
            let _: u64 = self.command(EXPIRE, command).await?;
            return Ok(Found::Nothing);
        };
        let mut examine = self.on_call(&script::EXAMINE, &key);
        examine
            .arg(to_json(&EndReason::NeverStarted)?)
            .arg(u8::from(may_ask));
        let (code, fields): (u8, Fields) = self.ask(EXPIRE, examine).await?;
        Ok(match code {
            1 => {
                self.forget(&key, &fields).await?;
                Found::Nothing
            }
            2 => {
                self.has_ended(&account(&fields)?, &key).await;
                Found::GivenUp(key, fields)
            }
            3 => Found::Silent(key, fields),
            5 => Found::Left,
            _ => Found::Nothing,
        })
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
                orphans.extend(self.orphan(&claim, key).await?);
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
