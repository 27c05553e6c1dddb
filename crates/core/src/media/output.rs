//! What a session puts out: messages for the carrier, and what the app and its handles are told.

use super::{MarkOutcome, MediaEvent, WireMessage};
use std::time::Duration;

/// What comes out of a session, besides messages.
#[derive(Debug, PartialEq)]
pub(crate) enum SessionOutput {
    Event(MediaEvent),
    /// The caller speaks; where barge-in is on, this clears what is played.
    SpeechStarted {
        at: Duration,
    },
    /// A wait is over: whether everything was played.
    Waited {
        id: u64,
        played: bool,
    },
    /// The carrier says that the stream is over.
    Stopped {
        reason: Option<String>,
    },
}

/// A message that has not reached the socket.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: WireMessage,
    pub(crate) purpose: Purpose,
}

/// What a message is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Purpose {
    /// So many bytes of audio.
    Audio(usize),
    /// The mark of that name.
    Mark(String),
    Control,
}

/// What a mark is for.
#[derive(Debug)]
pub(crate) enum MarkPurpose {
    /// The app's, by its name.
    App(String),
    /// Somebody waits.
    Wait(u64),
}

impl MarkPurpose {
    pub(crate) fn settle(self, outcome: MarkOutcome) -> SessionOutput {
        match self {
            Self::App(mark) => SessionOutput::Event(MediaEvent::Played { mark, outcome }),
            Self::Wait(id) => {
                let played = matches!(
                    outcome,
                    MarkOutcome::Reached | MarkOutcome::Estimated | MarkOutcome::Unknown
                );
                SessionOutput::Waited { id, played }
            }
        }
    }
}
