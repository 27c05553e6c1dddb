//! Media tokens, and the node that holds their streams.

use super::{RedisStore, known};
use crate::error::unreadable;
use crate::record::{Fields, after_from_text, after_to_text, millis, record, to_json};
use crate::script;
use telephony_core::store::MAX_TOKENS;
use telephony_core::{
    AccountLabel, CallKey, Claim, ClaimedStream, EndReason, Error, ErrorKind, MediaGrant,
    MediaToken, Result, Retry,
};

const CLAIM: &str = "claim media token";
/// Of what a node holds, so much is read at once.
const PART: usize = 1_000;

fn has_ended(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the call has ended")
}

fn unknown() -> Error {
    let detail = "there is no such media token, or its time is over";
    Error::new(ErrorKind::NotFound, CLAIM, detail)
}

impl RedisStore {
    pub(super) async fn mint(
        &self,
        key: &CallKey,
        token: &MediaToken,
        grant: MediaGrant,
    ) -> Result<()> {
        const OPERATION: &str = "mint media token";
        // First the name: a token that leads to a call that does not know it is good for nothing.
        let mut name = redis::cmd("SET");
        name.arg(self.keys.token(token))
            .arg(key.as_str())
            .arg("PX")
            .arg(self.token_life(grant.lifetime));
        let _: String = self.command(OPERATION, name).await?;
        let mut mint = self.on_call(&script::MINT, key);
        mint.arg(token.as_str())
            .arg(millis(grant.lifetime))
            .arg(after_to_text(grant.then))
            .arg(MAX_TOKENS)
            .arg(u8::from(grant.is_beside));
        let (code, mut void): (u8, Vec<String>) = self.ask(OPERATION, mint).await?;
        if code != 1 {
            void.push(token.as_str().to_owned());
        }
        self.forget_tokens(&void).await;
        match known(code, OPERATION)? {
            1 => Ok(()),
            _ => Err(has_ended(OPERATION)),
        }
    }

    /// These names need lead nowhere any more. Should this fail, they go by themselves some day.
    pub(super) async fn forget_tokens(&self, tokens: &[String]) {
        for token in tokens
            .iter()
            .filter_map(|token| MediaToken::parse(token).ok())
        {
            let mut command = redis::cmd("DEL");
            command.arg(self.keys.token(&token));
            if let Err(error) = self.command::<u64>("forget media token", command).await {
                tracing::warn!(%error, "a media token that is void is left over for now");
            }
        }
    }

    /// The node says what it holds before it claims: should it be lost in between, nothing is.
    pub(super) async fn claim(
        &self,
        account: &AccountLabel,
        claim: &Claim,
    ) -> Result<ClaimedStream> {
        let key = self
            .call_of(&claim.token, CLAIM)
            .await?
            .ok_or_else(unknown)?;
        let held = held(claim, &key);
        self.hold(Some(&held)).await?;
        // From now on the node says that it holds it. Whoever fails to hear that it does lets go, as after a lost answer.
        let noted = |error: Error| error.with_retry(Retry::OutcomeUnknown);
        let mut take = self.on_call(&script::CLAIM, &key);
        take.arg(claim.token.as_str())
            .arg(account.as_str())
            .arg(self.node.as_str())
            .arg(claim.number);
        let taken = self.ask(CLAIM, take).await.map_err(noted)?;
        let (code, text, fields): (u8, String, Fields) = taken;
        if code == 1 {
            let call = record(key, &fields).map_err(noted)?;
            let (after, transfers) = text.split_at_checked(1).ok_or_else(unknown)?;
            let transfers = transfers.parse().unwrap_or_default();
            return Ok(ClaimedStream::new(call, after_from_text(after), transfers));
        }
        self.let_go(&held, CLAIM).await.map_err(noted)?;
        Err(match code {
            2 => Error::new(
                ErrorKind::AlreadyClaimed,
                CLAIM,
                "another socket has this stream",
            ),
            3 => has_ended(CLAIM),
            _ => unknown(),
        })
    }

    pub(super) async fn free(&self, claim: &Claim) -> Result<()> {
        self.leave(claim, "o", "", "release media token").await
    }

    pub(super) async fn finish(&self, claim: &Claim, ends: Option<&EndReason>) -> Result<()> {
        let ends = ends.map(to_json).transpose()?.unwrap_or_default();
        self.leave(claim, "v", &ends, "finish stream").await
    }

    /// The stream is offered again (`o`) or over (`v`), and its call is to end for that reason, if there is one.
    async fn leave(
        &self,
        claim: &Claim,
        state: &'static str,
        ends: &str,
        operation: &'static str,
    ) -> Result<()> {
        let Some(key) = self.call_of(&claim.token, operation).await? else {
            return self.let_go_of_forgotten(claim, operation).await;
        };
        let mut leave = self.on_call(&script::LEAVE, &key);
        leave
            .arg(claim.token.as_str())
            .arg(state)
            .arg(claim.number)
            .arg(ends);
        let _known: u8 = self.ask(operation, leave).await?;
        self.let_go(&held(claim, &key), operation).await
    }

    /// The call or the token was forgotten before the stream was over: only what this node has noted tells which call it was.
    /// This is rare; it reads all that the node holds.
    async fn let_go_of_forgotten(&self, claim: &Claim, operation: &'static str) -> Result<()> {
        let name = self.keys.held(&self.node);
        let pattern = format!("{} * {}", claim.token.as_str(), claim.number);
        let mut cursor = String::from("0");
        loop {
            let mut scan = redis::cmd("SSCAN");
            scan.arg(&name).arg(&cursor);
            scan.arg("MATCH").arg(&pattern).arg("COUNT").arg(PART);
            let (next, found): (String, Vec<String>) = self.command(operation, scan).await?;
            for held in found {
                self.let_go(&held, operation).await?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn let_go(&self, held: &str, operation: &'static str) -> Result<()> {
        let mut command = redis::cmd("SREM");
        command.arg(self.keys.held(&self.node)).arg(held);
        self.command::<u64>(operation, command).await.map(drop)
    }

    /// Renews the lease of this node, and notes what it holds from now on.
    pub(super) async fn hold(&self, held: Option<&str>) -> Result<()> {
        const OPERATION: &str = "renew lease";
        let [until, since] = self.keys.nodes();
        let mut renew = script::RENEW.key(until);
        renew
            .key(since)
            .key(self.keys.held(&self.node))
            .arg(self.now())
            .arg(self.node.as_str())
            .arg(millis(self.options.policy.lease))
            .arg(self.longest())
            .arg(held.unwrap_or_default());
        self.ask::<u8>(OPERATION, renew).await.map(drop)
    }
}

/// A stream as its node notes it.
fn held(claim: &Claim, key: &CallKey) -> String {
    format!("{} {} {}", claim.token.as_str(), key.as_str(), claim.number)
}

/// And back.
pub(super) fn read_held(text: &str) -> Result<(Claim, CallKey)> {
    const OPERATION: &str = "read what a node holds";
    let mut parts = text.split(' ');
    let mut part = || parts.next().ok_or_else(|| unreadable(OPERATION));
    let (token, key, number) = (part()?, part()?, part()?);
    let number = number.parse().map_err(|_| unreadable(OPERATION))?;
    let claim = Claim::numbered(MediaToken::parse(token)?, number);
    Ok((claim, CallKey::parse(key)?))
}
