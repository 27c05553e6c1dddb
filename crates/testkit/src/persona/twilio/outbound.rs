//! A call that the app has placed through the REST API.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use crate::engine::{Call, Ended, Flow, Method, OnDial, Recording, beside, random};
use crate::outcome::EndedBy;
use crate::persona::twilio::TwilioAccount;
use crate::persona::twilio::recordings::tell;
use crate::persona::twilio::session::{Session, Source};
use crate::persona::twilio::webhooks::{Parameters, StatusCallback, acknowledged, pairs};

/// What the app asked for.
pub(crate) struct CallOrder {
    pub(crate) source: Source,
    pub(crate) callback: Option<StatusCallback>,
    pub(crate) fallback: Option<(String, Method)>,
    /// It rings so long at most.
    pub(crate) ring: Duration,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) send_digits: Option<String>,
    pub(crate) detection: Option<Detection>,
    /// What to record with, when the call is recorded from its start.
    pub(crate) record: Option<Parameters>,
}

/// Machine detection.
#[derive(Clone)]
pub(crate) struct Detection {
    /// Wait for the end of the greeting.
    pub(crate) message_end: bool,
    /// The document does not wait for the verdict.
    pub(crate) background: Option<Option<(String, Method)>>,
}

/// How long the verdict takes (call time): people say hello and are silent.
const DETECTION: Duration = Duration::from_secs(2);

impl Detection {
    fn verdict(&self, on_dial: OnDial) -> &'static str {
        match (on_dial.is_machine(), self.message_end) {
            (false, _) => "human",
            (true, false) => "machine_start",
            (true, true) => "machine_end_beep",
        }
    }
}

/// A call in the queue of calls to start.
pub(crate) struct Outbound {
    pub(crate) account: TwilioAccount,
    pub(crate) sid: String,
    pub(crate) order: CallOrder,
    /// The account starts so many calls each second: this one's turn.
    pub(crate) starts: Instant,
}

/// How far a call got before anybody answered.
enum Dialled {
    Answered,
    Not(&'static str, EndedBy),
}

#[async_trait]
impl Flow for Outbound {
    async fn run(&self, call: &Call) {
        let order = &self.order;
        let mut session = Session::new(
            &self.account,
            call,
            self.sid.clone(),
            "outbound-api",
            order.callback.clone(),
            order.fallback.clone(),
        );
        let queued = tokio::select! {
            biased;
            _ = call.live().gone() => true,
            () = sleep_until(self.starts) => false,
        };
        if queued {
            // Nobody hears of a call that never left the queue.
            call.status("canceled");
            return;
        }
        match session.ring(order).await {
            Ok(Dialled::Answered) => {}
            Ok(Dialled::Not(status, by)) => return session.finish(status, by).await,
            Err(Ended) => return session.finish("canceled", EndedBy::Carrier).await,
        }
        let side = session_side(&self.account, call, order);
        let end = beside(session.talk(order), side).await;
        let (status, by) = end.unwrap_or(("completed", EndedBy::Carrier));
        session.finish(status, by).await;
    }
}

/// What goes on beside the document: the time limit, and the verdict on machines.
async fn session_side(account: &TwilioAccount, call: &Call, order: &CallOrder) {
    let limit = async {
        if let Some(limit) = order.time_limit {
            call.live().pass(limit).await;
            call.end(EndedBy::Carrier);
        }
    };
    let verdict = async {
        let background = order
            .detection
            .as_ref()
            .and_then(|detection| Some((detection, detection.background.clone()?)));
        let Some((detection, target)) = background else {
            return;
        };
        call.live().pass(DETECTION).await;
        let verdict = detection.verdict(call.on_dial());
        call.live().note("answered_by", verdict);
        let Some((url, method)) = target else {
            return;
        };
        let parameters = pairs([
            ("CallSid", call.live().id().as_str()),
            ("AccountSid", &account.account_sid),
            ("AnsweredBy", verdict),
            (
                "MachineDetectionDuration",
                &DETECTION.as_millis().to_string(),
            ),
        ]);
        let webhook = crate::persona::twilio::webhooks::webhook(
            account,
            "machine detection",
            method,
            &url,
            parameters,
        );
        call.callback(webhook, acknowledged()).await;
    };
    tokio::join!(limit, verdict);
}

impl Session<'_> {
    async fn ring(&mut self, order: &CallOrder) -> Result<Dialled, Ended> {
        self.enter("initiated", "initiated").await;
        self.call.check()?;
        self.enter("ringing", "ringing").await;
        let on_dial = self.call.on_dial();
        let answered = match on_dial {
            OnDial::Busy => {
                self.call.pass(self.call.prompt()).await?;
                return Ok(Dialled::Not("busy", EndedBy::Callee));
            }
            OnDial::Failed => {
                self.call.pass(self.call.prompt()).await?;
                return Ok(Dialled::Not("failed", EndedBy::Carrier));
            }
            _ => on_dial.answers_after(),
        };
        match answered.filter(|after| *after < order.ring) {
            Some(after) => {
                self.call.pass(after).await?;
                Ok(Dialled::Answered)
            }
            None => {
                self.call.pass(order.ring).await?;
                Ok(Dialled::Not("no-answer", EndedBy::Carrier))
            }
        }
    }

    /// From the answer to the end.
    async fn talk(&mut self, order: &CallOrder) -> Result<(&'static str, EndedBy), Ended> {
        self.answer().await;
        let call = self.call.live();
        if let Some(settings) = &order.record {
            let sid = format!("RE{}", random::hex::<16>());
            let recording =
                Recording::begin(call, sid, "in-progress").with_settings(settings.clone());
            call.recordings(|recordings| recordings.push(recording.clone()));
            tell(self.account, call, &recording).await;
        }
        if let Some(digits) = &order.send_digits {
            call.send_tones(digits);
        }
        if let Some(detection) = &order.detection
            && detection.background.is_none()
        {
            // Nothing of the document happens before.
            self.call.pass(DETECTION).await?;
            let verdict = detection.verdict(self.call.on_dial());
            call.note("answered_by", verdict);
            self.answered_by = Some(verdict);
        }
        self.follow(order.source.clone()).await
    }
}
