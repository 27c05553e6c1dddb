//! Calls that go out.

use super::{Calls, log, require, steering};
use crate::{
    AccountLabel, Answer, CallKey, CallStatus, Direction, EndReason, Error, ErrorKind, FailedCall,
    Handover, MediaToken, NewCall, Operation, OutboundCall, PlacedCall, ProviderName, Result,
    Retry, Telephony, meter,
};
use std::sync::Arc;
use tracing::{Instrument as _, Span};

const PLACE: &str = "place call";

impl Calls {
    /// Places a call. It is in the store before the carrier is asked, and goes on being placed if the returned future is
    /// dropped. That the carrier took it is not an answer: statuses come as events, and a stream as a stream.
    ///
    /// # Errors
    /// What the carrier says, beside the same report. With [`Retry::OutcomeUnknown`] nobody knows whether the call exists:
    /// it stays in the store for callbacks, and [`find_placed`](Self::find_placed) asks the carrier.
    pub async fn place(
        &self,
        account: &AccountLabel,
        call: OutboundCall,
    ) -> Result<PlacedCall, FailedCall> {
        let carrier = match self.account(account) {
            Ok(carrier) => carrier,
            Err(error) => {
                let unknown = ProviderName::from_static("unknown");
                return Err(FailedCall::new(None, &unknown, &call, error));
            }
        };
        let provider = carrier.provider();
        let span = self.span_of(provider, account, call.key.as_ref(), None, PLACE);
        let (calls, what, by) = (self.clone(), call.clone(), Arc::clone(&carrier));
        // In a task of its own: whoever drops the future must not lose the carrier's answer.
        let placing = async move { calls.place_at(&*by, &what).await };
        let placing = placing.instrument(span.clone());
        match self.inner.tasks.spawn(placing).await {
            Ok(Ok(placed)) => {
                span.in_scope(
                    || tracing::info!(call = %placed.key, report = ?placed.report, "call placed"),
                );
                Ok(placed)
            }
            Ok(Err((key, error))) => {
                let failed = FailedCall::new(key, provider, &call, error);
                span.in_scope(
                    || tracing::warn!(error = %failed, report = ?failed.report, "call not placed"),
                );
                Err(failed)
            }
            Err(_) => {
                let detail = "the task that placed the call did not come to an end";
                let error = Error::new(ErrorKind::Internal, PLACE, detail)
                    .with_retry(Retry::OutcomeUnknown);
                Err(FailedCall::new(None, provider, &call, error))
            }
        }
    }

    /// In the span of the call, which gets to know here what is not known before.
    async fn place_at(
        &self,
        carrier: &dyn Telephony,
        call: &OutboundCall,
    ) -> Result<PlacedCall, (Option<CallKey>, Error)> {
        let (key, planned) = self
            .open(carrier, call)
            .await
            .map_err(|error| (None, steering::not_asked(error)))?;
        match self.ask_to_place(carrier, call, &key).await {
            Ok(placed) => {
                Span::current().record("call_id", tracing::field::display(placed.id()));
                self.note_placed(&placed, planned).await;
                Ok(placed)
            }
            Err(error) => {
                if error.retry() != Retry::OutcomeUnknown {
                    let failed = self.update_status(&key, CallStatus::Failed);
                    log(failed.await.map(drop), "the call's failure");
                }
                Err((Some(key), error))
            }
        }
    }

    async fn open(
        &self,
        carrier: &dyn Telephony,
        call: &OutboundCall,
    ) -> Result<(CallKey, Handover)> {
        if self.inner.draining.is_cancelled() {
            let detail = "this node shuts down and places no new calls";
            return Err(Error::new(ErrorKind::Closed, PLACE, detail).with_retry(Retry::Safe));
        }
        require(carrier, Operation::MakeCall, PLACE)?;
        let key = match &call.key {
            Some(key) => key.clone(),
            None => {
                let key = CallKey::random(&*self.inner.ports.random)?;
                Span::current().record("call", tracing::field::display(&key));
                key
            }
        };
        let planned = self.plan(carrier, call, &key)?;
        let new = NewCall::new(
            key,
            carrier.provider().clone(),
            carrier.account().clone(),
            Direction::Outbound,
            (call.from.clone(), call.to.clone()),
        );
        let mut new = new.with_data(call.parameters.clone());
        // A redirect means that the app is asked.
        if planned != Handover::Sent && call.answer != Answer::redirect() {
            new = new.with_next(call.answer.clone());
        }
        let key = self.inner.store.open(new).await?.key;
        meter::call_started(carrier.provider(), Direction::Outbound);
        Ok((key, planned))
    }

    /// How the carrier will get to know what the call is to do.
    fn plan(
        &self,
        carrier: &dyn Telephony,
        call: &OutboundCall,
        key: &CallKey,
    ) -> Result<Handover> {
        let media = MediaToken::random(&*self.inner.ports.random)?;
        let links = self.links(carrier.account(), key).with_media(media);
        carrier.plan_call(call, &links)
    }

    async fn ask_to_place(
        &self,
        carrier: &dyn Telephony,
        call: &OutboundCall,
        key: &CallKey,
    ) -> Result<PlacedCall> {
        let links = self.links_for(carrier.account(), key, &call.answer).await;
        let links = links.map_err(steering::not_asked)?;
        carrier.make_call(call, &links).await
    }

    /// The call is placed, whatever the store says now: its failures must not look like failures to place it.
    async fn note_placed(&self, placed: &PlacedCall, planned: Handover) {
        let (store, key) = (&self.inner.store, &placed.key);
        log(store.attach(key, &placed.call).await, "the carrier's id");
        let status = self.update_status(key, placed.status).await;
        log(status.map(drop), "the call's status");
        if placed.handover == Handover::Sent && planned != Handover::Sent {
            let kept = store.set_next(key, None).await;
            log(kept.map(drop), "what the call is to do");
        }
        self.end_if_unwanted(placed).await;
    }

    /// Hangs up a call that somebody gave up while it was being placed, or that nobody here can take any more.
    async fn end_if_unwanted(&self, placed: &PlacedCall) {
        let key = &placed.key;
        let found = self.inner.store.find(key).await.map(|found| {
            found.map(|mut record| {
                // Whether or not the store took it.
                record.call_id.get_or_insert_with(|| placed.call.id.clone());
                record.home = record.home.take().or_else(|| placed.call.home.clone());
                record
            })
        });
        match found {
            Ok(Some(record)) if record.status.is_terminal() => {}
            Ok(Some(record)) if record.ended.is_some() => self.end_again(record),
            Ok(Some(record)) if self.is_draining() => self.end_at_last(record, EndReason::Shutdown),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, call = %key, "whether the call is still wanted is not known");
            }
        }
    }
}
