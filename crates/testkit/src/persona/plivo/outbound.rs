//! A call that the app has placed through the REST API.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use crate::engine::{Call, Ended, Flow, Method, OnDial, beside};
use crate::outcome::EndedBy;
use crate::persona::plivo::PlivoAccount;
use crate::persona::plivo::session::{Jump, Session};
use crate::persona::plivo::webhooks::{about, acknowledged, pairs, webhook};

/// What the app asked for.
#[derive(Clone)]
pub(crate) struct CallOrder {
    pub(crate) answer: (String, Method),
    pub(crate) ring_url: Option<(String, Method)>,
    pub(crate) hangup: Option<(String, Method)>,
    /// It rings so long at most.
    pub(crate) ring: Duration,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) send_digits: Option<String>,
    pub(crate) detects_machines: bool,
    /// The document does not wait for the verdict if there is one.
    pub(crate) detection_url: Option<(String, Method)>,
}

/// How long the verdict takes (call time).
const DETECTION: Duration = Duration::from_secs(2);

/// A call in the queue of calls to start.
pub(crate) struct Outbound {
    pub(crate) account: PlivoAccount,
    pub(crate) uuid: String,
    pub(crate) order: CallOrder,
    /// This one's turn.
    pub(crate) starts: Instant,
}

#[async_trait]
impl Flow for Outbound {
    async fn run(&self, call: &Call) {
        let order = &self.order;
        let mut session =
            Session::new(&self.account, call, self.uuid.clone(), order.hangup.clone());
        let given_up = tokio::select! {
            biased;
            () = call.live().gone() => true,
            () = sleep_until(self.starts) => false,
        };
        if given_up {
            return session.finish("cancel", "Canceled", EndedBy::App).await;
        }
        // From here on it is a call, and no request any more.
        call.live().note("dialled", true);
        match session.ring(order).await {
            Ok(None) => {}
            Ok(Some((status, by))) => {
                return session.finish(status, unanswered(status), by).await;
            }
            Err(Ended) => {
                return session.finish("cancel", "Canceled", EndedBy::Carrier).await;
            }
        }
        let side = self.beside(call);
        let end = beside(session.talk(order), side).await;
        let (cause, by) = end.unwrap_or(("Normal Hangup", EndedBy::Carrier));
        session.finish("completed", cause, by).await;
    }
}

impl Outbound {
    /// What goes on beside the document: the time limit, and the verdict on machines.
    async fn beside(&self, call: &Call) {
        let limit = async {
            if let Some(limit) = self.order.time_limit {
                call.live().pass(limit).await;
                call.end(EndedBy::Carrier);
            }
        };
        let verdict = async {
            let Some((url, method)) = &self.order.detection_url else {
                return;
            };
            call.live().pass(DETECTION).await;
            let mut parameters = about(call, &self.uuid, "in-progress", "MachineDetection");
            parameters.extend(pairs([("Machine", verdict(call))]));
            let webhook = webhook(&self.account, "machine detection", *method, url, parameters);
            call.callback(webhook, acknowledged()).await;
        };
        tokio::join!(limit, verdict);
    }
}

/// Why nobody answered.
fn unanswered(status: &str) -> &'static str {
    match status {
        "busy" => "Busy Line",
        "no-answer" => "Ring Timeout Reached",
        _ => "Invalid Destination Address",
    }
}

fn verdict(call: &Call) -> &'static str {
    match call.on_dial().is_machine() {
        true => "true",
        false => "false",
    }
}

impl Session<'_> {
    /// The status and who ended it, if nobody answered.
    async fn ring(&mut self, order: &CallOrder) -> Result<Option<(&'static str, EndedBy)>, Ended> {
        self.call.check()?;
        self.enter("ringing");
        if let Some((url, method)) = &order.ring_url {
            let webhook = self.webhook("ring", *method, url, "Ring", &[]);
            self.call.callback(webhook, acknowledged()).await;
        }
        let on_dial = self.call.on_dial();
        let answered = match on_dial {
            OnDial::Busy => {
                self.call.pass(self.call.prompt()).await?;
                return Ok(Some(("busy", EndedBy::Callee)));
            }
            OnDial::Failed => {
                self.call.pass(self.call.prompt()).await?;
                return Ok(Some(("failed", EndedBy::Carrier)));
            }
            _ => on_dial.answers_after(),
        };
        match answered.filter(|after| *after < order.ring) {
            Some(after) => {
                self.call.pass(after).await?;
                Ok(None)
            }
            None => {
                self.call.pass(order.ring).await?;
                Ok(Some(("no-answer", EndedBy::Carrier)))
            }
        }
    }

    /// From the answer to the end.
    async fn talk(&mut self, order: &CallOrder) -> Result<(&'static str, EndedBy), Ended> {
        self.answer();
        if let Some(digits) = &order.send_digits {
            self.call.live().send_tones(digits);
        }
        if order.detects_machines && order.detection_url.is_none() {
            self.call.pass(DETECTION).await?;
            self.machine = Some(verdict(self.call));
        }
        let (url, method) = order.answer.clone();
        self.follow(Jump {
            purpose: "answer",
            url,
            method,
            event: "StartApp",
            extra: vec![],
        })
        .await
    }
}
