//! What to do with a call, the same for every carrier.

use super::Party;
use super::document::Document;
use super::steps::{AfterStream, Dial, Gather, Play, Redirect, RejectReason, Say, Step, Stream};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What to do with a call: steps that are done one after the other.
///
/// A carrier that cannot express a step refuses the whole answer with a typed error before anything is sent.
///
/// ```
/// use telephony_core::{Answer, Gather};
/// use std::time::Duration;
///
/// let menu = Answer::say("Welcome.")
///     .then_gather(Gather::digits(1).with_prompt("Press 1 for sales.").with_timeout(Duration::from_secs(5)));
/// assert_eq!(menu.steps().len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    steps: Vec<Step>,
    document: Option<Document>,
}

impl Answer {
    /// These steps.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        steps.into_iter().fold(Self::default(), Self::then)
    }

    /// Connect the call to our media socket and hang up when the stream is over.
    #[must_use]
    pub fn stream() -> Self {
        Self::new([Step::Stream(Stream::default())])
    }

    /// Speak a text.
    #[must_use]
    pub fn say(text: impl Into<Say>) -> Self {
        Self::new([Step::Say(text.into())])
    }

    /// Play the audio file at that URL.
    #[must_use]
    pub fn play(url: impl Into<Play>) -> Self {
        Self::new([Step::Play(url.into())])
    }

    /// Ask for keys or speech.
    #[must_use]
    pub fn gather(gather: Gather) -> Self {
        Self::new([Step::Gather(gather)])
    }

    /// Connect the caller with somebody else.
    #[must_use]
    pub fn dial(dial: impl Into<Dial>) -> Self {
        Self::new([Step::Dial(dial.into())])
    }

    /// End the call.
    #[must_use]
    pub fn hang_up() -> Self {
        Self::new([Step::HangUp])
    }

    /// Refuse the call without answering it.
    #[must_use]
    pub fn reject(reason: RejectReason) -> Self {
        Self::new([Step::Reject(reason)])
    }

    /// Ask us again what to do, at our answer URL.
    #[must_use]
    pub fn redirect() -> Self {
        Self::new([Step::Redirect(Redirect::Here)])
    }

    /// The carrier's own document, for what the steps cannot say. See [`Document`].
    #[must_use]
    pub fn document(document: Document) -> Self {
        Self {
            steps: Vec::new(),
            document: Some(document),
        }
    }

    /// And then this step. A hang-up after a stream that hangs up anyway is left out.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        let hangs_up = matches!(self.steps.last(), Some(Step::Stream(stream)) if stream.then == AfterStream::HangUp);
        if !(hangs_up && step == Step::HangUp) {
            self.steps.push(step);
        }
        self
    }

    /// And then speak a text.
    #[must_use]
    pub fn then_say(self, text: impl Into<Say>) -> Self {
        self.then(Step::Say(text.into()))
    }

    /// And then play an audio file.
    #[must_use]
    pub fn then_play(self, url: impl Into<Play>) -> Self {
        self.then(Step::Play(url.into()))
    }

    /// And then ask for keys or speech.
    #[must_use]
    pub fn then_gather(self, gather: Gather) -> Self {
        self.then(Step::Gather(gather))
    }

    /// And then connect the caller with somebody else.
    #[must_use]
    pub fn then_dial(self, dial: impl Into<Dial>) -> Self {
        self.then(Step::Dial(dial.into()))
    }

    /// And then wait.
    #[must_use]
    pub fn then_pause(self, duration: Duration) -> Self {
        self.then(Step::Pause(duration))
    }

    /// And then connect the call to our media socket.
    #[must_use]
    pub fn then_stream(self, stream: Stream) -> Self {
        self.then(Step::Stream(stream))
    }

    /// And then end the call.
    #[must_use]
    pub fn then_hang_up(self) -> Self {
        self.then(Step::HangUp)
    }

    /// And then ask us again.
    #[must_use]
    pub fn then_redirect(self) -> Self {
        self.then(Step::Redirect(Redirect::Here))
    }

    /// The steps; none if this is a [`Document`].
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The carrier's own document, if this is one.
    #[must_use]
    pub fn as_document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// The stream in it, if there is one.
    #[must_use]
    pub fn stream_step(&self) -> Option<&Stream> {
        self.steps.iter().find_map(|step| match step {
            Step::Stream(stream) => Some(stream),
            _ => None,
        })
    }

    /// Whether the carrier will open a media socket for it, so that a media token is needed.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        self.stream_step().is_some() || self.document.as_ref().is_some_and(Document::wants_stream)
    }
}

impl From<Stream> for Answer {
    fn from(stream: Stream) -> Self {
        Self::new([Step::Stream(stream)])
    }
}

impl From<Party> for Answer {
    /// Connect the caller with that party.
    fn from(party: Party) -> Self {
        Self::dial(party)
    }
}
