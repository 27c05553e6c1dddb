//! PCM16: signed 16-bit linear samples as bytes, also where the chunks of a stream split a sample.
//!
//! ```
//! use bytes::Bytes;
//! use telephony_audio::{Pcm16Carry, pcm16};
//!
//! // A voice engine's HTTP stream breaks wherever it likes: here in the middle of the second sample.
//! let mut carry = Pcm16Carry::new();
//! let mut samples = Vec::new();
//! for chunk in [Bytes::from_static(&[0x01, 0x00, 0x02]), Bytes::from_static(&[0x00])] {
//!     pcm16::decode_pcm16le(&carry.feed(chunk), &mut samples);
//! }
//! assert_eq!(samples, [1, 2]);
//! ```

use bytes::{BufMut, Bytes, BytesMut};

/// Makes whole samples of chunks of any size: keeps the odd byte of a chunk for the next one.
///
/// Losing that byte would shift every later sample by half, which turns speech into noise. One carry belongs to one
/// stream; for either byte order.
#[derive(Debug, Clone, Default)]
pub struct Pcm16Carry {
    odd: Option<u8>,
}

impl Pcm16Carry {
    /// A carry at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { odd: None }
    }

    /// The whole samples that `chunk` completes, an even number of bytes and possibly none.
    ///
    /// Nothing is copied unless a byte was kept from before.
    #[must_use = "the samples are not kept"]
    pub fn feed(&mut self, mut chunk: Bytes) -> Bytes {
        let Some(&last) = chunk.last() else {
            return chunk;
        };
        let kept = self.odd.take();
        if (chunk.len() + usize::from(kept.is_some())) % 2 == 1 {
            self.odd = Some(last);
            chunk.truncate(chunk.len() - 1);
        }
        match kept {
            None => chunk,
            Some(first) => {
                let mut joined = BytesMut::with_capacity(chunk.len() + 1);
                joined.put_u8(first);
                joined.extend_from_slice(&chunk);
                joined.freeze()
            }
        }
    }

    /// Ends the stream: the byte of a sample that was never completed. The carry is then as new.
    pub fn flush(&mut self) -> Option<u8> {
        self.odd.take()
    }

    /// Forgets the kept byte, for a stream that starts anew.
    pub fn reset(&mut self) {
        self.odd = None;
    }
}

/// Appends the samples of little-endian `input`; a trailing odd byte is left out (see [`Pcm16Carry`]).
pub fn decode_pcm16le(input: &[u8], out: &mut Vec<i16>) {
    out.extend(samples_le(input));
}

/// Appends `input` as little-endian bytes, two per sample.
pub fn encode_pcm16le(input: &[i16], out: &mut Vec<u8>) {
    append(input.iter().copied(), i16::to_le_bytes, out);
}

/// Appends the samples of big-endian `input`; a trailing odd byte is left out (see [`Pcm16Carry`]).
pub fn decode_pcm16be(input: &[u8], out: &mut Vec<i16>) {
    out.extend(samples_be(input));
}

/// Appends `input` as big-endian bytes, two per sample.
pub fn encode_pcm16be(input: &[i16], out: &mut Vec<u8>) {
    append(input.iter().copied(), i16::to_be_bytes, out);
}

pub(crate) fn samples_le(input: &[u8]) -> impl ExactSizeIterator<Item = i16> {
    input
        .as_chunks()
        .0
        .iter()
        .map(|&pair| i16::from_le_bytes(pair))
}

pub(crate) fn samples_be(input: &[u8]) -> impl ExactSizeIterator<Item = i16> {
    input
        .as_chunks()
        .0
        .iter()
        .map(|&pair| i16::from_be_bytes(pair))
}

pub(crate) fn append(
    samples: impl ExactSizeIterator<Item = i16>,
    to_bytes: impl Fn(i16) -> [u8; 2],
    out: &mut Vec<u8>,
) {
    // Places first, samples then: appending one by one asks every time whether there is room.
    let start = out.len();
    out.resize(start + samples.len() * 2, 0);
    let places = out[start..].as_chunks_mut().0;
    for (place, sample) in places.iter_mut().zip(samples) {
        *place = to_bytes(sample);
    }
}
