//! Why a stream or a call ended.

use crate::CallStatus;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a stream or a call ended. The first reason stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The carrier stopped the stream, with its word for why.
    CarrierStopped(Option<String>),
    /// The socket was closed, or broke, without a word.
    SocketClosed,
    /// The call reached this terminal status.
    CallEnded(CallStatus),
    /// The app ended it, or let go of the stream.
    App,
    /// Our side closed the stream so that the call could go elsewhere; the call goes on.
    Transferred,
    /// No message came for too long.
    Idle,
    /// The caller said nothing for too long.
    Silence,
    /// The longest time that was allowed is over.
    MaxDuration,
    /// This node shuts down.
    Shutdown,
    /// The node that held the stream is lost; another one ends what it left behind.
    NodeLost,
    /// Our writes did not get through in time.
    WriteTimeout,
    /// The carrier opened no socket, or sent no webhook, in time.
    NeverStarted,
    /// The peer broke the protocol beyond repair.
    Protocol,
}

impl EndReason {
    /// A short word for logs, metrics and stores.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CarrierStopped(_) => "carrier-stopped",
            Self::SocketClosed => "socket-closed",
            Self::CallEnded(status) => match status {
                CallStatus::Busy => "call-busy",
                CallStatus::Failed => "call-failed",
                CallStatus::NoAnswer => "call-no-answer",
                CallStatus::Canceled => "call-canceled",
                _ => "call-completed",
            },
            Self::App => "app",
            Self::Transferred => "transferred",
            Self::Idle => "idle",
            Self::Silence => "silence",
            Self::MaxDuration => "max-duration",
            Self::Shutdown => "shutdown",
            Self::NodeLost => "node-lost",
            Self::WriteTimeout => "write-timeout",
            Self::NeverStarted => "never-started",
            Self::Protocol => "protocol",
        }
    }

    /// Whether our side ended it, so that the carrier's call must be ended too.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::App
                | Self::Idle
                | Self::Silence
                | Self::MaxDuration
                | Self::Shutdown
                | Self::NodeLost
                | Self::Protocol
        )
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
