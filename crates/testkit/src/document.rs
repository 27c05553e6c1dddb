//! An answer document, in words that no carrier owns.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What the app answered to a webhook that asks what to do.
///
/// `Debug` shows neither text nor URLs.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Document {
    /// Which webhook it answers, such as `"answer"` or `"gather"`.
    pub asked_by: String,
    /// The body as it came.
    pub raw: String,
    /// What it tells the carrier to do, in order. Empty when it could not be read.
    pub instructions: Vec<Instruction>,
}

/// One thing that a document tells the carrier to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
#[non_exhaustive]
pub enum Instruction {
    /// Speak a text.
    Say {
        /// Length of the text in characters.
        characters: usize,
    },
    /// Play a recording, or key tones.
    Play,
    /// Wait.
    Pause {
        /// How long.
        #[serde(rename = "millis", serialize_with = "crate::outcome::as_millis")]
        length: Duration,
    },
    /// Collect digits (or speech).
    Gather {
        /// How many prompts are inside.
        prompts: usize,
    },
    /// Call somebody else and connect.
    Dial {
        /// How many are called.
        targets: usize,
    },
    /// Open a media stream.
    Stream,
    /// Record the call.
    Record,
    /// Fetch another document.
    Redirect,
    /// Refuse the call.
    Reject,
    /// End the call.
    HangUp,
    /// Send an event to the app.
    Notify,
    /// Join a conference room, or move there.
    Conference,
    /// Something else, by the carrier's name for it.
    Other {
        /// The carrier's name.
        name: String,
    },
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("asked_by", &self.asked_by)
            .field("bytes", &self.raw.len())
            .field("instructions", &self.instructions)
            .finish()
    }
}
