//! What Vonage asks and tells over HTTP, once it is verified.

mod events;
mod message;
mod status;

pub(crate) use message::members;
pub(crate) use status::status_of;

use events::Shape;
use message::Message;
use telephony_core::{
    CallEvent, CallId, Direction, Error, IncomingCall, Party, Result, Verified, WebhookKind,
    WebhookRequest,
};

/// A call that comes in, or one of ours that was answered and wants to know what to do.
pub(crate) fn accept_call(verified: &Verified, request: &WebhookRequest) -> Result<IncomingCall> {
    let message = Message::read(request)?;
    if is_event(&message) {
        let detail = "this is an event of a call, not a call: the application's event URL must end in /events";
        return Err(Error::malformed(detail));
    }
    let id = message
        .leg()
        .ok_or_else(|| Error::malformed("the webhook names no call: `uuid` is missing"))?;
    let to = message
        .filled("to")
        .map_or(Party::Withheld, Party::parse_without_plus);
    let region_url = message.filled("region_url").map(str::to_owned);
    let direction = direction(&message);
    let from = caller(&message);
    Ok(IncomingCall::new(verified, direction, from, to)
        .with_id(id)
        .with_conversation(message.filled("conversation_uuid").map(str::to_owned))
        .with_home(region_url)
        .with_parameters(message.parameters))
}

/// Whether it is surely not the answer webhook. Where calls come in only what has the marks of every status event is refused:
/// the answer webhook may get new members, and a call is not to be lost by that.
fn is_event(message: &Message) -> bool {
    let shape = Shape::without_fallback(message);
    if message.kind == WebhookKind::NextStep {
        !matches!(shape, Shape::Answer | Shape::Unknown)
    } else {
        shape == Shape::Status && message.filled("timestamp").is_some()
    }
}

/// The answer webhook does not say. The route does: calls come in at the one that is configured at Vonage, and for a call that
/// we place we name another.
fn direction(message: &Message) -> Direction {
    match message.filled("direction") {
        Some("inbound") => Direction::Inbound,
        Some("outbound") => Direction::Outbound,
        _ if message.kind == WebhookKind::NextStep => Direction::Outbound,
        _ => Direction::Inbound,
    }
}

/// `from`, or for somebody on Vonage's Client SDK `from_user`.
fn caller(message: &Message) -> Party {
    let Some(from) = message.filled("from") else {
        let user = message.filled("from_user");
        return user.map_or(Party::Withheld, |user| Party::Client(user.to_owned()));
    };
    match Party::parse_without_plus(from) {
        Party::LocalNumber(extension) if message.filled("endpoint_type") == Some("vbc") => {
            Party::Extension(extension)
        }
        party => party,
    }
}

pub(crate) fn status_callback(request: &WebhookRequest) -> Result<Vec<CallEvent>> {
    let message = Message::read(request)?;
    if message.leg().is_none() {
        let detail = "the callback names no call: neither `uuid` nor `call_uuid` is there";
        return Err(Error::malformed(detail));
    }
    Ok(events::read(&message).1)
}

pub(crate) fn catch_all(request: &WebhookRequest) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    Ok(events::read(&Message::read(request)?))
}

/// What goes back for a callback when the app says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// No content: the call goes on with its next action.
    NoContent,
    /// An NCCO without actions: a call that asked what to do gets an answer that it can read, and ends.
    EmptyNcco,
}

/// Whether a callback can be answered with an NCCO, and what it gets otherwise.
pub(crate) fn takes_answer(request: &WebhookRequest) -> Result<(bool, Acknowledgement)> {
    let message = Message::read(request)?;
    let asks = request.kind == WebhookKind::NextStep;
    let takes = match Shape::of(&message) {
        _ if request.kind == WebhookKind::IncomingCall => true,
        Shape::Fallback | Shape::Input | Shape::Notify | Shape::Answer => true,
        Shape::Status => match message.status_word().unwrap_or_default().as_str() {
            "human" | "machine" | "disconnected" => true,
            word => status::is_dial_failure(word) && (asks || events::is_media_leg(&message)),
        },
        Shape::Transfer | Shape::Recording | Shape::Fault => false,
        Shape::Unknown => asks,
    };
    let must_have_one =
        request.kind == WebhookKind::IncomingCall || Shape::of(&message) == Shape::Answer;
    let acknowledgement = if must_have_one {
        Acknowledgement::EmptyNcco
    } else {
        Acknowledgement::NoContent
    };
    Ok((takes, acknowledgement))
}
