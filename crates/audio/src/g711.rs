//! G.711: the telephone network's eight bits per sample, in µ-law and A-law.
//!
//! ```
//! use telephony_audio::g711;
//!
//! let mut codes = Vec::new();
//! g711::encode_mulaw(&[0, 1000, -1000, 32767], &mut codes);
//! assert_eq!(codes, [0xFF, 0xCE, 0x4E, 0x80]);
//!
//! let mut samples = Vec::new();
//! g711::decode_mulaw(&codes, &mut samples);
//! assert_eq!(samples, [0, 988, -988, 32124]);
//! ```
//!
//! ITU-T Recommendation G.711 (11/1988) defines µ-law over 14-bit and A-law over 13-bit values. They stand here at the
//! top of 16 bits. How 16 bits fall onto the coarser grid is not the Recommendation's subject; this follows the
//! code that most software was made from (Sun's `g711.c`, CPython's `audioop`), where the surplus bits of a sample are
//! shifted away towards negative infinity. What was decoded encodes to the same code again, save µ-law's negative zero
//! 0x7F, which comes back as 0xFF.

/// Appends the sample of every µ-law code in `input`.
pub fn decode_mulaw(input: &[u8], out: &mut Vec<i16>) {
    out.extend(input.iter().map(|&code| decode_mulaw_sample(code)));
}

/// Appends the µ-law code of every sample in `input`.
pub fn encode_mulaw(input: &[i16], out: &mut Vec<u8>) {
    out.extend(input.iter().map(|&sample| encode_mulaw_sample(sample)));
}

/// Appends the sample of every A-law code in `input`.
pub fn decode_alaw(input: &[u8], out: &mut Vec<i16>) {
    out.extend(input.iter().map(|&code| decode_alaw_sample(code)));
}

/// Appends the A-law code of every sample in `input`.
pub fn encode_alaw(input: &[i16], out: &mut Vec<u8>) {
    out.extend(input.iter().map(|&sample| encode_alaw_sample(sample)));
}

/// The sample of one µ-law code, between -32124 and 32124.
#[must_use]
pub const fn decode_mulaw_sample(code: u8) -> i16 {
    MULAW_SAMPLES[code as usize]
}

/// The sample of one A-law code, between -32256 and 32256 and never zero.
#[must_use]
pub const fn decode_alaw_sample(code: u8) -> i16 {
    ALAW_SAMPLES[code as usize]
}

/// The µ-law code of one sample; what is louder than the last decision value is clipped.
#[must_use]
pub const fn encode_mulaw_sample(sample: i16) -> u8 {
    let uniform = sample >> 2;
    let inverted = if uniform < 0 { 0x7F } else { 0xFF };
    let magnitude = uniform.unsigned_abs();
    let clipped = if magnitude > MULAW_LOUDEST {
        MULAW_LOUDEST
    } else {
        magnitude
    };
    // With the bias, every segment starts at a power of two: 32, 64, … 4096.
    let biased = clipped + MULAW_BIAS;
    let segment = 10 - biased.leading_zeros();
    let interval = (biased >> (segment + 1)) & 0x0F;
    ((segment as u8) << 4 | interval as u8) ^ inverted
}

/// The A-law code of one sample.
#[must_use]
pub const fn encode_alaw_sample(sample: i16) -> u8 {
    let uniform = sample >> 3;
    // A-law has no zero, so -1 mirrors 0: the complement, not the negative.
    let (magnitude, inverted) = if uniform < 0 {
        (!uniform as u16, 0x55)
    } else {
        (uniform as u16, 0xD5)
    };
    // The first two segments have the same step, so they share one shift.
    let (segment, shift) = if magnitude < 32 {
        (0, 1)
    } else {
        let segment = 11 - magnitude.leading_zeros();
        (segment, segment)
    };
    let interval = (magnitude >> shift) & 0x0F;
    ((segment as u8) << 4 | interval as u8) ^ inverted
}

/// Distance of µ-law's segments from powers of two, in 14-bit steps.
const MULAW_BIAS: u16 = 33;

/// The largest 14-bit magnitude below the last decision value, 8159 (Table 2a).
const MULAW_LOUDEST: u16 = 8158;

static MULAW_SAMPLES: [i16; 256] = {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = expand_mulaw(code as u8);
        code += 1;
    }
    samples
};

static ALAW_SAMPLES: [i16; 256] = {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = expand_alaw(code as u8);
        code += 1;
    }
    samples
};

/// The middle of a code's interval, 14 bits at the top of 16.
const fn expand_mulaw(code: u8) -> i16 {
    // All bits are sent inverted; a set sign bit then means negative.
    let bits = !code;
    let segment = (bits >> 4) & 0x07;
    let interval = (bits & 0x0F) as i16;
    let magnitude = ((2 * interval + MULAW_BIAS as i16) << segment) - MULAW_BIAS as i16;
    if bits & 0x80 == 0 {
        magnitude << 2
    } else {
        -(magnitude << 2)
    }
}

/// The middle of a code's interval, 13 bits at the top of 16.
const fn expand_alaw(code: u8) -> i16 {
    // Even bits are sent inverted; a set sign bit means positive.
    let bits = code ^ 0x55;
    let segment = (bits >> 4) & 0x07;
    let interval = (bits & 0x0F) as i16;
    let magnitude = if segment == 0 {
        2 * interval + 1
    } else {
        (2 * interval + 33) << (segment - 1)
    };
    if bits & 0x80 == 0 {
        -(magnitude << 3)
    } else {
        magnitude << 3
    }
}
