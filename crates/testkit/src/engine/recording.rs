//! Recordings of a call: what the person on the phone heard, from one moment to another.

use std::fmt;
use std::io::Cursor;
use std::time::{Duration, SystemTime};

use crate::engine::live::LiveCall;
use crate::speech::resampled;

/// One recording. `Debug` shows no ids and no audio.
#[derive(Clone)]
#[non_exhaustive]
pub struct Recording {
    /// The carrier's id.
    pub id: String,
    /// In the carrier's words.
    pub status: String,
    /// When it began.
    pub begun: SystemTime,
    /// How long it is (call time); `None` while it runs.
    pub length: Option<Duration>,
    /// What the request said, in the carrier's words.
    pub settings: Vec<(String, String)>,
    /// 8 kHz, once it is over.
    audio: Vec<i16>,
    heard_before: usize,
    talked_before: Duration,
}

/// Recordings are kept at the rate of a telephone line.
const RATE: u32 = 8_000;
/// More silence than this is not written down.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

impl Recording {
    /// A recording that begins now.
    pub fn begin(call: &LiveCall, id: impl Into<String>, status: impl Into<String>) -> Self {
        let mut heard_before = 0;
        call.recorder()
            .write(|record| heard_before = record.heard.len());
        Self {
            id: id.into(),
            status: status.into(),
            begun: SystemTime::now(),
            length: None,
            settings: vec![],
            audio: vec![],
            heard_before,
            talked_before: call.talked(),
        }
    }

    /// With what the request said.
    pub fn with_settings(mut self, settings: Vec<(String, String)>) -> Self {
        self.settings = settings;
        self
    }

    /// A setting of the request.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.length.is_none()
    }

    /// It is over: with what was heard since it began, or silence where there was no stream.
    pub fn finish(&mut self, call: &LiveCall, status: impl Into<String>) {
        self.status = status.into();
        let length = call.talked().saturating_sub(self.talked_before);
        self.length = Some(length);
        let from = self.heard_before;
        call.recorder().write(|record| {
            let heard = record.heard.get(from..).unwrap_or_default();
            self.audio = resampled(heard, record.heard_rate.max(1), RATE);
        });
        if self.audio.is_empty() {
            let silence = length.min(LONGEST_SILENCE).as_secs_f64() * f64::from(RATE);
            self.audio = vec![0; silence as usize];
        }
    }

    /// A WAV file: 16 bits, 8 kHz, mono.
    pub fn wav(&self) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = Cursor::new(vec![]);
        let written = hound::WavWriter::new(&mut file, spec).and_then(|mut writer| {
            for sample in &self.audio {
                writer.write_sample(*sample)?;
            }
            writer.finalize()
        });
        // Writing to memory does not fail.
        written.map(|()| file.into_inner()).unwrap_or_default()
    }

    /// An MP3 file of the right length, in which nothing is to be heard: the simulator has no encoder.
    pub fn silent_mp3(&self) -> Vec<u8> {
        // MPEG-2 layer III, 32 kbit/s, 16 kHz, mono: 144 bytes for 36 ms. All zero behind the header is silence.
        const FRAME: usize = 144;
        let frames = self
            .length
            .unwrap_or_default()
            .min(LONGEST_SILENCE)
            .as_millis()
            / 36
            + 1;
        let mut frame = [0; FRAME];
        frame[..4].copy_from_slice(&[0xff, 0xf3, 0x48, 0xc4]);
        frame.repeat(frames as usize)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("status", &self.status)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
