//! What a carrier can do, as data: it drives the documentation, the conformance suite and callers' decisions.
//!
//! ```
//! use telephony_core::{Capabilities, Verb};
//!
//! let capabilities = Capabilities::new().with_verbs([Verb::Stream, Verb::HangUp]);
//! assert!(capabilities.can(Verb::Stream) && !capabilities.can(Verb::Dial));
//! ```

use std::collections::BTreeSet;
use std::time::Duration;
use telephony_audio::AudioFormat;

/// A step of an answer that a carrier's document can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// A two-way media stream.
    Stream,
    /// Speech from text.
    Say,
    /// An audio file.
    Play,
    /// Keys.
    Gather,
    /// Speech of the caller.
    GatherSpeech,
    /// Connecting somebody else.
    Dial,
    /// Waiting.
    Pause,
    /// Ending the call.
    HangUp,
    /// Refusing the call without answering it.
    Reject,
    /// Asking us again.
    Redirect,
}

/// An operation on a live call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Placing a call.
    MakeCall,
    /// Ending a call by REST.
    HangUp,
    /// Connecting the caller with somebody else.
    Transfer,
    /// Sending keys into the call.
    SendDtmf,
    /// Starting and stopping a recording of the live call at the carrier.
    Record,
    /// Reading what became of a call.
    FetchCall,
    /// Looking up whether a call was placed, after an answer that was lost.
    FindPlaced,
    /// Fetching the audio of a recording.
    FetchRecording,
}

/// What sending keys does to what the call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DtmfOut {
    /// Keys cannot be sent.
    #[default]
    Unsupported,
    /// It goes on.
    Beside,
    /// It ends, a stream too: what comes after must be said ([`Dtmf::then`](crate::Dtmf::then)).
    InPlace,
}

/// What ends the carrier's call when our side ends the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HangUpBy {
    /// A REST request.
    Rest,
    /// Closing the media socket, the stream being the last thing in the document.
    #[default]
    ClosingSocket,
    /// Nothing of ours: after the socket is closed the carrier's own flow goes on, and it decides.
    CarrierFlow,
}

/// How a carrier tells that audio has been played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Marks {
    /// It sends our mark back.
    Echoed,
    /// It does not tell: the library estimates from the clock.
    #[default]
    Estimated,
}

/// What dropping queued audio at the carrier reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Clear {
    /// Everything that has not been played.
    Everything,
    /// Everything but the message that is being played.
    ExceptCurrentMessage,
    /// Nothing: there is no such command.
    #[default]
    Nothing,
}

/// What a carrier can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// The steps of an answer that it can express.
    pub verbs: BTreeSet<Verb>,
    /// The operations on live calls that work.
    pub operations: BTreeSet<Operation>,
    /// The audio formats that it can have on the wire.
    pub formats: Vec<AudioFormat>,
    /// How it tells that audio has been played.
    pub marks: Marks,
    /// What a clear reaches.
    pub clear: Clear,
    /// What ends its call when our side ends.
    pub hang_up: HangUpBy,
    /// Whether a transfer is taken up only once the media stream is over: the library closes it then.
    pub transfers_after_stream: bool,
    /// Whether keys come in through the media socket.
    pub dtmf_in: bool,
    /// What sending keys does to what the call is doing.
    pub dtmf_out: DtmfOut,
    /// Whether its webhooks are signed. Where not, a secret of ours in the URL protects them.
    pub signed_webhooks: bool,
    /// Whether the upgrade of the media socket is signed.
    pub signed_upgrade: bool,
    /// How soon a webhook must be answered.
    pub answer_deadline: Option<Duration>,
    /// How long a stream may last.
    pub max_stream: Option<Duration>,
}

impl Capabilities {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this step can be expressed.
    #[must_use]
    pub fn can(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }

    /// Whether this operation works.
    #[must_use]
    pub fn supports(&self, operation: Operation) -> bool {
        self.operations.contains(&operation)
    }

    /// With these steps.
    #[must_use]
    pub fn with_verbs(mut self, verbs: impl IntoIterator<Item = Verb>) -> Self {
        self.verbs = verbs.into_iter().collect();
        self
    }

    /// With these operations.
    #[must_use]
    pub fn with_operations(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.operations = operations.into_iter().collect();
        self
    }

    /// With these formats on the wire.
    #[must_use]
    pub fn with_formats(mut self, formats: impl IntoIterator<Item = AudioFormat>) -> Self {
        self.formats = formats.into_iter().collect();
        self
    }

    /// Tells in this way that audio has been played.
    #[must_use]
    pub fn with_marks(mut self, marks: Marks) -> Self {
        self.marks = marks;
        self
    }

    /// A clear reaches this.
    #[must_use]
    pub fn with_clear(mut self, clear: Clear) -> Self {
        self.clear = clear;
        self
    }

    /// This ends the carrier's call.
    #[must_use]
    pub fn with_hang_up(mut self, hang_up: HangUpBy) -> Self {
        self.hang_up = hang_up;
        self
    }

    /// Keys come in through the media socket.
    #[must_use]
    pub fn with_dtmf_in(mut self) -> Self {
        self.dtmf_in = true;
        self
    }

    /// Sending keys does this to what the call is doing.
    #[must_use]
    pub fn with_dtmf_out(mut self, dtmf_out: DtmfOut) -> Self {
        self.dtmf_out = dtmf_out;
        self
    }

    /// A transfer is taken up once the media stream is over.
    #[must_use]
    pub fn with_transfers_after_stream(mut self) -> Self {
        self.transfers_after_stream = true;
        self
    }

    /// Webhooks, and the upgrade of the media socket, are signed.
    #[must_use]
    pub fn with_signatures(mut self, webhooks: bool, upgrade: bool) -> Self {
        self.signed_webhooks = webhooks;
        self.signed_upgrade = upgrade;
        self
    }

    /// A webhook must be answered within this time.
    #[must_use]
    pub fn with_answer_deadline(mut self, deadline: Duration) -> Self {
        self.answer_deadline = Some(deadline);
        self
    }

    /// A stream lasts so long at most.
    #[must_use]
    pub fn with_max_stream(mut self, limit: Duration) -> Self {
        self.max_stream = Some(limit);
        self
    }
}
