//! A media stream: the socket on one side, the caller's line on the other, the playout buffer between.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{
    Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at,
};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::complaint::Finding;
use crate::engine::call::Call;
use crate::engine::ending::Ending;
use crate::engine::meter::{Meter, is_sound};
use crate::engine::playout::{Played, Playout};
use crate::engine::socket::MediaSocket;
use crate::engine::wire::{AppCommand, MediaWire, Received, StopReason, WireMessage};
use crate::outcome::{Interrupted, StreamSummary};
use crate::speech::duration_of;
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
/// Messages that wait for an app that does not read; what comes on top is dropped.
const OUTBOX: usize = 512;
/// A single write that takes longer than this will never be done.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// A pause in the app's audio that is longer than this is no gap, it is a pause.
const LONGEST_GAP: Duration = Duration::from_secs(1);

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

    /// What the caller's ear makes of one tick.
    async fn hear(&mut self, played: Played, count: usize) {
        let rate = self.wire.rate();
        self.note_gap(played.samples.len(), count, !played.marks.is_empty());
        self.played += played.samples.len();
        let sounding = !self.call.line.is_deaf() && is_sound(&played.samples);
        self.meter.heard(sounding, TICK);
        if sounding && self.summary.first_sound.is_none() {
            self.summary.first_sound = Some(self.opened.elapsed());
        }
        let sound = duration_of(played.samples.len(), rate);
        let mut samples = played.samples;
        samples.resize(count, 0);
        if self.call.line.is_deaf() {
            samples.fill(0);
        }
        self.call.recorder.hear(&samples, rate);
        self.call.line.notice(|ear| {
            ear.sounding = sounding;
            if sounding {
                ear.heard += sound;
                ear.quiet = Duration::ZERO;
            } else {
                ear.quiet += TICK;
            }
        });
        if self.dying_away && self.playout.spared() == 0 {
            self.dying_away = false;
            self.settle_interruption(true);
        } else if self.playout.is_silent() {
            self.settle_interruption(false);
        }
        for mark in played.marks {
            self.summary.marks_played += 1;
            self.return_mark(&mark).await;
        }
    }

    /// A gap: the app's audio stopped short, and went on before anybody would call it a pause.
    fn note_gap(&mut self, played: usize, count: usize, marked: bool) {
        if played > 0
            && let Some(since) = self.dry.take()
        {
            let gap = self.elapsed.saturating_sub(TICK).saturating_sub(since);
            if !gap.is_zero() && gap <= LONGEST_GAP {
                self.summary.gaps += 1;
                self.summary.gap_time += gap;
            }
        }
        if played > 0 && self.playout.is_silent() && !marked {
            let silent = duration_of(count - played, self.wire.rate());
            self.dry = Some(self.elapsed.saturating_sub(silent));
        }
        if marked {
            self.dry = None;
            self.meter.paused();
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

    fn queue(&mut self, samples: Vec<i16>) {
        self.summary.from_app.frames += 1;
        if self.summary.first_audio.is_none() {
            self.summary.first_audio = Some(self.opened.elapsed());
        }
        let count = samples.len();
        let lasts = duration_of(count, self.wire.rate());
        self.meter.received(self.call.tempo().wall(lasts));
        self.mind_the_clear(&samples);
        if !self.playout.push_audio(samples) {
            if self.overflowed == 0 {
                self.call.complain(Finding::warning(
                    self.wire.playout().overflow_code,
                    "more audio is waiting than the carrier keeps: the rest is thrown away",
                ));
            }
            self.overflowed += count;
        }
    }

    /// An app that clears and goes on talking has not stopped whoever makes its speech.
    fn mind_the_clear(&mut self, samples: &[i16]) {
        if self.hushed && is_sound(samples) {
            self.hushed = false;
            self.call.complain(Finding::warning(
                "audio-after-clear",
                "the app has cleared because the caller interrupts, and sends more speech while the caller is still talking",
            ));
        }
    }

    async fn clear(&mut self) {
        self.summary.clears += 1;
        self.dry = None;
        self.meter.paused();
        self.hushed = self.call.line.is_talked_over();
        let cleared = self.playout.clear();
        self.cleared += cleared.samples;
        self.dying_away = self.playout.spared() > 0;
        if !self.dying_away {
            self.settle_interruption(true);
        }
        for message in self.wire.cleared() {
            self.send(message).await;
        }
        for mark in cleared.returned {
            self.summary.marks_cleared += 1;
            self.return_mark(&mark).await;
        }
    }

    async fn return_mark(&mut self, mark: &Value) {
        for message in self.wire.mark(mark) {
            self.send(message).await;
        }
        self.call.line.notice(|ear| ear.marks += 1);
    }

    /// The caller wanted silence, and here it is.
    fn settle_interruption(&self, by_clear: bool) {
        if let Some(since) = self.call.line.interrupting_since() {
            self.call.line.interruption_settled();
            let interrupted = Interrupted {
                after: since.elapsed(),
                by_clear,
            };
            self.call
                .recorder
                .write(|record| record.interruption = record.interruption.or(Some(interrupted)));
        }
    }

    /// A message that must arrive: waits for room, but not for ever.
    async fn send(&mut self, message: WireMessage) {
        self.count_sent(&message);
        if timeout(WRITE_DEADLINE, self.outbox.send(into_frame(message)))
            .await
            .is_err()
        {
            self.complain_of_congestion();
        }
    }

    /// Audio does not wait: an app that does not read loses it.
    fn send_audio(&mut self, message: WireMessage) {
        self.count_sent(&message);
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.try_send(into_frame(message)) {
            self.complain_of_congestion();
        }
    }

    fn count_sent(&mut self, message: &WireMessage) {
        self.summary.to_app.messages += 1;
        self.summary.to_app.bytes += message.size();
        match message {
            WireMessage::Text(text) => self.call.recorder.trace_text(Way::ToApp, text),
            WireMessage::Binary(bytes) => self.call.recorder.trace_binary(Way::ToApp, bytes),
        }
    }

    fn complain_of_congestion(&self) {
        self.call.complain(Finding::warning(
            self.wire.congestion_code(),
            "the app does not read its socket: audio of the caller is thrown away",
        ));
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

    /// Says goodbye as the carrier does, and watches whether the app lets go.
    async fn close(mut self, end: StreamEnd, reader: &mut Reader) {
        self.call.line.fall_silent();
        self.call.line.notice(|ear| ear.keys_wanted = false);
        match end {
            StreamEnd::CallEnded | StreamEnd::Stopped => {
                let reason = match end {
                    StreamEnd::Stopped => StopReason::Stopped,
                    _ => StopReason::CallEnded,
                };
                for message in self.wire.stop(reason) {
                    self.send(message).await;
                }
                self.trace_close(Way::ToApp, 1000);
                let goodbye = Message::Close(Some(CloseFrame {
                    code: CloseCode::Normal,
                    reason: "".into(),
                }));
                let _ = timeout(WRITE_DEADLINE, self.outbox.send(goodbye)).await;
                self.await_farewell(reader).await;
            }
            StreamEnd::AppClosed(code) => {
                self.summary.closed_by_app = Some(code);
                // Reading on is what sends the reply to the app's close.
                let _ = timeout(self.call.linger(), async {
                    while let Some(Ok(_)) = reader.next().await {}
                })
                .await;
            }
            StreamEnd::AppVanished => self.summary.closed_by_app = Some(1006),
            StreamEnd::Dropped => {}
        }
        self.finish();
    }

    async fn await_farewell(&mut self, reader: &mut Reader) {
        let deadline = Instant::now() + self.call.linger();
        loop {
            match timeout_at(deadline, reader.next()).await {
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Ok(Some(Ok(_))) => {}
                Err(_) => {
                    self.call.complain(Finding::error(
                        "socket-left-open",
                        format!(
                            "{} ms after the end of the stream the app has not closed its socket",
                            self.call.linger().as_millis()
                        ),
                    ));
                    return;
                }
            }
        }
    }

    fn finish(&mut self) {
        let rate = self.wire.rate();
        let mut summary = std::mem::take(&mut self.summary);
        summary.played = duration_of(self.played, rate);
        summary.cleared = duration_of(self.cleared, rate);
        summary.overflowed = duration_of(self.overflowed, rate);
        summary.unplayed = duration_of(self.playout.waiting(), rate);
        summary.replies = std::mem::take(&mut self.meter.replies);
        summary.late_frames = self.meter.late;
        summary.carrier_lag = self.meter.lag;
        if summary.closed_by_app.is_some() && summary.unplayed > TICK {
            self.call.complain(Finding::note(
                "audio-lost",
                format!(
                    "the app closed its socket before {} ms of its audio were played",
                    summary.unplayed.as_millis()
                ),
            ));
        }
        self.call
            .recorder
            .write(|record| record.streams.push(summary));
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

/// Writes what is in the outbox, so that a slow app never keeps the carrier from reading.
async fn write(
    mut sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    mut waiting: mpsc::Receiver<Message>,
) {
    while let Some(message) = waiting.recv().await {
        match timeout(WRITE_DEADLINE, sink.send(message)).await {
            Ok(Ok(())) => {}
            // The reader hears of it, too.
            Ok(Err(_)) | Err(_) => return,
        }
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

fn into_frame(message: WireMessage) -> Message {
    match message {
        WireMessage::Text(text) => Message::text(text),
        WireMessage::Binary(bytes) => Message::binary(bytes),
    }
}

fn samples_in(duration: Duration, rate: u32) -> usize {
    (duration.as_micros() as u64 * u64::from(rate) / 1_000_000) as usize
}
