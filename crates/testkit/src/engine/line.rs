//! The caller's telephone: mouth, ear and keys, and the person who follows the script.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::complaint::Finding;
use crate::engine::clock::Tempo;
use crate::engine::ending::Ending;
use crate::engine::recorder::Recorder;
use crate::outcome::EndedBy;
use crate::script::{Interruption, Script, Step};
use crate::speech::Speech;

/// Both ends of the caller's line: the script speaks and listens on one, the media stream or a menu is the other.
#[derive(Debug)]
pub(crate) struct Line {
    ear: watch::Sender<Ear>,
    mouth: Mutex<Mouth>,
    keys: mpsc::Sender<char>,
    /// Whoever listens for keys holds this lock.
    pub(crate) pressed: tokio::sync::Mutex<mpsc::Receiver<char>>,
    interrupting_since: Mutex<Option<Instant>>,
    talked_over: AtomicBool,
    muted: AtomicBool,
    deaf: AtomicBool,
}

/// What the caller notices.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ear {
    /// Somebody has taken the call.
    pub(crate) answered: bool,
    /// A media stream carries the caller's voice.
    pub(crate) connected: bool,
    /// Somebody listens for keys.
    pub(crate) keys_wanted: bool,
    /// Something can be heard right now.
    pub(crate) sounding: bool,
    /// How much was heard, silence not counted (call time).
    pub(crate) heard: Duration,
    /// How long nothing has been heard (call time).
    pub(crate) quiet: Duration,
    /// Marks that the carrier has returned.
    pub(crate) marks: u64,
    /// Utterances of the caller that are out.
    pub(crate) spoken: u64,
}

#[derive(Debug, Default)]
struct Mouth {
    speech: Option<Speech>,
    samples: Vec<i16>,
    said: usize,
}

/// More keys at once than this nobody presses.
const KEYS: usize = 128;

impl Line {
    pub(crate) fn new() -> Arc<Self> {
        let (keys, pressed) = mpsc::channel(KEYS);
        Arc::new(Self {
            ear: watch::Sender::new(Ear::default()),
            mouth: Mutex::default(),
            keys,
            pressed: tokio::sync::Mutex::new(pressed),
            interrupting_since: Mutex::default(),
            talked_over: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
        })
    }

    /// Tells the ear something.
    pub(crate) fn notice(&self, change: impl FnOnce(&mut Ear)) {
        self.ear.send_modify(change);
    }

    /// The next `count` samples of the caller's voice, silence where nothing is said.
    pub(crate) fn voice(&self, rate: u32, count: usize) -> Vec<i16> {
        let mut mouth = lock(&self.mouth);
        if let Some(speech) = mouth.speech.take() {
            mouth.samples = speech.render(rate);
            mouth.said = 0;
        }
        if mouth.samples.is_empty() {
            return vec![0; count];
        }
        let until = mouth.samples.len().min(mouth.said + count);
        let mut voice = mouth.samples[mouth.said..until].to_vec();
        voice.resize(count, 0);
        if self.muted.load(Ordering::Relaxed) {
            voice.fill(0);
        }
        mouth.said = until;
        if until == mouth.samples.len() {
            mouth.samples = vec![];
            drop(mouth);
            self.notice(|ear| ear.spoken += 1);
        }
        voice
    }

    /// Nobody hears the person, who talks on.
    pub(crate) fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// The person hears nobody.
    pub(crate) fn earmuff(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// The stream is over: what was not said stays unsaid.
    pub(crate) fn fall_silent(&self) {
        let unsaid = {
            let mut mouth = lock(&self.mouth);
            let unsaid = mouth.speech.take().is_some() || !mouth.samples.is_empty();
            mouth.samples = vec![];
            unsaid
        };
        self.notice(|ear| {
            ear.connected = false;
            ear.sounding = false;
            ear.spoken += u64::from(unsaid);
        });
    }

    /// Since when the caller is interrupting; asked once, by whoever can answer with silence.
    pub(crate) fn interrupting_since(&self) -> Option<Instant> {
        *lock(&self.interrupting_since)
    }

    pub(crate) fn interruption_settled(&self) {
        *lock(&self.interrupting_since) = None;
    }

    /// Whether the caller is talking over the app right now.
    pub(crate) fn is_talked_over(&self) -> bool {
        self.talked_over.load(Ordering::Relaxed)
    }

    fn say(&self, speech: Speech) {
        lock(&self.mouth).speech = Some(speech);
    }

    fn begin_interruption(&self) {
        *lock(&self.interrupting_since) = Some(Instant::now());
    }
}

/// A poisoned lock guards plain data here: it is as good as it was.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The person at the telephone.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) line: Arc<Line>,
    pub(crate) tempo: Tempo,
    pub(crate) ending: Ending,
    pub(crate) recorder: Recorder,
    /// In whose name the person hangs up.
    pub(crate) name: EndedBy,
}

/// How long a person waits for a stream to speak into, or a menu to press keys for, before going on.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two keys (call time).
const BETWEEN_KEYS: Duration = Duration::from_millis(100);

impl Person {
    /// Follows the script once the call is answered, then hangs up.
    pub(crate) async fn follow(self, script: Script) {
        let mut ear = self.line.ear.subscribe();
        if ear.wait_for(|ear| ear.answered).await.is_err() {
            return;
        }
        for step in script.steps() {
            tokio::select! {
                biased;
                _ = self.ending.ended() => return,
                () = self.take(step) => {}
            }
        }
        self.ending.end(self.name);
    }

    async fn take(&self, step: &Step) {
        match step {
            Step::Speak(speech) => self.speak(speech).await,
            Step::SpeakNow(speech) => self.speak_now(speech).await,
            Step::WaitForListener(within) => {
                let mut ear = self.line.ear.subscribe();
                let _ = timeout(
                    *within,
                    ear.wait_for(|ear| ear.connected || ear.keys_wanted),
                )
                .await;
            }
            Step::Silence(duration) => sleep(self.tempo.wall(*duration)).await,
            Step::Press(keys) => self.press(keys).await,
            Step::WaitForAudio(within) => {
                self.wait(*within, "nothing-heard", "to hear something", |ear| {
                    !ear.heard.is_zero()
                })
                .await;
            }
            Step::WaitToHear { heard, within } => {
                self.wait(*within, "too-little-heard", "to hear more", |ear| {
                    ear.heard >= *heard
                })
                .await;
            }
            Step::WaitForMarks { marks, within } => {
                self.wait(*within, "marks-missing", "for marks to be played", |ear| {
                    ear.marks >= *marks
                })
                .await;
            }
            Step::WaitForQuiet { quiet, within } => {
                self.wait(
                    *within,
                    "never-quiet",
                    "for the app to stop talking",
                    |ear| ear.connected && ear.quiet >= *quiet,
                )
                .await;
            }
            Step::Interrupt { with, within } => self.interrupt(with, *within).await,
            Step::HangUp => {
                self.ending.end(self.name);
            }
            Step::WaitForHangUp(within) => {
                if timeout(*within, self.ending.ended()).await.is_err() {
                    self.complain("not-hung-up", "for the app to hang up", *within);
                }
            }
        }
    }

    async fn speak(&self, speech: &Speech) {
        if speech.duration().is_zero() {
            return;
        }
        if !self.wait_briefly(|ear| ear.connected).await {
            self.recorder.complain(Finding::note(
                "nobody-listens",
                "the caller spoke, but no media stream was open",
            ));
            sleep(self.tempo.wall(speech.duration())).await;
            return;
        }
        let mut ear = self.line.ear.subscribe();
        let before = ear.borrow().spoken;
        self.line.say(speech.clone());
        let _ = ear
            .wait_for(|ear| ear.spoken > before || !ear.connected)
            .await;
    }

    async fn speak_now(&self, speech: &Speech) {
        let connected = self.line.ear.borrow().connected;
        if connected {
            self.speak(speech).await;
        } else {
            sleep(self.tempo.wall(speech.duration())).await;
        }
    }

    async fn press(&self, keys: &str) {
        if !self.wait_briefly(|ear| ear.keys_wanted).await {
            self.recorder.complain(Finding::note(
                "nobody-listens",
                "the caller pressed keys, but neither a stream nor a menu was there",
            ));
        }
        for key in keys.chars() {
            self.press_one(key).await;
            sleep(self.tempo.wall(BETWEEN_KEYS)).await;
        }
    }

    async fn press_one(&self, key: char) {
        self.recorder.key_pressed();
        let _ = self.line.keys.send(key).await;
    }

    async fn interrupt(&self, with: &Interruption, within: Duration) {
        if !self
            .wait(
                within,
                "nothing-to-interrupt",
                "for the app to speak",
                |ear| ear.sounding,
            )
            .await
        {
            return;
        }
        self.line.begin_interruption();
        match with {
            Interruption::Speech(speech) => {
                self.line.talked_over.store(true, Ordering::Relaxed);
                self.speak(speech).await;
                self.line.talked_over.store(false, Ordering::Relaxed);
            }
            Interruption::Key(key) => self.press_one(*key).await,
        }
    }

    async fn wait_briefly(&self, condition: impl Fn(&Ear) -> bool) -> bool {
        let mut ear = self.line.ear.subscribe();
        timeout(PATIENCE, ear.wait_for(|ear| condition(ear)))
            .await
            .is_ok_and(|waited| waited.is_ok())
    }

    async fn wait(
        &self,
        within: Duration,
        code: &'static str,
        what: &str,
        condition: impl Fn(&Ear) -> bool,
    ) -> bool {
        let mut ear = self.line.ear.subscribe();
        let waited = timeout(within, ear.wait_for(|ear| condition(ear)))
            .await
            .is_ok_and(|waited| waited.is_ok());
        if !waited {
            self.complain(code, what, within);
        }
        waited
    }

    fn complain(&self, code: &'static str, what: &str, within: Duration) {
        self.recorder.complain(Finding::error(
            code,
            format!(
                "the caller waited {} ms {what}, in vain",
                within.as_millis()
            ),
        ));
    }
}
