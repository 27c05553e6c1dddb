//! The carriers, and the messages that they send.

use crate::{FRAME, sound};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::future::Future as _;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use telephony::audio::AudioFormat;
use telephony::exotel::{Exotel, ExotelConfig};
use telephony::media::{EndSignal, StreamOptions, StreamTicket, WireMessage};
use telephony::twilio::{Twilio, TwilioConfig};
use telephony::vonage::{Vonage, VonageConfig};
use telephony::{
    AccountLabel, CallKey, CallStore as _, Direction, MemoryStore, NewCall, Party, Ports, Secret,
    Telephony,
};

/// Ten seconds of messages; then they begin again.
const RING: usize = 500;
const PEM: &str =
    "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n";

/// A carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// JSON, µ-law at 8 kHz in base64.
    Twilio,
    /// Binary messages of PCM16 at 16 kHz.
    Vonage,
    /// JSON, PCM16 at 8 kHz in base64.
    Exotel,
}

impl Carrier {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Twilio, Self::Vonage, Self::Exotel];

    /// Its name, for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Twilio => "Twilio",
            Self::Vonage => "Vonage",
            Self::Exotel => "Exotel",
        }
    }

    /// What it sends and takes.
    #[must_use]
    pub fn wire(self) -> AudioFormat {
        match self {
            Self::Twilio => AudioFormat::MULAW_8000,
            Self::Vonage => AudioFormat::PCM16_16000,
            Self::Exotel => AudioFormat::PCM16_8000,
        }
    }

    /// An account of it that is never called.
    #[must_use]
    pub fn account(self) -> Arc<dyn Telephony> {
        let label = AccountLabel::new(self.name().to_lowercase()).unwrap();
        let ports = Ports::default();
        match self {
            Self::Twilio => {
                let config = TwilioConfig::new("AC0001", Secret::new("token"));
                Arc::new(Twilio::new(label, config, &ports).unwrap())
            }
            Self::Vonage => {
                let secret = "a-signature-secret-of-our-own-0123";
                let application = "78d335fa-323d-4114-9c3d-d6f0d48968cf";
                let config = VonageConfig::new("c0ffee12", application, PEM, secret);
                Arc::new(Vonage::new(label, config, &ports).unwrap())
            }
            Self::Exotel => {
                let config = ExotelConfig::new("example1", "key", "token", "a-webhook-secret");
                Arc::new(Exotel::new(label, config, &ports).unwrap())
            }
        }
    }

    /// A ticket for a stream of it.
    #[must_use]
    pub fn ticket(self, options: StreamOptions) -> StreamTicket {
        let account = self.account();
        let key = CallKey::parse("call-key-of-benchmarks").unwrap();
        let parties = (Party::Withheld, Party::Withheld);
        let (provider, label) = (account.provider().clone(), account.account().clone());
        let call = NewCall::new(key, provider, label, Direction::Inbound, parties);
        let store = MemoryStore::default();
        let opened = pin!(store.open(call)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(record) = opened else {
            panic!("the memory store waits");
        };
        StreamTicket::new(record.unwrap(), EndSignal::new().1).with_options(options)
    }

    /// What it says first.
    #[must_use]
    pub fn start(self) -> WireMessage {
        WireMessage::text(match self {
            Self::Twilio => {
                r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC0001","streamSid":"MZ00000000000000000000000000000001","callSid":"CA00000000000000000000000000000001","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{}},"streamSid":"MZ00000000000000000000000000000001"}"#
            }
            Self::Vonage => {
                r#"{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}"#
            }
            Self::Exotel => {
                r#"{"event":"start","sequence_number":"1","stream_sid":"0d5f7b18bl","start":{"stream_sid":"0d5f7b18bl","call_sid":"a94c0e19co","account_sid":"example1","from":"0","to":"0","media_format":{"encoding":"base64","sample_rate":"8000","bit_rate":"128kbps"}}}"#
            }
        })
    }

    /// The `number`th message of audio of a stream, the first being 0.
    #[must_use]
    pub fn frame(self, number: usize, audio: &[u8]) -> Frame {
        let (chunk, sequence) = (number + 1, number + 2);
        let ms = number as u128 * FRAME.as_millis();
        let (before, after) = match self {
            Self::Vonage => return Frame::binary(audio),
            Self::Twilio => (
                format!(
                    r#"{{"event":"media","sequenceNumber":"{sequence}","media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{ms}","payload":""#
                ),
                r#""},"streamSid":"MZ00000000000000000000000000000001"}"#,
            ),
            Self::Exotel => (
                format!(
                    r#"{{"event":"media","sequence_number":"{sequence}","stream_sid":"0d5f7b18bl","media":{{"chunk":"{chunk}","timestamp":"{ms}","payload":""#
                ),
                r#""}}"#,
            ),
        };
        let base64 = STANDARD.encode(audio);
        Frame {
            payload: before.len()..before.len() + base64.len(),
            message: WireMessage::text(format!("{before}{base64}{after}")),
        }
    }
}

/// A message with audio.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The message.
    pub message: WireMessage,
    /// Where its payload lies.
    pub payload: Range<usize>,
}

impl Frame {
    fn binary(audio: &[u8]) -> Self {
        Self {
            payload: 0..audio.len(),
            message: WireMessage::Binary(Bytes::copy_from_slice(audio)),
        }
    }

    /// All bytes of the message.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        let (WireMessage::Text(bytes) | WireMessage::Binary(bytes)) = &self.message else {
            panic!("a carrier sends text or binary messages");
        };
        bytes
    }
}

/// Messages made beforehand, over and over.
#[derive(Debug)]
pub struct Ring {
    frames: Vec<Frame>,
    next: usize,
}

impl Ring {
    /// Audio of that carrier.
    #[must_use]
    pub fn new(carrier: Carrier) -> Self {
        let audio = sound(carrier.wire());
        Self {
            frames: (0..RING)
                .map(|number| carrier.frame(number, &audio))
                .collect(),
            next: 0,
        }
    }

    /// The next one.
    pub fn advance(&mut self) -> &Frame {
        let at = self.next;
        self.next = (at + 1) % self.frames.len();
        &self.frames[at]
    }
}
