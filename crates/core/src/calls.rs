//! The calls of any number of accounts: placing them, steering them, and ending them with their streams.

mod ending;
mod placing;
mod span;
mod steering;
mod tidying;

use crate::{
    AccountLabel, AfterStream, Answer, CallKey, CallLinks, CallRecord, CallSnapshot, CallStore,
    CarrierCall, EndReason, Error, ErrorKind, MediaGrant, MediaToken, MemoryStore, Operation,
    OutboundCall, Ports, PublicUrl, Recording, RecordingAudio, RecordingId, Result, Retry,
    Telephony,
};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How a call is placed and steered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallsOptions {
    /// How long a media token is good for at most; it is void as soon as its call has ended. Default 4 h.
    pub token_lifetime: Duration,
    /// How long a carrier has to end a call by itself after our side has closed its stream, where closing is how that carrier
    /// hangs up. After that the call is ended by REST, if the carrier can. Default 5 s.
    pub closing_grace: Duration,
}

impl Default for CallsOptions {
    fn default() -> Self {
        Self {
            token_lifetime: Duration::from_secs(4 * 3600),
            closing_grace: Duration::from_secs(5),
        }
    }
}

/// Places and steers the calls of any number of accounts, wherever their webhooks and streams arrive: calls are found in the
/// store by our key. Cheap to clone.
///
/// ```no_run
/// use telephony_core::{AccountLabel, Answer, Calls, OutboundCall, Party, Result};
///
/// async fn remind(calls: &Calls) -> Result<()> {
///     let (customer, ours) = (Party::parse("+14155550199"), Party::parse("+14155550100"));
///     let call = OutboundCall::new(customer, ours, Answer::stream());
///     let placed = calls.place(&AccountLabel::new("twilio")?, call).await?;
///     // Later, anywhere that the store reaches:
///     calls.transfer(&placed.key, Party::parse("+14155550111")).await
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Calls {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    base: PublicUrl,
    store: Arc<dyn CallStore>,
    ports: Ports,
    options: CallsOptions,
    accounts: RwLock<HashMap<AccountLabel, Arc<dyn Telephony>>>,
    /// No new calls from then on.
    draining: CancellationToken,
    /// Calls that are being placed, ended or looked after.
    tasks: TaskTracker,
    /// Carriers are asked about only so many calls at once.
    asking: Semaphore,
}

impl Calls {
    /// Calls of a service that carriers reach under `base`, kept in memory.
    #[must_use]
    pub fn new(base: PublicUrl) -> Self {
        let store = Arc::new(MemoryStore::default());
        Self::with(base, store, Ports::default(), CallsOptions::default())
    }

    /// With a store, ports and options of its own.
    #[must_use]
    pub fn with(
        base: PublicUrl,
        store: Arc<dyn CallStore>,
        ports: Ports,
        options: CallsOptions,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                base,
                store,
                ports,
                options,
                accounts: RwLock::default(),
                draining: CancellationToken::new(),
                tasks: TaskTracker::new(),
                asking: Semaphore::new(tidying::ASKS),
            }),
        }
    }

    /// Has this account from now on, under its label; one that had the label before is replaced.
    pub fn add_account(&self, carrier: Arc<dyn Telephony>) {
        let mut accounts = self
            .inner
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        accounts.insert(carrier.account().clone(), carrier);
    }

    /// Does not have this account any more. What is being done with its calls goes on.
    pub fn remove_account(&self, label: &AccountLabel) {
        let accounts = &self.inner.accounts;
        accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(label);
    }

    /// The account with that label.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] that lists the known ones.
    pub fn account(&self, label: &AccountLabel) -> Result<Arc<dyn Telephony>> {
        let accounts = self.accounts();
        if let Some(carrier) = accounts.iter().find(|carrier| carrier.account() == label) {
            return Ok(Arc::clone(carrier));
        }
        let known: Vec<_> = accounts.iter().map(|c| c.account().as_str()).collect();
        let detail = format!(
            "there is no account `{label}`; known are: {}",
            known.join(", ")
        );
        Err(Error::new(ErrorKind::NotFound, "select account", detail))
    }

    /// The accounts, by label.
    #[must_use]
    pub fn accounts(&self) -> Vec<Arc<dyn Telephony>> {
        let accounts = self
            .inner
            .accounts
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut accounts: Vec<_> = accounts.values().cloned().collect();
        accounts.sort_by(|a, b| a.account().cmp(b.account()));
        accounts
    }

    /// The URL under which carriers reach us.
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.inner.base
    }

    /// Where calls are remembered.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn CallStore> {
        &self.inner.store
    }

    /// What they are placed with.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    /// Starts a recording of a live call at the carrier, and gives its id. That it is ready comes as an event.
    ///
    /// # Errors
    /// As [`transfer`](Self::transfer).
    pub async fn start_recording(&self, key: &CallKey) -> Result<RecordingId> {
        const OPERATION: &str = "start recording";
        let (record, carrier) = self.live(key, Operation::Record, OPERATION).await?;
        let call = carrier_call(&record, OPERATION)?;
        let links = self.links(&record.account, key);
        let span = self.span(&record, OPERATION);
        let started = carrier.start_recording(&call, &links);
        started.instrument(span).await
    }

    /// Stops a recording of a live call.
    ///
    /// # Errors
    /// As [`transfer`](Self::transfer).
    pub async fn stop_recording(&self, key: &CallKey, recording: &RecordingId) -> Result<()> {
        const OPERATION: &str = "stop recording";
        let (record, carrier) = self.live(key, Operation::Record, OPERATION).await?;
        let call = carrier_call(&record, OPERATION)?;
        let span = self.span(&record, OPERATION);
        let stopped = carrier.stop_recording(&call, recording);
        stopped.instrument(span).await
    }

    /// Asks the carrier what became of a call.
    ///
    /// # Errors
    /// What the carrier says; as [`hang_up`](Self::hang_up).
    pub async fn fetch_call(&self, key: &CallKey) -> Result<CallSnapshot> {
        const OPERATION: &str = "fetch call";
        let record = self.find(key).await?;
        let carrier = self.account(&record.account)?;
        require(&*carrier, Operation::FetchCall, OPERATION)?;
        let call = carrier_call(&record, OPERATION)?;
        let span = self.span(&record, OPERATION);
        carrier.fetch_call(&call).instrument(span).await
    }

    /// Asks the carrier whether a call was placed of which nobody knows that: the calls between its parties since then. Take
    /// a moment shortly before the call was placed.
    ///
    /// # Errors
    /// What the carrier says.
    pub async fn find_placed(
        &self,
        account: &AccountLabel,
        call: &OutboundCall,
        since: SystemTime,
    ) -> Result<Vec<CallSnapshot>> {
        const OPERATION: &str = "find call";
        let carrier = self.account(account)?;
        require(&*carrier, Operation::FindPlaced, OPERATION)?;
        let span = self.span_of(carrier.provider(), account, None, None, OPERATION);
        carrier.find_placed(call, since).instrument(span).await
    }

    /// Takes a call that was [found](Self::find_placed) for the one with that key, which can be steered from then on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no call with that key; [`ErrorKind::Store`], also if either of the two is
    /// somebody else's already.
    pub async fn adopt(&self, key: &CallKey, found: &CallSnapshot) -> Result<()> {
        self.inner.store.attach(key, &found.call).await?;
        if let Some(status) = found.status {
            self.update_status(key, status).await?;
        }
        Ok(())
    }

    /// Fetches the audio of a recording, whole.
    ///
    /// # Errors
    /// What the carrier says; see [`Telephony::fetch_recording`].
    pub async fn fetch_recording(
        &self,
        account: &AccountLabel,
        recording: &Recording,
    ) -> Result<RecordingAudio> {
        const OPERATION: &str = "fetch recording";
        let carrier = self.account(account)?;
        require(&*carrier, Operation::FetchRecording, OPERATION)?;
        let span = self.span_of(carrier.provider(), account, None, None, OPERATION);
        carrier.fetch_recording(recording).instrument(span).await
    }

    /// The call with that key.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Store`].
    pub async fn find(&self, key: &CallKey) -> Result<CallRecord> {
        let found = self.inner.store.find(key).await?;
        found.ok_or_else(|| {
            let detail = "there is no such call, or it is over for too long";
            Error::new(ErrorKind::NotFound, "find call", detail)
        })
    }

    /// Waits until a call has ended, at most for `deadline`.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`]; [`ErrorKind::NotFound`]; [`ErrorKind::Store`].
    pub async fn wait_for_end(&self, key: &CallKey, deadline: Duration) -> Result<EndReason> {
        let ended = self.inner.store.wait_for_end(key);
        match tokio::time::timeout(deadline, ended).await {
            Ok(ended) => ended,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                "wait for the call's end",
                "the call has not ended by the deadline",
            )),
        }
    }

    /// The links of a call. For servers.
    #[must_use]
    pub fn links(&self, account: &AccountLabel, key: &CallKey) -> CallLinks {
        CallLinks::new(self.inner.base.clone(), account.clone(), key.clone())
    }

    /// The links of a call, with a media token if `answer` needs one. For servers.
    ///
    /// # Errors
    /// As [`CallStore::mint_token`].
    pub async fn links_for(
        &self,
        account: &AccountLabel,
        key: &CallKey,
        answer: &Answer,
    ) -> Result<CallLinks> {
        let links = self.draft_links(account, key, answer)?;
        self.offer(key, answer, &links).await?;
        Ok(links)
    }

    /// The links of a call, with a media token that is good for nothing before it was [offered](Self::offer), if `answer` needs
    /// one. For servers.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the system has no random bytes.
    pub fn draft_links(
        &self,
        account: &AccountLabel,
        key: &CallKey,
        answer: &Answer,
    ) -> Result<CallLinks> {
        let links = self.links(account, key);
        if !answer.wants_stream() {
            return Ok(links);
        }
        let token = MediaToken::random(&*self.inner.ports.random)?;
        Ok(links.with_media(token))
    }

    /// Makes the media token in these [drafted links](Self::draft_links) good for the stream in `answer`, if there is one: once
    /// the answer could be written, and before it goes out. For servers.
    ///
    /// # Errors
    /// As [`CallStore::mint_token`].
    pub async fn offer(&self, key: &CallKey, answer: &Answer, links: &CallLinks) -> Result<()> {
        self.mint(key, links, self.grant(answer)).await
    }

    /// As [`offer`](Self::offer), and what was [offered](MediaGrant::beside) to the call before stays good: for an answer that the
    /// carrier may still refuse, between [`CallStore::begin_transfer`] and [`end_transfer`](Self::end_transfer).
    ///
    /// # Errors
    /// As [`CallStore::mint_token`].
    pub async fn offer_beside(
        &self,
        key: &CallKey,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<()> {
        self.mint(key, links, self.grant(answer).beside()).await
    }

    fn grant(&self, answer: &Answer) -> MediaGrant {
        let then = answer
            .stream_step()
            .map_or(AfterStream::Continue, |stream| stream.then);
        MediaGrant::new(self.inner.options.token_lifetime).then(then)
    }

    async fn mint(&self, key: &CallKey, links: &CallLinks, grant: MediaGrant) -> Result<()> {
        match links.media_token() {
            Some(token) => self.inner.store.mint_token(key, token, grant).await,
            None => Ok(()),
        }
    }

    /// Places no new calls from now on, and looks after none. For servers that shut down.
    pub fn drain(&self) {
        self.inner.draining.cancel();
        self.inner.tasks.close();
    }

    /// Whether no new calls are placed.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.is_cancelled()
    }

    /// Waits until nothing is being placed, ended, looked after or noted any more, after [`drain`](Self::drain). The caller sets the deadline.
    pub async fn settle(&self) {
        self.inner.tasks.wait().await;
    }

    async fn live(
        &self,
        key: &CallKey,
        operation: Operation,
        name: &'static str,
    ) -> Result<(CallRecord, Arc<dyn Telephony>)> {
        let record = self.find(key).await?;
        let carrier = self.account(&record.account)?;
        require(&*carrier, operation, name)?;
        if record.ended.is_some() {
            let error = Error::new(ErrorKind::Closed, name, "the call is over");
            return Err(error.with_provider(carrier.provider()));
        }
        Ok((record, carrier))
    }
}

fn require(carrier: &dyn Telephony, operation: Operation, name: &'static str) -> Result<()> {
    if carrier.capabilities().supports(operation) {
        return Ok(());
    }
    let detail = "this carrier has no such operation; the call is as it was";
    Err(Error::unsupported(name, detail).with_provider(carrier.provider()))
}

fn carrier_call(record: &CallRecord, operation: &'static str) -> Result<CarrierCall> {
    record.carrier_call().ok_or_else(|| {
        let detail = "the carrier has not told the call's id yet";
        Error::new(ErrorKind::NotFound, operation, detail)
            .with_provider(&record.provider)
            .with_retry(Retry::Safe)
    })
}

fn log(result: Result<()>, what: &str) {
    if let Err(error) = result {
        tracing::error!(%error, what, "the call store did not take it");
    }
}
