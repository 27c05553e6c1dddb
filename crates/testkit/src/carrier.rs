//! A simulated carrier with a REST API, which calls people for the app.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::complaint::Finding;
use crate::engine::{AbortOnDrop, Fault, LiveCall, Operation, RestExchange, Switchboard, serve};
use crate::outcome::Outcome;
use crate::persona::Persona;
use crate::simulator::SimulatedCall;

/// A simulated carrier that listens on loopback.
///
/// ```
/// use std::time::Duration;
/// use telephony_testkit::{OnDial, Simulator, TwilioAccount};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let carrier = Simulator::twilio(TwilioAccount::new("AC00000000000000000000000000000001", "auth token"))
///     .on_dial(OnDial::Busy)
///     .serve()
///     .await?;
/// // Give this to the app as the host of the carrier …
/// assert!(carrier.base_url().starts_with("http://127.0.0.1:"));
/// // … and let it place a call; then see what came of it.
/// if let Some(id) = carrier.placed(1, Duration::from_millis(10)).await.first() {
///     println!("{:?}", carrier.outcome(id).await);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Credentials and parameters are checked as the carrier checks them; a placed call then calls the app back as the real
/// one does, and can be steered while it lives. Dropping the carrier ends the server and all calls that it has placed.
pub struct SimulatedCarrier {
    persona: Arc<dyn Persona>,
    desk: Arc<Switchboard>,
    _server: AbortOnDrop,
}

/// Why there is no simulated carrier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// This carrier's API is not simulated.
    #[error("the carrier \"{0}\" has no simulated REST API")]
    NoRestApi(String),
    /// There is no port to listen on.
    #[error("the port cannot be opened")]
    Listen(#[from] io::Error),
}

impl SimulatedCarrier {
    pub(crate) async fn open(call: SimulatedCall) -> Result<Self, ServeError> {
        Self::open_at(call, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn open_at(
        call: SimulatedCall,
        address: SocketAddr,
    ) -> Result<Self, ServeError> {
        let SimulatedCall { persona, plan, .. } = call;
        let api = persona
            .rest()
            .ok_or_else(|| ServeError::NoRestApi(persona.name().to_owned()))?;
        let listener = TcpListener::bind(address).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let desk = Arc::new(Switchboard::new(persona.name(), base_url, plan));
        let server = tokio::spawn(serve(listener, api, Arc::clone(&desk)));
        Ok(Self {
            persona,
            desk,
            _server: AbortOnDrop(server),
        })
    }

    /// Where the API is: `http://127.0.0.1:…`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.desk.base_url()
    }

    /// Changes the pattern of the calls that the app places from now on.
    pub fn set(&self, change: impl FnOnce(SimulatedCall) -> SimulatedCall) {
        let persona = Arc::clone(&self.persona);
        self.desk.change_plan(|plan| {
            change(SimulatedCall {
                persona,
                plan,
                desk: None,
            })
            .plan
        });
    }

    /// A call that comes in through this carrier, after the same pattern: the API knows it, and can steer it.
    pub fn incoming(&self) -> SimulatedCall {
        SimulatedCall {
            persona: Arc::clone(&self.persona),
            plan: self.desk.plan(),
            desk: Some(Arc::clone(&self.desk)),
        }
    }

    // Faults.

    /// Something goes wrong with the next requests. Faults strike in the order in which they were injected.
    pub fn inject(&self, fault: Fault) {
        self.desk.inject(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.desk.clear_faults();
    }

    // What happened.

    /// The requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RestExchange> {
        self.desk.exchanges()
    }

    /// The requests so far but for the first ones, which somebody has seen.
    pub fn requests_from(&self, first: usize) -> Vec<RestExchange> {
        self.desk.exchanges_from(first)
    }

    /// The requests so far that wanted this.
    pub fn requests_for(&self, operation: Operation) -> Vec<RestExchange> {
        let mut requests = self.requests();
        requests.retain(|request| request.operation == operation);
        requests
    }

    /// What the carrier had to say about the requests so far.
    pub fn complaints(&self) -> Vec<Finding> {
        self.requests()
            .into_iter()
            .flat_map(|request| request.findings)
            .collect()
    }

    /// Ids of the calls that the app has placed, in their order.
    pub fn calls(&self) -> Vec<String> {
        self.desk.placed()
    }

    /// Waits until the app has placed so many calls, at most for this time (wall time): ids of all that it has placed.
    pub async fn placed(&self, count: usize, within: Duration) -> Vec<String> {
        let _ = timeout(within, self.desk.wait_for_placed(count)).await;
        self.calls()
    }

    /// A call by its id, while it lives and after.
    pub fn call(&self, id: &str) -> Option<LiveCall> {
        self.desk.call(id)
    }

    /// Forgets a call that is over: an outcome holds up to ten minutes of audio, and a carrier of many calls many of them.
    /// The API does not know the call any more.
    pub fn forget(&self, id: &str) {
        self.desk.forget(id);
    }

    /// Waits for the end of a call that the app has placed. `None` when there is no such call.
    pub async fn outcome(&self, id: &str) -> Option<Outcome> {
        self.desk.outcome(id).await
    }
}

impl fmt::Debug for SimulatedCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedCarrier")
            .field("base_url", &self.base_url())
            .field("desk", &self.desk)
            .finish_non_exhaustive()
    }
}
