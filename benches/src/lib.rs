//! What the benchmarks share: the messages of each carrier, and three ways of handling one.
//!
//! [`ours`] is the library. [`bare`] is the least that anybody can do: it knows where the payload lies, checks nothing and
//! allocates nothing. [`obvious`] is what most of us would write first: owned structs, a `Vec` for each step, and the FFT
//! resampler of a well-known crate. `cargo bench -p telephony-benches` compares them.
//!
//! ```
//! use telephony::audio::SampleRate;
//! use telephony_benches::{Carrier, bare, obvious, ours};
//!
//! let rate = SampleRate::HZ_16000;
//! // 20 ms in each way: as many bytes for the app.
//! assert_eq!(ours::receiver(Carrier::Twilio, rate)(), 640);
//! assert_eq!(bare::receiver(Carrier::Twilio, rate)(), 640);
//! assert_eq!(obvious::receiver(Carrier::Twilio, rate)(), 640);
//! ```
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that fails may as well stop"
)]

pub mod bare;
mod carrier;
pub mod obvious;
pub mod ours;

pub use carrier::{Carrier, Frame, Ring};

use std::time::Duration;
use telephony::audio::tone::tone;
use telephony::audio::{AudioFormat, Encoding, SampleRate, encode};

/// The length of a frame.
pub const FRAME: Duration = Duration::from_millis(20);

/// What an app has: little-endian PCM16 at that rate.
#[must_use]
pub fn pcm16(rate: SampleRate) -> AudioFormat {
    AudioFormat::new(Encoding::Pcm16Le, rate)
}

/// 20 ms of a tone in that format: whole periods, so that frames join.
#[must_use]
pub fn sound(format: AudioFormat) -> Vec<u8> {
    let mut audio = Vec::new();
    let samples = tone(format.rate, 400.0, FRAME, 0.3);
    encode(format.encoding, &samples, &mut audio);
    audio
}

/// Handles the next 20 ms; how many bytes came out.
pub type Step = Box<dyn FnMut() -> usize>;
