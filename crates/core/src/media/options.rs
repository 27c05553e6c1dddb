//! How a stream is run.

use std::time::Duration;
use telephony_audio::{AudioFormat, Encoding};

/// How a stream is run.
///
/// ```
/// use std::time::Duration;
/// use telephony_core::audio::AudioFormat;
/// use telephony_core::media::StreamOptions;
///
/// // A recogniser at 16 kHz, a synthesiser at 24 kHz, whatever the carrier speaks.
/// let mut options = StreamOptions::default()
///     .with_receive_format(AudioFormat::PCM16_16000)
///     .with_send_format(AudioFormat::PCM16_24000);
/// options.max_duration = Duration::from_secs(600);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamOptions {
    /// The format of what the app receives. Default: PCM16, little-endian, at the carrier's rate.
    pub receive_format: AppFormat,
    /// The format of what the app sends. Default: PCM16, little-endian, at the carrier's rate.
    pub send_format: AppFormat,
    /// How much audio is sent ahead of its time, so that jitter makes no gaps. An interruption leaves at most this in the
    /// carrier's buffer. Default 200 ms; two messages where a carrier's messages are longer than half of it.
    pub lead: Duration,
    /// How much outbound audio is queued before `send` waits. Default 10 s.
    pub send_queue: Duration,
    /// How much inbound audio waits for a slow app before the oldest is lost. Default 5 s.
    pub receive_queue: Duration,
    /// How long the carrier has to start the stream. Default 10 s.
    pub start_deadline: Duration,
    /// After how long without any message the stream ends. Default 60 s.
    pub idle_timeout: Duration,
    /// How long a stream may last. Default 4 h.
    pub max_duration: Duration,
    /// How long a write may take. Default 5 s.
    pub write_deadline: Duration,
    /// How long what was sent is still played after the app has ended the stream. Default 10 s.
    pub goodbye: Duration,
    /// After how long a mark that should have come back is given up. Default 3 s.
    pub mark_deadline: Duration,
}

/// The format in which an app wants to receive or send audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AppFormat {
    /// PCM16, little-endian, at the rate that the carrier has: nothing is resampled, and no app needs to know G.711.
    #[default]
    Pcm16,
    /// What the carrier has, byte for byte.
    Carrier,
    /// This one, whatever the carrier has: any encoding, at 8, 16, 24 or 48 kHz.
    Exactly(AudioFormat),
}

impl AppFormat {
    /// What it is on a stream whose carrier has `wire`.
    #[must_use]
    pub const fn on(self, wire: AudioFormat) -> AudioFormat {
        match self {
            Self::Pcm16 => AudioFormat::new(Encoding::Pcm16Le, wire.rate),
            Self::Carrier => wire,
            Self::Exactly(format) => format,
        }
    }
}

impl From<AudioFormat> for AppFormat {
    fn from(format: AudioFormat) -> Self {
        Self::Exactly(format)
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            receive_format: AppFormat::default(),
            send_format: AppFormat::default(),
            lead: Duration::from_millis(200),
            send_queue: Duration::from_secs(10),
            receive_queue: Duration::from_secs(5),
            start_deadline: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_duration: Duration::from_secs(4 * 3600),
            write_deadline: Duration::from_secs(5),
            goodbye: Duration::from_secs(10),
            mark_deadline: Duration::from_secs(3),
        }
    }
}

/// Longer than any stream.
const FOREVER: Duration = Duration::from_secs(366 * 24 * 3600);

impl StreamOptions {
    /// Receive and send in this format: an [`AudioFormat`], or [`AppFormat::Carrier`].
    #[must_use]
    pub fn with_format(self, format: impl Into<AppFormat>) -> Self {
        let format = format.into();
        self.with_receive_format(format).with_send_format(format)
    }

    /// Receive in this format.
    #[must_use]
    pub fn with_receive_format(mut self, format: impl Into<AppFormat>) -> Self {
        self.receive_format = format.into();
        self
    }

    /// Send in this format.
    #[must_use]
    pub fn with_send_format(mut self, format: impl Into<AppFormat>) -> Self {
        self.send_format = format.into();
        self
    }

    /// The same, with [`Duration::MAX`] and the like as a year: times beyond it would only overflow.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for time in [
            &mut self.lead,
            &mut self.send_queue,
            &mut self.receive_queue,
            &mut self.start_deadline,
            &mut self.idle_timeout,
            &mut self.max_duration,
            &mut self.write_deadline,
            &mut self.goodbye,
            &mut self.mark_deadline,
        ] {
            *time = (*time).min(FOREVER);
        }
        self
    }
}
