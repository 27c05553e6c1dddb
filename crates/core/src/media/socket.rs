//! The socket that media runs on, whatever it is made of.

use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::fmt;

/// One message on the wire. `Debug` shows sizes only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireMessage {
    /// A text message, UTF-8.
    Text(Bytes),
    /// A binary message, or bytes of a TCP stream.
    Binary(Bytes),
}

impl WireMessage {
    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Bytes::from(text.into()))
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for WireMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// How a socket fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// It is closed.
    #[error("the socket is closed")]
    Closed,
    /// A message is larger than the socket takes.
    #[error("a message is too large")]
    TooLarge,
    /// It broke.
    #[error("the socket broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A socket for media: messages in, messages out. It answers pings by itself. Its end is [`None`]; closing the sink says
/// goodbye the normal way (WebSocket code 1000).
pub trait MediaSocket:
    Stream<Item = Result<WireMessage, SocketError>>
    + Sink<WireMessage, Error = SocketError>
    + Send
    + Unpin
{
}

impl<S> MediaSocket for S where
    S: Stream<Item = Result<WireMessage, SocketError>>
        + Sink<WireMessage, Error = SocketError>
        + Send
        + Unpin
{
}
