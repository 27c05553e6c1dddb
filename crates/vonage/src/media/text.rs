//! The text messages of the media socket.

use super::{MARK, malformed};
use crate::webhook::members;
use std::collections::BTreeMap;
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{Error, ErrorKind, Parameters, Result, redact};

/// More in one message is nobody's fingers.
const MAX_KEYS: usize = 32;
/// What the platform takes if the NCCO did not say, or misspelt it.
const DEFAULT_RATE: SampleRate = SampleRate::HZ_16000;

/// What a text message says.
pub(super) enum Text {
    Connected {
        rate: SampleRate,
        parameters: BTreeMap<String, String>,
    },
    Keys {
        keys: Vec<char>,
        duration: Option<Duration>,
    },
    Notify {
        mark: Option<String>,
    },
    Cleared,
    Disconnected {
        reason: Option<String>,
    },
    Other {
        name: String,
    },
}

impl Text {
    /// The event's name, for one that means nothing to us.
    pub(super) fn name(self) -> String {
        match self {
            Self::Other { name } => name,
            Self::Connected { .. } => "websocket:connected".to_owned(),
            Self::Notify { .. } => "websocket:notify".to_owned(),
            Self::Keys { .. } => "websocket:dtmf".to_owned(),
            Self::Cleared => "websocket:cleared".to_owned(),
            Self::Disconnected { .. } => "websocket:disconnected".to_owned(),
        }
    }
}

/// Reads one. In the oldest forms there is no `event`, and what is there tells; blanks before the object are an old habit too.
pub(super) fn read(raw: &[u8]) -> Result<Text> {
    let members = std::str::from_utf8(raw)
        .ok()
        .and_then(members)
        .ok_or_else(|| malformed("a text message is not a JSON object"))?;
    match members.get("event") {
        Some("websocket:connected") => connected(&members),
        Some("websocket:dtmf") => keys(&members),
        Some("websocket:notify") => Ok(Text::Notify {
            mark: mark(&members),
        }),
        Some("websocket:cleared") => Ok(Text::Cleared),
        Some("websocket:disconnected") => Ok(Text::Disconnected {
            reason: members.get_filled("reason").map(redact::text),
        }),
        Some(name) => Ok(Text::Other {
            name: redact::text(name),
        }),
        None if members.get("content-type").is_some() => connected(&members),
        None if members.get("digit").is_some() || members.get("dtmf").is_some() => keys(&members),
        None => Ok(Text::Other {
            name: "unnamed".to_owned(),
        }),
    }
}

fn connected(members: &Parameters) -> Result<Text> {
    let rate = match members.get_filled("content-type") {
        Some(content_type) => rate(content_type)?,
        None => DEFAULT_RATE,
    };
    let own = |name: &str| name != "event" && name != "content-type";
    let headers = members.iter().filter(|(name, _)| own(name));
    let parameters = headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(Text::Connected { rate, parameters })
}

/// The rate of `audio/l16;rate=16000`. What is not linear PCM at a rate that Vonage has cannot be read, so the stream ends.
fn rate(content_type: &str) -> Result<SampleRate> {
    let content_type = content_type.to_ascii_lowercase();
    let mut parts = content_type.split(';').map(str::trim);
    let is_linear = parts.next() == Some("audio/l16");
    let rate = parts
        .find_map(|part| part.strip_prefix("rate="))
        .map(str::trim);
    let known = |hz: &str| {
        crate::config::RATES
            .into_iter()
            .find(|rate| rate.hz().to_string() == hz)
    };
    let rate = rate.map_or(Some(DEFAULT_RATE), known);
    rate.filter(|_| is_linear).ok_or_else(|| {
        let detail = "the socket announces audio that is not audio/l16 at 8000, 16000 or 24000 Hz";
        Error::new(ErrorKind::Closed, "start stream", detail).with_provider(crate::provider_name())
    })
}

/// `digit`, or `dtmf` as a text or as an object with `digit`. Documentation and adapters disagree.
fn keys(message: &Parameters) -> Result<Text> {
    let nested = message.get_filled("dtmf").and_then(members);
    let inner = nested.as_ref();
    let find = |name| message.get_filled(name).or_else(|| inner?.get_filled(name));
    let written = find("digit")
        .or_else(|| find("digits"))
        .or_else(|| message.get_filled("dtmf").filter(|_| inner.is_none()))
        .unwrap_or_default()
        .trim();
    let keys: Option<Vec<char>> = written.chars().take(MAX_KEYS + 1).map(key).collect();
    match keys {
        Some(keys) if (1..=MAX_KEYS).contains(&keys.len()) => Ok(Text::Keys {
            keys,
            duration: find("duration").and_then(milliseconds),
        }),
        _ => Err(malformed("a key press names no key")),
    }
}

fn key(c: char) -> Option<char> {
    let c = c.to_ascii_uppercase();
    (c.is_ascii_digit() || matches!(c, 'A'..='D' | '*' | '#')).then_some(c)
}

fn milliseconds(text: &str) -> Option<Duration> {
    let milliseconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok()
}

/// The name of our mark. Another payload is not ours.
fn mark(members_of_notify: &Parameters) -> Option<String> {
    let payload = members(members_of_notify.get("payload")?)?;
    payload.get(MARK).map(str::to_owned)
}
