//! Exotel's media protocol: JSON text messages with 16-bit little-endian PCM in base64.

mod wire;

use crate::answer::RATE_PARAMETER;
use crate::config::MediaFields;
use crate::number;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, Encoding, FrameRules, Pcm16Carry, SampleRate};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, WireMessage,
};
use telephony_core::{CallId, Error, ErrorKind, Result, StreamId};
use wire::{Message, member, parameters, sample_rate, text};

/// Padding is documented; nothing is lost by doing without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Room for everything in an audio message but the audio and the stream's id.
const ENVELOPE_BYTES: usize = 160;
/// The shortest lead that keeps jitter inaudible.
const MIN_LEAD: Duration = Duration::from_millis(200);
/// Later than that after the stream's start (which lasts an hour at most) is no time.
const MAX_TIMESTAMP_MS: f64 = 7.0 * 24.0 * 3_600_000.0;
/// The longest name of an unknown event that is kept, in characters.
const MAX_NAME_CHARS: usize = 64;

/// The codec of one stream.
#[derive(Debug)]
pub(crate) struct ExotelCodec {
    fields: MediaFields,
    frames: FrameRules,
    /// What the stream has where its start does not say.
    rate: SampleRate,
    /// The stream's id as JSON, quotes included.
    stream_sid: String,
    started: bool,
    carry: Pcm16Carry,
    chunks_sent: u64,
    /// What was sent before, in time.
    position: u64,
}

impl ExotelCodec {
    pub(crate) fn new(rate: SampleRate, frames: FrameRules, fields: MediaFields) -> Self {
        Self {
            fields,
            frames,
            rate,
            stream_sid: "\"\"".to_owned(),
            started: false,
            carry: Pcm16Carry::new(),
            chunks_sent: 0,
            position: 0,
        }
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::new(Encoding::Pcm16Le, self.rate)
    }
}

impl MediaCodec for ExotelCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let WireMessage::Text(raw) = &message else {
            let name = "binary".to_owned();
            decoded
                .events
                .push_back(CodecEvent::Unknown { name, raw: message });
            return Ok(());
        };
        if raw.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(malformed("the message is not a JSON object"));
        }
        // Once for all of it, which is faster than for each of its texts.
        let text = std::str::from_utf8(raw).map_err(|_| malformed("the message is not UTF-8"))?;
        // The text of serde's error may hold what was said.
        let read: Message<'_> =
            serde_json::from_str(text).map_err(|_| malformed("the message cannot be read"))?;
        match read.event.as_str() {
            "media" => {
                if let Some(audio) = self.audio(&read)? {
                    decoded.events.push_back(audio);
                }
            }
            "start" if !self.started => {
                let start = self.start(&read);
                decoded.events.push_back(CodecEvent::Start(Box::new(start)));
            }
            "dtmf" => decoded.events.extend(keys(&read)?),
            "mark" => decoded.events.push_back(mark(&read)?),
            "stop" => decoded.events.push_back(CodecEvent::Stop {
                reason: member(&read.stop, "reason", "reason"),
            }),
            // A greeting, and an event that the documentation lists and never explains.
            "connected" | "clear" => {}
            _ => {
                let name = read.event.to_text().chars().take(MAX_NAME_CHARS).collect();
                decoded
                    .events
                    .push_back(CodecEvent::Unknown { name, raw: message });
            }
        }
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        let sid = &self.stream_sid;
        let message = match command {
            MediaCommand::Audio(audio) => self.write_audio(audio),
            MediaCommand::Mark(name) => {
                let name = Value::from(name);
                format!(r#"{{"event":"mark","stream_sid":{sid},"mark":{{"name":{name}}}}}"#)
            }
            MediaCommand::Clear => format!(r#"{{"event":"clear","stream_sid":{sid}}}"#),
            _ => {
                return Err(
                    Error::unsupported("write media", "Exotel has no such command")
                        .with_provider(crate::NAME),
                );
            }
        };
        out.push(WireMessage::text(message));
        Ok(())
    }
}

impl ExotelCodec {
    fn start(&mut self, message: &Message<'_>) -> StreamStart {
        let start = &message.start;
        let named = [&message.stream_sid, &message.stream_sid_camel]
            .into_iter()
            .map(|sid| sid.to_text());
        let id = named
            .filter(|sid| !sid.is_empty())
            .chain(member(start, "stream_sid", "streamSid"))
            .find_map(|sid| StreamId::new(sid).ok());
        let handed_back = ["custom_parameters", "customParameters"]
            .into_iter()
            .find_map(|name| start.get(name))
            .map(parameters)
            .unwrap_or_default();
        // Said in the start; else as our URL asked for it; else as the account is configured.
        let said = ["media_format", "mediaFormat"]
            .into_iter()
            .find_map(|name| member(start.get(name)?, "sample_rate", "sampleRate"));
        let asked = [RATE_PARAMETER, "sample_rate"]
            .into_iter()
            .find_map(|name| handed_back.get(name));
        self.rate = [said.as_ref(), asked]
            .into_iter()
            .flatten()
            .find_map(|text| sample_rate(text))
            .unwrap_or(self.rate);
        self.started = true;
        self.stream_sid = Value::from(id.as_ref().map_or("", StreamId::as_str)).to_string();

        let format = self.format();
        let mut begun = StreamStart::new(format, self.frames);
        begun.max_lead =
            Some((format.duration_of(self.frames.preferred_bytes()) * 2).max(MIN_LEAD));
        begun.stream_id = id;
        begun.call_id = member(start, "call_sid", "callSid").and_then(|sid| CallId::new(sid).ok());
        begun.from = member(start, "from", "from").map(|number| number::party(&number));
        begun.to = member(start, "to", "to").map(|number| number::party(&number));
        begun.parameters = handed_back;
        begun
    }

    /// The audio of a message, if it has any.
    fn audio(&mut self, message: &Message<'_>) -> Result<Option<CodecEvent>> {
        let Some(media) = &message.media else {
            return Ok(None);
        };
        let payload = decode_base64(media.payload.as_str())?;
        if payload.is_empty() {
            return Ok(None);
        }
        let timestamp = media
            .timestamp
            .as_number()
            .filter(|ms| (0.0..=MAX_TIMESTAMP_MS).contains(ms))
            .map(|ms| Duration::from_micros((ms * 1_000.0) as u64));
        let payload = self.carry.feed(payload);
        Ok(Some(CodecEvent::Audio { payload, timestamp }))
    }

    /// The documented superset: counters as texts, which is how Exotel writes them itself.
    fn write_audio(&mut self, audio: &Bytes) -> String {
        let room = ENVELOPE_BYTES + self.stream_sid.len() + audio.len().div_ceil(3) * 4;
        let mut out = String::with_capacity(room);
        out.push_str(r#"{"event":"media","stream_sid":"#);
        out.push_str(&self.stream_sid);
        self.chunks_sent += 1;
        match self.fields {
            MediaFields::Full => {
                let (count, ms) = (self.chunks_sent, self.position_ms());
                // Writing to a `String` cannot fail.
                let _ = write!(
                    out,
                    r#","sequence_number":"{count}","media":{{"chunk":"{count}","timestamp":"{ms}","payload":""#
                );
            }
            MediaFields::Minimal => out.push_str(r#","media":{"payload":""#),
        }
        STANDARD.encode_string(audio, &mut out);
        out.push_str("\"}}");
        self.position += audio.len() as u64;
        out
    }

    /// Where the next audio lies in what was sent, in milliseconds.
    fn position_ms(&self) -> u64 {
        self.position * 1_000 / self.format().bytes_per_second()
    }
}

fn decode_base64(text: &str) -> Result<Bytes> {
    // Exactly as much as comes out, so that the bytes are taken over as they are.
    let mut audio = vec![0; text.trim_end_matches('=').len() * 3 / 4];
    let fail = |_| malformed("the audio is not base64");
    let length = LENIENT.decode_slice(text, &mut audio).map_err(fail)?;
    audio.truncate(length);
    Ok(Bytes::from(audio))
}

/// A key is one character; more of them are taken one by one.
fn keys(message: &Message<'_>) -> Result<Vec<CodecEvent>> {
    let dtmf = &message.dtmf;
    let digits = member(dtmf, "digit", "digits")
        .or_else(|| text(dtmf))
        .or_else(|| text(&message.digit));
    let digits = digits.ok_or_else(|| malformed("the key press has no key"))?;
    let ms = member(dtmf, "duration", "duration").and_then(|ms| ms.parse().ok());
    let duration = ms
        .filter(|ms: &u64| *ms <= 60_000)
        .map(Duration::from_millis);
    digits
        .chars()
        .map(|digit| match digit.to_ascii_uppercase() {
            digit @ ('0'..='9' | '*' | '#' | 'A'..='D') => Ok(CodecEvent::Dtmf { digit, duration }),
            _ => Err(malformed("the key press is of no key")),
        })
        .collect()
}

fn mark(message: &Message<'_>) -> Result<CodecEvent> {
    let name = member(&message.mark, "name", "name").or_else(|| text(&message.mark));
    let name = name.ok_or_else(|| malformed("the mark has no name"))?;
    Ok(CodecEvent::Mark { name })
}

fn malformed(detail: &'static str) -> Error {
    Error::new(ErrorKind::Malformed, "read media", detail).with_provider(crate::NAME)
}
