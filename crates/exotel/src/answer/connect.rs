//! Whom a Connect applet dials.

use super::{Writer, invalid, json, seconds, unsupported};
use serde::Serialize;
use telephony_core::{Answered, Dial, Party, Result};

/// So many are rung at once at most.
const MAX_TARGETS: usize = 5;

#[derive(Serialize)]
struct Body<'a> {
    fetch_after_attempt: bool,
    destination: Destination<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outgoing_phone_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ringing_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_conversation_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_ringing: Option<ParallelRinging>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dial_passthru_event_url: Option<String>,
}

#[derive(Serialize)]
struct Destination<'a> {
    numbers: Vec<&'a str>,
}

#[derive(Serialize)]
struct ParallelRinging {
    activate: bool,
    max_parallel_attempts: usize,
}

impl Writer<'_> {
    pub(super) fn dial(&self, dial: &Dial) -> Result<Answered> {
        if dial.targets.is_empty() || dial.targets.len() > MAX_TARGETS {
            return Err(invalid("a Connect applet dials one to five numbers"));
        }
        let numbers = dial
            .targets
            .iter()
            .map(number)
            .collect::<Result<Vec<_>>>()?;
        let several = numbers.len() > 1;
        json(&Body {
            fetch_after_attempt: false,
            outgoing_phone_number: dial.caller_id.as_ref().map(number).transpose()?,
            max_ringing_duration: limit(dial.ring_timeout)?,
            max_conversation_duration: limit(dial.time_limit)?,
            parallel_ringing: several.then_some(ParallelRinging {
                activate: true,
                max_parallel_attempts: numbers.len(),
            }),
            dial_passthru_event_url: Some(self.with_key(&self.links.events_url())),
            destination: Destination { numbers },
        })
    }
}

/// No number at all: the applet goes on at its branch for nobody dialled.
pub(super) fn nobody() -> Result<Answered> {
    json(&Body {
        fetch_after_attempt: false,
        destination: Destination {
            numbers: Vec::new(),
        },
        outgoing_phone_number: None,
        max_ringing_duration: None,
        max_conversation_duration: None,
        parallel_ringing: None,
        dial_passthru_event_url: None,
    })
}

/// A number as it is. A SIP address in this place is dropped without a word on some accounts, so it is not sent at all.
fn number(party: &Party) -> Result<&str> {
    let (Party::Number(number) | Party::LocalNumber(number)) = party else {
        return Err(unsupported(
            "a Connect applet dials and shows phone numbers only; for a SIP trunk use a document with `destination.trunk`",
        ));
    };
    let digits = number.strip_prefix('+').unwrap_or(number);
    if (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(invalid(
            "a number to dial or to show is not made of 3 to 15 digits",
        ))
    }
}

fn limit(duration: Option<std::time::Duration>) -> Result<Option<u64>> {
    match duration.map(seconds) {
        Some(0) => Err(invalid(
            "the ring timeout and the time limit of a dial must be a second or more",
        )),
        limit => Ok(limit),
    }
}
