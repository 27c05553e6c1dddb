//! All calls of one simulated carrier.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::complaint::Finding;
use crate::engine::address::AddressBook;
use crate::engine::call::Plan;
use crate::engine::line::lock;
use crate::engine::live::{Birth, CallDirection, LiveCall};
use crate::engine::play::{AbortOnDrop, Flow, assemble, play};
use crate::engine::recorder::Recorder;
use crate::engine::rest::{Fault, Operation, RestExchange};
use crate::outcome::Outcome;

/// Where calls are placed and found. `Debug` shows how many there are.
pub struct Switchboard {
    carrier: String,
    base_url: String,
    opened: Instant,
    plan: Mutex<Plan>,
    lines: Mutex<Vec<CallLine>>,
    faults: Mutex<Vec<Fault>>,
    exchanges: Mutex<Vec<RestExchange>>,
    placed: watch::Sender<usize>,
}

/// One call.
struct CallLine {
    call: LiveCall,
    /// Of calls that were placed here; those that come in are the test's own.
    outcome: Option<watch::Receiver<Option<Arc<Outcome>>>>,
    _task: Option<AbortOnDrop>,
}

/// A call to place.
#[derive(Clone)]
#[non_exhaustive]
pub struct Placement {
    /// The carrier's id of the call.
    pub id: String,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// The status that it is born with, in the carrier's words.
    pub status: String,
}

impl Placement {
    /// A call that has not begun.
    pub fn new(
        id: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        status: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            from: from.into(),
            to: to.into(),
            status: status.into(),
        }
    }
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placement").finish_non_exhaustive()
    }
}

/// What an application in the carrier's console says.
#[derive(Clone)]
#[non_exhaustive]
pub struct Application {
    /// Where documents are; empty when the test names no URL.
    pub answer_url: String,
    /// Where to ask when that fails.
    pub fallback_url: Option<String>,
    /// Where status callbacks (or events) go.
    pub status_url: Option<String>,
    /// How documents are asked for; `None` for the carrier's own way.
    pub method: Option<crate::engine::Method>,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}

/// What is remembered of requests: a test looks at some dozens.
const MOST_EXCHANGES: usize = 10_000;

impl Switchboard {
    pub(crate) fn new(carrier: &str, base_url: String, plan: Plan) -> Self {
        Self {
            carrier: carrier.to_owned(),
            base_url,
            opened: Instant::now(),
            plan: Mutex::new(plan),
            lines: Mutex::default(),
            faults: Mutex::default(),
            exchanges: Mutex::default(),
            placed: watch::Sender::new(0),
        }
    }

    /// Where the API is: `http://127.0.0.1:…`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How fast calls run.
    pub fn tempo(&self) -> crate::engine::Tempo {
        lock(&self.plan).tempo
    }

    /// Places a call. It begins when the response to the request is out.
    pub fn place(&self, placement: Placement, flow: impl Flow + 'static) -> LiveCall {
        let Placement {
            id,
            from,
            to,
            status,
        } = placement;
        let mut plan = lock(&self.plan).clone();
        plan.from = from.clone();
        plan.to = to.clone();
        let recorder = Recorder::new(plan.keep, plan.observer.clone());
        let call = LiveCall::new(Birth {
            direction: CallDirection::Outbound,
            from,
            to,
            tempo: plan.tempo,
            base_url: Some(self.base_url.clone()),
            recorder: recorder.clone(),
        });
        call.identify(&id);
        call.set_status(&status);
        recorder.write(|record| {
            record.call_id = id;
            record.status = status;
        });
        let (report, outcome) = watch::channel(None);
        let (carrier, playing) = (self.carrier.clone(), call.clone());
        let task = tokio::spawn(async move {
            playing.may_begin().await;
            let part = playing.clone();
            let played = tokio::spawn(async move { play(&flow, plan, part).await });
            let mut played = AbortOnDrop(played);
            if (&mut played.0).await.is_err() {
                playing.complain(Finding::error(
                    "simulator-failed",
                    "the simulator itself failed in the middle of the call",
                ));
                playing.ending().end(crate::outcome::EndedBy::Carrier);
            }
            let outcome = assemble(carrier, playing.recorder(), playing.ending());
            report.send_replace(Some(Arc::new(outcome)));
        });
        lock(&self.lines).push(CallLine {
            call: call.clone(),
            outcome: Some(outcome),
            _task: Some(AbortOnDrop(task)),
        });
        self.placed.send_modify(|placed| *placed += 1);
        call
    }

    /// A call that came in.
    pub(crate) fn attach(&self, call: LiveCall) {
        lock(&self.lines).push(CallLine {
            call,
            outcome: None,
            _task: None,
        });
    }

    /// The call with this id, or with a leg of this id.
    pub fn call(&self, id: &str) -> Option<LiveCall> {
        if id.is_empty() {
            return None;
        }
        let lines = lock(&self.lines);
        let line = lines.iter().rev().find(|line| line.call.answers_to(id))?;
        Some(line.call.clone())
    }

    /// All calls that have an id, the newest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        let lines = lock(&self.lines);
        lines
            .iter()
            .rev()
            .filter(|line| !line.call.id().is_empty())
            .map(|line| line.call.clone())
            .collect()
    }

    /// How many calls are not over.
    pub fn live_calls(&self) -> usize {
        let lines = lock(&self.lines);
        lines.iter().filter(|line| !line.call.is_over()).count()
    }

    /// What the test says about calls that come in, under the public base: an application in the carrier's console.
    pub fn application(&self) -> Application {
        let plan = lock(&self.plan);
        let book = AddressBook::new(&plan.answer_url, plan.public_url.as_deref());
        let public = |url: &str| {
            let url = book.as_ref().map(|book| book.public_url(url));
            url.unwrap_or_default()
        };
        Application {
            answer_url: public(&plan.answer_url),
            fallback_url: plan.fallback_url.as_deref().map(public),
            status_url: plan.status_url.as_deref().map(public),
            method: plan.method,
        }
    }

    // For the test.

    pub(crate) fn change_plan(&self, change: impl FnOnce(Plan) -> Plan) {
        let mut plan = lock(&self.plan);
        *plan = change(plan.clone());
    }

    pub(crate) fn plan(&self) -> Plan {
        lock(&self.plan).clone()
    }

    /// Ids of the calls that the app has placed, in their order.
    pub(crate) fn placed(&self) -> Vec<String> {
        let lines = lock(&self.lines);
        lines
            .iter()
            .filter(|line| line.outcome.is_some())
            .map(|line| line.call.id())
            .collect()
    }

    pub(crate) async fn wait_for_placed(&self, count: usize) {
        // The sender lives in `self`.
        let _ = self
            .placed
            .subscribe()
            .wait_for(|placed| *placed >= count)
            .await;
    }

    pub(crate) async fn outcome(&self, id: &str) -> Option<Outcome> {
        let mut outcome = {
            let lines = lock(&self.lines);
            let line = lines.iter().find(|line| line.call.answers_to(id))?;
            line.outcome.clone()?
        };
        let over = outcome.wait_for(Option::is_some).await.ok()?;
        over.as_ref().map(|outcome| Outcome::clone(outcome))
    }

    pub(crate) fn forget(&self, id: &str) {
        lock(&self.lines).retain(|line| !line.call.is_over() || !line.call.answers_to(id));
    }

    pub(crate) fn inject(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    pub(crate) fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    /// The oldest fault that strikes a request, and one of its times is used up.
    pub(crate) fn fault(&self, operation: Operation) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let at = faults.iter().position(|fault| fault.strikes(operation))?;
        faults[at].times -= 1;
        let fault = faults[at].clone();
        if fault.times == 0 {
            faults.remove(at);
        }
        Some(fault)
    }

    pub(crate) fn since_opened(&self) -> std::time::Duration {
        self.opened.elapsed()
    }

    /// Keeps a request; its number is for [`answered`](Self::answered).
    pub(crate) fn asked(&self, exchange: RestExchange) -> Option<usize> {
        let mut exchanges = lock(&self.exchanges);
        if exchanges.len() >= MOST_EXCHANGES {
            return None;
        }
        exchanges.push(exchange);
        Some(exchanges.len() - 1)
    }

    pub(crate) fn answered(&self, number: Option<usize>, change: impl FnOnce(&mut RestExchange)) {
        let mut exchanges = lock(&self.exchanges);
        if let Some(exchange) = number.and_then(|number| exchanges.get_mut(number)) {
            change(exchange);
        }
    }

    pub(crate) fn exchanges(&self) -> Vec<RestExchange> {
        self.exchanges_from(0)
    }

    pub(crate) fn exchanges_from(&self, first: usize) -> Vec<RestExchange> {
        let exchanges = lock(&self.exchanges);
        exchanges.get(first..).unwrap_or_default().to_vec()
    }
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switchboard")
            .field("carrier", &self.carrier)
            .field("calls", &lock(&self.lines).len())
            .finish_non_exhaustive()
    }
}
