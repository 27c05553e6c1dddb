//! What resampling does to sound: measured with tones, in every direction.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::f64::consts::TAU;

use telephony_audio::{Resampler, SampleRate};

/// The tones' amplitude: -6 dBFS.
const AMPLITUDE: f64 = 16_384.0;

/// What telephones carry, in steps fine enough to find the edge and coarse enough to be whole periods of [`WINDOW_MS`].
const SPEECH: std::ops::RangeInclusive<u32> = 1..=34;

/// Measured after the filter has settled.
const SETTLING_MS: u32 = 20;
const WINDOW_MS: u32 = 100;

fn directions() -> Vec<(u32, u32)> {
    let rates = [8_000, 16_000, 24_000, 48_000];
    let all = rates.map(|from| rates.map(|to| (from, to)));
    all.into_iter()
        .flatten()
        .filter(|(from, to)| from != to)
        .collect()
}

fn resampler(from: u32, to: u32) -> Resampler {
    Resampler::new(SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap()).unwrap()
}

/// What a tone comes out as, fed in frames of 20 ms: the settled part.
fn heard(from: u32, to: u32, hz: u32) -> Vec<f64> {
    let tone: Vec<i16> = (0..from / 1_000 * (SETTLING_MS + WINDOW_MS))
        .map(|n| (AMPLITUDE * (TAU * f64::from(n * hz) / f64::from(from)).sin()).round() as i16)
        .collect();
    let mut resampler = resampler(from, to);
    let mut out = Vec::new();
    for frame in tone.chunks(from as usize / 50) {
        resampler.process(frame, &mut out);
    }
    out[(to / 1_000 * SETTLING_MS) as usize..]
        .iter()
        .map(|&sample| f64::from(sample))
        .collect()
}

/// The sine and cosine parts of one pitch in a window of whole periods.
fn parts(samples: &[f64], rate: u32, hz: u32) -> (f64, f64) {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * n as f64 * f64::from(hz) / f64::from(rate);
        sine += sample * angle.sin();
        cosine += sample * angle.cos();
    }
    let scale = 2.0 / samples.len() as f64;
    (sine * scale, cosine * scale)
}

fn level(samples: &[f64], rate: u32, hz: u32) -> f64 {
    let (sine, cosine) = parts(samples, rate, hz);
    decibels(sine.hypot(cosine))
}

/// Relative to the tones that went in.
fn decibels(amplitude: f64) -> f64 {
    20.0 * (amplitude / AMPLITUDE).log10()
}

fn sinad(samples: &[f64], rate: u32, hz: u32) -> f64 {
    let (sine, cosine) = parts(samples, rate, hz);
    let rest: f64 = samples
        .iter()
        .enumerate()
        .map(|(n, sample)| {
            let angle = TAU * n as f64 * f64::from(hz) / f64::from(rate);
            (sample - sine * angle.sin() - cosine * angle.cos()).powi(2)
        })
        .sum();
    let signal = (sine * sine + cosine * cosine) / 2.0;
    10.0 * (signal / (rest / samples.len() as f64)).log10()
}

/// Where a tone shows up again at another rate: around every multiple of its own rate, folded below half the other.
fn images(from: u32, to: u32, hz: u32) -> Vec<u32> {
    let mut images: Vec<u32> = (1..=6)
        .flat_map(|multiple| [multiple * from - hz, multiple * from + hz])
        .map(|image| (image % to).min(to - image % to))
        .filter(|&image| image != hz && image > 0 && image < to / 2)
        .collect();
    images.sort_unstable();
    images.dedup();
    images
}

#[test]
fn the_measurement_sees_what_is_there() {
    // A tone with a tenth of another: 20 dB apart.
    let samples: Vec<f64> = (0..1_600)
        .map(|n| {
            let angle = TAU * f64::from(n) / 16_000.0;
            AMPLITUDE * ((1_000.0 * angle).sin() + 0.1 * (7_000.0 * angle).cos())
        })
        .collect();
    assert!((level(&samples, 16_000, 1_000)).abs() < 1e-6);
    assert!((level(&samples, 16_000, 7_000) + 20.0).abs() < 1e-6);
    assert!((sinad(&samples, 16_000, 1_000) - 20.0).abs() < 1e-6);
    assert_eq!(images(8_000, 16_000, 1_000), [7_000]);
    assert_eq!(images(8_000, 24_000, 1_000), [7_000, 9_000]);
}

#[test]
fn tones_stay_clean() {
    for (from, to) in directions() {
        for hz in [1_000, 3_400] {
            let sinad = sinad(&heard(from, to, hz), to, hz);
            assert!(
                sinad >= 85.0,
                "{hz} Hz, {from} to {to}: SINAD {sinad:.1} dB"
            );
        }
    }
}

#[test]
fn tones_stay_as_loud() {
    for (from, to) in directions() {
        for hz in SPEECH.map(|step| step * 100) {
            let gain = level(&heard(from, to, hz), to, hz);
            assert!(gain.abs() <= 0.01, "{hz} Hz, {from} to {to}: {gain:.4} dB");
        }
    }
}

#[test]
fn tones_have_no_images() {
    for (from, to) in directions() {
        for hz in SPEECH.map(|step| step * 100) {
            let samples = heard(from, to, hz);
            for image in images(from, to, hz) {
                let level = level(&samples, to, image);
                assert!(
                    level <= -85.0,
                    "{hz} Hz, {from} to {to}: {level:.1} dB at {image} Hz"
                );
            }
        }
    }
}

#[test]
fn what_would_fold_is_taken_out() {
    // From 4.6 kHz up for 8 kHz, and in proportion for the other rates.
    for (from, to) in directions().into_iter().filter(|(from, to)| from > to) {
        for hz in (to / 8_000 * 4_600..from / 2).step_by(100) {
            let samples = heard(from, to, hz);
            let power: f64 = samples.iter().map(|sample| sample * sample).sum();
            // All of what comes out, as the amplitude of one tone.
            let level = decibels((2.0 * power / samples.len() as f64).sqrt());
            assert!(
                level <= -85.0,
                "{hz} Hz, {from} to {to}: {level:.1} dB came out"
            );
        }
    }
}

#[test]
fn the_wider_band_of_faster_rates_is_kept() {
    for (from, to) in directions() {
        let slower = from.min(to);
        let edge = slower / 8_000 * 3_400;
        let samples = heard(from, to, edge);
        let gain = level(&samples, to, edge);
        assert!(
            gain.abs() <= 0.01,
            "{edge} Hz, {from} to {to}: {gain:.4} dB"
        );
        let sinad = sinad(&samples, to, edge);
        assert!(
            sinad >= 85.0,
            "{edge} Hz, {from} to {to}: SINAD {sinad:.1} dB"
        );
    }
}

#[test]
fn sound_is_late_by_the_delay() {
    for (from, to) in directions() {
        let mut resampler = resampler(from, to);
        let delay = resampler.delay().as_secs_f64();
        assert!(delay <= 0.003);
        let at = from / 100;
        let mut click = vec![0; (from / 50) as usize];
        click[at as usize] = 30_000;
        let mut out = Vec::new();
        resampler.process(&click, &mut out);
        let (mut energy, mut moment) = (0.0, 0.0);
        for (n, &sample) in out.iter().enumerate() {
            let power = f64::from(sample).powi(2);
            energy += power;
            moment += power * n as f64 / f64::from(to);
        }
        let late = moment / energy - f64::from(at) / f64::from(from);
        assert!(
            (late - delay).abs() < 1e-6,
            "{from} to {to}: {late} s instead of {delay} s"
        );
    }
}

#[test]
fn a_constant_stays_that_constant() {
    for (from, to) in directions() {
        for constant in [1, -1, 8, 1_000, -12_345, i16::MAX, i16::MIN] {
            let mut resampler = resampler(from, to);
            let mut out = Vec::new();
            resampler.process(&vec![constant; (from / 50) as usize], &mut out);
            let settled = 2 * (resampler.delay().as_secs_f64() * f64::from(to)).round() as usize;
            assert!(
                out[settled..].iter().all(|&sample| sample == constant),
                "{constant}, {from} to {to}"
            );
        }
    }
}
