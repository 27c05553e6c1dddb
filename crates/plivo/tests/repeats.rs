//! What Plivo asks again is known again, and a new question is none that was answered before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use telephony_core::WebhookKind;
use telephony_core::WebhookKind::{IncomingCall, NextStep};

/// The key of a question, if it has one.
fn key(kind: WebhookKind, after: &str, event: &str, status: &str) -> Option<String> {
    let mut form = vec![("CallUUID", "u1"), ("CallStatus", status)];
    if !event.is_empty() {
        form.push(("Event", event));
    }
    let verified = verified(&plivo(), kind, after, &form);
    verified.authenticated().replay_key.clone()
}

#[test]
fn a_call_begins_once() {
    let came_in = key(IncomingCall, "", "StartApp", "ringing");
    assert_eq!(
        came_in.as_deref(),
        Some("u1/StartApp/incoming-call/ringing")
    );
    assert_eq!(came_in, key(IncomingCall, "", "StartApp", "ringing"));
    let answered = key(NextStep, "start", "StartApp", "in-progress");
    assert_eq!(
        answered.as_deref(),
        Some("u1/StartApp/next-step/in-progress")
    );
}

#[test]
fn whatever_may_be_a_new_question_is_one() {
    for (kind, after, event) in [
        // The app redirects to where the call came in.
        (IncomingCall, "", "Redirect"),
        (IncomingCall, "", "Transfer"),
        (IncomingCall, "", ""),
        // A redirect of ours and a transfer, also if `Event` is not what Plivo's pages say.
        (NextStep, "", "Redirect"),
        (NextStep, "", "Transfer"),
        (NextStep, "", "StartApp"),
        (NextStep, "", ""),
        (NextStep, "start", "Redirect"),
        (NextStep, "start", "Transfer"),
        (NextStep, "stream", "StartApp"),
        (NextStep, "gather", "StartApp"),
        (NextStep, "dial", "StartApp"),
        (WebhookKind::Status, "", "StartApp"),
    ] {
        let key = key(kind, after, event, "in-progress");
        assert_eq!(key, None, "{kind:?} {after} {event}");
    }
}
