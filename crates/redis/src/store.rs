//! The store itself.

mod answers;
mod calls;
mod expiry;
mod streams;

use crate::endpoint::{Endpoint, anybody};
use crate::error::timed_out;
use crate::hub::{Heard, Hub, Nodes};
use crate::keys::Keys;
use crate::link::{Link, Request};
use crate::options::RedisOptions;
use crate::record::{from_json, millis};
use crate::script;
use async_trait::async_trait;
use redis::{Cmd, FromRedisValue, Script, ScriptInvocation};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use telephony_core::store::{DataChanges, MAX_OPEN_TRANSFERS, check_data};
use telephony_core::{
    AccountLabel, Answer, CallId, CallKey, CallRecord, CallStatus, CallStore, CarrierCall, Claim,
    ClaimedStream, EndReason, Error, ErrorKind, Expired, FirstTime, KeptAnswer, MediaGrant,
    MediaToken, NewCall, NodeId, OsRandom, RequestName, Result, StatusUpdate, TransferOutcome,
    Turn,
};

/// Keys vanish by themselves so long after they should have been taken out. As in the scripts.
const GRACE: Duration = Duration::from_secs(3_600);
/// When messages may have been lost, those who wait look again spread over this time.
const SPREAD: Duration = Duration::from_secs(1);
/// When those who wait could not look, they try again so much later.
const RETRY: Duration = Duration::from_secs(2);

/// Calls remembered in Redis, for many nodes. One for each process: it keeps two connections. See the [crate](crate).
#[derive(Debug)]
pub struct RedisStore {
    link: Arc<Link>,
    hub: Hub,
    keys: Keys,
    channels: String,
    node: NodeId,
    options: RedisOptions,
    /// The policy as scripts take it.
    times: String,
    /// Numbers requests, so that one that is repeated is known again.
    requests: AtomicU64,
    /// Where the next search for calls that are due begins.
    next_slot: AtomicU32,
}

impl RedisStore {
    /// Connects to Redis. Later on a connection that is lost comes back by itself.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the URL, the certificates, the prefix, the times or a needed feature is wrong; [`ErrorKind::Store`] if Redis
    /// cannot be reached in time or refuses us.
    pub async fn connect(options: RedisOptions) -> Result<Self> {
        let options = options.checked()?;
        let node = NodeId::random(&options.node_name, &OsRandom)?;
        let keys = Keys::new(&options.prefix);
        let channels = keys.channels();
        let endpoint = Endpoint::new(&options)?;
        let policy = &options.policy;
        let times = [
            policy.keep_ended,
            policy.max_silence,
            policy.never_started,
            policy.silent_after,
            policy.confirm_after,
        ]
        .map(|time| millis(time).to_string())
        .join(",");
        let channel = format!("{channels}{node}");
        let link = Arc::new(Link::new(endpoint.clone(), &options));
        let patience = endpoint.patience(&options);
        let nodes = Nodes::new(endpoint, Arc::clone(&link));
        let store = Self {
            link,
            hub: Hub::new(nodes, channel, patience),
            keys,
            channels,
            node,
            times,
            options,
            requests: AtomicU64::new(0),
            next_slot: AtomicU32::new(0),
        };
        let _here: String = store.command("connect to Redis", anybody()).await?;
        let up = tokio::time::timeout(store.options.connect_timeout, store.hub.up()).await;
        up.map_err(|_| timed_out("subscribe to messages"))?;
        Ok(store)
    }

    /// The time for scripts: Redis's own unless a clock was given.
    fn now(&self) -> String {
        let now = self.options.clock.as_ref().map(|clock| clock.now());
        let since = now.and_then(|now| now.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(String::new(), |since| since.as_millis().to_string())
    }

    /// How long keys of a call that has not ended are kept at most.
    fn longest(&self) -> u64 {
        let policy = &self.options.policy;
        millis(policy.max_silence + policy.keep_ended + GRACE)
    }

    /// A new number for a request.
    fn number(&self) -> String {
        let random = self.node.as_str().rsplit('~').next().unwrap_or_default();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{random}.{number:x}")
    }

    /// A script about a call.
    fn on_call<'a>(&self, script: &'a Script, key: &CallKey) -> ScriptInvocation<'a> {
        self.on_call_as(script, key, &self.number())
    }

    /// The same, of a request that has its number already.
    fn on_call_as<'a>(
        &self,
        script: &'a Script,
        key: &CallKey,
        number: &str,
    ) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        for name in self.keys.call(key) {
            invocation.key(name);
        }
        invocation
            .arg(self.now())
            .arg(&self.times)
            .arg(number)
            .arg(&self.channels)
            .arg(key.as_str());
        invocation
    }

    async fn ask<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: ScriptInvocation<'_>,
    ) -> Result<T> {
        self.link.ask(operation, Request::Script(script)).await
    }

    async fn command<T: FromRedisValue>(&self, operation: &'static str, command: Cmd) -> Result<T> {
        self.link.ask(operation, Request::Command(command)).await
    }

    /// The call that a token is for.
    async fn call_of(
        &self,
        token: &MediaToken,
        operation: &'static str,
    ) -> Result<Option<CallKey>> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.token(token));
        let key: Option<String> = self.command(operation, command).await?;
        key.map(|key| CallKey::parse(&key)).transpose()
    }

    /// Waits until a call, or one stream of it, has ended.
    async fn wait(
        &self,
        key: &CallKey,
        token: Option<&MediaToken>,
        operation: &'static str,
    ) -> Result<EndReason> {
        // Before the first look, so that nothing is missed in between.
        let mut listener = self.hub.listen(key.as_str());
        let mut is_first = true;
        loop {
            let looked = self.look(key, token, operation).await;
            let has_failed = looked.is_err();
            match looked {
                Ok(Look::Over(reason)) => return Ok(reason),
                Ok(Look::Gone) if is_first => return Err(not_found(operation)),
                Err(error) if is_first => return Err(error),
                Ok(Look::Gone) if token.is_none() => return Ok(EndReason::NeverStarted),
                // A call with a live stream is never forgotten, so Redis has lost what it knew: no reason to hang up on
                // everybody. An outage only makes it later; the link has said so already, once for all.
                Ok(Look::Gone | Look::Waiting) | Err(_) => is_first = false,
            }
            let share = f64::from(spread(key)) / 256.0;
            // The news may have come through while nobody could be asked.
            let pause = if has_failed { RETRY } else { self.options.poll };
            let poll = pause.min(self.options.poll).mul_f64(1.0 + share / 4.0);
            if let Heard::Gap = listener.heard(poll).await {
                let pause = SPREAD.min(self.options.poll).mul_f64(share);
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn look(
        &self,
        key: &CallKey,
        token: Option<&MediaToken>,
        operation: &'static str,
    ) -> Result<Look> {
        let mut look = self.on_call(&script::WATCH, key);
        look.arg(self.node.as_str())
            .arg(token.map_or("", |token| token.as_str()));
        Ok(match self.ask::<(u8, String)>(operation, look).await? {
            (0, _) => Look::Gone,
            (1, _) => Look::Waiting,
            // A newer version of this library may have reasons that this one does not know: an end it is.
            (_, reason) => {
                Look::Over(from_json(&reason).unwrap_or(EndReason::CarrierStopped(None)))
            }
        })
    }
}

/// How it stands with a call or a stream that somebody waits for.
enum Look {
    Gone,
    Waiting,
    Over(EndReason),
}

/// Where in a span of time it is a call's turn.
fn spread(key: &CallKey) -> u8 {
    let add = |sum: u8, byte: u8| sum.wrapping_mul(31).wrapping_add(byte);
    key.as_str().bytes().fold(0, add)
}

fn not_found(operation: &'static str) -> Error {
    let detail = "there is no such call, or it is over for too long";
    Error::new(ErrorKind::NotFound, operation, detail)
}

/// Scripts say 0 for a call that nobody knows.
fn known(code: u8, operation: &'static str) -> Result<u8> {
    if code == 0 {
        Err(not_found(operation))
    } else {
        Ok(code)
    }
}

#[async_trait]
impl CallStore for RedisStore {
    fn node(&self) -> &NodeId {
        &self.node
    }

    async fn open(&self, call: NewCall) -> Result<CallRecord> {
        check_data(call.data.iter().map(|(name, value)| (name, Some(value))))?;
        self.open_call(call).await
    }

    async fn attach(&self, key: &CallKey, call: &CarrierCall) -> Result<()> {
        self.attach_id(key, call).await
    }

    async fn update_data(&self, key: &CallKey, changes: DataChanges) -> Result<()> {
        check_data(changes.iter().map(|(name, value)| (name, value.as_ref())))?;
        self.change_data(key, changes).await
    }

    async fn mint_token(&self, key: &CallKey, token: &MediaToken, grant: MediaGrant) -> Result<()> {
        self.mint(key, token, grant).await
    }

    async fn claim_token(&self, account: &AccountLabel, claim: &Claim) -> Result<ClaimedStream> {
        self.claim(account, claim).await
    }

    async fn release_token(&self, claim: &Claim) -> Result<()> {
        self.free(claim).await
    }

    async fn finish_stream(&self, claim: &Claim, ends: Option<&EndReason>) -> Result<()> {
        self.finish(claim, ends).await
    }

    async fn wait_for_stream_end(&self, token: &MediaToken) -> Result<EndReason> {
        const OPERATION: &str = "wait for the stream's end";
        let key = self.call_of(token, OPERATION).await?;
        let key = key.ok_or_else(|| not_found(OPERATION))?;
        self.wait(&key, Some(token), OPERATION).await
    }

    async fn stop_streams(
        &self,
        key: &CallKey,
        reason: EndReason,
        before: Option<u32>,
    ) -> Result<u32> {
        self.stop(key, &reason, before).await
    }

    async fn set_next(&self, key: &CallKey, next: Option<Answer>) -> Result<Option<Answer>> {
        self.keep_next(key, next).await
    }

    async fn take_next(&self, key: &CallKey, request: &str) -> Result<Option<Answer>> {
        self.give_next(key, request).await
    }

    async fn begin_transfer(&self, key: &CallKey) -> Result<u32> {
        const OPERATION: &str = "begin transfer";
        let mut begun = self.on_call(&script::BEGIN_TRANSFER, key);
        begun.arg(MAX_OPEN_TRANSFERS);
        match self.ask(OPERATION, begun).await? {
            0 => Err(not_found(OPERATION)),
            number => Ok(number),
        }
    }

    async fn end_transfer(
        &self,
        key: &CallKey,
        number: u32,
        outcome: TransferOutcome,
    ) -> Result<()> {
        self.settle_transfer(key, number, outcome).await
    }

    async fn update_status(&self, key: &CallKey, status: CallStatus) -> Result<StatusUpdate> {
        self.report(key, status).await
    }

    async fn end(&self, key: &CallKey, reason: EndReason) -> Result<bool> {
        self.end_call(key, &reason).await
    }

    async fn wait_for_end(&self, key: &CallKey) -> Result<EndReason> {
        self.wait(key, None, "wait for the call's end").await
    }

    async fn find(&self, key: &CallKey) -> Result<Option<CallRecord>> {
        self.read(key).await
    }

    async fn find_by_id(&self, account: &AccountLabel, id: &CallId) -> Result<Option<CallRecord>> {
        self.read_by_id(account, id).await
    }

    async fn renew_lease(&self) -> Result<()> {
        self.hold(None).await
    }

    async fn expire(&self, limit: usize, silent: usize) -> Result<Expired> {
        self.search(limit, silent).await
    }

    async fn first_time(&self, request: &RequestName, wait: Duration) -> Result<FirstTime> {
        self.begin(request, wait).await
    }

    async fn keep_answer(
        &self,
        request: &RequestName,
        turn: &Turn,
        answer: Option<KeptAnswer>,
    ) -> Result<()> {
        self.keep(request, turn, answer).await
    }
}
