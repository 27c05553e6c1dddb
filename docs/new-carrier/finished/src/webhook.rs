//! Webhooks: what they say, and what goes back.

use super::NAME;
use serde_json::{Map, Value};
use telephony_core::{
    Answer, Answered, CallEvent, CallEventKind, CallId, CallLinks, Direction, Error, IncomingCall,
    Parameters, Party, Result, StatusReport, Verified, WebhookRequest, redact,
};

/// Reads a call that comes in.
pub(super) fn accept_call(verified: &Verified, request: &WebhookRequest) -> Result<IncomingCall> {
    let said = read(&request.body)?;
    let party = |name| Party::parse(text(&said, name));
    let call = IncomingCall::new(verified, Direction::Inbound, party("from"), party("to"));
    Ok(call.with_id(id(&said)?).with_parameters(all(&said)))
}

/// Reads any callback.
pub(super) fn read_callback(request: &WebhookRequest) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    let said = read(&request.body)?;
    let id = Some(id(&said)?);
    let word = text(&said, "status");
    let kind = match word.parse() {
        Ok(status) => CallEventKind::Status(StatusReport::new(status)),
        Err(_) => CallEventKind::Other {
            name: redact::text(word).chars().take(64).collect(),
        },
    };
    let event = CallEvent::new(kind, id.clone()).with_payload(all(&said), request.body.clone());
    Ok((id, vec![event]))
}

/// Writes what goes back for a callback: Acme takes no answer there.
pub(super) fn reply(
    _request: &WebhookRequest,
    answer: Option<&Answer>,
    _links: &CallLinks,
) -> Result<Answered> {
    match answer {
        None => Ok(Answered::empty(http::StatusCode::NO_CONTENT)),
        Some(_) => {
            let detail = "Acme takes no answer to a callback";
            Err(Error::unsupported("answer callback", detail).with_provider(NAME))
        }
    }
}

fn read(body: &[u8]) -> Result<Map<String, Value>> {
    // serde's own words may quote a number.
    serde_json::from_slice(body).map_err(|_| malformed("the body is no JSON object"))
}

fn id(said: &Map<String, Value>) -> Result<CallId> {
    CallId::new(text(said, "call_id")).map_err(|_| malformed("`call_id` is missing"))
}

fn text<'a>(said: &'a Map<String, Value>, name: &str) -> &'a str {
    said.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn all(said: &Map<String, Value>) -> Parameters {
    let pairs = said.iter().map(|(name, value)| match value {
        Value::String(text) => (name.clone(), text.clone()),
        other => (name.clone(), other.to_string()),
    });
    pairs.collect()
}

fn malformed(detail: &str) -> Error {
    Error::malformed(detail).with_provider(NAME)
}
