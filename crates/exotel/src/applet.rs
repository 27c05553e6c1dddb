//! Which applet of an Exotel flow asks.

use crate::payload::Payload;
use telephony_core::{Error, Result, WebhookKind};

/// The applet that a request is from, as the `applet` parameter of its URL says: Exotel's requests all look alike, and each
/// applet wants another kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applet {
    Voicebot,
    Connect,
    Gather,
    Greeting,
    Passthru,
}

/// The parameter of our URLs that names the applet.
pub(crate) const PARAMETER: &str = "applet";

impl Applet {
    const ALL: [Self; 5] = [
        Self::Voicebot,
        Self::Connect,
        Self::Gather,
        Self::Greeting,
        Self::Passthru,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Voicebot => "voicebot",
            Self::Connect => "connect",
            Self::Gather => "gather",
            Self::Greeting => "greeting",
            Self::Passthru => "passthru",
        }
    }

    /// Reads the word; none or a blank one is none.
    pub(crate) fn from_word(word: Option<&str>) -> Result<Option<Self>> {
        let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else {
            return Ok(None);
        };
        match Self::ALL
            .into_iter()
            .find(|applet| word.eq_ignore_ascii_case(applet.as_str()))
        {
            Some(applet) => Ok(Some(applet)),
            None => Err(Error::malformed(
                "`applet` in the URL must be voicebot, connect, gather, greeting or passthru",
            )
            .with_provider(crate::NAME)),
        }
    }

    /// The applet that asks, if one does: requests to the status and events routes ask nothing. A call comes in from a
    /// Voicebot applet unless the URL says otherwise.
    pub(crate) fn asking(kind: WebhookKind, payload: &Payload) -> Result<Option<Self>> {
        let named = || Self::from_word(payload.parameters().get(PARAMETER));
        match kind {
            WebhookKind::IncomingCall => Ok(named()?.or(Some(Self::Voicebot))),
            WebhookKind::NextStep => named(),
            _ => Ok(None),
        }
    }

    /// Whether the call must be up for it to ask. A Passthru may also report at the very end.
    pub(crate) fn needs_live_call(self) -> bool {
        self != Self::Passthru
    }
}
