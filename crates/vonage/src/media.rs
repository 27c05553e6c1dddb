//! The media socket: text messages with a JSON object, binary messages with 20 ms of audio.
//!
//! | from Vonage | means |
//! |---|---|
//! | `{"event":"websocket:connected","content-type":"audio/l16;rate=16000",…}` | the stream begins; the headers of the NCCO are beside it |
//! | binary | PCM16, **little-endian** in spite of the name `audio/l16`, mono |
//! | `{"event":"websocket:dtmf","digit":"5","duration":260}` | a key, with milliseconds; also as `dtmf` or `dtmf.digit`, and in old forms without `event` |
//! | `{"event":"websocket:notify","payload":{…}}` | what was queued before our `notify` has been played |
//! | `{"event":"websocket:cleared"}` | the answer to `clear` |
//! | `{"event":"websocket:media:update",…}` | muted or not: passed on as unknown |
//! | `{"event":"websocket:disconnected"}` | the end, where it is sent |
//!
//! | to Vonage | means |
//! |---|---|
//! | binary of exactly 320, 640 or 960 bytes (8, 16, 24 kHz) | audio; any other size makes Vonage drop the socket with code 1006 (field reports) |
//! | `{"action":"notify","payload":{"mark":"…"}}` | tell when what is queued has been played |
//! | `{"action":"clear"}` | drop what is queued |
//!
//! Neither the call's id nor the stream's is in any message, so the call key travels in the headers. Vonage queues 3072
//! messages, about a minute (its tutorial of 2026; 1024 before).

mod text;

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, Encoding, FrameRules, SampleRate};
use telephony_core::media::{
    CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart, WireMessage,
};
use telephony_core::{CallId, Error, ErrorKind, Result};

/// How much audio that comes before the first text message is kept: a second at 24 kHz. The oldest goes first.
const MAX_EARLY_BYTES: usize = 48_000;
/// Within 1024 messages of 20 ms, as older pages have the queue's length; the present ones say 3072.
const MAX_LEAD: Duration = Duration::from_secs(18);
const CLEAR: &[u8] = br#"{"action":"clear"}"#;
/// The member of a notify's payload that holds the name of a mark.
const MARK: &str = "mark";

/// The codec of one media socket.
#[derive(Default)]
pub(crate) struct VonageCodec {
    /// Bytes of one message, once the stream has begun.
    frame_bytes: Option<usize>,
    /// Audio from before the first text message: its format is not known yet.
    early: VecDeque<Bytes>,
    early_bytes: usize,
}

impl VonageCodec {
    fn audio(&mut self, payload: Bytes, decoded: &mut Decoded) -> Result<()> {
        if !payload.len().is_multiple_of(2) {
            return Err(malformed("an audio message has half a sample"));
        }
        if self.frame_bytes.is_none() {
            self.keep(payload);
        } else {
            decoded.events.push_back(audio(payload));
        }
        Ok(())
    }

    fn keep(&mut self, payload: Bytes) {
        self.early_bytes += payload.len();
        self.early.push_back(payload);
        while self.early_bytes > MAX_EARLY_BYTES || self.early.len() > MAX_EARLY_BYTES / 320 {
            let dropped = self.early.pop_front().unwrap_or_default();
            self.early_bytes -= dropped.len();
        }
    }

    fn begin(
        &mut self,
        parameters: BTreeMap<String, String>,
        rate: SampleRate,
        decoded: &mut Decoded,
    ) -> Result<()> {
        let format = AudioFormat::new(Encoding::Pcm16Le, rate);
        let frame_bytes = format.bytes_in(Duration::from_millis(20));
        let rules = FrameRules::new(frame_bytes, frame_bytes, frame_bytes).map_err(|error| {
            Error::new(ErrorKind::Internal, "start stream", "no frame rules").with_source(error)
        })?;
        self.frame_bytes = Some(frame_bytes);
        let mut start = StreamStart::new(format, rules);
        start.max_lead = Some(MAX_LEAD);
        start.call_id = parameters
            .get("call_uuid")
            .and_then(|id| CallId::new(id).ok());
        start.parameters = parameters;
        decoded.events.push_back(CodecEvent::Start(Box::new(start)));
        decoded.events.extend(self.early.drain(..).map(audio));
        self.early_bytes = 0;
        Ok(())
    }
}

impl MediaCodec for VonageCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let raw = match message {
            WireMessage::Binary(payload) => return self.audio(payload, decoded),
            WireMessage::Text(raw) => raw,
            _ => return Err(malformed("a message is neither text nor binary")),
        };
        match text::read(&raw)? {
            text::Text::Connected { rate, parameters } if self.frame_bytes.is_none() => {
                return self.begin(parameters, rate, decoded);
            }
            text::Text::Keys { keys, duration } => {
                decoded.events.extend(
                    keys.into_iter()
                        .map(|digit| CodecEvent::Dtmf { digit, duration }),
                );
            }
            text::Text::Notify { mark: Some(name) } => {
                decoded.events.push_back(CodecEvent::Mark { name })
            }
            text::Text::Cleared => decoded.events.push_back(CodecEvent::Cleared),
            text::Text::Disconnected { reason } => {
                decoded.events.push_back(CodecEvent::Stop { reason })
            }
            // A notify that is not ours, a second beginning.
            other => decoded.events.push_back(CodecEvent::Unknown {
                name: other.name(),
                raw: WireMessage::Text(raw),
            }),
        }
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        out.push(match command {
            MediaCommand::Audio(frame) => {
                if Some(frame.len()) != self.frame_bytes {
                    let detail = "an audio message must be exactly one frame: any other size ends the socket";
                    return Err(Error::new(ErrorKind::InvalidArgument, "send audio", detail).with_provider(crate::provider_name()));
                }
                WireMessage::Binary(frame.clone())
            }
            MediaCommand::Mark(name) => WireMessage::text(notify(name)),
            MediaCommand::Clear => WireMessage::Text(Bytes::from_static(CLEAR)),
            _ => {
                let detail = "the media socket has no such command";
                return Err(Error::unsupported("send command", detail).with_provider(crate::provider_name()));
            }
        });
        Ok(())
    }
}

/// Shows no audio.
impl fmt::Debug for VonageCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VonageCodec")
            .field("frame_bytes", &self.frame_bytes)
            .field("early_bytes", &self.early_bytes)
            .finish_non_exhaustive()
    }
}

fn audio(payload: Bytes) -> CodecEvent {
    CodecEvent::Audio {
        payload,
        timestamp: None,
    }
}

fn notify(mark: &str) -> String {
    let name = serde_json::Value::from(mark);
    format!(r#"{{"action":"notify","payload":{{"{MARK}":{name}}}}}"#)
}

fn malformed(detail: &str) -> Error {
    Error::new(ErrorKind::Malformed, "read media message", detail)
        .with_provider(crate::provider_name())
}
