//! What goes out: the queue, its cutting and pacing, the marks in it, and the account of what was heard. Pure.

use super::conversion::Conversion;
use super::ledger::Ledger;
use super::output::MarkPurpose;
use super::{Heard, StreamOptions, StreamStart};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use telephony_audio::{AudioFormat, Framer, UnsupportedRates};

/// How long the tail of an utterance waits for more audio before it is padded and sent.
const TAIL_WAIT: Duration = Duration::from_millis(60);
/// How many pieces of padding of one utterance are told apart. More is an app that trickles odd sizes for minutes.
const MAX_PADDINGS: usize = 256;

/// The outbound side of a session. Positions are bytes from the stream's start, padding included.
#[derive(Debug)]
pub(crate) struct Outbound<G> {
    /// From the app's format to the carrier's, which everything else here is in.
    conversion: Conversion,
    framer: Framer,
    /// What is kept for each chunk, with the position of the chunk's end.
    guards: VecDeque<(u64, G)>,
    pub(crate) ledger: Ledger,
    /// Position of the end of the queue.
    pushed: u64,
    /// Position of what was made messages of; the socket may not have taken all of them.
    written: u64,
    /// Where the current utterance began.
    utterance: u64,
    in_utterance: bool,
    paddings: VecDeque<Padding>,
    /// Padding of this utterance that is no longer told apart.
    old_padding: u64,
    lead: Duration,
    /// The tail is padded and sent from then on.
    tail_at: Duration,
    /// A whole unit was waiting when the last message was made.
    waiting: bool,
    generation: u64,
    next_mark: u64,
    pub(crate) marks: VecDeque<Mark>,
}

/// Silence that we put in.
#[derive(Debug, Clone, Copy)]
struct Padding {
    start: u64,
    end: u64,
}

/// A mark that is waited for.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) purpose: MarkPurpose,
    /// Position that it waits for.
    pub(crate) position: u64,
    /// Its name on the wire, once it was written.
    pub(crate) name: Option<String>,
    /// When it should be back, once the socket took it.
    pub(crate) due: Option<Duration>,
}

impl<G> Outbound<G> {
    pub(crate) fn new(
        start: &StreamStart,
        options: &StreamOptions,
    ) -> Result<Self, UnsupportedRates> {
        let app = options.send_format.on(start.outbound);
        let message = start.outbound.duration_of(start.frames.preferred_bytes());
        let most = start.max_lead.unwrap_or(Duration::MAX).max(message);
        Ok(Self {
            conversion: Conversion::new(app, start.outbound)?,
            framer: Framer::new(start.frames),
            guards: VecDeque::new(),
            ledger: Ledger::new(start.outbound),
            pushed: 0,
            written: 0,
            utterance: 0,
            in_utterance: false,
            paddings: VecDeque::new(),
            old_padding: 0,
            lead: options.lead.max(message * 2).min(most),
            tail_at: Duration::ZERO,
            waiting: false,
            generation: 0,
            next_mark: 0,
            marks: VecDeque::new(),
        })
    }

    /// Audio of the app, in its format.
    pub(crate) fn push(&mut self, audio: Bytes, guard: G, now: Duration) {
        if !self.in_utterance {
            self.in_utterance = true;
            self.utterance = self.pushed;
            self.paddings.clear();
            self.old_padding = 0;
        }
        let audio = self.conversion.convert(audio);
        self.pushed += audio.len() as u64;
        self.guards.push_back((self.pushed, guard));
        self.framer.push(audio);
        self.tail_at = now + TAIL_WAIT;
    }

    /// The utterance is complete: its tail is padded, so that the next one begins on a frame of its own.
    pub(crate) fn finish(&mut self) {
        self.in_utterance = false;
        self.pad();
        if self.framer.is_empty() {
            // Less than a sample will never go out, and must not keep more audio out.
            self.guards.clear();
        }
    }

    /// Lets the filter's sound die away and fills the last unit up with silence. Neither is time that the app asked for.
    fn pad(&mut self) {
        let start = self.pushed;
        let tail = self.conversion.flush();
        self.pushed += tail.len() as u64;
        self.framer.push(tail);
        let padding = self.framer.padding();
        if padding > 0 {
            self.framer
                .push(Bytes::from(vec![self.format().encoding.silence(); padding]));
            self.pushed += padding as u64;
        }
        if self.pushed == start {
            return;
        }
        self.paddings.push_back(Padding {
            start,
            end: self.pushed,
        });
        if self.paddings.len() > MAX_PADDINGS {
            self.old_padding += self
                .paddings
                .pop_front()
                .map_or(0, |padding| padding.end - padding.start);
        }
    }

    /// The next message, if it is due, and whether it is late.
    pub(crate) fn next_frame(&mut self, now: Duration) -> Option<(Bytes, bool)> {
        if self.due(now)? > now {
            return None;
        }
        if self.is_tail() {
            self.pad();
        }
        let frame = self
            .framer
            .next_frame()
            .or_else(|| self.framer.next_available())?;
        let dry = self.written == self.ledger.sent() && self.ledger.playout_end() < now;
        let late = self.waiting && dry;
        self.waiting = self.framer.len() >= self.framer.rules().unit_bytes();
        self.written += frame.len() as u64;
        // What is less than a unit waits for more audio, so it must not keep more audio out.
        let released = self.written + self.framer.rules().unit_bytes() as u64 - 1;
        while self.guards.front().is_some_and(|(end, _)| *end <= released) {
            self.guards.pop_front();
        }
        Some((frame, late))
    }

    /// When the next message may be made, if there is one: when it fits into the lead, or the carrier will have run dry.
    pub(crate) fn due(&self, now: Duration) -> Option<Duration> {
        if self.framer.is_empty() {
            return None;
        }
        let unsent = self.written - self.ledger.sent();
        let end = match unsent {
            0 => self.ledger.playout_end(),
            // What the socket has not taken will be played after what it has, and not before now.
            _ => self.ledger.playout_end().max(now) + self.duration(unsent),
        };
        let message = self.duration(self.next_len());
        let room = (end + message).saturating_sub(self.lead).min(end);
        // A tail waits for more audio as long as the carrier still has something to play.
        let tail = if self.is_tail() {
            self.tail_at.max(end.saturating_sub(message))
        } else {
            Duration::ZERO
        };
        Some(room.max(tail))
    }

    fn is_tail(&self) -> bool {
        self.framer.len() < self.framer.rules().unit_bytes()
    }

    /// How many bytes the next message has: whole units as they are there, up to the preferred size, or the padded tail.
    fn next_len(&self) -> u64 {
        let (rules, queued) = (self.framer.rules(), self.framer.len());
        let whole = queued - queued % rules.unit_bytes();
        let len = if whole > 0 {
            whole.min(rules.preferred_bytes())
        } else {
            queued + self.framer.padding()
        };
        len as u64
    }

    /// The name of the first mark that everything before was written of, now to be written itself.
    pub(crate) fn next_mark(&mut self) -> Option<String> {
        let mark = self.marks.iter_mut().find(|mark| mark.name.is_none())?;
        if mark.position > self.written {
            return None;
        }
        // It may lie within a message; what comes back is that the whole message was played.
        mark.position = self.written;
        let name = format!("g{}-{}", self.generation, self.next_mark);
        self.next_mark += 1;
        mark.name = Some(name.clone());
        Some(name)
    }

    /// A mark at the end of the queue.
    pub(crate) fn add_mark(&mut self, purpose: MarkPurpose) {
        self.marks.push_back(Mark {
            purpose,
            position: self.pushed,
            name: None,
            due: None,
        });
    }

    /// The socket took a mark that should be back `deadline` after everything before it was played.
    pub(crate) fn mark_sent(&mut self, name: &str, deadline: Duration, now: Duration) {
        let unsent = self.written - self.ledger.sent();
        let due = self.ledger.playout_end().max(now) + self.duration(unsent) + deadline;
        if let Some(mark) = self
            .marks
            .iter_mut()
            .find(|mark| mark.name.as_deref() == Some(name))
        {
            mark.due = Some(due);
        }
    }

    /// Everything that was pushed has been played, as far as anybody can tell.
    pub(crate) fn is_settled(&self) -> bool {
        self.framer.is_empty() && self.written == self.ledger.sent() && self.ledger.is_settled()
    }

    /// Until when there is something to play, as far as is known now.
    pub(crate) fn busy_until(&self, now: Duration) -> Duration {
        if self.framer.is_empty() && self.written == self.ledger.sent() {
            self.ledger.playout_end()
        } else {
            self.ledger.playout_end().max(now)
        }
    }

    /// What was heard of the current utterance, and what is still to come. Padding counts as neither.
    pub(crate) fn heard(&self, now: Duration) -> Heard {
        let played = self.ledger.played(now).max(self.utterance);
        let heard = (played - self.utterance)
            .saturating_sub(self.old_padding)
            .saturating_sub(self.padding_in(self.utterance, played));
        let to_come = self
            .pushed
            .saturating_sub(played)
            .saturating_sub(self.padding_in(played, self.pushed));
        Heard::new(self.duration(heard), self.duration(to_come))
    }

    fn padding_in(&self, start: u64, end: u64) -> u64 {
        let within = |padding: &Padding| {
            padding
                .end
                .min(end)
                .saturating_sub(padding.start.max(start))
        };
        self.paddings.iter().map(within).sum()
    }

    /// Drops the queue and ends the utterance. `at_carrier`: what the carrier has queued is dropped too; else it will still
    /// be played, and counts as heard.
    pub(crate) fn clear(&mut self, at_carrier: bool, now: Duration) -> Heard {
        let mut heard = self.heard(now);
        if at_carrier {
            self.ledger.clear(now);
        } else {
            let coming = self.duration(
                self.ledger
                    .sent()
                    .saturating_sub(self.ledger.played(now).max(self.utterance)),
            );
            let coming = coming.min(heard.dropped);
            heard = Heard::new(heard.played + coming, heard.dropped - coming);
        }
        self.drop_queue();
        self.utterance = self.pushed;
        self.paddings.clear();
        self.old_padding = 0;
        self.generation += 1;
        heard
    }

    /// Drops what was not sent.
    pub(crate) fn drop_queue(&mut self) {
        self.conversion.reset();
        self.framer.clear();
        self.guards.clear();
        self.pushed = self.ledger.sent();
        self.written = self.pushed;
        self.in_utterance = false;
        self.waiting = false;
    }

    fn format(&self) -> AudioFormat {
        self.ledger.format()
    }

    fn duration(&self, bytes: u64) -> Duration {
        self.format()
            .duration_of(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}
