//! All rules of a media stream, without clock and socket.

use super::inbound::{Inbound, Sink};
use super::outbound::{Mark, Outbound};
use super::output::{MarkPurpose, Outgoing, Purpose, SessionOutput};
use super::{
    CodecEvent, Decoded, Heard, MarkOutcome, MediaCodec, MediaCommand, MediaEvent, StreamOptions,
    StreamStart, StreamStats, WireMessage,
};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use telephony_audio::UnsupportedRates;

/// How many messages are written ahead of the socket. More would only wait there, out of reach of a clear.
const MAX_PENDING: usize = 16;
/// How many replies that the protocol demands may wait for a socket that takes nothing.
const MAX_REPLIES: usize = 1024;
/// How many marks are waited for. More is an app that marks without listening.
const MAX_MARKS: usize = 1024;
/// When a mark that the clock tells of is looked at again.
const MARK_AGAIN: Duration = Duration::from_millis(20);
/// How much of a message that we do not know is kept for the app, in bytes.
const MAX_IGNORED: usize = 4 << 10;
/// How much audio is kept for a stream that has not started, in bytes.
const MAX_EARLY_AUDIO: usize = 256 << 10;
/// How many events are kept for a stream that has not started. More is a peer that does not mean to start it.
const MAX_EARLY: usize = 512;

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
    inbound: Option<Inbound>,
    outbound: Option<Outbound<G>>,
    pending: VecDeque<Outgoing>,
    outputs: VecDeque<SessionOutput>,
    /// What came before the start.
    early: VecDeque<CodecEvent>,
    early_bytes: usize,
    heard_at: Duration,
    /// When the caller was last known to say or press something.
    active_at: Duration,
    stats: StreamStats,
}

impl<G> MediaSession<G> {
    /// A session that has not started.
    #[must_use]
    pub fn new(codec: Box<dyn MediaCodec>, options: StreamOptions) -> Self {
        Self {
            codec,
            options: options.bounded(),
            decoded: Decoded::default(),
            encoded: Vec::new(),
            start: None,
            inbound: None,
            outbound: None,
            pending: VecDeque::new(),
            outputs: VecDeque::new(),
            early: VecDeque::new(),
            early_bytes: 0,
            heard_at: Duration::ZERO,
            active_at: Duration::ZERO,
            stats: StreamStats::default(),
        }
    }

    /// How the stream began, once it has.
    #[must_use]
    pub fn start(&self) -> Option<&StreamStart> {
        self.start.as_deref()
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        self.stats
    }

    /// A message came.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) if after it the stream cannot go on. A message that cannot be read is counted and
    /// passed over. [`Unsupported`](ErrorKind::Unsupported) if the app's format cannot be made of the carrier's.
    pub fn receive(&mut self, message: WireMessage, now: Duration) -> Result<()> {
        self.heard_at = now;
        let result = self.codec.decode(message, &mut self.decoded);
        for message in self.decoded.replies.drain(..) {
            self.pending.push_back(Outgoing {
                message,
                purpose: Purpose::Control,
            });
        }
        while let Some(event) = self.decoded.events.pop_front() {
            self.take(event, now)?;
        }
        match result {
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            Err(error) => {
                self.stats.malformed += 1;
                if self.stats.malformed <= 3 {
                    tracing::debug!(%error, "a media message could not be read");
                }
            }
            Ok(()) => {}
        }
        if self.pending.len() > MAX_REPLIES {
            let detail = "the peer asks for replies and takes none";
            return Err(Error::new(ErrorKind::Closed, "run stream", detail));
        }
        Ok(())
    }

    /// Audio to send, in the outbound format. Before the start it is dropped.
    pub fn push(&mut self, audio: Bytes, guard: G, now: Duration) {
        if let Some(out) = &mut self.outbound {
            out.push(audio, guard, now);
        }
    }

    /// The utterance is complete: its tail is padded and need not wait for more.
    pub fn finish(&mut self) {
        if let Some(out) = &mut self.outbound {
            out.finish();
        }
    }

    /// Drops what has not been played, here and at the carrier, and ends the utterance.
    pub fn clear(&mut self, now: Duration) -> Heard {
        let clears = self.start.as_ref().is_some_and(|start| start.clears);
        let Some(out) = &mut self.outbound else {
            return Heard::default();
        };
        let carrier_may_play = !out.ledger.is_settled();
        self.pending
            .retain(|outgoing| outgoing.purpose == Purpose::Control);
        let heard = out.clear(clears, now);
        for mark in out.marks.drain(..) {
            self.outputs
                .push_back(mark.purpose.settle(MarkOutcome::Cleared));
        }
        if !heard.dropped.is_zero() {
            self.stats.interruptions += 1;
        }
        if carrier_may_play && clears {
            self.encode(MediaCommand::Clear, Purpose::Control);
        }
        heard
    }

    /// What was heard of the current utterance, and what is still to come.
    #[must_use]
    pub fn position(&self, now: Duration) -> Heard {
        self.outbound
            .as_ref()
            .map_or_else(Heard::default, |out| out.heard(now))
    }

    /// A mark after everything that was pushed so far.
    pub fn mark(&mut self, name: String) {
        self.add_mark(MarkPurpose::App(name));
    }

    /// Tells by an output when everything that was pushed so far has been played.
    pub(crate) fn wait_until_played(&mut self, id: u64) {
        match &self.outbound {
            Some(out) if !out.is_settled() => self.add_mark(MarkPurpose::Wait(id)),
            out => {
                let played = out.is_some();
                self.outputs.push_back(SessionOutput::Waited { id, played });
            }
        }
    }

    fn add_mark(&mut self, purpose: MarkPurpose) {
        let Some(out) = &mut self.outbound else {
            return;
        };
        let bound = match purpose {
            MarkPurpose::App(_) => MAX_MARKS,
            MarkPurpose::Wait(_) => 2 * MAX_MARKS, // Marks must not keep a goodbye from being heard.
        };
        if out.marks.len() < bound {
            out.add_mark(purpose);
        } else {
            self.outputs.push_back(purpose.settle(MarkOutcome::Unknown));
        }
    }

    /// Time has passed, or something was put in: sends what is due and settles what is overdue.
    pub fn advance(&mut self, now: Duration) {
        if let Some(inbound) = &mut self.inbound {
            let mut sink = Sink {
                events: &mut self.outputs,
                stats: &mut self.stats,
            };
            inbound.advance(now, &mut sink);
        }
        while self.pending.len() < MAX_PENDING && self.write_one(now) {}
        self.settle_overdue(now);
    }

    /// Writes the next mark or the next frame that is due.
    fn write_one(&mut self, now: Duration) -> bool {
        let Some(out) = &mut self.outbound else {
            return false;
        };
        if let Some(name) = out.next_mark() {
            let echoes = self.start.as_ref().is_some_and(|start| start.echoes_marks);
            // By the clock; the socket's taking it makes it exact.
            let deadline = if echoes {
                self.options.mark_deadline
            } else {
                Duration::ZERO
            };
            out.mark_sent(&name, deadline, now);
            if echoes {
                self.encode(MediaCommand::Mark(&name), Purpose::Mark(name.clone()));
            }
            return true;
        }
        let Some((frame, late)) = out.next_frame(now) else {
            return false;
        };
        self.stats.late += u64::from(late);
        self.encode(MediaCommand::Audio(&frame), Purpose::Audio(frame.len()));
        true
    }

    fn encode(&mut self, command: MediaCommand<'_>, mut purpose: Purpose) {
        if let Err(error) = self.codec.encode(command, &mut self.encoded) {
            tracing::debug!(%error, "a media command could not be written");
        }
        for message in self.encoded.drain(..) {
            self.pending.push_back(Outgoing {
                message,
                purpose: purpose.clone(),
            });
            // Where one frame is several messages, the first stands for it.
            if let Purpose::Audio(bytes) = &mut purpose {
                *bytes = 0;
            }
        }
    }

    fn settle_overdue(&mut self, now: Duration) {
        let echoes = self.start.as_ref().is_some_and(|start| start.echoes_marks);
        let Some(out) = &mut self.outbound else {
            return;
        };
        while let Some(mark) = out.marks.front_mut()
            && mark.due.is_some_and(|due| due <= now)
        {
            if !echoes && out.ledger.played(now) < mark.position {
                // The socket took what is before it late.
                mark.due = Some(out.ledger.playout_end().max(now + MARK_AGAIN));
                break;
            }
            let Some(mark) = out.marks.pop_front() else {
                break;
            };
            if echoes {
                self.outputs
                    .push_back(mark.purpose.settle(MarkOutcome::Unknown));
            } else {
                out.ledger.assume(mark.position);
                self.outputs
                    .push_back(mark.purpose.settle(MarkOutcome::Estimated));
            }
        }
    }

    /// When [`advance`](Self::advance) is to be called next, if nothing comes before.
    #[must_use]
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let out = self.outbound.as_ref()?;
        let mark = out.marks.front().and_then(|mark| mark.due);
        let inbound = self.inbound.as_ref().and_then(Inbound::due);
        [out.due(now), mark, inbound].into_iter().flatten().min()
    }

    /// Since when neither the caller has said or pressed anything nor we had something to play; [`None`] if that is not
    /// known because nobody listens for a voice.
    #[must_use]
    pub fn quiet_since(&self, now: Duration) -> Option<Duration> {
        self.options.voice.as_ref()?;
        let playing = self.outbound.as_ref().map(|out| out.busy_until(now));
        Some(self.active_at.max(playing.unwrap_or_default()))
    }

    /// Whether speech of the caller clears what is played.
    pub(crate) fn barges_in(&self) -> bool {
        let voice = self.options.voice.as_ref();
        voice.is_some_and(|voice| voice.barge_in)
    }

    /// What the app hears of speech that has begun, given what it cleared.
    pub(crate) fn speech_started(&mut self, at: Duration, heard: Option<Heard>) -> MediaEvent {
        let interrupted = heard.filter(|heard| *heard != Heard::default());
        self.stats.barge_ins += u64::from(interrupted.is_some());
        MediaEvent::SpeechStarted { at, interrupted }
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

    /// The next message to send. Call it when the socket takes one: what it takes now is played from now on.
    pub fn next_message(&mut self, now: Duration) -> Option<WireMessage> {
        let Outgoing { message, purpose } = self.pending.pop_front()?;
        if let Some(out) = &mut self.outbound {
            match purpose {
                Purpose::Audio(bytes) if bytes > 0 => {
                    out.ledger.send(bytes, now);
                    self.stats.frames_out += 1;
                    self.stats.bytes_out += bytes as u64;
                }
                Purpose::Mark(name) => out.mark_sent(&name, self.options.mark_deadline, now),
                Purpose::Audio(_) | Purpose::Control => {}
            }
        }
        Some(message)
    }

    /// The next event for the app.
    pub fn next_event(&mut self) -> Option<MediaEvent> {
        loop {
            match self.next_output()? {
                SessionOutput::Event(event) => return Some(event),
                SessionOutput::SpeechStarted { at } => {
                    let heard = self.barges_in().then(|| self.clear(self.heard_at));
                    return Some(self.speech_started(at, heard));
                }
                SessionOutput::Waited { .. } | SessionOutput::Stopped { .. } => {}
            }
        }
    }

    pub(crate) fn next_output(&mut self) -> Option<SessionOutput> {
        self.outputs.pop_front()
    }

    /// The stream is over: says goodbye in-band where the protocol has a word for it, and settles every mark as unknown.
    pub fn end(&mut self) {
        if let Some(inbound) = &mut self.inbound {
            let mut sink = Sink {
                events: &mut self.outputs,
                stats: &mut self.stats,
            };
            inbound.release_all(&mut sink);
        }
        if let Some(out) = &mut self.outbound {
            for mark in out.marks.drain(..) {
                // Who waits is told by the end itself.
                if let MarkPurpose::App(_) = mark.purpose {
                    self.outputs
                        .push_back(mark.purpose.settle(MarkOutcome::Unknown));
                }
            }
            out.drop_queue();
        }
        self.pending.clear();
        if self.start.is_some() {
            self.codec.finish(&mut self.encoded);
            for message in self.encoded.drain(..) {
                self.pending.push_back(Outgoing {
                    message,
                    purpose: Purpose::Control,
                });
            }
        }
    }

    fn take(&mut self, event: CodecEvent, now: Duration) -> Result<()> {
        match event {
            CodecEvent::Start(start) => {
                if self.start.is_none() {
                    self.begin(start, now)?;
                }
            }
            CodecEvent::Stop { reason } => {
                self.outputs.push_back(SessionOutput::Stopped { reason })
            }
            early if self.start.is_none() => self.keep(early),
            CodecEvent::Audio { payload, timestamp } => self.take_audio(payload, timestamp, now),
            CodecEvent::Dtmf { digit, duration } => {
                self.active_at = now;
                self.event(MediaEvent::Dtmf { digit, duration })
            }
            CodecEvent::Mark { name } => self.take_mark(&name, now),
            CodecEvent::Cleared => {}
            CodecEvent::Unknown { name, raw } => {
                self.stats.ignored += 1;
                let (WireMessage::Text(raw) | WireMessage::Binary(raw)) = raw;
                self.event(MediaEvent::Ignored {
                    name,
                    raw: beginning(&raw),
                });
            }
        }
        Ok(())
    }

    fn begin(&mut self, start: Box<StreamStart>, now: Duration) -> Result<()> {
        self.inbound = Some(Inbound::new(&start, &self.options).map_err(unsupported)?);
        self.outbound = Some(Outbound::new(&start, &self.options).map_err(unsupported)?);
        self.start = Some(start);
        self.event(MediaEvent::Started);
        for event in std::mem::take(&mut self.early) {
            self.take(event, now)?;
        }
        Ok(())
    }

    /// Some carriers may speak before they start the stream. How to read it is known only then.
    fn keep(&mut self, mut event: CodecEvent) {
        match &mut event {
            CodecEvent::Audio { payload, .. } => {
                self.early_bytes += payload.len();
                if self.early_bytes > MAX_EARLY_AUDIO {
                    return;
                }
            }
            CodecEvent::Unknown { raw, .. } => {
                let (WireMessage::Text(raw) | WireMessage::Binary(raw)) = raw;
                *raw = beginning(raw);
            }
            _ => {}
        }
        if self.early.len() < MAX_EARLY {
            self.early.push_back(event);
        }
    }

    fn take_audio(&mut self, payload: Bytes, timestamp: Option<Duration>, now: Duration) {
        self.stats.frames_in += 1;
        self.stats.bytes_in += payload.len() as u64;
        if let Some(inbound) = &mut self.inbound {
            let mut sink = Sink {
                events: &mut self.outputs,
                stats: &mut self.stats,
            };
            inbound.take(payload, timestamp, now, &mut sink);
            if inbound.is_speech() {
                self.active_at = now;
            }
        }
    }

    /// A mark came back: what lies before it was played, and so were marks before it. One from before a clear says nothing.
    fn take_mark(&mut self, name: &str, now: Duration) {
        let Some(out) = &mut self.outbound else {
            return;
        };
        let is_it = |mark: &Mark| mark.due.is_some() && mark.name.as_deref() == Some(name);
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

/// A copy, so that a large message does not stay in memory for its beginning.
fn beginning(raw: &Bytes) -> Bytes {
    Bytes::copy_from_slice(&raw[..raw.len().min(MAX_IGNORED)])
}

fn unsupported(error: UnsupportedRates) -> Error {
    Error::unsupported("start stream", error.to_string())
}
