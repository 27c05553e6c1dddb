//! Media tokens, and the streams that were claimed with them.

use super::{Calls, Ended, Token, TokenState, has_ended, not_found};
use crate::store::{Claim, ClaimedStream, MAX_TOKENS, MediaGrant, NodeId, PlannedEnd, StorePolicy};
use crate::{AccountLabel, CallKey, EndReason, Error, ErrorKind, MediaToken, Result};
use std::time::SystemTime;
use tokio::sync::watch;

impl Calls {
    pub(in super::super) fn mint(
        &mut self,
        key: &CallKey,
        token: &MediaToken,
        grant: MediaGrant,
        now: SystemTime,
        policy: &StorePolicy,
    ) -> Result<()> {
        const OPERATION: &str = "mint media token";
        let tokens = &mut self.tokens;
        let entry = self
            .by_key
            .get_mut(key)
            .ok_or_else(|| not_found(OPERATION))?;
        if entry.record.ended.is_some() {
            return Err(has_ended(OPERATION));
        }
        entry.touch(now, policy);
        // The carrier follows the last answer: what an earlier one offered and nobody took is void.
        let is_offered = |old: &MediaToken| {
            tokens
                .get(old)
                .is_none_or(|t| t.state == TokenState::Offered)
        };
        let mut void: Vec<_> = Vec::new();
        if !grant.is_beside {
            void.extend(entry.tokens.extract_if(.., |old| is_offered(old)));
        }
        if entry.tokens.len() >= MAX_TOKENS {
            let is_over =
                |old: &MediaToken| tokens.get(old).is_some_and(|t| t.state == TokenState::Over);
            let oldest = entry.tokens.iter().position(is_over).unwrap_or(0);
            void.push(entry.tokens.remove(oldest));
        }
        for old in void {
            tokens.remove(&old);
        }
        entry.tokens.push(token.clone());
        let minted = Token {
            key: key.clone(),
            expires: now.checked_add(grant.lifetime),
            state: TokenState::Offered,
            then: grant.then,
            transfers: entry.record.transfers,
            stopped: watch::Sender::new(None),
        };
        tokens.insert(token.clone(), minted);
        Ok(())
    }

    pub(in super::super) fn claim(
        &mut self,
        account: &AccountLabel,
        claim: &Claim,
        node: &NodeId,
        now: SystemTime,
        policy: &StorePolicy,
    ) -> Result<ClaimedStream> {
        const OPERATION: &str = "claim media token";
        let unknown = || {
            Error::new(
                ErrorKind::NotFound,
                OPERATION,
                "there is no such media token, or its time is over",
            )
        };
        let token = self.tokens.get_mut(&claim.token).ok_or_else(unknown)?;
        let entry = self.by_key.get_mut(&token.key).ok_or_else(unknown)?;
        let is_late = token.expires.is_some_and(|expires| expires <= now);
        if entry.record.account != *account || (token.state == TokenState::Offered && is_late) {
            return Err(unknown());
        }
        if entry.record.ended.is_some() {
            return Err(has_ended(OPERATION));
        }
        if token.state != TokenState::Offered && !token.is_held_by(claim) {
            return Err(Error::new(
                ErrorKind::AlreadyClaimed,
                OPERATION,
                "another socket has this stream",
            ));
        }
        token.state = TokenState::Claimed(node.clone(), claim.number);
        entry.was_claimed = true;
        entry.touch(now, policy);
        self.leases.renew(node, now, policy.lease);
        let (then, transfers) = (token.then, token.transfers);
        let call = entry.record(&self.tokens);
        Ok(ClaimedStream::new(call, then, transfers))
    }

    pub(in super::super) fn release(&mut self, claim: &Claim) {
        if let Some(token) = self.tokens.get_mut(&claim.token)
            && token.is_held_by(claim)
        {
            token.state = TokenState::Offered;
        }
    }

    pub(in super::super) fn finish(
        &mut self,
        claim: &Claim,
        ends: Option<&EndReason>,
        now: SystemTime,
        policy: &StorePolicy,
    ) {
        let tokens = &mut self.tokens;
        let Some(token) = tokens
            .get_mut(&claim.token)
            .filter(|token| token.is_held_by(claim))
        else {
            return;
        };
        token.state = TokenState::Over;
        let transfers = token.transfers;
        let Some(entry) = self
            .by_key
            .get_mut(&token.key)
            .filter(|entry| entry.record.ended.is_none())
        else {
            return;
        };
        // How the call ends is said by the stream that was offered last, of those that came.
        let is_newer = |name: &&MediaToken| **name != claim.token;
        let came = |name: &MediaToken| {
            tokens
                .get(name)
                .is_some_and(|token| token.state != TokenState::Offered)
        };
        if !entry.tokens.iter().rev().take_while(is_newer).any(came) {
            // What a later transfer made of the call does not end with an older stream.
            let ends = ends.filter(|_| entry.record.moved <= transfers);
            entry.record.planned_end =
                ends.map(|reason| PlannedEnd::new(reason.clone(), transfers));
        }
        entry.touch(now, policy);
    }

    pub(in super::super) fn watch_stream(&self, name: &MediaToken) -> Option<(CallKey, Ended)> {
        let token = self.tokens.get(name)?;
        Some((token.key.clone(), token.stopped.subscribe()))
    }

    pub(in super::super) fn watch_call(&mut self, key: &CallKey) -> Option<Ended> {
        let entry = self.by_key.get_mut(key)?;
        Some(match &entry.record.ended {
            Some(reason) => watch::channel(Some(reason.clone())).1,
            None => entry.waiters.get_or_insert_default().subscribe(),
        })
    }

    pub(in super::super) fn stop_streams(
        &mut self,
        key: &CallKey,
        reason: &EndReason,
        before: Option<u32>,
    ) -> Result<u32> {
        let names = self.entry(key, "stop streams")?.tokens.clone();
        let mut told = 0;
        for token in names.iter().filter_map(|name| self.tokens.get(name)) {
            let is_meant = before.is_none_or(|number| token.transfers < number);
            if token.holder().is_some() && is_meant {
                told += 1;
                stop(token, reason);
            }
        }
        Ok(told)
    }
}

/// Tells a stream to stop; the first reason stays.
pub(super) fn stop(token: &Token, reason: &EndReason) {
    token.stopped.send_if_modified(|stopped| {
        let is_first = stopped.is_none();
        stopped.get_or_insert_with(|| reason.clone());
        is_first
    });
}
