//! What a WebSocket carrier writes for media: wire messages to events and commands to wire messages, without I/O.

use super::WireMessage;
use crate::{CallId, Party, Result, StreamId};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::time::Duration;
use telephony_audio::{AudioFormat, FrameRules};

/// A carrier's media protocol. One for each stream.
pub trait MediaCodec: Send + Debug {
    /// Reads one message, appending to `decoded` what it means and what the protocol demands as a reply.
    ///
    /// A message that is not known is [`CodecEvent::Unknown`]; the stream goes on.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) if it cannot be read; the stream goes on.
    /// [`Closed`](crate::ErrorKind::Closed) if after it the stream cannot go on.
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()>;

    /// Writes one command, appending to `out`. Called only after the codec has given [`CodecEvent::Start`].
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if the protocol has no such command.
    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()>;

    /// An in-band goodbye, where there is one.
    fn finish(&mut self, out: &mut Vec<WireMessage>) {
        let _ = out;
    }
}

/// What one message meant.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Events, in order.
    pub events: VecDeque<CodecEvent>,
    /// What the protocol demands as a reply.
    pub replies: Vec<WireMessage>,
}

/// What the carrier says on the media socket.
#[derive(Clone)]
#[non_exhaustive]
pub enum CodecEvent {
    /// The stream begins.
    Start(Box<StreamStart>),
    /// Audio of the caller, in the format of the start.
    Audio {
        /// The samples. Empty is allowed.
        payload: Bytes,
        /// When it was heard, from the stream's start, where the carrier tells.
        timestamp: Option<Duration>,
    },
    /// A key: `0-9 A-D * #`.
    Dtmf {
        /// The key.
        digit: char,
        /// How long it was pressed, where the carrier tells.
        duration: Option<Duration>,
    },
    /// A mark of ours came back.
    Mark {
        /// Its name on the wire.
        name: String,
    },
    /// The carrier has dropped what it had queued.
    Cleared,
    /// The carrier says that the stream is over.
    Stop {
        /// Its word for why.
        reason: Option<String>,
    },
    /// A message that we do not know.
    Unknown {
        /// Its name, if it has one.
        name: String,
        /// All of it.
        raw: WireMessage,
    },
}

/// How a stream begins.
#[derive(Clone)]
#[non_exhaustive]
pub struct StreamStart {
    /// The carrier's id of the stream, where it has one.
    pub stream_id: Option<StreamId>,
    /// The carrier's id of the call, where it tells.
    pub call_id: Option<CallId>,
    /// Who calls, where it tells.
    pub from: Option<Party>,
    /// Who is called, where it tells.
    pub to: Option<Party>,
    /// What comes in.
    pub inbound: AudioFormat,
    /// What goes out.
    pub outbound: AudioFormat,
    /// How what goes out is cut into messages.
    pub frames: FrameRules,
    /// Parameters that the carrier hands back.
    pub parameters: BTreeMap<String, String>,
    /// The longest lead that the carrier's buffer should be given, where there is one below the usual.
    pub max_lead: Option<Duration>,
    /// Whether marks come back.
    pub echoes_marks: bool,
    /// Whether queued audio can be cleared at the carrier.
    pub clears: bool,
}

impl StreamStart {
    /// A stream with the same format both ways; marks come back and audio can be cleared.
    #[must_use]
    pub fn new(format: AudioFormat, frames: FrameRules) -> Self {
        Self {
            stream_id: None,
            call_id: None,
            from: None,
            to: None,
            inbound: format,
            outbound: format,
            frames,
            parameters: BTreeMap::new(),
            max_lead: None,
            echoes_marks: true,
            clears: true,
        }
    }
}

impl Debug for CodecEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => start.fmt(f),
            Self::Audio { payload, timestamp } => {
                write!(f, "Audio({} bytes at {timestamp:?})", payload.len())
            }
            Self::Dtmf { duration, .. } => write!(f, "Dtmf(***, {duration:?})"),
            Self::Mark { name } => write!(f, "Mark({name})"),
            Self::Cleared => f.write_str("Cleared"),
            Self::Stop { reason } => write!(f, "Stop({reason:?})"),
            Self::Unknown { name, raw } => write!(f, "Unknown({name}, {raw:?})"),
        }
    }
}

impl Debug for StreamStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamStart")
            .field("stream_id", &self.stream_id)
            .field("call_id", &self.call_id)
            .field("inbound", &self.inbound)
            .field("outbound", &self.outbound)
            .field("frames", &self.frames)
            .field("parameters", &self.parameters.keys())
            .finish_non_exhaustive()
    }
}

/// What we say on the media socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaCommand<'a> {
    /// Play this: whole units of the frame rules, at most one message.
    Audio(&'a Bytes),
    /// Tell when what was sent before has been played.
    Mark(&'a str),
    /// Drop what is queued.
    Clear,
}
