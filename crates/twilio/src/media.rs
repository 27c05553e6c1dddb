//! Media Streams: JSON text messages, µ-law at 8000 Hz in base64.
//!
//! | message in (Twilio docs) | event |
//! |---|---|
//! | `connected` | none: the stream begins with `start` |
//! | `start` | `Start`, with the custom parameters; a second one is unknown |
//! | `media`, track `inbound` | `Audio`; another track gives nothing |
//! | `dtmf` | `Dtmf` |
//! | `mark` | `Mark`; Twilio sends pending marks back after a `clear` too |
//! | `stop` | `Stop` |
//! | anything else | `Unknown` |
//!
//! What goes out is exactly what the docs show: Twilio drops a message with any other field and says so once (31951).

use crate::NAME;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, FrameRules};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, WireMessage,
};
use telephony_core::{CallId, Error, ErrorKind, Result, StreamId};

/// The format of every stream, both ways.
pub(crate) const FORMAT: AudioFormat = AudioFormat::MULAW_8000;
/// Whole frames of 20 ms: other sizes are blamed for clicks at the edges (field reports).
const FRAME_BYTES: usize = 160;
/// One second in a message at most. Twilio takes any size; a long message cannot be taken back.
const MAX_FRAMES: usize = 50;

/// Twilio discards what is beyond ten minutes (31931).
const MAX_LEAD: Duration = Duration::from_secs(9 * 60);

/// Padding is not insisted on.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The protocol of one media stream.
#[derive(Debug, Default)]
pub(crate) struct TwilioCodec {
    wire: Option<Wire>,
}

/// What our messages begin with, once the stream has an id.
#[derive(Debug)]
struct Wire {
    media: String,
    mark: String,
    clear: String,
}

impl MediaCodec for TwilioCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let WireMessage::Text(text) = &message else {
            return Err(unreadable("a binary message, which Twilio never sends"));
        };
        // Once for all of it, which is faster than for each of its texts.
        let text = std::str::from_utf8(text).map_err(|_| unreadable("text that is not UTF-8"))?;
        // serde's own words are not kept: they may quote what the caller pressed.
        let parsed: Message<'_> = serde_json::from_str(text)
            .map_err(|_| unreadable("not a JSON object with an event and known fields"))?;
        let event = match parsed.event.0.as_ref() {
            "media" => read_media(parsed.media)?,
            "mark" => Some(read_mark(parsed.mark)?),
            "dtmf" => Some(read_dtmf(parsed.dtmf)?),
            "stop" => Some(CodecEvent::Stop { reason: None }),
            "connected" => None,
            "start" if self.wire.is_none() => {
                let start = read_start(parsed.start, parsed.stream_sid)?;
                self.wire = start.stream_id.as_ref().map(Wire::new);
                Some(CodecEvent::Start(Box::new(start)))
            }
            name => Some(CodecEvent::Unknown {
                name: name.chars().take(64).collect(),
                raw: message.clone(),
            }),
        };
        decoded.events.extend(event);
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        let Some(wire) = &self.wire else {
            let detail = "the stream has not started: it has no streamSid yet";
            return Err(
                Error::new(ErrorKind::Internal, "write media message", detail).with_provider(NAME),
            );
        };
        let text = match command {
            MediaCommand::Audio(audio) if audio.is_empty() => return Ok(()),
            MediaCommand::Audio(audio) => wire.media(audio),
            MediaCommand::Mark(name) => wire.mark(name),
            MediaCommand::Clear => wire.clear.clone(),
            _ => {
                let detail = "Twilio's media streams have no such command";
                return Err(Error::unsupported("write media message", detail).with_provider(NAME));
            }
        };
        out.push(WireMessage::text(text));
        Ok(())
    }
}

impl Wire {
    fn new(id: &StreamId) -> Self {
        let id = Value::from(id.as_str()); // Displayed as a JSON text, escaped.
        Self {
            media: format!(r#"{{"event":"media","streamSid":{id},"media":{{"payload":""#),
            mark: format!(r#"{{"event":"mark","streamSid":{id},"mark":{{"name":"#),
            clear: format!(r#"{{"event":"clear","streamSid":{id}}}"#),
        }
    }

    fn media(&self, audio: &Bytes) -> String {
        let end = r#""}}"#;
        let payload = audio.len().div_ceil(3) * 4;
        let mut text = String::with_capacity(self.media.len() + payload + end.len());
        text.push_str(&self.media);
        STANDARD.encode_string(audio, &mut text);
        text.push_str(end);
        text
    }

    fn mark(&self, name: &str) -> String {
        format!("{}{}}}}}", self.mark, Value::from(name))
    }
}

/// Any message. The counters are not read: time is told by the timestamp, and the socket keeps the order.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Option<Text<'a>>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    #[serde(borrow)]
    mark: Option<Mark<'a>>,
    #[serde(borrow)]
    dtmf: Option<Dtmf<'a>>,
    start: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow)]
    track: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    payload: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Mark<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow)]
    digit: Option<Text<'a>>,
}

/// A text, or a number where Twilio writes texts.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E>(self, number: u64) -> std::result::Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E>(self, number: i64) -> std::result::Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> std::result::Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

/// The caller's audio. Other tracks come on one-way streams only, and are not the caller.
fn read_media(media: Option<Media<'_>>) -> Result<Option<CodecEvent>> {
    let media = media.ok_or_else(|| unreadable("media without `media`"))?;
    if media
        .track
        .is_some_and(|track| !track.0.starts_with("inbound"))
    {
        return Ok(None);
    }
    let payload = media
        .payload
        .ok_or_else(|| unreadable("media without a payload"))?;
    Ok(Some(CodecEvent::Audio {
        payload: read_payload(payload.0.as_bytes())?,
        timestamp: media
            .timestamp
            .and_then(|text| text.0.trim().parse().ok())
            .map(Duration::from_millis),
    }))
}

fn read_payload(base64: &[u8]) -> Result<Bytes> {
    let digits = base64.len()
        - base64
            .iter()
            .rev()
            .take_while(|byte| **byte == b'=')
            .count();
    // Exactly as long as it gets, so that the bytes need not be moved again.
    let mut audio = vec![0; digits * 3 / 4];
    match LENIENT.decode_slice(base64, &mut audio) {
        Ok(length) if length == audio.len() => Ok(Bytes::from(audio)),
        _ => Err(unreadable("media whose payload is not base64")),
    }
}

fn read_mark(mark: Option<Mark<'_>>) -> Result<CodecEvent> {
    let name = mark.and_then(|mark| mark.name);
    let name = name.ok_or_else(|| unreadable("a mark without a name"))?;
    Ok(CodecEvent::Mark {
        name: name.0.into_owned(),
    })
}

fn read_dtmf(dtmf: Option<Dtmf<'_>>) -> Result<CodecEvent> {
    let digit = dtmf.and_then(|dtmf| dtmf.digit);
    let digit = digit.ok_or_else(|| unreadable("a key press without a digit"))?;
    let mut keys = digit.0.chars().map(|key| key.to_ascii_uppercase());
    match (keys.next(), keys.next()) {
        (Some(digit @ ('0'..='9' | 'A'..='D' | '*' | '#')), None) => Ok(CodecEvent::Dtmf {
            digit,
            duration: None,
        }),
        _ => Err(unreadable("a key press that is not one of 0-9 A-D * #")),
    }
}

fn read_start(
    start: Option<Map<String, Value>>,
    stream_sid: Option<Text<'_>>,
) -> Result<StreamStart> {
    let start = start.ok_or_else(|| unreadable("start without `start`"))?;
    check_format(start.get("mediaFormat"))?;
    let text = |name: &str| start.get(name).and_then(Value::as_str);
    let stream_sid = text("streamSid").or(stream_sid.as_ref().map(|sid| sid.0.as_ref()));
    let stream_sid = stream_sid.ok_or_else(|| unreadable("start without a streamSid"))?;
    let rules = FrameRules::new(FRAME_BYTES, FRAME_BYTES, FRAME_BYTES * MAX_FRAMES);
    let rules = rules.map_err(|error| {
        let detail = "the frame rules contradict each other";
        Error::new(ErrorKind::Internal, OPERATION, detail).with_source(error)
    })?;
    let mut begun = StreamStart::new(FORMAT, rules);
    begun.max_lead = Some(MAX_LEAD);
    begun.stream_id =
        Some(StreamId::new(stream_sid).map_err(|_| unreadable("a streamSid that is no id"))?);
    begun.call_id = match text("callSid") {
        Some(sid) => Some(CallId::new(sid).map_err(|_| unreadable("a callSid that is no id"))?),
        None => None,
    };
    if let Some(Value::Object(parameters)) = start.get("customParameters") {
        begun.parameters = parameters
            .iter()
            .map(|(name, value)| (name.clone(), text_of(value)))
            .collect();
    }
    Ok(begun)
}

/// What is not said is as documented; what is said must be what we can play.
fn check_format(format: Option<&Value>) -> Result<()> {
    let differs = |name: &str, wanted: &str| {
        let said = format.and_then(|format| format.get(name));
        let said = said.filter(|said| !said.is_null());
        said.is_some_and(|said| !text_of(said).eq_ignore_ascii_case(wanted))
    };
    if differs("encoding", "audio/x-mulaw")
        || differs("sampleRate", "8000")
        || differs("channels", "1")
    {
        let detail = "the stream is not mono audio/x-mulaw at 8000 Hz";
        return Err(Error::new(ErrorKind::Closed, OPERATION, detail).with_provider(NAME));
    }
    Ok(())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

const OPERATION: &str = "read media message";

fn unreadable(detail: &str) -> Error {
    Error::new(ErrorKind::Malformed, OPERATION, detail).with_provider(NAME)
}
