//! Reads an NCCO as the carrier does, and says what is wrong with it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::persona::vonage::rules::{self, number, syntax};

/// One action of an NCCO.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Action(Map<String, Value>);

/// A document that can be followed, and what is to be said about it.
#[derive(Debug, PartialEq)]
pub(crate) struct Ncco {
    pub(crate) actions: Vec<Action>,
    pub(crate) findings: Vec<Finding>,
}

/// Reads a whole document.
pub(crate) fn parse(text: &str) -> Result<Ncco, Finding> {
    let value: Value = serde_json::from_str(text).map_err(|_| syntax("it is no JSON"))?;
    let Value::Array(items) = value else {
        return Err(syntax("it is no array of actions"));
    };
    let mut ncco = Ncco {
        actions: vec![],
        findings: vec![],
    };
    for (index, item) in items.into_iter().enumerate() {
        let Value::Object(action) = item else {
            return Err(syntax(format!("action {index} is no object")));
        };
        let (error, findings) = rules::check(&action, index);
        if let Some(error) = error {
            return Err(error);
        }
        ncco.findings.extend(findings);
        ncco.actions.push(Action(action));
    }
    check_order(&mut ncco);
    Ok(ncco)
}

fn check_order(ncco: &mut Ncco) {
    let last = ncco.actions.len().saturating_sub(1);
    let early = ncco
        .actions
        .iter()
        .enumerate()
        .any(|(index, action)| index < last && action.is_websocket());
    if early {
        ncco.findings.push(Finding::warning(
            "connect-not-last",
            "actions behind a websocket connect run as soon as the socket is up, not when it is over",
        ));
    }
}

impl Action {
    pub(crate) fn name(&self) -> &str {
        self.0
            .get("action")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    pub(crate) fn get(&self, member: &str) -> Option<&Value> {
        self.0.get(member)
    }

    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.get(member).and_then(Value::as_str)
    }

    /// The one URL of an array.
    pub(crate) fn url(&self, member: &str) -> Option<&str> {
        self.get(member)?.get(0)?.as_str()
    }

    pub(crate) fn number(&self, member: &str) -> Option<f64> {
        self.get(member).and_then(number)
    }

    /// The endpoint of a connect.
    pub(crate) fn endpoint(&self) -> Option<&Map<String, Value>> {
        match self.get("endpoint")?.as_array()?.as_slice() {
            [Value::Object(endpoint)] => Some(endpoint),
            _ => None,
        }
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.name() == "connect"
            && self.endpoint().is_some_and(|endpoint| {
                endpoint.get("type").and_then(Value::as_str) == Some("websocket")
            })
    }

    pub(crate) fn is_synchronous(&self) -> bool {
        self.text("eventType") == Some("synchronous")
    }

    /// How long a wait takes.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs_f64(self.number("timeout").unwrap_or(10.0).clamp(0.1, 7_200.0))
    }

    /// This action in neutral words.
    pub(crate) fn instruction(&self) -> Instruction {
        match self.name() {
            "talk" => Instruction::Say {
                characters: self.text("text").unwrap_or_default().chars().count(),
            },
            "stream" => Instruction::Play,
            "input" => Instruction::Gather { prompts: 0 },
            "connect" if self.is_websocket() => Instruction::Stream,
            "connect" => Instruction::Dial { targets: 1 },
            "notify" => Instruction::Notify,
            "record" => Instruction::Record,
            "conversation" | "transfer" => Instruction::Conference,
            "wait" => Instruction::Pause {
                length: self.wait(),
            },
            other => Instruction::Other {
                name: other.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn codes(document: Value) -> Vec<String> {
        match parse(&document.to_string()) {
            Ok(ncco) => ncco
                .findings
                .into_iter()
                .map(|finding| finding.code.into_owned())
                .collect(),
            Err(finding) => vec![finding.code.into_owned()],
        }
    }

    #[test]
    fn good_documents_are_read() {
        for document in [
            json!([]),
            json!([{"action": "talk", "text": "<speak>Hi <break time='500ms'/></speak>", "bargeIn": true, "loop": 0}]),
            json!([{"action": "stream", "streamUrl": ["https://example.com/a.mp3"], "level": -0.5}]),
            json!([{"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 10, "maxDigits": 22}, "eventUrl": ["https://example.com/i"]}]),
            json!([{"action": "notify", "payload": {"a": 1}, "eventUrl": ["https://example.com/n"]}]),
            json!([{"action": "record", "split": "conversation", "channels": 2, "format": "wav"}]),
            json!([{"action": "conversation", "name": "room"}]),
            json!([{"action": "wait", "timeout": 0.5}, {"action": "transfer", "conversationId": "CON-1"}]),
            json!([{"action": "connect", "endpoint": [{"type": "phone", "number": "14155550100"}]}]),
        ] {
            assert_eq!(codes(document.clone()), [""; 0], "{document}");
        }
    }

    #[test]
    fn bad_documents_are_refused() {
        for document in [
            json!({"action": "talk", "text": "Hi"}),
            json!(["talk"]),
            json!([{"text": "Hi"}]),
            json!([{"action": "hangup"}]),
            json!([{"action": "Talk", "text": "Hi"}]),
            json!([{"action": "talk"}]),
            json!([{"action": "talk", "text": 5}]),
            json!([{"action": "talk", "text": "x".repeat(1_501)}]),
            json!([{"action": "talk", "text": "x", "level": 2}]),
            json!([{"action": "stream", "streamUrl": "https://example.com/a.mp3"}]),
            json!([{"action": "stream", "streamUrl": ["https://a.example/1", "https://a.example/2"]}]),
            json!([{"action": "input", "type": "dtmf"}]),
            json!([{"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 11}}]),
            json!([{"action": "input", "type": ["dtmf"], "eventMethod": "PUT"}]),
            json!([{"action": "notify", "payload": {}}]),
        ] {
            assert_eq!(codes(document.clone()), ["ncco-syntax"], "{document}");
        }
        assert!(parse("<Response/>").is_err() && parse("").is_err());
    }

    #[test]
    fn oddities_are_mentioned() {
        assert_eq!(
            codes(json!([{"action": "talk", "text": "Hi", "loop": "2", "bargeIn": "false"}])),
            ["ncco-number-as-string"; 2]
        );
        assert_eq!(
            codes(
                json!([{"action": "input", "type": ["dtmf"], "event_url": ["https://example.com/i"]}])
            ),
            ["ncco-unknown-member"]
        );
        let socket = json!({"action": "connect", "endpoint": [{"type": "websocket", "uri": "wss://a.example/s"}]});
        assert_eq!(
            codes(json!([socket, {"action": "talk", "text": "Bye"}])),
            ["connect-not-last"]
        );
        assert_eq!(
            codes(json!([{"action": "talk", "text": "Hi"}, socket])),
            [""; 0]
        );
    }

    #[test]
    fn tags_are_not_spoken() {
        let text = format!("<speak>{}</speak>", "x".repeat(1_500));
        assert_eq!(codes(json!([{"action": "talk", "text": text}])), [""; 0]);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[\\[\\]{}\":,a-z0-9. -]{0,200}") {
            let _ = parse(&text);
        }
    }
}
