//! Webhooks: authenticate, read, acknowledge.

mod callback;
pub(crate) mod events;
pub(crate) mod fields;

use crate::config::PlivoConfig;
use crate::{NAME, answer, party, signature};
use callback::Callback;
use fields::{Fields, START};
use http::StatusCode;
use telephony_core::{
    Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, Direction, Error, IncomingCall,
    Result, Verified, WebhookKind, WebhookRequest,
};

/// Finds out who signed a request.
pub(crate) fn authenticate(
    config: &PlivoConfig,
    request: &WebhookRequest,
) -> Result<Authenticated> {
    signature::check(config, request)?;
    let authenticated = Authenticated::new();
    Ok(match replay_key(request) {
        Some(key) => authenticated.with_replay_key(key),
        None => authenticated,
    })
}

/// What happens once in a call or a stream is told once (Plivo docs: the keys by which repeats are known), and a call begins
/// once. The nonce is no key: nobody says whether a repeat has the same.
fn replay_key(request: &WebhookRequest) -> Option<String> {
    if request.kind == WebhookKind::MediaUpgrade {
        return None;
    }
    let fields = Fields::read(request);
    let call = fields.get("CallUUID")?;
    let event = fields.get("Event").unwrap_or_default();
    match Callback::of(request.kind, &fields) {
        Callback::HungUp => Some(format!("{call}/hangup")),
        Callback::Stream => {
            let stream = fields.get("StreamID").or_else(|| fields.get("StreamId"))?;
            Some(format!(
                "{call}/{stream}/{event}/{}",
                fields.get("Timestamp")?
            ))
        }
        Callback::Plain if is_the_first_question(request.kind, &fields) => {
            let status = fields.get("CallStatus").unwrap_or_default();
            Some(format!("{call}/{event}/{}/{status}", request.kind.as_str()))
        }
        _ => None,
    }
}

/// Whether this asks what a call is to do that has just come in or was just answered. Plivo asks again if no answer comes
/// (docs: after 2 s without a connection or 40 s without an answer, once), and a second answer would make the first one's
/// media token void. What a redirect or a transfer asks is always a new question: it says so in `Event` (docs), and comes to
/// a URL of ours that no call begins with, should it say something else.
fn is_the_first_question(kind: WebhookKind, fields: &Fields) -> bool {
    let event = fields.get("Event").unwrap_or_default();
    let is_where_calls_begin = match kind {
        WebhookKind::IncomingCall => fields.after().is_none(),
        WebhookKind::NextStep => fields.after() == Some(START),
        _ => false,
    };
    is_where_calls_begin && event.eq_ignore_ascii_case("StartApp")
}

/// Reads a call that comes in.
pub(crate) fn accept_call(verified: &Verified, request: &WebhookRequest) -> Result<IncomingCall> {
    if request.kind == WebhookKind::MediaUpgrade {
        return Err(malformed("the upgrade of a media socket is not a call"));
    }
    let fields = Fields::read(request);
    let id = fields
        .get("CallUUID")
        .ok_or_else(|| malformed("the request names no call: CallUUID is missing"))
        .and_then(|id| CallId::new(id).map_err(|error| error.with_provider(NAME)))?;
    let direction = match fields.get("Direction") {
        Some(word) if word.trim().eq_ignore_ascii_case("outbound") => Direction::Outbound,
        _ => Direction::Inbound,
    };
    let party = |name: &str| party::read(fields.get(name).unwrap_or_default());
    let status = fields.get("CallStatus").and_then(events::status_of);
    let call = IncomingCall::new(verified, direction, party("From"), party("To"))
        .with_id(id)
        .with_status(status)
        .with_forwarded_from(fields.get("ForwardedFrom").map(party::read))
        .with_parameters(fields.all());
    Ok(call)
}

/// Reads a callback about the status of a call.
pub(crate) fn status_callback(request: &WebhookRequest) -> Result<Vec<CallEvent>> {
    match read_callback(request)? {
        (Some(_), events) => Ok(events),
        (None, _) => Err(malformed("the callback names no call: CallUUID is missing")),
    }
}

/// Reads any callback.
pub(crate) fn read_callback(request: &WebhookRequest) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    if request.kind == WebhookKind::MediaUpgrade {
        return Err(malformed("the upgrade of a media socket is not a callback"));
    }
    let fields = Fields::read(request);
    let callback = Callback::of(request.kind, &fields);
    Ok(events::read(request, &fields, callback))
}

/// Writes what goes back: XML where Plivo reads it, else nothing.
pub(crate) fn reply(
    request: &WebhookRequest,
    wanted: Option<&Answer>,
    links: &CallLinks,
) -> Result<Answered> {
    if request.kind == WebhookKind::MediaUpgrade {
        let detail = "the upgrade of a media socket is answered by the socket, not by a document";
        return Err(Error::unsupported("write answer", detail).with_provider(NAME));
    }
    let fields = Fields::read(request);
    let takes_answer = Callback::of(request.kind, &fields).takes_answer(request.kind);
    let status = fields.get("CallStatus").and_then(events::status_of);
    match wanted {
        Some(wanted) if takes_answer => answer::answered(wanted, links, status),
        // An empty body would be a fault of the call (8011).
        None if takes_answer => answer::answered(&Answer::hang_up(), links, None),
        // Plivo's pages ask for 200.
        None => Ok(Answered::empty(StatusCode::OK)),
        Some(_) => {
            let detail = "Plivo takes no answer to this callback; steer the call by REST";
            Err(Error::unsupported("answer callback", detail).with_provider(NAME))
        }
    }
}

fn malformed(detail: &str) -> Error {
    Error::malformed(detail).with_provider(NAME)
}
