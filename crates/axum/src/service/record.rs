//! Which call a request is about, and what it changes of that.

use super::Webhook;
use telephony_core::meter;
use telephony_core::{
    CallEvent, CallEventKind, CallId, CallKey, CallRecord, CarrierCall, Direction, IncomingCall,
    LegReport, LegRole, NewCall, Result, Transition, Verified, WebhookKind,
};

impl Webhook<'_> {
    pub(super) async fn open(&self, call: &IncomingCall) -> Result<CallRecord> {
        let key = CallKey::random(&*self.server.calls.ports().random)?;
        let parties = (call.from().clone(), call.to().clone());
        let new = NewCall::new(
            key,
            call.provider().clone(),
            call.account().clone(),
            call.direction(),
            parties,
        )
        .with_call_id(call.id().cloned())
        .with_home(call.home().map(str::to_owned))
        .with_status(call.status());
        let key = new.key.clone();
        let record = self.store().open(new).await?;
        // Somebody else may have been faster.
        if record.key == key {
            meter::call_started(&record.provider, record.direction);
        }
        Ok(record)
    }

    /// The call, if we have it: one that we placed, of which the carrier hands our key back, or one that it asks about again.
    pub(super) async fn find_known(&self, call: &IncomingCall) -> Result<Option<CallRecord>> {
        if let Some(key) = call.key()
            && let Some(mut record) = self.store().find(key).await?
            && record.account == *call.account()
            && record.direction == Direction::Outbound
        {
            if let (None, Some(id)) = (&record.call_id, call.id()) {
                let carriers = CarrierCall::new(id.clone()).at(call.home().map(str::to_owned));
                self.store().attach(&record.key, &carriers).await?;
                record.call_id = Some(id.clone());
            }
            return Ok(Some(record));
        }
        match call.id() {
            Some(id) => self.store().find_by_id(call.account(), id).await,
            None => Ok(None),
        }
    }

    /// The call of a callback: by our key in the URL, else by the carrier's id. A call that asks what to do next and that we
    /// never heard of (its first request went elsewhere) is opened now.
    pub(super) async fn find(
        &self,
        request: &Verified,
        key: Option<&str>,
        id: Option<&CallId>,
        events: &[CallEvent],
    ) -> Result<Option<CallRecord>> {
        let store = self.store();
        let account = request.account();
        let by_key = match key.map(CallKey::parse) {
            Some(Ok(key)) => store
                .find(&key)
                .await?
                .filter(|record| record.account == *account),
            _ => None,
        };
        let mut record = by_key;
        if record.is_none()
            && let Some(id) = id
        {
            record = store.find_by_id(account, id).await?;
        }
        if record.is_none()
            && request.request().kind == WebhookKind::NextStep
            && let Ok(call) = self.carrier.accept_call(request)
        {
            record = Some(self.open(&call).await?);
        }
        if let Some(record) = &mut record {
            let status = events.iter().find(|event| event.status().is_some());
            if let (None, Some(id)) = (
                &record.call_id,
                status.and_then(|event| event.call_id.as_ref()),
            ) {
                store
                    .attach(&record.key, &CarrierCall::new(id.clone()))
                    .await?;
                record.call_id = Some(id.clone());
            }
            self.note(record);
        }
        Ok(record)
    }

    /// Applies an event to the call. [`None`] if the app need not hear of it: a status that came late or again.
    pub(super) async fn remember(
        &self,
        record: &mut Option<CallRecord>,
        mut event: CallEvent,
    ) -> Result<Option<CallEvent>> {
        let (record, status) = match (record, event.status()) {
            (Some(record), Some(status)) => (record, status),
            (Some(record), None) => return self.once(record, event).await,
            (None, _) => return Ok(Some(event)),
        };
        let is_other_leg =
            matches!((&event.call_id, &record.call_id), (Some(leg), Some(call)) if leg != call);
        if is_other_leg {
            let leg = LegReport::new(
                event.call_id.clone(),
                LegRole::Other,
                Some(status),
                status.as_str(),
            );
            event.kind = CallEventKind::Leg(leg);
            return Ok(Some(event));
        }
        let update = self.server.calls.update_status(&record.key, status).await?;
        record.status = update.status;
        if update.transition == Transition::Advanced
            && !status.is_terminal()
            && record.ended.is_some()
        {
            self.server.calls.end_again(record.clone());
        }
        Ok((update.transition == Transition::Advanced).then_some(event))
    }
}
