//! What the tests of callbacks share.

use super::{ACCOUNT, twilio, verified};
use telephony_core::{
    CallEvent, CallEventKind, CallId, CallStatus, StatusReport, Telephony, Verified, WebhookKind,
};

/// The call's id and the kinds of the events.
pub(crate) fn read(
    kind: WebhookKind,
    pairs: &[(&str, &str)],
) -> (Option<String>, Vec<CallEventKind>) {
    let twilio = twilio();
    kinds(&verified(&twilio, kind, pairs))
}

pub(crate) fn kinds(request: &Verified) -> (Option<String>, Vec<CallEventKind>) {
    let (id, events) = twilio().catch_all_status_callback(request).unwrap();
    for event in &events {
        assert_eq!(event.call_id, id, "every event names the call");
    }
    let kinds = events.into_iter().map(|event| event.kind).collect();
    (id.map(|id| id.as_str().to_owned()), kinds)
}

pub(crate) fn one(kind: WebhookKind, pairs: &[(&str, &str)]) -> CallEventKind {
    let (_, mut kinds) = read(kind, pairs);
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    kinds.remove(0)
}

/// The standard parameters of a call that is up, and these.
pub(crate) fn standard<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![
        ("AccountSid", ACCOUNT),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", "CA0001"),
        ("CallStatus", "in-progress"),
        ("Direction", "inbound"),
        ("From", "+14155550100"),
        ("To", "+14155550199"),
    ];
    for change in more {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs
}

pub(crate) fn status(status: CallStatus) -> CallEventKind {
    CallEventKind::Status(StatusReport::new(status))
}

pub(crate) fn other(name: &str) -> CallEventKind {
    CallEventKind::Other { name: name.into() }
}

pub(crate) fn next_step(after: &str) -> CallEventKind {
    CallEventKind::NextStep {
        after: after.into(),
    }
}

pub(crate) fn sid(text: &str) -> Option<CallId> {
    Some(CallId::new(text).unwrap())
}

/// The name of an event of that kind.
pub(crate) fn name_of(kind: &CallEventKind) -> String {
    CallEvent::new(kind.clone(), None).name().to_owned()
}
