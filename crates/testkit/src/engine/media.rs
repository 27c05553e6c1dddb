//! A media stream: the socket on one side, the caller's line on the other, the playout buffer between.

mod closing;
mod playing;
mod sending;

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{SplitSink, SplitStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::complaint::Finding;
use crate::engine::call::Call;
use crate::engine::ending::Ending;
use crate::engine::media::sending::{OUTBOX, write};
use crate::engine::meter::Meter;
use crate::engine::playout::Playout;
use crate::engine::socket::MediaSocket;
use crate::engine::wire::{AppCommand, MediaWire, Received, WireMessage};
use crate::outcome::StreamSummary;
use crate::trace::{TraceKind, Way};

/// How a media stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// The app closed the socket with this code (1005 when it gave none).
    AppClosed(u16),
    /// The connection broke without a goodbye.
    AppVanished,
    /// The call ended, and the carrier closed the socket.
    CallEnded,
    /// The call goes on without this stream, and the carrier closed the socket.
    Stopped,
    /// The carrier dropped the socket because of what the app sent.
    Dropped,
}

/// The caller's ear and the carrier's clock tick every 20 ms of call time.
const TICK: Duration = Duration::from_millis(20);
/// Between the first message and the start, in which no app may speak (wall time).
const BEFORE_START: Duration = Duration::from_millis(15);

type Reader = SplitStream<WebSocketStream<TcpStream>>;

/// Runs a stream until somebody ends it.
pub(crate) async fn run(
    call: &Call,
    socket: MediaSocket,
    wire: Box<dyn MediaWire>,
    leg: &Ending,
) -> StreamEnd {
    let (sink, mut reader) = socket.socket.split();
    let mut stream = Stream::new(call, wire, leg, sink, socket.opened_after);
    let end = stream.talk(&mut reader).await;
    stream.close(end, &mut reader).await;
    end
}

struct Stream<'a> {
    call: &'a Call,
    wire: Box<dyn MediaWire>,
    leg: &'a Ending,
    playout: Playout,
    outbox: mpsc::Sender<Message>,
    writer: JoinHandle<()>,
    opened: Instant,
    summary: StreamSummary,
    /// Call time since the stream began, in ticks.
    elapsed: Duration,
    /// The caller's voice that does not fill a frame yet.
    voice: Vec<i16>,
    played: usize,
    cleared: usize,
    overflowed: usize,
    /// A clear has spared the message in play, which is not over yet.
    dying_away: bool,
    /// Since when the app's audio has run dry, while it may be a gap.
    dry: Option<Duration>,
    meter: Meter,
    /// The app has cleared because the caller is talking over it.
    hushed: bool,
}

impl<'a> Stream<'a> {
    fn new(
        call: &'a Call,
        wire: Box<dyn MediaWire>,
        leg: &'a Ending,
        sink: SplitSink<WebSocketStream<TcpStream>, Message>,
        opened_after: Duration,
    ) -> Self {
        let (outbox, waiting) = mpsc::channel(OUTBOX);
        Self {
            call,
            playout: Playout::new(wire.playout(), wire.rate()),
            wire,
            leg,
            outbox,
            writer: tokio::spawn(write(sink, waiting)),
            opened: Instant::now(),
            summary: StreamSummary {
                opened_after,
                ..StreamSummary::default()
            },
            elapsed: Duration::ZERO,
            voice: vec![],
            played: 0,
            cleared: 0,
            overflowed: 0,
            dying_away: false,
            dry: None,
            meter: Meter::new(),
            hushed: false,
        }
    }

    async fn talk(&mut self, reader: &mut Reader) -> StreamEnd {
        for message in self.wire.hello() {
            self.send(message).await;
        }
        if let Some(end) = self.before_start(reader).await {
            return end;
        }
        for message in self.wire.start() {
            self.send(message).await;
        }
        let call = self.call;
        let mut keys = call.line.pressed.lock().await;
        call.line.notice(|ear| {
            ear.connected = true;
            ear.keys_wanted = true;
            ear.quiet = Duration::ZERO;
        });
        let mut clock = self.clock();
        loop {
            let end = tokio::select! {
                biased;
                end = stopped(call, self.leg) => Some(end),
                message = reader.next() => self.read(message).await,
                Some(key) = keys.recv() => {
                    self.press(key).await;
                    None
                }
                due = clock.tick() => {
                    self.meter.ticked(due);
                    self.tick().await;
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// The moment between the handshake and the start. An app that speaks now speaks too early.
    async fn before_start(&mut self, reader: &mut Reader) -> Option<StreamEnd> {
        let start = Instant::now() + BEFORE_START;
        loop {
            tokio::select! {
                biased;
                end = stopped(self.call, self.leg) => return Some(end),
                () = sleep_until(start) => return None,
                message = reader.next() => {
                    if let Some(end) = self.read(message).await {
                        return Some(end);
                    }
                }
            }
        }
    }

    fn clock(&self) -> Interval {
        let period = self.call.tempo().wall(TICK).max(Duration::from_micros(20));
        let mut clock = interval_at(Instant::now() + period, period);
        // A late tick is made up for: call time does not stand still.
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        clock
    }

    async fn tick(&mut self) {
        self.elapsed += TICK;
        let rate = self.wire.rate();
        let count = samples_in(TICK, rate);
        let played = self.playout.play(count);
        self.hear(played, count).await;

        let voice = self.call.line.voice(rate, count);
        self.meter.said(&voice, TICK);
        self.hushed &= self.call.line.is_talked_over();
        self.voice.extend(voice);
        let frame = samples_in(self.wire.frame(), rate).max(1);
        while self.voice.len() >= frame {
            let rest = self.voice.split_off(frame);
            let samples = std::mem::replace(&mut self.voice, rest);
            let at = self.elapsed.saturating_sub(self.wire.frame());
            for message in self.wire.audio(&samples, at) {
                self.summary.to_app.frames += 1;
                self.send_audio(message);
            }
        }
    }

    async fn press(&mut self, key: char) {
        self.summary.keys += 1;
        for message in self.wire.key(key, self.elapsed) {
            self.send(message).await;
        }
    }

    async fn read(&mut self, message: Option<Result<Message, Error>>) -> Option<StreamEnd> {
        match message {
            Some(Ok(Message::Text(text))) => {
                self.call.recorder.trace_text(Way::FromApp, &text);
                self.receive(WireMessage::Text(text.to_string())).await
            }
            Some(Ok(Message::Binary(bytes))) => {
                self.call.recorder.trace_binary(Way::FromApp, &bytes);
                self.receive(WireMessage::Binary(bytes.to_vec())).await
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                self.trace_close(Way::FromApp, code);
                Some(StreamEnd::AppClosed(code))
            }
            Some(Ok(_)) => None,
            Some(Err(error)) => {
                if !is_disconnect(&error) {
                    self.call.complain(Finding::error(
                        "websocket-protocol",
                        format!("the app broke the WebSocket protocol: {error}"),
                    ));
                }
                Some(StreamEnd::AppVanished)
            }
            None => Some(StreamEnd::AppVanished),
        }
    }

    async fn receive(&mut self, message: WireMessage) -> Option<StreamEnd> {
        self.summary.from_app.messages += 1;
        self.summary.from_app.bytes += message.size();
        let Received { commands, findings } = self.wire.receive(&message);
        for finding in findings {
            self.call.complain(finding);
        }
        for command in commands {
            match command {
                AppCommand::Audio(samples) => self.queue(samples),
                AppCommand::Mark(mark) => {
                    if let Some(mark) = self.playout.push_mark(mark) {
                        self.summary.marks_played += 1;
                        self.return_mark(&mark).await;
                    }
                }
                AppCommand::Clear => self.clear().await,
                AppCommand::Drop => return Some(StreamEnd::Dropped),
            }
        }
        None
    }

    fn trace_close(&self, way: Way, code: u16) {
        self.call.recorder.trace(
            way,
            TraceKind::Close,
            code.to_string(),
            vec![],
            String::new(),
            0,
        );
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.writer.abort();
        // Also when the whole call is dropped in the middle of a stream.
        self.call.line.fall_silent();
    }
}

/// Waits until the carrier has a reason to close the socket.
async fn stopped(call: &Call, leg: &Ending) -> StreamEnd {
    tokio::select! {
        biased;
        _ = call.ending.ended() => StreamEnd::CallEnded,
        _ = leg.ended() => StreamEnd::Stopped,
        () = call.live.interrupted() => match call.ending.by() {
            Some(_) => StreamEnd::CallEnded,
            None => StreamEnd::Stopped,
        },
    }
}

/// A connection that ended without a WebSocket goodbye, as opposed to one that carried nonsense.
fn is_disconnect(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

fn samples_in(duration: Duration, rate: u32) -> usize {
    (duration.as_micros() as u64 * u64::from(rate) / 1_000_000) as usize
}
