//! What nobody says: calls that are looked after every few seconds.

use super::Calls;
use super::steering::HANG_UP;
use crate::{
    CallEvent, CallEventKind, CallRecord, CallSnapshot, CallStatus, CarrierCall, ClaimedStream,
    EndReason, Error, ErrorKind, HangUpBy, Operation, Parameters, Result, StatusReport, Telephony,
    Transition, meter,
};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

#[cfg(doc)]
use crate::CallStore;

const LOOK_AFTER: &str = "look after";
/// How many calls of a kind are taken from the store at once.
const AT_ONCE: usize = 100;
/// About how many calls carriers are asked at once.
pub(super) const ASKS: usize = 200;
/// How long a carrier may take to tell about a call that nobody heard of, and to hang it up.
const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// How long a turn waits until a carrier has answered, if enough are asked already.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(1);
/// A call of which the carrier knows nothing that long after its last news is none: before, its record may be late.
const GONE_AFTER: Duration = Duration::from_secs(300);

/// What only the library found out, for the app.
type News = (CallRecord, CallEvent);

type TellOne = dyn Fn(CallRecord, CallEvent) + Send + Sync;
type Tell = Arc<TellOne>;

impl Calls {
    /// Does what has to be done every few seconds, on every node: forgets what is over, hangs up what a lost node left
    /// behind, what never started and what could not be hung up before, and asks carriers for the state of calls that
    /// nobody heard of. Tells what only that found out, each with its call: a [status](CallEventKind::Status) of which no
    /// callback told, calls that were [given up](CallEventKind::GivenUp), and flows that [go
    /// on](CallEventKind::FlowGoesOn). Carriers are asked in tasks, so that `tell` is also called later. Whether more is due
    /// already: then it should be called again at once. Does nothing while we [shut down](Self::drain). For servers, which
    /// [renew](CallStore::renew_lease) the node's lease beside.
    ///
    /// # Errors
    /// [`ErrorKind::Store`].
    pub async fn tidy(
        &self,
        tell: impl Fn(CallRecord, CallEvent) + Send + Sync + 'static,
    ) -> Result<bool> {
        let calls = self.clone();
        let turn = async move { calls.take_turn(Arc::new(tell)).await };
        // In a task of its own: what was found is found no second time.
        let turn = self.inner.tasks.spawn(turn.in_current_span());
        turn.await.unwrap_or_else(|_| {
            let detail = "the task that looked after the calls did not come to an end";
            Err(Error::new(ErrorKind::Internal, "tidy up", detail))
        })
    }

    async fn take_turn(&self, tell: Tell) -> Result<bool> {
        if self.is_draining() {
            return Ok(false);
        }
        let asks = self.room_to_ask().await;
        let found = self.inner.store.expire(AT_ONCE, asks).await?;
        let is_full = found.orphaned.len().max(found.never_started.len()) >= AT_ONCE
            || (asks > 0 && found.silent.len() >= asks);
        for stream in found.orphaned {
            // Another stream or a transfer decides how this call ends.
            if stream.call.planned_end.is_none() && self.ends_with(&stream, &EndReason::NodeLost) {
                continue;
            }
            let span = self.span(&stream.call, LOOK_AFTER);
            span.in_scope(|| self.end_orphan(stream, &*tell));
        }
        for record in found.never_started {
            let span = self.span(&record, LOOK_AFTER);
            span.in_scope(|| tell_never_started(record, &*tell));
        }
        for record in found.silent {
            self.look_after_soon(record, Arc::clone(&tell));
        }
        Ok(is_full)
    }

    fn end_orphan(&self, stream: ClaimedStream, tell: &TellOne) {
        tracing::warn!(call = %stream.call.key, account = %stream.call.account, "the node that held the stream is gone");
        if let Some((record, event)) = self.stream_is_over(stream, EndReason::NodeLost) {
            tell(record, event);
        }
    }

    /// About how many more calls may be asked about now. If none, waits a moment for one.
    async fn room_to_ask(&self) -> usize {
        let asking = &self.inner.asking;
        if asking.available_permits() == 0 {
            let _ = tokio::time::timeout(WAIT_FOR_ROOM, asking.acquire()).await;
        }
        asking.available_permits().min(AT_ONCE)
    }

    fn look_after_soon(&self, record: CallRecord, tell: Tell) {
        let span = self.span(&record, LOOK_AFTER);
        let calls = self.clone();
        let look = async move {
            // It is never closed.
            let _permit = calls.inner.asking.acquire().await;
            match calls.look_after(&record).await {
                Ok(Some((record, event))) => tell(record, event),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, call = %record.key, "a silent call could not be asked about; it is asked again");
                }
            }
        };
        self.inner.tasks.spawn(look.instrument(span));
    }

    /// A call that nobody heard of for a while, or that should be over: asks the carrier, and hangs it up if nobody wants it.
    async fn look_after(&self, found: &CallRecord) -> Result<Option<News>> {
        let carrier = self.account(&found.account)?;
        let Some(call) = found.carrier_call() else {
            return Ok(None);
        };
        let told = tokio::select! {
            told = ask(&*carrier, &call) => told,
            () = self.inner.draining.cancelled() => return Ok(None),
        };
        match &told {
            Ok(Some(told)) => {
                let news = self.note_told(found, told).await?;
                if told.status.is_some_and(CallStatus::is_terminal) {
                    return Ok(news);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_old(found) => {
                return self.note_gone(found).await;
            }
            _ => {}
        }
        self.end_if_nobody_wants(found, &*carrier).await?;
        told.map(|_| None)
    }

    /// Hangs the call up if it should be over. What fails comes again.
    async fn end_if_nobody_wants(&self, found: &CallRecord, carrier: &dyn Telephony) -> Result<()> {
        let capabilities = carrier.capabilities();
        // The carrier may have taken its time.
        let record = self.find(&found.key).await?;
        let is_settled = record.status.is_terminal() || self.is_taken_up(&record, found);
        if is_settled || !capabilities.supports(Operation::HangUp) {
            return Ok(());
        }
        let reason = match (&record.ended, &record.planned_end) {
            (Some(reason), _) => reason,
            (None, Some(planned)) if capabilities.hang_up != HangUpBy::CarrierFlow => {
                &planned.reason
            }
            _ => return Ok(()),
        };
        let ended = self.end_by_rest(&record, carrier, reason.clone());
        if let Err(error) = in_time(HANG_UP, ended).await {
            tracing::warn!(%error, call = %record.key, "the call could not be hung up; it is tried again");
        }
        Ok(())
    }

    /// Whether the carrier had the time to know the call.
    fn is_old(&self, record: &CallRecord) -> bool {
        let now = self.inner.ports.clock.now();
        let last = record.history.last().map(|(at, _)| *at);
        let age = last.and_then(|last| now.duration_since(last).ok());
        age.is_some_and(|age| age >= GONE_AFTER)
    }

    /// Takes over what the carrier told when it was asked. Gives an end, if nobody knew it.
    async fn note_told(&self, found: &CallRecord, told: &CallSnapshot) -> Result<Option<News>> {
        let Some(status) = told.status else {
            return Ok(None);
        };
        let update = self.update_status(&found.key, status).await?;
        if !status.is_terminal() || update.transition != Transition::Advanced {
            return Ok(None);
        }
        tracing::warn!(call = %found.key, status = %status, "the call's last callback was lost: the carrier was asked");
        let record = self.find(&found.key).await.unwrap_or_else(|_| {
            // This is told once, so it is told with what is known.
            let mut record = found.clone();
            record.status = status;
            record.ended.get_or_insert(EndReason::CallEnded(status));
            record
        });
        let kind = CallEventKind::Status(StatusReport::new(status));
        let event = CallEvent::new(kind, Some(told.call.id.clone()));
        let event = event.with_payload(Parameters::default(), told.raw.clone());
        Ok(Some((record, event)))
    }

    /// The carrier does not know the call (any more).
    async fn note_gone(&self, found: &CallRecord) -> Result<Option<News>> {
        if found.ended.is_some() {
            return Ok(None);
        }
        tracing::warn!(call = %found.key, account = %found.account, "the carrier knows no such call: it is given up");
        let planned = found.planned_end.as_ref();
        let reason = planned.map_or(EndReason::NeverStarted, |planned| planned.reason.clone());
        let is_first = self.note_end(found, reason.clone()).await?;
        Ok(is_first.then(|| given_up(found.clone(), reason)))
    }
}

fn tell_never_started(record: CallRecord, tell: &TellOne) {
    tracing::warn!(call = %record.key, account = %record.account, status = %record.status, "the call never started: it is given up");
    meter::call_ended(&record, &EndReason::NeverStarted);
    let (record, event) = given_up(record, EndReason::NeverStarted);
    tell(record, event);
}

fn given_up(mut record: CallRecord, reason: EndReason) -> News {
    record.ended.get_or_insert_with(|| reason.clone());
    let event = CallEvent::new(CallEventKind::GivenUp(reason), record.call_id.clone());
    (record, event)
}

/// What the carrier says of a call; nothing if it cannot.
pub(super) async fn ask(
    carrier: &dyn Telephony,
    call: &CarrierCall,
) -> Result<Option<CallSnapshot>> {
    if !carrier.capabilities().supports(Operation::FetchCall) {
        return Ok(None);
    }
    let told = in_time("fetch call", carrier.fetch_call(call)).await;
    told.map(Some)
}

/// What the carrier says, if it does not take too long.
pub(super) async fn in_time<T>(
    operation: &'static str,
    asked: impl Future<Output = Result<T>>,
) -> Result<T> {
    let told = tokio::time::timeout(ASK_DEADLINE, asked).await;
    told.unwrap_or_else(|_| {
        let detail = "the carrier takes too long";
        Err(Error::new(ErrorKind::Timeout, operation, detail))
    })
}
