//! The rules.

use std::fmt;

/// Each rule with its demand, which is its documentation, too.
macro_rules! rules {
    ($($rule:ident: $demand:literal,)*) => {
        /// One rule of the kit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $demand] $rule,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: [Self; [$(Self::$rule),*].len()] = [$(Self::$rule),*];

            /// What it demands, in one sentence.
            pub fn demand(self) -> &'static str {
                match self {
                    $(Self::$rule => $demand,)*
                }
            }
        }
    };
}

rules! {
    Messages: "The messages can be read, and there is one for each thing that the capabilities claim.",
    Settings: "A missing, empty or unknown setting is a configuration error that names the key and no value.",
    GoodRequests: "What the carrier documents is verified.",
    Mutations: "A good request of which any part that the signature covers was changed is refused.",
    ForeignRequests: "A request without a signature, one that is too old, and one for another account are refused.",
    OtherMethods: "A signed request that comes by another method, or with a body or query that its signature was not made for, is refused or says nothing new.",
    Calls: "A call has the direction, the id, the parties and the status that the carrier said, every time that it is read.",
    Events: "A callback tells the events that it should, of the call that it should, and keeps its payload.",
    ReadersNeverPanic: "Reading a webhook never panics, whatever is in it; what cannot be read is malformed.",
    Replies: "Every webhook gets a reply, also when the app has nothing to say.",
    ClaimedSteps: "Each step that is claimed can be expressed, with our links in it.",
    UnclaimedSteps: "Each step that is not claimed is unsupported.",
    HostileAnswers: "A text or parameter of the app cannot break the document; another carrier's document is refused.",
    ClaimedOperations: "Each operation that is claimed does what it should with the carrier's documented answer; gone is hung up.",
    OperationRequests: "What is sent for an operation is what the carrier documents: method, path, query and body.",
    UnclaimedOperations: "Each operation that is not claimed is unsupported, and nothing is sent.",
    BrokenOperations: "After a lost or unreadable answer no second call is placed; what was not processed is sent again; nothing panics.",
    MediaMessages: "The codec reads what the carrier documents.",
    MediaNeverPanics: "The codec never panics, whatever the bytes, and goes on after what it could not read.",
    MediaRoundTrip: "Audio and marks come back as they were sent; what is sent looks as the carrier documents it.",
    Frames: "The stream's format is one that is claimed, and audio is cut as its frame rules say.",
    ClearAndMarks: "A clear and marks do what the capabilities say, and the account of what was heard is complete.",
    StreamLife: "A stream of another call is refused, one that never starts is given up, one that ends has ended once.",
    Redaction: "Neither `Debug` nor an error shows a number, a secret, a token or what the caller keyed in.",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
