//! A stream stepped on a clock of our own, with a carrier that plays in real time.

use super::{ScriptedCodec, Sent, speech, untouched};
use bytes::Bytes;
use std::time::Duration;
use telephony_core::audio::AudioFormat;
use telephony_core::media::{
    Heard, MarkOutcome, MediaEvent, MediaSession, StreamOptions, StreamStart, WireMessage,
};

pub(crate) struct Bench<G = ()> {
    pub(crate) session: MediaSession<G>,
    pub(crate) now: Duration,
    /// What the carrier got, and when.
    pub(crate) sent: Vec<(Duration, Sent)>,
    /// When the carrier will have played all that it has.
    pub(crate) carrier_end: Duration,
    /// The most that the carrier ever had to play.
    pub(crate) longest_lead: Duration,
    /// How often the carrier had nothing to play although more came later.
    pub(crate) gaps: usize,
    format: AudioFormat,
    pushed: usize,
}

impl Bench<()> {
    /// A stream that began now.
    pub(crate) fn new(start: StreamStart) -> Self {
        Self::with_options(start, untouched())
    }

    pub(crate) fn with_options(start: StreamStart, options: StreamOptions) -> Self {
        Self::guarded(start, options)
    }

    /// Pushes `len` bytes that are told apart from all others.
    pub(crate) fn push(&mut self, len: usize) {
        self.push_guarded(len, ());
    }
}

impl<G> Bench<G> {
    pub(crate) fn guarded(start: StreamStart, options: StreamOptions) -> Self {
        let format = start.outbound;
        let mut bench = Self {
            session: MediaSession::new(ScriptedCodec::new(start), options),
            now: Duration::ZERO,
            sent: Vec::new(),
            carrier_end: Duration::ZERO,
            longest_lead: Duration::ZERO,
            gaps: 0,
            format,
            pushed: 0,
        };
        bench.say("start");
        assert_eq!(bench.session.next_event(), Some(MediaEvent::Started));
        bench
    }

    pub(crate) fn push_guarded(&mut self, len: usize, guard: G) {
        let audio = speech(self.pushed, len);
        self.pushed += len;
        self.session.push(audio, guard, self.now);
    }

    /// Pushes this very audio.
    pub(crate) fn push_audio(&mut self, audio: impl Into<Bytes>, guard: G) {
        self.session.push(audio.into(), guard, self.now);
    }

    /// The caller says something; what the app gets of it.
    pub(crate) fn hear(&mut self, audio: impl Into<Bytes>) -> Vec<MediaEvent> {
        self.session
            .receive(WireMessage::Binary(audio.into()), self.now)
            .expect("the stream goes on");
        self.events()
    }

    /// The events since the last look.
    pub(crate) fn events(&mut self) -> Vec<MediaEvent> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    /// All that was pushed.
    pub(crate) fn pushed(&self) -> Bytes {
        speech(0, self.pushed)
    }

    /// The carrier says something.
    pub(crate) fn say(&mut self, text: &str) {
        self.session
            .receive(WireMessage::text(text), self.now)
            .expect("the stream goes on");
    }

    pub(crate) fn finish(&mut self) {
        self.session.finish();
    }

    pub(crate) fn mark(&mut self, name: &str) {
        self.session.mark(name.to_owned());
    }

    pub(crate) fn clear(&mut self) -> Heard {
        self.session.clear(self.now)
    }

    pub(crate) fn position(&self) -> Heard {
        self.session.position(self.now)
    }

    /// The clock is at `now` without anything having been done in between.
    pub(crate) fn jump(&mut self, now: Duration) {
        assert!(now >= self.now, "time does not go back");
        self.now = now;
    }

    /// Does what is due now; the carrier takes all of it.
    pub(crate) fn step(&mut self) {
        loop {
            self.session.advance(self.now);
            if !self.session.has_message() {
                break;
            }
            while let Some(message) = self.session.next_message(self.now) {
                self.take(message);
            }
        }
    }

    /// Lets time pass until `end` with a timer that is always on time.
    pub(crate) fn run(&mut self, end: Duration) {
        self.run_late(end, Duration::ZERO);
    }

    /// Lets time pass until `end` with a timer that is always late by `late`.
    pub(crate) fn run_late(&mut self, end: Duration, late: Duration) {
        self.step();
        while let Some(due) = self
            .session
            .deadline(self.now)
            .filter(|due| *due + late <= end)
        {
            let before = (self.now, self.sent.len());
            self.jump((due + late).max(self.now));
            self.step();
            let deadline = self.session.deadline(self.now);
            assert!(
                (self.now, self.sent.len()) != before || deadline != Some(due),
                "a deadline that leads to nothing would spin"
            );
        }
        self.jump(end.max(self.now));
        self.step();
    }

    fn take(&mut self, message: WireMessage) {
        let sent = Sent::read(message);
        match &sent {
            Sent::Audio(audio) => {
                if self.carrier_end < self.now && self.carrier_end > Duration::ZERO {
                    self.gaps += 1;
                }
                self.carrier_end =
                    self.carrier_end.max(self.now) + self.format.duration_of(audio.len());
                self.longest_lead = self.longest_lead.max(self.carrier_end - self.now);
            }
            Sent::Clear => self.carrier_end = self.carrier_end.min(self.now),
            _ => {}
        }
        self.sent.push((self.now, sent));
    }

    /// The sizes of the audio messages so far.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.frames().map(Bytes::len).collect()
    }

    pub(crate) fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.sent.iter().filter_map(|(_, sent)| match sent {
            Sent::Audio(audio) => Some(audio),
            _ => None,
        })
    }

    /// All audio that the carrier got.
    pub(crate) fn audio(&self) -> Vec<u8> {
        self.frames().flatten().copied().collect()
    }

    /// The names of the marks that the carrier got.
    pub(crate) fn marks(&self) -> Vec<String> {
        let names = self.sent.iter().filter_map(|(_, sent)| match sent {
            Sent::Mark(name) => Some(name.clone()),
            _ => None,
        });
        names.collect()
    }

    /// How many clears the carrier got.
    pub(crate) fn clears(&self) -> usize {
        let clears = self.sent.iter().filter(|(_, sent)| *sent == Sent::Clear);
        clears.count()
    }

    /// The carrier sends the mark with that number back.
    pub(crate) fn echo(&mut self, index: usize) {
        let name = self.marks()[index].clone();
        self.say(&format!("mark:{name}"));
    }

    /// The marks that were settled since the last look.
    pub(crate) fn settled(&mut self) -> Vec<(String, MarkOutcome)> {
        let mut settled = Vec::new();
        while let Some(event) = self.session.next_event() {
            match event {
                MediaEvent::Played { mark, outcome } => settled.push((mark, outcome)),
                other => panic!("{other:?} was not expected"),
            }
        }
        settled
    }
}
