//! The stream that an app talks to.

use super::{Heard, Playback, StreamContext};
use crate::{EndReason, Result};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// A live two-way stream. It exists only once the carrier has started it and its context is complete.
///
/// Dropping it ends the stream: what was sent is still played, within a bound, then our side hangs up.
#[async_trait]
pub trait Streamer: Send {
    /// Ids, direction, formats, parameters.
    fn context(&self) -> &StreamContext;

    /// The next event: [`MediaEvent::Stopped`] once at the end, then [`None`]. Cancel-safe.
    async fn recv(&mut self) -> Option<MediaEvent>;

    /// Queues audio in the outbound format, chunks of any size; waits while the queue is full. Queued whole or not at all,
    /// also when the future is dropped. The first one begins an utterance, [`finish`](Self::finish) ends it.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted), once, if the utterance was cleared: the next call begins a new one.
    /// [`Closed`](crate::ErrorKind::Closed) if the stream is over.
    async fn send(&mut self, audio: Bytes) -> Result<()>;

    /// Ends the utterance: its tail is padded with silence to a whole frame and sent.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    async fn finish(&mut self) -> Result<()>;

    /// A handle for what acts beside the queue: clear, marks, waiting, hanging up.
    fn playback(&self) -> Playback;

    /// Ends the stream: plays what was sent, within a bound, then closes. Again is fine.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) if it did not end in time.
    async fn close(&mut self) -> Result<()>;

    /// Two halves, to speak while listening. The stream ends when both are dropped.
    fn split(self: Box<Self>) -> (Box<dyn StreamReceiver>, Box<dyn StreamSender>);
}

/// The listening half of a [`Streamer`].
#[async_trait]
pub trait StreamReceiver: Send {
    /// As [`Streamer::context`].
    fn context(&self) -> &StreamContext;
    /// As [`Streamer::recv`].
    async fn recv(&mut self) -> Option<MediaEvent>;
}

/// The speaking half of a [`Streamer`].
#[async_trait]
pub trait StreamSender: Send {
    /// As [`Streamer::send`].
    ///
    /// # Errors
    /// As there.
    async fn send(&mut self, audio: Bytes) -> Result<()>;
    /// As [`Streamer::finish`].
    ///
    /// # Errors
    /// As there.
    async fn finish(&mut self) -> Result<()>;
    /// As [`Streamer::playback`].
    fn playback(&self) -> Playback;
    /// As [`Streamer::close`].
    ///
    /// # Errors
    /// As there.
    async fn close(&mut self) -> Result<()>;
}

/// What an app hears.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The stream is up. Always the first.
    Started,
    /// Audio of the caller.
    Audio(AudioFrame),
    /// A key.
    Dtmf {
        /// `0-9 A-D * #`.
        digit: char,
        /// How long it was pressed, where the carrier tells.
        duration: Option<Duration>,
    },
    /// The caller speaks, and has for at least [`min_speech`](super::VoiceOptions::min_speech).
    SpeechStarted {
        /// When it began, from the stream's start.
        at: Duration,
        /// What was heard of the current utterance, if this speech has cleared it.
        interrupted: Option<Heard>,
    },
    /// The caller has paused for [`min_silence`](super::VoiceOptions::min_silence).
    SpeechEnded {
        /// When the last word ended, from the stream's start.
        at: Duration,
    },
    /// A mark is settled.
    Played {
        /// Its name, as it was given.
        mark: String,
        /// How.
        outcome: MarkOutcome,
    },
    /// The stream is over. Always the last, exactly once.
    Stopped {
        /// Why.
        reason: EndReason,
    },
    /// The carrier said something that we do not know.
    Ignored {
        /// Its name for it.
        name: String,
        /// All of it, or its first 4 KiB.
        raw: Bytes,
    },
}

impl fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("Started"),
            Self::Audio(frame) => frame.fmt(f),
            // One of many of a PIN, perhaps.
            Self::Dtmf { duration, .. } => write!(f, "Dtmf(***, {duration:?})"),
            Self::SpeechStarted { at, interrupted } => {
                write!(f, "SpeechStarted({at:?}, {interrupted:?})")
            }
            Self::SpeechEnded { at } => write!(f, "SpeechEnded({at:?})"),
            Self::Played { mark, outcome } => write!(f, "Played({mark}, {outcome:?})"),
            Self::Stopped { reason } => write!(f, "Stopped({reason})"),
            Self::Ignored { name, raw } => write!(f, "Ignored({name}, {} bytes)", raw.len()),
        }
    }
}

/// Audio of the caller. `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioFrame {
    /// The samples, in the inbound format of the [context](StreamContext::inbound).
    pub payload: Bytes,
    /// When it begins, from the stream's start.
    pub timestamp: Duration,
    /// How much audio before it was lost because the app did not keep up.
    pub lost: Duration,
    /// Whether it is silence that we put in because the carrier left something out.
    pub is_filler: bool,
}

impl fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AudioFrame({} bytes at {:?})",
            self.payload.len(),
            self.timestamp
        )
    }
}

/// What became of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkOutcome {
    /// The caller has heard everything before it, says the carrier.
    Reached,
    /// The caller should have heard everything before it, by the clock: the carrier does not tell.
    Estimated,
    /// It was cleared: at least some of the audio before it was not heard.
    Cleared,
    /// No word came in time, or the stream ended first.
    Unknown,
}
