//! The carrier's playout buffer: what the app sent and the caller has not heard yet.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use crate::speech::duration_of;

/// How a carrier's buffer behaves.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlayoutRules {
    /// How much it holds.
    pub capacity: Capacity,
    /// The carrier's code for audio that was thrown away because the buffer was full.
    pub overflow_code: Cow<'static, str>,
    /// Whether the message that is being played goes on after a clear.
    pub clear_keeps_current: bool,
    /// What becomes of marks that a clear has overtaken.
    pub marks_on_clear: MarksOnClear,
}

/// How much a playout buffer holds. What comes on top is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capacity {
    /// Everything.
    Unlimited,
    /// So much audio.
    Time(Duration),
    /// So many audio messages.
    Messages(usize),
}

/// What becomes of marks that a clear has overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarksOnClear {
    /// They are returned at once.
    Return,
    /// They are never heard of again.
    Drop,
}

impl PlayoutRules {
    /// A buffer without limits that a clear empties at once, marks returned.
    pub fn new() -> Self {
        Self {
            capacity: Capacity::Unlimited,
            overflow_code: Cow::Borrowed("playout-overflow"),
            clear_keeps_current: false,
            marks_on_clear: MarksOnClear::Return,
        }
    }
}

impl Default for PlayoutRules {
    fn default() -> Self {
        Self::new()
    }
}

/// Audio and marks in the order in which they came, played in call time.
#[derive(Debug)]
pub(crate) struct Playout {
    rules: PlayoutRules,
    rate: u32,
    queue: VecDeque<Item>,
    samples: usize,
    messages: usize,
    /// What is left of the message that the last clear has spared.
    spared: usize,
}

#[derive(Debug)]
enum Item {
    Audio { samples: Vec<i16>, played: usize },
    Mark(Value),
}

/// What was heard in one tick.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Played {
    /// Audio of the app; shorter than the tick when there was no more.
    pub(crate) samples: Vec<i16>,
    /// Marks whose audio has been played now.
    pub(crate) marks: Vec<Value>,
}

/// What a clear did.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Cleared {
    /// Samples that nobody will hear.
    pub(crate) samples: usize,
    /// Marks that go back to the app now.
    pub(crate) returned: Vec<Value>,
}

impl Playout {
    pub(crate) fn new(rules: PlayoutRules, rate: u32) -> Self {
        Self {
            rules,
            rate,
            queue: VecDeque::new(),
            samples: 0,
            messages: 0,
            spared: 0,
        }
    }

    /// Takes audio in, or says that the buffer is full: then all of it is lost.
    pub(crate) fn push_audio(&mut self, samples: Vec<i16>) -> bool {
        if samples.is_empty() {
            return true;
        }
        let fits = match self.rules.capacity {
            Capacity::Unlimited => true,
            Capacity::Time(time) => duration_of(self.samples + samples.len(), self.rate) <= time,
            Capacity::Messages(messages) => self.messages < messages,
        };
        if fits {
            self.samples += samples.len();
            self.messages += 1;
            self.queue.push_back(Item::Audio { samples, played: 0 });
        }
        fits
    }

    /// Takes a mark in; it comes back at once when there is nothing to play before it.
    pub(crate) fn push_mark(&mut self, mark: Value) -> Option<Value> {
        if self.queue.is_empty() {
            return Some(mark);
        }
        self.queue.push_back(Item::Mark(mark));
        None
    }

    /// Plays up to `count` samples.
    pub(crate) fn play(&mut self, count: usize) -> Played {
        let mut heard = Played::default();
        loop {
            match self.queue.front_mut() {
                Some(Item::Mark(_)) => {
                    if let Some(Item::Mark(mark)) = self.queue.pop_front() {
                        heard.marks.push(mark);
                    }
                }
                Some(Item::Audio { samples, played }) => {
                    let wanted = count - heard.samples.len();
                    if wanted == 0 {
                        return heard;
                    }
                    let until = samples.len().min(*played + wanted);
                    heard.samples.extend_from_slice(&samples[*played..until]);
                    self.samples -= until - *played;
                    self.spared = self.spared.saturating_sub(until - *played);
                    *played = until;
                    if until == samples.len() {
                        self.queue.pop_front();
                        self.messages -= 1;
                    }
                }
                None => return heard,
            }
        }
    }

    /// Empties the buffer as the carrier does.
    pub(crate) fn clear(&mut self) -> Cleared {
        let mut cleared = Cleared::default();
        let mut kept = None;
        for (index, item) in std::mem::take(&mut self.queue).into_iter().enumerate() {
            match item {
                Item::Audio { samples, played }
                    if index == 0 && played > 0 && self.rules.clear_keeps_current =>
                {
                    kept = Some(Item::Audio { samples, played });
                }
                Item::Audio { samples, played } => cleared.samples += samples.len() - played,
                Item::Mark(mark) => match self.rules.marks_on_clear {
                    MarksOnClear::Return => cleared.returned.push(mark),
                    MarksOnClear::Drop => {}
                },
            }
        }
        self.samples -= cleared.samples;
        // Nothing else is left.
        self.spared = self.samples;
        self.messages = usize::from(kept.is_some());
        self.queue.extend(kept);
        cleared
    }

    /// Whether there is nothing left to hear.
    pub(crate) fn is_silent(&self) -> bool {
        self.samples == 0
    }

    /// Samples from before the last clear that are still to be heard.
    pub(crate) fn spared(&self) -> usize {
        self.spared
    }

    /// Samples that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(name: &str) -> Value {
        Value::String(name.into())
    }

    #[test]
    fn a_mark_waits_for_the_audio_before_it() {
        let mut playout = Playout::new(PlayoutRules::new(), 8_000);
        assert_eq!(playout.push_mark(mark("at once")), Some(mark("at once")));
        assert!(playout.push_audio(vec![1; 200]));
        assert_eq!(playout.push_mark(mark("middle")), None);
        assert!(playout.push_audio(vec![2; 120]));
        assert_eq!(playout.push_mark(mark("end")), None);

        let first = playout.play(160);
        assert_eq!((first.samples.len(), first.marks.len()), (160, 0));
        let second = playout.play(160);
        assert_eq!(second.samples[39..41], [1, 2]);
        assert_eq!(second.marks, [mark("middle"), mark("end")]);
        assert!(playout.is_silent());
        assert_eq!(playout.play(160), Played::default());
    }

    #[test]
    fn clear_returns_marks_or_drops_them() {
        for (rule, returned) in [(MarksOnClear::Return, 1), (MarksOnClear::Drop, 0)] {
            let mut playout = Playout::new(
                PlayoutRules {
                    marks_on_clear: rule,
                    ..PlayoutRules::new()
                },
                8_000,
            );
            playout.push_audio(vec![1; 320]);
            playout.push_mark(mark("end"));
            playout.play(160);
            let cleared = playout.clear();
            assert_eq!((cleared.samples, cleared.returned.len()), (160, returned));
            assert!(playout.is_silent());
            assert_eq!(playout.push_mark(mark("next")), Some(mark("next")));
        }
    }

    #[test]
    fn a_chunk_that_was_picked_up_survives_a_clear_where_the_carrier_says_so() {
        let rules = PlayoutRules {
            clear_keeps_current: true,
            ..PlayoutRules::new()
        };
        let mut playout = Playout::new(rules, 8_000);
        playout.push_audio(vec![1; 320]);
        playout.push_audio(vec![2; 320]);
        playout.play(160);
        assert_eq!(playout.clear().samples, 320);
        assert_eq!((playout.waiting(), playout.spared()), (160, 160));
        playout.push_audio(vec![4; 320]);
        playout.play(100);
        assert_eq!(playout.spared(), 60);
        assert_eq!(playout.play(380).samples[..60], [1; 60]);
        assert_eq!((playout.waiting(), playout.spared()), (0, 0));

        playout.push_audio(vec![3; 320]);
        assert_eq!(playout.clear().samples, 320, "not picked up yet");
        assert_eq!(playout.waiting(), 0);
    }

    #[test]
    fn what_does_not_fit_is_lost() {
        let rules = PlayoutRules {
            capacity: Capacity::Time(Duration::from_millis(40)),
            ..PlayoutRules::new()
        };
        let mut playout = Playout::new(rules, 8_000);
        assert!(playout.push_audio(vec![1; 320]));
        assert!(!playout.push_audio(vec![1; 1]));
        playout.play(160);
        assert!(playout.push_audio(vec![1; 160]));

        let rules = PlayoutRules {
            capacity: Capacity::Messages(2),
            ..PlayoutRules::new()
        };
        let mut playout = Playout::new(rules, 8_000);
        assert!(playout.push_audio(vec![1; 160]) && playout.push_audio(vec![1; 160]));
        assert!(!playout.push_audio(vec![1; 160]));
        playout.clear();
        assert!(playout.push_audio(vec![1; 160]));
    }
}
