//! Audio streaming, from the carrier's side.
//!
//! <https://plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference>

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::complaint::Finding;
use crate::engine::{
    AppCommand, Capacity, MarksOnClear, MediaWire, PlayoutRules, Received, StopReason, WireMessage,
};
use crate::persona::mulaw;

/// What is not heard yet and goes beyond this is thrown away.
const LONGEST_QUEUE: Duration = Duration::from_secs(40);
/// The longest payload in base64.
const LONGEST_PAYLOAD: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct PlivoWire {
    auth_id: String,
    call: String,
    stream: String,
    /// As they come back: in another form than they were sent in.
    headers: String,
    began: SystemTime,
    started: bool,
    sequence: u64,
    chunk: u64,
}

impl PlivoWire {
    pub(crate) fn new(auth_id: &str, call: &str, stream: &str, headers: &str) -> Self {
        Self {
            auth_id: auth_id.into(),
            call: call.into(),
            stream: stream.into(),
            headers: headers.replace(',', ";"),
            began: SystemTime::now(),
            started: false,
            sequence: 1,
            chunk: 1,
        }
    }

    fn message(&mut self, event: &str, fields: Value) -> Vec<WireMessage> {
        let mut message = json!({
            "event": event,
            "sequenceNumber": self.sequence,
            "streamId": self.stream,
        });
        if let (Value::Object(message), Value::Object(fields)) = (&mut message, fields) {
            message.extend(fields);
        }
        self.sequence += 1;
        vec![WireMessage::json(&message)]
    }

    /// Wall time in milliseconds, as if call time were life.
    fn timestamp(&self, at: Duration) -> String {
        let unix = self.began.duration_since(SystemTime::UNIX_EPOCH);
        (unix.unwrap_or_default() + at).as_millis().to_string()
    }

    fn read(&self, text: &str) -> Result<AppCommand, String> {
        let Ok(Value::Object(message)) = serde_json::from_str(text) else {
            return Err("the message is no JSON object".into());
        };
        if !self.started {
            return Err("the app spoke before the start message".into());
        }
        let Some(event) = message.get("event").and_then(Value::as_str) else {
            return Err("the message has no \"event\"".into());
        };
        match event {
            "playAudio" => audio_of(&message),
            "checkpoint" => {
                self.check_stream(&message)?;
                match message.get("name") {
                    Some(Value::String(name)) => Ok(AppCommand::Mark(name.as_str().into())),
                    _ => Err("\"checkpoint\" has no \"name\"".into()),
                }
            }
            "clearAudio" => {
                self.check_stream(&message)?;
                Ok(AppCommand::Clear)
            }
            _ => Err("the event is none of playAudio, checkpoint and clearAudio".into()),
        }
    }

    fn check_stream(&self, message: &Map<String, Value>) -> Result<(), String> {
        match message.get("streamId") {
            Some(Value::String(id)) if *id == self.stream => Ok(()),
            Some(_) => Err("\"streamId\" is not the one of this stream".into()),
            None => Err("\"streamId\" is missing".into()),
        }
    }
}

fn audio_of(message: &Map<String, Value>) -> Result<AppCommand, String> {
    let Some(Value::Object(media)) = message.get("media") else {
        return Err("\"playAudio\" has no \"media\"".into());
    };
    if media.get("contentType").and_then(Value::as_str) != Some("audio/x-mulaw") {
        return Err("\"contentType\" is not that of the stream (invalid_content_type)".into());
    }
    let rate = media.get("sampleRate");
    if !rate.is_some_and(|rate| *rate == json!(8000) || *rate == json!("8000")) {
        return Err("\"sampleRate\" is not that of the stream".into());
    }
    let Some(Value::String(payload)) = media.get("payload") else {
        return Err("\"media\" has no \"payload\"".into());
    };
    if payload.len() > LONGEST_PAYLOAD {
        return Err("the payload has more than 16 KB".into());
    }
    let bytes = STANDARD
        .decode(payload)
        .map_err(|_| "the payload is not base64".to_owned())?;
    Ok(AppCommand::Audio(
        bytes.into_iter().map(mulaw::decode).collect(),
    ))
}

impl MediaWire for PlivoWire {
    fn rate(&self) -> u32 {
        8_000
    }

    fn frame(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn playout(&self) -> PlayoutRules {
        let mut rules = PlayoutRules::new();
        rules.capacity = Capacity::Time(LONGEST_QUEUE);
        rules.overflow_code = "buffer_overflow".into();
        rules.marks_on_clear = MarksOnClear::Drop;
        rules
    }

    fn congestion_code(&self) -> &'static str {
        "DegradedStream"
    }

    fn hello(&mut self) -> Vec<WireMessage> {
        vec![]
    }

    fn start(&mut self) -> Vec<WireMessage> {
        self.started = true;
        let message = json!({
            "event": "start",
            "sequenceNumber": self.sequence,
            "start": {
                "callId": self.call,
                "streamId": self.stream,
                "accountId": self.auth_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
            },
            "extra_headers": self.headers,
        });
        self.sequence += 1;
        vec![WireMessage::json(&message)]
    }

    fn audio(&mut self, samples: &[i16], at: Duration) -> Vec<WireMessage> {
        let bytes: Vec<u8> = samples
            .iter()
            .map(|sample| mulaw::encode(*sample))
            .collect();
        let media = json!({
            "track": "inbound",
            "timestamp": self.timestamp(at),
            "chunk": self.chunk,
            "payload": STANDARD.encode(bytes),
        });
        self.chunk += 1;
        let headers = self.headers.clone();
        self.message("media", json!({"media": media, "extra_headers": headers}))
    }

    fn key(&mut self, key: char, at: Duration) -> Vec<WireMessage> {
        let dtmf =
            json!({"track": "inbound", "digit": key.to_string(), "timestamp": self.timestamp(at)});
        self.message("dtmf", json!({"dtmf": dtmf}))
    }

    fn receive(&mut self, message: &WireMessage) -> Received {
        let read = match message {
            WireMessage::Text(text) => self.read(text),
            WireMessage::Binary(_) => {
                Err("a binary message came; this carrier reads text only".into())
            }
        };
        match read {
            Ok(command) => Received::command(command),
            Err(what) => Received::refused(Finding::error(
                "invalid-message",
                format!("invalid message, dropped: {what}"),
            )),
        }
    }

    fn mark(&mut self, mark: &Value) -> Vec<WireMessage> {
        self.message("playedStream", json!({"name": mark}))
    }

    fn cleared(&mut self) -> Vec<WireMessage> {
        self.message("clearedAudio", json!({}))
    }

    /// The socket closes, and that is all.
    fn stop(&mut self, _reason: StopReason) -> Vec<WireMessage> {
        vec![]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> PlivoWire {
        let mut wire = PlivoWire::new("MA0", "call", "stream", "a=1,b=2");
        wire.start();
        wire
    }

    fn receive(text: &str) -> Received {
        wire().receive(&WireMessage::Text(text.into()))
    }

    #[test]
    fn good_messages_are_obeyed() {
        let audio = r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"//8="}}"#;
        assert_eq!(
            receive(audio),
            Received::command(AppCommand::Audio(vec![0; 2]))
        );
        let mark = r#"{"event":"checkpoint","streamId":"stream","name":"a"}"#;
        assert_eq!(
            receive(mark),
            Received::command(AppCommand::Mark("a".into()))
        );
        let clear = r#"{"event":"clearAudio","streamId":"stream"}"#;
        assert_eq!(receive(clear), Received::command(AppCommand::Clear));
    }

    #[test]
    fn bad_messages_are_dropped() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"event":"media","media":{"payload":"//8="}}"#,
            r#"{"event":"playAudio","media":{"payload":"//8="}}"#,
            r#"{"event":"playAudio","media":{"contentType":"audio/x-l16","sampleRate":8000,"payload":"//8="}}"#,
            r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":16000,"payload":"//8="}}"#,
            r#"{"event":"clearAudio"}"#,
            r#"{"event":"clearAudio","streamId":"another"}"#,
            r#"{"event":"checkpoint","streamId":"stream"}"#,
        ] {
            let received = receive(text);
            assert!(received.commands.is_empty(), "{text}");
            assert_eq!(received.findings.len(), 1, "{text}");
        }
    }

    #[test]
    fn there_is_no_goodbye_and_no_greeting() {
        let mut wire = PlivoWire::new("MA0", "call", "stream", "a=1,b=2");
        assert!(wire.hello().is_empty());
        let [WireMessage::Text(start)] = &wire.start()[..] else {
            panic!("no start")
        };
        assert!(start.contains(r#""extra_headers":"a=1;b=2""#), "{start}");
        assert!(wire.stop(StopReason::CallEnded).is_empty());
    }
}
