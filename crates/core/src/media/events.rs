//! Events on their way to an app that may be slow.

use super::streamer::{AudioFrame, MediaEvent};
use std::collections::VecDeque;
use std::time::Duration;
use telephony_audio::AudioFormat;
use tokio::sync::mpsc;

/// Events without audio that wait for a slow app. Nobody presses that many keys.
const MAX_WAITING: usize = 4096;
/// Messages that we do not know wait only behind so few events.
const MAX_IGNORED: usize = 64;

/// A few events in a channel, more here, and over the bound the oldest audio is lost and counted.
pub(crate) struct EventQueue {
    out: Option<mpsc::Sender<MediaEvent>>,
    waiting: VecDeque<MediaEvent>,
    format: AudioFormat,
    audio_bytes: usize,
    max_audio_bytes: usize,
    lost_frames: u64,
    lost_events: u64,
    /// How much was lost since the last audio that is still there or was delivered.
    lost: Duration,
    is_closed: bool,
}

impl EventQueue {
    pub(crate) fn new(out: mpsc::Sender<MediaEvent>, format: AudioFormat, bound: Duration) -> Self {
        Self {
            out: Some(out),
            waiting: VecDeque::new(),
            format,
            audio_bytes: 0,
            max_audio_bytes: format.bytes_in(bound),
            lost_frames: 0,
            lost_events: 0,
            lost: Duration::ZERO,
            is_closed: false,
        }
    }

    /// Whether the app's listening half is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How many messages with audio were lost.
    pub(crate) fn lost_frames(&self) -> u64 {
        self.lost_frames
    }

    /// How many other events were: keys, marks.
    pub(crate) fn lost_events(&self) -> u64 {
        self.lost_events
    }

    pub(crate) fn push(&mut self, mut event: MediaEvent) {
        let Some(out) = &self.out else { return };
        if let MediaEvent::Audio(frame) = &mut event {
            frame.lost += std::mem::take(&mut self.lost);
        }
        if self.waiting.is_empty() {
            match out.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(full)) => event = full,
            }
        }
        match &event {
            MediaEvent::Audio(frame) => self.audio_bytes += frame.payload.len(),
            // Nobody can do much with these; a slow app keeps a few.
            MediaEvent::Ignored { .. } if self.waiting.len() >= MAX_IGNORED => return,
            _ if self.waiting.len() >= MAX_WAITING => {
                self.lost_events += 1;
                return;
            }
            _ => {}
        }
        self.waiting.push_back(event);
        while self.audio_bytes > self.max_audio_bytes || self.waiting.len() > MAX_WAITING {
            if !self.lose_oldest() {
                break;
            }
        }
    }

    /// Takes the oldest audio out and notes its length in the next audio.
    fn lose_oldest(&mut self) -> bool {
        let is_audio = |event: &MediaEvent| matches!(event, MediaEvent::Audio(_));
        let Some(index) = self.waiting.iter().position(is_audio) else {
            return false;
        };
        let Some(MediaEvent::Audio(AudioFrame { payload, lost, .. })) = self.waiting.remove(index)
        else {
            return false;
        };
        self.audio_bytes -= payload.len();
        self.lost_frames += 1;
        let length = lost + self.format.duration_of(payload.len());
        match self
            .waiting
            .iter_mut()
            .skip(index)
            .find(|event| is_audio(event))
        {
            Some(MediaEvent::Audio(next)) => next.lost += length,
            _ => self.lost += length,
        }
        true
    }

    /// Whether the app is slow: events wait here.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits for room in the channel and moves one event there. Cancel-safe.
    pub(crate) async fn progress(&mut self) {
        let Some(out) = &self.out else {
            return std::future::pending().await;
        };
        let Ok(room) = out.reserve().await else {
            return self.close();
        };
        if let Some(event) = self.waiting.pop_front() {
            if let MediaEvent::Audio(frame) = &event {
                self.audio_bytes -= frame.payload.len();
            }
            room.send(event);
        }
    }

    /// Waits until the app's listening half is gone. The app sees no end of the events before this is dropped.
    pub(crate) fn app_is_gone(&self) -> impl Future<Output = ()> + use<> {
        let out = self.out.clone();
        async move {
            match out {
                Some(out) => out.closed().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Nobody listens any more.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.out = None;
        self.waiting.clear();
        self.audio_bytes = 0;
    }

    /// No more events: what is left.
    pub(crate) fn finish(&mut self) -> VecDeque<MediaEvent> {
        self.out = None;
        std::mem::take(&mut self.waiting)
    }
}
