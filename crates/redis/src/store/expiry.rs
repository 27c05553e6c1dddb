//! What is over, and what needs care.

use super::RedisStore;
use super::streams::read_held;
use crate::keys::SLOTS;
use crate::record::{Fields, account, after_from_text, call_id, record, to_json, tokens};
use crate::script;
use futures_util::future::try_join_all;
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
    GivenUp(CallKey, Fields),
    Silent(CallKey, Fields),
}

/// One call that cannot be read must not keep the others from being found.
fn readable(key: CallKey, fields: &Fields) -> Option<CallRecord> {
    let log = |error| tracing::error!(%error, call = %key, "a call that needs care cannot be read");
    record(key.clone(), fields).map_err(log).ok()
}

impl RedisStore {
    pub(super) async fn search(&self, limit: usize) -> Result<Expired> {
        let mut expired = Expired::new();
        expired.orphaned = self.orphans(limit).await?;
        for slot in 0..SLOTS {
            self.search_slot(slot, limit, &mut expired).await?;
            let is_full = expired.never_started.len().max(expired.silent.len()) >= limit;
            if is_full {
                break;
            }
        }
        Ok(expired)
    }

    async fn search_slot(&self, slot: u32, limit: usize, expired: &mut Expired) -> Result<()> {
        loop {
            // No more of either kind than there is room for, whatever the calls turn out to be.
            let found = expired.never_started.len().max(expired.silent.len());
            let together = limit.saturating_sub(found).min(TOGETHER);
            if together == 0 {
                return Ok(());
            }
            let mut due = script::DUE.key(self.keys.due(slot));
            due.arg(self.now()).arg(together);
            let due: Vec<String> = self.ask(EXPIRE, due).await?;
            let all = due.iter().map(|key| self.examine(key));
            for found in try_join_all(all).await? {
                match found {
                    Found::Nothing => {}
                    Found::GivenUp(key, fields) => {
                        expired.never_started.extend(readable(key, &fields));
                    }
                    Found::Silent(key, fields) => expired.silent.extend(readable(key, &fields)),
                }
            }
            if due.len() < together {
                return Ok(());
            }
        }
    }

    async fn examine(&self, key: &str) -> Result<Found> {
        let key = CallKey::parse(key)?;
        let mut examine = self.on_call(&script::EXAMINE, &key);
        examine.arg(to_json(&EndReason::NeverStarted)?);
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
    async fn orphans(&self, limit: usize) -> Result<Vec<ClaimedStream>> {
        let [until, since] = self.keys.nodes();
        let mut lost = script::LOST.key(until);
        lost.key(since)
            .arg(self.now())
            .arg(self.node.as_str())
            .arg(crate::record::millis(self.options.policy.lease));
        let lost: Vec<String> = self.ask(EXPIRE, lost).await?;
        let mut orphans = Vec::new();
        for node in lost.iter().filter(|node| *node != self.node.as_str()) {
            let node = NodeId::parse(node)?;
            self.orphans_of(&node, limit, &mut orphans).await?;
            self.bury(&node).await?;
        }
        Ok(orphans)
    }

    async fn orphans_of(
        &self,
        node: &NodeId,
        limit: usize,
        orphans: &mut Vec<ClaimedStream>,
    ) -> Result<()> {
        let name = self.keys.held(node);
        loop {
            let together = limit.saturating_sub(orphans.len()).min(TOGETHER);
            if together == 0 {
                return Ok(());
            }
            let mut command = redis::cmd("SRANDMEMBER");
            command.arg(&name).arg(together);
            let held: Vec<String> = self.command(EXPIRE, command).await?;
            if held.is_empty() {
                return Ok(());
            }
            for stream in held {
                let (claim, key) = read_held(&stream)?;
                orphans.extend(self.orphan(&claim, key).await?);
                let mut command = redis::cmd("SREM");
                command.arg(&name).arg(&stream);
                let _: u64 = self.command(EXPIRE, command).await?;
            }
        }
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
        let call = record(key, &fields)?;
        let is_over = call.status.is_terminal();
        let transfers = transfers.parse().unwrap_or_default();
        Ok((!is_over).then(|| ClaimedStream::new(call, after_from_text(&after), transfers)))
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
