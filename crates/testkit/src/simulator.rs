//! Where a test begins: choose a carrier, say what the caller does, call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::complaint::Finding;
use crate::engine::{
    AddressBook, Call, CallbackDelivery, DialResult, Ending, HttpPort, Line, Method, OUTBOX,
    Person, Plan, Record, Recorder, Tempo, deliver,
};
use crate::outcome::{EndedBy, Outcome};
use crate::persona::Persona;
use crate::persona::exotel::{Exotel, ExotelAccount};
use crate::persona::twilio::{Twilio, TwilioAccount};
use crate::persona::vonage::{Vonage, VonageAccount};
use crate::script::Script;
use crate::trace::TraceEntry;

/// Simulated carriers.
#[derive(Clone, Copy, Debug)]
pub struct Simulator;

impl Simulator {
    /// A call through Twilio.
    pub fn twilio(account: TwilioAccount) -> SimulatedCall {
        Self::carrier(Twilio::new(account))
    }

    /// A call through Vonage.
    pub fn vonage(account: VonageAccount) -> SimulatedCall {
        Self::carrier(Vonage::new(account))
    }

    /// A call through Exotel.
    pub fn exotel(account: ExotelAccount) -> SimulatedCall {
        Self::carrier(Exotel::new(account))
    }

    /// A call through any carrier.
    pub fn carrier(persona: impl Persona + 'static) -> SimulatedCall {
        SimulatedCall::new(Arc::new(persona))
    }
}

/// A call that is about to be made: what the carrier is set to, and what the caller does.
///
/// Cloning it makes as many equal calls as you like; they run independently.
#[derive(Clone)]
#[must_use = "nothing happens before `call` or `start`"]
pub struct SimulatedCall {
    persona: Arc<dyn Persona>,
    plan: Plan,
}

impl SimulatedCall {
    fn new(persona: Arc<dyn Persona>) -> Self {
        let slow_webhook = Some(persona.slow_webhook());
        Self {
            persona,
            plan: Plan {
                answer_url: String::new(),
                public_url: None,
                fallback_url: None,
                status_url: None,
                method: None,
                from: "+14155550100".into(),
                to: "+14155550199".into(),
                tempo: Tempo::new(1.0),
                script: Script::new(),
                deadline: Duration::from_secs(60),
                linger: Duration::from_secs(2),
                prompt: Duration::from_millis(200),
                slow_webhook,
                dial_result: DialResult::Completed(Duration::from_secs(1)),
                callbacks: CallbackDelivery::reliable(),
                whole_trace: false,
                observer: None,
            },
        }
    }

    /// Where the answer webhook is really sent: the server under test, on `http` and usually on loopback. Required.
    pub fn answer_url(mut self, url: impl Into<String>) -> Self {
        self.plan.answer_url = url.into();
        self
    }

    /// What the carrier believes the base of that server to be, such as `https://voice.example.com`. Signatures are
    /// made over it, and URLs under it lead to the server under test. Default: the origin of the answer URL.
    pub fn public_url(mut self, base: impl Into<String>) -> Self {
        self.plan.public_url = Some(base.into());
        self
    }

    /// Where the carrier asks when the answer URL fails. Default: nowhere.
    pub fn fallback_url(mut self, url: impl Into<String>) -> Self {
        self.plan.fallback_url = Some(url.into());
        self
    }

    /// Where the carrier sends status callbacks (or events) of the call. Default: nowhere.
    pub fn status_url(mut self, url: impl Into<String>) -> Self {
        self.plan.status_url = Some(url.into());
        self
    }

    /// The method of the answer webhook. Default: the carrier's own.
    pub fn method(mut self, method: Method) -> Self {
        self.plan.method = Some(method);
        self
    }

    /// The caller. Default: `+14155550100`, a number that belongs to nobody.
    pub fn from(mut self, from: impl Into<String>) -> Self {
        self.plan.from = from.into();
        self
    }

    /// The number called. Default: `+14155550199`.
    pub fn to(mut self, to: impl Into<String>) -> Self {
        self.plan.to = to.into();
        self
    }

    /// How much faster than life the call runs: 1.0 is life, 10.0 sends and plays ten times as fast. Between 0.01
    /// and 1000.
    pub fn speed(mut self, speed: f64) -> Self {
        self.plan.tempo = Tempo::new(speed);
        self
    }

    /// What the caller does. Default: hangs up as soon as the call is answered.
    pub fn script(mut self, script: Script) -> Self {
        self.plan.script = script;
        self
    }

    /// The whole call may take this long (wall time); then the carrier ends it, which is an error. Default: 60 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.plan.deadline = deadline;
        self
    }

    /// How long the app may keep its socket after the end of the call (wall time). Default: 2 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.plan.linger = linger;
        self
    }

    /// How long a spoken or played prompt takes, whatever it says (call time). Default: 200 ms.
    pub fn prompt(mut self, prompt: Duration) -> Self {
        self.plan.prompt = prompt;
        self
    }

    /// A webhook that steers the call and takes longer than this gets a warning (wall time); `None` for never.
    /// Default: the carrier's own.
    pub fn slow_webhook(mut self, limit: Option<Duration>) -> Self {
        self.plan.slow_webhook = limit;
        self
    }

    /// What happens when the app dials somebody. Default: they answer and talk for a second.
    pub fn dial_result(mut self, result: DialResult) -> Self {
        self.plan.dial_result = result;
        self
    }

    /// How reliably status callbacks arrive. Default: one of each, in order.
    pub fn callbacks(mut self, delivery: CallbackDelivery) -> Self {
        self.plan.callbacks = delivery;
        self
    }

    /// Keeps media messages in the trace as they were, audio included.
    pub fn whole_trace(mut self) -> Self {
        self.plan.whole_trace = true;
        self
    }

    /// Is told of every message as it passes: for live progress. Must not block.
    pub fn observe(mut self, observer: impl Fn(&TraceEntry) + Send + Sync + 'static) -> Self {
        self.plan.observer = Some(Arc::new(observer));
        self
    }

    /// Makes the call and waits for its end.
    pub async fn call(self) -> Outcome {
        self.start().outcome().await
    }

    /// Makes the call in a task of its own. Must be called within a tokio runtime.
    pub fn start(self) -> RunningCall {
        let recorder = Recorder::new(self.plan.whole_trace, self.plan.observer.clone());
        let ending = Ending::new();
        let name = self.persona.name().to_owned();
        let task = tokio::spawn(run(
            self.persona,
            self.plan,
            recorder.clone(),
            ending.clone(),
        ));
        RunningCall {
            name,
            recorder,
            ending,
            task: AbortOnDrop(task),
        }
    }
}

impl fmt::Debug for SimulatedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedCall")
            .field("persona", &self.persona)
            .finish_non_exhaustive()
    }
}

/// A call in progress. Dropping it drops the call: the app sees its connections break.
#[derive(Debug)]
pub struct RunningCall {
    name: String,
    recorder: Recorder,
    ending: Ending,
    task: AbortOnDrop,
}

impl RunningCall {
    /// A handle to steer the call with.
    pub fn handle(&self) -> CallHandle {
        CallHandle {
            ending: self.ending.clone(),
            recorder: self.recorder.clone(),
        }
    }

    /// Waits for the end of the call.
    pub async fn outcome(mut self) -> Outcome {
        if (&mut self.task.0).await.is_err() {
            self.recorder.complain(Finding::error(
                "simulator-failed",
                "the simulator itself failed in the middle of the call",
            ));
        }
        assemble(self.name, &self.recorder, &self.ending)
    }
}

/// Steers a call from outside, as the carrier's REST API does.
#[derive(Clone, Debug)]
pub struct CallHandle {
    ending: Ending,
    recorder: Recorder,
}

impl CallHandle {
    /// Ends the call as if the app had asked the carrier for it.
    pub fn hang_up(&self) {
        self.hang_up_as(EndedBy::App);
    }

    /// Ends the call in the name of somebody.
    pub fn hang_up_as(&self, by: EndedBy) {
        self.ending.end(by);
    }

    /// The carrier's id of the call, once it has one.
    pub fn call_id(&self) -> Option<String> {
        let mut id = None;
        self.recorder.write(|record| {
            if !record.call_id.is_empty() {
                id = Some(record.call_id.clone());
            }
        });
        id
    }

    /// Whether the call has ended.
    pub fn is_over(&self) -> bool {
        self.ending.by().is_some()
    }
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// After the end of a call, the last webhooks and callbacks may take this long (wall time).
const AFTERMATH: Duration = Duration::from_secs(30);

async fn run(persona: Arc<dyn Persona>, plan: Plan, recorder: Recorder, ending: Ending) {
    let Some(addresses) = AddressBook::new(&plan.answer_url, plan.public_url.as_deref()) else {
        recorder.complain(Finding::error(
            "bad-answer-url",
            "the answer URL or the public URL is missing or cannot be read",
        ));
        ending.end(EndedBy::Carrier);
        return;
    };
    let http = HttpPort::new(addresses, recorder.clone());
    let line = Line::new();
    let (outbox, waiting) = mpsc::channel(OUTBOX);
    let mut callbacks = AbortOnDrop(tokio::spawn(deliver(
        plan.callbacks.clone(),
        http.clone(),
        recorder.clone(),
        waiting,
    )));
    let person = Person {
        line: line.clone(),
        tempo: plan.tempo,
        ending: ending.clone(),
        recorder: recorder.clone(),
    };
    let _person = AbortOnDrop(tokio::spawn(person.follow(plan.script.clone())));
    let deadline = plan.deadline;
    let call = Call {
        plan,
        recorder: recorder.clone(),
        line,
        ending: ending.clone(),
        http,
        outbox,
    };
    let finished = {
        let mut playing = std::pin::pin!(persona.run(&call));
        tokio::select! {
            () = &mut playing => true,
            () = sleep(deadline) => {
                recorder.complain(Finding::error(
                    "deadline",
                    format!("the call was not over after {} ms", deadline.as_millis()),
                ));
                ending.end(EndedBy::Carrier);
                timeout(AFTERMATH, playing).await.is_ok()
            }
        }
    };
    ending.end(EndedBy::Carrier);
    drop(call);
    let delivered = timeout(AFTERMATH, &mut callbacks.0).await.is_ok();
    if !finished || !delivered {
        recorder.complain(Finding::error(
            "aftermath",
            format!(
                "webhooks and callbacks were not done {} s after the end",
                AFTERMATH.as_secs()
            ),
        ));
    }
}

fn assemble(carrier: String, recorder: &Recorder, ending: &Ending) -> Outcome {
    let duration = recorder.elapsed();
    let Record {
        call_id,
        answered,
        status,
        webhooks,
        callbacks,
        documents,
        streams,
        heard,
        heard_rate,
        interruption,
        keys_pressed,
        complaints,
        trace,
    } = recorder.take();
    Outcome {
        carrier,
        call_id,
        answered,
        ended_by: ending.by().unwrap_or(EndedBy::Carrier),
        status,
        duration,
        webhooks,
        callbacks,
        documents,
        streams,
        heard,
        heard_rate,
        interruption,
        keys_pressed,
        complaints,
        trace,
    }
}
