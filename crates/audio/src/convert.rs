//! From one encoding to another at the same rate.

use crate::format::Encoding;
use crate::{g711, pcm16};

/// Appends `input`, encoded as `from`, to `out` as `to`.
///
/// Only whole samples are converted: where `from` is a 16-bit encoding, a trailing odd byte is left out, also when both
/// encodings are the same. A stream whose chunks may split a sample goes through a [`Pcm16Carry`](crate::Pcm16Carry)
/// first. Between the two laws of G.711 the way leads over the 16-bit value, not over the Recommendation's table of
/// codes.
///
/// ```
/// use telephony_audio::{Encoding, convert};
///
/// let mut linear = Vec::new();
/// convert(Encoding::Mulaw, Encoding::Pcm16Le, &[0xFF, 0x80], &mut linear);
/// assert_eq!(linear, [0x00, 0x00, 0x7C, 0x7D]);
/// ```
pub fn convert(from: Encoding, to: Encoding, input: &[u8], out: &mut Vec<u8>) {
    if from == to {
        let whole = input.len() - input.len() % from.bytes_per_sample();
        out.extend_from_slice(&input[..whole]);
        return;
    }
    match from {
        Encoding::Mulaw => write(
            to,
            input.iter().map(|&code| g711::decode_mulaw_sample(code)),
            out,
        ),
        Encoding::Alaw => write(
            to,
            input.iter().map(|&code| g711::decode_alaw_sample(code)),
            out,
        ),
        Encoding::Pcm16Le => write(to, pcm16::samples_le(input), out),
        Encoding::Pcm16Be => write(to, pcm16::samples_be(input), out),
    }
}

/// Appends the samples of `input`, encoded as `from`; a trailing part of a sample is left out.
pub fn decode(from: Encoding, input: &[u8], out: &mut Vec<i16>) {
    match from {
        Encoding::Mulaw => g711::decode_mulaw(input, out),
        Encoding::Alaw => g711::decode_alaw(input, out),
        Encoding::Pcm16Le => pcm16::decode_pcm16le(input, out),
        Encoding::Pcm16Be => pcm16::decode_pcm16be(input, out),
    }
}

/// Appends `samples`, encoded as `to`.
pub fn encode(to: Encoding, samples: &[i16], out: &mut Vec<u8>) {
    write(to, samples.iter().copied(), out);
}

fn write(to: Encoding, samples: impl ExactSizeIterator<Item = i16>, out: &mut Vec<u8>) {
    match to {
        Encoding::Mulaw => out.extend(samples.map(g711::encode_mulaw_sample)),
        Encoding::Alaw => out.extend(samples.map(g711::encode_alaw_sample)),
        Encoding::Pcm16Le => pcm16::append(samples, i16::to_le_bytes, out),
        Encoding::Pcm16Be => pcm16::append(samples, i16::to_be_bytes, out),
    }
}
