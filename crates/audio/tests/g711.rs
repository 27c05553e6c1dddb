//! G.711 against the tables of the Recommendation, over every code and every sample.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use telephony_audio::g711::{
    decode_alaw, decode_alaw_sample, decode_mulaw, decode_mulaw_sample, encode_alaw,
    encode_alaw_sample, encode_mulaw, encode_mulaw_sample,
};

/// One law as G.711 writes it down: decision values of the positive half, on its own coarser scale.
struct Law {
    /// `decisions[n]` is where the interval of code number `n` begins; the last one ends number 127.
    decisions: Vec<i32>,
    /// Twice the decoded value of every code number, which may lie halfway between two values of the scale.
    doubled_outputs: Vec<i32>,
}

impl Law {
    /// Table 2a/G.711: 15 intervals up to 31 after a first one of half the width, then seven segments of 16 intervals.
    fn mulaw() -> Self {
        let mut decisions = vec![0];
        decisions.extend((1..=31).step_by(2));
        for (start, end) in [
            (31, 95),
            (95, 223),
            (223, 479),
            (479, 991),
            (991, 2015),
            (2015, 4063),
            (4063, 8159),
        ] {
            decisions.extend((1..=16).map(|n| start + n * (end - start) / 16));
        }
        let mut doubled_outputs = middles(&decisions);
        doubled_outputs[0] = 0;
        Self {
            decisions,
            doubled_outputs,
        }
    }

    /// Table 1a/G.711: 32 intervals up to 64, then six segments of 16 intervals.
    fn alaw() -> Self {
        let mut decisions: Vec<i32> = (0..=64).step_by(2).collect();
        for (start, end) in [
            (64, 128),
            (128, 256),
            (256, 512),
            (512, 1024),
            (1024, 2048),
            (2048, 4096),
        ] {
            decisions.extend((1..=16).map(|n| start + n * (end - start) / 16));
        }
        let doubled_outputs = middles(&decisions);
        Self {
            decisions,
            doubled_outputs,
        }
    }

    /// The number of the interval that holds `magnitude`, clipped to the last.
    fn number(&self, magnitude: i32) -> u8 {
        let begun = self
            .decisions
            .iter()
            .filter(|&&decision| decision <= magnitude)
            .count();
        u8::try_from(begun.min(128) - 1).unwrap()
    }
}

fn middles(decisions: &[i32]) -> Vec<i32> {
    decisions
        .windows(2)
        .map(|interval| interval[0] + interval[1])
        .collect()
}

fn samples() -> impl Iterator<Item = i16> {
    i16::MIN..=i16::MAX
}

fn codes() -> impl Iterator<Item = u8> {
    u8::MIN..=u8::MAX
}

#[test]
fn the_tables_in_this_file_have_128_intervals() {
    for law in [Law::mulaw(), Law::alaw()] {
        assert_eq!(law.decisions.len(), 129);
        assert_eq!(law.doubled_outputs.len(), 128);
    }
}

#[test]
fn known_points_of_mulaw() {
    assert_eq!(
        [0, 32_767, -1, -32_768].map(encode_mulaw_sample),
        [0xFF, 0x80, 0x7E, 0x00]
    );
    assert_eq!(
        [0x80, 0x00, 0x7F, 0xFF].map(decode_mulaw_sample),
        [32_124, -32_124, 0, 0]
    );
}

#[test]
fn known_points_of_alaw() {
    assert_eq!(
        [0, 32_767, -1, -32_768].map(encode_alaw_sample),
        [0xD5, 0xAA, 0x55, 0x2A]
    );
    assert_eq!(
        [0xD5, 0x55, 0xAA, 0x2A].map(decode_alaw_sample),
        [8, -8, 32_256, -32_256]
    );
}

#[test]
fn every_mulaw_code_decodes_to_the_middle_of_its_interval() {
    let law = Law::mulaw();
    for code in codes() {
        // Sent with all bits inverted, so number 0 is 0xFF or, negative, 0x7F. 14 bits at the top of 16.
        let number = usize::from(0x7F - (code & 0x7F));
        let magnitude = law.doubled_outputs[number] * 2;
        let expected = if code >= 0x80 { magnitude } else { -magnitude };
        assert_eq!(
            i32::from(decode_mulaw_sample(code)),
            expected,
            "code {code:#04x}"
        );
    }
}

#[test]
fn every_alaw_code_decodes_to_the_middle_of_its_interval() {
    let law = Law::alaw();
    for code in codes() {
        // Sent with the even bits inverted. 13 bits at the top of 16.
        let number = usize::from((code & 0x7F) ^ 0x55);
        let magnitude = law.doubled_outputs[number] * 4;
        let expected = if code >= 0x80 { magnitude } else { -magnitude };
        assert_eq!(
            i32::from(decode_alaw_sample(code)),
            expected,
            "code {code:#04x}"
        );
    }
}

#[test]
fn every_sample_gets_the_mulaw_code_of_its_interval() {
    let law = Law::mulaw();
    for sample in samples() {
        let wide = i32::from(sample);
        let expected = if wide >= 0 {
            0xFF - law.number(wide / 4)
        } else {
            // Towards negative infinity, so away from zero.
            0x7F - law.number((-wide + 3) / 4)
        };
        assert_eq!(encode_mulaw_sample(sample), expected, "sample {sample}");
    }
}

#[test]
fn every_sample_gets_the_alaw_code_of_its_interval() {
    let law = Law::alaw();
    for sample in samples() {
        let wide = i32::from(sample);
        let expected = if wide >= 0 {
            0x80 | law.number(wide / 8)
        } else {
            // Without a zero, the negative half begins at -1.
            law.number((-1 - wide) / 8)
        };
        assert_eq!(
            encode_alaw_sample(sample),
            expected ^ 0x55,
            "sample {sample}"
        );
    }
}

#[test]
fn what_was_decoded_encodes_to_the_same_code() {
    for code in codes() {
        // µ-law has two zeros; the negative one comes back as the positive one.
        let stable = if code == 0x7F { 0xFF } else { code };
        assert_eq!(
            encode_mulaw_sample(decode_mulaw_sample(code)),
            stable,
            "µ-law {code:#04x}"
        );
        assert_eq!(
            encode_alaw_sample(decode_alaw_sample(code)),
            code,
            "A-law {code:#04x}"
        );
    }
}

#[test]
fn a_louder_sample_never_comes_back_softer() {
    for (before, sample) in samples().zip(samples().skip(1)) {
        let mulaw = |sample| decode_mulaw_sample(encode_mulaw_sample(sample));
        let alaw = |sample| decode_alaw_sample(encode_alaw_sample(sample));
        assert!(mulaw(before) <= mulaw(sample), "µ-law at {sample}");
        assert!(alaw(before) <= alaw(sample), "A-law at {sample}");
    }
}

#[test]
fn the_error_is_within_half_a_step() {
    for sample in samples() {
        let wide = i32::from(sample);
        // A step is a sixteenth of its segment's start, so half a step is at most a thirty-second of the sample:
        // of the biased sample in µ-law, and with up to 4 more where 16 bits fall onto 14.
        let mulaw = (wide - i32::from(decode_mulaw_sample(encode_mulaw_sample(sample)))).abs();
        assert!(
            mulaw <= (wide.abs() + 132) / 32 + 4,
            "µ-law of {sample} is off by {mulaw}"
        );
        let alaw = (wide - i32::from(decode_alaw_sample(encode_alaw_sample(sample)))).abs();
        assert!(
            alaw <= (wide.abs() / 32).max(8),
            "A-law of {sample} is off by {alaw}"
        );
    }
}

#[test]
fn slices_append_one_for_one() {
    let all_codes: Vec<u8> = codes().collect();
    let all_samples: Vec<i16> = samples().collect();

    let mut decoded = vec![7];
    decode_mulaw(&all_codes, &mut decoded);
    decode_alaw(&all_codes, &mut decoded);
    let expected: Vec<i16> = std::iter::once(7)
        .chain(codes().map(decode_mulaw_sample))
        .chain(codes().map(decode_alaw_sample))
        .collect();
    assert_eq!(decoded, expected);

    let mut encoded = vec![7];
    encode_mulaw(&all_samples, &mut encoded);
    encode_alaw(&all_samples, &mut encoded);
    let expected: Vec<u8> = std::iter::once(7)
        .chain(samples().map(encode_mulaw_sample))
        .chain(samples().map(encode_alaw_sample))
        .collect();
    assert_eq!(encoded, expected);
}
