//! How calls end: with their streams, and when nobody says so.

use super::steering::HANG_UP;
use super::tidying::{ask, in_time};
use super::{Calls, carrier_call, log};
use crate::{
    AfterStream, CallEvent, CallEventKind, CallKey, CallRecord, CallStatus, ClaimedStream,
    EndReason, Error, ErrorKind, HangUpBy, Operation, Result, StatusUpdate, Telephony, Transition,
    meter,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::Instrument as _;

/// How long a transfer may be under way: several attempts of a request that nobody answers.
pub(super) const TRANSFER_DEADLINE: Duration = Duration::from_secs(180);
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

/// A call that nothing keeps up any more.
struct LeftBehind {
    call: CallRecord,
    /// Whether the store said so.
    is_known: bool,
}

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

    /// Notes that our side ended the call; whether this was the first end.
    pub(super) async fn note_end(&self, record: &CallRecord, reason: EndReason) -> Result<bool> {
        let is_first = self.inner.store.end(&record.key, reason.clone()).await?;
        if is_first {
            meter::call_ended(record, &reason);
        }
        Ok(is_first)
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
        let Some(mut left) = self.left_behind(stream, STORE_ATTEMPTS).await else {
            return Ok(());
        };
        // Most sockets that close without a word do so because the call is over: what it ended with is found out by `tidy`.
        if !reason.is_ours() {
            if self.is_known_over(&left.call, &*carrier).await {
                return Ok(());
            }
            // The carrier may have taken its time. A store that was away then is not waited for twice.
            let attempts = if left.is_known { STORE_ATTEMPTS } else { 1 };
            match self.left_behind(stream, attempts).await {
                Some(now) => left = now,
                None => return Ok(()),
            }
        }
        self.end_persistently(&left.call, carrier, reason).await
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

    /// The call, if nothing but the stream that is over kept it up. The store is asked so often if it fails; more often once
    /// it has said that there is something to wait for.
    async fn left_behind(&self, stream: &ClaimedStream, mut attempts: u32) -> Option<LeftBehind> {
        let deadline = Instant::now() + TRANSFER_DEADLINE;
        let (mut failures, mut is_moving) = (0, false);
        // As it was when the stream began: that is enough to hang up.
        let as_begun = |is_known| {
            let call = stream.call.clone();
            Some(LeftBehind { call, is_known })
        };
        loop {
            match self.inner.store.find(&stream.call.key).await {
                Ok(None) => return as_begun(true),
                Ok(Some(record))
                    if record.moved > stream.transfers
                        || record.live_streams > 0
                        || record.status.is_terminal() =>
                {
                    return None;
                }
                // What comes of a transfer that is under way is not known yet.
                Ok(Some(call)) if !self.is_moving(&call) || Instant::now() >= deadline => {
                    let is_known = true;
                    return Some(LeftBehind { call, is_known });
                }
                Ok(Some(_)) => (failures, is_moving, attempts) = (0, true, STORE_ATTEMPTS),
                Err(error) => {
                    failures += 1;
                    if failures >= attempts && is_moving {
                        tracing::error!(%error, call = %stream.call.key, "the call store does not answer: what came of a transfer is not known, and nothing is hung up");
                        return None;
                    }
                    if failures >= attempts {
                        tracing::error!(%error, call = %stream.call.key, "the call store does not answer: the call is hung up as was planned");
                        return as_begun(false);
                    }
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether something else was made of the call since it was found as `then`.
    pub(super) fn is_taken_up(&self, now: &CallRecord, then: &CallRecord) -> bool {
        let has_moved = now.moved > then.moved || self.is_moving(now);
        now.ended.is_none() && (has_moved || now.live_streams > 0)
    }

    /// Whether a transfer is under way. Of one whose node is lost nobody ever says what came of it.
    pub(super) fn is_moving(&self, record: &CallRecord) -> bool {
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

    /// Each attempt has the carrier's own repeats within it, as far as there is time for them.
    async fn end_persistently(
        &self,
        record: &CallRecord,
        carrier: Arc<dyn Telephony>,
        reason: EndReason,
    ) -> Result<()> {
        for pause in HANG_UP_PAUSES {
            let ended = self.end_by_rest(record, &*carrier, reason.clone());
            let Err(error) = in_time(HANG_UP, ended).await else {
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
            if matches!(&known, Ok(Some(now)) if now.status.is_terminal() || self.is_taken_up(now, record))
            {
                return Ok(());
            }
        }
        in_time(HANG_UP, self.end_by_rest(record, &*carrier, reason)).await
    }

    pub(super) async fn end_by_rest(
        &self,
        record: &CallRecord,
        carrier: &dyn Telephony,
        reason: EndReason,
    ) -> Result<()> {
        let call = carrier_call(record, HANG_UP)?;
        carrier.hang_up(&call).await?;
        // It is hung up, whatever the store says now. That it is over is to be said by the carrier; else it is asked.
        let noted = self.note_end(record, reason).await;
        log(noted.map(drop), "the call's end");
        Ok(())
    }
}

fn is_left_to_us(stream: &ClaimedStream, reason: &EndReason) -> bool {
    let is_ours =
        reason.is_ours() || matches!(reason, EndReason::SocketClosed | EndReason::WriteTimeout);
    is_ours && stream.then == AfterStream::HangUp
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
