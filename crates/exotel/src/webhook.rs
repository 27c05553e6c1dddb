//! Exotel's requests, once they are verified: a call that comes in, and everything that is reported.

use crate::applet::Applet;
use crate::event;
use crate::payload::Payload;
use http::Method;
use telephony_core::{
    CallEvent, CallId, CallKey, CallStatus, Direction, Error, IncomingCall, Party, Result,
    Verified, WebhookRequest,
};

/// Reads a call that comes in.
pub(crate) fn accept_call(verified: &Verified, request: &WebhookRequest) -> Result<IncomingCall> {
    check_method(request)?;
    let payload = Payload::read(request)?;
    Applet::asking(request.kind, &payload)?;
    if !payload.has("CallFrom") && !payload.has("From") {
        return Err(malformed(
            "the request has neither `CallFrom` nor `From`: it is about no call",
        ));
    }
    let party = |first, second| {
        let party = payload.party(first).or_else(|| payload.party(second));
        party.unwrap_or(Party::Withheld)
    };
    let (from, to) = (party("CallFrom", "From"), party("CallTo", "To"));
    let forwarded_from = payload.party("ForwardedFrom");
    let call = IncomingCall::new(verified, direction(&payload), from, to)
        .with_status(status(&payload))
        .with_forwarded_from(forwarded_from)
        .with_parameters(payload.parameters().clone());
    let call = match own_key(&payload, call.direction()) {
        Some(key) => call.with_key(key),
        None => call,
    };
    match payload.text("CallSid") {
        Some(id) => {
            Ok(call.with_id(CallId::new(id).map_err(|error| error.with_provider(crate::NAME))?))
        }
        None => Ok(call),
    }
}

/// Our key of a call that we placed into a flow: what `CustomField` said when it was placed comes back with the questions of
/// its applets. In calls that come in somebody else chose it.
fn own_key(payload: &Payload, direction: Direction) -> Option<CallKey> {
    let field = payload.text("CustomField")?;
    match direction {
        Direction::Outbound => CallKey::parse(field).ok(),
        Direction::Inbound => None,
    }
}

/// Reads any callback.
pub(crate) fn callback(request: &WebhookRequest) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    check_method(request)?;
    let payload = Payload::read(request)?;
    let asks = Applet::asking(request.kind, &payload)?;
    event::read(request, &payload, asks)
}

/// Reads a callback that must name its call.
pub(crate) fn status_callback(request: &WebhookRequest) -> Result<Vec<CallEvent>> {
    match callback(request)? {
        (Some(_), events) => Ok(events),
        (None, _) => Err(malformed("the callback has no `CallSid`")),
    }
}

/// The applet that asks, for writing an answer.
pub(crate) fn asking(request: &WebhookRequest) -> Result<Option<Applet>> {
    check_method(request)?;
    Applet::asking(request.kind, &Payload::read(request)?)
}

/// `incoming` and `inbound`, `outbound-dial` and `outbound-api`: pages and APIs have different words.
fn direction(payload: &Payload) -> Direction {
    let word = payload
        .text("Direction")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if word.starts_with("outbound") || word == "outgoing" {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

/// A call that wants an answer is not over, whatever a word says.
fn status(payload: &Payload) -> Option<CallStatus> {
    let word = payload
        .text("CallStatus")
        .or_else(|| payload.text("Status"))?;
    word.parse()
        .ok()
        .filter(|status: &CallStatus| !status.is_terminal())
}

fn check_method(request: &WebhookRequest) -> Result<()> {
    if [Method::GET, Method::POST, Method::HEAD].contains(&request.method) {
        Ok(())
    } else {
        Err(malformed("Exotel asks with GET, POST or HEAD"))
    }
}

fn malformed(detail: &str) -> Error {
    Error::malformed(detail).with_provider(crate::NAME)
}
