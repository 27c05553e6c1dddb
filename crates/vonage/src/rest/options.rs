//! What only Vonage knows about a call to make.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use telephony_core::Secret;
use telephony_core::audio::SampleRate;

/// Vonage's own options of a call, given as
/// [`OutboundCall::with_extension`](telephony_core::OutboundCall::with_extension). What cannot be honoured is an error
/// before anything is sent. `Debug` shows neither addresses nor values.
///
/// ```
/// use telephony_core::{Answer, OutboundCall, Party};
/// use telephony_vonage::{NAME, VonageCallOptions};
///
/// let options = VonageCallOptions::new().with_dtmf_answer("2p02p").with_region_url("https://api-eu-3.vonage.com");
/// let call = OutboundCall::new(Party::parse("+447700900001"), Party::parse("+447700900000"), Answer::stream())
///     .with_extension(NAME, options);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VonageCallOptions {
    pub(super) asks_answer_url: bool,
    pub(super) random_from_number: bool,
    pub(super) dtmf_answer: Option<String>,
    pub(super) shaken: Option<Secret>,
    pub(super) sip_headers: BTreeMap<String, String>,
    pub(super) user_to_user: Option<String>,
    pub(super) websocket: Option<WebsocketTarget>,
    pub(super) machine_detection: Option<VonageMachineDetection>,
    pub(super) region_url: Option<String>,
}

impl VonageCallOptions {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has Vonage ask our answer URL (by POST) when the call is answered, in the place of sending the NCCO along. The call's
    /// [`answer`](telephony_core::OutboundCall::answer) is checked but not sent: the server gives it from the call store when
    /// it is asked.
    #[must_use]
    pub fn with_answer_url(mut self) -> Self {
        self.asks_answer_url = true;
        self
    }

    /// Shows a number that Vonage picks from those of the application. The call's
    /// [`from`](telephony_core::OutboundCall::from) must be [`Withheld`](telephony_core::Party::Withheld) then.
    #[must_use]
    pub fn with_random_from_number(mut self) -> Self {
        self.random_from_number = true;
        self
    }

    /// Sends these keys (`0-9 * #`, `p` is a pause of 500 ms) as soon as a phone number answers.
    #[must_use]
    pub fn with_dtmf_answer(mut self, digits: impl Into<String>) -> Self {
        self.dtmf_answer = Some(digits.into());
        self
    }

    /// The content of the STIR/SHAKEN `Identity` header, for accounts that sign their calls to the USA themselves. Phone
    /// numbers only.
    #[must_use]
    pub fn with_shaken(mut self, identity: impl Into<String>) -> Self {
        self.shaken = Some(Secret::new(identity.into()));
        self
    }

    /// Adds a header to the INVITE of a SIP call; Vonage puts `X-` before its name.
    #[must_use]
    pub fn with_sip_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.sip_headers.insert(name.into(), value.into());
        self
    }

    /// The `User-to-User` header (RFC 7433) of the INVITE of a SIP call: `342342ef34;encoding=hex`. At most 256 characters.
    #[must_use]
    pub fn with_user_to_user(mut self, value: impl Into<String>) -> Self {
        self.user_to_user = Some(value.into());
        self
    }

    /// Calls a WebSocket in the place of a party: the call's [`to`](telephony_core::OutboundCall::to) must be
    /// [`Withheld`](telephony_core::Party::Withheld) then. What its leg does is in the answer: join a conversation, for
    /// instance.
    #[must_use]
    pub fn with_websocket(mut self, target: WebsocketTarget) -> Self {
        self.websocket = Some(target);
        self
    }

    /// Says in detail how a machine is detected. It must not contradict the call's
    /// [`machine_detection`](telephony_core::OutboundCall::machine_detection).
    #[must_use]
    pub fn with_machine_detection(mut self, detection: VonageMachineDetection) -> Self {
        self.machine_detection = Some(detection);
        self
    }

    /// Places the call in this region: `https://api-eu-3.vonage.com`. It is steered there too.
    #[must_use]
    pub fn with_region_url(mut self, url: impl Into<String>) -> Self {
        self.region_url = Some(url.into());
        self
    }

    /// Whether Vonage asks our answer URL when the call is answered.
    #[must_use]
    pub fn asks_answer_url(&self) -> bool {
        self.asks_answer_url
    }

    /// The region that the call is placed and steered in, if one was chosen.
    #[must_use]
    pub fn region_url(&self) -> Option<&str> {
        self.region_url.as_deref()
    }
}

impl fmt::Debug for VonageCallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VonageCallOptions")
            .field("asks_answer_url", &self.asks_answer_url)
            .field("random_from_number", &self.random_from_number)
            .field("dtmf_answer", &self.dtmf_answer.is_some())
            .field("shaken", &self.shaken.is_some())
            .field("sip_headers", &self.sip_headers.keys())
            .field("user_to_user", &self.user_to_user.is_some())
            .field("websocket", &self.websocket)
            .field("machine_detection", &self.machine_detection)
            .finish_non_exhaustive()
    }
}

/// How Vonage finds out whether a machine answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VonageMachineDetection {
    /// The old way (`machine_detection`): the NCCO runs at once.
    Basic(OnMachine),
    /// The new way (`advanced_machine_detection`), which is charged for.
    Advanced {
        /// What happens if it was one.
        on_machine: OnMachine,
        /// What is waited for.
        mode: DetectionMode,
        /// How long a beep is waited for: 30 to 120 s. Default: Vonage's.
        beep_timeout: Option<Duration>,
    },
}

/// What Vonage does when a machine answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMachine {
    /// It reports it, and the call goes on.
    #[default]
    Continue,
    /// It ends the call.
    HangUp,
}

/// What the advanced detection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectionMode {
    /// Nothing (`default`): the NCCO runs at once; machine and beep come as events, each of which may be answered.
    Parallel,
    /// The verdict (`detect`): the NCCO runs after it. It takes 4 to 5 s, in which the callee hears nothing.
    Verdict,
    /// The beep of the machine (`detect_beep`): the NCCO runs after it.
    Beep,
}

/// A WebSocket to call. `Debug` shows neither its address nor the values of its headers.
#[derive(Clone, PartialEq, Eq)]
pub struct WebsocketTarget {
    pub(super) uri: Secret,
    pub(super) rate: Option<SampleRate>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) authorization: WebsocketTargetAuthorization,
}

/// What Vonage sends in the `Authorization` header when it opens a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WebsocketTargetAuthorization {
    /// Nothing is said about it.
    #[default]
    Unsaid,
    /// A signature as on webhooks.
    Vonage,
    /// This value, as it is: 1 to 8191 printable ASCII characters.
    Custom(Secret),
}

impl WebsocketTarget {
    /// The WebSocket at that `wss` URI.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: Secret::new(uri.into()),
            rate: None,
            headers: BTreeMap::new(),
            authorization: WebsocketTargetAuthorization::Unsaid,
        }
    }

    /// With this sample rate: 8000, 16000 or 24000 Hz. Default: as the account is configured.
    #[must_use]
    pub fn with_rate(mut self, rate: SampleRate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Adds a value that comes back in the first message of the socket. At most 512 bytes in all, as JSON.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// What Vonage sends in the `Authorization` header.
    #[must_use]
    pub fn with_authorization(mut self, authorization: WebsocketTargetAuthorization) -> Self {
        self.authorization = authorization;
        self
    }
}

impl fmt::Debug for WebsocketTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebsocketTarget")
            .field("rate", &self.rate)
            .field("headers", &self.headers.keys())
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}
