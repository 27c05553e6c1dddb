//! Event webhooks: of the caller's leg, of dialled legs, of the socket's own leg.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::complaint::Finding;
use crate::engine::{Method, Recording, ReplyCheck, clock, random};
use crate::persona::vonage::ncco::Action;
use crate::persona::vonage::session::{Members, Session};

/// One leg of a conversation.
#[derive(Clone)]
pub(crate) struct Leg {
    pub(crate) uuid: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) direction: &'static str,
    /// What the app gave the endpoint; empty for telephones.
    pub(crate) headers: Value,
}

/// Where events of a leg go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventTarget {
    pub(crate) url: String,
    pub(crate) method: Method,
}

impl Session<'_> {
    /// Where the events of an action go: its own URL, else the application's.
    pub(crate) fn target(&self, action: &Action) -> Option<EventTarget> {
        match action.url("eventUrl") {
            Some(url) => Some(EventTarget {
                url: url.to_owned(),
                method: action
                    .text("eventMethod")
                    .and_then(Method::parse)
                    .unwrap_or(self.account.event_method),
            }),
            None => self.application(),
        }
    }

    /// Where events of the call go: the URL of the request that placed it, else the application's.
    pub(crate) fn application(&self) -> Option<EventTarget> {
        self.events.clone()
    }

    /// A status of the caller's leg.
    pub(crate) async fn leg_event(&self, status: &str) {
        let members = self.status_members(&self.leg, status);
        self.tell(self.application(), status, members).await;
    }

    /// The end of the caller's leg.
    pub(crate) async fn completed(&self, status: &str) {
        let by = match self.call.ended_by() {
            Some(by) if by.is_person() => "user",
            _ => "platform",
        };
        let seconds = self
            .answered
            .map(|since| self.call.tempo().call(since.elapsed()).as_secs_f64().ceil())
            .unwrap_or_default();
        let mut members = self.status_members(&self.leg, status);
        members.extend(ending(seconds as u64, by));
        self.tell(self.application(), status, members).await;
    }

    pub(crate) fn status_members(&self, leg: &Leg, status: &str) -> Members {
        let mut members = vec![
            ("headers", leg.headers.clone()),
            ("from", leg.from.as_str().into()),
            ("to", leg.to.as_str().into()),
            ("uuid", leg.uuid.as_str().into()),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("status", status.into()),
            ("direction", leg.direction.into()),
            ("timestamp", self.now()),
        ];
        if status == "answered" {
            members.extend([
                ("start_time", Value::Null),
                ("rate", Value::Null),
                ("network", Value::Null),
            ]);
        }
        members
    }

    /// An event that steers nothing.
    pub(crate) async fn tell(&self, target: Option<EventTarget>, what: &str, members: Members) {
        if let Some(target) = target {
            let webhook = self.webhook(
                &format!("event {what}"),
                target.method,
                &target.url,
                members,
            );
            self.call.callback(webhook, received()).await;
        }
    }

    /// An event whose reply may hold an NCCO, which replaces what is left.
    pub(crate) async fn consult(
        &self,
        target: Option<EventTarget>,
        what: &str,
        members: Members,
    ) -> Option<Vec<Action>> {
        let target = target?;
        let webhook = self.webhook(
            &format!("event {what}"),
            target.method,
            &target.url,
            members,
        );
        let result = self.call.event(&webhook).await;
        self.call.complain_all(received()(&result));
        let reply = result.ok().filter(|reply| reply.status.is_success())?;
        let text = reply.text();
        if !text.trim_start().starts_with('[') {
            return None;
        }
        if reply.media_type() != "application/json" {
            self.call.complain(Finding::error(
                "ncco-content-type",
                format!("the reply to \"{what}\" is an NCCO, but not application/json"),
            ));
            return None;
        }
        match self.read_ncco(what, &text).await {
            Ok(actions) => Some(actions),
            Err(finding) => {
                self.call.complain(finding);
                None
            }
        }
    }

    /// The carrier could not follow a document.
    pub(crate) async fn error_event(&self, reason: &str) {
        let members = vec![
            ("reason", reason.into()),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("timestamp", self.now()),
        ];
        self.tell(self.application(), "error", members).await;
    }

    /// The result of a recording.
    pub(crate) async fn recorded(&self, action: &Action, mut recording: Recording) {
        let call = self.call.live();
        recording.finish(call, "completed");
        let base = call.base_url().unwrap_or("https://api.nexmo.com");
        let url = format!("{base}/v1/files/{}", recording.id);
        let begun = clock::iso_8601(recording.begun);
        call.recordings(|recordings| recordings.push(recording));
        let members = vec![
            ("start_time", begun.into()),
            ("end_time", self.now()),
            ("recording_url", url.into()),
            ("size", 16_000.into()),
            ("recording_uuid", random::uuid().into()),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("timestamp", self.now()),
        ];
        self.tell(self.target(action), "record", members).await;
    }
}

/// Members of the last event of a leg. Numbers come as strings.
pub(crate) fn ending(seconds: u64, disconnected_by: &str) -> Members {
    vec![
        ("duration", seconds.to_string().into()),
        ("rate", "0.00450000".into()),
        ("price", format!("{:.8}", seconds as f64 * 0.000_075).into()),
        ("network", "US-VIRTUAL-LEVEL3".into()),
        ("start_time", Value::Null),
        ("end_time", Value::Null),
        ("sip_code", json!(200)),
        ("disconnected_by", disconnected_by.into()),
    ]
}

/// Any 2xx will do.
fn received() -> ReplyCheck {
    Arc::new(|result| match result {
        Ok(reply) if reply.status.is_success() => vec![],
        Ok(reply) => vec![Finding::warning(
            "event-not-taken",
            format!(
                "an event was answered with status {}",
                reply.status.as_u16()
            ),
        )],
        Err(failure) => vec![Finding::warning(
            "event-not-taken",
            format!("an event failed: {failure}"),
        )],
    })
}
