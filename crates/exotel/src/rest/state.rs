//! What Exotel says about a call.

use super::body::{get, items, text};
use super::time::moment;
use crate::event::{answered_by, duration, shown};
use crate::number;
use bytes::Bytes;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use telephony_core::{AnsweredBy, CallId, CallSnapshot, CallStatus, CarrierCall, Direction, Party};

/// More legs than that are not looked at.
const MAX_LEGS: usize = 16;

/// What Exotel says about a call. Its `Debug` shows no number and no URL.
#[derive(Clone)]
#[non_exhaustive]
pub struct CallState {
    /// Its id.
    pub id: CallId,
    /// Where it is; [`None`] for a word that we do not know.
    ///
    /// Exotel says `in-progress` from the moment when it takes an outbound call (documented). It is
    /// [`CallStatus::InProgress`] here only if a leg shows that somebody answered, else [`CallStatus::Initiated`].
    pub status: Option<CallStatus>,
    /// Exotel's word for it.
    pub word: Option<String>,
    /// Who started it.
    pub direction: Option<Direction>,
    /// Exotel's `From`: of an outbound call the number that was dialled first, of an inbound one the caller.
    pub from: Option<Party>,
    /// Exotel's `To`: of an outbound call the second number, or the ExoPhone if there is none.
    pub to: Option<Party>,
    /// The account's own number, `PhoneNumberSid`.
    pub exophone: Option<Party>,
    /// When it was created: `yyyy-mm-dd hh:mm:ss`, Indian time for Indian accounts, as Exotel writes it.
    pub created: Option<String>,
    /// When it was sent to the operator.
    pub started: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// How long it lasted. Settles about two minutes after its end.
    pub duration: Option<Duration>,
    /// How long both legs talked.
    pub conversation: Option<Duration>,
    /// What it cost, in the account's currency. Settles about two minutes after its end.
    pub price: Option<String>,
    /// Who answered, where Exotel found out.
    pub answered_by: Option<AnsweredBy>,
    /// Its legs. That the second one was not answered is seen here only: the call is `completed` all the same.
    pub legs: Vec<LegState>,
    /// The recording, for [`Rest::fetch_recording`](super::Rest::fetch_recording): the signed URL, which is good for minutes,
    /// where the account has those.
    pub recording_url: Option<String>,
    /// All that Exotel says about it, as JSON.
    pub raw: Bytes,
}

/// One leg of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegState {
    /// Where it is; [`None`] if it was not tried, or for a word that we do not know.
    pub status: Option<CallStatus>,
    /// How long it was up.
    pub on_call: Option<Duration>,
}

impl CallState {
    /// Reads a `Call` object, if it has an id.
    pub(super) fn read(call: &Value) -> Option<Self> {
        let id = CallId::new(text(call, "Sid")?).ok()?;
        let none = Value::Null;
        let details = get(call, "Details").unwrap_or(&none);
        let word = text(call, "Status");
        let direction = text(call, "Direction").and_then(|word| direction(&word));
        let legs = legs(details);
        let seconds = |value, name| text(value, name).and_then(|text| duration(&text));
        let conversation = seconds(details, "ConversationDuration")
            .or_else(|| seconds(call, "ConversationDuration"));
        let answered_by = text(call, "AnsweredBy").and_then(|word| answered_by(&word));
        let was_answered = answered_by.is_some()
            || conversation.is_some_and(|talked| !talked.is_zero())
            || legs.iter().any(LegState::was_answered);
        let status = word.as_deref().and_then(|word| word.parse().ok());
        let party = |name| text(call, name).map(|text| number::party(&text));
        let recording = text(call, "PreSignedRecordingUrl").or_else(|| text(call, "RecordingUrl"));
        Some(Self {
            id,
            status: status.map(|status| match status {
                CallStatus::InProgress
                    if direction != Some(Direction::Inbound) && !was_answered =>
                {
                    CallStatus::Initiated
                }
                status => status,
            }),
            word: word.as_deref().map(shown),
            direction,
            from: party("From"),
            to: party("To"),
            exophone: party("PhoneNumberSid").or_else(|| party("PhoneNumber")),
            created: time(call, "DateCreated"),
            started: time(call, "StartTime"),
            ended: time(call, "EndTime"),
            duration: seconds(call, "Duration"),
            conversation,
            price: text(call, "Price"),
            answered_by,
            legs,
            recording_url: recording,
            raw: call.to_string().into(),
        })
    }

    /// The same in the words of all carriers. `home` is where the call lives.
    pub(crate) fn snapshot(self, home: Option<String>) -> CallSnapshot {
        let is_over = self.status.is_some_and(CallStatus::is_terminal);
        let began = self.created.as_deref().and_then(moment);
        let (from, to) = match self.direction {
            Some(Direction::Inbound) => (self.from, self.to.or(self.exophone)),
            Some(Direction::Outbound) => (self.exophone, self.from),
            None => (None, None), // Who is who is not said.
        };
        CallSnapshot::new(CarrierCall::new(self.id).at(home), self.status)
            .with_parties(from, to)
            .with_start(self.direction, began)
            .with_duration(self.duration.filter(|_| is_over))
            .with_raw(self.raw)
    }

    /// Where a call is that was placed just now: dialled at most, or over already without having been answered. Whatever
    /// else the word is, taken is not answered.
    pub(super) fn placed_status(&self) -> CallStatus {
        match self.status {
            Some(
                status @ (CallStatus::Queued
                | CallStatus::Busy
                | CallStatus::Failed
                | CallStatus::NoAnswer
                | CallStatus::Canceled),
            ) => status,
            Some(_) => CallStatus::Initiated,
            None => CallStatus::Queued,
        }
    }
}

impl LegState {
    fn was_answered(&self) -> bool {
        matches!(
            self.status,
            Some(CallStatus::InProgress | CallStatus::Completed)
        ) || self.on_call.is_some_and(|time| !time.is_zero())
    }
}

impl fmt::Debug for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallState")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("word", &self.word)
            .field("direction", &self.direction)
            .field("duration", &self.duration)
            .field("legs", &self.legs)
            .finish_non_exhaustive()
    }
}

/// The durations are in a list, the statuses beside it, counted from 1.
fn legs(details: &Value) -> Vec<LegState> {
    let listed = get(details, "Legs").map_or_else(Vec::new, |legs| items(legs, "Leg"));
    let status = |index: usize| text(details, &format!("Leg{index}Status"));
    let count = listed.len().max(
        (1..=2)
            .rev()
            .find(|index| status(*index).is_some())
            .unwrap_or(0),
    );
    (0..count.min(MAX_LEGS))
        .map(|index| {
            let leg = listed.get(index).copied();
            let word = status(index + 1).or_else(|| text(leg?, "Status"));
            LegState {
                status: word.and_then(|word| word.parse().ok()),
                on_call: leg
                    .and_then(|leg| text(leg, "OnCallDuration"))
                    .and_then(|text| duration(&text)),
            }
        })
        .collect()
}

fn direction(word: &str) -> Option<Direction> {
    let word = word.to_ascii_lowercase();
    if word.starts_with("out") {
        Some(Direction::Outbound)
    } else if word.starts_with("in") {
        Some(Direction::Inbound)
    } else {
        None
    }
}

/// Exotel's zero of time stands for none.
fn time(call: &Value, name: &str) -> Option<String> {
    text(call, name).filter(|time| !time.starts_with("1970-01-01") && !time.starts_with("0000"))
}
