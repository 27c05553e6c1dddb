//! Telephone audio: G.711, PCM16, resampling and frames.
//!
//! A carrier speaks one encoding in messages of one shape; a voice engine speaks another in chunks of any size. This
//! crate is what lies between: plain functions and small state machines that neither wait nor know what a call is.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use telephony_audio::{AudioFormat, Encoding, FrameRules, Framer, convert, tone};
//!
//! # fn main() -> Result<(), telephony_audio::FrameRulesError> {
//! // A voice engine hands over 50 ms of 16-bit samples: here a 440 Hz tone at half of full scale.
//! let engine = AudioFormat::PCM16_8000;
//! let carrier = AudioFormat::MULAW_8000;
//! let samples = tone::tone(engine.rate, 440.0, Duration::from_millis(50), 0.5);
//! let mut speech = Vec::new();
//! telephony_audio::encode(engine.encoding, &samples, &mut speech);
//!
//! // The carrier wants µ-law,
//! let mut mulaw = Vec::new();
//! convert(engine.encoding, carrier.encoding, &speech, &mut mulaw);
//! assert_eq!(mulaw.len(), 400);
//!
//! // in messages of exactly 20 ms.
//! let message = carrier.bytes_in(Duration::from_millis(20));
//! let mut framer = Framer::new(FrameRules::new(message, message, message)?);
//! framer.push(Bytes::from(mulaw));
//!
//! let mut sent = Vec::new();
//! while let Some(frame) = framer.next_frame() {
//!     sent.push(frame.len());
//! }
//! // The utterance is over: its tail is padded with silence.
//! while let Some(frame) = framer.flush(Encoding::Mulaw.silence()) {
//!     sent.push(frame.len());
//! }
//! assert_eq!(sent, [160, 160, 160]);
//! # Ok(())
//! # }
//! ```
//!
//! Where the sample rates differ too, a [`Converter`] takes the whole way, as a stream:
//!
//! ```
//! use telephony_audio::{AudioFormat, Converter};
//!
//! # fn main() -> Result<(), telephony_audio::UnsupportedRates> {
//! let mut to_carrier = Converter::new(AudioFormat::PCM16_24000, AudioFormat::MULAW_8000)?;
//! let mut mulaw = Vec::new();
//! // 20 ms, cut where a network cut them.
//! to_carrier.process(&[0; 333], &mut mulaw);
//! to_carrier.process(&[0; 627], &mut mulaw);
//! assert_eq!(mulaw, [0xFF; 160]);
//! # Ok(())
//! # }
//! ```
//!
//! All audio is mono, as telephone calls are: a *sample* is one value of the one channel.

mod convert;
mod converter;
mod format;
mod framer;
pub mod g711;
pub mod pcm16;
pub mod resample;
pub mod tone;
pub mod voice;

pub use convert::{convert, decode, encode};
pub use converter::Converter;
pub use format::{AudioFormat, Encoding, SampleRate};
pub use framer::{FrameRules, FrameRulesError, Framer};
pub use pcm16::Pcm16Carry;
pub use resample::{Resampler, UnsupportedRates};
pub use voice::{EnergyDetector, VoiceDetector};

/// Keeps the example of the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
