//! The socket of one stream: reads and writes at the same time.

use super::session::MediaSession;
use super::socket::{MediaSocket, WireMessage};
use futures_util::{Sink, SinkExt, Stream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long the peer has to say goodbye back, and to say why its end takes nothing any more.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) enum SocketStep {
    Message(WireMessage),
    /// It takes messages again: what became due in the meantime can go out.
    Unblocked,
    Closed,
}

pub(crate) struct SocketIo {
    socket: Box<dyn MediaSocket>,
    began: Instant,
    dirty: bool,
    blocked_since: Option<Duration>,
    failed_at: Option<Duration>,
}

impl SocketIo {
    pub(crate) fn new(socket: Box<dyn MediaSocket>, began: Instant) -> Self {
        Self {
            socket,
            began,
            dirty: false,
            blocked_since: None,
            failed_at: None,
        }
    }

    /// Since when it takes nothing, if that is so.
    pub(crate) fn blocked_since(&self) -> Option<Duration> {
        self.blocked_since
    }

    /// When a write failed; the peer may still have something to say.
    pub(crate) fn failed_at(&self) -> Option<Duration> {
        self.failed_at
    }

    /// Writes what the session has, as far as the socket takes it, and reads the next message.
    pub(crate) fn poll<G>(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut MediaSession<G>,
    ) -> Poll<SocketStep> {
        if self.failed_at.is_none() {
            let was_blocked = self.blocked_since.is_some();
            if self.poll_write(cx, session).is_err() {
                self.failed_at = Some(self.began.elapsed());
                self.blocked_since = None;
                return Poll::Ready(SocketStep::Unblocked);
            }
            if was_blocked && self.blocked_since.is_none() {
                return Poll::Ready(SocketStep::Unblocked);
            }
        }
        match Pin::new(&mut self.socket).poll_next(cx) {
            Poll::Ready(Some(Ok(message))) => Poll::Ready(SocketStep::Message(message)),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(SocketStep::Closed),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_write<G>(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut MediaSession<G>,
    ) -> Result<(), ()> {
        let mut sink = Pin::new(&mut self.socket);
        let mut blocked = false;
        while session.has_message() {
            match sink.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {
                    let Some(message) = session.next_message(self.began.elapsed()) else {
                        break;
                    };
                    sink.as_mut().start_send(message).map_err(drop)?;
                    self.dirty = true;
                    // Slow is not stuck.
                    self.blocked_since = None;
                }
                Poll::Ready(Err(_)) => return Err(()),
                Poll::Pending => {
                    blocked = true;
                    break;
                }
            }
        }
        if self.dirty {
            match sink.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.dirty = false,
                Poll::Ready(Err(_)) => return Err(()),
                Poll::Pending => blocked = true,
            }
        }
        match (blocked, self.blocked_since) {
            (true, None) => self.blocked_since = Some(self.began.elapsed()),
            (false, Some(_)) => self.blocked_since = None,
            _ => {}
        }
        Ok(())
    }

    /// Writes the last messages and closes the socket the normal way, within a bound.
    pub(crate) async fn say_goodbye<G>(&mut self, session: &mut MediaSession<G>) {
        let farewell = async {
            while let Some(message) = session.next_message(self.began.elapsed()) {
                if self.socket.feed(message).await.is_err() {
                    return;
                }
            }
            let _ = self.socket.close().await;
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}
