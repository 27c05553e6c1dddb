//! A call that the app has placed through the REST API.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::engine::{Call, Diversion, Ended, Flow, NewDocument, OnDial, beside};
use crate::outcome::EndedBy;
use crate::persona::vonage::VonageAccount;
use crate::persona::vonage::events::{EventTarget, Leg};
use crate::persona::vonage::session::{Members, Session, Source};

/// What the app asked for.
pub(crate) struct CallOrder {
    pub(crate) source: Source,
    pub(crate) events: Option<EventTarget>,
    /// It rings so long at most.
    pub(crate) ring: Duration,
    /// It lasts so long at most.
    pub(crate) limit: Duration,
    pub(crate) detection: Option<Detection>,
}

/// Machine detection.
#[derive(Clone, Copy)]
pub(crate) struct Detection {
    /// Machines are hung up on.
    pub(crate) hangs_up: bool,
    pub(crate) mode: DetectionMode,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum DetectionMode {
    /// The document does not wait; verdict and beep are told, and may be answered with a document.
    Background,
    /// The document waits for the verdict.
    Verdict,
    /// The document waits for the beep.
    Beep,
}

pub(crate) struct Outbound {
    pub(crate) account: VonageAccount,
    pub(crate) uuid: String,
    pub(crate) conversation: String,
    /// As events name them.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) order: CallOrder,
}

/// How long the verdict takes, and from there to the beep (call time).
const DETECTION: Duration = Duration::from_secs(2);
const GREETING: Duration = Duration::from_secs(3);

#[async_trait]
impl Flow for Outbound {
    async fn run(&self, call: &Call) {
        let leg = Leg {
            uuid: self.uuid.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            direction: "outbound",
            headers: json!({}),
        };
        let order = &self.order;
        let mut session = Session::new(
            &self.account,
            call,
            leg,
            self.conversation.clone(),
            order.events.clone(),
        );
        match session.ring(order).await {
            Ok(None) => {}
            Ok(Some(failure)) => return session.give_up(failure).await,
            Err(Ended) => {
                return session
                    .give_up(Failure::new("cancelled", 487, EndedBy::Carrier))
                    .await;
            }
        }
        session.answer().await;
        let twin = session.clone();
        let side = async {
            tokio::join!(
                async {
                    call.live().pass(order.limit).await;
                    call.end(EndedBy::Carrier);
                },
                twin.detect_beside(order.detection)
            );
        };
        let by = beside(session.talk_when_sure(order), side).await;
        // If somebody was faster, it was they who ended the call.
        call.end(by);
        session.finish("completed").await;
    }
}

/// Why nobody answered.
struct Failure {
    status: &'static str,
    detail: Option<&'static str>,
    sip_code: u16,
    by: EndedBy,
}

impl Failure {
    fn new(status: &'static str, sip_code: u16, by: EndedBy) -> Self {
        Self {
            status,
            detail: None,
            sip_code,
            by,
        }
    }
}

impl Session<'_> {
    async fn ring(&mut self, order: &CallOrder) -> Result<Option<Failure>, Ended> {
        for status in ["started", "ringing"] {
            self.call.check()?;
            self.call.status(status);
            self.leg_event(status).await;
        }
        let on_dial = self.call.on_dial();
        match on_dial {
            OnDial::Busy => {
                self.call.pass(self.call.prompt()).await?;
                return Ok(Some(Failure::new("busy", 486, EndedBy::Callee)));
            }
            OnDial::Failed => {
                self.call.pass(self.call.prompt()).await?;
                let mut failure = Failure::new("failed", 404, EndedBy::Carrier);
                failure.detail = Some("cannot_route");
                return Ok(Some(failure));
            }
            _ => {}
        }
        match on_dial.answers_after().filter(|after| *after < order.ring) {
            Some(after) => {
                self.call.pass(after).await?;
                Ok(None)
            }
            None => {
                self.call.pass(order.ring).await?;
                Ok(Some(Failure::new("timeout", 487, EndedBy::Carrier)))
            }
        }
    }

    async fn give_up(&self, failure: Failure) {
        self.call.end(failure.by);
        self.call.status(failure.status);
        let mut members = self.status_members(&self.leg, failure.status);
        members.push(("sip_code", failure.sip_code.into()));
        members.extend(failure.detail.map(|detail| ("detail", detail.into())));
        self.tell(self.application(), failure.status, members).await;
    }

    /// The document, after the verdict if it is to wait for that: who ended the call.
    async fn talk_when_sure(&mut self, order: &CallOrder) -> EndedBy {
        if let Some(detection) = order.detection
            && detection.mode != DetectionMode::Background
            && self.detect_first(detection).await.is_err()
        {
            return EndedBy::Carrier;
        }
        self.talk(order.source.clone()).await
    }

    async fn detect_first(&self, detection: Detection) -> Result<(), Ended> {
        let machine = self.call.on_dial().is_machine();
        self.call.pass(DETECTION).await?;
        if detection.mode == DetectionMode::Verdict {
            self.tell_verdict(machine, None).await;
        } else if machine {
            self.call.pass(GREETING).await?;
            self.tell_verdict(true, Some("beep_start")).await;
        }
        if machine && detection.hangs_up {
            self.call.end(EndedBy::Carrier);
        }
        self.call.check()
    }

    /// Verdict and beep while the document runs. What the app answers replaces it.
    async fn detect_beside(&self, detection: Option<Detection>) {
        let Some(detection) =
            detection.filter(|detection| detection.mode == DetectionMode::Background)
        else {
            return;
        };
        let machine = self.call.on_dial().is_machine();
        self.call.live().pass(DETECTION).await;
        self.consult_verdict(machine, None).await;
        if machine && detection.hangs_up {
            self.call.end(EndedBy::Carrier);
        } else if machine {
            self.call.live().pass(GREETING).await;
            self.consult_verdict(true, Some("beep_start")).await;
        }
    }

    async fn tell_verdict(&self, machine: bool, sub_state: Option<&str>) {
        let (status, members) = self.verdict(machine, sub_state);
        self.tell(self.application(), status, members).await;
    }

    async fn consult_verdict(&self, machine: bool, sub_state: Option<&str>) {
        let (status, members) = self.verdict(machine, sub_state);
        if let Some(actions) = self.consult(self.application(), status, members).await {
            let ncco = Value::Array(actions.iter().map(|action| action.value()).collect());
            let reply = Diversion::new(NewDocument::Inline(ncco.to_string()));
            // The same conversation goes on.
            let reply = reply.with_settings(vec![("reply-to".into(), status.into())]);
            self.call.live().divert(reply);
        }
    }

    /// The leg has another name in these events.
    fn verdict(&self, machine: bool, sub_state: Option<&str>) -> (&'static str, Members) {
        let status = if machine { "machine" } else { "human" };
        let mut members = vec![
            ("call_uuid", self.leg.uuid.as_str().into()),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("status", status.into()),
            ("direction", self.leg.direction.into()),
            ("from", self.leg.from.as_str().into()),
            ("to", self.leg.to.as_str().into()),
            ("timestamp", self.now()),
        ];
        members.extend(sub_state.map(|state| ("sub_state", state.into())));
        (status, members)
    }
}
