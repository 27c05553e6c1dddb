//! The media socket: binary messages are audio, 16-bit PCM at 16 kHz; text messages are JSON with an `event`.

use super::NAME;
use serde_json::{Map, Value, json};
use telephony_core::audio::{AudioFormat, FrameRules};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, WireMessage,
};
use telephony_core::{CallId, Error, ErrorKind, Result};

/// 20 ms.
const FRAME_BYTES: usize = 640;

/// The protocol of one media stream.
#[derive(Debug)]
pub(super) struct AcmeCodec;

impl MediaCodec for AcmeCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let event = match &message {
            WireMessage::Binary(audio) if audio.len().is_multiple_of(2) => CodecEvent::Audio {
                payload: audio.clone(),
                timestamp: None,
            },
            WireMessage::Text(text) => {
                let said = serde_json::from_slice(text);
                let said = said.map_err(|_| unreadable("the message is no JSON object"))?;
                control(&said, &message)?
            }
            _ => return Err(unreadable("half a sample")),
        };
        decoded.events.push_back(event);
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        out.push(match command {
            MediaCommand::Audio(audio) => WireMessage::Binary(audio.clone()),
            MediaCommand::Mark(name) => {
                WireMessage::text(json!({"event": "mark", "name": name}).to_string())
            }
            MediaCommand::Clear => WireMessage::text(r#"{"event":"clear"}"#),
            _ => {
                let detail = "Acme has no such command";
                return Err(Error::unsupported("write media message", detail).with_provider(NAME));
            }
        });
        Ok(())
    }
}

fn control(said: &Map<String, Value>, message: &WireMessage) -> Result<CodecEvent> {
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(match text("event") {
        "start" => start(said)?,
        "key" => match text("key").parse() {
            Ok(digit @ ('0'..='9' | 'A'..='D' | '*' | '#')) => CodecEvent::Dtmf {
                digit,
                duration: None,
            },
            _ => return Err(unreadable("a key that is none of 0-9 A-D * #")),
        },
        "mark" => CodecEvent::Mark {
            name: text("name").to_owned(),
        },
        "stop" => CodecEvent::Stop { reason: None },
        // What is not known is kept, and the stream goes on.
        name => CodecEvent::Unknown {
            name: name.chars().take(64).collect(),
            raw: message.clone(),
        },
    })
}

fn start(said: &Map<String, Value>) -> Result<CodecEvent> {
    let id = said
        .get("call_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let rules = FrameRules::new(FRAME_BYTES, FRAME_BYTES, FRAME_BYTES);
    let rules = rules.map_err(|_| unreadable("the frame rules contradict each other"))?;
    let mut start = StreamStart::new(AudioFormat::PCM16_16000, rules);
    start.call_id = Some(CallId::new(id).map_err(|_| unreadable("a start without a call"))?);
    if let Some(Value::Object(parameters)) = said.get("parameters") {
        let texts = parameters.iter();
        let texts =
            texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        start.parameters = texts.collect();
    }
    Ok(CodecEvent::Start(Box::new(start)))
}

fn unreadable(detail: &str) -> Error {
    Error::new(ErrorKind::Malformed, "read media message", detail).with_provider(NAME)
}
