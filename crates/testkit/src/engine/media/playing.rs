//! The app's audio on its way to the caller's ear: queued, played, cleared.

use std::time::Duration;

use serde_json::Value;

use crate::complaint::Finding;
use crate::engine::media::{Stream, TICK};
use crate::engine::meter::is_sound;
use crate::engine::playout::Played;
use crate::outcome::Interrupted;
use crate::speech::duration_of;

/// A pause in the app's audio that is longer than this is no gap, it is a pause.
const LONGEST_GAP: Duration = Duration::from_secs(1);

impl Stream<'_> {
    /// What the caller's ear makes of one tick.
    pub(super) async fn hear(&mut self, played: Played, count: usize) {
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

    pub(super) fn queue(&mut self, samples: Vec<i16>) {
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

    pub(super) async fn clear(&mut self) {
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

    pub(super) async fn return_mark(&mut self, mark: &Value) {
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
}
