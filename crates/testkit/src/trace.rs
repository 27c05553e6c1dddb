//! Every message of a call, both ways, as JSON lines.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the simulated carrier to the app.
    ToApp,
    /// From the app to the simulated carrier.
    FromApp,
}

/// What kind of message it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TraceKind {
    /// An HTTP request.
    Request,
    /// An HTTP response.
    Response,
    /// The WebSocket handshake, or what came of it.
    Handshake,
    /// A WebSocket text message.
    Text,
    /// A WebSocket binary message.
    Binary,
    /// A WebSocket close.
    Close,
}

/// One message of a call.
///
/// A trace is for the author of the app: it holds the messages as they were, numbers and URLs included; only the
/// values of `Authorization` headers are left out. `Debug` shows none of it.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TraceEntry {
    /// When, since the call began (wall time).
    #[serde(rename = "at_ms", serialize_with = "crate::outcome::as_millis")]
    pub at: Duration,
    /// Who spoke.
    pub way: Way,
    /// What kind of message it was.
    pub kind: TraceKind,
    /// The first line: method and URL, status, close code. Empty for WebSocket messages.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// Headers, for HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The text of the message. In WebSocket messages strings of more than 120 characters (audio) are shortened,
    /// unless the whole trace was asked for; of binary messages it is empty, or then in base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Size of the body or message in bytes.
    pub bytes: usize,
}

impl TraceEntry {
    /// This entry as one line of JSON, without a line end.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Debug for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceEntry")
            .field("at", &self.at)
            .field("way", &self.way)
            .field("kind", &self.kind)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Long strings in JSON are audio: their length says enough.
const LONGEST_STRING: usize = 120;

/// A JSON text with its long strings shortened; any other text as it is, cut at 2,000 characters.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_STRING {
        return text.to_owned();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            shorten(&mut value);
            value.to_string()
        }
        Err(_) => text.chars().take(2_000).collect(),
    }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST_STRING => {
            *text = format!("<{} characters>", text.len())
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_shortened_and_the_rest_kept() {
        let text = format!(
            r#"{{"event":"media","media":{{"payload":"{}"}}}}"#,
            "A".repeat(216)
        );
        assert_eq!(
            shortened(&text),
            r#"{"event":"media","media":{"payload":"<216 characters>"}}"#
        );
    }

    #[test]
    fn debug_hides_the_content() {
        let entry = TraceEntry {
            at: Duration::ZERO,
            way: Way::ToApp,
            kind: TraceKind::Request,
            head: "POST https://voice.example.com/call".into(),
            headers: vec![],
            text: "From=%2B14155550100".into(),
            bytes: 19,
        };
        let shown = format!("{entry:?}");
        assert!(
            !shown.contains("4155550100") && !shown.contains("voice.example.com"),
            "{shown}"
        );
        assert!(entry.json_line().contains("4155550100"));
    }
}
