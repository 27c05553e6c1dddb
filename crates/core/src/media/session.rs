//! All rules of a media stream, without clock and socket.

use super::ledger::Ledger;
use super::{
    AudioFrame, CodecEvent, Decoded, Heard, MarkOutcome, MediaCodec, MediaCommand, MediaEvent,
    StreamOptions, StreamStart, WireMessage,
};
use crate::{ErrorKind, Result};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use telephony_audio::Framer;

/// How long the tail of an utterance waits for more audio before it is padded and sent.
const TAIL_WAIT: Duration = Duration::from_millis(60);
/// How many messages are written ahead of the socket. More would only wait there, out of reach of a clear.
const MAX_PENDING: usize = 16;
/// How many marks are waited for. More is an app that marks without listening.
const MAX_MARKS: usize = 1024;

/// A media stream as a state machine: wire messages, audio and commands go in with the time from the stream's start;
/// messages to send, events for the app and the next deadline come out. `G` is kept with each chunk of audio until the
/// chunk is sent or dropped: it gives back room in a queue.
///
/// For transports and tests; apps use [`Streamer`](super::Streamer).
#[derive(Debug)]
pub struct MediaSession<G = ()> {
    codec: Box<dyn MediaCodec>,
    options: StreamOptions,
    decoded: Decoded,
    encoded: Vec<WireMessage>,
    start: Option<Box<StreamStart>>,
    outbound: Option<Outbound<G>>,
    pending: VecDeque<Outgoing>,
    outputs: VecDeque<SessionOutput>,
    heard_at: Duration,
    inbound_end: Duration,
    stats: SessionStats,
}

/// What a stream has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Audio messages received.
    pub frames_in: u64,
    /// Bytes of audio received.
    pub bytes_in: u64,
    /// Audio messages sent.
    pub frames_out: u64,
    /// Bytes of audio sent, padding included.
    pub bytes_out: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Messages that we do not know.
    pub ignored: u64,
    /// Audio messages that went out after the carrier had run dry although they were there in time.
    pub late: u64,
    /// Interruptions that stopped something.
    pub interruptions: u64,
}

/// What comes out of a session, besides messages.
#[derive(Debug, PartialEq)]
pub(crate) enum SessionOutput {
    Event(MediaEvent),
    /// A wait is over: whether everything was played.
    Waited {
        id: u64,
        played: bool,
    },
    /// The carrier says that the stream is over.
    Stopped {
        reason: Option<String>,
    },
}

/// A message that has not reached the socket.
#[derive(Debug)]
struct Outgoing {
    message: WireMessage,
    /// Audio bytes in it; a clear takes it out.
    audio: usize,
    is_mark: bool,
}

#[derive(Debug)]
struct Outbound<G> {
    framer: Framer,
    /// What is kept for each chunk, with the position of the chunk's end.
    guards: VecDeque<(u64, G)>,
    ledger: Ledger,
    /// Position of the end of the queue.
    pushed: u64,
    lead: Duration,
    in_utterance: bool,
    /// The tail is padded and sent from then on.
    tail_at: Option<Duration>,
    /// There was something to send when the carrier's buffer was filled last.
    waiting: bool,
    generation: u64,
    next_mark: u64,
    marks: VecDeque<Mark>,
}

#[derive(Debug)]
struct Mark {
    purpose: MarkPurpose,
    /// Position that it waits for.
    position: u64,
    /// Its name on the wire and when it should be back, once it was sent.
    sent: Option<(String, Duration)>,
}

#[derive(Debug)]
enum MarkPurpose {
    App(String),
    Wait(u64),
}

impl<G> MediaSession<G> {
    /// A session that has not started.
    #[must_use]
    pub fn new(codec: Box<dyn MediaCodec>, options: StreamOptions) -> Self {
        Self {
            codec,
            options,
            decoded: Decoded::default(),
            encoded: Vec::new(),
            start: None,
            outbound: None,
            pending: VecDeque::new(),
            outputs: VecDeque::new(),
            heard_at: Duration::ZERO,
            inbound_end: Duration::ZERO,
            stats: SessionStats::default(),
        }
    }

    /// How the stream began, once it has.
    #[must_use]
    pub fn start(&self) -> Option<&StreamStart> {
        self.start.as_deref()
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.stats
    }

    /// A message came.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if after it the stream cannot go on. A message that cannot be read is counted and
    /// passed over.
    pub fn receive(&mut self, message: WireMessage, now: Duration) -> Result<()> {
        self.heard_at = now;
        let result = self.codec.decode(message, &mut self.decoded);
        for message in self.decoded.replies.drain(..) {
            self.pending.push_back(Outgoing {
                message,
                audio: 0,
                is_mark: false,
            });
        }
        while let Some(event) = self.decoded.events.pop_front() {
            self.take(event, now);
        }
        match result {
            Err(error) if error.kind() == ErrorKind::Closed => Err(error),
            Err(error) => {
                self.stats.malformed += 1;
                if self.stats.malformed <= 3 {
                    tracing::debug!(%error, "a media message could not be read");
                }
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Audio to send, in the outbound format. Before the start it is dropped.
    pub fn push(&mut self, audio: Bytes, guard: G, now: Duration) {
        let Some(out) = &mut self.outbound else {
            return;
        };
        if !out.in_utterance {
            out.in_utterance = true;
            out.ledger.begin_utterance(out.pushed);
        }
        out.pushed += audio.len() as u64;
        out.guards.push_back((out.pushed, guard));
        out.framer.push(audio);
        out.tail_at = Some(now + TAIL_WAIT);
    }

    /// The utterance is complete: its tail need not wait for more.
    pub fn finish(&mut self, now: Duration) {
        if let Some(out) = &mut self.outbound {
            out.in_utterance = false;
            out.tail_at = Some(now);
        }
    }

    /// Drops what has not been played, here and at the carrier, and ends the utterance.
    pub fn clear(&mut self, now: Duration) -> Heard {
        let Some(out) = &mut self.outbound else {
            return Heard::default();
        };
        let unsent: u64 = self
            .pending
            .iter()
            .map(|message| message.audio as u64)
            .sum();
        let limit = out.ledger.sent() - unsent;
        let heard = Heard::new(
            out.ledger.played_of_utterance(limit, now),
            out.ledger.outstanding(out.pushed, limit, now),
        );
        let carrier_may_play = !out.ledger.is_settled();
        self.pending
            .retain(|outgoing| outgoing.audio == 0 && !outgoing.is_mark);
        out.framer.clear();
        out.guards.clear();
        out.ledger.clear(now);
        out.pushed = out.ledger.sent();
        out.in_utterance = false;
        out.tail_at = None;
        out.waiting = false;
        out.generation += 1;
        for mark in out.marks.drain(..) {
            self.outputs
                .push_back(mark.purpose.settle(MarkOutcome::Cleared));
        }
        if !heard.dropped.is_zero() {
            self.stats.interruptions += 1;
        }
        if carrier_may_play && self.start.as_ref().is_some_and(|start| start.clears) {
            self.encode(MediaCommand::Clear, 0, false);
        }
        heard
    }

    /// What was heard of the current utterance, and what is still to come.
    #[must_use]
    pub fn position(&self, now: Duration) -> Heard {
        let Some(out) = &self.outbound else {
            return Heard::default();
        };
        let unsent: u64 = self
            .pending
            .iter()
            .map(|message| message.audio as u64)
            .sum();
        let limit = out.ledger.sent() - unsent;
        Heard::new(
            out.ledger.played_of_utterance(limit, now),
            out.ledger.outstanding(out.pushed, limit, now),
        )
    }

    /// A mark after everything that was pushed so far.
    pub fn mark(&mut self, name: String, now: Duration) {
        self.add_mark(MarkPurpose::App(name), now);
    }

    /// Tells by an output when everything that was pushed so far has been played.
    pub(crate) fn wait_until_played(&mut self, id: u64, now: Duration) {
        match &self.outbound {
            Some(out) if out.framer.is_empty() && out.ledger.is_settled() => {
                self.outputs
                    .push_back(SessionOutput::Waited { id, played: true });
            }
            Some(_) => self.add_mark(MarkPurpose::Wait(id), now),
            None => self
                .outputs
                .push_back(SessionOutput::Waited { id, played: false }),
        }
    }

    fn add_mark(&mut self, purpose: MarkPurpose, _now: Duration) {
        let Some(out) = &mut self.outbound else {
            return;
        };
        let bound = match purpose {
            MarkPurpose::App(_) => MAX_MARKS,
            MarkPurpose::Wait(_) => 2 * MAX_MARKS, // Marks must not keep a goodbye from being heard.
        };
        if out.marks.len() >= bound {
            self.outputs.push_back(purpose.settle(MarkOutcome::Unknown));
            return;
        }
        out.marks.push_back(Mark {
            purpose,
            position: out.pushed,
            sent: None,
        });
    }

    /// Time has passed, or something was put in: sends what is due and settles what is overdue.
    pub fn advance(&mut self, now: Duration) {
        while self.pending.len() < MAX_PENDING && self.send_one(now) {}
        self.settle_overdue(now);
    }

    /// Sends the next frame or mark if it is due.
    fn send_one(&mut self, now: Duration) -> bool {
        let Some(out) = &mut self.outbound else {
            return false;
        };
        if let Some(index) = out.marks.iter().position(|mark| mark.sent.is_none())
            && out.marks[index].position <= out.ledger.sent()
        {
            let name = format!("g{}-{}", out.generation, out.next_mark);
            out.next_mark += 1;
            let deadline = self.start.as_ref().is_some_and(|start| start.echoes_marks);
            let due = out.ledger.playout_end().max(now)
                + if deadline {
                    self.options.mark_deadline
                } else {
                    Duration::ZERO
                };
            out.marks[index].sent = Some((name.clone(), due));
            // It may lie within a message; what comes back is that the whole message was played.
            out.marks[index].position = out.ledger.sent();
            if deadline {
                self.encode(MediaCommand::Mark(&name), 0, true);
            }
            return true;
        }
        let Some(frame) = out.next_frame(now) else {
            return false;
        };
        if out.waiting && out.ledger.buffered(now).is_zero() && out.ledger.playout_end() < now {
            self.stats.late += 1;
        }
        out.ledger.send(frame.len(), now);
        out.waiting = out.framer.len() >= out.framer.rules().unit_bytes();
        let sent = out.ledger.sent();
        // What is less than a message waits for more audio, so it must not keep more audio out.
        let tail = out.framer.rules().unit_bytes() as u64 - 1;
        while out
            .guards
            .front()
            .is_some_and(|(end, _)| *end <= sent + tail)
        {
            out.guards.pop_front();
        }
        self.stats.frames_out += 1;
        self.stats.bytes_out += frame.len() as u64;
        let bytes = frame.len();
        self.encode(MediaCommand::Audio(&frame), bytes, false);
        true
    }

    fn encode(&mut self, command: MediaCommand<'_>, audio: usize, is_mark: bool) {
        if let Err(error) = self.codec.encode(command, &mut self.encoded) {
            tracing::debug!(%error, "a media command could not be written");
        }
        for message in self.encoded.drain(..) {
            self.pending.push_back(Outgoing {
                message,
                audio,
                is_mark,
            });
        }
    }

    fn settle_overdue(&mut self, now: Duration) {
        let Some(out) = &mut self.outbound else {
            return;
        };
        let echoes = self.start.as_ref().is_some_and(|start| start.echoes_marks);
        while let Some((_, due)) = out.marks.front().and_then(|mark| mark.sent.as_ref()) {
            if *due > now {
                break;
            }
            let Some(mark) = out.marks.pop_front() else {
                break;
            };
            let outcome = if echoes {
                MarkOutcome::Unknown
            } else {
                MarkOutcome::Estimated
            };
            if !echoes {
                out.ledger.assume(mark.position);
            }
            self.outputs.push_back(mark.purpose.settle(outcome));
        }
    }

    /// When [`advance`](Self::advance) is to be called next, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let out = self.outbound.as_ref()?;
        let mark = out
            .marks
            .front()
            .and_then(|mark| mark.sent.as_ref())
            .map(|(_, due)| *due);
        [out.due(), mark].into_iter().flatten().min()
    }

    /// When the last message came.
    #[must_use]
    pub fn heard_at(&self) -> Duration {
        self.heard_at
    }

    /// Whether there is a message to send.
    #[must_use]
    pub fn has_message(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The next message to send.
    pub fn next_message(&mut self) -> Option<WireMessage> {
        self.pending.pop_front().map(|outgoing| outgoing.message)
    }

    /// The next event for the app.
    pub fn next_event(&mut self) -> Option<MediaEvent> {
        loop {
            match self.next_output()? {
                SessionOutput::Event(event) => return Some(event),
                SessionOutput::Waited { .. } | SessionOutput::Stopped { .. } => {}
            }
        }
    }

    pub(crate) fn next_output(&mut self) -> Option<SessionOutput> {
        self.outputs.pop_front()
    }

    /// The stream is over: says goodbye in-band where the protocol has a word for it, and settles every mark as unknown.
    pub fn end(&mut self) {
        if let Some(out) = &mut self.outbound {
            for mark in out.marks.drain(..) {
                // Who waits is told by the end itself.
                if let MarkPurpose::App(_) = mark.purpose {
                    self.outputs
                        .push_back(mark.purpose.settle(MarkOutcome::Unknown));
                }
            }
            out.framer.clear();
            out.guards.clear();
        }
        self.pending.clear();
        if self.start.is_some() {
            self.codec.finish(&mut self.encoded);
            for message in self.encoded.drain(..) {
                self.pending.push_back(Outgoing {
                    message,
                    audio: 0,
                    is_mark: false,
                });
            }
        }
    }

    fn take(&mut self, event: CodecEvent, now: Duration) {
        match event {
            CodecEvent::Start(start) => {
                if self.start.is_none() {
                    self.outbound = Some(Outbound::new(&start, &self.options));
                    self.start = Some(start);
                    self.outputs
                        .push_front(SessionOutput::Event(MediaEvent::Started));
                }
            }
            CodecEvent::Audio { payload, timestamp } => self.take_audio(payload, timestamp),
            CodecEvent::Dtmf { digit, duration } => {
                self.event(MediaEvent::Dtmf { digit, duration })
            }
            CodecEvent::Mark { name } => self.take_mark(&name, now),
            CodecEvent::Cleared => {}
            CodecEvent::Stop { reason } => {
                self.outputs.push_back(SessionOutput::Stopped { reason })
            }
            CodecEvent::Unknown { name, raw } => {
                self.stats.ignored += 1;
                let (WireMessage::Text(raw) | WireMessage::Binary(raw)) = raw;
                self.event(MediaEvent::Ignored { name, raw });
            }
        }
    }

    fn take_audio(&mut self, payload: Bytes, timestamp: Option<Duration>) {
        self.stats.frames_in += 1;
        self.stats.bytes_in += payload.len() as u64;
        let timestamp = timestamp.unwrap_or(self.inbound_end);
        // Audio may come before the start on some carriers; its length is not known then.
        let duration = self.start.as_ref().map_or(Duration::ZERO, |start| {
            start.inbound.duration_of(payload.len())
        });
        self.inbound_end = timestamp + duration;
        self.event(MediaEvent::Audio(AudioFrame {
            payload,
            timestamp,
            lost: Duration::ZERO,
        }));
    }

    /// A mark came back: what lies before it was played, and so were marks before it. One from before a clear says nothing.
    fn take_mark(&mut self, name: &str, now: Duration) {
        let Some(out) = &mut self.outbound else {
            return;
        };
        let is_it = |mark: &Mark| mark.sent.as_ref().is_some_and(|(sent, _)| sent == name);
        let Some(index) = out.marks.iter().position(is_it) else {
            return;
        };
        for mark in out.marks.drain(..=index) {
            out.ledger
                .confirm(mark.position.min(out.ledger.sent()), now);
            self.outputs
                .push_back(mark.purpose.settle(MarkOutcome::Reached));
        }
    }

    fn event(&mut self, event: MediaEvent) {
        self.outputs.push_back(SessionOutput::Event(event));
    }
}

impl MarkPurpose {
    fn settle(self, outcome: MarkOutcome) -> SessionOutput {
        match self {
            Self::App(mark) => SessionOutput::Event(MediaEvent::Played { mark, outcome }),
            Self::Wait(id) => {
                let played = matches!(
                    outcome,
                    MarkOutcome::Reached | MarkOutcome::Estimated | MarkOutcome::Unknown
                );
                SessionOutput::Waited { id, played }
            }
        }
    }
}

impl<G> Outbound<G> {
    fn new(start: &StreamStart, options: &StreamOptions) -> Self {
        let message = start.outbound.duration_of(start.frames.preferred_bytes());
        let lead = options
            .lead
            .max(message * 2)
            .min(start.max_lead.unwrap_or(Duration::MAX).max(message));
        Self {
            framer: Framer::new(start.frames),
            guards: VecDeque::new(),
            ledger: Ledger::new(start.outbound),
            pushed: 0,
            lead,
            in_utterance: false,
            tail_at: None,
            waiting: false,
            generation: 0,
            next_mark: 0,
            marks: VecDeque::new(),
        }
    }

    /// How many bytes the next message has: whole units as they are there, up to the preferred size, or the padded tail.
    fn next_len(&self) -> usize {
        let (rules, queued) = (self.framer.rules(), self.framer.len());
        let whole = queued - queued % rules.unit_bytes();
        if whole > 0 {
            whole.min(rules.preferred_bytes())
        } else {
            queued + self.framer.padding()
        }
    }

    /// When the next message may go out, if there is one: when it fits into the lead, or the carrier has run dry.
    fn due(&self) -> Option<Duration> {
        if self.framer.is_empty() {
            return None;
        }
        let message = self.ledger_duration(self.next_len());
        let end = self.ledger.playout_end();
        let room = (end + message).saturating_sub(self.lead).min(end);
        let is_tail = self.framer.len() < self.framer.rules().unit_bytes();
        Some(if is_tail {
            room.max(self.tail_at.unwrap_or_default())
        } else {
            room
        })
    }

    fn next_frame(&mut self, now: Duration) -> Option<Bytes> {
        if self.due()? > now {
            return None;
        }
        let silence = self.ledger_format().encoding.silence();
        let frame = self
            .framer
            .next_frame()
            .or_else(|| self.framer.next_available());
        frame.or_else(|| {
            self.pushed += self.framer.padding() as u64;
            self.framer.flush(silence)
        })
    }

    fn ledger_duration(&self, bytes: usize) -> Duration {
        self.ledger_format().duration_of(bytes)
    }

    fn ledger_format(&self) -> telephony_audio::AudioFormat {
        self.ledger.format()
    }
}
