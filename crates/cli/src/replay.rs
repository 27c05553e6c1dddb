//! `telephony replay`: the caller of a recorded call calls again.
//!
//! Ids, signatures and tokens are new, as they would be in a real call; what the caller said, pressed and when is the same.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use telephony::audio::{AudioFormat, decode};
use telephony::media::{CodecEvent, Decoded, EndSignal, MediaCodec, StreamTicket, WireMessage};
use telephony::{CallKey, CallRecord, Direction, NewCall, Party, Provider};
use telephony_testkit::{Outcome, Speech, TraceKind, Way};

use crate::call::{self, OutputOptions};
use crate::carrier;
use crate::exit::{Exit, Failure, Result};
use crate::options::{MethodChoice, MoreAppOptions, check_reachable, provider};
use crate::secrets::Secrets;
use crate::terminal;
use crate::timeline::{End, Timeline};
use crate::trace::{self, Head, Message};
use crate::units::{KeysAt, count, shown};

/// Plays the caller of a recorded call again
///
/// What was said, which keys were pressed and when, and the hang-up are as recorded; signatures, ids and tokens are new. Then it
/// compares, and judges the new call as `telephony call` does.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// What `telephony call --trace` has written
    #[arg(value_name = "TRACE")]
    trace_file: PathBuf,
    /// Where the app listens now, if not where it did
    #[arg(long)]
    url: Option<String>,
    /// Lines like TWILIO_AUTH_TOKEN=…; they come before the environment
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    app: MoreAppOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// For everything around the conversation.
const AROUND: Duration = Duration::from_secs(40);
/// An app that ended the recorded call may take so much longer now.
const SLACK: Duration = Duration::from_secs(10);

pub(crate) async fn run(mut args: ReplayArgs) -> Result<Exit> {
    let (head, messages) = trace::read(&args.trace_file)?;
    let provider = provider(&head.carrier).map_err(Failure::Usage)?;
    let secrets = Secrets::load(provider, args.secret_file.as_deref())?;
    args.take_over(&head);
    let url = args.url.clone().unwrap_or_else(|| head.url.clone());
    let recorded = Recorded::read(provider, &secrets, &messages)?;
    let call = args
        .app
        .call(provider, &secrets, &url)?
        .script(recorded.timeline.script())
        .deadline(recorded.timeline.length() + AROUND);
    check_reachable(&url).await?;
    let head = Head { url, ..head };
    let outcome = call::make(call, &head, &args.output, &secrets).await?;
    let compared = recorded.compare(&outcome);
    if !args.output.json {
        for line in compared.lines() {
            terminal::say(line);
        }
    }
    call::report(
        provider,
        &outcome,
        &args.output,
        &secrets,
        Some(compared.json()),
    )
}

impl ReplayArgs {
    /// What the command line does not say is as it was.
    fn take_over(&mut self, head: &Head) {
        let app = &mut self.app;
        let or = |given: &mut Option<String>, recorded: &Option<String>| {
            *given = given.take().or_else(|| recorded.clone());
        };
        or(&mut app.public_url, &head.public_url);
        or(&mut app.from, &head.from);
        or(&mut app.to, &head.to);
        if self.url.is_none() {
            or(&mut app.status_url, &head.status_url);
        }
        app.method = app.method.or(match head.method.as_deref() {
            Some("get") => Some(MethodChoice::Get),
            Some("post") => Some(MethodChoice::Post),
            _ => None,
        });
    }
}

/// A recorded call, as far as the caller and the app can be seen in it.
struct Recorded {
    timeline: Timeline,
    /// Answers of the app, in order.
    statuses: Vec<String>,
    sockets: usize,
    first_audio: Option<Duration>,
}

impl Recorded {
    fn read(provider: Provider, secrets: &Secrets, messages: &[Message]) -> Result<Self> {
        let mut ear = Ear::new(provider, secrets)?;
        let mut sockets = 0;
        let mut opened = None;
        let mut closed = None;
        let mut first_audio = None;
        for message in messages {
            match (message.kind.as_str(), message.is_to_app()) {
                ("handshake", false) if message.head.starts_with("101") => {
                    sockets += 1;
                    opened.get_or_insert(message.at());
                }
                // What is said in a second stream would need another script.
                ("text" | "binary", true) if sockets == 1 => ear.hear(message),
                ("text" | "binary", false) if first_audio.is_none() && message.bytes > 100 => {
                    first_audio = opened.map(|opened| message.at().saturating_sub(opened));
                }
                ("close", to_app) if sockets == 1 => {
                    closed.get_or_insert((message.at(), to_app));
                }
                _ => {}
            }
        }
        let begun = ear.begun.or(opened).unwrap_or_default();
        let last = messages.last().map(Message::at).unwrap_or_default();
        let (at, by_carrier) = closed.unwrap_or((last, true));
        let length = at.saturating_sub(begun).max(Duration::from_millis(100));
        let timeline = Timeline {
            speech: ear.speech()?,
            keys: ear.keys,
            interruptions: vec![],
            end: if by_carrier {
                End::HangUp(length)
            } else {
                End::App(SLACK)
            },
        };
        Ok(Self {
            timeline,
            statuses: messages
                .iter()
                .filter(|message| message.kind == "response" && !message.is_to_app())
                .map(|message| message.head.clone())
                .collect(),
            sockets,
            first_audio,
        })
    }

    fn compare(&self, outcome: &Outcome) -> Comparison {
        let answers = outcome
            .trace
            .iter()
            .filter(|entry| entry.kind == TraceKind::Response && entry.way == Way::FromApp);
        // Callbacks come beside the call, so that their order says nothing.
        let sorted = |mut answers: Vec<String>| {
            answers.sort();
            answers
        };
        Comparison {
            said: self.timeline.speech.iter().map(Speech::duration).sum(),
            keys: self.timeline.keys.len(),
            answers: [
                sorted(self.statuses.clone()),
                sorted(answers.map(|entry| entry.head.clone()).collect()),
            ],
            sockets: [self.sockets, outcome.streams.len()],
            first_audio: [
                self.first_audio,
                outcome.stream().and_then(|stream| stream.first_audio),
            ],
        }
    }
}

/// The recorded call and the new one, in this order.
struct Comparison {
    said: Duration,
    keys: usize,
    answers: [Vec<String>; 2],
    sockets: [usize; 2],
    first_audio: [Option<Duration>; 2],
}

impl Comparison {
    fn lines(&self) -> Vec<String> {
        let audio = self
            .first_audio
            .map(|time| time.map_or("none".to_owned(), shown));
        vec![
            format!(
                "replay    {} of speech, {}",
                shown(self.said),
                count(self.keys, "key")
            ),
            compared(
                "answers",
                &self.answers.clone().map(|answers| answers.join(", ")),
            ),
            compared("sockets", &self.sockets.map(|sockets| sockets.to_string())),
            format!(
                "audio     began {} after the handshake, now {}",
                audio[0], audio[1]
            ),
        ]
    }

    fn json(&self) -> Value {
        let ms = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
        let side = |at: usize| {
            json!({
                "answers": self.answers[at],
                "sockets": self.sockets[at],
                "first_audio_ms": ms(self.first_audio[at]),
            })
        };
        json!({
            "said_ms": ms(Some(self.said)),
            "keys": self.keys,
            "as_recorded": self.answers[0] == self.answers[1] && self.sockets[0] == self.sockets[1],
            "recorded": side(0),
            "now": side(1),
        })
    }
}

fn compared(name: &str, [then, now]: &[String; 2]) -> String {
    if then == now {
        format!("{name:<9} as recorded: {now}")
    } else {
        format!("{name:<9} recorded: {then}; now: {now}")
    }
}

/// Listens to what the carrier said to the app, with the library's own codec.
struct Ear {
    codec: Box<dyn MediaCodec>,
    format: Option<AudioFormat>,
    audio: Vec<i16>,
    keys: Vec<KeysAt>,
    /// When the caller could be heard first.
    begun: Option<Duration>,
    is_shortened: bool,
}

impl Ear {
    fn new(provider: Provider, secrets: &Secrets) -> Result<Self> {
        let fail = |error: telephony::Error| Failure::usage(error.to_string());
        let account = carrier::account(provider, secrets, None)?;
        let call = NewCall::new(
            CallKey::parse("a-call-that-is-over").map_err(fail)?,
            account.provider().clone(),
            account.account().clone(),
            Direction::Inbound,
            (Party::Withheld, Party::Withheld),
        );
        let record = CallRecord::opened(call, SystemTime::now());
        let (_, never) = EndSignal::new();
        let codec = account
            .media_codec(&StreamTicket::new(record, never))
            .map_err(fail)?;
        Ok(Self {
            codec,
            format: None,
            audio: vec![],
            keys: vec![],
            begun: None,
            is_shortened: false,
        })
    }

    fn hear(&mut self, message: &Message) {
        self.is_shortened |= message.text.contains(" characters>\"")
            || (message.kind == "binary" && message.text.is_empty() && message.bytes > 0);
        let wire = match message.kind.as_str() {
            "binary" => {
                WireMessage::Binary(STANDARD.decode(&message.text).unwrap_or_default().into())
            }
            _ => WireMessage::Text(Bytes::from(message.text.clone())),
        };
        let mut decoded = Decoded::default();
        // What the codec cannot read the app could not read either.
        let _ = self.codec.decode(wire, &mut decoded);
        for event in decoded.events {
            match event {
                CodecEvent::Start(start) => self.format = Some(start.inbound),
                CodecEvent::Audio { payload, .. } => {
                    self.begun.get_or_insert(message.at());
                    if let Some(format) = self.format {
                        decode(format.encoding, &payload, &mut self.audio);
                    }
                }
                CodecEvent::Dtmf { digit, .. } => {
                    let begun = *self.begun.get_or_insert(message.at());
                    self.keys.push(KeysAt {
                        keys: digit.to_string(),
                        at: message.at().saturating_sub(begun),
                    });
                }
                _ => {}
            }
        }
    }

    fn speech(&mut self) -> Result<Vec<Speech>> {
        if self.is_shortened {
            return Err(Failure::usage(
                "the trace has no audio in it: record it with `telephony call --trace`",
            ));
        }
        let rate = self.format.map_or(8_000, |format| format.rate.hz());
        Ok(vec![Speech::samples(std::mem::take(&mut self.audio), rate)])
    }
}
