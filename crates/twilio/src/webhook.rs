//! Webhooks: authenticate, read, acknowledge.

mod callback;
pub(crate) mod events;
pub(crate) mod fields;

use crate::config::TwilioConfig;
use crate::{NAME, answer, signature};
use callback::Callback;
use fields::Fields;
use http::StatusCode;
use telephony_core::{
    Answer, Answered, Authenticated, CallEvent, CallId, CallLinks, CallStatus, Direction, Error,
    IncomingCall, Party, Result, Secret, Verified, WebhookKind, WebhookRequest,
};

/// Finds out who signed a request.
pub(crate) fn authenticate(
    config: &TwilioConfig,
    request: &WebhookRequest,
) -> Result<Authenticated> {
    let fields = Fields::read(request).unwrap_or_default();
    signature::check(request, tokens(config, request, &fields)?)?;
    let authenticated = Authenticated::new();
    Ok(match replay_key(request, &fields) {
        Some(key) => authenticated.with_replay_key(key),
        None => authenticated,
    })
}

/// Calls of a subaccount are signed with its own token.
fn tokens<'a>(
    config: &'a TwilioConfig,
    request: &WebhookRequest,
    fields: &Fields,
) -> Result<Vec<&'a Secret>> {
    if request.kind == WebhookKind::MediaUpgrade {
        return Ok(config.all_tokens().collect());
    }
    let mut accounts = fields.said.get_all("AccountSid");
    let Some(account) = accounts.next() else {
        return Ok(config.own_tokens().iter().collect());
    };
    if accounts.any(|other| other != account) {
        let detail = "the request names more than one AccountSid";
        return Err(Error::unauthenticated(detail).with_provider(NAME));
    }
    match config.tokens_of(account) {
        Some(tokens) => Ok(tokens.iter().collect()),
        None => {
            let detail = "the request is of an account that is neither `account_sid` nor one of `subaccounts`";
            Err(Error::unauthenticated(detail).with_provider(NAME))
        }
    }
}

/// What is the same when Twilio repeats a request. The counter of a status callback is signed, so it comes first; other
/// requests have at best the header of Twilio's retries. Their content is no key: the same key pressed twice at the same
/// menu makes two equal requests.
fn replay_key(request: &WebhookRequest, fields: &Fields) -> Option<String> {
    if request.kind == WebhookKind::MediaUpgrade {
        return None;
    }
    if fields.get("CallbackSource").is_some()
        && let (Some(call), Some(sequence)) = (fields.get("CallSid"), fields.get("SequenceNumber"))
    {
        let status = fields.get("CallStatus").unwrap_or_default();
        return Some(format!("{call}/{status}/{sequence}"));
    }
    let token = request.header("i-twilio-idempotency-token")?;
    (1..=256).contains(&token.len()).then(|| token.to_owned())
}

/// Reads a call that comes in.
pub(crate) fn accept_call(
    config: &TwilioConfig,
    verified: &Verified,
    request: &WebhookRequest,
) -> Result<IncomingCall> {
    if request.kind == WebhookKind::MediaUpgrade {
        return Err(malformed("the upgrade of a media socket is not a call"));
    }
    let fields = Fields::read(request)?;
    let id = fields
        .get("CallSid")
        .ok_or_else(|| malformed("the request names no call: CallSid is missing"))
        .and_then(|sid| CallId::new(sid).map_err(|error| error.with_provider(NAME)))?;
    let party = |name: &str, other: &str| {
        let said = fields.get(name).or_else(|| fields.get(other));
        Party::parse(said.unwrap_or_default())
    };
    let direction = direction(fields.get("Direction").unwrap_or_default());
    // A subaccount's call is found under that subaccount only.
    let subaccount = fields
        .get("AccountSid")
        .filter(|sid| *sid != config.account_sid());
    let call = IncomingCall::new(
        verified,
        direction,
        party("From", "Caller"),
        party("To", "Called"),
    )
    .with_id(id)
    .with_status(status(&fields))
    .with_home(subaccount.map(str::to_owned))
    .with_forwarded_from(fields.get("ForwardedFrom").map(Party::parse))
    .with_parameters(fields.all());
    Ok(call)
}

/// `inbound`, `outbound-api`, `outbound-dial`, and two words of trunks that say it from the trunk's side.
pub(crate) fn direction(word: &str) -> Direction {
    if word.starts_with("outbound") || word == "trunking-terminating" {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

fn status(fields: &Fields) -> Option<CallStatus> {
    fields.get("CallStatus")?.parse().ok()
}

/// Reads a callback about the status of a call.
pub(crate) fn status_callback(request: &WebhookRequest) -> Result<Vec<CallEvent>> {
    match read_callback(request)? {
        (Some(_), events) => Ok(events),
        (None, _) => Err(malformed("the callback names no call: CallSid is missing")),
    }
}

/// Reads any callback.
pub(crate) fn read_callback(request: &WebhookRequest) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    if request.kind == WebhookKind::MediaUpgrade {
        return Err(malformed("the upgrade of a media socket is not a callback"));
    }
    let fields = Fields::read(request)?;
    let callback = Callback::of(request.kind, &fields);
    Ok(events::read(request, &fields, callback))
}

/// Writes what goes back: TwiML where Twilio reads it, else nothing.
pub(crate) fn reply(
    request: &WebhookRequest,
    wanted: Option<&Answer>,
    links: &CallLinks,
) -> Result<Answered> {
    if request.kind == WebhookKind::MediaUpgrade {
        let detail = "the upgrade of a media socket is answered by the socket, not by a document";
        return Err(Error::unsupported("write answer", detail).with_provider(NAME));
    }
    let fields = Fields::read(request)?;
    let takes_answer = Callback::of(request.kind, &fields).takes_answer(request.kind);
    match wanted {
        Some(wanted) if takes_answer => answer::answered(wanted, links, status(&fields)),
        // An empty document ends the call; an empty body would be a fault (11770).
        None if takes_answer => answer::answered(&Answer::default(), links, None),
        None => Ok(Answered::empty(StatusCode::NO_CONTENT)),
        Some(_) => {
            let detail = "Twilio takes no answer to this callback; steer the call by REST";
            Err(Error::unsupported("answer callback", detail).with_provider(NAME))
        }
    }
}

fn malformed(detail: &str) -> Error {
    Error::malformed(detail).with_provider(NAME)
}
