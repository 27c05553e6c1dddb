//! How calls end: with their streams, and when nobody says so.

use super::{Calls, carrier_call, log};
use crate::{
    AfterStream, CallEvent, CallEventKind, CallKey, CallRecord, CallStatus, CarrierCall,
    ClaimedStream, EndReason, Error, ErrorKind, HangUpBy, Operation, Parameters, Result,
    StatusReport, StatusUpdate, Telephony, Transition, meter,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;

/// How many calls [`Calls::tidy`] looks after at once.
const AT_ONCE: usize = 100;
/// How long a carrier may take to tell about a call that nobody heard of.
const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// How long a transfer may be under way: several attempts of a request that nobody answers.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(180);
/// How often a store is asked that fails.
const STORE_ATTEMPTS: u32 = 20;
/// The same while we shut down.
const DRAINING_PAUSE: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The pauses between attempts to hang a call up.
const HANG_UP_PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(180),
];

impl Calls {
    /// Takes over a status that the carrier reports. For servers.
    ///
    /// # Errors
    /// As [`CallStore::update_status`](crate::CallStore::update_status).
    pub async fn update_status(&self, key: &CallKey, status: CallStatus) -> Result<StatusUpdate> {
        let store = &self.inner.store;
        let update = store.update_status(key, status).await?;
        let is_the_end = status.is_terminal() && update.transition == Transition::Advanced;
        // What was given up was counted then.
        if cfg!(feature = "metrics")
            && is_the_end
            && let Ok(Some(record)) = store.find(key).await
            && record.ended != Some(EndReason::NeverStarted)
        {
            let reported = EndReason::CallEnded(status);
            meter::call_ended(&record, record.ended.as_ref().unwrap_or(&reported));
        }
        Ok(update)
    }

    /// A media stream is over for that reason: if it was our side that ended it, and nothing else was planned for the call,
    /// the call ends too, as its carrier's capabilities say. Returns at once; what there is to do goes on in a task. For
    /// servers.
    pub fn stream_is_over(&self, stream: ClaimedStream, reason: EndReason) {
        let is_left_to_us =
            reason.is_ours() || matches!(reason, EndReason::SocketClosed | EndReason::WriteTimeout);
        if stream.then == AfterStream::HangUp && is_left_to_us {
            let calls = self.clone();
            let end = async move {
                if let Err(error) = calls.end_with_stream(&stream, reason).await {
                    tracing::error!(%error, call = %stream.call.key, "the carrier's call could not be ended with its stream");
                }
            };
            self.inner.tasks.spawn(end.in_current_span());
        }
    }

    async fn end_with_stream(&self, stream: &ClaimedStream, reason: EndReason) -> Result<()> {
        let carrier = self.account(&stream.call.account)?;
        let capabilities = carrier.capabilities();
        let grace = match capabilities.hang_up {
            HangUpBy::CarrierFlow => {
                tracing::info!(call = %stream.call.key, "the stream is over; the carrier's own flow goes on");
                return Ok(());
            }
            HangUpBy::Rest => Duration::ZERO,
            HangUpBy::ClosingSocket => self.inner.options.closing_grace,
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
        if let Some(record) = self.left_behind(stream).await {
            self.end_persistently(&record, carrier, reason).await?;
        }
        Ok(())
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
                Ok(Some(record)) if record.open_transfers == 0 || Instant::now() >= deadline => {
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
        // It is hung up, whatever the store says now.
        let ended = self.inner.store.end(&record.key, reason).await;
        log(ended.map(drop), "the call's end");
        let (calls, key) = (self.clone(), record.key.clone());
        let confirm = async move {
            let confirmed = calls.confirm_end(&key, &call, &*carrier).await;
            log(confirmed, "the call's last status");
        };
        self.inner.tasks.spawn(confirm.in_current_span());
        Ok(())
    }

    /// Not every end is called back: what was hung up before it left the carrier's queue never is, and callbacks get lost.
    async fn confirm_end(
        &self,
        key: &CallKey,
        call: &CarrierCall,
        carrier: &dyn Telephony,
    ) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(self.inner.options.closing_grace) => {}
            () = self.inner.draining.cancelled() => return Ok(()),
        }
        let is_over = |record: CallRecord| record.status.is_terminal();
        if self.inner.store.find(key).await?.is_none_or(is_over)
            || !carrier.capabilities().supports(Operation::FetchCall)
        {
            return Ok(());
        }
        let status = carrier.fetch_call(call).await?.status;
        match status.filter(|status| status.is_terminal()) {
            Some(status) => self.update_status(key, status).await.map(drop),
            None => Ok(()),
        }
    }

    /// Does what has to be done every few seconds, on every node: forgets what is over, hangs up what a lost node left
    /// behind or what never started, and asks carriers for the state of calls that nobody heard of. Gives what only that
    /// found out, each with its call: a [status](CallEventKind::Status) of which no callback told, and calls that were
    /// [given up](CallEventKind::GivenUp). For servers, which [renew](crate::CallStore::renew_lease) the node's lease beside.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn tidy(&self) -> Result<Vec<(CallRecord, CallEvent)>> {
        let found = self.inner.store.expire(AT_ONCE).await?;
        let mut news = Vec::new();
        for stream in found.orphaned {
            tracing::warn!(call = %stream.call.key, account = %stream.call.account, "the node that held the stream is gone");
            self.stream_is_over(stream, EndReason::NodeLost);
        }
        for record in found.never_started {
            tracing::warn!(call = %record.key, account = %record.account, status = %record.status, "the call never started: it is given up");
            meter::call_ended(&record, &EndReason::NeverStarted);
            self.give_up(record.clone());
            let kind = CallEventKind::GivenUp(EndReason::NeverStarted);
            let event = CallEvent::new(kind, record.call_id.clone());
            news.push((record, event));
        }
        let asked = found
            .silent
            .into_iter()
            .map(|record| self.ask_about(record));
        for told in futures_util::future::join_all(asked).await {
            match told {
                Ok(told) => news.extend(told),
                Err(error) => {
                    tracing::warn!(%error, "a carrier does not tell about a silent call; it is asked again");
                }
            }
        }
        Ok(news)
    }

    /// Hangs up what the carrier may still have of a call that we forget: what rings for ever, not what is up although
    /// nobody told us, and not what only might be there.
    fn give_up(&self, record: CallRecord) {
        let calls = self.clone();
        let hang_up = async move {
            let (Some(call), Ok(carrier)) = (record.carrier_call(), calls.account(&record.account))
            else {
                return;
            };
            let capabilities = carrier.capabilities();
            let can = |operation| capabilities.supports(operation);
            if !can(Operation::HangUp) {
                return;
            }
            let status = if can(Operation::FetchCall) {
                let told = carrier.fetch_call(&call).await;
                told.ok().and_then(|told| told.status)
            } else {
                Some(record.status)
            };
            let is_waiting = status.is_some_and(|at| at.rank() < CallStatus::InProgress.rank());
            if is_waiting && let Err(error) = carrier.hang_up(&call).await {
                tracing::error!(%error, call = %record.key, "a call that never started could not be hung up");
            }
        };
        self.inner.tasks.spawn(hang_up.in_current_span());
    }

    async fn ask_about(&self, record: CallRecord) -> Result<Option<(CallRecord, CallEvent)>> {
        let carrier = self.account(&record.account)?;
        let Some(call) = record.carrier_call() else {
            return Ok(None);
        };
        if !carrier.capabilities().supports(Operation::FetchCall) {
            return Ok(None);
        }
        let told = match tokio::time::timeout(ASK_DEADLINE, carrier.fetch_call(&call)).await {
            Ok(told) => told?,
            Err(_) => return Ok(None),
        };
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
        let event = CallEvent::new(kind, Some(told.call.id));
        let event = event.with_payload(Parameters::default(), told.raw);
        Ok(Some((record, event)))
    }
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
