//! Any encoding into any other.

use proptest::prelude::*;
use telephony_audio::{Encoding, convert, decode, encode, g711};

const ENCODINGS: [Encoding; 4] = [
    Encoding::Mulaw,
    Encoding::Alaw,
    Encoding::Pcm16Le,
    Encoding::Pcm16Be,
];

fn converted(from: Encoding, to: Encoding, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    convert(from, to, input, &mut out);
    out
}

#[test]
fn each_encoding_into_each_other() {
    // The same three samples, which every encoding but A-law can say: 0, 32124 and -32124 (A-law: 8, 32256, -32256).
    let mulaw: &[u8] = &[0xFF, 0x80, 0x00];
    let alaw: &[u8] = &[0xD5, 0xAA, 0x2A];
    let little: &[u8] = &[0x00, 0x00, 0x7C, 0x7D, 0x84, 0x82];
    let big: &[u8] = &[0x00, 0x00, 0x7D, 0x7C, 0x82, 0x84];
    let little_of_alaw: &[u8] = &[0x08, 0x00, 0x00, 0x7E, 0x00, 0x82];
    let big_of_alaw: &[u8] = &[0x00, 0x08, 0x7E, 0x00, 0x82, 0x00];
    use Encoding::{Alaw, Mulaw, Pcm16Be, Pcm16Le};
    for (from, input, to, output) in [
        (Mulaw, mulaw, Mulaw, mulaw),
        (Mulaw, mulaw, Alaw, alaw),
        (Mulaw, mulaw, Pcm16Le, little),
        (Mulaw, mulaw, Pcm16Be, big),
        (Alaw, alaw, Mulaw, &[0xFE, 0x80, 0x00]),
        (Alaw, alaw, Alaw, alaw),
        (Alaw, alaw, Pcm16Le, little_of_alaw),
        (Alaw, alaw, Pcm16Be, big_of_alaw),
        (Pcm16Le, little, Mulaw, mulaw),
        (Pcm16Le, little, Alaw, alaw),
        (Pcm16Le, little, Pcm16Le, little),
        (Pcm16Le, little, Pcm16Be, big),
        (Pcm16Be, big, Mulaw, mulaw),
        (Pcm16Be, big, Alaw, alaw),
        (Pcm16Be, big, Pcm16Le, little),
        (Pcm16Be, big, Pcm16Be, big),
    ] {
        assert_eq!(converted(from, to, input), output, "{from} to {to}");
    }
}

#[test]
fn output_is_appended() {
    let mut out = vec![1, 2];
    convert(Encoding::Mulaw, Encoding::Pcm16Le, &[0xFF], &mut out);
    convert(Encoding::Mulaw, Encoding::Mulaw, &[0x80], &mut out);
    assert_eq!(out, [1, 2, 0, 0, 0x80]);
}

#[test]
fn the_negative_zero_of_mulaw_is_kept_only_by_mulaw() {
    assert_eq!(converted(Encoding::Mulaw, Encoding::Mulaw, &[0x7F]), [0x7F]);
    assert_eq!(
        converted(Encoding::Mulaw, Encoding::Pcm16Le, &[0x7F]),
        [0, 0]
    );
}

#[test]
fn one_law_into_the_other_and_back_stays_within_a_code() {
    for code in 0..=u8::MAX {
        let there = converted(Encoding::Alaw, Encoding::Mulaw, &[code]);
        let back = converted(Encoding::Mulaw, Encoding::Alaw, &there);
        let number = |alaw: u8| {
            let bits = i32::from(alaw ^ 0x55);
            if bits >= 0x80 { bits - 0x80 } else { -1 - bits }
        };
        assert!(
            (number(back[0]) - number(code)).abs() <= 1,
            "A-law {code:#04x} came back as {:#04x}",
            back[0]
        );
    }
}

proptest! {
    #[test]
    fn only_whole_samples_are_converted(
        input: Vec<u8>,
        from in prop::sample::select(&ENCODINGS[..]),
        to in prop::sample::select(&ENCODINGS[..]),
    ) {
        let out = converted(from, to, &input);
        prop_assert_eq!(out.len(), input.len() / from.bytes_per_sample() * to.bytes_per_sample());
        let whole = input.len() - input.len() % from.bytes_per_sample();
        prop_assert_eq!(out, converted(from, to, &input[..whole]));
    }

    #[test]
    fn to_convert_is_to_decode_and_encode(
        input: Vec<u8>,
        from in prop::sample::select(&ENCODINGS[..]),
        to in prop::sample::select(&ENCODINGS[..]),
    ) {
        prop_assume!(from != to);
        let (mut samples, mut expected) = (Vec::new(), Vec::new());
        decode(from, &input, &mut samples);
        encode(to, &samples, &mut expected);
        prop_assert_eq!(converted(from, to, &input), expected);
    }

    #[test]
    fn encoding_is_that_of_each_law(samples: Vec<i16>) {
        let (mut mulaw, mut alaw, mut all) = (Vec::new(), Vec::new(), Vec::new());
        g711::encode_mulaw(&samples, &mut mulaw);
        g711::encode_alaw(&samples, &mut alaw);
        encode(Encoding::Mulaw, &samples, &mut all);
        encode(Encoding::Alaw, &samples, &mut all);
        prop_assert_eq!(all, [mulaw, alaw].concat());
    }
}
