//! Calls a number, with whichever carrier: prints what happens to the call until it is over. Whoever answers hears two beeps
//! and then themselves.
//!
//! ```sh
//! cargo run --example outbound -- --demo                  # a simulated carrier for each; no number, no account
//!
//! export TELEPHONY_PUBLIC_URL=https://voice.example.com   # where carriers reach this server, without a trailing slash
//! export TWILIO_ACCOUNT_SID=AC… TWILIO_AUTH_TOKEN=…       # or another carrier's; TWILIO_BASE_URL for another host
//! cargo run --example outbound -- --carrier twilio --to +14155550199 --from +14155550100
//! ```
//!
//! It listens on `TELEPHONY_LISTEN` (default 127.0.0.1:8080). Exit code 0 only if the call was answered. Ctrl-C hangs up.
#![allow(clippy::print_stdout, reason = "an example talks to a person")]

use bytes::Bytes;
use house::Usage;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telephony::audio::tone::tone;
use telephony::audio::{AudioFormat, encode};
use telephony::media::{MediaEvent, Streamer};
use telephony::{
    AccountLabel, Answer, BoxError, CallEvent, CallHandler, CallKey, CallRecord, CallServer,
    CallStatus, Calls, CallsOptions, ErrorKind, EventContext, IncomingCall, MemoryStore,
    OutboundCall, Party, Provider, PublicUrl, ServerOptions,
};
use telephony_testkit::{OnDial, Script, Speech};

const HELP: &str = "\
usage: outbound --carrier NAME --to NUMBER --from NUMBER [--ring SECONDS] [--hang-up-after SECONDS]
       outbound --demo

  --carrier NAME           twilio, vonage or exotel; its variables must be set
  --to NUMBER              who is called: +14155550199
  --from NUMBER            our number that is shown
  --ring SECONDS           how long it rings at most (default: the carrier's)
  --hang-up-after SECONDS  how long the call lasts at most (default 60)
  --demo                   a call on every carrier, simulated on this machine";

/// How long the carrier's last word may take after the call should be over.
const LAST_WORD: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    house::exit_code(run(&arguments).await)
}

async fn run(arguments: &[String]) -> Result<(), BoxError> {
    match arguments {
        [one] if one == "--help" || one == "-h" => {
            println!("{HELP}");
            Ok(())
        }
        [one] if one == "--demo" => demo().await,
        _ => call(Wanted::parse(arguments)?).await,
    }
}

/// What the command line wants.
struct Wanted {
    carrier: String,
    to: Party,
    from: Party,
    ring: Option<Duration>,
    limit: Duration,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Self, Usage> {
        let missing = |name: &str| Usage(format!("`{name}` is missing"));
        let (mut carrier, mut to, mut from) = (None, None, None);
        let (mut ring, mut limit) = (None, Duration::from_secs(60));
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = || Usage(format!("`{name}` needs a value"));
            let value = rest.next().ok_or_else(value)?;
            match name.as_str() {
                "--carrier" => carrier = Some(value.clone()),
                "--to" => to = Some(number(name, value)?),
                "--from" => from = Some(number(name, value)?),
                "--ring" => ring = Some(seconds(name, value)?),
                "--hang-up-after" => limit = seconds(name, value)?,
                _ => return Err(Usage(format!("`{name}` is not known"))),
            }
        }
        Ok(Self {
            carrier: carrier.ok_or_else(|| missing("--carrier"))?,
            to: to.ok_or_else(|| missing("--to"))?,
            from: from.ok_or_else(|| missing("--from"))?,
            ring,
            limit,
        })
    }

    fn call(self) -> OutboundCall {
        let call = OutboundCall::new(self.to, self.from, Answer::stream());
        let call = call.with_max_duration(self.limit);
        match self.ring {
            Some(ring) => call.with_ring_timeout(ring),
            None => call,
        }
    }
}

fn number(name: &str, value: &str) -> Result<Party, Usage> {
    match Party::parse(value) {
        party @ (Party::Number(_) | Party::LocalNumber(_) | Party::Sip(_)) => Ok(party),
        _ => Err(Usage(format!(
            "`{name}` needs a number such as +14155550199"
        ))),
    }
}

fn seconds(name: &str, value: &str) -> Result<Duration, Usage> {
    let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
    let wrong = || Usage(format!("`{name}` needs whole seconds, at least 1"));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// Calls a real number, or whatever is at the carrier's host.
async fn call(wanted: Wanted) -> Result<(), BoxError> {
    let public = std::env::var("TELEPHONY_PUBLIC_URL").map_err(
        |_| "set TELEPHONY_PUBLIC_URL to the https URL under which carriers reach this server",
    )?;
    let listen = std::env::var("TELEPHONY_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let carrier = wanted.carrier.to_lowercase();
    telephony::registry()?.get(&carrier)?;
    let ports = telephony::ports()?;
    let accounts = telephony::from_env(&ports)?;
    let account = accounts
        .into_iter()
        .find(|account| account.provider().as_str() == carrier)
        .ok_or_else(|| format!("{carrier} is off: its variables are not set"))?;

    let store = Arc::new(MemoryStore::default());
    let calls = Calls::with(
        PublicUrl::new(&public)?,
        store,
        ports,
        CallsOptions::default(),
    );
    let label = account.account().clone();
    calls.add_account(account);
    let server = CallServer::with(calls.clone(), App::new(), ServerOptions::default());
    let listener = tokio::net::TcpListener::bind(&listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        tokio::spawn(async move { server.serve(listener, async { drop(stopped.await) }).await });
    let result = follow(&calls, &label, wanted.call()).await;
    drop(stop);
    serving.await??;
    match result? {
        true => Ok(()),
        false => Err("the call was not answered".into()),
    }
}

/// Places the call and waits for its end. Whether it was answered.
async fn follow(
    calls: &Calls,
    account: &AccountLabel,
    call: OutboundCall,
) -> Result<bool, BoxError> {
    let limit = call.max_duration.unwrap_or(Duration::from_secs(60));
    let ring = call.ring_timeout.unwrap_or(Duration::from_secs(120));
    let placed = calls.place(account, call).await?;
    println!("{account}: taken by the carrier, status {}", placed.status);
    let deadline = Instant::now() + ring + limit + LAST_WORD;
    let record = tokio::select! {
        record = wait_for_end(calls, &placed.key, deadline) => record?,
        () = house::end_signal()? => {
            println!("{account}: hanging up");
            match calls.hang_up(&placed.key).await {
                // Exotel ends no call that has no stream yet.
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    println!("{account}: cannot be hung up while it rings: it rings on");
                }
                result => result?,
            }
            calls.find(&placed.key).await?
        }
    };
    let answered = record
        .history
        .iter()
        .any(|(_, status)| *status == CallStatus::InProgress);
    let how = if answered { "answered" } else { "not answered" };
    println!("{account}: over, {how}, status {}", record.status);
    Ok(answered)
}

/// The carrier's callback tells the end; if that is lost, the carrier is asked.
async fn wait_for_end(
    calls: &Calls,
    key: &CallKey,
    deadline: Instant,
) -> Result<CallRecord, BoxError> {
    loop {
        match calls.wait_for_end(key, LAST_WORD).await {
            Ok(_) => return Ok(calls.find(key).await?),
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => return Err(error.into()),
        }
        let known = calls.fetch_call(key).await.ok();
        if let Some(status) = known.and_then(|call| call.status)
            && status.is_terminal()
        {
            calls.store().update_status(key, status).await?;
        } else if Instant::now() > deadline {
            return Err("the carrier does not tell that the call is over".into());
        }
    }
}

/// Prints what happens; beeps, then says back what it hears.
#[derive(Debug)]
struct App {
    began: Instant,
}

impl App {
    fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    fn say(&self, account: &AccountLabel, what: &str) {
        let at = self.began.elapsed().as_secs_f64();
        println!("{account}: {at:6.2} s  {what}");
    }
}

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::hang_up()) // Nobody is to call us.
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let account = stream.context().account.clone();
        self.say(&account, "the stream is up");
        let beeps = beeps(stream.context().outbound);
        let mut fine = stream.send(beeps).await.is_ok() && stream.finish().await.is_ok();
        while let Some(event) = stream.recv().await {
            match event {
                MediaEvent::Audio(frame) if fine => {
                    fine = stream.send(frame.payload).await.is_ok();
                }
                MediaEvent::Stopped { reason } => {
                    self.say(&account, &format!("the stream is over: {reason}"));
                }
                _ => {}
            }
        }
    }

    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        let what = match event.status() {
            Some(status) => format!("status {status}"),
            None => event.name().to_owned(),
        };
        self.say(&context.account, &what);
        None
    }
}

fn beeps(format: AudioFormat) -> Bytes {
    let mut audio = Vec::new();
    for _ in 0..2 {
        let mut samples = tone(format.rate, 880.0, Duration::from_millis(150), 0.3);
        samples.resize(samples.len() * 2, 0);
        encode(format.encoding, &samples, &mut audio);
    }
    audio.into()
}

/// A call on every carrier, simulated on this machine: somebody answers, listens and hangs up.
async fn demo() -> Result<(), BoxError> {
    let (listener, url) = house::free_port().await?;
    let ports = telephony::ports()?;
    let store = Arc::new(MemoryStore::default());
    let calls = Calls::with(
        PublicUrl::new(&url)?,
        store,
        ports.clone(),
        CallsOptions::default(),
    );
    let server = CallServer::with(calls.clone(), App::new(), ServerOptions::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        tokio::spawn(async move { server.serve(listener, async { drop(stopped.await) }).await });
    for provider in Provider::ALL {
        let script = Script::new()
            .wait_for_audio(Duration::from_secs(5))
            .silence(Duration::from_millis(600))
            .speak(Speech::tone(440.0, Duration::from_millis(500)))
            .silence(Duration::from_millis(500))
            .hang_up();
        let after = Duration::from_millis(300);
        let carrier = house::simulated::call(provider, &url)
            .on_dial(OnDial::Answer { after })
            .script(script)
            .serve()
            .await?;
        let account = house::simulated::account_at(provider, carrier.base_url(), &ports)?;
        let label = account.account().clone();
        calls.add_account(account);
        let (to, from) = house::simulated::parties(provider);
        let call = OutboundCall::new(to, from, Answer::stream());
        let answered = follow(&calls, &label, call).await?;
        house::expect(answered, format_args!("{provider}: answered"))?;
        if let Some(finding) = carrier.complaints().first() {
            return Err(format!("{provider} complains: {finding:?}").into());
        }
    }
    drop(stop);
    serving.await??;
    Ok(())
}
