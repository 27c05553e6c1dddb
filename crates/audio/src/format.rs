//! What the bytes mean: encoding, sample rate, and the arithmetic between bytes and time.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// An encoding at a sample rate, always mono: all that is needed to turn bytes into time and back.
///
/// ```
/// use std::time::Duration;
///
/// use telephony_audio::AudioFormat;
///
/// let format = AudioFormat::PCM16_16000;
/// assert_eq!(format.bytes_in(Duration::from_millis(20)), 640);
/// assert_eq!(format.duration_of(640), Duration::from_millis(20));
/// assert_eq!(format.to_string(), "audio/x-pcm16le;rate=16000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// How one sample is written.
    pub encoding: Encoding,
    /// How many samples make a second.
    pub rate: SampleRate,
}

impl AudioFormat {
    /// G.711 µ-law at 8000 Hz: the telephone network of North America and Japan.
    pub const MULAW_8000: Self = Self::new(Encoding::Mulaw, SampleRate::HZ_8000);
    /// G.711 A-law at 8000 Hz: the telephone network of most other places.
    pub const ALAW_8000: Self = Self::new(Encoding::Alaw, SampleRate::HZ_8000);
    /// 16-bit linear little-endian samples at 8000 Hz.
    pub const PCM16_8000: Self = Self::new(Encoding::Pcm16Le, SampleRate::HZ_8000);
    /// 16-bit linear little-endian samples at 16000 Hz.
    pub const PCM16_16000: Self = Self::new(Encoding::Pcm16Le, SampleRate::HZ_16000);
    /// 16-bit linear little-endian samples at 24000 Hz.
    pub const PCM16_24000: Self = Self::new(Encoding::Pcm16Le, SampleRate::HZ_24000);

    /// A mono format.
    #[must_use]
    pub const fn new(encoding: Encoding, rate: SampleRate) -> Self {
        Self { encoding, rate }
    }

    /// Bytes that make one second of audio.
    #[must_use]
    pub fn bytes_per_second(self) -> u64 {
        u64::from(self.rate.hz()) * self.encoding.bytes_per_sample() as u64
    }

    /// Bytes that make `duration` of audio, rounded down to whole samples.
    ///
    /// A duration of more bytes than the machine can address gives the largest whole number of samples that it can.
    #[must_use]
    pub fn bytes_in(self, duration: Duration) -> usize {
        let bytes_per_sample = self.encoding.bytes_per_sample();
        // At most 2^94 ns times 2^32 Hz: no overflow.
        let samples = duration.as_nanos() * u128::from(self.rate.hz()) / NANOS_PER_SECOND;
        let addressable = usize::MAX / bytes_per_sample;
        usize::try_from(samples)
            .unwrap_or(addressable)
            .min(addressable)
            * bytes_per_sample
    }

    /// How long `bytes` of audio play; a trailing part of a sample counts for nothing.
    ///
    /// Computed from the number of samples and rounded up to the nanosecond, so that
    /// [`bytes_in`](Self::bytes_in) of the result is `bytes` again (for whole samples, at rates up to 1 GHz). A clock
    /// that adds up many durations drifts by up to a nanosecond each where a sample is not a whole number of them
    /// (24000 and 48000 Hz): count bytes, and convert the count.
    #[must_use]
    pub fn duration_of(self, bytes: usize) -> Duration {
        let samples = (bytes / self.encoding.bytes_per_sample()) as u64;
        let hz = u64::from(self.rate.hz());
        // Less than 2^32 samples times 10^9 stays below 2^62; at more than 1 GHz the fraction may round up to a whole
        // second, which `Duration::new` carries.
        let fraction = (samples % hz * 1_000_000_000).div_ceil(hz);
        Duration::new(samples / hz, fraction as u32)
    }

    /// Silence of the length that [`bytes_in`](Self::bytes_in) gives.
    ///
    /// # Panics
    ///
    /// If the machine cannot allocate so much: bound a duration that came from the wire before asking for its silence.
    #[must_use]
    pub fn silence(self, duration: Duration) -> Vec<u8> {
        vec![self.encoding.silence(); self.bytes_in(duration)]
    }
}

/// For people and logs, such as `audio/x-mulaw;rate=8000`: what a carrier calls its formats is the carrier's.
impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audio/x-{};rate={}", self.encoding, self.rate.hz())
    }
}

/// How one sample is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// G.711 µ-law, a byte per sample (PCMU).
    Mulaw,
    /// G.711 A-law, a byte per sample (PCMA).
    Alaw,
    /// Signed 16-bit linear, low byte first. A carrier that calls its format `audio/l16` may still mean this order and
    /// not the media type's: its adapter knows.
    Pcm16Le,
    /// Signed 16-bit linear, high byte first: network byte order, as RTP's L16 (RFC 3551, 4.5.11) has it.
    Pcm16Be,
}

impl Encoding {
    /// Bytes that one sample takes: 1 for G.711, 2 for PCM16.
    #[must_use]
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Mulaw | Self::Alaw => 1,
            Self::Pcm16Le | Self::Pcm16Be => 2,
        }
    }

    /// The byte that silence is made of: 0xFF for µ-law, 0xD5 for A-law, 0 for PCM16.
    ///
    /// A-law has no zero: 0xD5 is its smallest positive value, a constant 8 of 32768, which nobody hears.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mulaw => 0xFF,
            Self::Alaw => 0xD5,
            Self::Pcm16Le | Self::Pcm16Be => 0,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mulaw => "mulaw",
            Self::Alaw => "alaw",
            Self::Pcm16Le => "pcm16le",
            Self::Pcm16Be => "pcm16be",
        })
    }
}

/// Samples per second of one channel, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// 8000 Hz, narrowband: the telephone network, and all that G.711 is used at.
    pub const HZ_8000: Self = Self::literal(8_000);
    /// 16000 Hz, wideband: most speech recognisers.
    pub const HZ_16000: Self = Self::literal(16_000);
    /// 24000 Hz: most speech synthesisers.
    pub const HZ_24000: Self = Self::literal(24_000);
    /// 48000 Hz, fullband: WebRTC and Opus.
    pub const HZ_48000: Self = Self::literal(48_000);

    /// A rate in Hz; `None` for zero.
    #[must_use]
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// The rate in Hz.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    const fn literal(hz: u32) -> Self {
        match NonZeroU32::new(hz) {
            Some(hz) => Self(hz),
            None => Self(NonZeroU32::MIN),
        }
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.hz())
    }
}
