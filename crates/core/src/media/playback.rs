//! A handle beside the queue: clearing, marks, waiting until something was heard, hanging up.

use super::StreamStats;
use super::halves::Input;
use crate::{Error, ErrorKind, Result};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How much of the current utterance the caller has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Heard {
    /// What was played since the utterance began.
    pub played: Duration,
    /// What was queued, here or at the carrier, and will not be played.
    pub dropped: Duration,
}

impl Heard {
    /// So much was played and so much dropped.
    #[must_use]
    pub fn new(played: Duration, dropped: Duration) -> Self {
        Self { played, dropped }
    }
}

/// What a [`Playback`] asks of the task that runs the stream. Dropping a reply means that the stream is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlaybackCommand {
    /// Drop everything that has not been played.
    Clear {
        /// What was heard.
        reply: oneshot::Sender<Heard>,
    },
    /// Tell by an event when everything sent so far has been played.
    Mark {
        /// Its name.
        name: String,
    },
    /// Reply when everything sent so far has been played or cleared.
    WaitUntilPlayed {
        /// Whether it was played.
        reply: oneshot::Sender<bool>,
    },
    /// What has been heard of the current utterance so far?
    Position {
        /// What has been heard; `dropped` is what is still queued.
        reply: oneshot::Sender<Heard>,
    },
    /// What has the stream done so far?
    Stats {
        /// The numbers.
        reply: oneshot::Sender<StreamStats>,
    },
    /// End the stream once everything sent so far has been played.
    HangUp,
}

/// A handle beside the queue of a stream. Cheap to clone; keeps nothing alive.
#[derive(Debug, Clone)]
pub struct Playback(Commands);

#[derive(Debug, Clone)]
enum Commands {
    /// To a streamer of somebody else's.
    Foreign(mpsc::Sender<PlaybackCommand>),
    /// In one queue with the audio, so that a mark stays behind what was sent before it.
    Driven(mpsc::Sender<Input>, Arc<OnceLock<StreamStats>>),
}

impl Playback {
    /// A handle that sends its commands there. For streamers of your own.
    #[must_use]
    pub fn new(commands: mpsc::Sender<PlaybackCommand>) -> Self {
        Self(Commands::Foreign(commands))
    }

    pub(crate) fn driven(
        inputs: mpsc::Sender<Input>,
        last_stats: Arc<OnceLock<StreamStats>>,
    ) -> Self {
        Self(Commands::Driven(inputs, last_stats))
    }

    /// Stops at once: ends the current utterance and drops what is queued, here and at the carrier. A waiting
    /// [`send`](super::Streamer::send) returns interrupted, and so does the next one of the same utterance.
    /// A clear of nothing, or a second one, does nothing and returns zeros.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if the stream is over.
    pub async fn clear(&self) -> Result<Heard> {
        self.ask("clear playback", |reply| PlaybackCommand::Clear { reply })
            .await
    }

    /// Asks for a [`Played`](super::MediaEvent::Played) event when everything sent so far has been played.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if the stream is over.
    pub async fn mark(&self, name: impl Into<String>) -> Result<()> {
        let command = PlaybackCommand::Mark { name: name.into() };
        self.send("set mark", command).await
    }

    /// Waits until everything sent so far has been played, at most for `deadline`. Whether it has: not if it was cleared.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout); [`Closed`](ErrorKind::Closed) if the stream ended first.
    pub async fn wait_until_played(&self, deadline: Duration) -> Result<bool> {
        const OPERATION: &str = "wait until played";
        let asked = self.ask(OPERATION, |reply| PlaybackCommand::WaitUntilPlayed {
            reply,
        });
        match tokio::time::timeout(deadline, asked).await {
            Ok(played) => played,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                OPERATION,
                "the deadline has passed",
            )),
        }
    }

    /// What has been heard of the current utterance so far; [`dropped`](Heard::dropped) is what is still to come.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if the stream is over.
    pub async fn position(&self) -> Result<Heard> {
        self.ask("read playback position", |reply| {
            PlaybackCommand::Position { reply }
        })
        .await
    }

    /// What the stream has done so far, also when it is over.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if the stream is over and left no numbers.
    pub async fn stats(&self) -> Result<StreamStats> {
        let asked = self
            .ask("read stream numbers", |reply| PlaybackCommand::Stats {
                reply,
            })
            .await;
        match &self.0 {
            Commands::Driven(_, last) => asked.or_else(|error| last.get().copied().ok_or(error)),
            Commands::Foreign(_) => asked,
        }
    }

    /// Ends the stream once everything sent so far has been played, within the bound of the stream's options.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if the stream is over already.
    pub async fn hang_up(&self) -> Result<()> {
        self.send("hang up", PlaybackCommand::HangUp).await
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        command: impl FnOnce(oneshot::Sender<T>) -> PlaybackCommand,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(operation, command(reply)).await?;
        answer.await.map_err(|_| closed(operation))
    }
}

impl Playback {
    async fn send(&self, operation: &'static str, command: PlaybackCommand) -> Result<()> {
        let sent = match &self.0 {
            Commands::Foreign(commands) => commands.send(command).await.map_err(drop),
            Commands::Driven(inputs, _) => inputs.send(Input::Command(command)).await.map_err(drop),
        };
        sent.map_err(|()| closed(operation))
    }
}

fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the stream is over")
}
