//! Where a test begins: choose a carrier, say what the caller does, call.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::carrier::{ServeError, SimulatedCarrier};
use crate::complaint::Finding;
use crate::engine::{
    AbortOnDrop, Birth, CallDirection, CallbackDelivery, DialResult, Incoming, Keep, LiveCall,
    Method, OnDial, Plan, Recorder, Switchboard, Tempo, Webhook, assemble, play,
};
use crate::outcome::{EndedBy, Outcome};
use crate::persona::Persona;
use crate::persona::exotel::{Exotel, ExotelAccount};
use crate::persona::plivo::{Plivo, PlivoAccount};
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

    /// A call through Plivo.
    pub fn plivo(account: PlivoAccount) -> SimulatedCall {
        Self::carrier(Plivo::new(account))
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
    pub(crate) persona: Arc<dyn Persona>,
    pub(crate) plan: Plan,
    /// The carrier whose REST API knows of the call.
    pub(crate) desk: Option<Arc<Switchboard>>,
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
                on_dial: OnDial::Answer {
                    after: Duration::from_millis(200),
                },
                callbacks: CallbackDelivery::reliable(),
                keep: Keep::Readable,
                observer: None,
            },
            desk: None,
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

    /// What happens when the app has the carrier call somebody. Default: they answer after 200 ms.
    pub fn on_dial(mut self, on_dial: OnDial) -> Self {
        self.plan.on_dial = on_dial;
        self
    }

    /// How reliably status callbacks arrive. Default: one of each, in order.
    pub fn callbacks(mut self, delivery: CallbackDelivery) -> Self {
        self.plan.callbacks = delivery;
        self
    }

    /// Keeps neither the messages nor what the caller heard, only numbers and complaints: for many calls at once.
    pub fn lean(mut self) -> Self {
        self.plan.keep = Keep::Nothing;
        self
    }

    /// Keeps media messages in the trace as they were, audio included; binary ones in base64.
    pub fn whole_trace(mut self) -> Self {
        self.plan.keep = Keep::Whole;
        self
    }

    /// Is told of every message as it passes: for live progress. Must not block.
    pub fn observe(mut self, observer: impl Fn(&TraceEntry) + Send + Sync + 'static) -> Self {
        self.plan.observer = Some(Arc::new(observer));
        self
    }

    /// Serves the carrier's REST API on loopback, with this call as the pattern of all calls that the app places: speed,
    /// script (of the person who is called), limits, reliability of callbacks. The answer URL says where the server
    /// under test is and the public URL how the carrier knows it; neither is needed when the app's URLs are on loopback.
    ///
    /// # Errors
    /// When no port is to be had, or the carrier has no simulated API. Must be called within a tokio runtime.
    pub async fn serve(self) -> Result<SimulatedCarrier, ServeError> {
        SimulatedCarrier::open(self).await
    }

    /// Like [`serve`](Self::serve), at an address of your choice.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_at(self, address: SocketAddr) -> Result<SimulatedCarrier, ServeError> {
        SimulatedCarrier::open_at(self, address).await
    }

    /// Signs a request as the carrier would, in place of the signature that it has: for requests that are no part of a
    /// call. A carrier that signs nothing leaves it as it is.
    ///
    /// ```
    /// use telephony_testkit::engine::Webhook;
    /// use telephony_testkit::{Simulator, TwilioAccount};
    ///
    /// let call = Simulator::twilio(TwilioAccount::new("AC00000000000000000000000000000001", "auth token"));
    /// let webhook = Webhook::new("status", http::Method::GET, "https://voice.example.com/status?CallStatus=busy");
    /// let signed = call.sign(webhook);
    /// assert_eq!(signed.headers[0].0, "X-Twilio-Signature");
    /// ```
    #[must_use = "the signed request is what comes back"]
    pub fn sign(&self, webhook: Webhook) -> Webhook {
        self.persona.sign(webhook)
    }

    /// Makes the call and waits for its end.
    pub async fn call(self) -> Outcome {
        self.start().outcome().await
    }

    /// Makes the call in a task of its own. Must be called within a tokio runtime.
    pub fn start(self) -> RunningCall {
        let live = LiveCall::new(Birth {
            direction: CallDirection::Inbound,
            from: self.plan.from.clone(),
            to: self.plan.to.clone(),
            tempo: self.plan.tempo,
            base_url: self.desk.as_ref().map(|desk| desk.base_url().to_owned()),
            recorder: Recorder::new(self.plan.keep, self.plan.observer.clone()),
        });
        if let Some(desk) = &self.desk {
            desk.attach(live.clone());
        }
        let name = self.persona.name().to_owned();
        let flow = Incoming(self.persona);
        let (plan, playing) = (self.plan, live.clone());
        let task = tokio::spawn(async move { play(&flow, plan, playing).await });
        RunningCall {
            name,
            live,
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
    live: LiveCall,
    task: AbortOnDrop,
}

impl RunningCall {
    /// A handle to steer the call with.
    pub fn handle(&self) -> CallHandle {
        CallHandle {
            live: self.live.clone(),
        }
    }

    /// Waits for the end of the call.
    pub async fn outcome(mut self) -> Outcome {
        if (&mut self.task.0).await.is_err() {
            self.live.complain(Finding::error(
                "simulator-failed",
                "the simulator itself failed in the middle of the call",
            ));
        }
        assemble(self.name, self.live.recorder(), self.live.ending())
    }
}

/// Steers a call from outside, as the carrier's REST API does.
#[derive(Clone, Debug)]
pub struct CallHandle {
    live: LiveCall,
}

impl CallHandle {
    /// Ends the call as if the app had asked the carrier for it.
    pub fn hang_up(&self) {
        self.hang_up_as(EndedBy::App);
    }

    /// Ends the call in the name of somebody.
    pub fn hang_up_as(&self, by: EndedBy) {
        self.live.ending().end(by);
    }

    /// The carrier's id of the call, once it has one.
    pub fn call_id(&self) -> Option<String> {
        Some(self.live.id()).filter(|id| !id.is_empty())
    }

    /// Whether the call has ended.
    pub fn is_over(&self) -> bool {
        self.live.is_over()
    }
}
