//! Media Streams, from the carrier's side.
//!
//! <https://www.twilio.com/docs/voice/media-streams/websocket-messages>

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::complaint::Finding;
use crate::engine::{
    AppCommand, Capacity, MediaWire, PlayoutRules, Received, StopReason, WireMessage,
};
use crate::persona::mulaw;

/// What is not heard yet and goes beyond this is thrown away (31931).
const LONGEST_QUEUE: Duration = Duration::from_secs(600);
/// 20 ms of µ-law.
const FRAME: usize = 160;

#[derive(Debug)]
pub(crate) struct TwilioWire {
    account_sid: String,
    call_sid: String,
    stream_sid: String,
    parameters: Map<String, Value>,
    started: bool,
    /// Number of the next message; "1" is the start.
    sequence: u64,
    /// Number of the next audio message.
    chunk: u64,
    /// The carrier reports invalid messages once for each stream, then it is silent about them.
    reported: bool,
    reported_size: bool,
}

impl TwilioWire {
    pub(crate) fn new(
        account_sid: &str,
        call_sid: &str,
        stream_sid: &str,
        parameters: Map<String, Value>,
    ) -> Self {
        Self {
            account_sid: account_sid.into(),
            call_sid: call_sid.into(),
            stream_sid: stream_sid.into(),
            parameters,
            started: false,
            sequence: 1,
            chunk: 1,
            reported: false,
            reported_size: false,
        }
    }

    fn message(&mut self, event: &str, content: Value) -> Vec<WireMessage> {
        let message = json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            "streamSid": self.stream_sid,
            event: content,
        });
        self.sequence += 1;
        vec![WireMessage::json(&message)]
    }

    fn read(&mut self, text: &str) -> Result<AppCommand, String> {
        let Ok(Value::Object(message)) = serde_json::from_str(text) else {
            return Err("the message is no JSON object".into());
        };
        if !self.started {
            return Err(
                "the app spoke before the start message: it cannot know the streamSid".into(),
            );
        }
        let Some(event) = message.get("event").and_then(Value::as_str) else {
            return Err("the message has no \"event\"".into());
        };
        let command = match event {
            "media" => {
                only(&message, &["event", "streamSid", "media"])?;
                self.audio_of(inner(&message, "media", &["payload"])?)?
            }
            "mark" => {
                only(&message, &["event", "streamSid", "mark"])?;
                match inner(&message, "mark", &["name"])?.get("name") {
                    Some(Value::String(name)) => AppCommand::Mark(Value::String(name.clone())),
                    _ => return Err("\"mark\" has no \"name\"".into()),
                }
            }
            "clear" => {
                only(&message, &["event", "streamSid"])?;
                AppCommand::Clear
            }
            _ => return Err("the event is none of media, mark and clear".into()),
        };
        match message.get("streamSid") {
            Some(Value::String(sid)) if *sid == self.stream_sid => Ok(command),
            Some(_) => Err("\"streamSid\" is not the one of this stream".into()),
            None => Err("\"streamSid\" is missing".into()),
        }
    }

    fn audio_of(&self, media: &Map<String, Value>) -> Result<AppCommand, String> {
        let Some(Value::String(payload)) = media.get("payload") else {
            return Err("\"media\" has no \"payload\"".into());
        };
        let bytes = STANDARD
            .decode(payload)
            .map_err(|_| "the payload is not base64 (standard alphabet, padded)".to_owned())?;
        Ok(AppCommand::Audio(
            bytes.into_iter().map(mulaw::decode).collect(),
        ))
    }

    fn check_size(&mut self, command: &AppCommand, text: &str) -> Option<Finding> {
        let AppCommand::Audio(samples) = command else {
            return None;
        };
        // "RIFF" in base64
        if text.contains("\"UklGR") {
            return Some(Finding::warning(
                "file-header-in-audio",
                "the payload begins with a WAV header, which is played as noise",
            ));
        }
        if samples.len() % FRAME == 0 && !samples.is_empty() || self.reported_size {
            return None;
        }
        self.reported_size = true;
        Some(Finding::warning(
            "odd-frame-size",
            format!(
                "a payload of {} bytes is no multiple of 160 (20 ms): such edges can be heard",
                samples.len()
            ),
        ))
    }
}

/// Fields beyond these make a message invalid, and so do missing ones.
fn only(object: &Map<String, Value>, allowed: &[&str]) -> Result<(), String> {
    if let Some(missing) = allowed.iter().find(|name| !object.contains_key(**name)) {
        return Err(format!("\"{missing}\" is missing"));
    }
    match object.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(extra) => Err(format!(
            "\"{}\" does not belong there",
            extra.chars().take(40).collect::<String>()
        )),
        None => Ok(()),
    }
}

fn inner<'a>(
    message: &'a Map<String, Value>,
    name: &str,
    allowed: &[&str],
) -> Result<&'a Map<String, Value>, String> {
    match message.get(name) {
        Some(Value::Object(inner)) => {
            only(inner, allowed)?;
            Ok(inner)
        }
        _ => Err(format!("\"{name}\" is no object")),
    }
}

impl MediaWire for TwilioWire {
    fn rate(&self) -> u32 {
        8_000
    }

    fn frame(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn playout(&self) -> PlayoutRules {
        let mut rules = PlayoutRules::new();
        rules.capacity = Capacity::Time(LONGEST_QUEUE);
        rules.overflow_code = "31931".into();
        rules
    }

    fn congestion_code(&self) -> &'static str {
        "31930"
    }

    fn hello(&mut self) -> Vec<WireMessage> {
        vec![WireMessage::json(
            &json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
        )]
    }

    fn start(&mut self) -> Vec<WireMessage> {
        self.started = true;
        let start = json!({
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self.parameters,
        });
        self.message("start", start)
    }

    fn audio(&mut self, samples: &[i16], at: Duration) -> Vec<WireMessage> {
        let bytes: Vec<u8> = samples
            .iter()
            .map(|sample| mulaw::encode(*sample))
            .collect();
        let media = json!({
            "track": "inbound",
            "chunk": self.chunk.to_string(),
            "timestamp": at.as_millis().to_string(),
            "payload": STANDARD.encode(bytes),
        });
        self.chunk += 1;
        self.message("media", media)
    }

    fn key(&mut self, key: char, _at: Duration) -> Vec<WireMessage> {
        self.message(
            "dtmf",
            json!({"track": "inbound_track", "digit": key.to_string()}),
        )
    }

    fn receive(&mut self, message: &WireMessage) -> Received {
        let text = match message {
            WireMessage::Text(text) => text,
            WireMessage::Binary(_) => {
                return Received::refused(Finding::error(
                    "31950",
                    "a binary message came; this carrier reads text only",
                ));
            }
        };
        match self.read(text) {
            Ok(command) => {
                let size = self.check_size(&command, text);
                let received = Received::command(command);
                match size {
                    Some(finding) => received.with(finding),
                    None => received,
                }
            }
            Err(_) if self.reported => Received::default(),
            Err(what) if self.started => {
                self.reported = true;
                Received::refused(Finding::error(
                    "31951",
                    format!("invalid message, dropped: {what}"),
                ))
            }
            Err(what) => Received::refused(Finding::error("message-before-start", what)),
        }
    }

    fn mark(&mut self, mark: &Value) -> Vec<WireMessage> {
        self.message("mark", json!({"name": mark}))
    }

    fn stop(&mut self, _reason: StopReason) -> Vec<WireMessage> {
        if !self.started {
            return vec![];
        }
        let stop = json!({"accountSid": self.account_sid, "callSid": self.call_sid});
        self.message("stop", stop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire() -> TwilioWire {
        let mut wire = TwilioWire::new("AC0", "CA0", "MZ0", Map::new());
        wire.hello();
        wire.start();
        wire
    }

    fn json_of(messages: Vec<WireMessage>) -> Value {
        match messages.as_slice() {
            [WireMessage::Text(text)] => serde_json::from_str(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn receive(wire: &mut TwilioWire, text: &str) -> Received {
        wire.receive(&WireMessage::Text(text.into()))
    }

    #[test]
    fn counters_are_strings_and_begin_with_the_start() {
        let mut wire = TwilioWire::new("AC0", "CA0", "MZ0", Map::new());
        assert_eq!(
            json_of(wire.hello()),
            json!({"event":"connected","protocol":"Call","version":"1.0.0"})
        );
        let start = json_of(wire.start());
        assert_eq!(start["sequenceNumber"], "1");
        assert_eq!(start["start"]["customParameters"], json!({}));
        assert_eq!(start["start"]["mediaFormat"]["sampleRate"], 8000);
        let media = json_of(wire.audio(&[0; 160], Duration::from_millis(40)));
        assert_eq!(media["sequenceNumber"], "2");
        assert_eq!(media["media"]["chunk"], "1");
        assert_eq!(media["media"]["timestamp"], "40");
        assert_eq!(media["media"]["payload"].as_str().unwrap().len(), 216);
        let key = json_of(wire.key('#', Duration::ZERO));
        assert_eq!(key["dtmf"], json!({"track": "inbound_track", "digit": "#"}));
        let stop = json_of(wire.stop(StopReason::CallEnded));
        assert_eq!(
            (&stop["sequenceNumber"], &stop["stop"]["callSid"]),
            (&json!("4"), &json!("CA0"))
        );
    }

    #[test]
    fn good_messages_are_obeyed() {
        let mut wire = wire();
        let media = json!({"event":"media","streamSid":"MZ0","media":{"payload":STANDARD.encode([0xff; 160])}});
        assert_eq!(
            receive(&mut wire, &media.to_string()),
            Received::command(AppCommand::Audio(vec![0; 160]))
        );
        assert_eq!(
            receive(
                &mut wire,
                r#"{"event":"mark","streamSid":"MZ0","mark":{"name":"a"}}"#
            ),
            Received::command(AppCommand::Mark(json!("a")))
        );
        assert_eq!(
            receive(&mut wire, r#"{"event":"clear","streamSid":"MZ0"}"#),
            Received::command(AppCommand::Clear)
        );
    }

    #[test]
    fn bad_messages_are_dropped_and_reported_once() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"event":"hangup","streamSid":"MZ0"}"#,
            r#"{"event":"clear"}"#,
            r#"{"event":"clear","streamSid":"MZ1"}"#,
            r#"{"event":"clear","streamSid":"MZ0","extra":1}"#,
            r#"{"event":"mark","streamSid":"MZ0"}"#,
            r#"{"event":"mark","streamSid":"MZ0","mark":{}}"#,
            r#"{"event":"mark","streamSid":"MZ0","mark":{"name":7}}"#,
            r#"{"event":"media","streamSid":"MZ0","media":{"playload":"//8="}}"#,
            r#"{"event":"media","streamSid":"MZ0","media":{"payload":"//8"}}"#,
            r#"{"event":"media","streamSid":"MZ0","media":{"payload":"__8="}}"#,
            r#"{"event":"media","stream_sid":"MZ0","media":{"payload":"//8="}}"#,
        ] {
            let mut wire = wire();
            let first = receive(&mut wire, text);
            assert_eq!(first.commands, [], "{text}");
            assert_eq!(first.findings[0].code, "31951", "{text}");
            assert_eq!(receive(&mut wire, text), Received::default(), "{text}");
        }
    }

    #[test]
    fn other_faults_have_their_own_codes() {
        let binary = wire().receive(&WireMessage::Binary(vec![0; 160]));
        assert_eq!(
            (binary.commands.len(), binary.findings[0].code.as_ref()),
            (0, "31950")
        );

        let mut early = TwilioWire::new("AC0", "CA0", "MZ0", Map::new());
        early.hello();
        let received = receive(&mut early, r#"{"event":"clear","streamSid":""}"#);
        assert_eq!(received.findings[0].code, "message-before-start");

        let mut wire = wire();
        let odd = json!({"event":"media","streamSid":"MZ0","media":{"payload":STANDARD.encode([0xff; 100])}});
        let received = receive(&mut wire, &odd.to_string());
        assert_eq!(
            (received.commands.len(), received.findings[0].code.as_ref()),
            (1, "odd-frame-size")
        );
        let wav = json!({"event":"media","streamSid":"MZ0","media":{"payload":STANDARD.encode(b"RIFF....WAVEfmt ")}});
        assert_eq!(
            receive(&mut wire, &wav.to_string()).findings[0].code,
            "file-header-in-audio"
        );
    }

    proptest! {
        #[test]
        fn receiving_never_panics(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut wire = wire();
            let _ = receive(&mut wire, &text);
            let _ = wire.receive(&WireMessage::Binary(bytes));
        }
    }
}
