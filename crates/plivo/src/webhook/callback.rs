//! Which of Plivo's requests this is. `Event` is not always there; the fields tell.

use super::fields::Fields;
use telephony_core::WebhookKind;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callback {
    /// The media stream began, ended or failed.
    Stream,
    /// What a leg that was dialled does, while it does it.
    DialledLeg,
    /// The `action` of a dial.
    Dialled,
    /// The `action` of a gather, or the redirect behind an empty one.
    Gathered,
    /// The redirect behind a stream.
    StreamEnded,
    /// A recording.
    Recorded,
    /// Who answered, found out while the call goes on.
    MachineDetection,
    /// The call is over.
    HungUp,
    /// The usual parameters and nothing else: a call that comes in or was answered, a redirect, a transfer, ringing.
    Plain,
}

impl Callback {
    pub(super) fn of(kind: WebhookKind, fields: &Fields) -> Self {
        let any = |names: &[&str]| names.iter().any(|name| fields.get(name).is_some());
        let is_event = |name: &str| {
            let event = fields.get("Event").unwrap_or_default();
            event.eq_ignore_ascii_case(name)
        };
        if kind == WebhookKind::IncomingCall {
            Self::Plain
        } else if any(&["StreamID", "StreamId", "StreamUUID"]) {
            Self::Stream
        } else if any(&["DialAction", "DialBLegStatus"]) {
            Self::DialledLeg
        } else if fields.after() == Some("dial") || any(&["DialStatus"]) {
            Self::Dialled
        } else if fields.after() == Some("gather")
            || fields.has("Digits")
            || any(&["InputType", "Speech"])
        {
            Self::Gathered
        } else if fields.after() == Some("stream") {
            Self::StreamEnded
        } else if any(&["RecordUrl", "RecordingID"]) {
            Self::Recorded
        } else if is_event("MachineDetection") || (kind == WebhookKind::Event && any(&["Machine"]))
        {
            Self::MachineDetection
        } else if is_event("Hangup") || any(&["HangupCause", "HangupCauseName", "HangupCauseCode"])
        {
            Self::HungUp
        } else {
            Self::Plain
        }
    }

    /// Whether Plivo reads XML from what goes back.
    pub(super) fn takes_answer(self, kind: WebhookKind) -> bool {
        match self {
            Self::Dialled | Self::Gathered | Self::StreamEnded => true,
            Self::Stream | Self::DialledLeg | Self::MachineDetection | Self::HungUp => false,
            // An `action` wants one, a callback does not; it is the route that tells.
            Self::Recorded => kind == WebhookKind::NextStep,
            Self::Plain => matches!(kind, WebhookKind::IncomingCall | WebhookKind::NextStep),
        }
    }
}
