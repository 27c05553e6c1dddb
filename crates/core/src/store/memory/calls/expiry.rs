//! What is over, and what needs care.

use super::streams::stop;
use super::{Calls, Entry, TokenState};
use crate::store::{Claim, ClaimedStream, Expired, NodeId, StorePolicy};
use crate::{AfterStream, CallKey, CallStatus, Direction, EndReason, MediaToken};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// A full store is searched for room no more often than this: a search looks at every call.
const BETWEEN_SEARCHES: Duration = Duration::from_secs(1);

/// What a call is due for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Forget,
    GiveUp,
    Ask,
}

impl Calls {
    pub(super) fn search_for_room(&mut self, now: SystemTime, policy: &StorePolicy) {
        let is_too_soon = self
            .searched
            .and_then(|last| now.duration_since(last).ok())
            .is_some_and(|ago| ago < BETWEEN_SEARCHES);
        if !is_too_soon {
            self.searched = Some(now);
            // Also those of which the carrier has not said that they are over.
            let is_old = |entry: &Entry| {
                let age = now.duration_since(entry.seen).unwrap_or_default();
                entry.record.ended.is_some() && age >= policy.keep_ended
            };
            let old = self.by_key.iter().filter(|(_, entry)| is_old(entry));
            for key in old.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                self.forget(&key);
            }
        }
    }

    pub(in super::super) fn expire(
        &mut self,
        asker: &NodeId,
        now: SystemTime,
        policy: &StorePolicy,
        (limit, silent): (usize, usize),
    ) -> Expired {
        let mut expired = Expired::new();
        for key in self.due(Due::Forget, usize::MAX, now, policy) {
            self.forget(&key);
        }
        self.accounts.tidy(now);
        expired.orphaned = self.orphans(asker, now, policy, limit);
        for key in self.due(Due::GiveUp, limit, now, policy) {
            self.end(&key, EndReason::NeverStarted, now, policy);
            expired.never_started.extend(self.record(&key));
        }
        for key in self.due(Due::Ask, silent.min(limit), now, policy) {
            if let Some(entry) = self.by_key.get_mut(&key) {
                entry.asked = entry.asked.saturating_add(1);
                entry.ask_at = now + entry.pause(policy);
            }
            expired.silent.extend(self.record(&key));
        }
        expired
    }

    fn due(&self, due: Due, limit: usize, now: SystemTime, policy: &StorePolicy) -> Vec<CallKey> {
        let is_due = |entry: &Entry| self.is_due(entry, now, policy) == Some(due);
        let due = self.by_key.iter().filter(|(_, entry)| is_due(entry));
        due.take(limit).map(|(key, _)| key.clone()).collect()
    }

    fn is_due(&self, entry: &Entry, now: SystemTime, policy: &StorePolicy) -> Option<Due> {
        // A clock that goes back expires nothing.
        let age = now.duration_since(entry.seen).unwrap_or_default();
        if entry.record.ended.is_some() {
            let is_open = entry.is_open();
            let keep = match is_open {
                true => policy.max_silence,
                false => policy.keep_ended,
            };
            return match age >= keep {
                true => Some(Due::Forget),
                false => (is_open && now >= entry.ask_at).then_some(Due::Ask),
            };
        }
        let mut states = entry.tokens.iter().filter_map(|name| self.state(name));
        if age >= policy.max_silence {
            return Some(Due::GiveUp);
        }
        let is_up = entry.record.status.rank() >= CallStatus::InProgress.rank();
        let should_start = entry.record.direction == Direction::Outbound
            || states.clone().any(|state| *state == TokenState::Offered);
        if age >= policy.never_started && !is_up && !entry.was_claimed && should_start {
            return Some(Due::GiveUp);
        }
        let is_quiet = !states.any(|state| matches!(state, TokenState::Claimed(..)));
        (is_quiet && now >= entry.ask_at).then_some(Due::Ask)
    }

    fn state(&self, name: &MediaToken) -> Option<&TokenState> {
        Some(&self.tokens.get(name)?.state)
    }

    fn forget(&mut self, key: &CallKey) {
        let Some(entry) = self.by_key.remove(key) else {
            return;
        };
        if let Some(id) = &entry.record.call_id {
            self.by_id
                .remove(&(entry.record.account.clone(), id.clone()));
        }
        for token in &entry.tokens {
            self.tokens.remove(token);
        }
    }

    /// Ends the streams of lost nodes.
    fn orphans(
        &mut self,
        asker: &NodeId,
        now: SystemTime,
        policy: &StorePolicy,
        limit: usize,
    ) -> Vec<ClaimedStream> {
        let lost: HashSet<_> = self
            .leases
            .lost(asker, now, policy.lease)
            .into_iter()
            .collect();
        if lost.is_empty() {
            return Vec::new();
        }
        let mut orphans = Vec::new();
        let mut left: HashSet<NodeId> = HashSet::new();
        let names: Vec<MediaToken> = self.tokens.keys().cloned().collect();
        for name in names {
            let holder = self.tokens.get(&name).and_then(|token| token.holder());
            let Some(holder) = holder.filter(|node| lost.contains(*node)).cloned() else {
                continue;
            };
            if orphans.len() >= limit {
                left.insert(holder);
                continue;
            }
            orphans.extend(self.orphan(&name, now, policy));
        }
        for node in lost.difference(&left) {
            self.leases.forget(node);
        }
        orphans
    }

    fn orphan(
        &mut self,
        name: &MediaToken,
        now: SystemTime,
        policy: &StorePolicy,
    ) -> Option<ClaimedStream> {
        let token = self.tokens.get(name)?;
        let TokenState::Claimed(_, number) = token.state else {
            return None;
        };
        let ends = (token.then == AfterStream::HangUp).then_some(&EndReason::NodeLost);
        self.finish(&Claim::numbered(name.clone(), number), ends, now, policy);
        let token = self.tokens.get(name)?;
        // Should its node live after all, the stream ends there.
        stop(token, &EndReason::NodeLost);
        let call = self.record(&token.key)?;
        let is_over = call.status.is_terminal();
        (!is_over).then(|| ClaimedStream::new(call, token.then, token.transfers))
    }
}
