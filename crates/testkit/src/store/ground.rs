//! What the rules stand on.

use async_trait::async_trait;
use std::fmt::{self, Debug, Display};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use telephony_core::{
    AccountLabel, CallId, CallKey, CallStore, Claim, Clock, Direction, EndReason, ErrorKind,
    MediaGrant, MediaToken, NewCall, OsRandom, Party, ProviderName, StorePolicy,
};

/// How long a signal may take from one node to another. Generous: the machine may be busy.
const SIGNAL: Duration = Duration::from_secs(10);

/// Makes stores to be tested.
#[async_trait]
pub trait StoreBench: Send + Sync {
    /// A store in which nothing is, with that policy.
    async fn fresh(&self, policy: StorePolicy) -> Box<dyn StoreUnderTest>;
}

/// One store, seen by several nodes.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// The store as another node sees it.
    async fn node(&self, name: &str) -> Arc<dyn CallStore>;

    /// Lets time pass for the store, by moving its clock or by waiting.
    async fn pass(&self, time: Duration);

    /// How many things it holds about calls; leases of nodes do not count.
    async fn left(&self) -> usize;
}

/// A wall clock that stands still until it is moved.
#[derive(Debug)]
pub struct Hands(Mutex<SystemTime>);

impl Default for Hands {
    /// At the machine's time, in whole milliseconds: a store need not keep time any finer.
    fn default() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let ms = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default();
        Self(Mutex::new(
            SystemTime::UNIX_EPOCH + Duration::from_millis(ms),
        ))
    }
}

impl Hands {
    /// Moves it on.
    pub fn turn(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rule that a store broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store breaks the rule `{rule}`: {why}")]
pub struct Broken {
    /// Its name.
    pub rule: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Why a rule is broken.
pub(super) struct Why(String);

impl Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<telephony_core::Error> for Why {
    fn from(error: telephony_core::Error) -> Self {
        Self(format!("an operation failed: {error}"))
    }
}

impl From<&str> for Why {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// The first claim of a token.
pub(super) fn claim(token: &MediaToken) -> Claim {
    Claim::numbered(token.clone(), 1)
}

pub(super) type Verdict<T = ()> = Result<T, Why>;

pub(super) fn that(holds: bool, what: impl Display) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(Why(what.to_string()))
    }
}

#[track_caller]
pub(super) fn same<T: PartialEq + Debug>(got: T, wanted: T, what: impl Display) -> Verdict {
    let line = std::panic::Location::caller().line();
    that(
        got == wanted,
        format_args!("{what}: {got:?} instead of {wanted:?} (line {line} of the rules)"),
    )
}

/// That the operation failed with that kind.
#[track_caller]
pub(super) fn fails<T>(
    result: telephony_core::Result<T>,
    kind: ErrorKind,
    what: impl Display,
) -> Verdict {
    same(
        result.map(drop).map_err(|error| error.kind()),
        Err(kind),
        what,
    )
}

/// Waits for a signal from elsewhere.
pub(super) async fn soon<T>(signal: impl Future<Output = T>, what: impl Display) -> Verdict<T> {
    let came = tokio::time::timeout(SIGNAL, signal).await;
    came.map_err(|_| Why(format!("{what} does not come")))
}

/// Two nodes and the store that they share.
pub(super) struct Ground<'a> {
    bench: &'a dyn StoreBench,
    pub(super) store: Box<dyn StoreUnderTest>,
    pub(super) a: Arc<dyn CallStore>,
    pub(super) b: Arc<dyn CallStore>,
}

impl<'a> Ground<'a> {
    pub(super) async fn on(bench: &'a dyn StoreBench) -> Self {
        Self::with(bench, StorePolicy::default()).await
    }

    /// Another store, with its own policy.
    pub(super) async fn again(&self, policy: StorePolicy) -> Self {
        Self::with(self.bench, policy).await
    }

    async fn with(bench: &'a dyn StoreBench, policy: StorePolicy) -> Self {
        let store = bench.fresh(policy).await;
        let (a, b) = (store.node("a").await, store.node("b").await);
        Self { bench, store, a, b }
    }

    pub(super) async fn pass(&self, secs: u64) {
        self.store.pass(Duration::from_secs(secs)).await;
    }

    /// A call that is open, as the carrier calls it.
    pub(super) async fn call(&self, id: &str) -> Verdict<CallKey> {
        Ok(self.a.open(inbound(id)?).await?.key)
    }

    /// A token for a stream of that call.
    pub(super) async fn token(&self, key: &CallKey) -> Verdict<MediaToken> {
        let token = token()?;
        let grant = MediaGrant::new(Duration::from_secs(3_600));
        self.a.mint_token(key, &token, grant).await?;
        Ok(token)
    }

    /// Waits for the end of a call in a task of its own, and gives that time to begin.
    pub(super) async fn waiter(
        &self,
        node: &Arc<dyn CallStore>,
        key: &CallKey,
    ) -> tokio::task::JoinHandle<telephony_core::Result<EndReason>> {
        let (node, key) = (Arc::clone(node), key.clone());
        let task = tokio::spawn(async move { node.wait_for_end(&key).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        task
    }

    /// The same for a stream.
    pub(super) async fn stream_waiter(
        &self,
        node: &Arc<dyn CallStore>,
        token: &MediaToken,
    ) -> tokio::task::JoinHandle<telephony_core::Result<EndReason>> {
        let (node, token) = (Arc::clone(node), token.clone());
        let task = tokio::spawn(async move { node.wait_for_stream_end(&token).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        task
    }
}

/// What a waiter was told.
pub(super) async fn told(
    waiter: tokio::task::JoinHandle<telephony_core::Result<EndReason>>,
    what: impl Display,
) -> Verdict<EndReason> {
    match soon(waiter, what).await? {
        Ok(reason) => Ok(reason?),
        Err(_) => Err(Why("a waiter panicked".to_owned())),
    }
}

pub(super) fn main_account() -> Verdict<AccountLabel> {
    Ok(AccountLabel::new("main")?)
}

pub(super) fn other_account() -> Verdict<AccountLabel> {
    Ok(AccountLabel::new("other")?)
}

pub(super) fn token() -> Verdict<MediaToken> {
    Ok(MediaToken::random(&OsRandom)?)
}

/// A call of the account `main` that comes in.
pub(super) fn inbound(id: &str) -> Verdict<NewCall> {
    Ok(new(Direction::Inbound)?.with_call_id(Some(CallId::new(id)?)))
}

/// A call that we place; the carrier has not told its id.
pub(super) fn outbound() -> Verdict<NewCall> {
    new(Direction::Outbound)
}

fn new(direction: Direction) -> Verdict<NewCall> {
    let parties = (Party::parse("+14155550100"), Party::parse("+14155550199"));
    let provider = ProviderName::from_static("dummy");
    let key = CallKey::random(&OsRandom)?;
    Ok(NewCall::new(
        key,
        provider,
        main_account()?,
        direction,
        parties,
    ))
}
