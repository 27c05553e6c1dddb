//! Which call a request is about, and what it changes of that.

use super::Webhook;
use http::StatusCode;
use telephony_core::meter::{self, Verdict};
use telephony_core::{
    Answered, CallEvent, CallEventKind, CallId, CallKey, CallRecord, CarrierCall, Direction,
    ErrorKind, IncomingCall, LegReport, LegRole, NewCall, Result, Transition, Verified,
};

/// What becomes of a call that nobody knew.
pub(super) enum Admitted {
    Opened(Box<CallRecord>),
    /// What is answered to it instead.
    Refused(Answered),
}

impl Webhook<'_> {
    /// Opens a new call, if this node and the account may have one more.
    pub(super) async fn admit(&self, request: &Verified, call: &IncomingCall) -> Result<Admitted> {
        if self.server.calls.is_draining() {
            tracing::warn!("the call is turned away: this node shuts down");
            self.verdict.get_or_init(|| Verdict::TurnedAway);
            let elsewhere = Answered::empty(StatusCode::SERVICE_UNAVAILABLE);
            return Ok(Admitted::Refused(elsewhere));
        }
        match self.open(call).await {
            Err(error) if error.kind() == ErrorKind::RateLimited => {
                tracing::warn!(%error, "the call is refused");
                self.verdict.get_or_init(|| Verdict::Limited);
                self.refuse(request, call).map(Admitted::Refused)
            }
            opened => opened.map(|record| Admitted::Opened(Box::new(record))),
        }
    }

    async fn open(&self, call: &IncomingCall) -> Result<CallRecord> {
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

    /// The call of a callback: by our key in the URL, else by the carrier's id.
    pub(super) async fn find(
        &self,
        request: &Verified,
        key: Option<&str>,
        id: Option<&CallId>,
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
        match (by_key, id) {
            (None, Some(id)) => store.find_by_id(account, id).await,
            (found, _) => Ok(found),
        }
    }

    /// The carrier's id of the call, if a status tells it for the first time.
    pub(super) async fn learn_id(
        &self,
        record: &mut CallRecord,
        events: &[CallEvent],
    ) -> Result<()> {
        let status = events.iter().find(|event| event.status().is_some());
        let told = status.and_then(|event| event.call_id.as_ref());
        if let (None, Some(id)) = (&record.call_id, told) {
            let call = CarrierCall::new(id.clone());
            self.store().attach(&record.key, &call).await?;
            record.call_id = Some(id.clone());
        }
        Ok(())
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
