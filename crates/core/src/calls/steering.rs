//! Live calls: ending them, and giving them something else to do.

use super::ending::TRANSFER_DEADLINE;
use super::{Calls, carrier_call, log};
use crate::{
    Answer, CallKey, CallLinks, CallRecord, CarrierCall, Direction, Dtmf, DtmfOut, EndReason,
    Error, ErrorKind, Handover, Operation, Result, Retry, Telephony, TransferOutcome,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument as _;

pub(super) const HANG_UP: &str = "hang up";
const TRANSFER: &str = "transfer call";
const SEND_DTMF: &str = "send DTMF";
/// The first and the longest pause until it is noted again what came of a transfer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Something else for a call to do.
enum Change {
    Answer(Answer),
    /// Keys, and what comes after.
    Keys(Dtmf, Answer),
}

impl Change {
    fn answer(&self) -> &Answer {
        match self {
            Self::Answer(answer) | Self::Keys(_, answer) => answer,
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Answer(_) => TRANSFER,
            Self::Keys(..) => SEND_DTMF,
        }
    }
}

/// A call that is to be given something else to do.
struct Moving {
    record: CallRecord,
    carrier: Arc<dyn Telephony>,
    call: CarrierCall,
    change: Change,
}

impl Calls {
    /// Ends a call; also one that has not been answered yet, or is still being placed: then as soon as the carrier has told
    /// its id. Already gone is success.
    ///
    /// # Errors
    /// What the carrier says; [`ErrorKind::Unsupported`] if it has no request for it and no stream that could be closed is
    /// open; [`ErrorKind::NotFound`], also, with [`Retry::Safe`], if it is an inbound call of which the carrier has not told
    /// the id yet.
    pub async fn hang_up(&self, key: &CallKey) -> Result<()> {
        let record = self.find(key).await?;
        if record.status.is_terminal() {
            return Ok(());
        }
        let carrier = self.account(&record.account)?;
        let span = self.span(&record, HANG_UP);
        self.hang_up_now(&record, &*carrier).instrument(span).await
    }

    async fn hang_up_now(&self, record: &CallRecord, carrier: &dyn Telephony) -> Result<()> {
        if carrier.capabilities().supports(Operation::HangUp) {
            if record.call_id.is_none() && record.direction == Direction::Outbound {
                return self.give_up_placing(record).await;
            }
            return self.end_by_rest(record, carrier, EndReason::App).await;
        }
        if record.live_streams == 0 {
            let detail = "this carrier has no request that ends a call, and there is no open stream to close";
            return Err(Error::unsupported(HANG_UP, detail).with_provider(carrier.provider()));
        }
        let stopped = self
            .inner
            .store
            .stop_streams(&record.key, EndReason::App, None);
        stopped.await.map(drop)
    }

    async fn give_up_placing(&self, record: &CallRecord) -> Result<()> {
        self.note_end(record, EndReason::App).await?;
        // The carrier may have told the id in between.
        let record = self.find(&record.key).await?;
        if record.call_id.is_some() {
            self.end_again(record);
        }
        Ok(())
    }

    /// Gives a call something else to do: a party to be connected with, or any answer. A stream that is open ends with it.
    /// Accepted is not done: how it went comes as an event. It goes on if the returned future is dropped.
    ///
    /// # Errors
    /// What the carrier says; [`ErrorKind::Unsupported`] before anything is sent if it cannot; [`ErrorKind::Closed`] if the
    /// call is over; as [`hang_up`](Self::hang_up). After an error the call is as it was, unless the
    /// [outcome is unknown](Retry::OutcomeUnknown): then nothing that was open hangs it up any more.
    pub async fn transfer(&self, key: &CallKey, to: impl Into<Answer>) -> Result<()> {
        let change = Change::Answer(to.into());
        let (record, carrier) = self.live(key, Operation::Transfer, TRANSFER).await?;
        let call = carrier_call(&record, TRANSFER)?;
        self.move_to(Moving {
            record,
            carrier,
            call,
            change,
        })
        .await
    }

    /// Sends keys into a call.
    ///
    /// # Errors
    /// As [`transfer`](Self::transfer); [`ErrorKind::Unsupported`] also if sending keys would end what the call is doing, and
    /// [`Dtmf::then`] does not say what comes after.
    pub async fn send_dtmf(&self, key: &CallKey, keys: &Dtmf) -> Result<()> {
        let (record, carrier) = self.live(key, Operation::SendDtmf, SEND_DTMF).await?;
        let call = carrier_call(&record, SEND_DTMF)?;
        if carrier.capabilities().dtmf_out != DtmfOut::InPlace {
            let links = self.links(&record.account, key);
            let span = self.span(&record, SEND_DTMF);
            let sent = carrier.send_dtmf(&call, keys, &links);
            return sent.instrument(span).await;
        }
        let Some(then) = keys.next().cloned() else {
            let detail = "sending keys ends what the call is doing, a stream too: say with `Dtmf::then` what comes after";
            return Err(Error::unsupported(SEND_DTMF, detail).with_provider(carrier.provider()));
        };
        let change = Change::Keys(keys.clone(), then);
        self.move_to(Moving {
            record,
            carrier,
            call,
            change,
        })
        .await
    }

    /// In a task of its own: whoever drops the future must not leave it unknown what came of it.
    async fn move_to(&self, moving: Moving) -> Result<()> {
        let calls = self.clone();
        let span = self.span(&moving.record, moving.change.operation());
        let work = async move { calls.move_now(&moving).await };
        let task = self.inner.tasks.spawn(work.instrument(span));
        task.await.unwrap_or_else(|_| {
            let detail = "the task that transferred the call did not come to an end";
            Err(Error::new(ErrorKind::Internal, TRANSFER, detail).with_retry(Retry::OutcomeUnknown))
        })
    }

    async fn move_now(&self, moving: &Moving) -> Result<()> {
        let (store, key) = (&self.inner.store, &moving.record.key);
        // Before the carrier is asked: what it does may be seen before it has answered.
        let number = match store.begin_transfer(key).await {
            Ok(number) => number,
            Err(error) => return Err(not_asked(error)),
        };
        let moved = self.ask_to_move(moving).await;
        let outcome = match &moved {
            Ok(_) => TransferOutcome::Taken,
            Err(error) if error.retry() == Retry::OutcomeUnknown => TransferOutcome::Unknown,
            Err(_) => TransferOutcome::Refused,
        };
        self.end_transfer(key, number, outcome).await;
        match moved? {
            // A stream that the carrier leaves open would be heard by nobody.
            Handover::Sent | Handover::AsksAfterStream => {
                let reason = EndReason::Transferred;
                let stopped = store.stop_streams(key, reason, Some(number)).await;
                log(stopped.map(drop), "the end of older streams");
            }
            // Until it has asked, the old answer is in force, and may say to hang up after the stream.
            Handover::Asks => {}
        }
        Ok(())
    }

    /// Notes what came of a transfer. If the store is away, that goes on in a task for some minutes: what is not noted looks
    /// like a transfer that is under way, and in the end like none. For servers.
    pub async fn end_transfer(&self, key: &CallKey, number: u32, outcome: TransferOutcome) {
        if self.note_outcome(key, number, outcome).await {
            return;
        }
        let (calls, key) = (self.clone(), key.clone());
        let go_on = async move {
            let until = Instant::now() + TRANSFER_DEADLINE;
            let mut pause = FIRST_PAUSE;
            while Instant::now() < until {
                let is_last = tokio::select! {
                    () = tokio::time::sleep(pause) => false,
                    () = calls.inner.draining.cancelled() => true,
                };
                if calls.note_outcome(&key, number, outcome).await || is_last {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        self.inner.tasks.spawn(go_on.in_current_span());
    }

    /// Whether there is nothing more to be done about it.
    async fn note_outcome(&self, key: &CallKey, number: u32, outcome: TransferOutcome) -> bool {
        let noted = self.inner.store.end_transfer(key, number, outcome).await;
        let is_away = matches!(&noted, Err(error) if error.kind() == ErrorKind::Store);
        log(noted, "what came of a transfer");
        !is_away
    }

    async fn ask_to_move(&self, moving: &Moving) -> Result<Handover> {
        let (record, answer) = (&moving.record, moving.change.answer());
        let key = &record.key;
        let links = self.draft_links(&record.account, key, answer)?;
        let offered = self.offer_beside(key, answer, &links).await;
        offered.map_err(not_asked)?;
        match &moving.change {
            Change::Answer(answer) => self.ask_to_transfer(moving, answer, &links).await,
            Change::Keys(keys, _) => {
                let sent = moving.carrier.send_dtmf(&moving.call, keys, &links);
                sent.await.map(|()| Handover::Sent)
            }
        }
    }

    async fn ask_to_transfer(
        &self,
        moving: &Moving,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Handover> {
        let (store, key) = (&self.inner.store, &moving.record.key);
        let (carrier, call) = (&moving.carrier, &moving.call);
        let asks = carrier.plan_transfer(call, answer, links)? != Handover::Sent;
        // Before the carrier may ask for it.
        let former = match asks {
            true => {
                let kept = store.set_next(key, Some(answer.clone())).await;
                kept.map_err(not_asked)?
            }
            false => None,
        };
        let moved = carrier.transfer(call, answer, links).await;
        let next = match &moved {
            // What the call was to do before is no more.
            Ok(Handover::Sent) => None,
            Err(error) if asks && error.retry() != Retry::OutcomeUnknown => former,
            _ => return moved,
        };
        let kept = store.set_next(key, next).await;
        log(kept.map(drop), "what the call is to do");
        moved
    }
}

/// An error of what came before the carrier was asked: whatever the store did, the call is as it was.
pub(super) fn not_asked(error: Error) -> Error {
    match error.retry() {
        Retry::OutcomeUnknown => error.with_retry(Retry::Safe),
        _ => error,
    }
}
