//! The media socket of a Voicebot applet, from Exotel's side.
//!
//! Numbers in messages to the app are texts, as seen on the wire. What Exotel does with a wrong `stream_sid` is not known;
//! there is one stream on a socket, so it is obeyed here all the same. An over-long chunk is dropped: the pages speak of
//! timeouts.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::complaint::Finding;
use crate::engine::{
    AppCommand, MarksOnClear, MediaWire, PlayoutRules, Received, StopReason, WireMessage,
};
use crate::persona::exotel::ExotelAccount;
use crate::persona::exotel::number::written;
use crate::persona::exotel::session::Parties;
use crate::persona::exotel::target::Target;
use crate::speech::duration_of;

/// Audio of the app comes in multiples of this many bytes …
const STEP: usize = 320;
/// … and not in less than these …
const SHORTEST: usize = 3_200;
/// … nor in more.
const LONGEST: usize = 100_000;
/// More than this before its time clips the voice: a lead of 0.8 s is known to be good. The rest is for the clocks.
const LONGEST_LEAD: Duration = Duration::from_millis(1_250);

#[derive(Debug)]
pub(crate) struct ExotelWire {
    ids: Ids,
    rate: u32,
    parameters: Map<String, Value>,
    frame: Duration,
    marks_on_clear: MarksOnClear,
    started: bool,
    /// Number of the next message; "1" is the start.
    sequence: u64,
    /// Number of the next audio message.
    chunk: u64,
    /// What has been said once is not said again on this stream.
    reported: BTreeSet<Cow<'static, str>>,
    waiting: Waiting,
    /// The last audio message was a short one, and nothing ended it.
    short: bool,
}

struct Ids {
    stream_sid: String,
    call_sid: String,
    account_sid: String,
    from: String,
    to: String,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

/// How far the app is ahead of the caller's ear.
#[derive(Debug, Default)]
struct Waiting {
    now: Duration,
    /// When each message that is not played yet will be over.
    ends: VecDeque<Duration>,
}

impl Waiting {
    fn at(&mut self, now: Duration) {
        self.now = now;
        while self.ends.front().is_some_and(|end| *end <= now) {
            self.ends.pop_front();
        }
    }

    /// How much there is to play with this message.
    fn push(&mut self, length: Duration) -> Duration {
        let end = self.ends.back().copied().unwrap_or(self.now) + length;
        self.ends.push_back(end);
        end.saturating_sub(self.now)
    }

    /// The message in play goes on.
    fn clear(&mut self) {
        self.ends.truncate(1);
    }
}

impl ExotelWire {
    pub(crate) fn new(
        account: &ExotelAccount,
        parties: &Parties,
        call_sid: &str,
        stream_sid: &str,
        target: Target,
    ) -> Self {
        let ids = Ids {
            stream_sid: stream_sid.into(),
            call_sid: call_sid.into(),
            account_sid: account.account_sid.clone(),
            from: written(&parties.from),
            to: written(&parties.to),
        };
        Self::with_ids(ids, account, target.rate, target.parameters)
    }

    fn with_ids(
        ids: Ids,
        account: &ExotelAccount,
        rate: u32,
        parameters: Map<String, Value>,
    ) -> Self {
        Self {
            ids,
            rate,
            parameters,
            frame: account.chunk,
            marks_on_clear: match account.returns_cleared_marks {
                true => MarksOnClear::Return,
                false => MarksOnClear::Drop,
            },
            started: false,
            sequence: 1,
            chunk: 1,
            reported: BTreeSet::new(),
            waiting: Waiting::default(),
            short: false,
        }
    }

    fn message(&mut self, event: &str, content: Value) -> Vec<WireMessage> {
        let message = json!({
            "event": event,
            "sequence_number": self.sequence.to_string(),
            "stream_sid": self.ids.stream_sid,
            event: content,
        });
        self.sequence += 1;
        vec![WireMessage::json(&message)]
    }

    fn read(
        &mut self,
        message: &WireMessage,
        findings: &mut Vec<Finding>,
    ) -> Result<AppCommand, Finding> {
        let WireMessage::Text(text) = message else {
            return Err(Finding::error(
                "binary-message",
                "a binary message came; Exotel reads text only",
            ));
        };
        if !self.started {
            return Err(Finding::error(
                "message-before-start",
                "the app spoke before the start message: it cannot know the stream_sid",
            ));
        }
        let Ok(Value::Object(message)) = serde_json::from_str(text) else {
            return Err(Finding::error(
                "invalid-message",
                "a message is no JSON object",
            ));
        };
        let event = message
            .get("event")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let command = match event {
            "media" => self.read_media(inner(&message, "media")?, findings)?,
            "mark" => read_mark(inner(&message, "mark")?, findings)?,
            "clear" => AppCommand::Clear,
            _ => {
                return Err(Finding::error(
                    "unknown-event",
                    "the event of a message is none of media, mark and clear",
                ));
            }
        };
        self.check_sid(&message, findings);
        let known = ["event", "stream_sid", "streamSid", "sequence_number", event];
        check_members(
            &message,
            &known[..if event == "clear" { 4 } else { 5 }],
            findings,
        );
        self.account_for(&command, findings);
        Ok(command)
    }

    fn check_sid(&self, message: &Map<String, Value>, findings: &mut Vec<Finding>) {
        let (snake, camel) = (message.get("stream_sid"), message.get("streamSid"));
        if snake.is_none() && camel.is_some() {
            findings.push(Finding::note(
                "camel-case",
                "the app writes streamSid, which works; the documented name is stream_sid",
            ));
        }
        if snake.or(camel).and_then(Value::as_str) != Some(self.ids.stream_sid.as_str()) {
            findings.push(Finding::warning(
                "stream-sid",
                "the stream_sid of a message is missing or not the one of this stream",
            ));
        }
    }

    fn read_media(
        &self,
        media: &Map<String, Value>,
        findings: &mut Vec<Finding>,
    ) -> Result<AppCommand, Finding> {
        check_members(
            media,
            &[
                "payload",
                "chunk",
                "timestamp",
                "sequence_number",
                "sequenceNumber",
            ],
            findings,
        );
        let Some(Value::String(payload)) = media.get("payload") else {
            return Err(Finding::error(
                "no-payload",
                "a media message has no payload",
            ));
        };
        let bytes = STANDARD.decode(payload).map_err(|_| {
            Finding::error(
                "invalid-base64",
                "a payload is not base64 (standard alphabet, padded)",
            )
        })?;
        if bytes.len() > LONGEST {
            return Err(Finding::error(
                "chunk-too-long",
                format!(
                    "a payload has {} bytes; {LONGEST} are the most",
                    bytes.len()
                ),
            ));
        }
        if bytes.starts_with(b"RIFF") {
            findings.push(Finding::warning(
                "file-header-in-audio",
                "a payload begins with a WAV header, which is played as noise",
            ));
        }
        if bytes.len() % 2 == 1 {
            findings.push(Finding::error(
                "half-sample",
                "a payload has an odd number of bytes; samples have two",
            ));
        } else if bytes.is_empty() || bytes.len() % STEP != 0 {
            findings.push(Finding::warning(
                "gap",
                format!(
                    "a payload of {} bytes is no multiple of {STEP}: a gap can be heard behind it",
                    bytes.len()
                ),
            ));
        }
        let samples = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        Ok(AppCommand::Audio(samples))
    }

    /// Sizes and pace over several messages.
    fn account_for(&mut self, command: &AppCommand, findings: &mut Vec<Finding>) {
        let AppCommand::Audio(samples) = command else {
            self.short = false;
            if *command == AppCommand::Clear {
                self.waiting.clear();
            }
            return;
        };
        // The end of an utterance may be short; audio that goes on may not.
        if self.short {
            findings.push(Finding::note(
                "short-chunk",
                format!("payloads have less than {SHORTEST} bytes: Exotel's pages warn of jitter"),
            ));
        }
        self.short = samples.len() * 2 < SHORTEST;
        let lead = self.waiting.push(duration_of(samples.len(), self.rate));
        if lead > LONGEST_LEAD + self.frame {
            findings.push(Finding::warning(
                "burst",
                format!(
                    "{} ms of audio are ahead of the caller's ear: bursts clip the voice, send at the pace of speech",
                    lead.as_millis()
                ),
            ));
        }
    }
}

fn inner<'a>(
    message: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a Map<String, Value>, Finding> {
    message.get(name).and_then(Value::as_object).ok_or_else(|| {
        Finding::error(
            "invalid-message",
            format!("a {name} message has no object \"{name}\""),
        )
    })
}

fn read_mark(
    mark: &Map<String, Value>,
    findings: &mut Vec<Finding>,
) -> Result<AppCommand, Finding> {
    check_members(mark, &["name"], findings);
    match mark.get("name") {
        Some(Value::String(name)) if !name.is_empty() => {
            Ok(AppCommand::Mark(Value::String(name.clone())))
        }
        _ => Err(Finding::error("no-mark-name", "a mark has no name")),
    }
}

/// Names that are known, and counters that are texts or numbers.
fn check_members(object: &Map<String, Value>, known: &[&str], findings: &mut Vec<Finding>) {
    for (name, value) in object {
        if !known.contains(&name.as_str()) {
            findings.push(Finding::note(
                "unknown-member",
                format!(
                    "\"{}\" is no member that a message is known to have",
                    name.chars().take(40).collect::<String>()
                ),
            ));
        }
        let counts = matches!(
            name.as_str(),
            "sequence_number" | "sequenceNumber" | "chunk" | "timestamp"
        );
        let is_count = match value {
            Value::String(text) => {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
            }
            Value::Number(number) => number.is_u64(),
            _ => false,
        };
        if counts && !is_count {
            findings.push(Finding::warning(
                "odd-counter",
                "a counter or timestamp of a message is no whole number",
            ));
        }
    }
}

impl MediaWire for ExotelWire {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn frame(&self) -> Duration {
        self.frame
    }

    fn playout(&self) -> PlayoutRules {
        let mut rules = PlayoutRules::new();
        rules.clear_keeps_current = true;
        rules.marks_on_clear = self.marks_on_clear;
        rules
    }

    fn hello(&mut self) -> Vec<WireMessage> {
        vec![WireMessage::json(&json!({"event": "connected"}))]
    }

    fn start(&mut self) -> Vec<WireMessage> {
        self.started = true;
        let mut start = json!({
            "stream_sid": self.ids.stream_sid,
            "call_sid": self.ids.call_sid,
            "account_sid": self.ids.account_sid,
            "from": self.ids.from,
            "to": self.ids.to,
            "media_format": {
                // How the payload is written; 16-bit linear audio is not spelled out.
                "encoding": "base64",
                "sample_rate": self.rate.to_string(),
                "bit_rate": format!("{}kbps", self.rate * 16 / 1_000),
            },
        });
        if !self.parameters.is_empty() {
            start["custom_parameters"] = Value::Object(self.parameters.clone());
        }
        self.message("start", start)
    }

    fn audio(&mut self, samples: &[i16], at: Duration) -> Vec<WireMessage> {
        self.waiting.at(at + self.frame);
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let media = json!({
            "chunk": self.chunk.to_string(),
            "timestamp": at.as_millis().to_string(),
            "payload": STANDARD.encode(bytes),
        });
        self.chunk += 1;
        self.message("media", media)
    }

    fn key(&mut self, key: char, _at: Duration) -> Vec<WireMessage> {
        self.message("dtmf", json!({"digit": key.to_string(), "duration": "100"}))
    }

    fn receive(&mut self, message: &WireMessage) -> Received {
        let mut received = Received::default();
        match self.read(message, &mut received.findings) {
            Ok(command) => received.commands.push(command),
            Err(finding) => received.findings.push(finding),
        }
        received
            .findings
            .retain(|finding| self.reported.insert(finding.code.clone()));
        received
    }

    fn mark(&mut self, mark: &Value) -> Vec<WireMessage> {
        self.message("mark", json!({"name": mark}))
    }

    fn stop(&mut self, reason: StopReason) -> Vec<WireMessage> {
        if !self.started {
            return vec![];
        }
        let reason = match reason {
            StopReason::CallEnded => "callended",
            StopReason::Stopped => "stopped",
        };
        let stop = json!({
            "call_sid": self.ids.call_sid,
            "account_sid": self.ids.account_sid,
            "reason": reason,
        });
        self.message("stop", stop)
    }
}

#[cfg(test)]
mod tests;
