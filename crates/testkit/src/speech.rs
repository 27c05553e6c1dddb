//! What the caller says into the phone.

use std::f64::consts::TAU;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Something to say, at whatever rate the carrier streams.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Speech {
    /// A sine tone, generated at the stream's rate.
    Tone {
        /// Frequency in hertz.
        hz: f64,
        /// How long it sounds.
        duration: Duration,
        /// Peak amplitude, 0.0 to 1.0 of full scale.
        amplitude: f64,
    },
    /// Recorded samples, converted to the stream's rate by linear interpolation.
    Samples {
        /// Signed 16-bit samples, mono.
        samples: Arc<[i16]>,
        /// Samples per second.
        rate: u32,
    },
}

/// Why a WAV file could not be used as speech.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeechError {
    /// The file could not be read, or is no WAV file.
    #[error("the WAV file cannot be read")]
    Wav(#[from] hound::Error),
}

impl Speech {
    /// A tone at half of full scale: loud enough to be told from silence.
    pub fn tone(hz: f64, duration: Duration) -> Self {
        Self::Tone {
            hz,
            duration,
            amplitude: 0.5,
        }
    }

    /// Samples at 8 kHz, the rate of a telephone line.
    pub fn samples_8k(samples: impl Into<Arc<[i16]>>) -> Self {
        Self::Samples {
            samples: samples.into(),
            rate: 8_000,
        }
    }

    /// Samples at any rate.
    pub fn samples(samples: impl Into<Arc<[i16]>>, rate: u32) -> Self {
        Self::Samples {
            samples: samples.into(),
            rate: rate.max(1),
        }
    }

    /// A WAV file of any rate; several channels are mixed into one.
    ///
    /// # Errors
    /// When the file cannot be read or is not a WAV file of integers or floats.
    pub fn wav(path: impl AsRef<Path>) -> Result<Self, SpeechError> {
        let mut reader = hound::WavReader::open(path)?;
        let spec = reader.spec();
        let full_scale = f64::from(1_u32 << (spec.bits_per_sample.clamp(1, 31) - 1));
        let values: Vec<f64> = match spec.sample_format {
            hound::SampleFormat::Float => reader
                .samples::<f32>()
                .map(|value| value.map(f64::from))
                .collect::<Result<_, _>>()?,
            hound::SampleFormat::Int => reader
                .samples::<i32>()
                .map(|value| value.map(|value| f64::from(value) / full_scale))
                .collect::<Result<_, _>>()?,
        };
        let channels = usize::from(spec.channels.max(1));
        let samples: Vec<i16> = values
            .chunks(channels)
            .map(|frame| to_i16(frame.iter().sum::<f64>() / frame.len() as f64))
            .collect();
        Ok(Self::Samples {
            samples: samples.into(),
            rate: spec.sample_rate.max(1),
        })
    }

    /// How long it takes to say this.
    pub fn duration(&self) -> Duration {
        match self {
            Self::Tone { duration, .. } => *duration,
            Self::Samples { samples, rate } => duration_of(samples.len(), *rate),
        }
    }

    /// This speech at `rate` samples per second.
    pub fn render(&self, rate: u32) -> Vec<i16> {
        match self {
            Self::Tone {
                hz,
                duration,
                amplitude,
            } => {
                let count = (duration.as_secs_f64() * f64::from(rate)).round() as usize;
                let step = TAU * hz / f64::from(rate);
                (0..count)
                    .map(|index| to_i16(amplitude * (index as f64 * step).sin()))
                    .collect()
            }
            Self::Samples {
                samples,
                rate: from,
            } => resampled(samples, *from, rate),
        }
    }
}

impl From<Vec<i16>> for Speech {
    /// Samples at 8 kHz.
    fn from(samples: Vec<i16>) -> Self {
        Self::samples_8k(samples)
    }
}

/// Linear interpolation: good enough for the ear of a test, and a few lines.
pub(crate) fn resampled(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let count = (samples.len() as u64 * u64::from(to) / u64::from(from.max(1))) as usize;
    let step = f64::from(from) / f64::from(to.max(1));
    (0..count)
        .map(|index| {
            let position = index as f64 * step;
            let left = position as usize;
            let a = f64::from(samples.get(left).copied().unwrap_or(0));
            let b = f64::from(samples.get(left + 1).copied().unwrap_or(a as i16));
            (a + (b - a) * position.fract()).round() as i16
        })
        .collect()
}

/// How long `samples` last.
pub(crate) fn duration_of(samples: usize, rate: u32) -> Duration {
    Duration::from_nanos((samples as u64).saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}

fn to_i16(value: f64) -> i16 {
    (value.clamp(-1.0, 1.0) * f64::from(i16::MAX)).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_length_at_every_rate() {
        let tone = Speech::tone(440.0, Duration::from_millis(50));
        for (rate, samples) in [(8_000, 400), (16_000, 800), (24_000, 1_200)] {
            let rendered = tone.render(rate);
            assert_eq!(rendered.len(), samples);
            let peak = rendered
                .iter()
                .map(|sample| sample.unsigned_abs())
                .max()
                .unwrap();
            assert!((16_000..17_000).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn samples_are_interpolated() {
        let speech = Speech::samples_8k(vec![0, 100, 200, 300]);
        assert_eq!(speech.render(16_000), [0, 50, 100, 150, 200, 250, 300, 300]);
        assert_eq!(speech.render(8_000), [0, 100, 200, 300]);
        assert!(Speech::samples_8k(vec![]).render(24_000).is_empty());
    }

    #[test]
    fn a_stereo_wav_is_mixed() {
        let path = std::env::temp_dir().join(format!("testkit-speech-{}.wav", std::process::id()));
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for value in [1_000_i16, 3_000, -2_000, 0] {
            writer.write_sample(value).unwrap();
        }
        writer.finalize().unwrap();
        let speech = Speech::wav(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(speech.render(16_000), [2_000, -1_000]);
        assert!(Speech::wav(&path).is_err());
    }
}
