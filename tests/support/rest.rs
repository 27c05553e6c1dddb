//! A server whose carrier has a REST API: a simulated one, on loopback.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use telephony::media::{MediaEvent, Streamer};
use telephony::reqwest::{HttpOptions, ReqwestClient};
use telephony::{
    AccountLabel, Answer, BoxError, CallEvent, CallHandler, CallKey, CallRecord, CallServer,
    CallStatus, Calls, CallsOptions, EndReason, EventContext, IncomingCall, MemoryStore,
    MemoryStoreOptions, OutboundCall, Ports, Provider, PublicUrl, ServerOptions,
};
use telephony_testkit::{Outcome, SimulatedCall, SimulatedCarrier};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Longer than anything here takes.
pub const SOON: Duration = Duration::from_secs(15);

/// What the app saw.
#[derive(Debug, Clone)]
pub enum Seen {
    Stream(CallKey),
    Ended(EndReason),
    Event(Option<CallKey>, Box<CallEvent>),
}

/// What the app does with a stream: nothing by default, until it is over.
pub type OnStream = fn(Calls, Box<dyn Streamer>) -> futures_util::future::BoxFuture<'static, ()>;

/// What the app answers to events.
pub type OnEvent = fn(&CallEvent) -> Option<Answer>;

#[derive(Debug)]
pub struct App {
    on_stream: OnStream,
    on_event: OnEvent,
    seen: mpsc::UnboundedSender<Seen>,
    calls: Calls,
}

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    async fn on_stream(&self, stream: Box<dyn Streamer>) {
        let key = stream.context().call_key.clone();
        let mut ended = stream.context().ended.clone();
        let _ = self.seen.send(Seen::Stream(key));
        (self.on_stream)(self.calls.clone(), stream).await;
        if let Ok(reason) = tokio::time::timeout(SOON, ended.wait()).await {
            let _ = self.seen.send(Seen::Ended(reason));
        }
    }

    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        let key = context.call.map(|call| call.key);
        let answer = (self.on_event)(&event);
        let _ = self.seen.send(Seen::Event(key, Box::new(event)));
        answer
    }
}

/// Listens until the stream is over.
pub fn listen(
    _: Calls,
    mut stream: Box<dyn Streamer>,
) -> futures_util::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        while let Some(event) = stream.recv().await {
            if matches!(event, MediaEvent::Stopped { .. }) {
                break;
            }
        }
    })
}

/// A server, and a carrier that it has one account with.
pub struct House {
    pub provider: Provider,
    pub label: AccountLabel,
    pub calls: Calls,
    pub carrier: SimulatedCarrier,
    seen: Mutex<mpsc::UnboundedReceiver<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl House {
    /// With a carrier that `pattern` says how it is; the app streams and listens.
    pub async fn start(
        provider: Provider,
        pattern: impl FnOnce(SimulatedCall) -> SimulatedCall,
    ) -> Self {
        let http = HttpOptions::default();
        Self::with(provider, listen, http, |url| {
            pattern(house::simulated::call(provider, url))
        })
        .await
    }

    pub async fn with(
        provider: Provider,
        on_stream: OnStream,
        http: HttpOptions,
        carrier: impl FnOnce(&str) -> SimulatedCall,
    ) -> Self {
        Self::with_app(provider, on_stream, |_| None, http, carrier).await
    }

    pub async fn with_app(
        provider: Provider,
        on_stream: OnStream,
        on_event: OnEvent,
        http: HttpOptions,
        carrier: impl FnOnce(&str) -> SimulatedCall,
    ) -> Self {
        let (listener, url) = house::free_port().await.unwrap();
        let carrier = carrier(&url).serve().await.unwrap();
        let http = Arc::new(ReqwestClient::new(http).unwrap());
        let ports = Ports::default().with_http(http);
        let account = house::simulated::account_at(provider, carrier.base_url(), &ports).unwrap();
        let base = PublicUrl::new(&url).unwrap();
        let mut bounds = MemoryStoreOptions::default();
        bounds.policy.confirm_after = Duration::from_secs(1);
        let store = Arc::new(MemoryStore::new(bounds, ports.clock.clone()));
        let calls = Calls::with(base, store, ports, CallsOptions::default());
        let label = account.account().clone();
        calls.add_account(account);
        let (tell, seen) = mpsc::unbounded_channel();
        let app = App {
            on_stream,
            on_event,
            seen: tell,
            calls: calls.clone(),
        };
        let mut options = ServerOptions::default();
        options.housekeeping = Duration::from_millis(200);
        let server = CallServer::with(calls.clone(), app, options);
        let task = tokio::spawn(async move {
            server
                .serve(listener, std::future::pending())
                .await
                .unwrap();
        });
        Self {
            provider,
            label,
            calls,
            carrier,
            seen: Mutex::new(seen),
            task,
        }
    }

    /// A call to somebody, which does that when it is answered.
    pub fn outbound(&self, answer: Answer) -> OutboundCall {
        let (to, from) = house::simulated::parties(self.provider);
        OutboundCall::new(to, from, answer)
    }

    /// What the app has seen so far and this did not give before.
    pub fn seen(&self) -> Vec<Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| seen.try_recv().ok()).collect()
    }

    /// The call's record once it has a final status.
    pub async fn finished(&self, key: &CallKey) -> CallRecord {
        let wait = async {
            loop {
                let record = self.calls.find(key).await.unwrap();
                if record.status.is_terminal() {
                    return record;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SOON, wait)
            .await
            .expect("the call has no final status")
    }

    /// The outcome of the `index`th call that was placed.
    pub async fn outcome(&self, index: usize) -> Outcome {
        let ids = self.carrier.placed(index + 1, SOON).await;
        let outcome = tokio::time::timeout(SOON, self.carrier.outcome(&ids[index])).await;
        outcome.expect("the call does not end").unwrap()
    }

    /// Nothing that the app or the library sent was against the carrier's rules.
    pub fn assert_no_complaints(&self, outcome: &Outcome) {
        let provider = self.provider;
        let errors: Vec<_> = outcome.errors().collect();
        assert!(errors.is_empty(), "{provider}: {errors:?}");
        let findings = self.carrier.complaints();
        assert!(findings.is_empty(), "{provider}: {findings:?}");
    }
}

/// The statuses that the call had.
pub fn history(record: &CallRecord) -> Vec<CallStatus> {
    record.history.iter().map(|(_, status)| *status).collect()
}
