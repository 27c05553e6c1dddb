//! Streams of bytes from one format to another.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use proptest::prelude::*;
use telephony_audio::{
    AudioFormat, Converter, Encoding, Resampler, SampleRate, convert, decode, encode, tone,
};

const ENCODINGS: [Encoding; 4] = [
    Encoding::Mulaw,
    Encoding::Alaw,
    Encoding::Pcm16Le,
    Encoding::Pcm16Be,
];

const RATES: [SampleRate; 4] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
    SampleRate::HZ_48000,
];

fn format() -> impl Strategy<Value = AudioFormat> {
    (
        prop::sample::select(&ENCODINGS[..]),
        prop::sample::select(&RATES[..]),
    )
        .prop_map(|(encoding, rate)| AudioFormat::new(encoding, rate))
}

fn converter(from: AudioFormat, to: AudioFormat) -> Converter {
    Converter::new(from, to).unwrap()
}

fn converted(from: AudioFormat, to: AudioFormat, input: &[u8]) -> Vec<u8> {
    let mut converter = converter(from, to);
    let mut out = Vec::new();
    converter.process(input, &mut out);
    converter.flush(&mut out);
    out
}

#[test]
fn a_tone_keeps_its_pitch_and_level() {
    for from in ENCODINGS.map(|encoding| RATES.map(|rate| AudioFormat::new(encoding, rate))) {
        for from in from {
            for to in [
                AudioFormat::MULAW_8000,
                AudioFormat::ALAW_8000,
                AudioFormat::PCM16_16000,
                AudioFormat::PCM16_24000,
            ] {
                let samples = tone::tone(from.rate, 1_000.0, Duration::from_millis(200), 0.5);
                let mut wire = Vec::new();
                encode(from.encoding, &samples, &mut wire);
                let mut converter = converter(from, to);
                let mut out = Vec::new();
                for message in wire.chunks(from.bytes_in(Duration::from_millis(20))) {
                    out.clear();
                    converter.process(message, &mut out);
                    assert_eq!(out.len(), to.bytes_in(Duration::from_millis(20)));
                }
                let mut heard = Vec::new();
                decode(to.encoding, &out, &mut heard);
                let level = tone::tone_level(&heard, to.rate, 1_000.0);
                // 1 kHz at 8 kHz meets the same few codes again and again: G.711 itself is off by as much.
                assert!((level + 6.02).abs() < 0.2, "{from} to {to}: {level} dBFS");
            }
        }
    }
}

#[test]
fn equal_formats_are_untouched() {
    // Also what is no whole sample, and the negative zero that decoding would lose.
    for encoding in ENCODINGS {
        for rate in RATES {
            let format = AudioFormat::new(encoding, rate);
            let mut converter = converter(format, format);
            let mut out = Vec::new();
            converter.process(&[0x7F, 1, 2], &mut out);
            assert_eq!(out, [0x7F, 1, 2]);
            converter.flush(&mut out);
            assert_eq!(out.len(), 3);
            assert_eq!(converter.delay(), Duration::ZERO);
        }
    }
}

#[test]
fn a_split_sample_is_joined() {
    let to = AudioFormat::new(Encoding::Pcm16Be, SampleRate::HZ_8000);
    let mut converter = converter(AudioFormat::PCM16_8000, to);
    let mut out = Vec::new();
    for (chunk, expected) in [
        (&[1][..], &[][..]),
        (&[], &[]),
        (&[2, 3], &[2, 1]),
        (&[4, 5, 6], &[2, 1, 4, 3, 6, 5]),
        (&[7], &[2, 1, 4, 3, 6, 5]),
        (&[8], &[2, 1, 4, 3, 6, 5, 8, 7]),
    ] {
        converter.process(chunk, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn half_a_sample_does_not_reach_the_next_stream() {
    for to in [AudioFormat::MULAW_8000, AudioFormat::PCM16_16000] {
        let input = [0x34, 0x12, 0x78, 0x56];
        let expected = converted(AudioFormat::PCM16_8000, to, &input);
        let mut converter = converter(AudioFormat::PCM16_8000, to);
        converter.process(&[1, 2, 3], &mut Vec::new());
        converter.flush(&mut Vec::new());
        let mut out = Vec::new();
        converter.process(&input, &mut out);
        converter.flush(&mut out);
        assert_eq!(out, expected);

        converter.process(&[1, 2, 3], &mut Vec::new());
        converter.reset();
        out.clear();
        converter.process(&input, &mut out);
        converter.flush(&mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn the_tail_is_that_of_the_resampler() {
    let to = AudioFormat::PCM16_16000;
    let mut converter = converter(AudioFormat::MULAW_8000, to);
    let mut out = Vec::new();
    converter.process(&[0x80; 160], &mut out);
    assert_eq!(out.len(), to.bytes_in(Duration::from_millis(20)));
    converter.flush(&mut out);
    assert_eq!(
        out.len(),
        to.bytes_in(Duration::from_millis(20) + 2 * converter.delay())
    );
    converter.flush(&mut out);
    assert_eq!(out.len(), to.bytes_in(Duration::from_millis(25)));
}

#[test]
fn nothing_is_allocated_per_frame() {
    for from in [AudioFormat::MULAW_8000, AudioFormat::PCM16_24000] {
        for to in [AudioFormat::ALAW_8000, AudioFormat::PCM16_16000] {
            let mut converter = converter(from, to);
            let frame = vec![0x55; from.bytes_in(Duration::from_millis(20))];
            let mut out = Vec::with_capacity(to.bytes_in(Duration::from_millis(100)));
            converter.process(&frame, &mut out);
            let allocated = allocation_counter::measure(|| {
                for _ in 0..20 {
                    out.clear();
                    converter.process(&frame, &mut out);
                    converter.process(&frame[1..], &mut out);
                }
            });
            assert_eq!(allocated.count_total, 0, "{from} to {to}");
        }
    }
}

#[test]
fn a_large_chunk_leaves_no_large_buffers() {
    let mut converter = converter(AudioFormat::PCM16_8000, AudioFormat::PCM16_16000);
    let minute = AudioFormat::PCM16_8000.silence(Duration::from_secs(60));
    let mut out = Vec::with_capacity(2 * minute.len());
    let allocated = allocation_counter::measure(|| converter.process(&minute, &mut out));
    assert_eq!(out.len(), 2 * minute.len());
    assert!(allocated.bytes_max < 2_048, "{} bytes", allocated.bytes_max);
}

#[test]
fn other_rates_are_refused_unless_equal() {
    let other = SampleRate::new(44_100).unwrap();
    let mulaw = AudioFormat::new(Encoding::Mulaw, other);
    let linear = AudioFormat::new(Encoding::Pcm16Le, other);
    assert_eq!(converted(mulaw, linear, &[0x80]), [0x7C, 0x7D]);
    let error = Converter::new(mulaw, AudioFormat::PCM16_8000).unwrap_err();
    assert_eq!(error.from, other);
    assert_eq!(error.to, SampleRate::HZ_8000);
}

#[test]
fn debug_does_not_show_the_voice() {
    let mut converter = converter(AudioFormat::PCM16_8000, AudioFormat::PCM16_16000);
    converter.process(&[0x39, 0x30, 0x39], &mut Vec::new());
    let shown = format!("{converter:?}");
    assert!(shown.contains("16000"), "{shown}");
    assert!(!shown.contains("12345") && !shown.contains("57"), "{shown}");
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        from in format(),
        to in format(),
        input in prop::collection::vec(any::<u8>(), 0..4_000),
        cuts in prop::collection::vec(prop_oneof![0..4_usize, 0..700_usize], 0..30),
    ) {
        let whole = converted(from, to, &input);
        let mut converter = converter(from, to);
        let mut chunked = Vec::new();
        let mut rest = &input[..];
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            converter.process(chunk, &mut chunked);
            rest = after;
        }
        converter.process(rest, &mut chunked);
        converter.flush(&mut chunked);
        prop_assert_eq!(whole, chunked);
    }

    #[test]
    fn to_convert_is_to_decode_resample_and_encode(
        from in format(),
        to in format(),
        input in prop::collection::vec(any::<u8>(), 0..4_000),
    ) {
        prop_assume!(from != to);
        let mut expected = Vec::new();
        if from.rate == to.rate {
            convert(from.encoding, to.encoding, &input, &mut expected);
        } else {
            let (mut samples, mut resampled) = (Vec::new(), Vec::new());
            decode(from.encoding, &input, &mut samples);
            let mut resampler = Resampler::new(from.rate, to.rate).unwrap();
            resampler.process(&samples, &mut resampled);
            resampler.flush(&mut resampled);
            encode(to.encoding, &resampled, &mut expected);
        }
        prop_assert_eq!(converted(from, to, &input), expected);
    }
}
