//! Resampling as a stream: lengths, chunks, the end, and the loudest samples.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use proptest::prelude::*;
use telephony_audio::{Resampler, SampleRate, UnsupportedRates, tone};

const RATES: [SampleRate; 4] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
    SampleRate::HZ_48000,
];

fn directions() -> impl Iterator<Item = (SampleRate, SampleRate)> {
    RATES
        .into_iter()
        .flat_map(|from| RATES.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
}

fn direction() -> impl Strategy<Value = (SampleRate, SampleRate)> {
    prop::sample::select(directions().collect::<Vec<_>>())
}

fn resampler(from: SampleRate, to: SampleRate) -> Resampler {
    Resampler::new(from, to).unwrap()
}

fn resampled(from: SampleRate, to: SampleRate, input: &[i16]) -> Vec<i16> {
    let mut out = Vec::new();
    resampler(from, to).process(input, &mut out);
    out
}

/// Samples in a group of the input and of the output.
fn group(from: SampleRate, to: SampleRate) -> (usize, usize) {
    let common = (1..=from.hz().min(to.hz()))
        .rev()
        .find(|divisor| from.hz().is_multiple_of(*divisor) && to.hz().is_multiple_of(*divisor))
        .unwrap();
    ((from.hz() / common) as usize, (to.hz() / common) as usize)
}

#[test]
fn every_20_ms_in_are_20_ms_out() {
    for (from, to) in directions() {
        let mut resampler = resampler(from, to);
        let frame = vec![1_000; from.hz() as usize / 50];
        for _ in 0..100 {
            let mut out = Vec::new();
            resampler.process(&frame, &mut out);
            assert_eq!(out.len(), to.hz() as usize / 50, "{from} to {to}");
        }
    }
}

#[test]
fn nothing_ever_moves() {
    // 1 kHz: twenty whole periods in every frame, so every frame must come out as the one before, to the bit. A frame
    // also leaves behind what the one before left, so what holds for minutes holds for an hour.
    let (from, to) = (SampleRate::HZ_24000, SampleRate::HZ_16000);
    let mut resampler = resampler(from, to);
    let frame = tone::tone(from, 1_000.0, Duration::from_millis(20), 0.5);
    let (mut out, mut before) = (Vec::new(), Vec::new());
    for frames in 0..5 * 60 * 50 {
        std::mem::swap(&mut out, &mut before);
        out.clear();
        resampler.process(&frame, &mut out);
        assert!(frames < 2 || out == before, "after {frames} frames");
    }
    assert_eq!(out.len(), 320);
}

#[test]
fn frames_join_without_a_click() {
    for (from, to) in directions() {
        let mut resampler = resampler(from, to);
        let frame = tone::tone(from, 1_000.0, Duration::from_millis(20), 0.5);
        let mut frames = Vec::new();
        for _ in 0..4 {
            let mut out = Vec::new();
            resampler.process(&frame, &mut out);
            frames.push(out);
        }
        assert_eq!(frames[1], frames[2], "{from} to {to}");
        assert_eq!(frames[2], frames[3], "{from} to {to}");
        assert!(tone::tone_level(&frames[3], to, 1_000.0) > -6.1);
    }
}

#[test]
fn flushing_gives_twice_the_delay() {
    for (from, to) in directions() {
        let mut resampler = resampler(from, to);
        let tail = (2.0 * resampler.delay().as_secs_f64() * f64::from(to.hz())).round() as usize;
        let (inputs, outputs) = group(from, to);
        for length in [1, inputs, 160, 161, 1_000] {
            let input = vec![20_000; length];
            let mut out = Vec::new();
            resampler.process(&input, &mut out);
            assert_eq!(out.len(), length / inputs * outputs);
            resampler.flush(&mut out);
            assert_eq!(out.len(), length.div_ceil(inputs) * outputs + tail);

            // The same as silence in its place.
            let mut with_silence = input;
            with_silence.resize(out.len() / outputs * inputs, 0);
            assert_eq!(out, resampled(from, to, &with_silence), "{from} to {to}");
            // And after it there is silence only.
            with_silence.resize(with_silence.len() + 1_000 * inputs, 0);
            let longer = resampled(from, to, &with_silence);
            assert!(longer[out.len()..].iter().all(|&sample| sample == 0));
            assert!(out.iter().any(|&sample| sample != 0));
        }
    }
}

#[test]
fn there_is_no_tail_without_input() {
    for (from, to) in directions() {
        let mut resampler = resampler(from, to);
        let mut out = Vec::new();
        resampler.flush(&mut out);
        resampler.process(&[], &mut out);
        resampler.flush(&mut out);
        assert!(out.is_empty());
        resampler.process(&[0], &mut out);
        resampler.flush(&mut out);
        assert!(!out.is_empty());
        out.clear();
        resampler.flush(&mut out);
        assert!(out.is_empty());
    }
}

#[test]
fn flushed_or_reset_is_as_new() {
    for (from, to) in directions() {
        let input = tone::tone(from, 440.0, Duration::from_millis(30), 0.5);
        let expected = resampled(from, to, &input);
        let mut resampler = resampler(from, to);
        resampler.process(&[i16::MAX; 997], &mut Vec::new());
        resampler.reset();
        let mut out = Vec::new();
        resampler.process(&input, &mut out);
        assert_eq!(out, expected, "{from} to {to}");

        resampler.flush(&mut Vec::new());
        out.clear();
        resampler.process(&input, &mut out);
        assert_eq!(out, expected, "{from} to {to}");
    }
}

#[test]
fn output_is_appended() {
    for (from, to) in directions() {
        let mut out = vec![1, 2, 3];
        resampler(from, to).process(&[0; 480], &mut out);
        assert_eq!(out[..4], [1, 2, 3, 0]);
    }
}

#[test]
fn too_loud_is_clipped() {
    for (from, to) in directions() {
        // Full scale up and down: the edges of a square overshoot any scale that is just filled.
        let period = from.hz() as usize / 500;
        let square: Vec<i16> = (0..from.hz() as usize / 10)
            .map(|n| {
                if (n / period).is_multiple_of(2) {
                    i16::MAX
                } else {
                    i16::MIN
                }
            })
            .collect();
        let out = resampled(from, to, &square);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        let half: Vec<i16> = square.iter().map(|sample| sample / 2).collect();
        let expected: Vec<i32> = resampled(from, to, &half)
            .into_iter()
            .map(|sample| i32::from(sample) * 2)
            .collect();
        assert!(expected.iter().any(|&sample| sample > 33_000));
        for (sample, expected) in out.into_iter().zip(expected) {
            let clipped = expected.clamp(i32::from(i16::MIN), i32::from(i16::MAX));
            assert!(
                (i32::from(sample) - clipped).abs() <= 4,
                "{from} to {to}: {sample} instead of {expected}"
            );
        }
    }
}

#[test]
fn nothing_is_allocated_per_frame() {
    for (from, to) in directions() {
        let mut resampler = resampler(from, to);
        let frame = vec![1_000; from.hz() as usize / 50];
        let mut out = Vec::with_capacity(to.hz() as usize);
        let allocated = allocation_counter::measure(|| {
            for _ in 0..20 {
                out.clear();
                resampler.process(&frame, &mut out);
                resampler.process(&frame[1..], &mut out);
            }
            resampler.flush(&mut out);
        });
        assert_eq!(allocated.count_total, 0, "{from} to {to}");
    }
}

#[test]
fn another_stream_takes_little_memory() {
    for (from, to) in directions() {
        let first = resampler(from, to);
        let allocated = allocation_counter::measure(|| drop(std::hint::black_box(first.clone())));
        assert!(allocated.bytes_total <= 2_560, "{from} to {to}");
        let allocated =
            allocation_counter::measure(|| drop(std::hint::black_box(resampler(from, to))));
        assert!(allocated.bytes_total <= 2_560, "{from} to {to}");
    }
}

#[test]
fn equal_rates_pass_through() {
    let rate = SampleRate::new(44_100).unwrap();
    let mut resampler = resampler(rate, rate);
    let mut out = Vec::new();
    resampler.process(&[1, -2, i16::MIN], &mut out);
    resampler.flush(&mut out);
    assert_eq!(out, [1, -2, i16::MIN]);
    assert_eq!(resampler.delay(), Duration::ZERO);
}

#[test]
fn other_rates_are_refused() {
    let other = SampleRate::new(44_100).unwrap();
    for (from, to) in [
        (other, SampleRate::HZ_8000),
        (SampleRate::HZ_8000, other),
        // The ratio is one of those that are known, the rates are not.
        (
            SampleRate::new(32_000).unwrap(),
            SampleRate::new(16_000).unwrap(),
        ),
    ] {
        let error = Resampler::new(from, to).unwrap_err();
        assert_eq!(error, UnsupportedRates { from, to });
    }
    assert_eq!(
        Resampler::new(other, SampleRate::HZ_8000)
            .unwrap_err()
            .to_string(),
        "no resampling from 44100 Hz to 8000 Hz: the rates are 8000, 16000, 24000 and 48000 Hz"
    );
}

#[test]
fn the_delay_is_20_samples_of_the_slower_rate() {
    for (from, to) in directions() {
        let expected = match from.min(to) {
            SampleRate::HZ_8000 => 2_500_000,
            SampleRate::HZ_16000 => 1_250_000,
            _ => 833_334,
        };
        assert_eq!(resampler(from, to).delay().as_nanos(), expected);
        assert_eq!(
            (resampler(from, to).from(), resampler(from, to).to()),
            (from, to)
        );
    }
}

#[test]
fn debug_does_not_show_the_voice() {
    let mut resampler = resampler(SampleRate::HZ_8000, SampleRate::HZ_16000);
    resampler.process(&[12_345; 160], &mut Vec::new());
    let shown = format!("{resampler:?}");
    assert!(
        shown.contains("8000") && !shown.contains("12345"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        (from, to) in direction(),
        input in prop::collection::vec(any::<i16>(), 0..3_000),
        cuts in prop::collection::vec(prop_oneof![0..4_usize, 0..400_usize], 0..40),
    ) {
        let mut whole = Vec::new();
        let mut resampler = resampler(from, to);
        resampler.process(&input, &mut whole);
        resampler.flush(&mut whole);

        let mut chunked = Vec::new();
        let mut rest = &input[..];
        let (inputs, outputs) = group(from, to);
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            resampler.process(chunk, &mut chunked);
            rest = after;
            // Never more than a part of a group is withheld.
            prop_assert_eq!(chunked.len(), (input.len() - rest.len()) / inputs * outputs);
        }
        resampler.process(rest, &mut chunked);
        resampler.flush(&mut chunked);
        prop_assert_eq!(whole, chunked);
    }

    #[test]
    fn half_the_input_is_half_the_output_or_clipped(
        (from, to) in direction(),
        input in prop::collection::vec(any::<i16>(), 0..500),
    ) {
        let doubled = |samples: Vec<i16>| samples.into_iter().map(|sample| i32::from(sample) * 2);
        let half: Vec<i16> = input.iter().map(|sample| sample / 2).collect();
        let even: Vec<i16> = half.iter().map(|sample| sample * 2).collect();
        let out = resampled(from, to, &even);
        for (sample, double) in out.into_iter().zip(doubled(resampled(from, to, &half))) {
            let clipped = double.clamp(i32::from(i16::MIN), i32::from(i16::MAX));
            prop_assert!((i32::from(sample) - clipped).abs() <= 2);
        }
    }
}
