//! From one format to another, as a stream of bytes.

use std::fmt;
use std::time::Duration;

use crate::convert::{convert, decode, encode};
use crate::format::AudioFormat;
use crate::resample::{Resampler, UnsupportedRates};

/// How much is resampled at a time, so that a large chunk does not leave large buffers behind.
const PIECE: Duration = Duration::from_millis(20);

/// Turns a stream of bytes in one format into the same sound in another: encoding, sample rate or both.
///
/// Chunks may be of any size and may split a sample; how a stream is cut makes no difference to what comes out. Equal
/// formats are passed through untouched, byte for byte. Where the rates differ, a [`Resampler`] is between, with its
/// [delay](Resampler::delay) and its groups; nothing is allocated per chunk but in `out`.
///
/// ```
/// use telephony_audio::{AudioFormat, Converter};
///
/// # fn main() -> Result<(), telephony_audio::UnsupportedRates> {
/// let mut converter = Converter::new(AudioFormat::MULAW_8000, AudioFormat::PCM16_16000)?;
/// let mut heard = Vec::new();
/// converter.process(&[0xFF; 160], &mut heard);
/// assert_eq!(heard, [0; 640]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Converter {
    from: AudioFormat,
    to: AudioFormat,
    resampler: Resampler,
    /// The first byte of a sample whose second is yet to come.
    odd: Option<u8>,
    samples: Vec<i16>,
    resampled: Vec<i16>,
}

impl Converter {
    /// A converter at the start of a stream.
    ///
    /// # Errors
    ///
    /// If the rates differ and are not both one of 8, 16, 24 and 48 kHz.
    pub fn new(from: AudioFormat, to: AudioFormat) -> Result<Self, UnsupportedRates> {
        Ok(Self {
            from,
            to,
            resampler: Resampler::new(from.rate, to.rate)?,
            odd: None,
            samples: Vec::new(),
            resampled: Vec::new(),
        })
    }

    /// Appends what `input`, of any length, makes in the other format.
    pub fn process(&mut self, input: &[u8], out: &mut Vec<u8>) {
        if self.from == self.to {
            out.extend_from_slice(input);
            return;
        }
        if self.from.encoding.bytes_per_sample() == 1 {
            self.whole(input, out);
            return;
        }
        let mut rest = input;
        if let Some(first) = self.odd {
            let Some((&second, after)) = rest.split_first() else {
                return;
            };
            self.odd = None;
            self.whole(&[first, second], out);
            rest = after;
        }
        let (samples, odd) = rest.as_chunks::<2>();
        self.odd = odd.first().copied();
        self.whole(samples.as_flattened(), out);
    }

    /// Ends the stream: appends the [tail](Resampler::flush) of the resampler, if there is one. The converter is then
    /// as new.
    ///
    /// The first byte of a sample that was never completed is left out, as it says nothing (or, in equal formats, has
    /// already been passed through).
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.odd = None;
        self.resampled.clear();
        self.resampler.flush(&mut self.resampled);
        encode(self.to.encoding, &self.resampled, out);
    }

    /// Forgets the stream, as if new.
    pub fn reset(&mut self) {
        self.odd = None;
        self.resampler.reset();
    }

    /// How much later a sound comes out than it went in: that of the [resampler](Resampler::delay), nothing at equal
    /// rates.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.resampler.delay()
    }

    /// The format of what goes in.
    #[must_use]
    pub fn from(&self) -> AudioFormat {
        self.from
    }

    /// The format of what comes out.
    #[must_use]
    pub fn to(&self) -> AudioFormat {
        self.to
    }

    /// Converts whole samples.
    fn whole(&mut self, input: &[u8], out: &mut Vec<u8>) {
        if self.from.rate == self.to.rate {
            convert(self.from.encoding, self.to.encoding, input, out);
            return;
        }
        // Only the rates that can be resampled come here: 20 ms of them are many samples, never none.
        for piece in input.chunks(self.from.bytes_in(PIECE)) {
            self.samples.clear();
            self.resampled.clear();
            decode(self.from.encoding, piece, &mut self.samples);
            self.resampler.process(&self.samples, &mut self.resampled);
            encode(self.to.encoding, &self.resampled, out);
        }
    }
}

/// Shows formats, not the caller's voice.
impl fmt::Debug for Converter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converter")
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}
