//! What the caller does, step by step.

use std::time::Duration;

use crate::speech::Speech;

/// The caller's side of a call, played from the moment when the call is answered.
///
/// ```
/// use std::time::Duration;
/// use telephony_testkit::{Script, Speech};
///
/// let script = Script::new()
///     .press("1")
///     .speak(Speech::tone(440.0, Duration::from_millis(400)))
///     .wait_to_hear(Duration::from_millis(300), Duration::from_secs(5))
///     .hang_up();
/// assert_eq!(script.len(), 4);
/// ```
///
/// While no step speaks, the line carries silence, as a telephone does. Speaking waits until the carrier has opened
/// the media stream, and pressing keys until somebody listens for them (a stream, or a menu): a person waits for the
/// prompt, too. When the steps are over and the call is not, the caller hangs up.
///
/// Lengths of speech and silence are call time: at twice the speed they take half as long. Deadlines are wall time,
/// because the app does not get faster. A deadline that passes is a complaint of severity error.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Speak(Speech),
    SpeakNow(Speech),
    WaitForListener(Duration),
    Silence(Duration),
    Press(String),
    WaitForAudio(Duration),
    WaitToHear {
        heard: Duration,
        within: Duration,
    },
    WaitForMarks {
        marks: u64,
        within: Duration,
    },
    WaitForQuiet {
        quiet: Duration,
        within: Duration,
    },
    Interrupt {
        with: Interruption,
        within: Duration,
    },
    HangUp,
    WaitForHangUp(Duration),
}

#[derive(Clone, Debug)]
pub(crate) enum Interruption {
    Speech(Speech),
    Key(char),
}

impl Script {
    /// A caller who hangs up as soon as somebody answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says something.
    pub fn speak(self, speech: impl Into<Speech>) -> Self {
        self.with(Step::Speak(speech.into()))
    }

    /// Says something to whoever is there: when there is no media stream, the time passes and nobody hears it.
    pub fn speak_now(self, speech: impl Into<Speech>) -> Self {
        self.with(Step::SpeakNow(speech.into()))
    }

    /// Waits until somebody listens, be it a stream or a menu; after that time goes on without.
    pub fn wait_for_listener(self, within: Duration) -> Self {
        self.with(Step::WaitForListener(within))
    }

    /// Says nothing for this long.
    pub fn silence(self, duration: Duration) -> Self {
        self.with(Step::Silence(duration))
    }

    /// Presses keys, one after the other, a tenth of a second apart.
    pub fn press(self, keys: impl Into<String>) -> Self {
        self.with(Step::Press(keys.into()))
    }

    /// Waits until something can be heard: audio of the app that is not silence.
    pub fn wait_for_audio(self, within: Duration) -> Self {
        self.with(Step::WaitForAudio(within))
    }

    /// Waits until the caller has heard so much in this call, silence not counted.
    pub fn wait_to_hear(self, heard: Duration, within: Duration) -> Self {
        self.with(Step::WaitToHear { heard, within })
    }

    /// Waits until the carrier has returned so many marks of the app in this call.
    pub fn wait_for_marks(self, marks: u64, within: Duration) -> Self {
        self.with(Step::WaitForMarks { marks, within })
    }

    /// Waits until nothing was to be heard for this long (call time).
    pub fn wait_for_quiet(self, quiet: Duration, within: Duration) -> Self {
        self.with(Step::WaitForQuiet { quiet, within })
    }

    /// Waits until the app is speaking, then speaks over it. The time until the app falls silent is
    /// [`Outcome::interruption`](crate::Outcome::interruption).
    pub fn interrupt(self, speech: impl Into<Speech>) -> Self {
        self.with(Step::Interrupt {
            with: Interruption::Speech(speech.into()),
            within: INTERRUPT_WITHIN,
        })
    }

    /// Waits until the app is speaking, then presses a key.
    pub fn interrupt_with_key(self, key: char) -> Self {
        self.with(Step::Interrupt {
            with: Interruption::Key(key),
            within: INTERRUPT_WITHIN,
        })
    }

    /// Hangs up.
    pub fn hang_up(self) -> Self {
        self.with(Step::HangUp)
    }

    /// Waits until the other side has ended the call.
    pub fn wait_for_hang_up(self, within: Duration) -> Self {
        self.with(Step::WaitForHangUp(within))
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is no step at all.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// A caller who wants to interrupt gives up when the app says nothing for this long.
const INTERRUPT_WITHIN: Duration = Duration::from_secs(10);
