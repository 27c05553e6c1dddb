//! The rules.

use std::fmt;

/// One rule of the kit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// The messages can be read, and there is one for each thing that the capabilities claim.
    Messages,
    /// A missing, empty or unknown setting is a configuration error that names the key and no value.
    Settings,
    /// What the carrier documents is verified.
    GoodRequests,
    /// A good request of which any part that the signature covers was changed is refused.
    Mutations,
    /// A request without a signature, one that is too old, and one for another account are refused.
    ForeignRequests,
    /// A call has the direction, the id, the parties and the status that the carrier said, every time that it is read.
    Calls,
    /// A callback tells the events that it should, of the call that it should, and keeps its payload.
    Events,
    /// Reading a webhook never panics, whatever is in it; what cannot be read is malformed.
    ReadersNeverPanic,
    /// Every webhook gets a reply, also when the app has nothing to say.
    Replies,
    /// Each step that is claimed can be expressed, with our links in it.
    ClaimedSteps,
    /// Each step that is not claimed is unsupported.
    UnclaimedSteps,
    /// A text or parameter of the app cannot break the document; another carrier's document is refused.
    HostileAnswers,
    /// Each operation that is claimed does what it should with the carrier's documented answer; gone is hung up.
    ClaimedOperations,
    /// Each operation that is not claimed is unsupported, and nothing is sent.
    UnclaimedOperations,
    /// After a lost or unreadable answer no second call is placed; what was not processed is sent again; nothing panics.
    BrokenOperations,
    /// The codec reads what the carrier documents.
    MediaMessages,
    /// The codec never panics, whatever the bytes, and goes on after what it could not read.
    MediaNeverPanics,
    /// Audio and marks come back as they were sent; what is sent looks as the carrier documents it.
    MediaRoundTrip,
    /// The stream's format is one that is claimed, and audio is cut as its frame rules say.
    Frames,
    /// A clear and marks do what the capabilities say, and the account of what was heard is complete.
    ClearAndMarks,
    /// A stream of another call is refused, one that never starts is given up, one that ends has ended once.
    StreamLife,
    /// Neither `Debug` nor an error shows a number, a secret, a token or what the caller keyed in.
    Redaction,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Messages,
        Self::Settings,
        Self::GoodRequests,
        Self::Mutations,
        Self::ForeignRequests,
        Self::Calls,
        Self::Events,
        Self::ReadersNeverPanic,
        Self::Replies,
        Self::ClaimedSteps,
        Self::UnclaimedSteps,
        Self::HostileAnswers,
        Self::ClaimedOperations,
        Self::UnclaimedOperations,
        Self::BrokenOperations,
        Self::MediaMessages,
        Self::MediaNeverPanics,
        Self::MediaRoundTrip,
        Self::Frames,
        Self::ClearAndMarks,
        Self::StreamLife,
        Self::Redaction,
    ];

    /// What it demands, in one sentence.
    pub fn demand(self) -> &'static str {
        match self {
            Self::Messages => {
                "the messages can be read, and there is one for each thing that the capabilities claim"
            }
            Self::Settings => {
                "a missing, empty or unknown setting is a configuration error that names the key and no value"
            }
            Self::GoodRequests => "what the carrier documents is verified",
            Self::Mutations => {
                "a good request of which any part that the signature covers was changed is refused"
            }
            Self::ForeignRequests => {
                "a request without a signature, one that is too old, and one for another account are refused"
            }
            Self::Calls => {
                "a call has the direction, the id, the parties and the status that the carrier said, every time that it is read"
            }
            Self::Events => {
                "a callback tells the events that it should, of the call that it should, and keeps its payload"
            }
            Self::ReadersNeverPanic => {
                "reading a webhook never panics, whatever is in it; what cannot be read is malformed"
            }
            Self::Replies => "every webhook gets a reply, also when the app has nothing to say",
            Self::ClaimedSteps => {
                "each step that is claimed can be expressed, with our links in it"
            }
            Self::UnclaimedSteps => "each step that is not claimed is unsupported",
            Self::HostileAnswers => {
                "a text or parameter of the app cannot break the document; another carrier's document is refused"
            }
            Self::ClaimedOperations => {
                "each operation that is claimed does what it should with the carrier's documented answer; gone is hung up"
            }
            Self::UnclaimedOperations => {
                "each operation that is not claimed is unsupported, and nothing is sent"
            }
            Self::BrokenOperations => {
                "after a lost or unreadable answer no second call is placed; what was not processed is sent again; nothing panics"
            }
            Self::MediaMessages => "the codec reads what the carrier documents",
            Self::MediaNeverPanics => {
                "the codec never panics, whatever the bytes, and goes on after what it could not read"
            }
            Self::MediaRoundTrip => {
                "audio and marks come back as they were sent; what is sent looks as the carrier documents it"
            }
            Self::Frames => {
                "the stream's format is one that is claimed, and audio is cut as its frame rules say"
            }
            Self::ClearAndMarks => {
                "a clear and marks do what the capabilities say, and the account of what was heard is complete"
            }
            Self::StreamLife => {
                "a stream of another call is refused, one that never starts is given up, one that ends has ended once"
            }
            Self::Redaction => {
                "neither Debug nor an error shows a number, a secret, a token or what the caller keyed in"
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
