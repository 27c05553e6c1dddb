//! What is measured of a stream beside its messages: replies, late audio, and whether the simulator itself kept time.

use std::time::Duration;

use tokio::time::Instant;

/// Samples above this are sound (about -44 dB); comfort noise and µ-law silence are below.
pub(crate) const SOUND: u16 = 200;
/// After so much quiet, sound is a new utterance (call time).
const PAUSE: Duration = Duration::from_millis(200);
/// Audio that comes so much later than the end of what came before it is late (wall time).
const LATE: Duration = Duration::from_millis(20);
/// After so much nothing it is no longer late: the app has paused (wall time).
const LONGEST_LATENESS: Duration = Duration::from_secs(1);
/// More replies than this in one stream are not kept.
const REPLIES: usize = 1_000;

/// Whether anything can be heard of these samples.
pub(crate) fn is_sound(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > SOUND)
}

/// Watches one stream.
#[derive(Debug)]
pub(crate) struct Meter {
    /// From the beginning of an utterance of the caller until the caller heard something.
    pub(crate) replies: Vec<Duration>,
    /// Audio messages that came too late to follow what came before without a gap.
    pub(crate) late: usize,
    /// How late the simulator's own clock was at worst.
    pub(crate) lag: Duration,
    voice_quiet: Duration,
    app_quiet: Duration,
    unanswered: Option<Instant>,
    /// Until when the audio that has come lasts, if it is played as it comes.
    covered: Option<Instant>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            replies: vec![],
            late: 0,
            lag: Duration::ZERO,
            voice_quiet: PAUSE,
            app_quiet: PAUSE,
            unanswered: None,
            covered: None,
        }
    }

    /// The clock has ticked, and should have then.
    pub(crate) fn ticked(&mut self, due: Instant) {
        self.lag = self.lag.max(due.elapsed());
    }

    /// The caller has said this in one tick.
    pub(crate) fn said(&mut self, voice: &[i16], tick: Duration) {
        if !is_sound(voice) {
            self.voice_quiet = self.voice_quiet.saturating_add(tick);
            return;
        }
        if self.voice_quiet >= PAUSE && self.app_quiet >= PAUSE {
            self.unanswered = Some(Instant::now());
        }
        self.voice_quiet = Duration::ZERO;
    }

    /// The caller has heard something in one tick, or not.
    pub(crate) fn heard(&mut self, sounding: bool, tick: Duration) {
        if !sounding {
            self.app_quiet = self.app_quiet.saturating_add(tick);
            return;
        }
        self.app_quiet = Duration::ZERO;
        if let Some(since) = self.unanswered.take()
            && self.replies.len() < REPLIES
        {
            self.replies.push(since.elapsed());
        }
    }

    /// Audio of the app has come that lasts so long on the wall.
    pub(crate) fn received(&mut self, lasts: Duration) {
        let now = Instant::now();
        let from = match self.covered {
            Some(covered) if now > covered => {
                let late = now - covered;
                self.late += usize::from(late > LATE && late < LONGEST_LATENESS);
                now
            }
            Some(covered) => covered,
            None => now,
        };
        self.covered = Some(from + lasts);
    }

    /// A mark or a clear: what comes next is new, and not late.
    pub(crate) fn paused(&mut self) {
        self.covered = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_reply_is_measured_from_the_first_word_to_the_first_sound() {
        let mut meter = Meter::new();
        meter.said(&[9_000; 160], TICK);
        tokio::time::advance(Duration::from_millis(140)).await;
        meter.said(&[9_000; 160], TICK);
        meter.heard(true, TICK);
        meter.heard(true, TICK);
        assert_eq!(meter.replies, [Duration::from_millis(140)]);
        // The app talks: what the caller says now has no beginning of a reply.
        meter.said(&[0; 160], PAUSE);
        meter.said(&[9_000; 160], TICK);
        meter.heard(true, TICK);
        assert_eq!(meter.replies.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn audio_is_late_when_there_was_nothing_to_play_before_it() {
        let mut meter = Meter::new();
        meter.received(TICK);
        tokio::time::advance(TICK * 2).await;
        meter.received(TICK); // 20 ms after the end of the one before: jitter
        tokio::time::advance(TICK * 4).await;
        meter.received(TICK);
        assert_eq!(meter.late, 1);
        tokio::time::advance(Duration::from_secs(5)).await;
        meter.received(TICK);
        assert_eq!(meter.late, 1, "that was a pause");
        tokio::time::advance(TICK * 4).await;
        meter.paused();
        meter.received(TICK);
        assert_eq!(meter.late, 1);
    }
}
