//! How calls end: with their streams, and when nobody says so.

use super::{Calls, carrier_call, log};
use crate::{
    AfterStream, CallEvent, CallEventKind, CallKey, CallRecord, CallSnapshot, CallStatus,
    CarrierCall, ClaimedStream, EndReason, Error, ErrorKind, HangUpBy, Operation, Parameters,
    Result, StatusReport, StatusUpdate, Telephony, Transition, meter,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::Instrument as _;

/// How many calls [`Calls::tidy`] looks after at once.
const AT_ONCE: usize = 100;
/// How long a carrier may take to tell about a call that nobody heard of.
const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// A call of which the carrier knows nothing that long after its last news is none: before, its record may be late.
const GONE_AFTER: Duration = Duration::from_secs(300);
/// How long a transfer may be under way: several attempts of a request that nobody answers.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(180);
/// How often a store is asked that fails.
const STORE_ATTEMPTS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The pauses between attempts to hang a call up. After that it comes from the store, again and again.
const HANG_UP_PAUSES: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
];
/// The same while we shut down.
const DRAINING_PAUSE: Duration = Duration::from_secs(1);

/// What only the library found out, for the app.
type News = (CallRecord, CallEvent);

impl Calls {
    /// Takes over a status that the carrier reports. For servers.
    ///
    /// # Errors
    /// As [`CallStore::update_status`](crate::CallStore::update_status).
    pub async fn update_status(&self, key: &CallKey, status: CallStatus) -> Result<StatusUpdate> {
        let store = &self.inner.store;
        let update = store.update_status(key, status).await?;
        let is_the_end = status.is_terminal() && update.transition == Transition::Advanced;
        // What our side ended was counted then.
        let by_status = EndReason::CallEnded(status);
        if cfg!(feature = "metrics")
            && is_the_end
            && let Ok(Some(record)) = store.find(key).await
            && record.ended.as_ref() == Some(&by_status)
        {
            meter::call_ended(&record, &by_status);
        }
        Ok(update)
    }

    /// Notes that our side ended the call.
    pub(super) async fn note_end(&self, record: &CallRecord, reason: EndReason) -> Result<()> {
        if self.inner.store.end(&record.key, reason.clone()).await? {
            meter::call_ended(record, &reason);
        }
        Ok(())
    }

    /// Whether a call ends with its stream that was over for that reason: if it was our side that ended it, and nothing else
    /// was planned for the call. For servers, which say so when they [finish](crate::CallStore::finish_stream) the stream.
    #[must_use]
    pub fn ends_with(&self, stream: &ClaimedStream, reason: &EndReason) -> bool {
        let carrier = self.account(&stream.call.account);
        let decides =
            |carrier: Arc<dyn Telephony>| carrier.capabilities().hang_up == HangUpBy::CarrierFlow;
        is_left_to_us(stream, reason) && !carrier.is_ok_and(decides)
    }

    /// A media stream is over for that reason: if the call [ends with it](Self::ends_with), that is seen to, as the carrier's
    /// capabilities say. Returns at once; what there is to do goes on in a task. Where the carrier's own flow decides, gives
    /// what is to be told to the app: that [it goes on](CallEventKind::FlowGoesOn). For servers.
    pub fn stream_is_over(
        &self,
        stream: ClaimedStream,
        reason: EndReason,
    ) -> Option<(CallRecord, CallEvent)> {
        if !is_left_to_us(&stream, &reason) {
            return None;
        }
        if !self.ends_with(&stream, &reason) {
            tracing::info!(call = %stream.call.key, "the stream is over; the carrier's own flow goes on");
            let kind = CallEventKind::FlowGoesOn(reason);
            let event = CallEvent::new(kind, stream.call.call_id.clone());
            return Some((stream.call, event));
        }
        let calls = self.clone();
        let end = async move {
            if let Err(error) = calls.end_with_stream(&stream, reason).await {
                tracing::error!(%error, call = %stream.call.key, "the carrier's call could not be ended with its stream");
            }
        };
        self.inner.tasks.spawn(end.in_current_span());
        None
    }

    async fn end_with_stream(&self, stream: &ClaimedStream, reason: EndReason) -> Result<()> {
        let carrier = self.account(&stream.call.account)?;
        let capabilities = carrier.capabilities();
        let grace = match capabilities.hang_up {
            HangUpBy::ClosingSocket => self.inner.options.closing_grace,
            HangUpBy::Rest | HangUpBy::CarrierFlow => Duration::ZERO,
        };
        // A store that fails, or has forgotten the call, does not say that it has ended.
        let ended = async {
            match self.inner.store.wait_for_end(&stream.call.key).await {
                Ok(_) => {}
                Err(_) => std::future::pending().await,
            }
        };
        if !capabilities.supports(Operation::HangUp)
            || tokio::time::timeout(grace, ended).await.is_ok()
        {
            return Ok(());
        }
        let Some(record) = self.left_behind(stream).await else {
            return Ok(());
        };
        // Most sockets that close without a word do so because the call is over: what it ended with is found out by `tidy`.
        if !reason.is_ours() && self.is_known_over(&record, &*carrier).await {
            return Ok(());
        }
        self.end_persistently(&record, carrier, reason).await
    }

    /// Whether the carrier says so, if it can.
    async fn is_known_over(&self, record: &CallRecord, carrier: &dyn Telephony) -> bool {
        let Some(call) = record.carrier_call() else {
            return false;
        };
        let told = ask(carrier, &call).await;
        let status = told.ok().flatten().and_then(|told| told.status);
        status.is_some_and(CallStatus::is_terminal)
    }

    /// The call, if nothing but the stream that is over kept it up.
    async fn left_behind(&self, stream: &ClaimedStream) -> Option<CallRecord> {
        let deadline = Instant::now() + TRANSFER_DEADLINE;
        let (mut failures, mut is_moving) = (0, false);
        loop {
            match self.inner.store.find(&stream.call.key).await {
                // As it was when the stream began: that is enough to hang up.
                Ok(None) => return Some(stream.call.clone()),
                Ok(Some(record))
                    if record.moved > stream.transfers
                        || record.live_streams > 0
                        || record.status.is_terminal() =>
                {
                    return None;
                }
                // What comes of a transfer that is under way is not known yet.
                Ok(Some(record)) if !self.is_moving(&record) || Instant::now() >= deadline => {
                    return Some(record);
                }
                Ok(Some(_)) => (failures, is_moving) = (0, true),
                Err(error) => {
                    failures += 1;
                    if failures >= STORE_ATTEMPTS && is_moving {
                        tracing::error!(%error, call = %stream.call.key, "the call store does not answer: what came of a transfer is not known, and nothing is hung up");
                        return None;
                    }
                    if failures >= STORE_ATTEMPTS {
                        tracing::error!(%error, call = %stream.call.key, "the call store does not answer: the call is hung up as was planned");
                        return Some(stream.call.clone());
                    }
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether a transfer is under way. Of one whose node is lost nobody ever says what came of it.
    fn is_moving(&self, record: &CallRecord) -> bool {
        let now = self.inner.ports.clock.now();
        let is_fresh = |since: &SystemTime| {
            now.duration_since(*since)
                .map_or(true, |age| age < TRANSFER_DEADLINE)
        };
        record.open_transfers.values().any(is_fresh)
    }

    /// A call that our side ended and that lives on: a callback says so, or it was placed only then. For servers.
    pub fn end_again(&self, record: CallRecord) {
        let reason = record.ended.clone().unwrap_or(EndReason::App);
        self.end_at_last(record, reason);
    }

    pub(super) fn end_at_last(&self, record: CallRecord, reason: EndReason) {
        let calls = self.clone();
        let end = async move {
            let carrier = match calls.account(&record.account) {
                Ok(carrier) if carrier.capabilities().supports(Operation::HangUp) => carrier,
                _ => return,
            };
            if let Err(error) = calls.end_persistently(&record, carrier, reason).await {
                tracing::error!(%error, call = %record.key, "a call that nobody wants any more could not be hung up");
            }
        };
        self.inner.tasks.spawn(end.in_current_span());
    }

    /// Each attempt has the carrier's own repeats within it.
    async fn end_persistently(
        &self,
        record: &CallRecord,
        carrier: Arc<dyn Telephony>,
        reason: EndReason,
    ) -> Result<()> {
        for pause in HANG_UP_PAUSES {
            let ended = self.end_by_rest(record, Arc::clone(&carrier), reason.clone());
            let Err(error) = ended.await else {
                return Ok(());
            };
            if !may_pass(&error) {
                return Err(error);
            }
            tracing::warn!(%error, call = %record.key, "the call could not be hung up; it is tried again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // There is little time left.
                () = self.inner.draining.cancelled() => tokio::time::sleep(DRAINING_PAUSE).await,
            }
            let known = self.inner.store.find(&record.key).await;
            if matches!(known, Ok(Some(record)) if record.status.is_terminal()) {
                return Ok(());
            }
        }
        self.end_by_rest(record, carrier, reason).await
    }

    pub(super) async fn end_by_rest(
        &self,
        record: &CallRecord,
        carrier: Arc<dyn Telephony>,
        reason: EndReason,
    ) -> Result<()> {
        let call = carrier_call(record, "hang up")?;
        carrier.hang_up(&call).await?;
        // It is hung up, whatever the store says now. That it is over is to be said by the carrier; else it is asked.
        log(self.note_end(record, reason).await, "the call's end");
        Ok(())
    }

    /// Does what has to be done every few seconds, on every node: forgets what is over, hangs up what a lost node left
    /// behind, what never started and what could not be hung up before, and asks carriers for the state of calls that
    /// nobody heard of. Gives what only that found out, each with its call: a [status](CallEventKind::Status) of which no
    /// callback told, calls that were [given up](CallEventKind::GivenUp), and flows that [go
    /// on](CallEventKind::FlowGoesOn). For servers, which [renew](crate::CallStore::renew_lease) the node's lease beside.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn tidy(&self) -> Result<Vec<(CallRecord, CallEvent)>> {
        let found = self.inner.store.expire(AT_ONCE).await?;
        let mut news = Vec::new();
        for stream in found.orphaned {
            tracing::warn!(call = %stream.call.key, account = %stream.call.account, "the node that held the stream is gone");
            news.extend(self.stream_is_over(stream, EndReason::NodeLost));
        }
        for record in found.never_started {
            tracing::warn!(call = %record.key, account = %record.account, status = %record.status, "the call never started: it is given up");
            meter::call_ended(&record, &EndReason::NeverStarted);
            news.push(given_up(record, EndReason::NeverStarted));
        }
        let looked = found
            .silent
            .into_iter()
            .map(|record| self.look_after(record));
        for found in futures_util::future::join_all(looked).await {
            match found {
                Ok(found) => news.extend(found),
                Err(error) => {
                    tracing::warn!(%error, "a carrier does not tell about a silent call; it is asked again");
                }
            }
        }
        Ok(news)
    }

    /// A call that nobody heard of for a while, or that should be over: asks the carrier, and hangs it up if nobody wants it.
    async fn look_after(&self, record: CallRecord) -> Result<Option<News>> {
        let carrier = self.account(&record.account)?;
        let Some(call) = record.carrier_call() else {
            return Ok(None);
        };
        let told = ask(&*carrier, &call).await;
        let status = match &told {
            Ok(Some(told)) => {
                let news = self.note_told(&record, told).await?;
                if told.status.is_some_and(CallStatus::is_terminal) {
                    return Ok(news);
                }
                told.status
            }
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_old(&record) => {
                return self.note_gone(record).await;
            }
            _ => None,
        };
        let status = status.unwrap_or(record.status);
        if carrier.capabilities().supports(Operation::HangUp)
            && let Some(reason) = self.unwanted(&record, status, &*carrier)
        {
            let calls = self.clone();
            let end = async move {
                if let Err(error) = calls.end_by_rest(&record, carrier, reason).await {
                    tracing::warn!(%error, call = %record.key, "the call could not be hung up; it is tried again");
                }
            };
            self.inner.tasks.spawn(end.in_current_span());
        }
        told.map(|_| None)
    }

    /// Why a call should be over that is at `status`, if it should.
    fn unwanted(
        &self,
        record: &CallRecord,
        status: CallStatus,
        carrier: &dyn Telephony,
    ) -> Option<EndReason> {
        let is_up = status.rank() >= CallStatus::InProgress.rank();
        let is_ours = carrier.capabilities().hang_up != HangUpBy::CarrierFlow;
        match (&record.ended, &record.planned_end) {
            // What rings for ever is hung up, not what is up although nobody told us.
            (Some(EndReason::NeverStarted), _) if is_up => None,
            (Some(reason), _) => Some(reason.clone()),
            (None, Some(planned)) if is_ours && !self.is_moving(record) => {
                Some(planned.reason.clone())
            }
            _ => None,
        }
    }

    /// Whether the carrier had the time to know the call.
    fn is_old(&self, record: &CallRecord) -> bool {
        let now = self.inner.ports.clock.now();
        let last = record.history.last().map(|(at, _)| *at);
        let age = last.and_then(|last| now.duration_since(last).ok());
        age.is_some_and(|age| age >= GONE_AFTER)
    }

    /// Takes over what the carrier told when it was asked. Gives an end, if nobody knew it.
    async fn note_told(&self, record: &CallRecord, told: &CallSnapshot) -> Result<Option<News>> {
        let Some(status) = told.status else {
            return Ok(None);
        };
        let update = self.update_status(&record.key, status).await?;
        if !status.is_terminal() || update.transition != Transition::Advanced {
            return Ok(None);
        }
        tracing::warn!(call = %record.key, status = %status, "the call's last callback was lost: the carrier was asked");
        let record = self.find(&record.key).await?;
        let kind = CallEventKind::Status(StatusReport::new(status));
        let event = CallEvent::new(kind, Some(told.call.id.clone()));
        let event = event.with_payload(Parameters::default(), told.raw.clone());
        Ok(Some((record, event)))
    }

    /// The carrier does not know the call (any more).
    async fn note_gone(&self, record: CallRecord) -> Result<Option<News>> {
        if record.ended.is_some() {
            return Ok(None);
        }
        tracing::warn!(call = %record.key, account = %record.account, "the carrier knows no such call: it is given up");
        let planned = record.planned_end.as_ref();
        let reason = planned.map_or(EndReason::NeverStarted, |planned| planned.reason.clone());
        self.note_end(&record, reason.clone()).await?;
        Ok(Some(given_up(record, reason)))
    }
}

fn is_left_to_us(stream: &ClaimedStream, reason: &EndReason) -> bool {
    let is_ours =
        reason.is_ours() || matches!(reason, EndReason::SocketClosed | EndReason::WriteTimeout);
    is_ours && stream.then == AfterStream::HangUp
}

fn given_up(record: CallRecord, reason: EndReason) -> News {
    let event = CallEvent::new(CallEventKind::GivenUp(reason), record.call_id.clone());
    (record, event)
}

/// What the carrier says of a call; nothing if it cannot.
async fn ask(carrier: &dyn Telephony, call: &CarrierCall) -> Result<Option<CallSnapshot>> {
    const OPERATION: &str = "fetch call";
    if !carrier.capabilities().supports(Operation::FetchCall) {
        return Ok(None);
    }
    let told = tokio::time::timeout(ASK_DEADLINE, carrier.fetch_call(call)).await;
    let late = |_| Error::new(ErrorKind::Timeout, OPERATION, "the carrier takes too long");
    told.map_err(late)?.map(Some)
}

/// Whether the same request may well succeed later.
fn may_pass(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Transport
            | ErrorKind::Timeout
            | ErrorKind::Carrier
            | ErrorKind::RateLimited
            | ErrorKind::Store
    )
}
