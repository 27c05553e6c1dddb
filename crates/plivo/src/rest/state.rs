//! What Plivo knows of a call: while it waits, while it is up, and once it is over.

use super::{RestOperation, accepted, cause, failure};
use crate::party;
use crate::webhook::events::{short, status_of};
use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use telephony_core::{CallId, CallSnapshot, CallStatus, CarrierCall, Direction, Party, Result};

/// Which of its calls Plivo is asked about. One that has left one of these is not yet in the next, or for some time not:
/// Plivo writes the record of a call that is over when it has the time (field reports).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Among {
    /// Those that are dialled, ring or are up.
    Live,
    /// Those that wait to be dialled.
    Queued,
    /// The records of those that are over.
    Ended,
}

/// A call, as the API shows it. `Debug` shows no numbers.
///
/// | the answer | [`status`](Self::status) |
/// |---|---|
/// | has `call_status` (live and queued calls) | that word, as in webhooks |
/// | has neither that, nor `end_time`, nor a cause of the end | none: whether it is over is not told |
/// | is about a call that came in | `Completed`, as its callback says, answered or not (Plivo docs) |
/// | is about one that was answered: it has `answer_time` or a duration, or `call_state` is `ANSWER` | `Completed`, whatever the cause |
/// | has `hangup_cause_code` 3010 Busy Line, 3020 Rejected, 3100 Busy everywhere, 3110 Declined | `Busy` |
/// | 3000 No Answer, 6010 Ring Timeout Reached | `NoAnswer` |
/// | 1000 Canceled, 9000 Lost Race | `Canceled` |
/// | 4000 to 4030, 6000, 6020, 9100, 9110 | `Completed` |
/// | any other code | `Failed` |
/// | has no code that is documented | the same by `hangup_cause_name`; without one `Failed` |
///
/// The fields and the causes are documented
/// ([a call](https://www.plivo.com/docs/voice/api/calls),
/// [its end](https://www.plivo.com/docs/voice/troubleshooting/hangup-causes)), and the answers in the SDKs' own tests are
/// read too, of which the older ones have no cause. Which status a cause is, no page says: that is our choice. Times are not
/// read, as they are in the zone of the account's console.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct CallState {
    /// Its id.
    pub id: CallId,
    /// Where it is.
    pub status: Option<CallStatus>,
    /// Who started it.
    pub direction: Option<Direction>,
    /// Who calls.
    pub from: Option<Party>,
    /// Who is called.
    pub to: Option<Party>,
    /// How long it was up, once it is over.
    pub duration: Option<Duration>,
    /// The code of what ended it.
    pub cause_code: Option<u64>,
    /// What ended it: `Busy Line`.
    pub cause: Option<String>,
    /// Who ended it: `Caller`, `Callee`, `Plivo`, `Carrier`, `API Request`, `Answer XML`, `Error`.
    pub ended_by: Option<String>,
    /// All that Plivo said.
    pub raw: Bytes,
}

/// Reads the answer to [`fetch_call`](super::Requests::fetch_call).
///
/// # Errors
/// As [`failure`](super::failure); [`Carrier`](telephony_core::ErrorKind::Carrier) for a success that names no call.
pub fn call_state(response: &Response<Bytes>) -> Result<CallState> {
    let operation = RestOperation::FetchCall;
    accepted(operation, response)?;
    let fields: Option<Map<String, Value>> = serde_json::from_slice(response.body()).ok();
    fields
        .and_then(|fields| CallState::read(&Fields(fields), response.body().clone()))
        .ok_or_else(|| failure::unreadable(operation, response))
}

impl CallState {
    /// [`None`] if it names no call.
    fn read(fields: &Fields, raw: Bytes) -> Option<Self> {
        let id = fields.any(&["call_uuid", "request_uuid"])?;
        let direction = fields.any(&["call_direction", "direction"]);
        let party = |names: &[&str]| fields.any(names).map(|text| party::read(&text));
        let duration = fields.any(&["call_duration", "bill_duration"]);
        let mut state = Self {
            id: CallId::new(id).ok()?,
            status: None,
            direction: direction.and_then(|word| direction_of(&word)),
            from: party(&["from_number", "from"]),
            to: party(&["to_number", "to"]),
            duration: None,
            cause_code: fields.parsed("hangup_cause_code"),
            cause: fields.text("hangup_cause_name").map(|word| short(&word)),
            ended_by: fields.text("hangup_source").map(|word| short(&word)),
            raw,
        };
        if let Some(word) = fields.text("call_status") {
            state.status = status_of(&word);
        } else if fields.text("end_time").is_some()
            || state.cause.is_some()
            || state.cause_code.is_some()
        {
            state.duration = duration.and_then(|seconds| whole(&seconds));
            state.status = Some(state.end(was_answered(fields, state.duration)));
        }
        Some(state)
    }

    fn end(&self, was_answered: bool) -> CallStatus {
        if was_answered || self.direction == Some(Direction::Inbound) {
            return CallStatus::Completed;
        }
        cause::status_of_unanswered(self.cause_code, self.cause.as_deref())
    }

    /// The same for apps. The id stays that by which was asked.
    pub(crate) fn into_snapshot(self, call: CarrierCall) -> CallSnapshot {
        CallSnapshot::new(call, self.status)
            .with_parties(self.from, self.to)
            .with_start(self.direction, None)
            .with_duration(self.duration)
            .with_raw(self.raw)
    }
}

impl fmt::Debug for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallState")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("direction", &self.direction)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("duration", &self.duration)
            .field("cause_code", &self.cause_code)
            .field("cause", &self.cause)
            .field("ended_by", &self.ended_by)
            .finish_non_exhaustive()
    }
}

/// `call_state` has no other value that is documented; it is asked last.
fn was_answered(fields: &Fields, duration: Option<Duration>) -> bool {
    let has_talked = duration.is_some_and(|duration| !duration.is_zero());
    let state = fields.text("call_state").unwrap_or_default();
    fields.text("answer_time").is_some() || has_talked || state.eq_ignore_ascii_case("answer")
}

fn direction_of(word: &str) -> Option<Direction> {
    [Direction::Inbound, Direction::Outbound]
        .into_iter()
        .find(|direction| word.eq_ignore_ascii_case(direction.as_str()))
}

/// Seconds, which may have a fraction.
fn whole(seconds: &str) -> Option<Duration> {
    let whole = seconds.split('.').next()?;
    whole.parse().ok().map(Duration::from_secs)
}

/// The fields of an answer. Numbers may come as texts, and what is missing as `null`, blank or `"null"`.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let is_there = !text.is_empty() && !matches!(text.as_str(), "null" | "None");
        is_there.then_some(text)
    }

    fn any(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }
}
