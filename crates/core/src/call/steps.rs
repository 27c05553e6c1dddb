//! The steps that an answer is made of.

use super::Party;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use telephony_audio::SampleRate;

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Connect the call to our media socket, both ways.
    Stream(Stream),
    /// Speak a text.
    Say(Say),
    /// Play an audio file.
    Play(Play),
    /// Ask for keys or speech; the answer to it comes as an event.
    Gather(Gather),
    /// Connect the caller with somebody else; how it went comes as an event.
    Dial(Dial),
    /// Wait.
    Pause(Duration),
    /// End the call.
    HangUp,
    /// Refuse the call without answering it.
    Reject(RejectReason),
    /// Ask us again what to do, at our answer URL or another one.
    Redirect(Redirect),
}

impl Step {
    /// The step's name, for errors and the documentation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stream(_) => "stream",
            Self::Say(_) => "say",
            Self::Play(_) => "play",
            Self::Gather(_) => "gather",
            Self::Dial(_) => "dial",
            Self::Pause(_) => "pause",
            Self::HangUp => "hang up",
            Self::Reject(_) => "reject",
            Self::Redirect(_) => "redirect",
        }
    }
}

/// What comes when the stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterStream {
    /// The call ends.
    #[default]
    HangUp,
    /// The next step, or, where the carrier asks us then, the answer to that event.
    Continue,
}

/// A two-way media stream.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Stream {
    /// What comes when it is over. Default: hang up.
    pub then: AfterStream,
    /// Handed back by the carrier when the stream starts. Keep them short: one carrier takes 3 of them in 256 characters.
    pub parameters: BTreeMap<String, String>,
    /// The rate on the wire, where the carrier lets us choose. Default: as the account is configured.
    #[serde(with = "rate", skip_serializing_if = "Option::is_none")]
    pub rate: Option<SampleRate>,
}

impl Stream {
    /// A stream, then hang up.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What comes when it is over.
    #[must_use]
    pub fn then(mut self, then: AfterStream) -> Self {
        self.then = then;
        self
    }

    /// Adds a parameter that the carrier hands back when the stream starts.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Asks for this rate on the wire.
    #[must_use]
    pub fn with_rate(mut self, rate: SampleRate) -> Self {
        self.rate = Some(rate);
        self
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("then", &self.then)
            .field("parameters", &self.parameters.keys())
            .field("rate", &self.rate)
            .finish()
    }
}

/// A rate as its Hz, so that the audio crate need not know of serde.
mod rate {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};
    use telephony_audio::SampleRate;

    pub(super) fn serialize<S: Serializer>(
        rate: &Option<SampleRate>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        rate.map(SampleRate::hz).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SampleRate>, D::Error> {
        let hz = Option::<u32>::deserialize(deserializer)?;
        let rate =
            |hz| SampleRate::new(hz).ok_or_else(|| D::Error::custom("this is no sample rate"));
        hz.map(rate).transpose()
    }
}

/// A text to speak. `Debug` shows its length only.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Say {
    /// The text. It is escaped as the carrier's document needs it.
    pub text: String,
    /// The language as a BCP 47 tag (`en-GB`). Default: the carrier's.
    pub language: Option<String>,
    /// A voice by the carrier's own name.
    pub voice: Option<String>,
}

impl Say {
    /// This text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// In this language, as a BCP 47 tag.
    #[must_use]
    pub fn with_language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// With this voice, by the carrier's own name.
    #[must_use]
    pub fn with_voice(mut self, voice: impl Into<String>) -> Self {
        self.voice = Some(voice.into());
        self
    }
}

impl<T: Into<String>> From<T> for Say {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// An audio file to play. `Debug` does not show where it is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Play {
    /// Where the carrier fetches it.
    pub url: String,
    /// How often; 0 is without end.
    pub times: u32,
}

impl Play {
    /// The file at that URL, once.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            times: 1,
        }
    }

    /// So many times; 0 is without end.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

impl<T: Into<String>> From<T> for Play {
    fn from(url: T) -> Self {
        Self::new(url)
    }
}

/// What is spoken or played while we wait for keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum Prompt {
    /// A text.
    Say(Say),
    /// An audio file.
    Play(Play),
}

/// Asks for keys or speech. What the caller entered comes as
/// [`CallEventKind::DigitsGathered`](super::CallEventKind::DigitsGathered), also when it is nothing, and may be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gather {
    /// What is spoken or played meanwhile; the first key ends it.
    pub prompts: Vec<Prompt>,
    /// Whether keys are taken.
    pub dtmf: bool,
    /// How many keys at most; [`None`]: until the finish key or the timeout.
    pub max_digits: Option<u8>,
    /// The key that ends the entry; it is not part of what is reported. Default: `#`.
    pub finish_on_key: Option<char>,
    /// How long to wait for the first or next key. Default 5 s.
    pub timeout: Duration,
    /// Whether speech is taken.
    pub speech: bool,
    /// The language of the speech as a BCP 47 tag.
    pub language: Option<String>,
    /// Words that are likely.
    pub hints: Vec<String>,
}

impl Gather {
    /// So many keys at most.
    #[must_use]
    pub fn digits(max_digits: u8) -> Self {
        Self {
            max_digits: Some(max_digits),
            ..Self::until_finish()
        }
    }

    /// Keys until `#` or the timeout.
    #[must_use]
    pub fn until_finish() -> Self {
        Self {
            prompts: Vec::new(),
            dtmf: true,
            max_digits: None,
            finish_on_key: Some('#'),
            timeout: Duration::from_secs(5),
            speech: false,
            language: None,
            hints: Vec::new(),
        }
    }

    /// Speech, no keys.
    #[must_use]
    pub fn speech() -> Self {
        Self {
            dtmf: false,
            speech: true,
            ..Self::until_finish()
        }
    }

    /// Speech too.
    #[must_use]
    pub fn or_speech(mut self) -> Self {
        self.speech = true;
        self
    }

    /// Speaks this meanwhile.
    #[must_use]
    pub fn with_prompt(mut self, text: impl Into<Say>) -> Self {
        self.prompts.push(Prompt::Say(text.into()));
        self
    }

    /// Plays this meanwhile.
    #[must_use]
    pub fn with_audio_prompt(mut self, url: impl Into<Play>) -> Self {
        self.prompts.push(Prompt::Play(url.into()));
        self
    }

    /// Waits so long for the first or next key.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends with this key, or with none.
    #[must_use]
    pub fn with_finish_key(mut self, key: Option<char>) -> Self {
        self.finish_on_key = key;
        self
    }

    /// The language of the speech as a BCP 47 tag.
    #[must_use]
    pub fn with_language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// A word that is likely.
    #[must_use]
    pub fn with_hint(mut self, word: impl Into<String>) -> Self {
        self.hints.push(word.into());
        self
    }
}

/// Connects the caller with somebody else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Dial {
    /// Who is rung; several at once where the carrier can.
    pub targets: Vec<Party>,
    /// The number that is shown to them. Default: the carrier's.
    pub caller_id: Option<Party>,
    /// How long it rings at most. Default: the carrier's.
    pub ring_timeout: Option<Duration>,
    /// How long the two may talk at most. Default: the carrier's.
    pub time_limit: Option<Duration>,
}

impl Dial {
    /// This party.
    #[must_use]
    pub fn new(target: Party) -> Self {
        Self {
            targets: vec![target],
            caller_id: None,
            ring_timeout: None,
            time_limit: None,
        }
    }

    /// This party too, at the same time.
    #[must_use]
    pub fn and(mut self, target: Party) -> Self {
        self.targets.push(target);
        self
    }

    /// Shows this number.
    #[must_use]
    pub fn with_caller_id(mut self, caller_id: Party) -> Self {
        self.caller_id = Some(caller_id);
        self
    }

    /// Rings so long at most.
    #[must_use]
    pub fn with_ring_timeout(mut self, timeout: Duration) -> Self {
        self.ring_timeout = Some(timeout);
        self
    }

    /// Lets them talk so long at most.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }
}

impl From<Party> for Dial {
    fn from(target: Party) -> Self {
        Self::new(target)
    }
}

impl From<&str> for Dial {
    /// Reads a number, a SIP URI or `client:NAME`.
    fn from(target: &str) -> Self {
        Self::new(Party::parse(target))
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum RejectReason {
    /// The caller hears that it did not go through.
    #[default]
    Rejected,
    /// The caller hears the busy tone.
    Busy,
}

/// Where the carrier asks what to do next.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum Redirect {
    /// At our own answer URL.
    Here,
    /// At this absolute URL.
    To(String),
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => "Here",
            Self::To(_) => "To(***)",
        })
    }
}

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Say")
            .field("characters", &self.text.chars().count())
            .field("language", &self.language)
            .field("voice", &self.voice)
            .finish()
    }
}

impl fmt::Debug for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Play")
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
