//! What a carrier reports about a call: typed where all carriers mean the same, with the raw payload kept.

use super::{CallStatus, Parameters, Party};
use crate::{CallId, EndReason, StreamId};
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// One thing that a carrier reports about a call.
#[derive(Clone)]
pub struct CallEvent {
    /// What happened.
    pub kind: CallEventKind,
    /// The call that it is about. [`None`] where the carrier names none (the call is known from our URL then).
    pub call_id: Option<CallId>,
    /// The carrier's counter of events of this call, where it has one.
    pub sequence: Option<u64>,
    /// When it happened, as the carrier wrote it.
    pub timestamp: Option<String>,
    /// All that the callback said, secrets of ours taken out.
    pub parameters: Parameters,
    /// The body as it came.
    pub raw: Bytes,
}

impl CallEvent {
    /// An event of that kind. For carrier crates.
    #[must_use]
    pub fn new(kind: CallEventKind, call_id: Option<CallId>) -> Self {
        Self {
            kind,
            call_id,
            sequence: None,
            timestamp: None,
            parameters: Parameters::default(),
            raw: Bytes::new(),
        }
    }

    /// Keeps what the callback said.
    #[must_use]
    pub fn with_payload(mut self, parameters: Parameters, raw: Bytes) -> Self {
        self.parameters = parameters;
        self.raw = raw;
        self
    }

    /// The call's new status, if that is what is reported. Statuses of other legs are not the call's.
    #[must_use]
    pub fn status(&self) -> Option<CallStatus> {
        match &self.kind {
            CallEventKind::Status(report) => Some(report.status),
            _ => None,
        }
    }

    /// A short name for logs and reports: `status`, `digits-gathered`, or the carrier's own word.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            CallEventKind::Status(_) => "status",
            CallEventKind::Leg(_) => "leg",
            CallEventKind::DigitsGathered(_) => "digits-gathered",
            CallEventKind::DialEnded(_) => "dial-ended",
            CallEventKind::Transferred { .. } => "transferred",
            CallEventKind::RecordingReady(_) => "recording-ready",
            CallEventKind::MachineDetected(_) => "machine-detected",
            CallEventKind::StreamStarted { .. } => "stream-started",
            CallEventKind::StreamStopped(_) => "stream-stopped",
            CallEventKind::StreamFailed(_) => "stream-failed",
            CallEventKind::CarrierFault { .. } => "carrier-fault",
            CallEventKind::NextStep { .. } => "next-step",
            CallEventKind::GivenUp(_) => "given-up",
            CallEventKind::FlowGoesOn(_) => "flow-goes-on",
            CallEventKind::Other { name } => name,
        }
    }
}

impl fmt::Debug for CallEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEvent")
            .field("kind", &self.kind)
            .field("call_id", &self.call_id)
            .field("sequence", &self.sequence)
            .field("parameters", &self.parameters)
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallEventKind {
    /// The call's status changed.
    Status(StatusReport),
    /// Another leg of the call did something: a dialled child, the media socket's own leg. Never the call's status.
    Leg(LegReport),
    /// The caller pressed keys or spoke where we asked for it, or did not in time.
    DigitsGathered(Gathered),
    /// A dial that we answered with is over.
    DialEnded(DialReport),
    /// A leg moved, or the result of a transfer is known.
    Transferred {
        /// Where to, where the carrier tells.
        target: Option<Party>,
    },
    /// A recording has ended; it may take a moment until it can be fetched.
    RecordingReady(Recording),
    /// The carrier has found out who answered.
    MachineDetected(AnsweredBy),
    /// The media stream is up, says the carrier.
    StreamStarted {
        /// The stream.
        stream_id: Option<StreamId>,
    },
    /// The media stream is over, says the carrier.
    StreamStopped(StreamReport),
    /// The media stream could not be opened or broke.
    StreamFailed(StreamReport),
    /// The carrier could not use what we answered, or had a fault of its own.
    CarrierFault {
        /// The carrier's code.
        code: Option<String>,
        /// What it said.
        message: String,
    },
    /// The carrier asks what to do next, with nothing else to tell.
    NextStep {
        /// Why it asks, in the carrier's word: `redirect`, `stream`, `fallback`.
        after: String,
    },
    /// Not the carrier but the library says it: the call was ended on our side because nothing was heard of it, or because the
    /// carrier does not know it when it is asked. If it is still there after all, it is hung up.
    GivenUp(EndReason),
    /// Not the carrier but the library says it: the stream ended for that reason, with which a call would be hung up; but this
    /// carrier's own flow goes on, and decides alone when the call ends. Told twice if a node lost its lease and lives.
    FlowGoesOn(EndReason),
    /// Anything else, by the carrier's own name for it.
    Other {
        /// That name.
        name: String,
    },
}

/// A new status of the call, with what the carrier said about it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StatusReport {
    /// The status.
    pub status: CallStatus,
    /// How long the call was up, once it is over.
    pub duration: Option<Duration>,
    /// The SIP response that ended it.
    pub sip_code: Option<u16>,
    /// Why, in the carrier's words.
    pub reason: Option<String>,
}

impl StatusReport {
    /// Just the status.
    #[must_use]
    pub fn new(status: CallStatus) -> Self {
        Self {
            status,
            duration: None,
            sip_code: None,
            reason: None,
        }
    }
}

/// What another leg did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LegReport {
    /// The leg.
    pub leg: Option<CallId>,
    /// What kind of leg it is.
    pub role: LegRole,
    /// Its status, if the word is one of ours.
    pub status: Option<CallStatus>,
    /// The carrier's word for what it did.
    pub word: String,
}

impl LegReport {
    /// A leg and what it did.
    #[must_use]
    pub fn new(
        leg: Option<CallId>,
        role: LegRole,
        status: Option<CallStatus>,
        word: impl Into<String>,
    ) -> Self {
        Self {
            leg,
            role,
            status,
            word: word.into(),
        }
    }
}

/// What kind of leg it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LegRole {
    /// Dialled from within the call.
    Dialled,
    /// The media socket.
    Media,
    /// Some other leg.
    Other,
}

/// What the caller entered. `Debug` does not show it: it may be a PIN.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Gathered {
    /// The keys, without the one that ended it; empty if none.
    pub digits: String,
    /// What was said, the likeliest first, with how sure the carrier is (0.0 to 1.0).
    pub speech: Vec<(String, Option<f32>)>,
    /// Whether time ran out.
    pub timed_out: bool,
}

impl Gathered {
    /// Keys only.
    #[must_use]
    pub fn digits(digits: impl Into<String>) -> Self {
        Self {
            digits: digits.into(),
            ..Self::default()
        }
    }

    /// Whether the caller entered nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digits.is_empty() && self.speech.is_empty()
    }
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered")
            .field("digits", &self.digits.chars().count())
            .field("speech", &self.speech.len())
            .field("timed_out", &self.timed_out)
            .finish()
    }
}

/// How a dial went.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DialReport {
    /// How it ended: `Completed` if somebody answered.
    pub status: Option<CallStatus>,
    /// The leg that was dialled.
    pub leg: Option<CallId>,
    /// Who was dialled, where the carrier tells.
    pub to: Option<Party>,
    /// How long the two talked.
    pub duration: Option<Duration>,
}

impl DialReport {
    /// A dial that ended so.
    #[must_use]
    pub fn new(status: Option<CallStatus>) -> Self {
        Self {
            status,
            leg: None,
            to: None,
            duration: None,
        }
    }
}

/// A finished recording. `Debug` does not show where it is.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Recording {
    /// The carrier's id of it.
    pub id: Option<String>,
    /// Where to fetch it, with the carrier's credentials; empty if nothing was recorded.
    pub url: String,
    /// How long it is.
    pub duration: Option<Duration>,
}

impl Recording {
    /// A recording at that URL.
    #[must_use]
    pub fn new(id: Option<String>, url: impl Into<String>) -> Self {
        Self {
            id,
            url: url.into(),
            duration: None,
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("id", &self.id)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// Who answered, as far as the carrier can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnsweredBy {
    /// A human.
    Human,
    /// A machine; its greeting may still be playing.
    Machine,
    /// A machine whose greeting is over: a message may be left now.
    MachineGreetingEnded,
    /// A fax.
    Fax,
    /// The carrier could not tell.
    Unknown,
    /// The carrier's own word.
    Other(String),
}

/// What the carrier says about a stream.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct StreamReport {
    /// The stream.
    pub stream_id: Option<StreamId>,
    /// The carrier's word for its state.
    pub status: Option<String>,
    /// What went wrong, in the carrier's words.
    pub error: Option<String>,
    /// Who ended it, in the carrier's word.
    pub ended_by: Option<String>,
    /// How long it was up.
    pub duration: Option<Duration>,
}

impl StreamReport {
    /// About this stream.
    #[must_use]
    pub fn new(stream_id: Option<StreamId>) -> Self {
        Self {
            stream_id,
            ..Self::default()
        }
    }
}
