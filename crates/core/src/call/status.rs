//! The state of a call, the same for every carrier, and the rules by which it moves.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who started the call. Set when the call is created and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Somebody calls us.
    Inbound,
    /// We call somebody.
    Outbound,
}

impl Direction {
    /// `inbound` or `outbound`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a call is. A carrier's word that is none of these is an event, never a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// The carrier has taken the call and not dialled yet.
    Queued,
    /// The carrier dials.
    Initiated,
    /// The phone rings.
    Ringing,
    /// Answered: the call is up.
    InProgress,
    /// It was up and has ended.
    Completed,
    /// The other side is busy or declined.
    Busy,
    /// It could not be connected.
    Failed,
    /// Nobody answered.
    NoAnswer,
    /// We or the caller gave up before an answer.
    Canceled,
}

/// What a status report does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The call moves to the reported status.
    Advanced,
    /// The report came late or again; the call stays.
    Stale,
}

impl CallStatus {
    /// All of them, by rank.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Initiated,
        Self::Ringing,
        Self::InProgress,
        Self::Completed,
        Self::Busy,
        Self::Failed,
        Self::NoAnswer,
        Self::Canceled,
    ];

    /// Whether the call is over.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        self.rank() == 4
    }

    /// How far the call is: reports of a lower or the same rank come late or again. All terminal statuses share the highest rank.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Initiated => 1,
            Self::Ringing => 2,
            Self::InProgress => 3,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => 4,
        }
    }

    /// What a report of `reported` does to a call that is at `self`: only a higher rank moves it, so the first terminal
    /// status stays.
    #[must_use]
    pub fn advance(self, reported: Self) -> Transition {
        if reported.rank() > self.rank() {
            Transition::Advanced
        } else {
            Transition::Stale
        }
    }

    /// The word that the field uses: `in-progress`, `no-answer`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// This word is no status of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this word is no call status")]
pub struct UnknownStatus;

impl FromStr for CallStatus {
    type Err = UnknownStatus;

    /// Reads the words of [`CallStatus::as_str`]; case does not matter, `cancelled` and `answered` are known too.
    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        let word = word.trim();
        let same = |status: &Self| word.eq_ignore_ascii_case(status.as_str());
        match Self::ALL.into_iter().find(same) {
            Some(status) => Ok(status),
            None if word.eq_ignore_ascii_case("cancelled") => Ok(Self::Canceled),
            None if word.eq_ignore_ascii_case("answered") => Ok(Self::InProgress),
            None => Err(UnknownStatus),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_terminal_status_stays() {
        for terminal in CallStatus::ALL
            .into_iter()
            .filter(|status| status.is_terminal())
        {
            for reported in CallStatus::ALL {
                assert_eq!(
                    terminal.advance(reported),
                    Transition::Stale,
                    "{terminal} after {reported}"
                );
            }
        }
        assert_eq!(
            CallStatus::ALL
                .into_iter()
                .filter(|status| status.is_terminal())
                .count(),
            5
        );
    }

    #[test]
    fn late_reports_change_nothing() {
        assert_eq!(
            CallStatus::InProgress.advance(CallStatus::Ringing),
            Transition::Stale
        );
        assert_eq!(
            CallStatus::Ringing.advance(CallStatus::Ringing),
            Transition::Stale
        );
        assert_eq!(
            CallStatus::Queued.advance(CallStatus::Busy),
            Transition::Advanced
        );
    }

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!("No-Answer".parse(), Ok(CallStatus::NoAnswer));
        assert_eq!("cancelled".parse(), Ok(CallStatus::Canceled));
        assert_eq!("answered".parse(), Ok(CallStatus::InProgress));
        assert_eq!("machine".parse::<CallStatus>(), Err(UnknownStatus));
    }
}
