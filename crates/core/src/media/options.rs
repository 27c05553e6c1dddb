//! How a stream is run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_audio::{AudioFormat, Encoding, EnergyDetector, VoiceDetector};

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
    /// How much silence fills a gap in what the caller says; a longer gap is a jump in the timestamps. Default 3 s,
    /// at most a minute.
    pub max_gap: Duration,
    /// How it is told whether the caller speaks; [`None`]: not at all. Default: by its energy.
    pub voice: Option<VoiceOptions>,
    /// After how long the stream ends if neither the caller says or presses anything nor we have something to play. Needs
    /// [`voice`](Self::voice). Default 3 min.
    pub silence_timeout: Duration,
}

/// How it is told whether the caller speaks, and what follows from it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VoiceOptions {
    /// Makes the detector of each stream.
    pub detector: VoiceDetectors,
    /// How long there must be voice until it is speech, against clicks on the line. Default 200 ms.
    pub min_speech: Duration,
    /// After how long without voice speech has ended. Default 500 ms.
    pub min_silence: Duration,
    /// Whether speech of the caller clears what is played. Default: no, the app decides.
    pub barge_in: bool,
}

/// Makes a [`VoiceDetector`] for each stream.
#[derive(Clone)]
pub struct VoiceDetectors(Arc<dyn Fn() -> Box<dyn VoiceDetector> + Send + Sync>);

impl VoiceDetectors {
    /// Detectors that this makes.
    #[must_use]
    pub fn new(make: impl Fn() -> Box<dyn VoiceDetector> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn make(&self) -> Box<dyn VoiceDetector> {
        (self.0)()
    }
}

impl fmt::Debug for VoiceDetectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VoiceDetectors")
    }
}

impl Default for VoiceOptions {
    fn default() -> Self {
        Self {
            detector: VoiceDetectors::new(|| Box::new(EnergyDetector::default())),
            min_speech: Duration::from_millis(200),
            min_silence: Duration::from_millis(500),
            barge_in: false,
        }
    }
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
            max_gap: Duration::from_secs(3),
            voice: Some(VoiceOptions::default()),
            silence_timeout: Duration::from_secs(180),
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

    /// When the caller speaks, what is played is cleared: the caller speaks, the bot is silent.
    #[must_use]
    pub fn with_barge_in(mut self) -> Self {
        self.voice.get_or_insert_default().barge_in = true;
        self
    }

    /// Tell voice by a detector of one's own.
    #[must_use]
    pub fn with_voice_detector(
        mut self,
        make: impl Fn() -> Box<dyn VoiceDetector> + Send + Sync + 'static,
    ) -> Self {
        self.voice.get_or_insert_default().detector = VoiceDetectors::new(make);
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
            &mut self.max_gap,
            &mut self.silence_timeout,
        ] {
            *time = (*time).min(FOREVER);
        }
        self
    }
}
