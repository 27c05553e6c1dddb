//! Audio streaming: JSON text messages, µ-law at 8000 Hz in base64.
//!
//! | message in (Plivo docs unless said) | event |
//! |---|---|
//! | `start` | `Start`, with what is in `extra_headers`; a second one is unknown |
//! | `media`, track `inbound` | `Audio`; another track gives nothing. Its timestamp is wall time: the first is taken for the stream's start |
//! | `dtmf` | `Dtmf` |
//! | `playedStream` | `Mark` |
//! | `clearedAudio` | `Cleared` |
//! | `stop` (field reports) | `Stop` |
//! | anything else | `Unknown` |
//!
//! There is no greeting before the start, and nothing tells the end but the socket's.

use crate::NAME;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, FrameRules};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, WireMessage,
};
use telephony_core::{CallId, Error, ErrorKind, Result, StreamId};

/// The format of every stream, both ways.
pub(crate) const FORMAT: AudioFormat = AudioFormat::MULAW_8000;
/// The same, as the answer asks for it.
pub(crate) const CONTENT_TYPE: &str = "audio/x-mulaw;rate=8000";

/// Whole frames of 20 ms.
const FRAME_BYTES: usize = 160;
/// One second in a message at most: a long message cannot be taken back. Plivo takes 16 KB of base64.
const MAX_FRAMES: usize = 50;
/// Plivo warns when a third of its 40 s are full (best practices).
const MAX_LEAD: Duration = Duration::from_secs(10);
/// Names of SIP headers that Plivo hands on begin with this.
const HEADER_PREFIX: &str = "X-PH-";

/// Padding is not insisted on.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const OPERATION: &str = "read media message";

/// The protocol of one media stream.
#[derive(Debug, Default)]
pub(crate) struct PlivoCodec {
    /// The stream's id as a JSON text, once it has one.
    stream: Option<String>,
    /// The wall time of the first audio, in milliseconds.
    began: Option<u64>,
}

impl MediaCodec for PlivoCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let WireMessage::Text(text) = &message else {
            return Err(unreadable("a binary message, which Plivo never sends"));
        };
        // Once for all of it, which is faster than for each of its texts.
        let text = std::str::from_utf8(text).map_err(|_| unreadable("text that is not UTF-8"))?;
        // serde's own words are not kept: they may quote what the caller pressed.
        let parsed: Message<'_> = serde_json::from_str(text)
            .map_err(|_| unreadable("not a JSON object with an event and known fields"))?;
        let event = match parsed.event.as_ref() {
            "media" => self.read_media(parsed.media)?,
            "playedStream" => Some(read_mark(parsed.name)?),
            "clearedAudio" => Some(CodecEvent::Cleared),
            "dtmf" => Some(read_dtmf(parsed.dtmf)?),
            "stop" => Some(CodecEvent::Stop { reason: None }),
            "start" if self.stream.is_none() => {
                let start = read_start(parsed.start, parsed.extra_headers)?;
                let id = start.stream_id.as_ref();
                self.stream = id.map(|id| Value::from(id.as_str()).to_string());
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
        let Some(id) = &self.stream else {
            let detail = "the stream has not started: it has no id yet";
            return Err(
                Error::new(ErrorKind::Internal, "write media message", detail).with_provider(NAME),
            );
        };
        let text = match command {
            MediaCommand::Audio(audio) if audio.is_empty() => return Ok(()),
            MediaCommand::Audio(audio) => play_audio(audio),
            MediaCommand::Mark(name) => {
                let name = Value::from(name);
                format!(r#"{{"event":"checkpoint","streamId":{id},"name":{name}}}"#)
            }
            MediaCommand::Clear => format!(r#"{{"event":"clearAudio","streamId":{id}}}"#),
            _ => {
                let detail = "Plivo's streams have no such command";
                return Err(Error::unsupported("write media message", detail).with_provider(NAME));
            }
        };
        out.push(WireMessage::text(text));
        Ok(())
    }
}

fn play_audio(audio: &Bytes) -> String {
    let head = r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":""#;
    let end = r#""}}"#;
    let payload = audio.len().div_ceil(3) * 4;
    let mut text = String::with_capacity(head.len() + payload + end.len());
    text.push_str(head);
    STANDARD.encode_string(audio, &mut text);
    text.push_str(end);
    text
}

/// Any message. The counters are not read: the socket keeps the order.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    name: Option<Value>,
    dtmf: Option<Map<String, Value>>,
    start: Option<Map<String, Value>>,
    extra_headers: Option<Value>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow)]
    track: Option<Cow<'a, str>>,
    timestamp: Option<Value>,
    #[serde(borrow)]
    payload: Option<Cow<'a, str>>,
}

impl PlivoCodec {
    /// The caller's audio.
    fn read_media(&mut self, media: Option<Media<'_>>) -> Result<Option<CodecEvent>> {
        let media = media.ok_or_else(|| unreadable("media without `media`"))?;
        if media
            .track
            .is_some_and(|track| !track.starts_with("inbound"))
        {
            return Ok(None);
        }
        let payload = media
            .payload
            .ok_or_else(|| unreadable("media without a payload"))?;
        let payload = LENIENT
            .decode(payload.as_bytes())
            .map_err(|_| unreadable("media whose payload is not base64"))?;
        let at = media.timestamp.as_ref().map(text_of);
        let at: Option<u64> = at.and_then(|at| at.trim().parse().ok());
        let timestamp = at.map(|at| {
            let began = *self.began.get_or_insert(at);
            Duration::from_millis(at.saturating_sub(began))
        });
        Ok(Some(CodecEvent::Audio {
            payload: payload.into(),
            timestamp,
        }))
    }
}

fn read_mark(name: Option<Value>) -> Result<CodecEvent> {
    match name {
        Some(Value::String(name)) => Ok(CodecEvent::Mark { name }),
        _ => Err(unreadable("a checkpoint without a name")),
    }
}

fn read_dtmf(dtmf: Option<Map<String, Value>>) -> Result<CodecEvent> {
    let digit = dtmf
        .as_ref()
        .and_then(|dtmf| dtmf.get("digit"))
        .map(text_of);
    let digit = digit.ok_or_else(|| unreadable("a key press without a digit"))?;
    let mut keys = digit.chars().map(|key| key.to_ascii_uppercase());
    match (keys.next(), keys.next()) {
        (Some(digit @ ('0'..='9' | 'A'..='D' | '*' | '#')), None) => Ok(CodecEvent::Dtmf {
            digit,
            duration: None,
        }),
        _ => Err(unreadable("a key press that is not one of 0-9 A-D * #")),
    }
}

fn read_start(start: Option<Map<String, Value>>, headers: Option<Value>) -> Result<StreamStart> {
    let start = start.ok_or_else(|| unreadable("start without `start`"))?;
    check_format(start.get("mediaFormat"))?;
    let text = |name: &str| start.get(name).and_then(Value::as_str);
    let id = text("streamId").ok_or_else(|| unreadable("start without a streamId"))?;
    let rules = FrameRules::new(FRAME_BYTES, FRAME_BYTES, FRAME_BYTES * MAX_FRAMES);
    let rules = rules.map_err(|error| {
        let detail = "the frame rules contradict each other";
        Error::new(ErrorKind::Internal, OPERATION, detail).with_source(error)
    })?;
    let mut begun = StreamStart::new(FORMAT, rules);
    begun.max_lead = Some(MAX_LEAD);
    begun.stream_id = Some(StreamId::new(id).map_err(|_| unreadable("a streamId that is no id"))?);
    begun.call_id = match text("callId") {
        Some(id) => Some(CallId::new(id).map_err(|_| unreadable("a callId that is no id"))?),
        None => None,
    };
    begun.parameters = headers.map(read_headers).unwrap_or_default();
    Ok(begun)
}

/// What is not said is as the answer asked for; what is said must be what we can play.
fn check_format(format: Option<&Value>) -> Result<()> {
    let differs = |name: &str, wanted: &str| {
        let said = format.and_then(|format| format.get(name));
        let said = said.filter(|said| !said.is_null());
        said.is_some_and(|said| !text_of(said).eq_ignore_ascii_case(wanted))
    };
    if differs("encoding", "audio/x-mulaw") || differs("sampleRate", "8000") {
        let detail = "the stream is not audio/x-mulaw at 8000 Hz";
        return Err(Error::new(ErrorKind::Closed, OPERATION, detail).with_provider(NAME));
    }
    Ok(())
}

/// `a=1;b=2` in some of Plivo's pages, `a=1,b=2` in others; JSON is taken, too.
fn read_headers(headers: Value) -> BTreeMap<String, String> {
    let object = match headers {
        Value::Object(object) => object,
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => object,
            _ => text
                .trim_matches(['{', '}'])
                .split([',', ';'])
                .filter_map(|pair| pair.split_once(['=', ':']))
                .map(|(name, value)| (name.to_owned(), Value::from(value.trim())))
                .collect(),
        },
        _ => Map::new(),
    };
    let named = |(name, value): (String, Value)| {
        let name = name.trim();
        let bare = match name.get(..HEADER_PREFIX.len()) {
            Some(head) if head.eq_ignore_ascii_case(HEADER_PREFIX) => &name[HEADER_PREFIX.len()..],
            _ => name,
        };
        (bare.to_owned(), text_of(&value))
    };
    object.into_iter().map(named).collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn unreadable(detail: &str) -> Error {
    Error::new(ErrorKind::Malformed, OPERATION, detail).with_provider(NAME)
}
