//! What the caller does and when, as a script: speech is cut where keys are pressed or the caller interrupts.

use std::sync::Arc;
use std::time::Duration;

use telephony_testkit::{Script, Speech};

use crate::units::KeysAt;

/// Cuts are made at this rate where the speech has none of its own.
const RATE: u32 = 24_000;
/// How long a caller waits for a stream or a menu before going on (the app may only talk).
const LISTENER: Duration = Duration::from_secs(10);
/// What the simulated caller takes for one key.
const KEY: Duration = Duration::from_millis(100);
/// The built-in voice, and the one that interrupts.
const TONE: (f64, Duration) = (440.0, Duration::from_secs(1));
const INTERRUPTION: (f64, Duration) = (660.0, Duration::from_millis(500));

/// Times are counted from the moment when the app listens.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// What is said, one after the other; nothing for the built-in tone.
    pub(crate) speech: Vec<Speech>,
    pub(crate) keys: Vec<KeysAt>,
    pub(crate) interruptions: Vec<Duration>,
    pub(crate) end: End,
}

/// How the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The caller hangs up then.
    HangUp(Duration),
    /// The app is expected to, within this time after everything is said.
    App(Duration),
}

enum Event {
    Keys(String),
    Interrupt,
}

impl Timeline {
    pub(crate) fn script(&self) -> Script {
        let is_tone = self.speech.is_empty();
        let tone = [Speech::tone(TONE.0, TONE.1)];
        let speech = if is_tone { &tone[..] } else { &self.speech };
        let mut teller = Teller {
            script: Script::new().wait_for_listener(LISTENER),
            speech,
            now: Duration::ZERO,
            // A caller with something to say waits for somebody to say it to.
            waits: !is_tone,
        };
        for (at, event) in self.events() {
            teller.pass_until(at);
            teller.take(event);
        }
        teller.finish(self.end)
    }

    /// How long the call takes at most, if the app does its part.
    pub(crate) fn length(&self) -> Duration {
        match self.end {
            End::HangUp(at) => at,
            End::App(within) => {
                let said: Duration = self.speech.iter().map(Speech::duration).sum();
                said + within
            }
        }
    }

    fn events(&self) -> Vec<(Duration, Event)> {
        let keys = self
            .keys
            .iter()
            .map(|keys| (keys.at, Event::Keys(keys.keys.clone())));
        let interruptions = self.interruptions.iter().map(|at| (*at, Event::Interrupt));
        let mut events: Vec<_> = keys.chain(interruptions).collect();
        events.sort_by_key(|(at, _)| *at);
        if let End::HangUp(end) = self.end {
            events.retain(|(at, _)| *at < end);
        }
        events
    }
}

struct Teller<'a> {
    script: Script,
    speech: &'a [Speech],
    now: Duration,
    /// For a stream to speak into.
    waits: bool,
}

impl Teller<'_> {
    fn pass_until(&mut self, at: Duration) {
        let wanted = at.saturating_sub(self.now);
        let said = self.speak(self.now, wanted);
        self.be_silent(wanted.saturating_sub(said));
        self.now = self.now.max(at);
    }

    /// Says what belongs between `from` and `from + wanted` of the speech: how long that is.
    fn speak(&mut self, from: Duration, wanted: Duration) -> Duration {
        let mut begins = Duration::ZERO;
        let mut said = Duration::ZERO;
        for speech in self.speech {
            let ends = begins + speech.duration();
            let (start, end) = (from.max(begins), (from + wanted).min(ends));
            if start < end {
                let piece = cut(speech, start - begins, end - begins);
                let script = std::mem::take(&mut self.script);
                self.script = if self.waits {
                    script.speak(piece)
                } else {
                    script.speak_now(piece)
                };
                said += end - start;
            }
            begins = ends;
        }
        said
    }

    fn be_silent(&mut self, time: Duration) {
        if !time.is_zero() {
            self.script = std::mem::take(&mut self.script).silence(time);
        }
    }

    /// While the caller presses keys or interrupts, the speech goes on unheard: times stay what they are.
    fn take(&mut self, event: Event) {
        let script = std::mem::take(&mut self.script);
        let takes = match &event {
            Event::Keys(keys) => KEY * u32::try_from(keys.len()).unwrap_or(u32::MAX),
            Event::Interrupt => INTERRUPTION.1,
        };
        self.script = match event {
            Event::Keys(keys) => script.press(keys),
            Event::Interrupt => script.interrupt(Speech::tone(INTERRUPTION.0, INTERRUPTION.1)),
        };
        self.now += takes;
    }

    fn finish(mut self, end: End) -> Script {
        match end {
            End::HangUp(at) => {
                self.pass_until(at);
                self.script.hang_up()
            }
            End::App(within) => {
                let total: Duration = self.speech.iter().map(Speech::duration).sum();
                self.pass_until(total.max(self.now));
                self.script.wait_for_hang_up(within)
            }
        }
    }
}

/// A part of a speech.
fn cut(speech: &Speech, from: Duration, to: Duration) -> Speech {
    if from.is_zero() && to == speech.duration() {
        return speech.clone();
    }
    let (samples, rate): (Arc<[i16]>, u32) = match speech {
        Speech::Samples { samples, rate } => (Arc::clone(samples), *rate),
        other => (other.render(RATE).into(), RATE),
    };
    let at = |time: Duration| {
        let index = (time.as_nanos() * u128::from(rate) / 1_000_000_000) as usize;
        index.min(samples.len())
    };
    Speech::samples(samples.get(at(from)..at(to)).unwrap_or_default(), rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn steps(timeline: &Timeline) -> Vec<String> {
        let shown = format!("{:?}", timeline.script());
        let words = [
            "WaitForListener",
            "SpeakNow",
            "Speak",
            "Silence",
            "Press",
            "Interrupt",
            "HangUp",
            "WaitForHangUp",
        ];
        let mut found: Vec<(usize, &str)> = vec![];
        for word in words {
            for (at, _) in shown.match_indices(&format!("{word}(")) {
                found.push((at, word));
            }
        }
        for word in ["Interrupt {", "HangUp]"] {
            for (at, _) in shown.match_indices(word) {
                found.push((at, word.trim_end_matches([' ', '{', ']'])));
            }
        }
        found.sort_unstable();
        found.dedup_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, word)| word.to_owned()).collect()
    }

    #[test]
    fn a_caller_without_a_plan_speaks_a_tone_and_hangs_up() {
        let timeline = Timeline {
            speech: vec![],
            keys: vec![],
            interruptions: vec![],
            end: End::HangUp(SECOND * 10),
        };
        assert_eq!(
            steps(&timeline),
            ["WaitForListener", "SpeakNow", "Silence", "HangUp"]
        );
        assert_eq!(timeline.length(), SECOND * 10);
    }

    #[test]
    fn speech_is_cut_where_keys_are_pressed() {
        let timeline = Timeline {
            speech: vec![Speech::samples_8k(vec![1; 24_000])],
            keys: vec![
                KeysAt {
                    keys: "9".into(),
                    at: SECOND * 30,
                },
                KeysAt {
                    keys: "1".into(),
                    at: SECOND,
                },
            ],
            interruptions: vec![SECOND * 4],
            end: End::HangUp(SECOND * 6),
        };
        assert_eq!(
            steps(&timeline),
            [
                "WaitForListener",
                "Speak",
                "Press",
                "Speak",
                "Silence",
                "Interrupt",
                "Silence",
                "HangUp"
            ]
        );
    }

    #[test]
    fn a_cut_has_its_length() {
        let speech = Speech::samples_8k((0..8_000).collect::<Vec<i16>>());
        let piece = cut(&speech, SECOND / 4, SECOND / 2).render(8_000);
        assert_eq!((piece[0], piece.len()), (2_000, 2_000));
        assert_eq!(
            cut(&Speech::tone(440.0, SECOND), SECOND / 2, SECOND).duration(),
            SECOND / 2
        );
    }
}
