//! The applets of a flow.

use std::fmt;

/// One applet of a flow, as it is set in Exotel's console.
///
/// A URL may be relative to the answer URL; an empty one is the answer URL. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Applet {
    /// Opens the two-way media stream.
    Voicebot,
    /// Tells the app how far the call got. It always asks with GET.
    Passthru {
        /// Where; with none, nobody is told and the flow goes on.
        url: Option<String>,
        /// Whether the flow goes on without waiting for the answer.
        asynchronous: bool,
    },
    /// Asks whom to dial, and connects.
    Connect {
        /// Where.
        url: String,
    },
    /// Asks what to prompt for, and collects keys. The next applets tell the app which.
    Gather {
        /// Where.
        url: String,
    },
    /// Asks for a text or a recording, and lets the caller hear it.
    Greeting {
        /// Where.
        url: String,
    },
    /// Ends the call.
    Hangup,
}

impl Applet {
    /// A Passthru that waits: 200 goes on, 302 changes to branch B.
    pub fn passthru(url: impl Into<String>) -> Self {
        Self::Passthru {
            url: Some(url.into()),
            asynchronous: false,
        }
    }

    /// A Passthru that does not wait.
    pub fn asynchronous_passthru(url: impl Into<String>) -> Self {
        Self::Passthru {
            url: Some(url.into()),
            asynchronous: true,
        }
    }

    /// A Passthru with nobody to tell.
    pub fn idle_passthru() -> Self {
        Self::Passthru {
            url: None,
            asynchronous: false,
        }
    }

    /// A Connect that asks this URL.
    pub fn connect(url: impl Into<String>) -> Self {
        Self::Connect { url: url.into() }
    }

    /// A Gather that asks this URL.
    pub fn gather(url: impl Into<String>) -> Self {
        Self::Gather { url: url.into() }
    }

    /// A Greeting that asks this URL.
    pub fn greeting(url: impl Into<String>) -> Self {
        Self::Greeting { url: url.into() }
    }
}

impl fmt::Debug for Applet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs hold secrets: nothing is signed here.
        f.write_str(match self {
            Self::Voicebot => "Voicebot",
            Self::Passthru { url: None, .. } => "Passthru(unset)",
            Self::Passthru {
                asynchronous: true, ..
            } => "Passthru(asynchronous)",
            Self::Passthru { .. } => "Passthru",
            Self::Connect { .. } => "Connect",
            Self::Gather { .. } => "Gather",
            Self::Greeting { .. } => "Greeting",
            Self::Hangup => "Hangup",
        })
    }
}
