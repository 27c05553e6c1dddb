//! Tones, and measuring them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use telephony_audio::tone::{tone, tone_level};
use telephony_audio::{AudioFormat, Encoding, SampleRate, decode, encode};

const RATES: [SampleRate; 4] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
    SampleRate::HZ_48000,
];

fn decibels(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

#[test]
fn a_tone_is_as_long_as_asked() {
    for rate in RATES {
        let samples = tone(rate, 440.0, Duration::from_millis(30), 0.5);
        assert_eq!(
            samples.len(),
            AudioFormat::new(Encoding::Pcm16Le, rate).bytes_in(Duration::from_millis(30)) / 2
        );
    }
    assert!(tone(SampleRate::HZ_8000, 440.0, Duration::ZERO, 0.5).is_empty());
}

#[test]
fn a_quarter_of_the_rate_is_zero_peak_zero_trough() {
    let samples = tone(SampleRate::HZ_8000, 2_000.0, Duration::from_millis(1), 1.0);
    assert_eq!(samples, [0, 32_767, 0, -32_767, 0, 32_767, 0, -32_767]);
    let samples = tone(
        SampleRate::HZ_8000,
        2_000.0,
        Duration::from_micros(500),
        0.5,
    );
    assert_eq!(samples, [0, 16_384, 0, -16_384]);
}

#[test]
fn a_tone_has_its_pitch() {
    for rate in RATES {
        let samples = tone(rate, 440.0, Duration::from_secs(1), 0.5);
        let rising = samples
            .windows(2)
            .filter(|pair| pair[0] < 0 && pair[1] >= 0)
            .count();
        assert!((439..=440).contains(&rising), "{rising} periods at {rate}");
    }
}

#[test]
fn amplitude_stays_within_the_scale() {
    let loud = tone(SampleRate::HZ_8000, 2_000.0, Duration::from_millis(1), 7.0);
    assert_eq!(
        loud,
        tone(SampleRate::HZ_8000, 2_000.0, Duration::from_millis(1), 1.0)
    );
    for amplitude in [-1.0, 0.0, f32::NAN, f32::NEG_INFINITY] {
        assert_eq!(
            tone(
                SampleRate::HZ_8000,
                2_000.0,
                Duration::from_millis(1),
                amplitude
            ),
            [0; 8]
        );
    }
}

#[test]
fn a_pitch_that_the_rate_cannot_carry_is_silence() {
    let loud = tone(SampleRate::HZ_8000, 1_000.0, Duration::from_millis(10), 1.0);
    for hz in [0.0, -440.0, 4_000.0, 7_000.0, f32::NAN, f32::INFINITY] {
        assert_eq!(
            tone(SampleRate::HZ_8000, hz, Duration::from_millis(1), 1.0),
            [0; 8],
            "{hz} Hz"
        );
        assert_eq!(
            tone_level(&loud, SampleRate::HZ_8000, hz),
            f32::NEG_INFINITY,
            "{hz} Hz"
        );
    }
}

#[test]
fn the_level_of_a_tone_is_its_amplitude() {
    for rate in RATES {
        for hz in [300.0, 440.0, 1_004.0, 3_333.0] {
            for amplitude in [1.0, 0.5, 0.1, 0.01] {
                let samples = tone(rate, hz, Duration::from_secs(1), amplitude);
                let level = tone_level(&samples, rate, hz);
                assert!(
                    (level - decibels(amplitude)).abs() < 0.1,
                    "{hz} Hz of {amplitude} at {rate}: {level} dBFS"
                );
            }
        }
    }
}

#[test]
fn the_level_is_that_of_the_pitch_asked_for() {
    // 697 and 1209 Hz: the DTMF digit 1, at different levels.
    let low = tone(SampleRate::HZ_8000, 697.0, Duration::from_secs(1), 0.4);
    let high = tone(SampleRate::HZ_8000, 1_209.0, Duration::from_secs(1), 0.2);
    let digit: Vec<i16> = low
        .iter()
        .zip(&high)
        .map(|(low, high)| low + high)
        .collect();
    assert!((tone_level(&digit, SampleRate::HZ_8000, 697.0) - decibels(0.4)).abs() < 0.05);
    assert!((tone_level(&digit, SampleRate::HZ_8000, 1_209.0) - decibels(0.2)).abs() < 0.05);
    for absent in [770.0, 852.0, 941.0, 1_336.0, 1_477.0, 1_633.0] {
        let level = tone_level(&digit, SampleRate::HZ_8000, absent);
        assert!(level < -60.0, "{absent} Hz at {level} dBFS");
    }
}

#[test]
fn silence_has_no_level() {
    assert_eq!(
        tone_level(&[], SampleRate::HZ_8000, 440.0),
        f32::NEG_INFINITY
    );
    assert_eq!(
        tone_level(&[0; 800], SampleRate::HZ_8000, 440.0),
        f32::NEG_INFINITY
    );
}

#[test]
fn a_tone_keeps_pitch_and_level_through_g711() {
    for encoding in [Encoding::Mulaw, Encoding::Alaw] {
        let samples = tone(SampleRate::HZ_8000, 1_004.0, Duration::from_secs(1), 0.5);
        let (mut wire, mut heard) = (Vec::new(), Vec::new());
        encode(encoding, &samples, &mut wire);
        decode(encoding, &wire, &mut heard);
        let level = tone_level(&heard, SampleRate::HZ_8000, 1_004.0);
        assert!(
            (level - decibels(0.5)).abs() < 0.1,
            "{encoding}: {level} dBFS"
        );
        let beside = tone_level(&heard, SampleRate::HZ_8000, 700.0);
        assert!(beside < -50.0, "{encoding}: {beside} dBFS at 700 Hz");
    }
}
