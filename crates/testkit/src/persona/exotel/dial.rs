//! Dialling: the attempts, the agent events, and what the applets behind learn of it.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{DialResult, Ended};
use crate::persona::exotel::connect::Order;
use crate::persona::exotel::number::written;
use crate::persona::exotel::passthru::acknowledged;
use crate::persona::exotel::session::{Parameters, Session, pairs};

/// What came of a Connect applet.
#[derive(Clone)]
pub(crate) struct Dialled {
    /// `CallType`
    kind: &'static str,
    /// `DialCallStatus`; empty when nobody was dialled.
    status: &'static str,
    seconds: u64,
    shown_number: Option<String>,
    legs: Vec<Leg>,
}

#[derive(Clone)]
struct Leg {
    number: String,
    parallel: bool,
    cause: (&'static str, &'static str),
    seconds: u64,
}

impl Dialled {
    pub(crate) fn nobody() -> Self {
        Self {
            kind: "incomplete",
            status: "",
            seconds: 0,
            shown_number: None,
            legs: vec![],
        }
    }

    /// How long somebody talked.
    pub(crate) fn seconds(&self) -> u64 {
        self.seconds
    }

    pub(crate) fn status(&self) -> &'static str {
        self.status
    }

    pub(crate) fn parameters(&self) -> Parameters {
        let mut parameters = pairs([
            ("DialCallDuration", self.seconds.to_string().as_str()),
            ("CallType", self.kind),
        ]);
        let Some(last) = self.legs.last() else {
            return parameters;
        };
        parameters.extend(pairs([
            ("DialWhomNumber", last.number.as_str()),
            ("DialCallStatus", self.status),
        ]));
        if let Some(number) = &self.shown_number {
            parameters.push(("OutgoingPhoneNumber".into(), number.clone()));
        }
        for (index, leg) in self.legs.iter().enumerate() {
            let (name, cause) = leg.cause;
            let kind = if leg.parallel { "parallel" } else { "single" };
            for (field, value) in [
                ("CauseCode", name),
                ("Cause", cause),
                ("Type", kind),
                ("OnCallDuration", &leg.seconds.to_string()),
                ("Number", &leg.number),
            ] {
                parameters.push((format!("Legs[{index}][{field}]"), value.to_owned()));
            }
        }
        parameters
    }
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialled")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("seconds", &self.seconds)
            .field("legs", &self.legs.len())
            .finish_non_exhaustive()
    }
}

/// A result in the words of `DialCallStatus`, with the cause of the leg that had it.
fn words(result: DialResult) -> (&'static str, (&'static str, &'static str)) {
    match result {
        DialResult::Completed(_) => ("completed", ("NORMAL_CLEARING", "16")),
        DialResult::Busy => ("busy", ("USER_BUSY", "17")),
        DialResult::NoAnswer => ("no-answer", ("NO_ANSWER", "19")),
        DialResult::Failed => ("failed", ("UNALLOCATED_NUMBER", "1")),
    }
}

impl Session<'_> {
    /// Whether somebody answered.
    pub(crate) async fn dial(&mut self, order: &Order) -> Result<bool, Ended> {
        let result = self.call.dial_result();
        let (status, cause) = words(result);
        let mut dialled = Dialled {
            kind: "incomplete",
            status,
            seconds: 0,
            shown_number: order.shown_number.clone(),
            legs: vec![],
        };
        let attempts: Vec<&[String]> = match order.parallel {
            true => vec![&order.targets],
            false => order.targets.chunks(1).collect(),
        };
        let mut went = Ok(());
        let mut talked = false;
        for numbers in attempts {
            let mut seconds = 0;
            self.agent_events(order, numbers, "Dial", "busy").await;
            if self.account.all_agent_events {
                self.agent_events(order, numbers, "Ringing", "busy").await;
            }
            went = self.call.pass(self.call.prompt()).await;
            if let (Ok(()), DialResult::Completed(talk)) = (went, result) {
                talked = true;
                (went, seconds) = self.talk(order, numbers, talk).await;
            }
            self.agent_events(order, numbers, "Terminal", "free").await;
            for (index, number) in numbers.iter().enumerate() {
                // They all rang; the first one answered.
                dialled.legs.push(Leg {
                    number: written(number),
                    parallel: order.parallel,
                    cause: if index == 0 {
                        cause
                    } else {
                        ("ORIGINATOR_CANCEL", "487")
                    },
                    seconds: if index == 0 { seconds } else { 0 },
                });
            }
            dialled.seconds += seconds;
            if talked || went.is_err() {
                break;
            }
        }
        dialled.kind = match went {
            Err(Ended) => "client-hangup",
            Ok(()) if talked => "completed",
            Ok(()) => "incomplete",
        };
        if went.is_err() && !talked {
            dialled.status = "canceled";
        }
        self.dialled = Some(dialled);
        went.map(|()| talked)
    }

    /// Two people talk; for how long, in seconds.
    async fn talk(
        &self,
        order: &Order,
        numbers: &[String],
        talk: Duration,
    ) -> (Result<(), Ended>, u64) {
        if self.account.all_agent_events {
            self.agent_events(order, &numbers[..1], "Answered", "busy")
                .await;
        }
        let begun = Instant::now();
        let talk = order.longest_talk.map_or(talk, |longest| talk.min(longest));
        let went = self.call.pass(talk).await;
        (went, self.seconds_since(begun))
    }

    async fn agent_events(&self, order: &Order, numbers: &[String], event: &str, status: &str) {
        let Some(url) = &order.events else {
            return;
        };
        for number in numbers {
            let mut parameters = self.call_parameters();
            for (name, value) in &mut parameters {
                if name == "Direction" {
                    *value = "outbound-dial".into();
                }
            }
            parameters.extend(pairs([
                ("DialWhomNumber", written(number).as_str()),
                ("Status", status),
                ("EventType", event),
            ]));
            let webhook = self.get(&format!("agent {event}"), url, &parameters);
            self.call.callback(webhook, acknowledged()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_no_legs() {
        assert_eq!(
            Dialled::nobody().parameters(),
            pairs([("DialCallDuration", "0"), ("CallType", "incomplete")])
        );
    }
}
