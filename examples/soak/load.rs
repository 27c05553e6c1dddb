//! The calls: simulated carriers that make so many a second.

use crate::figures::Latencies;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony::{BoxError, Provider};
use telephony_testkit::{Outcome, Script, SimulatedCarrier, Speech};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// A machine that cannot follow has more calls at once than this; no more are begun then.
const MOST_AT_ONCE: usize = 5_000;
/// A webhook that takes longer than this, in one of twenty cases, is a sign that the machine cannot follow. The carriers wait
/// for 5 s and longer.
const SLOW: Duration = Duration::from_millis(250);

/// Simulated carriers, and the calls that they have.
pub(crate) struct Load {
    carriers: Vec<(Provider, Arc<SimulatedCarrier>)>,
    calls: JoinSet<Done>,
    begun: usize,
    /// Since [`forget_figures`](Self::forget_figures).
    done: usize,
    failed: usize,
    latencies: Latencies,
}

/// A call that is over.
struct Done {
    failure: Option<String>,
    latencies: Vec<Duration>,
}

/// How things went for a while.
#[derive(Default)]
pub(crate) struct Window {
    done: usize,
    failed: usize,
    at_once: usize,
    is_behind: bool,
    latencies: Latencies,
}

impl Window {
    pub(crate) fn is_fine(&self) -> bool {
        self.failed == 0 && !self.is_behind && self.latencies.share(0.95) < SLOW
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = if self.is_behind { " (behind)" } else { "" };
        write!(
            f,
            "{:>5} at once{behind}  {} failed  webhooks {}",
            self.at_once, self.failed, self.latencies
        )
    }
}

impl Load {
    pub(crate) async fn start() -> Result<Self, BoxError> {
        let mut carriers = Vec::new();
        for provider in Provider::ALL {
            // Nobody is called before it is known where the server is.
            let carrier = house::simulated::call(provider, "http://127.0.0.1:1");
            carriers.push((provider, Arc::new(carrier.serve().await?)));
        }
        Ok(Self {
            carriers,
            calls: JoinSet::new(),
            begun: 0,
            done: 0,
            failed: 0,
            latencies: Latencies::default(),
        })
    }

    /// The carriers' names and where their APIs are.
    pub(crate) fn carriers(&self) -> impl Iterator<Item = (Provider, &str)> {
        self.carriers
            .iter()
            .map(|(provider, carrier)| (*provider, carrier.base_url()))
    }

    pub(crate) fn calls_go_to(&self, url: &str) {
        for (provider, carrier) in &self.carriers {
            carrier.set(|_| house::simulated::call(*provider, url));
        }
    }

    /// Begins so many calls a second for that long.
    pub(crate) async fn run(&mut self, rate: f64, time: Duration) -> Window {
        let mut window = Window::default();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        // What is late is made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (began, mut begun) = (Instant::now(), 0_u32);
        let end = tokio::time::sleep(time);
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = ticks.tick() => {
                    begun += 1;
                    if self.calls.len() < MOST_AT_ONCE {
                        self.begin();
                    } else {
                        window.is_behind = true;
                    }
                }
                Some(done) = self.calls.join_next() => self.note(done.ok(), &mut window),
            }
        }
        window.at_once = self.calls.len();
        window.is_behind |= f64::from(begun) < 0.9 * rate * began.elapsed().as_secs_f64();
        window
    }

    /// Waits until all calls are over.
    pub(crate) async fn drain(&mut self, deadline: Duration) {
        let mut window = Window::default();
        let drain = async {
            while let Some(done) = self.calls.join_next().await {
                self.note(done.ok(), &mut window);
            }
        };
        let _ = tokio::time::timeout(deadline, drain).await;
        self.calls.abort_all();
    }

    fn begin(&mut self) {
        self.begun += 1;
        let (_, carrier) = &self.carriers[self.begun % self.carriers.len()];
        let carrier = Arc::clone(carrier);
        // Every fifth is ended by us.
        let is_ours = self.begun.is_multiple_of(5);
        self.calls
            .spawn(async move { call(&carrier, is_ours).await });
    }

    fn note(&mut self, done: Option<Done>, window: &mut Window) {
        let done = done.unwrap_or(Done {
            failure: Some("the simulated call itself failed".to_owned()),
            latencies: Vec::new(),
        });
        self.done += 1;
        window.done += 1;
        if let Some(failure) = done.failure {
            self.failed += 1;
            window.failed += 1;
            if self.failed <= 10 {
                println!("a call failed: {failure}");
            }
        }
        for latency in done.latencies {
            self.latencies.add(latency);
            window.latencies.add(latency);
        }
    }

    /// What was so far does not count.
    pub(crate) fn forget_figures(&mut self) {
        (self.done, self.failed) = (0, 0);
        self.latencies = Latencies::default();
    }

    /// How many calls are over, and how many of them failed.
    pub(crate) fn totals(&self) -> (usize, usize) {
        (self.done, self.failed)
    }

    pub(crate) fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}

async fn call(carrier: &SimulatedCarrier, is_ours: bool) -> Done {
    let half = Duration::from_millis(500);
    let (number, script) = match is_ours {
        true => ("+14155550101", Script::new().wait_for_hang_up(half * 60)),
        false => {
            let script = Script::new()
                .speak(Speech::tone(440.0, half))
                .silence(half * 2);
            ("+14155550109", script.hang_up())
        }
    };
    let outcome = carrier.incoming().to(number).script(script).call().await;
    carrier.forget(&outcome.call_id);
    let answers = outcome.webhooks.iter().map(|answer| answer.latency);
    Done {
        failure: failure(&outcome, is_ours),
        latencies: answers.collect(),
    }
}

fn failure(outcome: &Outcome, is_ours: bool) -> Option<String> {
    if let Some(complaint) = outcome.errors().next() {
        return Some(format!("{}: {}", outcome.carrier, complaint.text));
    }
    if !outcome.answered || outcome.ended_by.is_person() == is_ours {
        return Some(format!(
            "{}: ended by {:?}",
            outcome.carrier, outcome.ended_by
        ));
    }
    // Loud enough to be no noise.
    let is_heard = outcome
        .heard
        .iter()
        .any(|sample| sample.unsigned_abs() > 3_000);
    (!is_ours && !is_heard).then(|| format!("{}: nothing came back", outcome.carrier))
}
