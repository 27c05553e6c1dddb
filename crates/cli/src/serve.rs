//! `telephony serve`: the carrier's REST API on this machine.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use telephony::Provider;
use telephony_testkit::{
    Complaint, Fault, OnDial, Operation, Outcome, RestExchange, Severity, SimulatedCarrier, Speech,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::exit::{Exit, Failure, Result};
use crate::options::{CarrierOptions, FailOn, MoreAppOptions};
use crate::secrets::Secrets;
use crate::signals;
use crate::terminal::{self, Paint};
use crate::timeline::{End, Timeline};
use crate::units;

/// Serves the carrier's REST API on this machine, for calls that the app places
///
/// The app's REST host points here: TWILIO_BASE_URL, VONAGE_BASE_URL, EXOTEL_BASE_URL, PLIVO_BASE_URL, or what its SDK calls it.
///
/// The first line on stdout is the base URL. Credentials, parameters and rates are checked as the carrier does; a call that
/// is placed calls the app back. Ctrl-C or SIGTERM ends it, and then the exit code says whether there were complaints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  telephony serve --carrier twilio --listen 127.0.0.1:9000 --answer busy
  telephony serve --carrier twilio --fail 429 --fail-times 2 --only-new-calls")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    carrier: CarrierOptions,
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The app's URL for calls, where the app's own URLs are not on this machine
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    app: MoreAppOptions,
    #[command(flatten)]
    faults: FaultOptions,
    /// Who answers when the app calls somebody
    #[arg(long, value_enum, default_value = "person")]
    answer: Callee,
    /// How long it rings before somebody answers
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "1s")]
    ring: Duration,
    /// What the person says, a WAV file; again for more. Without one it is a tone of a second
    #[arg(long, value_name = "WAV")]
    play: Vec<PathBuf>,
    /// When the person hangs up, if the app has not
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    hang_up_after: Duration,
    /// Ends by itself when so many calls are over
    #[arg(long)]
    calls: Option<usize>,
    /// Ends by itself after this time
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    lifetime: Option<Duration>,
    /// Prints what happens as JSON lines on stdout
    #[arg(long)]
    json: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value = "warning")]
    fail_on: FailOn,
}

/// What goes wrong.
#[derive(Debug, Args)]
struct FaultOptions {
    /// Refuses requests with this status, in the carrier's words: 429, 401, 500 …
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..600))]
    fail: Option<u16>,
    /// Only so many requests are refused
    #[arg(long, value_name = "NUMBER", requires = "fail")]
    fail_times: Option<usize>,
    /// What Retry-After says of a 429
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "fail")]
    retry_after: Option<Duration>,
    /// Answers that much later than it does what it is asked
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    slow: Option<Duration>,
    /// Only requests that place a call fail or are slow
    #[arg(long)]
    only_new_calls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Callee {
    /// Somebody answers
    Person,
    /// An answering machine does
    Machine,
    /// The line is busy
    Busy,
    /// It rings, and nobody answers
    NoAnswer,
    /// The number cannot be reached
    Failed,
}

/// How often new requests are looked for.
const GLANCE: Duration = Duration::from_millis(50);
/// After that a request without an answer is shown without one.
const PATIENCE: Duration = Duration::from_secs(35);
/// So many calls the API remembers; the oldest that is over goes then.
const REMEMBERED: usize = 1_000;
/// Longer than anybody keeps a terminal open.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
/// A call that is not over by then never will be.
const CALL_DEADLINE: Duration = Duration::from_secs(4 * 3_600);

pub(crate) async fn run(args: ServeArgs) -> Result<Exit> {
    let provider = args.carrier.carrier;
    let secrets = args.carrier.secrets()?;
    // Before anybody knows that it is there, so that a signal always ends it well.
    let mut over = std::pin::pin!(signals::end()?);
    let carrier = Arc::new(args.open(provider, &secrets).await?);
    args.faults.inject(&carrier);
    let log = Log {
        provider,
        json: args.json,
        fail_on: args.fail_on.into(),
        secrets,
        failed: false,
        shown: HashSet::new(),
        seen: 0,
        begun: Instant::now(),
    };
    log.opened(carrier.base_url());
    let end = Instant::now() + args.lifetime.unwrap_or(FOR_EVER);
    let mut watch = Watch {
        carrier,
        log,
        known: HashSet::new(),
        calls: JoinSet::new(),
        finished: 0,
    };
    while args.calls.is_none_or(|wanted| watch.finished < wanted) {
        tokio::select! {
            () = &mut over => break,
            () = sleep_until(end) => break,
            () = watch.glance() => {}
        }
    }
    watch.look();
    Ok(watch.log.close(watch.finished))
}

/// Sees what happens at the carrier.
struct Watch {
    carrier: Arc<SimulatedCarrier>,
    log: Log,
    /// Ids of calls whose end is waited for, or was seen.
    known: HashSet<String>,
    calls: JoinSet<Option<Outcome>>,
    finished: usize,
}

impl Watch {
    /// Waits for the end of a call, but not for long.
    async fn glance(&mut self) {
        tokio::select! {
            () = sleep(GLANCE) => {}
            Some(done) = self.calls.join_next() => {
                if let Ok(Some(outcome)) = done {
                    self.finished += 1;
                    // What it was placed with comes first.
                    self.look();
                    self.log.call(&outcome);
                    self.forget();
                }
            }
        }
        self.look();
    }

    fn look(&mut self) {
        self.log.requests(&self.carrier);
        for id in self.carrier.calls() {
            if self.known.insert(id.clone()) {
                let carrier = Arc::clone(&self.carrier);
                self.calls.spawn(async move { carrier.outcome(&id).await });
            }
        }
    }

    /// The oldest call goes when there are too many.
    fn forget(&mut self) {
        let calls = self.carrier.calls();
        if calls.len() <= REMEMBERED {
            return;
        }
        // One that is not over is not forgotten.
        for id in calls {
            self.carrier.forget(&id);
            if !self.carrier.calls().contains(&id) {
                self.known.remove(&id);
                return;
            }
        }
    }
}

impl ServeArgs {
    async fn open(&self, provider: Provider, secrets: &Secrets) -> Result<SimulatedCarrier> {
        let read = |path: &PathBuf| {
            Speech::wav(path)
                .map_err(|error| Failure::usage(format!("--play {}: {error}", path.display())))
        };
        let timeline = Timeline {
            speech: self.play.iter().map(read).collect::<Result<_>>()?,
            keys: vec![],
            interruptions: vec![],
            end: End::HangUp(self.hang_up_after),
        };
        let on_dial = match self.answer {
            Callee::Person => OnDial::Answer { after: self.ring },
            Callee::Machine => OnDial::Machine { after: self.ring },
            Callee::Busy => OnDial::Busy,
            Callee::NoAnswer => OnDial::NoAnswer,
            Callee::Failed => OnDial::Failed,
        };
        self.app
            .call(provider, secrets, self.url.as_deref().unwrap_or_default())?
            .on_dial(on_dial)
            .script(timeline.script())
            .deadline(CALL_DEADLINE)
            .lean()
            .serve_at(self.listen)
            .await
            .map_err(|error| {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                Failure::usage(format!(
                    "--listen {}: {}",
                    self.listen,
                    why.unwrap_or_else(|| error.to_string())
                ))
            })
    }
}

impl FaultOptions {
    fn inject(&self, carrier: &SimulatedCarrier) {
        let aimed = |fault: Fault| match self.only_new_calls {
            true => fault.on(Operation::PlaceCall),
            false => fault,
        };
        if let Some(status) = self.fail {
            let fault = match status {
                429 => Fault::too_many_requests(self.retry_after),
                status => Fault::status(status),
            };
            let times = self.fail_times.unwrap_or(usize::MAX);
            carrier.inject(aimed(fault.times(times)));
        }
        if let Some(delay) = self.slow {
            carrier.inject(aimed(Fault::slow(delay).times(usize::MAX)));
        }
    }
}

/// Says what happens.
struct Log {
    provider: Provider,
    json: bool,
    fail_on: Severity,
    secrets: Secrets,
    failed: bool,
    /// Numbers of requests that were shown before those that came before them.
    shown: HashSet<usize>,
    /// All requests up to this one were shown.
    seen: usize,
    begun: Instant,
}

impl Log {
    fn opened(&self, url: &str) {
        if self.json {
            let line = json!({"event": "listening", "carrier": self.provider, "base_url": url});
            terminal::say(line);
            return;
        }
        terminal::say(url);
        let variable = crate::secrets::variable(self.provider, "base_url");
        terminal::tell(format!(
            "{} listens; an app with this library takes it as {variable}={url}. Ctrl-C ends it",
            self.provider
        ));
    }

    fn requests(&mut self, carrier: &SimulatedCarrier) {
        let first = self.seen;
        for (number, request) in (first..).zip(carrier.requests_from(first)) {
            let is_old = self.begun.elapsed() > request.at + PATIENCE;
            if (request.status.is_some() || is_old) && self.shown.insert(number) {
                self.request(&request);
            }
        }
        while self.shown.remove(&self.seen) {
            self.seen += 1;
        }
    }

    fn request(&mut self, request: &RestExchange) {
        for finding in &request.findings {
            self.failed |= finding.severity >= self.fail_on;
        }
        if self.json {
            let findings: Vec<_> = request
                .findings
                .iter()
                .map(|finding| json!({"severity": finding.severity, "code": finding.code, "text": finding.text}))
                .collect();
            let line = json!({"event": "request", "request": request, "findings": findings});
            terminal::say(self.secrets.mask(&line.to_string()));
            return;
        }
        let paint = Paint::stderr();
        let status = request
            .status
            .map_or("no answer".to_owned(), |status| status.to_string());
        terminal::tell(format!(
            "{} {} {} → {status}",
            paint.dim(format!("{:8.3}", request.at.as_secs_f64())),
            request.method,
            self.secrets.mask(&request.path)
        ));
        for finding in &request.findings {
            let code = paint.severity(finding.severity, &finding.code);
            terminal::tell(format!("         {code}: {}", finding.text));
        }
    }

    fn call(&mut self, outcome: &Outcome) {
        let is_bad = |complaint: &Complaint| complaint.severity >= self.fail_on;
        self.failed |= outcome.complaints.iter().any(is_bad);
        if self.json {
            let line = json!({"event": "call", "call": outcome});
            terminal::say(self.secrets.mask(&line.to_string()));
            return;
        }
        let paint = Paint::stderr();
        for line in crate::summary::lines(outcome, paint) {
            terminal::tell(format!("         {line}"));
        }
        let verdict = crate::verdict::Verdict::of(&outcome.complaints, self.fail_on);
        for line in crate::verdict::lines(self.provider, outcome, verdict, paint) {
            terminal::tell(format!("         {line}"));
        }
    }

    fn close(self, calls: usize) -> Exit {
        let exit = if self.failed {
            Exit::Complaints
        } else {
            Exit::Clean
        };
        if self.json {
            let requests = self.seen + self.shown.len();
            let line = json!({"event": "closed", "requests": requests, "calls": calls, "exit_code": exit.code()});
            terminal::say(line);
        } else {
            terminal::tell(format!(
                "{}, {}: {}",
                units::count(self.seen + self.shown.len(), "request"),
                units::count(calls, "call"),
                if self.failed {
                    "there are complaints"
                } else {
                    "clean"
                }
            ));
        }
        exit
    }
}
