//! What comes in: its place in time, the gaps in it, its way to the app's format, and whether there is voice in it. Pure.

use super::conversion::Conversion;
use super::output::SessionOutput;
use super::{AudioFrame, MediaEvent, StreamOptions, StreamStart, StreamStats};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use telephony_audio::voice::{SpeechEdge, SpeechGate};
use telephony_audio::{AudioFormat, UnsupportedRates, decode};

/// Timestamps may be off by so much: carriers round them to milliseconds.
const TOLERANCE: Duration = Duration::from_millis(10);
/// How long audio that is ahead of its time waits for what is missing before it.
const REORDER_WAIT: Duration = Duration::from_millis(60);
/// How many messages wait so.
const REORDER_DEPTH: usize = 4;
/// Timestamps that go back by more have begun anew.
const RESTART: Duration = Duration::from_secs(2);
/// How many timestamps are remembered, to tell what comes twice from what comes late.
const REMEMBERED: usize = 32;
/// So many repeats in a row are no repeats: the carrier's timestamps stand still.
const STUCK: usize = 8;
/// Without timestamps: so much later than it should have come, audio was not only late on its way.
const ARRIVAL_SLACK: Duration = Duration::from_secs(1);
/// More silence at once would only be lost again.
const MOST_FILLED: Duration = Duration::from_secs(60);
/// Silence that fills a gap comes in pieces of this.
const PIECE: Duration = Duration::from_millis(20);

/// The inbound side of a session.
#[derive(Debug)]
pub(crate) struct Inbound {
    wire: AudioFormat,
    conversion: Conversion,
    clock: Clock,
    /// What is ahead of its time, by its timestamp.
    held: VecDeque<Held>,
    seen: VecDeque<Duration>,
    /// How many messages in a row had a timestamp that was there before.
    repeats: usize,
    max_gap: Duration,
    silence: Bytes,
    voice: Option<Voice>,
}

enum Verdict {
    InOrder,
    /// Its timestamp says nothing.
    Timeless,
    Drop,
}

#[derive(Debug)]
struct Held {
    timestamp: Duration,
    payload: Bytes,
    since: Duration,
}

/// Where the end of what came lies in the app's time: counted in bytes, so that nothing is rounded twice.
#[derive(Debug, Default)]
struct Clock {
    base: Duration,
    bytes: usize,
    /// What the two make: asked for more often than it changes.
    end: Duration,
    /// What the carrier, or our own clock, said at a time of ours.
    anchor: Option<(Duration, Duration)>,
    /// The latest timestamp so far.
    latest: Duration,
}

#[derive(Debug)]
struct Voice {
    gate: SpeechGate,
    samples: Vec<i16>,
}

impl Inbound {
    pub(crate) fn new(
        start: &StreamStart,
        options: &StreamOptions,
    ) -> Result<Self, UnsupportedRates> {
        let wire = start.inbound;
        let voice = options.voice.as_ref().map(|voice| Voice {
            gate: SpeechGate::new(
                voice.detector.make(),
                wire.rate,
                voice.min_speech,
                voice.min_silence,
            ),
            samples: Vec::new(),
        });
        Ok(Self {
            wire,
            conversion: Conversion::new(wire, options.receive_format.on(wire))?,
            clock: Clock::default(),
            held: VecDeque::new(),
            seen: VecDeque::new(),
            repeats: 0,
            max_gap: options.max_gap.min(MOST_FILLED),
            silence: Bytes::from(wire.silence(PIECE)),
            voice,
        })
    }

    /// Whether the caller is speaking.
    pub(crate) fn is_speech(&self) -> bool {
        self.voice
            .as_ref()
            .is_some_and(|voice| voice.gate.is_speech())
    }

    /// Audio came.
    pub(crate) fn take(
        &mut self,
        payload: Bytes,
        timestamp: Option<Duration>,
        now: Duration,
        out: &mut Sink<'_>,
    ) {
        let Some(timestamp) = timestamp else {
            self.catch_up_with_arrival(now, out);
            return self.deliver(payload, false, out);
        };
        if self.clock.anchor.is_none() {
            // The first audio is no gap, whenever the stream began.
            self.clock.jump(timestamp);
            self.clock.anchor = Some((timestamp, timestamp));
        }
        match self.judge(timestamp, out) {
            Verdict::InOrder => self.remember(timestamp),
            Verdict::Timeless => return self.deliver(payload, false, out),
            Verdict::Drop => return,
        }
        if self.is_ahead(timestamp) {
            let at = self.held.partition_point(|held| held.timestamp < timestamp);
            let since = now;
            self.held.insert(
                at,
                Held {
                    timestamp,
                    payload,
                    since,
                },
            );
            if self.held.len() >= REORDER_DEPTH {
                self.release_first(out);
            }
        } else {
            self.deliver(payload, false, out);
        }
        self.release_in_time(out);
    }

    /// When [`advance`](Self::advance) is due.
    pub(crate) fn due(&self) -> Option<Duration> {
        let since = self.held.iter().map(|held| held.since).min()?;
        Some(since + REORDER_WAIT)
    }

    /// What is missing does not come any more.
    pub(crate) fn advance(&mut self, now: Duration, out: &mut Sink<'_>) {
        while self.due().is_some_and(|due| due <= now) {
            self.release_first(out);
            self.release_in_time(out);
        }
    }

    /// The stream is over: nothing is kept back.
    pub(crate) fn release_all(&mut self, out: &mut Sink<'_>) {
        while !self.held.is_empty() {
            self.release_first(out);
        }
    }

    /// What to do with audio of that timestamp.
    fn judge(&mut self, timestamp: Duration, out: &mut Sink<'_>) -> Verdict {
        // What is later than all before was never there, as nearly always.
        let is_latest = timestamp > self.clock.latest;
        if !is_latest && self.seen.contains(&timestamp) {
            self.repeats += 1;
            if self.repeats >= STUCK {
                return Verdict::Timeless;
            }
            out.stats.duplicates += 1;
            return Verdict::Drop;
        }
        self.repeats = 0;
        let behind = self.clock.latest.saturating_sub(timestamp);
        if behind > RESTART {
            self.release_all(out);
            self.clock.anchor = Some((timestamp, self.clock.end));
            self.clock.latest = timestamp;
            self.seen.clear();
        } else if !behind.is_zero() {
            if self.clock.of(timestamp) + TOLERANCE < self.clock.end {
                out.stats.late_in += 1; // Its place was filled already.
                return Verdict::Drop;
            }
            out.stats.reordered += 1;
        }
        Verdict::InOrder
    }

    fn remember(&mut self, timestamp: Duration) {
        self.clock.latest = self.clock.latest.max(timestamp);
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(timestamp);
    }

    fn is_ahead(&self, timestamp: Duration) -> bool {
        self.clock.of(timestamp) > self.clock.end + TOLERANCE
    }

    /// Delivers what is held and no longer ahead.
    fn release_in_time(&mut self, out: &mut Sink<'_>) {
        while let Some(first) = self.held.front()
            && !self.is_ahead(first.timestamp)
        {
            self.release_first(out);
        }
    }

    fn release_first(&mut self, out: &mut Sink<'_>) {
        if let Some(Held {
            timestamp, payload, ..
        }) = self.held.pop_front()
        {
            self.fill(self.clock.of(timestamp), out);
            self.deliver(payload, false, out);
        }
    }

    /// Without timestamps audio belongs to when it comes, less what a network may keep it back.
    fn catch_up_with_arrival(&mut self, now: Duration, out: &mut Sink<'_>) {
        let end = self.clock.end;
        let (_, began) = *self
            .clock
            .anchor
            .get_or_insert((Duration::ZERO, now.saturating_sub(end)));
        let due = now.saturating_sub(began);
        if due > end + ARRIVAL_SLACK {
            self.fill(due, out);
        }
    }

    /// Puts silence in up to that time; what is beyond the bound is only counted.
    fn fill(&mut self, until: Duration, out: &mut Sink<'_>) {
        let end = self.clock.end;
        let gap = until.saturating_sub(end);
        if gap <= TOLERANCE {
            return;
        }
        out.stats.gaps += 1;
        let filled = gap.min(self.max_gap);
        out.stats.filled += filled;
        let mut left = self.wire.bytes_in(filled);
        while left > 0 {
            let piece = self.silence.slice(..left.min(self.silence.len()));
            left -= piece.len();
            self.deliver(piece, true, out);
        }
        if gap > filled {
            self.clock.jump(until);
        }
    }

    fn deliver(&mut self, payload: Bytes, is_filler: bool, out: &mut Sink<'_>) {
        let timestamp = self.clock.end;
        self.clock.run(payload.len(), self.wire);
        self.listen(&payload, out);
        let payload = self.conversion.convert(payload);
        if !payload.is_empty() {
            out.events
                .push_back(SessionOutput::Event(MediaEvent::Audio(AudioFrame {
                    payload,
                    timestamp,
                    lost: Duration::ZERO,
                    is_filler,
                })));
        }
    }

    fn listen(&mut self, audio: &[u8], out: &mut Sink<'_>) {
        let Some(Voice { gate, samples }) = &mut self.voice else {
            return;
        };
        samples.clear();
        decode(self.wire.encoding, audio, samples);
        let end = self.clock.end;
        gate.process(samples, |edge, ago| {
            let at = end.saturating_sub(ago);
            out.events.push_back(match edge {
                SpeechEdge::Started => {
                    out.stats.speeches += 1;
                    SessionOutput::SpeechStarted { at }
                }
                SpeechEdge::Ended => SessionOutput::Event(MediaEvent::SpeechEnded { at }),
            });
        });
    }
}

/// What the inbound side puts out.
pub(crate) struct Sink<'a> {
    pub(crate) events: &'a mut VecDeque<SessionOutput>,
    pub(crate) stats: &'a mut StreamStats,
}

impl Clock {
    fn run(&mut self, bytes: usize, wire: AudioFormat) {
        self.bytes += bytes;
        self.end = self.base + wire.duration_of(self.bytes);
    }

    fn jump(&mut self, to: Duration) {
        self.base = to;
        self.bytes = 0;
        self.end = to;
    }

    /// The app's time of a timestamp.
    fn of(&self, timestamp: Duration) -> Duration {
        let (theirs, ours) = self.anchor.unwrap_or_default();
        match timestamp.checked_sub(theirs) {
            Some(after) => ours.saturating_add(after),
            None => ours.saturating_sub(theirs - timestamp),
        }
    }
}
