//! Between the app's format and the carrier's, in one direction of one stream. Pure.

use bytes::{Bytes, BytesMut};
use telephony_audio::{AudioFormat, Converter, UnsupportedRates};

/// How much converted audio shares one allocation: some frames, and little enough to be kept alive by the last of them.
const BLOCK: usize = 2 << 10;

/// Turns chunks into the other format; equal formats are passed on as they are, uncopied.
#[derive(Debug)]
pub(crate) struct Conversion {
    /// None: the formats are equal.
    converter: Option<Converter>,
    /// What one chunk becomes, before it goes to the block.
    scratch: Vec<u8>,
    /// What the next chunks go to, so that not each one is an allocation.
    block: BytesMut,
}

impl Conversion {
    pub(crate) fn new(from: AudioFormat, to: AudioFormat) -> Result<Self, UnsupportedRates> {
        let converter = (from != to).then(|| Converter::new(from, to)).transpose()?;
        Ok(Self {
            converter,
            scratch: Vec::new(),
            block: BytesMut::new(),
        })
    }

    /// The next chunk, of any size. What comes out may be empty if it is less than a sample.
    pub(crate) fn convert(&mut self, audio: Bytes) -> Bytes {
        let Some(converter) = &mut self.converter else {
            return audio;
        };
        let (from, to) = (converter.from(), converter.to());
        let length = to.bytes_in(from.duration_of(audio.len()));
        if length > BLOCK / 2 {
            // Samples that were waiting may make it a little longer.
            let mut converted = Vec::with_capacity(length + 64);
            converter.process(&audio, &mut converted);
            return converted.into();
        }
        converter.process(&audio, &mut self.scratch);
        self.take_scratch()
    }

    /// The end of an utterance: what the filter still holds. The next chunk begins anew.
    pub(crate) fn flush(&mut self) -> Bytes {
        if let Some(converter) = &mut self.converter {
            converter.flush(&mut self.scratch);
        }
        self.take_scratch()
    }

    /// Forgets what the filter holds.
    pub(crate) fn reset(&mut self) {
        if let Some(converter) = &mut self.converter {
            converter.reset();
        }
    }

    fn take_scratch(&mut self) -> Bytes {
        let length = self.scratch.len();
        if self.block.capacity() < length {
            self.block.reserve(length.max(BLOCK));
        }
        self.block.extend_from_slice(&self.scratch);
        self.scratch.clear();
        self.block.split().freeze()
    }
}
