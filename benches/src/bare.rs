//! The least that can be done with a frame: base64, a table, a filter, and buffers that are there already.
//!
//! The filter is the library's own, for it is the fastest that we know for its quality; how it compares to a plain loop is
//! measured on its own, with [`PlainFir`].

use crate::{Carrier, Ring, Step, pcm16, sound};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::hint::black_box;
use telephony::audio::{Encoding, Resampler, SampleRate, g711};

/// Wire to PCM16.
#[must_use]
pub fn receiver(carrier: Carrier, rate: SampleRate) -> Step {
    let wire = carrier.wire();
    let mut ring = Ring::new(carrier);
    let mut resampler = (wire.rate != rate).then(|| Resampler::new(wire.rate, rate).unwrap());
    let table: Vec<i16> = (0..=u8::MAX).map(g711::decode_mulaw_sample).collect();
    let mut audio = vec![0; 1_024];
    let (mut samples, mut resampled, mut out) = (Vec::new(), Vec::new(), Vec::new());
    Box::new(move || {
        let frame = ring.advance();
        let payload = &frame.bytes()[frame.payload.clone()];
        let audio = if carrier == Carrier::Vonage {
            payload
        } else {
            let length = STANDARD.decode_slice(payload, &mut audio).unwrap();
            &audio[..length]
        };
        if wire.encoding == Encoding::Pcm16Le && resampler.is_none() {
            return black_box(audio).len();
        }
        samples.clear();
        if wire.encoding == Encoding::Mulaw {
            samples.extend(audio.iter().map(|&code| table[usize::from(code)]));
        } else {
            samples.extend(
                audio
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&pair| i16::from_le_bytes(pair)),
            );
        }
        let samples = match &mut resampler {
            Some(resampler) => {
                resampled.clear();
                resampler.process(&samples, &mut resampled);
                &resampled
            }
            None => &samples,
        };
        write_le(samples, &mut out);
        black_box(&out).len()
    })
}

/// PCM16 to wire.
#[must_use]
pub fn sender(carrier: Carrier, rate: SampleRate) -> Step {
    let wire = carrier.wire();
    let sound = sound(pcm16(rate));
    let mut resampler = (wire.rate != rate).then(|| Resampler::new(rate, wire.rate).unwrap());
    // µ-law looks at the upper 14 bits only.
    let table: Vec<u8> = (0..1 << 14)
        .map(|code: u16| g711::encode_mulaw_sample((code << 2).cast_signed()))
        .collect();
    let before = carrier.frame(0, &[]);
    let (start, end) = before.bytes().split_at(before.payload.start);
    let (start, end) = (start.to_vec(), end.to_vec());
    let (mut samples, mut resampled, mut audio) = (Vec::new(), Vec::new(), Vec::new());
    let mut message = vec![0; 2_048];
    Box::new(move || {
        let input = black_box(&sound[..]);
        let audio = if wire == pcm16(rate) {
            input
        } else {
            samples.clear();
            samples.extend(
                input
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&pair| i16::from_le_bytes(pair)),
            );
            let samples = match &mut resampler {
                Some(resampler) => {
                    resampled.clear();
                    resampler.process(&samples, &mut resampled);
                    &resampled
                }
                None => &samples,
            };
            if wire.encoding == Encoding::Mulaw {
                audio.clear();
                audio.extend(
                    samples
                        .iter()
                        .map(|&sample| table[usize::from(sample.cast_unsigned() >> 2)]),
                );
            } else {
                write_le(samples, &mut audio);
            }
            &audio[..]
        };
        if carrier == Carrier::Vonage {
            return black_box(audio).len();
        }
        message[..start.len()].copy_from_slice(&start);
        let mut length = start.len();
        length += STANDARD
            .encode_slice(audio, &mut message[length..])
            .unwrap();
        message[length..length + end.len()].copy_from_slice(&end);
        black_box(&message[..length + end.len()]).len()
    })
}

fn write_le(samples: &[i16], out: &mut Vec<u8>) {
    out.resize(samples.len() * 2, 0);
    for (place, sample) in out.as_chunks_mut().0.iter_mut().zip(samples) {
        *place = sample.to_le_bytes();
    }
}

/// A polyphase filter from 8 to 16 kHz as a plain loop, as long as the library's.
#[derive(Debug)]
pub struct PlainFir {
    phases: [[f32; Self::TAPS]; 2],
    samples: Vec<f32>,
}

impl PlainFir {
    const TAPS: usize = 40;

    /// With a window that is good enough to be heard through.
    #[must_use]
    pub fn new() -> Self {
        let phases = [0, 1].map(|phase| {
            std::array::from_fn(|tap| {
                let half = Self::TAPS as f32 / 2.0;
                let at = tap as f32 - half + 1.0 - phase as f32 / 2.0;
                let window = 0.5 + 0.5 * (std::f32::consts::PI * at / half).cos();
                let angle = std::f32::consts::PI * at;
                let sinc = if angle == 0.0 {
                    1.0
                } else {
                    angle.sin() / angle
                };
                sinc * window
            })
        });
        Self {
            phases,
            samples: vec![0.0; Self::TAPS - 1],
        }
    }

    /// Appends twice as many samples as there are in `input`.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        self.samples.extend(input.iter().map(|&s| f32::from(s)));
        for window in self.samples.windows(Self::TAPS) {
            for taps in &self.phases {
                // Four sums side by side, for vectors of the baseline CPU.
                let mut sums = [0.0_f32; 4];
                let pairs = taps
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .zip(window.as_chunks::<4>().0);
                for (taps, samples) in pairs {
                    for ((sum, tap), sample) in sums.iter_mut().zip(taps).zip(samples) {
                        *sum += tap * sample;
                    }
                }
                out.push(sums.iter().sum::<f32>() as i16);
            }
        }
        self.samples.drain(..input.len());
    }
}

impl Default for PlainFir {
    fn default() -> Self {
        Self::new()
    }
}
