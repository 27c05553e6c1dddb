//! What the task of a stream waits for most of the time: the app and the socket, in turns.

use super::halves::Input;
use super::io::{SocketIo, SocketStep};
use super::session::MediaSession;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// What came.
pub(crate) enum Step {
    Input(Input),
    Socket(SocketStep),
}

pub(crate) struct Sources {
    pub(crate) io: SocketIo,
    pub(crate) inputs: mpsc::Receiver<Input>,
    /// The last step was an input: now it is the socket's turn.
    took_input: bool,
}

impl Sources {
    pub(crate) fn new(io: SocketIo, inputs: mpsc::Receiver<Input>) -> Self {
        Self {
            io,
            inputs,
            took_input: false,
        }
    }

    /// The next step. The app is asked first, for that costs less; after it the socket, or a busy app could keep it waiting.
    pub(crate) fn poll<G>(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut MediaSession<G>,
    ) -> Poll<Step> {
        let app_is_first = !std::mem::take(&mut self.took_input);
        if app_is_first && let Poll::Ready(input) = self.poll_input(cx) {
            return Poll::Ready(input);
        }
        if let Poll::Ready(step) = self.io.poll(cx, session) {
            return Poll::Ready(Step::Socket(step));
        }
        if app_is_first {
            return Poll::Pending;
        }
        self.poll_input(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match self.inputs.poll_recv(cx) {
            Poll::Ready(Some(input)) => {
                self.took_input = true;
                Poll::Ready(Step::Input(input))
            }
            // All handles of the app are gone: nothing comes from there any more.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
