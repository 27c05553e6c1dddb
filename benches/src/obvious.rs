//! What most of us would write first: owned structs, a `Vec` for each step, an FFT resampler.

use crate::{Carrier, Ring, Step, pcm16, sound};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rubato::audioadapter::Adapter as _;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use telephony::audio::{AudioFormat, Encoding, SampleRate, g711};

/// Any message of Twilio or Exotel.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    event: String,
    #[serde(rename = "streamSid", alias = "stream_sid")]
    stream_sid: String,
    #[serde(rename = "sequenceNumber", alias = "sequence_number", default)]
    sequence_number: String,
    media: Option<Media>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Media {
    #[serde(default)]
    track: String,
    #[serde(default)]
    chunk: String,
    #[serde(default)]
    timestamp: String,
    payload: String,
}

/// Wire to PCM16.
#[must_use]
pub fn receiver(carrier: Carrier, rate: SampleRate) -> Step {
    let wire = carrier.wire();
    let mut ring = Ring::new(carrier);
    let mut resampler = resampler(wire, pcm16(rate));
    Box::new(move || {
        let frame = ring.advance();
        let audio = if carrier == Carrier::Vonage {
            frame.bytes().to_vec()
        } else {
            let message: Message = serde_json::from_slice(frame.bytes()).unwrap();
            assert_eq!(message.event, "media");
            STANDARD.decode(message.media.unwrap().payload).unwrap()
        };
        let samples = decode(wire.encoding, &audio);
        let samples = resample(&mut resampler, samples);
        let out: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        black_box(out).len()
    })
}

/// PCM16 to wire.
#[must_use]
pub fn sender(carrier: Carrier, rate: SampleRate) -> Step {
    let wire = carrier.wire();
    let sound = sound(pcm16(rate));
    let mut resampler = resampler(pcm16(rate), wire);
    Box::new(move || {
        let samples = decode(Encoding::Pcm16Le, black_box(&sound));
        let samples = resample(&mut resampler, samples);
        let audio: Vec<u8> = match wire.encoding {
            Encoding::Mulaw => samples
                .iter()
                .map(|&sample| g711::encode_mulaw_sample(sample))
                .collect(),
            _ => samples.iter().flat_map(|s| s.to_le_bytes()).collect(),
        };
        if carrier == Carrier::Vonage {
            return black_box(audio).len();
        }
        let message = Message {
            event: "media".to_owned(),
            stream_sid: "MZ00000000000000000000000000000001".to_owned(),
            sequence_number: "1".to_owned(),
            media: Some(Media {
                track: "outbound".to_owned(),
                chunk: "1".to_owned(),
                timestamp: "1".to_owned(),
                payload: STANDARD.encode(audio),
            }),
        };
        black_box(serde_json::to_string(&message).unwrap()).len()
    })
}

/// The FFT resampler between two rates for chunks of 20 ms.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn resampler(from: AudioFormat, to: AudioFormat) -> Option<Fft<f32>> {
    let (from, to) = (from.rate.hz() as usize, to.rate.hz() as usize);
    (from != to).then(|| Fft::new(from, to, from / 50, 1, FixedSync::Both).unwrap())
}

/// Resamples 20 ms.
///
/// # Panics
/// If it is not 20 ms.
pub fn resample(resampler: &mut Option<Fft<f32>>, samples: Vec<i16>) -> Vec<i16> {
    let Some(resampler) = resampler else {
        return samples;
    };
    let input: Vec<f32> = samples.iter().map(|&s| f32::from(s) / 32_768.0).collect();
    let input = InterleavedSlice::new(&input, 1, input.len()).unwrap();
    let output = resampler.process(&input, None).unwrap();
    (0..output.frames())
        .map(|at| (output.read_sample(0, at).unwrap() * 32_767.0) as i16)
        .collect()
}

fn decode(encoding: Encoding, audio: &[u8]) -> Vec<i16> {
    match encoding {
        Encoding::Mulaw => audio
            .iter()
            .map(|&code| g711::decode_mulaw_sample(code))
            .collect(),
        _ => audio
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect(),
    }
}
