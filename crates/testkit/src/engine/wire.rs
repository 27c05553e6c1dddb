//! What a persona says on its media socket: a state machine without I/O.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::complaint::Finding;
use crate::engine::playout::PlayoutRules;

/// One WebSocket message.
#[derive(Clone, PartialEq, Eq)]
pub enum WireMessage {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl WireMessage {
    /// A text message of a JSON value.
    pub fn json(value: &Value) -> Self {
        Self::Text(value.to_string())
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for WireMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        write!(f, "{kind}({} bytes)", self.size())
    }
}

/// What a message of the app means.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AppCommand {
    /// Play this: signed 16-bit samples at the wire's rate.
    Audio(Vec<i16>),
    /// Tell me when everything before this was played. The value comes back as it is.
    Mark(Value),
    /// Throw away what has not been played.
    Clear,
    /// Nothing that the carrier lets pass: it drops the socket without a goodbye.
    Drop,
}

/// What came of a message of the app.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Received {
    /// What to do, in order.
    pub commands: Vec<AppCommand>,
    /// What the carrier has to say about it.
    pub findings: Vec<Finding>,
}

impl Received {
    /// A command and nothing to complain about.
    pub fn command(command: AppCommand) -> Self {
        Self {
            commands: vec![command],
            findings: vec![],
        }
    }

    /// A message that is not obeyed.
    pub fn refused(finding: Finding) -> Self {
        Self {
            commands: vec![],
            findings: vec![finding],
        }
    }

    /// Adds something that the carrier has to say.
    pub fn with(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }
}

/// Why the carrier stops a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The call is over.
    CallEnded,
    /// The call goes on, the stream does not.
    Stopped,
}

/// A carrier's media protocol, from the carrier's side.
///
/// The engine owns the socket and the clock, keeps the playout buffer and the caller's line, and asks the wire what to
/// write. `at` is call time since the stream began.
pub trait MediaWire: Send {
    /// Samples per second, both ways.
    fn rate(&self) -> u32;

    /// How much audio one message to the app holds; a multiple of 20 ms.
    fn frame(&self) -> Duration;

    /// How the carrier's playout buffer behaves.
    fn playout(&self) -> PlayoutRules;

    /// The carrier's code for audio that it dropped because the app does not read.
    fn congestion_code(&self) -> &'static str {
        "app-reads-too-slowly"
    }

    /// The first messages, right after the handshake.
    fn hello(&mut self) -> Vec<WireMessage>;

    /// The messages after which the app may speak. They come a moment after [`hello`](Self::hello).
    fn start(&mut self) -> Vec<WireMessage> {
        vec![]
    }

    /// One frame of the caller's voice.
    fn audio(&mut self, samples: &[i16], at: Duration) -> Vec<WireMessage>;

    /// A key that the caller pressed.
    fn key(&mut self, key: char, at: Duration) -> Vec<WireMessage>;

    /// Reads and checks a message of the app.
    fn receive(&mut self, message: &WireMessage) -> Received;

    /// A mark comes back: its audio was played, or a clear overtook it and the rules say that it returns.
    fn mark(&mut self, mark: &Value) -> Vec<WireMessage>;

    /// The buffer was cleared. Marks follow, if the rules return them.
    fn cleared(&mut self) -> Vec<WireMessage> {
        vec![]
    }

    /// The carrier says goodbye.
    fn stop(&mut self, reason: StopReason) -> Vec<WireMessage>;
}
