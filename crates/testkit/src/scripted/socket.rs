//! A media socket in memory.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use telephony_core::media::{MediaSocket, SocketError, WireMessage};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

/// How many messages of the carrier wait for our side to read them.
const TO_US: usize = 1024;

/// A media socket and the carrier's end of it. Our side's writes wait once the carrier has `capacity` messages to read.
///
/// ```
/// use futures_util::{SinkExt as _, StreamExt as _};
/// use telephony_core::media::WireMessage;
/// use telephony_testkit::scripted::{Heard, scripted_socket};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut ours, mut carrier) = scripted_socket(16);
/// carrier.say(WireMessage::text("hello")).await;
/// assert_eq!(ours.next().await.ok_or("closed")??, WireMessage::text("hello"));
/// ours.close().await?;
/// assert!(matches!(carrier.hear().await, Some(Heard::Close)));
/// # Ok(())
/// # }
/// ```
pub fn scripted_socket(capacity: usize) -> (Box<dyn MediaSocket>, ScriptedPeer) {
    let (to_us, incoming) = mpsc::channel(TO_US);
    let (outgoing, from_us) = mpsc::channel(capacity.max(1));
    let socket = Socket {
        incoming,
        outgoing: PollSender::new(outgoing),
        said_goodbye: false,
    };
    (Box::new(socket), ScriptedPeer { to_us, from_us })
}

/// What the carrier hears from our side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message(WireMessage),
    /// Our side says goodbye.
    Close,
}

/// The carrier's end of a [`scripted_socket`]. Dropping it closes the socket.
#[derive(Debug)]
pub struct ScriptedPeer {
    to_us: mpsc::Sender<Result<WireMessage, SocketError>>,
    from_us: mpsc::Receiver<Heard>,
}

impl ScriptedPeer {
    /// Says something; nothing happens when our side is gone.
    pub async fn say(&self, message: WireMessage) {
        let _ = self.to_us.send(Ok(message)).await;
    }

    /// The connection breaks.
    pub async fn break_off(&self) {
        let broken = SocketError::Broken("connection reset".into());
        let _ = self.to_us.send(Err(broken)).await;
    }

    /// What our side says next; `None` when it is gone.
    pub async fn hear(&mut self) -> Option<Heard> {
        self.from_us.recv().await
    }
}

struct Socket {
    incoming: mpsc::Receiver<Result<WireMessage, SocketError>>,
    outgoing: PollSender<Heard>,
    said_goodbye: bool,
}

impl Stream for Socket {
    type Item = Result<WireMessage, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx)
    }
}

impl Sink<WireMessage> for Socket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let reserved = self.outgoing.poll_reserve(cx);
        reserved.map_err(|_| SocketError::Closed)
    }

    fn start_send(mut self: Pin<&mut Self>, message: WireMessage) -> Result<(), SocketError> {
        let sent = self.outgoing.send_item(Heard::Message(message));
        sent.map_err(|_| SocketError::Closed)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if !self.said_goodbye {
            ready!(self.outgoing.poll_reserve(cx)).map_err(|_| SocketError::Closed)?;
            let sent = self.outgoing.send_item(Heard::Close);
            sent.map_err(|_| SocketError::Closed)?;
            self.said_goodbye = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}
