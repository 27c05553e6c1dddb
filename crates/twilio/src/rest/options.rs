//! What Calls.create can do beyond the neutral call.

use http::Method;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use telephony_core::{Party, Secret};

/// Twilio's own options for a call, as an extension of [`OutboundCall`](telephony_core::OutboundCall).
///
/// What cannot be honoured together with the rest of the call is an error before anything is sent.
///
/// ```
/// use telephony_core::{Answer, OutboundCall, Party};
/// use telephony_twilio::{TwilioCallOptions, provider_name};
///
/// let options = TwilioCallOptions::new().with_send_digits("ww12#").with_call_reason("Your appointment");
/// let call = OutboundCall::new(Party::parse("+14155550199"), Party::parse("+14155550100"), Answer::stream())
///     .with_extension(provider_name(), options);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TwilioCallOptions {
    /// The TwiML application that answers. Its own URLs are used in the place of ours, so the call's answer must be
    /// [`Answer::default()`](telephony_core::Answer::default), and no status comes unless its status callback is ours.
    pub application_sid: Option<String>,
    /// Where Twilio asks for TwiML if ours cannot be used, and how. Default: nowhere, and the call ends.
    pub fallback: Option<(String, Method)>,
    /// Which changes of status are reported. [`Completed`](StatusEvent::Completed) always is. Default: all.
    pub status_events: Option<BTreeSet<StatusEvent>>,
    /// Keys that are sent when the other side answers: up to 32 of `0-9 A-D # *`, `w` waits 0.5 s, `W` 1 s. Excludes
    /// machine detection.
    pub send_digits: Option<String>,
    /// How the recording is made. Needs [`record`](telephony_core::OutboundCall::record).
    pub recording: RecordingOptions,
    /// How machines are detected. Needs [`machine_detection`](telephony_core::OutboundCall::machine_detection).
    pub machine_detection: MachineDetectionOptions,
    /// Who is shown in the place of `from`: for SIP addresses and clients.
    pub caller_id: Option<Party>,
    /// Why we call, shown by branded calling: up to 50 characters.
    pub call_reason: Option<String>,
    /// The token of a call that came in, to call on with its attestation.
    pub call_token: Option<String>,
    /// The SID of a trunk of our own carrier.
    pub byoc: Option<String>,
    /// User name and password for a SIP address, each shorter than 256 characters.
    pub sip_auth: Option<(String, Secret)>,
    /// Where a push notification for a client is sent.
    pub client_notification_url: Option<String>,
}

impl TwilioCallOptions {
    /// None of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets this TwiML application answer.
    #[must_use]
    pub fn with_application(mut self, sid: impl Into<String>) -> Self {
        self.application_sid = Some(sid.into());
        self
    }

    /// Asks this URL with a POST if our TwiML cannot be used.
    #[must_use]
    pub fn with_fallback_url(self, url: impl Into<String>) -> Self {
        self.with_fallback(url, Method::POST)
    }

    /// Asks this URL with that method, `GET` or `POST`, if our TwiML cannot be used.
    #[must_use]
    pub fn with_fallback(mut self, url: impl Into<String>, method: Method) -> Self {
        self.fallback = Some((url.into(), method));
        self
    }

    /// Reports these changes of status, and the end.
    #[must_use]
    pub fn with_status_events(mut self, events: impl IntoIterator<Item = StatusEvent>) -> Self {
        self.status_events = Some(events.into_iter().collect());
        self
    }

    /// Sends these keys when the other side answers.
    #[must_use]
    pub fn with_send_digits(mut self, digits: impl Into<String>) -> Self {
        self.send_digits = Some(digits.into());
        self
    }

    /// Records in this way.
    #[must_use]
    pub fn with_recording(mut self, recording: RecordingOptions) -> Self {
        self.recording = recording;
        self
    }

    /// Detects machines in this way.
    #[must_use]
    pub fn with_machine_detection(mut self, options: MachineDetectionOptions) -> Self {
        self.machine_detection = options;
        self
    }

    /// Shows this party.
    #[must_use]
    pub fn with_caller_id(mut self, caller_id: Party) -> Self {
        self.caller_id = Some(caller_id);
        self
    }

    /// Shows why we call.
    #[must_use]
    pub fn with_call_reason(mut self, reason: impl Into<String>) -> Self {
        self.call_reason = Some(reason.into());
        self
    }

    /// Calls on with the attestation of the call that this `CallToken` came with.
    #[must_use]
    pub fn with_call_token(mut self, token: impl Into<String>) -> Self {
        self.call_token = Some(token.into());
        self
    }

    /// Calls through this trunk of our own carrier.
    #[must_use]
    pub fn with_byoc(mut self, sid: impl Into<String>) -> Self {
        self.byoc = Some(sid.into());
        self
    }

    /// Signs in at the SIP address that is called.
    #[must_use]
    pub fn with_sip_auth(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.sip_auth = Some((user.into(), password));
        self
    }

    /// Sends a push notification for the client that is called there.
    #[must_use]
    pub fn with_client_notification_url(mut self, url: impl Into<String>) -> Self {
        self.client_notification_url = Some(url.into());
        self
    }
}

/// Tells which options there are, and no value that could be somebody's.
impl fmt::Debug for TwilioCallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioCallOptions")
            .field("application_sid", &self.application_sid.is_some())
            .field("fallback", &self.fallback.is_some())
            .field("status_events", &self.status_events)
            .field("send_digits", &self.send_digits.is_some())
            .field("recording", &self.recording)
            .field("machine_detection", &self.machine_detection)
            .field("caller_id", &self.caller_id)
            .field("call_reason", &self.call_reason.is_some())
            .field("call_token", &self.call_token.is_some())
            .field("byoc", &self.byoc)
            .field("sip_auth", &self.sip_auth.is_some())
            .field(
                "client_notification_url",
                &self.client_notification_url.is_some(),
            )
            .finish()
    }
}

/// A change of status that can be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusEvent {
    /// Twilio dials.
    Initiated,
    /// The phone rings.
    Ringing,
    /// Somebody answered.
    Answered,
    /// The call is over, whatever way.
    Completed,
}

impl StatusEvent {
    pub(super) const ALL: [Self; 4] = [
        Self::Initiated,
        Self::Ringing,
        Self::Answered,
        Self::Completed,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Completed => "completed",
        }
    }
}

/// How a recording is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingOptions {
    /// One channel for everybody, or one for each side. Default: mono.
    pub channels: Option<RecordingChannels>,
    /// Which side is recorded. Default: both.
    pub track: Option<RecordingTrack>,
    /// Whether silence at both ends is cut off. Default: yes for a recorded call, no for a recording that is started later.
    pub trim: Option<bool>,
}

impl RecordingOptions {
    /// Twilio's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With these channels.
    #[must_use]
    pub fn with_channels(mut self, channels: RecordingChannels) -> Self {
        self.channels = Some(channels);
        self
    }

    /// Of this side.
    #[must_use]
    pub fn with_track(mut self, track: RecordingTrack) -> Self {
        self.track = Some(track);
        self
    }

    /// With or without the silence at both ends.
    #[must_use]
    pub fn with_trim(mut self, trim: bool) -> Self {
        self.trim = Some(trim);
        self
    }

    /// Its fields.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let channels = self.channels.map(|channels| match channels {
            RecordingChannels::Mono => "mono",
            RecordingChannels::Dual => "dual",
        });
        let track = self.track.map(|track| match track {
            RecordingTrack::Inbound => "inbound",
            RecordingTrack::Outbound => "outbound",
            RecordingTrack::Both => "both",
        });
        let trim = self.trim.map(|trim| match trim {
            true => "trim-silence",
            false => "do-not-trim",
        });
        let channels = channels.map(|word| ("RecordingChannels", word));
        let track = track.map(|word| ("RecordingTrack", word));
        let trim = trim.map(|word| ("Trim", word));
        channels.into_iter().chain(track).chain(trim)
    }
}

/// How many channels a recording has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingChannels {
    /// One for everybody.
    Mono,
    /// One for each side.
    Dual,
}

/// Which side is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingTrack {
    /// What comes to Twilio.
    Inbound,
    /// What Twilio plays.
    Outbound,
    /// Both.
    Both,
}

/// How machines are detected. [`None`] is Twilio's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineDetectionOptions {
    /// Whether the verdict about a machine comes when its greeting is over (`DetectMessageEnd`), not when it is noticed
    /// (`Enable`).
    pub message_end: bool,
    /// How long it may take: 3 to 59 s; default 30 s.
    pub timeout: Option<Duration>,
    /// Longer speech is a machine's: 1,000 to 6,000 ms; default 2,400 ms.
    pub speech_threshold: Option<Duration>,
    /// So much silence ends the speech: 500 to 5,000 ms; default 1,200 ms.
    pub speech_end_threshold: Option<Duration>,
    /// So much silence at the beginning gives no verdict: 2,000 to 10,000 ms; default 5,000 ms.
    pub silence_timeout: Option<Duration>,
}

impl MachineDetectionOptions {
    /// Twilio's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for the end of a machine's greeting.
    #[must_use]
    pub fn with_message_end(mut self) -> Self {
        self.message_end = true;
        self
    }

    /// Takes so long at most.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Takes longer speech for a machine's.
    #[must_use]
    pub fn with_speech_threshold(mut self, threshold: Duration) -> Self {
        self.speech_threshold = Some(threshold);
        self
    }

    /// Takes so much silence for the end of the speech.
    #[must_use]
    pub fn with_speech_end_threshold(mut self, threshold: Duration) -> Self {
        self.speech_end_threshold = Some(threshold);
        self
    }

    /// Gives up after so much silence at the beginning.
    #[must_use]
    pub fn with_silence_timeout(mut self, timeout: Duration) -> Self {
        self.silence_timeout = Some(timeout);
        self
    }
}
