//! A carrier whose requests are all taken for genuine, so that what reads them can be given anything.

use std::sync::Arc;

use telephony_core::media::{MediaCodec, StreamTicket};
use telephony_core::{
    AccountLabel, Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Capabilities,
    IncomingCall, ProviderName, Result, Telephony, Verified, WebhookRequest, verify,
};

/// `request` as one that `carrier` has verified, whoever made it.
pub(super) fn taken_for_genuine(
    carrier: &Arc<dyn Telephony>,
    request: WebhookRequest,
) -> Result<Verified> {
    verify(&Trusting(Arc::clone(carrier)), request)
}

#[derive(Debug)]
struct Trusting(Arc<dyn Telephony>);

impl Telephony for Trusting {
    fn provider(&self) -> &ProviderName {
        self.0.provider()
    }

    fn account(&self) -> &AccountLabel {
        self.0.account()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn authenticate(&self, _: &WebhookRequest) -> Result<Authenticated> {
        Ok(Authenticated::new())
    }

    fn accept_call(&self, request: &Verified) -> Result<IncomingCall> {
        self.0.accept_call(request)
    }

    fn incoming_call(
        &self,
        call: &IncomingCall,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Answered> {
        self.0.incoming_call(call, answer, links)
    }

    fn status_callback(&self, request: &Verified) -> Result<Vec<CallEvent>> {
        self.0.status_callback(request)
    }

    fn catch_all_status_callback(
        &self,
        request: &Verified,
    ) -> Result<(Option<CallId>, Vec<CallEvent>)> {
        self.0.catch_all_status_callback(request)
    }

    fn reply(
        &self,
        request: &Verified,
        answer: Option<&Answer>,
        links: &CallLinks,
    ) -> Result<Answered> {
        self.0.reply(request, answer, links)
    }

    fn media_codec(&self, ticket: &StreamTicket) -> Result<Box<dyn MediaCodec>> {
        self.0.media_codec(ticket)
    }
}
