//! What the actions of an NCCO do, all but the websocket.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::complaint::Finding;
use crate::engine::{DialResult, Ended, Keypad, Recording, random};
use crate::persona::vonage::events::{Leg, ending};
use crate::persona::vonage::ncco::Action;
use crate::persona::vonage::rules::{number, syntax};
use crate::persona::vonage::session::{Next, Session, bare};

/// A conversation of one person ends with that person.
const ROOM: Duration = Duration::from_secs(7_200);

impl Session<'_> {
    pub(crate) async fn perform(&mut self, action: &Action) -> Result<Next, Ended> {
        if !matches!(action.name(), "notify" | "wait") {
            self.closed_by_app = false;
        }
        match action.name() {
            "talk" | "stream" => self.call.pass(self.call.prompt()).await?,
            "wait" => self.call.pass(action.wait()).await?,
            "conversation" | "transfer" => self.call.pass(ROOM).await?,
            "input" => return self.input(action).await,
            "notify" => return Ok(self.notify(action).await),
            "record" => self.record(action).await?,
            "connect" => return self.dial(action).await,
            // The reader lets nothing else pass.
            _ => {}
        }
        Ok(Next::Action)
    }

    async fn input(&mut self, action: &Action) -> Result<Next, Ended> {
        if action.text("mode") == Some("asynchronous") {
            self.call.complain(Finding::note(
                "not-simulated",
                "input in mode asynchronous is not simulated; the document goes on behind it",
            ));
            return Ok(Next::Action);
        }
        let listens_for = |kind: &str| {
            action
                .get("type")
                .and_then(Value::as_array)
                .is_some_and(|kinds| kinds.iter().any(|known| known == kind))
        };
        let empty = Map::new();
        let settings = action
            .get("dtmf")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let setting =
            |name: &str, default: f64| settings.get(name).and_then(number).unwrap_or(default);
        let hash = settings
            .get("submitOnHash")
            .is_some_and(|flag| flag == true || flag == "true");
        let keypad = Keypad::new(Duration::from_secs_f64(
            setting("timeOut", 3.0).clamp(0.0, 10.0),
        ))
        .with_most(Some(setting("maxDigits", 4.0) as usize))
        .with_finish_on(if hash { "#" } else { "" });
        let gathered = if listens_for("dtmf") {
            self.call.gather(keypad, Duration::ZERO).await?
        } else {
            self.call.pass(keypad.timeout).await?;
            Default::default()
        };
        let nothing = gathered.digits.is_empty();
        let speech = if !listens_for("speech") {
            json!({"error": "Speech was not enabled"})
        } else if nothing {
            json!({"timeout_reason": "start_timeout", "results": []})
        } else {
            json!({"error": "Speech overridden by DTMF"})
        };
        let digits = if nothing {
            Value::Null
        } else {
            gathered.digits.into()
        };
        let members = vec![
            ("speech", speech),
            (
                "dtmf",
                json!({"digits": digits, "timed_out": gathered.timed_out}),
            ),
            ("from", self.leg.from.as_str().into()),
            ("to", self.leg.to.as_str().into()),
            ("uuid", self.leg.uuid.as_str().into()),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("timestamp", self.now()),
        ];
        Ok(
            match self.consult(self.target(action), "input", members).await {
                Some(actions) => Next::Replace(actions),
                None => Next::Action,
            },
        )
    }

    async fn notify(&self, action: &Action) -> Next {
        let members = vec![
            (
                "payload",
                action.get("payload").cloned().unwrap_or_default(),
            ),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("timestamp", self.now()),
        ];
        match self.consult(self.target(action), "notify", members).await {
            Some(actions) => Next::Replace(actions),
            None => Next::Action,
        }
    }

    async fn record(&mut self, action: &Action) -> Result<(), Ended> {
        let format = action.text("format").unwrap_or("mp3");
        let recording = Recording::begin(self.call.live(), random::uuid(), "in-progress")
            .with_settings(vec![("format".into(), format.into())]);
        let waits = ["endOnSilence", "endOnKey", "timeOut"]
            .iter()
            .any(|member| action.get(member).is_some());
        if waits {
            // The caller says something short.
            self.call.pass(Duration::from_secs(1)).await?;
            self.recorded(action, recording).await;
        } else {
            self.recordings.push((action.clone(), recording));
        }
        Ok(())
    }

    /// Somebody else is called. The document waits until they hang up.
    async fn dial(&mut self, action: &Action) -> Result<Next, Ended> {
        let Some(endpoint) = action.endpoint() else {
            return Ok(self.broken("connect has not exactly one endpoint").await);
        };
        let text = |name: &str| {
            endpoint
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let to = match text("type") {
            "phone" => bare(text("number")),
            "sip" if text("uri").is_empty() => format!("{}@{}", text("user"), text("domain")),
            "sip" => text("uri").to_owned(),
            "app" => text("user").to_owned(),
            "vbc" => text("extension").to_owned(),
            _ => return Ok(self.broken("the type of the endpoint is unknown").await),
        };
        if text("type") == "phone" && text("number").starts_with('+') {
            self.call.complain(Finding::warning(
                "number-with-plus",
                "the number of an endpoint begins with a plus, which this carrier does not want",
            ));
        }
        let leg = Leg {
            uuid: random::uuid(),
            from: action
                .text("from")
                .map_or_else(|| self.leg.to.clone(), bare),
            to,
            direction: "outbound",
            headers: json!({}),
        };
        let target = self.target(action);
        for status in ["started", "ringing"] {
            self.tell(target.clone(), status, self.status_members(&leg, status))
                .await;
        }
        let (status, detail, sip_code) = match self.call.dial_result() {
            DialResult::Completed(talk) => {
                self.tell(
                    target.clone(),
                    "answered",
                    self.status_members(&leg, "answered"),
                )
                .await;
                let talked = self.call.pass(talk).await;
                let mut members = self.status_members(&leg, "completed");
                members.extend(ending(talk.as_secs_f64().ceil() as u64, "user"));
                self.tell(target, "completed", members).await;
                return talked.map(|()| Next::Action);
            }
            DialResult::Busy => ("busy", None, 486),
            DialResult::NoAnswer => ("unanswered", Some("unavailable"), 480),
            DialResult::Failed => ("failed", Some("cannot_route"), 404),
        };
        self.call.pass(self.call.prompt()).await?;
        let mut members = self.status_members(&leg, status);
        members.push(("sip_code", sip_code.into()));
        members.extend(detail.map(|detail| ("detail", detail.into())));
        if action.is_synchronous()
            && let Some(actions) = self.consult(target.clone(), status, members.clone()).await
        {
            return Ok(Next::Replace(actions));
        }
        if !action.is_synchronous() {
            self.tell(target, status, members).await;
        }
        Ok(Next::Action)
    }

    /// A document that could be read and yet not be followed: nothing is left of it.
    pub(crate) async fn broken(&self, what: &str) -> Next {
        let finding = syntax(what);
        self.error_event(&finding.text).await;
        self.call.complain(finding);
        Next::Replace(vec![])
    }
}
