//! What Exotel reports about a call: status callbacks, Passthru requests, agent events of a Connect applet.

use crate::applet::Applet;
use crate::error::kind_of_code;
use crate::payload::{Group, Payload};
use http::Method;
use std::time::Duration;
use telephony_core::{
    AnsweredBy, CallEvent, CallEventKind, CallId, CallStatus, DialReport, ErrorKind, Gathered,
    LegReport, LegRole, Recording, Result, StatusReport, StreamId, StreamReport, WebhookRequest,
    redact,
};

/// The longest word of the carrier's that is kept as a name, in characters.
const MAX_WORD_CHARS: usize = 64;

/// The call that a request is about and what it reports, the status first and the question last.
pub(crate) fn read(
    request: &WebhookRequest,
    payload: &Payload,
    asks: Option<Applet>,
) -> Result<(Option<CallId>, Vec<CallEvent>)> {
    let call_id = payload
        .text("CallSid")
        .map(CallId::new)
        .transpose()
        .map_err(|error| error.with_provider(crate::NAME))?;
    let timestamp = timestamp(payload);
    let event = |kind| {
        let mut event = CallEvent::new(kind, call_id.clone())
            .with_payload(payload.parameters().clone(), request.body.clone());
        event.timestamp = timestamp.clone();
        event
    };
    let events = kinds(request, payload, asks)
        .into_iter()
        .map(event)
        .collect();
    Ok((call_id, events))
}

/// Whether this is about an agent whom a Connect applet rings: it has an `EventType` and a `Status` as a status callback
/// has, but they are the agent's (`busy` or `free`), never the call's.
pub(crate) fn is_agent_event(payload: &Payload) -> bool {
    let is = |name: &str, word: &str| {
        payload
            .text(name)
            .is_some_and(|text| text.eq_ignore_ascii_case(word))
    };
    payload.has("EventType")
        && (payload.has("DialWhomNumber")
            || payload.has("CallFrom")
            || is("EventType", "dial")
            || is("Status", "free"))
}

fn kinds(request: &WebhookRequest, payload: &Payload, asks: Option<Applet>) -> Vec<CallEventKind> {
    let next_step = asks.map(|applet| CallEventKind::NextStep {
        after: applet.as_str().to_owned(),
    });
    // A HEAD only looks at the headers of what a GET would get: nothing has happened.
    if request.method == Method::HEAD {
        return next_step.into_iter().collect();
    }
    let mut kinds = Vec::new();
    if is_agent_event(payload) {
        kinds.extend(agent_event(payload));
    } else {
        kinds.extend(status(payload, asks));
        kinds.extend(legs(payload));
    }
    let stream = payload.stream();
    kinds.extend(stream_ended(&stream));
    kinds.extend(dial_ended(payload));
    kinds.extend(digits(payload));
    let recordings = [payload.text("RecordingUrl"), stream.text("RecordingUrl")];
    kinds.extend(
        recordings
            .into_iter()
            .flatten()
            .map(|url| CallEventKind::RecordingReady(Recording::new(None, url))),
    );
    match asks {
        // What a Passthru reports is itself the question.
        Some(Applet::Passthru) if kinds.iter().any(is_question) => {}
        Some(_) => kinds.extend(next_step),
        None if kinds.is_empty() && !payload.parameters().is_empty() => {
            let name = shown(payload.text("EventType").unwrap_or("callback"));
            kinds.push(CallEventKind::Other { name });
        }
        None => {}
    }
    kinds
}

fn is_question(kind: &CallEventKind) -> bool {
    matches!(
        kind,
        CallEventKind::DigitsGathered(_)
            | CallEventKind::DialEnded(_)
            | CallEventKind::StreamStopped(_)
            | CallEventKind::StreamFailed(_)
    )
}

/// The call's status: by the kind of event where there is one, else by the word.
fn status(payload: &Payload, asks: Option<Applet>) -> Option<CallEventKind> {
    let word = payload
        .text("Status")
        .or_else(|| payload.text("CallStatus"));
    let event_type = payload.text("EventType").map(str::to_ascii_lowercase);
    let reported = match event_type.as_deref() {
        Some("ringing") => Some(CallStatus::Ringing),
        Some("answered") => Some(CallStatus::InProgress),
        // Over it is; a word that says otherwise is not believed.
        Some("terminal") => parse(word?).filter(|status| status.is_terminal()),
        Some(_) => None,
        None => parse(word?),
    };
    let Some(status) = reported else {
        let name = match event_type {
            Some(event_type) if event_type != "terminal" => shown(&event_type),
            _ => shown(word?),
        };
        return Some(CallEventKind::Other { name });
    };
    // An applet that asks what to do next has a call that is up.
    if status.is_terminal() && asks.is_some_and(Applet::needs_live_call) {
        return None;
    }
    let mut report = StatusReport::new(status);
    if status.is_terminal() {
        let seconds = payload
            .text("ConversationDuration")
            .or_else(|| payload.text("Duration"));
        report.duration = seconds.and_then(duration);
    }
    Some(CallEventKind::Status(report))
}

/// What happened on the second and further legs, and who answered on any of them.
fn legs(payload: &Payload) -> Vec<CallEventKind> {
    let legs = payload.legs();
    let further = legs.iter().skip(1).filter_map(|leg| {
        let word = leg.text("Status")?;
        let report = LegReport::new(None, LegRole::Dialled, parse(word), shown(word));
        Some(CallEventKind::Leg(report))
    });
    let on_legs = legs.iter().filter_map(|leg| leg.text("AnsweredBy"));
    let answered = payload
        .text("AnsweredBy")
        .into_iter()
        .chain(on_legs)
        .filter_map(answered_by);
    further
        .chain(answered.map(CallEventKind::MachineDetected))
        .collect()
}

/// The words are documented in two spellings.
pub(crate) fn answered_by(word: &str) -> Option<AnsweredBy> {
    match word.to_ascii_lowercase().as_str() {
        "human" => Some(AnsweredBy::Human),
        "machine" => Some(AnsweredBy::Machine),
        "notsure" | "not-sure" => Some(AnsweredBy::Unknown),
        "na" | "n/a" => None, // Nobody was asked to find out.
        _ => Some(AnsweredBy::Other(shown(word))),
    }
}

fn agent_event(payload: &Payload) -> Option<CallEventKind> {
    let word = payload.text("EventType")?;
    let status = match word.to_ascii_lowercase().as_str() {
        "dial" => Some(CallStatus::Initiated),
        "ringing" => Some(CallStatus::Ringing),
        "answered" => Some(CallStatus::InProgress),
        _ => None, // At the end it is not said how it went.
    };
    Some(CallEventKind::Leg(LegReport::new(
        None,
        LegRole::Dialled,
        status,
        shown(word),
    )))
}

/// The error is trusted over the status, as Exotel advises where the two disagree.
fn stream_ended(stream: &Group) -> Option<CallEventKind> {
    if stream.is_empty() {
        return None;
    }
    let said = |name: &str| {
        stream
            .text(name)
            .filter(|text| !text.eq_ignore_ascii_case("NA"))
    };
    let (status, detail) = (said("Status"), said("DetailedStatus"));
    let throttled = detail.filter(|detail| kind_of_code(detail) == Some(ErrorKind::RateLimited));
    let failed = status.is_some_and(|status| status.eq_ignore_ascii_case("failed"));
    let error = said("Error").or(throttled).or(detail.filter(|_| failed));
    let id = said("StreamSID").and_then(|id| StreamId::new(id).ok());
    let mut report = StreamReport::new(id);
    report.status = status.map(shown);
    report.error = error.map(without_urls);
    report.ended_by = stream.text("DisconnectedBy").map(shown);
    report.duration = stream.text("Duration").and_then(duration);
    Some(if failed || error.is_some() {
        CallEventKind::StreamFailed(report)
    } else {
        CallEventKind::StreamStopped(report)
    })
}

/// The report is shown in `Debug`: an error of the dialler may repeat our media URL, which holds a token.
fn without_urls(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.find("://") {
        Some(_) => "[url]",
        None => word,
    });
    redact::text(&words.collect::<Vec<_>>().join(" "))
}

fn dial_ended(payload: &Payload) -> Option<CallEventKind> {
    let word = payload.text("DialCallStatus")?;
    let mut report = DialReport::new(parse(word));
    report.to = payload.party("DialWhomNumber");
    // `DialCallDuration` counts the ringing too; the legs know how long the two talked.
    let talked = payload
        .legs()
        .iter()
        .filter_map(|leg| leg.text("OnCallDuration").and_then(duration))
        .max();
    report.duration = talked;
    Some(CallEventKind::DialEnded(report))
}

/// The keys come in literal quotes. Quotes with nothing between them are a caller who pressed nothing; without quotes it is
/// a request from before any question.
fn digits(payload: &Payload) -> Option<CallEventKind> {
    let text = payload.text("digits")?;
    let digits = text.trim_matches(['"', '\'', ' ']);
    if !digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D'))
    {
        return None;
    }
    let mut gathered = Gathered::digits(digits);
    gathered.timed_out = digits.is_empty();
    Some(CallEventKind::DigitsGathered(gathered))
}

/// A word of the carrier's as `Debug` and logs may show it.
pub(crate) fn shown(word: &str) -> String {
    redact::text(word).chars().take(MAX_WORD_CHARS).collect()
}

fn parse(word: &str) -> Option<CallStatus> {
    word.parse().ok()
}

/// Whole seconds, also with a fraction, up to a year.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    (0.0..=31_536_000.0)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

/// The moment of the report. Exotel's zero time, which stands for no time, is left out.
fn timestamp(payload: &Payload) -> Option<String> {
    ["DateUpdated", "CurrentTime"]
        .into_iter()
        .filter_map(|name| payload.text(name))
        .find(|time| !time.starts_with("1970-01-01"))
        .map(str::to_owned)
}
