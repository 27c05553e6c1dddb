//! What an app holds of a stream that a task runs.

use super::playback::PlaybackCommand;
use super::streamer::{MediaEvent, StreamReceiver, StreamSender, Streamer};
use super::{Playback, StreamContext};
use crate::{EndReason, Error, ErrorKind, Result};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

/// The generation of a stream that takes no more audio.
pub(crate) const CLOSED: u64 = u64::MAX;

/// What the halves and their handles ask of the task, in the order in which they asked.
#[derive(Debug)]
pub(crate) enum Input {
    /// Audio of the utterance of that generation.
    Audio {
        audio: Bytes,
        room: OwnedSemaphorePermit,
        generation: u64,
    },
    /// The utterance of that generation is complete.
    Finish {
        generation: u64,
    },
    Command(PlaybackCommand),
}

/// What is left for the app when the task has ended.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) events: VecDeque<MediaEvent>,
    pub(crate) reason: EndReason,
}

/// Both halves.
pub(crate) struct DrivenStreamer {
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
}

pub(crate) struct Receiver {
    pub(crate) context: StreamContext,
    pub(crate) events: mpsc::Receiver<MediaEvent>,
    pub(crate) rest: Option<oneshot::Receiver<Rest>>,
    pub(crate) left: VecDeque<MediaEvent>,
}

pub(crate) struct Sender {
    pub(crate) context: StreamContext,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) capacity: usize,
    pub(crate) generation: watch::Receiver<u64>,
    /// The generation of the utterance that was begun and not finished.
    pub(crate) utterance: Option<u64>,
    pub(crate) playback: Playback,
    pub(crate) close_deadline: Duration,
    /// Tells the task when this half is gone.
    pub(crate) _gone: DropGuard,
}

impl Receiver {
    async fn recv(&mut self) -> Option<MediaEvent> {
        if let Some(event) = self.events.recv().await {
            return Some(event);
        }
        if let Some(rest) = &mut self.rest {
            let rest = rest.await;
            self.rest = None;
            let (events, reason) = match rest {
                Ok(rest) => (rest.events, rest.reason),
                // The task is gone without a word, which is a fault of ours; the app must still see the end.
                Err(_) => (VecDeque::new(), EndReason::Protocol),
            };
            self.left = events;
            self.left.push_back(MediaEvent::Stopped { reason });
        }
        self.left.pop_front()
    }
}

impl Sender {
    async fn send(&mut self, audio: Bytes) -> Result<()> {
        const OPERATION: &str = "send audio";
        if audio.is_empty() {
            return Ok(());
        }
        let generation = self.begin(OPERATION)?;
        // A chunk that is larger than the whole queue takes all of it.
        let bytes = u32::try_from(audio.len().min(self.capacity)).unwrap_or(u32::MAX);
        // Nearly always there is room.
        if let Ok(slot) = self.inputs.try_reserve()
            && let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes)
        {
            slot.send(Input::Audio {
                audio,
                room,
                generation,
            });
            return Ok(());
        }
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let queued = async {
            let room = room.await.map_err(|_| closed(OPERATION))?;
            let slot = self.inputs.reserve().await.map_err(|_| closed(OPERATION))?;
            slot.send(Input::Audio {
                audio,
                room,
                generation,
            });
            Ok(())
        };
        tokio::select! {
            biased;
            _ = self.generation.wait_for(|current| *current != generation) => {}
            () = self.context.cancellation.cancelled() => return Err(closed(OPERATION)),
            result = queued => return result,
        }
        // Why it was refused: the utterance was cleared, or nothing is taken any more.
        self.begin(OPERATION).and(Err(interrupted(OPERATION)))
    }

    async fn finish(&mut self) -> Result<()> {
        const OPERATION: &str = "finish utterance";
        if self.utterance.is_none() {
            return Ok(());
        }
        let generation = self.begin(OPERATION)?;
        self.inputs
            .send(Input::Finish { generation })
            .await
            .map_err(|_| closed(OPERATION))?;
        self.utterance = None;
        Ok(())
    }

    /// The generation of the utterance that is going on, or of a new one; interrupted if it was cleared since.
    fn begin(&mut self, operation: &'static str) -> Result<u64> {
        let current = *self.generation.borrow();
        match self.utterance {
            _ if current == CLOSED || self.context.cancellation.is_cancelled() => {
                Err(closed(operation))
            }
            Some(begun) if begun != current => {
                self.utterance = None;
                Err(interrupted(operation))
            }
            _ => {
                self.utterance = Some(current);
                Ok(current)
            }
        }
    }

    async fn close(&mut self) -> Result<()> {
        // An error means that the stream is over already, which is what is wanted.
        let _ = self.playback.hang_up().await;
        match timeout(self.close_deadline, self.context.closed.cancelled()).await {
            Ok(()) => Ok(()),
            Err(_) => {
                let detail = "the stream did not end in time";
                Err(Error::new(ErrorKind::Timeout, "close stream", detail))
            }
        }
    }
}

fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the stream is over")
}

fn interrupted(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Interrupted,
        operation,
        "the utterance was cleared",
    )
}

#[async_trait]
impl StreamReceiver for Receiver {
    fn context(&self) -> &StreamContext {
        &self.context
    }

    async fn recv(&mut self) -> Option<MediaEvent> {
        Self::recv(self).await
    }
}

#[async_trait]
impl StreamSender for Sender {
    async fn send(&mut self, audio: Bytes) -> Result<()> {
        Self::send(self, audio).await
    }

    async fn finish(&mut self) -> Result<()> {
        Self::finish(self).await
    }

    fn playback(&self) -> Playback {
        self.playback.clone()
    }

    async fn close(&mut self) -> Result<()> {
        Self::close(self).await
    }
}

#[async_trait]
impl Streamer for DrivenStreamer {
    fn context(&self) -> &StreamContext {
        &self.receiver.context
    }

    async fn recv(&mut self) -> Option<MediaEvent> {
        self.receiver.recv().await
    }

    async fn send(&mut self, audio: Bytes) -> Result<()> {
        self.sender.send(audio).await
    }

    async fn finish(&mut self) -> Result<()> {
        self.sender.finish().await
    }

    fn playback(&self) -> Playback {
        self.sender.playback.clone()
    }

    async fn close(&mut self) -> Result<()> {
        self.sender.close().await
    }

    fn split(self: Box<Self>) -> (Box<dyn StreamReceiver>, Box<dyn StreamSender>) {
        (Box::new(self.receiver), Box::new(self.sender))
    }
}
