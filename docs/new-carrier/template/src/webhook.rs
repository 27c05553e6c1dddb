//! Webhooks: what they say, and what goes back.

use super::NAME;
use telephony_core::{
    Answer, Answered, CallEvent, CallId, CallLinks, Error, IncomingCall, Result, Verified,
    WebhookRequest,
};

/// Reads a call that comes in.
pub(super) fn accept_call(_verified: &Verified, _request: &WebhookRequest) -> Result<IncomingCall> {
    Err(Error::malformed("step 2 is not written yet").with_provider(NAME))
}

/// Reads any callback.
pub(super) fn read_callback(_request: &WebhookRequest) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    Err(Error::malformed("step 2 is not written yet").with_provider(NAME))
}

/// Writes what goes back for a callback.
pub(super) fn reply(
    _request: &WebhookRequest,
    _answer: Option<&Answer>,
    _links: &CallLinks,
) -> Result<Answered> {
    let detail = "step 2 is not written yet";
    Err(Error::unsupported("answer callback", detail).with_provider(NAME))
}
