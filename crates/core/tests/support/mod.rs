//! What the tests of the core share: a codec that reads scripts, a stream stepped on a clock of our own, a socket in
//! memory and a carrier that can do nothing but open.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod away;
pub(crate) mod bench;
pub(crate) mod carrier;
pub(crate) mod socket;
pub(crate) mod steered;
pub(crate) mod store;

use bytes::Bytes;
use std::time::Duration;
use telephony_core::audio::{AudioFormat, FrameRules, encode, tone};
use telephony_core::media::{
    AppFormat, CodecEvent, Decoded, EndSignal, EndTrigger, MediaCodec, MediaCommand, StreamOptions,
    StreamStart, StreamTicket, WireMessage,
};
use telephony_core::{
    AccountLabel, CallId, CallKey, CallStore, Claim, Direction, Error, ErrorKind, MediaToken,
    MemoryStore, NewCall, OsRandom, Party, ProviderName, Result, StreamId,
};

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Messages of exactly 20 ms of µ-law.
pub(crate) fn narrow() -> StreamStart {
    start(AudioFormat::MULAW_8000, (160, 160, 160))
}

/// Messages of exactly 20 ms of PCM16 at 16 kHz.
pub(crate) fn wide() -> StreamStart {
    start(AudioFormat::PCM16_16000, (640, 640, 640))
}

/// Multiples of 20 ms of PCM16 at 8 kHz, best 200 ms.
pub(crate) fn chunky() -> StreamStart {
    start(AudioFormat::PCM16_8000, (320, 3_200, 100_000))
}

/// Default options, and audio as the carrier has it, whose bytes the tests tell apart; their noise is no voice.
pub(crate) fn untouched() -> StreamOptions {
    let mut options = StreamOptions::default().with_format(AppFormat::Carrier);
    options.voice = None;
    options
}

fn start(format: AudioFormat, (unit, preferred, max): (usize, usize, usize)) -> StreamStart {
    let mut start = StreamStart::new(format, FrameRules::new(unit, preferred, max).unwrap());
    start.stream_id = Some(StreamId::new("stream-1").unwrap());
    start
}

/// The same, but marks do not come back.
pub(crate) fn without_echo(mut start: StreamStart) -> StreamStart {
    start.echoes_marks = false;
    start
}

/// Bytes that tell where they belong and are never silence of any encoding that the tests use (0x00, 0xFF).
pub(crate) fn speech(from: usize, len: usize) -> Bytes {
    (from..from + len)
        .map(|at| u8::try_from(at % 251).unwrap() + 1)
        .collect::<Vec<_>>()
        .into()
}

/// Compares audio without printing all of it.
#[track_caller]
pub(crate) fn assert_audio(got: &[u8], wanted: &[u8]) {
    let differ = got
        .iter()
        .zip(wanted)
        .position(|(got, wanted)| got != wanted);
    assert!(
        got.len() == wanted.len() && differ.is_none(),
        "{} bytes for {}; the first that differs: {differ:?}",
        got.len(),
        wanted.len()
    );
}

/// A codec whose messages are words: binary is audio both ways; in come `start`, `dtmf:5`,
/// `at:20:160:7` (audio of 20 ms after the start, 160 times the byte 7), `tone:20` (20 ms of 400 Hz), `mark:name`, `cleared`,
/// `stop`, `stop:why`, `ping` (wants `pong` back), `bad` (malformed), `fatal` (the stream cannot go on); out go
/// `mark:name`, `clear` and, at the end, `bye`.
#[derive(Debug)]
pub(crate) struct ScriptedCodec {
    start: StreamStart,
    can_mark: bool,
    can_send: bool,
}

impl ScriptedCodec {
    pub(crate) fn new(start: StreamStart) -> Box<Self> {
        Box::new(Self {
            start,
            can_mark: true,
            can_send: true,
        })
    }

    /// A protocol without marks.
    pub(crate) fn without_marks(mut self: Box<Self>) -> Box<Self> {
        self.can_mark = false;
        self
    }

    /// A codec that fails on every audio.
    pub(crate) fn without_audio(mut self: Box<Self>) -> Box<Self> {
        self.can_send = false;
        self
    }
}

impl MediaCodec for ScriptedCodec {
    fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
        let text = match &message {
            WireMessage::Binary(payload) => {
                decoded.events.push_back(CodecEvent::Audio {
                    payload: payload.clone(),
                    timestamp: None,
                });
                return Ok(());
            }
            WireMessage::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("no test sends {other:?}"),
        };
        let (word, value) = text.split_once(':').unwrap_or((&text, ""));
        decoded.events.push_back(match word {
            "start" => CodecEvent::Start(Box::new(self.start.clone())),
            "dtmf" => CodecEvent::Dtmf {
                digit: value.chars().next().unwrap(),
                duration: None,
            },
            "mark" => CodecEvent::Mark {
                name: value.to_owned(),
            },
            "cleared" => CodecEvent::Cleared,
            "stop" => CodecEvent::Stop {
                reason: (!value.is_empty()).then(|| value.to_owned()),
            },
            "at" => {
                let mut parts = value.split(':').map(|part| part.parse::<u64>().unwrap());
                let (at, len, byte) = (parts.next(), parts.next(), parts.next());
                let byte = u8::try_from(byte.unwrap()).unwrap();
                CodecEvent::Audio {
                    payload: vec![byte; usize::try_from(len.unwrap()).unwrap()].into(),
                    timestamp: at.map(Duration::from_millis),
                }
            }
            "tone" => {
                let mut payload = Vec::new();
                let format = self.start.inbound;
                let samples = tone::tone(format.rate, 400.0, ms(20), 0.3);
                encode(format.encoding, &samples, &mut payload);
                CodecEvent::Audio {
                    payload: payload.into(),
                    timestamp: value.parse().ok().map(Duration::from_millis),
                }
            }
            "ping" => {
                decoded.replies.push(WireMessage::text("pong"));
                return Ok(());
            }
            "bad" => return Err(Error::malformed("this is no message")),
            "fatal" => return Err(Error::new(ErrorKind::Closed, "read media", "no way on")),
            name => CodecEvent::Unknown {
                name: name.to_owned(),
                raw: message,
            },
        });
        Ok(())
    }

    fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
        out.push(match command {
            MediaCommand::Audio(audio) if self.can_send => WireMessage::Binary(audio.clone()),
            MediaCommand::Mark(name) if self.can_mark => WireMessage::text(format!("mark:{name}")),
            MediaCommand::Clear => WireMessage::text("clear"),
            _ => return Err(Error::unsupported("write media", "there is no such word")),
        });
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<WireMessage>) {
        out.push(WireMessage::text("bye"));
    }
}

/// What a carrier gets from us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    Audio(Bytes),
    Mark(String),
    Clear,
    Bye,
    /// The socket was closed the normal way.
    Close,
    Other(String),
}

impl Sent {
    pub(crate) fn read(message: WireMessage) -> Self {
        let text = match message {
            WireMessage::Binary(audio) => return Self::Audio(audio),
            WireMessage::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("the scripted codec does not write {other:?}"),
        };
        match text.split_once(':') {
            Some(("mark", name)) => Self::Mark(name.to_owned()),
            _ if text == "clear" => Self::Clear,
            _ if text == "bye" => Self::Bye,
            _ => Self::Other(text),
        }
    }
}

pub(crate) fn account(label: &str) -> AccountLabel {
    AccountLabel::new(label).unwrap()
}

pub(crate) fn call_id(id: &str) -> CallId {
    CallId::new(id).unwrap()
}

pub(crate) fn random_key() -> CallKey {
    CallKey::random(&OsRandom).unwrap()
}

/// An inbound call of the account `main` that the carrier calls `call-1`.
pub(crate) fn new_call() -> NewCall {
    let parties = (Party::parse("+14155550100"), Party::parse("+14155550199"));
    let provider = ProviderName::from_static("dummy");
    NewCall::new(
        random_key(),
        provider,
        account("main"),
        Direction::Inbound,
        parties,
    )
    .with_call_id(Some(call_id("call-1")))
}

/// A ticket for a stream of [`new_call`], and what ends it.
pub(crate) async fn ticket(options: StreamOptions) -> (StreamTicket, EndTrigger) {
    let data = [("greeting".to_owned(), "hello".to_owned())].into();
    let call = MemoryStore::default()
        .open(new_call().with_data(data))
        .await
        .unwrap();
    let (trigger, ended) = EndSignal::new();
    (
        StreamTicket::new(call, ended).with_options(options),
        trigger,
    )
}

/// The first claim of a token.
pub(crate) fn claim(token: &MediaToken) -> Claim {
    Claim::numbered(token.clone(), 1)
}
