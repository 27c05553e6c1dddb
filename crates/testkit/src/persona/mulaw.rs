//! µ-law, written for the simulator alone: were it shared with the app, both could be wrong together.

/// Added before a sample is split into segment and step (ITU-T G.711, in 16-bit terms).
const BIAS: i32 = 0x84;
/// The loudest sample that still fits the highest segment.
const CLIP: i32 = 32_635;

/// One sample as µ-law.
pub(crate) fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0x00 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // 0x84..=0x7fff: bit 7 is the lowest that the highest set bit can be.
    let segment = 24 - magnitude.leading_zeros() as i32;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// One µ-law byte as a sample.
pub(crate) fn decode(byte: u8) -> i16 {
    let byte = !byte;
    let segment = i32::from(byte >> 4 & 0x07);
    let step = i32::from(byte & 0x0f);
    let magnitude = (((step << 3) + BIAS) << segment) - BIAS;
    let sample = if byte & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    };
    sample as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_standard() {
        for (byte, sample) in [
            (0xff, 0),
            (0x7f, 0),
            (0x80, 32_124),
            (0x00, -32_124),
            (0xfe, 8),
            (0x7e, -8),
            (0xef, 132),
            (0xf0, 120),
        ] {
            assert_eq!(decode(byte), sample, "{byte:#04x}");
        }
        assert_eq!(encode(0), 0xff);
        assert_eq!(encode(i16::MAX), 0x80);
        assert_eq!(encode(i16::MIN), 0x00);
    }

    #[test]
    fn every_byte_survives_a_round_trip() {
        for byte in 0..=255_u8 {
            // There are two zeros; the encoder knows one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode(decode(byte)), expected, "{byte:#04x}");
        }
    }
}
