//! The parameters of a call that only Exotel knows.

use std::fmt;

/// The parameters of an [`OutboundCall`](telephony_core::OutboundCall) that only Exotel knows.
///
/// Each goes with some ways of placing a call only (see the [module's page](super)); one that does not go with the call is
/// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument).
///
/// ```
/// use telephony_core::{Answer, OutboundCall, Party};
/// use telephony_exotel::{ExotelCallOptions, NAME};
///
/// let (customer, exophone) = (Party::parse("+919876501234"), Party::parse("08033334444"));
/// let call = OutboundCall::new(customer, exophone, Answer::redirect())
///     .with_extension(NAME, ExotelCallOptions::new().with_flow("926"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExotelCallOptions {
    pub(super) flow: Option<String>,
    pub(super) stream_name: Option<String>,
    pub(super) recording_channels: Option<RecordingChannels>,
    pub(super) recording_format: Option<RecordingFormat>,
    pub(super) wait_url: Option<String>,
    pub(super) playback: Option<Playback>,
    pub(super) listener: Option<Listener>,
}

/// How a recording keeps the two sides apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecordingChannels {
    /// It does not.
    #[default]
    Single,
    /// One channel each.
    Dual,
}

/// How good a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecordingFormat {
    /// MP3.
    #[default]
    Mp3,
    /// MP3 of higher quality.
    Mp3Hq,
}

/// Audio that is played when the second number has answered, before the two are connected.
#[derive(Clone, PartialEq, Eq)]
pub struct Playback {
    pub(super) url: String,
    pub(super) to_both: bool,
}

impl Playback {
    /// Plays the file at this `http` or `https` URL to the second number.
    #[must_use]
    pub fn to_callee(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            to_both: false,
        }
    }

    /// Plays the file at this `http` or `https` URL to both.
    #[must_use]
    pub fn to_both(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            to_both: true,
        }
    }
}

impl fmt::Debug for Playback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Playback(to both: {})", self.to_both)
    }
}

/// A socket of yours that hears the two numbers talk. Nothing can be said through it, and it is no stream of this library.
#[derive(Clone, PartialEq, Eq)]
pub struct Listener {
    pub(super) url: String,
    pub(super) from: ListenFrom,
}

/// From when on a [`Listener`] hears the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenFrom {
    /// When the first number has answered.
    FirstLeg,
    /// When the second number has answered.
    SecondLeg,
}

impl Listener {
    /// The socket at this `wss` or `ws` URL, under 600 characters.
    #[must_use]
    pub fn new(url: impl Into<String>, from: ListenFrom) -> Self {
        Self {
            url: url.into(),
            from,
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({:?})", self.from)
    }
}

impl ExotelCallOptions {
    /// None of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the flow with this app id of the console, when the call is answered.
    #[must_use]
    pub fn with_flow(mut self, app_id: impl Into<String>) -> Self {
        self.flow = Some(app_id.into());
        self
    }

    /// Labels the stream, in 32 characters at most. For calls straight to our media socket.
    #[must_use]
    pub fn with_stream_name(mut self, name: impl Into<String>) -> Self {
        self.stream_name = Some(name.into());
        self
    }

    /// Records in this way. For calls that are recorded.
    #[must_use]
    pub fn with_recording_channels(mut self, channels: RecordingChannels) -> Self {
        self.recording_channels = Some(channels);
        self
    }

    /// Records in this format. For calls to two numbers that are recorded.
    #[must_use]
    pub fn with_recording_format(mut self, format: RecordingFormat) -> Self {
        self.recording_format = Some(format);
        self
    }

    /// Plays the WAV file at this URL, under 2 MB, while the second number rings. Exotel keeps what it fetched: another file
    /// needs another URL. For calls to two numbers.
    #[must_use]
    pub fn with_wait_url(mut self, url: impl Into<String>) -> Self {
        self.wait_url = Some(url.into());
        self
    }

    /// Plays this before the two are connected. For calls to two numbers.
    #[must_use]
    pub fn with_playback(mut self, playback: Playback) -> Self {
        self.playback = Some(playback);
        self
    }

    /// Lets this socket hear the call. For calls to two numbers.
    #[must_use]
    pub fn with_listener(mut self, listener: Listener) -> Self {
        self.listener = Some(listener);
        self
    }
}

impl fmt::Debug for ExotelCallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExotelCallOptions")
            .field("flow", &self.flow.is_some())
            .field("stream_name", &self.stream_name.is_some())
            .field("recording_channels", &self.recording_channels)
            .field("recording_format", &self.recording_format)
            .field("wait_url", &self.wait_url.is_some())
            .field("playback", &self.playback)
            .field("listener", &self.listener)
            .finish()
    }
}
