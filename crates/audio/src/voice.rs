//! Who speaks: whether there is voice in what came, and when speech begins and ends.
//!
//! A [`VoiceDetector`] looks at 20 ms at a time: the [`EnergyDetector`] here, or your own. A [`SpeechGate`] makes speech of
//! it, so that a click on the line is none and a breath between two words does not end it.
//!
//! ```
//! use std::time::Duration;
//! use telephony_audio::voice::{EnergyDetector, SpeechEdge, SpeechGate};
//! use telephony_audio::{SampleRate, tone};
//!
//! let rate = SampleRate::HZ_8000;
//! let ms = Duration::from_millis;
//! let mut gate = SpeechGate::new(Box::new(EnergyDetector::default()), rate, ms(200), ms(500));
//! let mut edges = Vec::new();
//!
//! gate.process(&tone::tone(rate, 400.0, ms(100), 0.5), |edge, _| edges.push(edge)); // a knock
//! gate.process(&[0; 4_000], |edge, _| edges.push(edge));
//! assert!(edges.is_empty());
//! gate.process(&tone::tone(rate, 400.0, ms(300), 0.5), |edge, _| edges.push(edge)); // a word
//! gate.process(&[0; 4_000], |edge, _| edges.push(edge));
//! assert_eq!(edges, [SpeechEdge::Started, SpeechEdge::Ended]);
//! ```

use std::fmt;
use std::time::Duration;

use crate::format::{AudioFormat, Encoding, SampleRate};

/// What a detector looks at in one go.
const WINDOW: Duration = Duration::from_millis(20);

/// Tells voice from everything else.
pub trait VoiceDetector: fmt::Debug + Send {
    /// Whether there is voice in `samples`, the next 20 ms of one stream at `rate`.
    fn is_voice(&mut self, samples: &[i16], rate: SampleRate) -> bool;
}

/// Takes for voice what is loud: over a level, and over the noise of this line.
///
/// The noise is followed as the lowest level of late: down at once, up by 3 dB a second, so a hum that stays is taken for
/// voice some seconds at most, unless it is louder than [`MAX_NOISE_DBFS`](Self::MAX_NOISE_DBFS). It knows nothing of
/// pitch: music is voice too.
#[derive(Debug, Clone)]
pub struct EnergyDetector {
    threshold_dbfs: f32,
    noise_dbfs: f32,
}

impl EnergyDetector {
    /// What is not louder is never voice, by default: the RMS level, of which a sine that fills the scale has -3 dBFS.
    /// People on the phone have some -30 to -15, a quiet line below -60.
    pub const DEFAULT_THRESHOLD_DBFS: f32 = -42.0;
    /// How much louder than the noise voice is, in dB.
    pub const MARGIN_DB: f32 = 9.0;
    /// The loudest that is taken for noise.
    pub const MAX_NOISE_DBFS: f32 = -36.0;
    const FIRST_NOISE_DBFS: f32 = -60.0;
    const RISE_DB_PER_WINDOW: f32 = 0.06;

    /// A detector with another level.
    #[must_use]
    pub fn new(threshold_dbfs: f32) -> Self {
        Self {
            threshold_dbfs,
            noise_dbfs: Self::FIRST_NOISE_DBFS,
        }
    }
}

impl Default for EnergyDetector {
    fn default() -> Self {
        Self::new(Self::DEFAULT_THRESHOLD_DBFS)
    }
}

impl VoiceDetector for EnergyDetector {
    fn is_voice(&mut self, samples: &[i16], _rate: SampleRate) -> bool {
        let level = level_dbfs(samples);
        let is_voice = level > self.threshold_dbfs.max(self.noise_dbfs + Self::MARGIN_DB);
        let risen = (self.noise_dbfs + Self::RISE_DB_PER_WINDOW).min(Self::MAX_NOISE_DBFS);
        // Digital silence is no line that noise could be heard on.
        self.noise_dbfs = level.max(Self::FIRST_NOISE_DBFS).min(risen);
        is_voice
    }
}

/// RMS in dBFS; negative infinity for silence.
fn level_dbfs(samples: &[i16]) -> f32 {
    let count = samples.len().max(1) as i64;
    let (mut sum, mut squares) = (0, 0);
    for piece in samples.chunks(EXACT) {
        let (piece_sum, piece_squares) = sums(piece);
        sum += piece_sum;
        squares += piece_squares;
    }
    // A constant offset, as some lines and A-law have it, is no sound.
    let variance = (squares - sum * sum / count) as f32 / count as f32;
    10.0 * (variance / (32_768.0 * 32_768.0)).log10()
}

/// So many samples can be summed in 32 bits, the halves of their squares too.
const EXACT: usize = 1 << 15;

/// The sum and the sum of squares of at most [`EXACT`] samples. Squares are summed in halves, for vectors of 32 bits are
/// what every CPU has.
fn sums(samples: &[i16]) -> (i64, i64) {
    let (mut sum, mut low, mut high) = (0_i32, 0_u32, 0_u32);
    for &sample in samples {
        let sample = i32::from(sample);
        let square = (sample * sample).cast_unsigned();
        sum += sample;
        low += square & 0xFFFF;
        high += square >> 16;
    }
    (i64::from(sum), (i64::from(high) << 16) + i64::from(low))
}

/// What happened to speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechEdge {
    /// It has lasted for long enough to be speech.
    Started,
    /// There was no voice for long enough.
    Ended,
}

/// Makes speech of voice: it starts when there was voice for a while, and ends when there was none for a while.
///
/// Windows without voice count down what windows with voice count up, so noise that comes and goes does not add up.
#[derive(Debug)]
pub struct SpeechGate {
    detector: Box<dyn VoiceDetector>,
    rate: SampleRate,
    min_speech: Duration,
    min_silence: Duration,
    /// Samples of a window that is not whole yet.
    waiting: Vec<i16>,
    voiced: Duration,
    unvoiced: Duration,
    is_speech: bool,
}

impl SpeechGate {
    /// A gate at the start of a stream.
    #[must_use]
    pub fn new(
        detector: Box<dyn VoiceDetector>,
        rate: SampleRate,
        min_speech: Duration,
        min_silence: Duration,
    ) -> Self {
        Self {
            detector,
            rate,
            min_speech,
            min_silence,
            waiting: Vec::new(),
            voiced: Duration::ZERO,
            unvoiced: Duration::ZERO,
            is_speech: false,
        }
    }

    /// Whether somebody is speaking.
    #[must_use]
    pub fn is_speech(&self) -> bool {
        self.is_speech
    }

    /// Looks at the next samples, cut in any way, and tells `on_edge` what happened and how long before their end speech
    /// began or ended.
    pub fn process(&mut self, mut samples: &[i16], mut on_edge: impl FnMut(SpeechEdge, Duration)) {
        let format = AudioFormat::new(Encoding::Mulaw, self.rate);
        let window = format.bytes_in(WINDOW).max(1);
        while !samples.is_empty() {
            let edge;
            if self.waiting.is_empty() && samples.len() >= window {
                let (whole, rest) = samples.split_at(window);
                samples = rest;
                edge = self.window(whole);
            } else {
                let missing = window - self.waiting.len();
                let (part, rest) = samples.split_at(missing.min(samples.len()));
                samples = rest;
                self.waiting.extend_from_slice(part);
                edge = self.waiting_window(window);
            }
            if let Some(edge) = edge {
                let length = match edge {
                    SpeechEdge::Started => self.voiced,
                    SpeechEdge::Ended => self.unvoiced,
                };
                on_edge(edge, length + format.duration_of(samples.len()));
            }
        }
    }

    fn waiting_window(&mut self, window: usize) -> Option<SpeechEdge> {
        if self.waiting.len() < window {
            return None;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let edge = self.window(&waiting);
        waiting.clear();
        self.waiting = waiting;
        edge
    }

    fn window(&mut self, samples: &[i16]) -> Option<SpeechEdge> {
        let is_voice = self.detector.is_voice(samples, self.rate);
        if is_voice {
            self.unvoiced = Duration::ZERO;
            self.voiced = (self.voiced + WINDOW).min(self.min_speech.max(WINDOW));
        } else {
            self.unvoiced = (self.unvoiced + WINDOW).min(self.min_silence.max(WINDOW));
            self.voiced = self.voiced.saturating_sub(WINDOW);
        }
        if !self.is_speech && is_voice && self.voiced >= self.min_speech {
            self.is_speech = true;
            Some(SpeechEdge::Started)
        } else if self.is_speech && !is_voice && self.unvoiced >= self.min_silence {
            self.is_speech = false;
            self.voiced = Duration::ZERO;
            Some(SpeechEdge::Ended)
        } else {
            None
        }
    }
}
