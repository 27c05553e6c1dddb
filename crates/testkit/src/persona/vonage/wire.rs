//! The WebSocket leg, from the carrier's side.
//!
//! <https://developer.vonage.com/en/voice/voice-api/concepts/websockets>

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::complaint::Finding;
use crate::engine::{
    AppCommand, Capacity, MarksOnClear, MediaWire, PlayoutRules, Received, StopReason, WireMessage,
};

/// The carrier keeps this many messages, about a minute.
const MOST_MESSAGES: usize = 3_072;
/// A pressed key, as long as the carrier's examples say.
const KEY_DURATION: u32 = 260;

#[derive(Debug)]
pub(crate) struct VonageWire {
    rate: u32,
    headers: Map<String, Value>,
    notifies_on_clear: MarksOnClear,
}

impl VonageWire {
    pub(crate) fn new(
        rate: u32,
        headers: Map<String, Value>,
        notifies_on_clear: MarksOnClear,
    ) -> Self {
        Self {
            rate,
            headers,
            notifies_on_clear,
        }
    }

    /// 20 ms of 16-bit samples.
    fn frame_bytes(&self) -> usize {
        self.rate as usize / 50 * 2
    }

    fn binary(&self, bytes: &[u8]) -> Received {
        if bytes.len() != self.frame_bytes() {
            // The size is counted in samples in the carrier's own log.
            let finding = Finding::error(
                "unexpected-frame-size",
                format!(
                    "a binary message of {} bytes came where exactly {} (20 ms) are required: the socket is dropped",
                    bytes.len(),
                    self.frame_bytes()
                ),
            );
            return Received::command(AppCommand::Drop).with(finding);
        }
        let samples = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let received = Received::command(AppCommand::Audio(samples));
        if bytes.starts_with(b"RIFF") {
            return received.with(Finding::warning(
                "file-header-in-audio",
                "the audio begins with a WAV header, which is played as noise",
            ));
        }
        received
    }

    fn text(&self, text: &str) -> Received {
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
            return Received::refused(Finding::error(
                "bad-command",
                "a text message is no JSON object",
            ));
        };
        let extra = |allowed: &[&str]| {
            message
                .keys()
                .find(|name| !allowed.contains(&name.as_str()))
                .map(|name| {
                    Finding::warning(
                        "unknown-member",
                        format!("a command has the unknown member \"{}\"", shown(name)),
                    )
                })
        };
        let (command, surplus) = match message.get("action").and_then(Value::as_str) {
            Some("clear") => (AppCommand::Clear, extra(&["action"])),
            Some("notify") => match message.get("payload") {
                Some(payload @ Value::Object(_)) => (
                    AppCommand::Mark(payload.clone()),
                    extra(&["action", "payload"]),
                ),
                _ => {
                    return Received::refused(Finding::error(
                        "bad-command",
                        "a notify has no payload that is an object",
                    ));
                }
            },
            Some(other) => {
                return Received::refused(Finding::error(
                    "unknown-command",
                    format!(
                        "the action \"{}\" is neither clear nor notify",
                        shown(other)
                    ),
                ));
            }
            None => {
                return Received::refused(Finding::error(
                    "bad-command",
                    "a text message has no \"action\"",
                ));
            }
        };
        let received = Received::command(command);
        match surplus {
            Some(finding) => received.with(finding),
            None => received,
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

impl MediaWire for VonageWire {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn frame(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn playout(&self) -> PlayoutRules {
        let mut rules = PlayoutRules::new();
        rules.capacity = Capacity::Messages(MOST_MESSAGES);
        rules.overflow_code = "buffer-overflow".into();
        rules.marks_on_clear = self.notifies_on_clear;
        rules
    }

    fn hello(&mut self) -> Vec<WireMessage> {
        // The headers of the endpoint lie flat beside the carrier's own members, which win.
        let mut message = self.headers.clone();
        message.insert("event".into(), "websocket:connected".into());
        message.insert(
            "content-type".into(),
            format!("audio/l16;rate={}", self.rate).into(),
        );
        vec![WireMessage::json(&Value::Object(message))]
    }

    fn audio(&mut self, samples: &[i16], _at: Duration) -> Vec<WireMessage> {
        // Little-endian, whatever the media type says elsewhere.
        let bytes = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        vec![WireMessage::Binary(bytes)]
    }

    fn key(&mut self, key: char, _at: Duration) -> Vec<WireMessage> {
        vec![WireMessage::json(
            &json!({"event": "websocket:dtmf", "digit": key.to_string(), "duration": KEY_DURATION}),
        )]
    }

    fn receive(&mut self, message: &WireMessage) -> Received {
        match message {
            WireMessage::Binary(bytes) => self.binary(bytes),
            WireMessage::Text(text) => self.text(text),
        }
    }

    fn mark(&mut self, mark: &Value) -> Vec<WireMessage> {
        vec![WireMessage::json(
            &json!({"event": "websocket:notify", "payload": mark}),
        )]
    }

    fn cleared(&mut self) -> Vec<WireMessage> {
        vec![WireMessage::json(&json!({"event": "websocket:cleared"}))]
    }

    fn stop(&mut self, _reason: StopReason) -> Vec<WireMessage> {
        // The close is the only goodbye.
        vec![]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(rate: u32) -> VonageWire {
        VonageWire::new(rate, Map::new(), MarksOnClear::Drop)
    }

    fn text(text: &str) -> WireMessage {
        WireMessage::Text(text.into())
    }

    fn json_of(messages: Vec<WireMessage>) -> Value {
        match messages.as_slice() {
            [WireMessage::Text(text)] => serde_json::from_str(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn headers_lie_flat_in_the_first_message() {
        let headers = json!({"prop1": "value1", "content-type": "mine", "nested": {"a": 1}});
        let Value::Object(headers) = headers else {
            unreachable!()
        };
        let mut wire = VonageWire::new(16_000, headers, MarksOnClear::Drop);
        assert_eq!(
            json_of(wire.hello()),
            json!({
                "event": "websocket:connected",
                "content-type": "audio/l16;rate=16000",
                "prop1": "value1",
                "nested": {"a": 1},
            })
        );
        assert!(wire.start().is_empty() && wire.stop(StopReason::CallEnded).is_empty());
    }

    #[test]
    fn frames_have_one_size_for_each_rate() {
        for (rate, samples, bytes) in [(8_000, 160, 320), (16_000, 320, 640), (24_000, 480, 960)] {
            let mut wire = wire(rate);
            let mut voice = vec![0; samples];
            voice[0] = 0x0102;
            let Some(WireMessage::Binary(frame)) = wire.audio(&voice, Duration::ZERO).pop() else {
                panic!("one binary message");
            };
            assert_eq!((frame.len(), &frame[..2]), (bytes, &[0x02, 0x01][..]));
            assert_eq!(
                wire.receive(&WireMessage::Binary(frame)),
                Received::command(AppCommand::Audio(voice))
            );
            for wrong in [0, 1, bytes - 1, bytes + 2, bytes * 2] {
                let received = wire.receive(&WireMessage::Binary(vec![0; wrong]));
                assert_eq!(received.commands, [AppCommand::Drop], "{wrong}");
                assert_eq!(received.findings[0].code, "unexpected-frame-size");
            }
        }
    }

    #[test]
    fn commands_are_clear_and_notify() {
        let mut wire = wire(8_000);
        assert_eq!(
            wire.receive(&text(r#"{"action":"clear"}"#)),
            Received::command(AppCommand::Clear)
        );
        assert_eq!(
            wire.receive(&text(r#"{"action":"notify","payload":{"id":7}}"#)),
            Received::command(AppCommand::Mark(json!({"id": 7})))
        );
        for (bad, code) in [
            ("clear", "bad-command"),
            ("[]", "bad-command"),
            (r#"{"event":"clear"}"#, "bad-command"),
            (r#"{"action":"notify"}"#, "bad-command"),
            (r#"{"action":"notify","payload":"id"}"#, "bad-command"),
            (r#"{"action":"hangup"}"#, "unknown-command"),
        ] {
            let received = wire.receive(&text(bad));
            assert_eq!(
                (received.commands.len(), received.findings[0].code.as_ref()),
                (0, code),
                "{bad}"
            );
        }
        let surplus = wire.receive(&text(r#"{"action":"clear","now":true}"#));
        assert_eq!(
            (surplus.commands.len(), surplus.findings[0].code.as_ref()),
            (1, "unknown-member")
        );
    }

    #[test]
    fn events_have_the_documented_form() {
        let mut wire = wire(8_000);
        for (messages, expected) in [
            (
                wire.key('5', Duration::ZERO),
                json!({"event":"websocket:dtmf","digit":"5","duration":260}),
            ),
            (wire.cleared(), json!({"event":"websocket:cleared"})),
            (
                wire.mark(&json!({"id": 7})),
                json!({"event":"websocket:notify","payload":{"id":7}}),
            ),
        ] {
            assert_eq!(json_of(messages), expected);
        }
    }

    proptest! {
        #[test]
        fn receiving_never_panics(words in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
            let mut wire = wire(24_000);
            let _ = wire.receive(&text(&words));
            let _ = wire.receive(&WireMessage::Binary(bytes));
        }
    }
}
