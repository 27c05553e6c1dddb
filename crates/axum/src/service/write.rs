//! What goes back to the carrier: what was decided before, the app's answer, the fallback, or an acknowledgement.

use super::Webhook;
use telephony_core::{
    Answer, Answered, CallKey, CallLinks, CallRecord, ErrorKind, IncomingCall, RejectReason,
    Result, TransferOutcome, Verified,
};

impl Webhook<'_> {
    /// What goes back where nothing is to be done.
    pub(super) fn acknowledge(&self, request: &Verified, key: Option<CallKey>) -> Result<Answered> {
        let key = match key {
            Some(key) => key,
            None => CallKey::random(&*self.server.calls.ports().random)?,
        };
        let links = self.server.calls.links(self.carrier.account(), &key);
        self.carrier.reply(request, None, &links)
    }

    /// The account has as many calls as it may have: busy, as well as the carrier can say it.
    pub(super) fn refuse(&self, request: &Verified, call: &IncomingCall) -> Result<Answered> {
        let key = CallKey::random(&*self.server.calls.ports().random)?;
        let links = self.server.calls.links(self.carrier.account(), &key);
        for answer in [Answer::reject(RejectReason::Busy), Answer::hang_up()] {
            match self.carrier.incoming_call(call, &answer, &links) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                result => return result,
            }
        }
        self.carrier.reply(request, None, &links)
    }

    /// What the call is to do next, if that was decided before the carrier asked.
    pub(super) async fn take_next(
        &self,
        request: &Verified,
        record: &CallRecord,
    ) -> Result<Option<Answer>> {
        let name = match &request.authenticated().replay_key {
            Some(key) => key.clone(),
            // Two questions that say the same may be two, so each is one of its own.
            None => CallKey::random(&*self.server.calls.ports().random)?.to_string(),
        };
        self.store().take_next(&record.key, &name).await
    }

    pub(super) async fn write_reply(
        &self,
        request: &Verified,
        key: &CallKey,
        answer: Option<Answer>,
    ) -> Result<Answered> {
        let write =
            |answer: &Answer, links: &CallLinks| self.carrier.reply(request, Some(answer), links);
        match self.write_or_fall_back(key, answer, write).await {
            // This callback takes no answer: acknowledged all the same.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(%error, "the app's answer does not fit this callback");
                self.acknowledge(request, Some(key.clone()))
            }
            result => result,
        }
    }

    /// The app's answer to an event is a transfer.
    pub(super) async fn move_by_answer(
        &self,
        request: &Verified,
        key: &CallKey,
        answer: Answer,
    ) -> Result<Answered> {
        let calls = &self.server.calls;
        let links = calls.draft_links(self.carrier.account(), key, &answer)?;
        let answered = match self.carrier.reply(request, Some(&answer), &links) {
            Ok(answered) => answered,
            // What was offered to the call before stays good.
            Err(error) => {
                tracing::error!(%error, "the app's answer cannot be given here");
                return self.write_reply(request, key, None).await;
            }
        };
        let number = self.store().begin_transfer(key).await?;
        let offered = calls.offer_beside(key, &answer, &links).await;
        let outcome = match &offered {
            Ok(()) => TransferOutcome::Taken,
            Err(_) => TransferOutcome::Refused,
        };
        calls.end_transfer(key, number, outcome).await;
        offered.map(|()| answered)
    }

    /// Writes what was decided before the carrier asked; [`None`] if it does not fit what asks, and then it is kept.
    pub(super) async fn write_next(
        &self,
        key: &CallKey,
        next: Answer,
        write: impl Fn(&Answer, &CallLinks) -> Result<Answered>,
    ) -> Result<Option<Answered>> {
        match self.write_and_offer(key, &next, write).await {
            Ok(answered) => Ok(Some(answered)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::debug!(%error, "what was decided for the call does not fit here: the app is asked");
                self.store().set_next(key, Some(next)).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the app's answer; the fallback if there is none or the carrier cannot express it.
    pub(super) async fn write_or_fall_back(
        &self,
        key: &CallKey,
        answer: Option<Answer>,
        write: impl Fn(&Answer, &CallLinks) -> Result<Answered>,
    ) -> Result<Answered> {
        if let Some(answer) = answer {
            match self.write_and_offer(key, &answer, &write).await {
                Ok(answered) => return Ok(answered),
                Err(error) => {
                    tracing::error!(%error, "the app's answer cannot be given; the fallback goes out")
                }
            }
        }
        let fallback = &self.server.options.fallback;
        self.write_and_offer(key, fallback, write).await
    }

    /// Offers its stream only once it could be written: what was offered before goes with that.
    async fn write_and_offer(
        &self,
        key: &CallKey,
        answer: &Answer,
        write: impl Fn(&Answer, &CallLinks) -> Result<Answered>,
    ) -> Result<Answered> {
        let calls = &self.server.calls;
        let links = calls.draft_links(self.carrier.account(), key, answer)?;
        let answered = write(answer, &links)?;
        calls.offer(key, answer, &links).await?;
        Ok(answered)
    }
}
