//! What guards the calls: which nodes live, and how many calls an account has.

use crate::store::{AccountLimits, NodeId};
use crate::{AccountLabel, Result};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// Which nodes live.
#[derive(Debug, Default)]
pub(super) struct Leases(HashMap<NodeId, Lease>);

#[derive(Debug)]
struct Lease {
    /// Since when it was renewed in time.
    since: SystemTime,
    until: SystemTime,
}

impl Leases {
    pub(super) fn renew(&mut self, node: &NodeId, now: SystemTime, lease: Duration) {
        let until = now + lease;
        match self.0.get_mut(node) {
            Some(lease) if lease.until > now => lease.until = until,
            _ => drop(self.0.insert(node.clone(), Lease { since: now, until })),
        }
    }

    /// The other nodes that are lost. Only a node that was alive itself for a whole lease may say so: after an outage of
    /// everybody, everybody has the time to come back first.
    pub(super) fn lost(&self, asker: &NodeId, now: SystemTime, lease: Duration) -> Vec<NodeId> {
        let is_sure = self
            .0
            .get(asker)
            .is_some_and(|own| own.until > now && own.since + lease <= now);
        let lost = self
            .0
            .iter()
            .filter(|(node, lease)| is_sure && *node != asker && lease.until <= now);
        lost.map(|(node, _)| node.clone()).collect()
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        self.0.remove(node);
    }
}

/// How many calls each account has.
#[derive(Debug, Default)]
pub(super) struct Accounts(HashMap<AccountLabel, Account>);

#[derive(Debug, Default)]
struct Account {
    live: u32,
    /// When its calls would have come if they had come evenly.
    even: Option<SystemTime>,
}

impl Accounts {
    /// Counts a new call, if the account may have one more.
    pub(super) fn admit(
        &mut self,
        label: &AccountLabel,
        limits: AccountLimits,
        now: SystemTime,
    ) -> Result<()> {
        let account = self.0.entry(label.clone()).or_default();
        if limits.live_calls.is_some_and(|most| account.live >= most) {
            return Err(AccountLimits::too_many());
        }
        if let Some(rate) = limits.call_rate {
            let (interval, lead) = rate.interval_and_lead();
            // A clock that was put back must not block the account until it is where it was.
            let even = account.even.filter(|even| *even <= now + lead);
            let even = even.unwrap_or(now).max(now) + interval;
            if let Ok(wait) = even.duration_since(now + lead)
                && wait > Duration::ZERO
            {
                return Err(AccountLimits::too_fast(wait));
            }
            account.even = Some(even);
        }
        account.live += 1;
        Ok(())
    }

    /// A call of the account has ended.
    pub(super) fn release(&mut self, label: &AccountLabel) {
        if let Some(account) = self.0.get_mut(label) {
            account.live = account.live.saturating_sub(1);
        }
    }

    /// Forgets accounts of which there is nothing to know.
    pub(super) fn tidy(&mut self, now: SystemTime) {
        self.0
            .retain(|_, account| account.live > 0 || account.even.is_some_and(|even| even > now));
    }
}
