//! A call that is up: how the carrier knows it, and what can be done with it.

use super::{Answer, CallStatus, Direction, Party};
use crate::{CallId, Error, ErrorKind, Result};
use bytes::Bytes;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A call as its carrier knows it: what is needed to steer it.
///
/// ```
/// use telephony_core::{CallId, CarrierCall};
///
/// let call = CarrierCall::new(CallId::new("63f61863")?).at(Some("https://api-eu-3.vonage.com".to_owned()));
/// assert_eq!(call.home.as_deref(), Some("https://api-eu-3.vonage.com"));
/// # Ok::<(), telephony_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CarrierCall {
    /// The carrier's id of it.
    pub id: CallId,
    /// Where at the carrier it lives, if not where the account does: the host of a region, a subaccount. Only the carrier's
    /// crate knows what it means.
    pub home: Option<String>,
}

impl CarrierCall {
    /// A call that lives where its account does.
    #[must_use]
    pub fn new(id: CallId) -> Self {
        Self { id, home: None }
    }

    /// Lives there.
    #[must_use]
    pub fn at(mut self, home: Option<String>) -> Self {
        self.home = home;
        self
    }
}

impl From<CallId> for CarrierCall {
    fn from(id: CallId) -> Self {
        Self::new(id)
    }
}

/// How a carrier gets to know what a call is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Handover {
    /// The request said it.
    #[default]
    Sent,
    /// It asks for it, at our answer URL or at the applet's: who answers there must know.
    Asks,
    /// It asks for it once the media stream is over, so the stream is to be closed.
    AsksAfterStream,
}

/// Keys to send into a call: `0-9 * #`, and `w` for half a second of silence. `Debug` does not show them: it may be a PIN.
///
/// ```
/// use telephony_core::{Answer, Dtmf};
///
/// let keys = Dtmf::new("12w#")?;
/// // Where sending keys ends what the call is doing, it needs to know what comes after.
/// let keys = keys.then(Answer::stream());
/// assert!(Dtmf::new("12x").is_err());
/// # Ok::<(), telephony_core::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Dtmf {
    digits: String,
    then: Option<Answer>,
}

/// The longest sequence that every carrier takes in one request.
const MAX_DIGITS: usize = 32;

impl Dtmf {
    /// These keys.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if there is none, more than 32, or another character.
    pub fn new(digits: impl Into<String>) -> Result<Self> {
        let digits = digits.into();
        let is_key = |byte: u8| byte.is_ascii_digit() || b"*#w".contains(&byte);
        let has_key = digits.bytes().any(|byte| byte != b'w');
        if !has_key || digits.len() > MAX_DIGITS || !digits.bytes().all(is_key) {
            let detail =
                "the keys must be 1 to 32 out of 0-9 * #, with w for half a second of silence";
            return Err(Error::new(ErrorKind::InvalidArgument, "send DTMF", detail));
        }
        Ok(Self { digits, then: None })
    }

    /// What the call does after them, where sending keys ends what it is doing (see
    /// [`Capabilities::dtmf_out`](crate::Capabilities)): a stream begins anew then. Elsewhere this changes nothing.
    #[must_use]
    pub fn then(mut self, answer: Answer) -> Self {
        self.then = Some(answer);
        self
    }

    /// The keys.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// What comes after them.
    #[must_use]
    pub fn next(&self) -> Option<&Answer> {
        self.then.as_ref()
    }
}

impl fmt::Debug for Dtmf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dtmf")
            .field("digits", &self.digits.len())
            .field("then", &self.then)
            .finish()
    }
}

/// What the carrier says about one call. It may lag behind: callbacks are newer.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct CallSnapshot {
    /// The call.
    pub call: CarrierCall,
    /// Where it is, if the carrier's word is one of ours.
    pub status: Option<CallStatus>,
    /// Who started it, where the carrier tells.
    pub direction: Option<Direction>,
    /// Who calls, where the carrier tells.
    pub from: Option<Party>,
    /// Who is called, where the carrier tells.
    pub to: Option<Party>,
    /// When it was placed or came in, where the carrier tells.
    pub began: Option<SystemTime>,
    /// How long it was up, once it is over.
    pub duration: Option<Duration>,
    /// The carrier's own words.
    pub raw: Bytes,
}

impl CallSnapshot {
    /// Of this call, with nothing known yet.
    #[must_use]
    pub fn new(call: CarrierCall, status: Option<CallStatus>) -> Self {
        Self {
            call,
            status,
            direction: None,
            from: None,
            to: None,
            began: None,
            duration: None,
            raw: Bytes::new(),
        }
    }

    /// Between these.
    #[must_use]
    pub fn with_parties(mut self, from: Option<Party>, to: Option<Party>) -> Self {
        self.from = from;
        self.to = to;
        self
    }

    /// Started by that side, then.
    #[must_use]
    pub fn with_start(mut self, direction: Option<Direction>, began: Option<SystemTime>) -> Self {
        self.direction = direction;
        self.began = began;
        self
    }

    /// Up for so long.
    #[must_use]
    pub fn with_duration(mut self, duration: Option<Duration>) -> Self {
        self.duration = duration;
        self
    }

    /// In the carrier's own words.
    #[must_use]
    pub fn with_raw(mut self, raw: Bytes) -> Self {
        self.raw = raw;
        self
    }
}

impl fmt::Debug for CallSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSnapshot")
            .field("call", &self.call)
            .field("status", &self.status)
            .field("direction", &self.direction)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// The audio of a recording. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingAudio {
    /// Its media type as the carrier says it: `audio/x-wav`, `audio/mpeg`.
    pub media_type: Option<String>,
    /// The file, whole.
    pub audio: Bytes,
}

impl RecordingAudio {
    /// A file of that media type.
    #[must_use]
    pub fn new(media_type: Option<String>, audio: Bytes) -> Self {
        Self { media_type, audio }
    }
}

impl fmt::Debug for RecordingAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingAudio")
            .field("media_type", &self.media_type)
            .field("bytes", &self.audio.len())
            .finish()
    }
}
