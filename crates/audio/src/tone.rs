//! Tones to send, and how loud a tone is in what came back: proof of pitch and level for tests and examples.
//!
//! ```
//! use std::time::Duration;
//!
//! use telephony_audio::{SampleRate, tone};
//!
//! let samples = tone::tone(SampleRate::HZ_8000, 440.0, Duration::from_millis(200), 0.5);
//! assert!((tone::tone_level(&samples, SampleRate::HZ_8000, 440.0) - -6.02).abs() < 0.05);
//! assert!(tone::tone_level(&samples, SampleRate::HZ_8000, 880.0) < -60.0);
//! ```

use std::f64::consts::TAU;
use std::time::Duration;

use crate::format::{AudioFormat, Encoding, SampleRate};

const FULL_SCALE: f64 = 32_767.0;

/// A sine of `hz` that starts at zero, `duration` long rounded down to whole samples.
///
/// `amplitude` is the peak, from 0.0 to 1.0 of full scale; what lies outside is taken as the nearer of the two. A
/// pitch that the rate cannot carry (not between zero and half the rate) gives silence, never an alias.
#[must_use]
pub fn tone(rate: SampleRate, hz: f32, duration: Duration, amplitude: f32) -> Vec<i16> {
    let samples = AudioFormat::new(Encoding::Mulaw, rate).bytes_in(duration);
    let Some(step) = radians_per_sample(rate, hz) else {
        return vec![0; samples];
    };
    let peak = f64::from(amplitude.clamp(0.0, 1.0)) * FULL_SCALE;
    (0..samples)
        .map(|n| (peak * (step * n as f64).sin()).round() as i16)
        .collect()
}

/// The level of the tone of `hz` within `samples`, in dBFS: 0.0 is a sine that just fills the scale, half of its
/// amplitude is -6.02.
///
/// Measured with the Goertzel algorithm over all samples, so tones closer than about one over their duration are not
/// told apart; over whole periods, or a hundred, the result is good to a tenth of a decibel. Negative infinity for no
/// samples, for silence, and for a pitch that is not between zero and half the rate.
#[must_use]
pub fn tone_level(samples: &[i16], rate: SampleRate, hz: f32) -> f32 {
    let Some(step) = radians_per_sample(rate, hz) else {
        return f32::NEG_INFINITY;
    };
    if samples.is_empty() {
        return f32::NEG_INFINITY;
    }
    let coefficient = 2.0 * step.cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    // Rounding may leave a power of exactly nothing a little below zero.
    let power = (last * last + before * before - coefficient * last * before).max(0.0);
    let amplitude = 2.0 * power.sqrt() / samples.len() as f64;
    (20.0 * (amplitude / FULL_SCALE).log10()) as f32
}

/// The angle between two samples, if the rate can carry the pitch.
fn radians_per_sample(rate: SampleRate, hz: f32) -> Option<f64> {
    let rate = f64::from(rate.hz());
    let hz = f64::from(hz);
    (hz > 0.0 && hz < rate / 2.0).then(|| TAU * hz / rate)
}
