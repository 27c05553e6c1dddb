//! Two nodes and one Redis: a call's webhooks go to one node, its audio to the other, and nobody notices. Then a node dies.
//!
//! ```sh
//! cargo run --example two_nodes                                    # starts a Redis of its own
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example two_nodes   # or uses that one
//! ```
//!
//! Each node is a process of its own, as on two machines. Simulated carriers call through a tiny load balancer that sends
//! webhooks to node A and media sockets to node B: the hardest case, and with a real load balancer a common one. Exit code 0
//! only if all held; no number and no account is needed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use house::Usage;
use house::front::{Front, Line, Pass};
use house::node::{LISTENING, Node};
use house::own_redis::{Memory, OwnRedis};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use telephony::media::{MediaEvent, Streamer};
use telephony::redis::{RedisOptions, RedisStore};
use telephony::{
    Answer, BoxError, CallEvent, CallEventKind, CallHandler, CallServer, Calls, CallsOptions,
    EventContext, IncomingCall, Provider, PublicUrl, RejectReason, ServerOptions,
};
use telephony_testkit::{EndedBy, Operation, Script, SimulatedCarrier};

const HELP: &str = "\
usage: two_nodes

Two server processes and one Redis, on this machine: REDIS_URL, or else a redis-server that this starts.";

/// Longer than any step takes, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    house::exit_code(run(&arguments).await)
}

async fn run(arguments: &[String]) -> Result<(), BoxError> {
    match arguments.first().map(String::as_str) {
        None => demo().await,
        Some("--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        // One of the processes that the demonstration starts.
        Some("--node") => node(Wanted::parse(&arguments[1..])?).await,
        Some(other) => Err(Usage(format!("`{other}` is not known")).into()),
    }
}

/// One node: this is all that an app with one machine has to change to run on many.
async fn node(wanted: Wanted) -> Result<(), BoxError> {
    // Before the first line that says that it is up.
    let end = house::end_signal()?;
    let store = Arc::new(RedisStore::connect(wanted.redis).await?);
    let ports = telephony::ports()?;
    let calls = Calls::with(wanted.public, store, ports.clone(), CallsOptions::default());
    let server = CallServer::with(calls, Bot, wanted.server);
    for (provider, base_url) in wanted.carriers {
        server.add_account(house::simulated::account_at(provider, &base_url, &ports)?);
    }
    let (listener, url) = house::free_port().await?;
    println!("{LISTENING}{}", url.trim_start_matches("http://"));
    server.serve(listener, end).await?;
    Ok(())
}

/// Listens, and prints what it sees. The last digit of the called number says what else it does.
#[derive(Debug)]
struct Bot;

#[async_trait::async_trait]
impl CallHandler for Bot {
    async fn on_call(&self, call: IncomingCall) -> Result<Answer, BoxError> {
        if let Some(key) = call.key() {
            println!("call {key}");
        }
        Ok(match call.to().address().chars().last() {
            Some('2') => Answer::reject(RejectReason::Busy),
            Some('3') => Answer::say("Goodbye.").then_hang_up(),
            _ => Answer::stream(),
        })
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let context = stream.context().clone();
        println!("stream {}", context.call_key);
        let is_short = context.to.address().ends_with('1');
        let listening = async {
            while let Some(event) = stream.recv().await {
                if let MediaEvent::Stopped { .. } = event {
                    break;
                }
            }
        };
        let limit = Duration::from_secs(if is_short { 1 } else { 3600 });
        let _ = tokio::time::timeout(limit, listening).await;
        drop(stream);
        let mut ended = context.ended.clone();
        println!("ended {} {}", context.call_key, ended.wait().await);
    }

    async fn on_event(&self, context: EventContext, event: CallEvent) -> Option<Answer> {
        let key = context.call.map(|call| call.key)?;
        match &event.kind {
            CallEventKind::Status(report) => println!("status {key} {}", report.status),
            CallEventKind::GivenUp(reason) => println!("given-up {key} {reason}"),
            _ => {}
        }
        None
    }
}

/// What the command line of a node wants.
struct Wanted {
    public: PublicUrl,
    redis: RedisOptions,
    server: ServerOptions,
    carriers: Vec<(Provider, String)>,
}

impl Wanted {
    /// `NAME PUBLIC REDIS PREFIX`, then `carrier=URL` and `policy=SECONDS`.
    fn parse(arguments: &[String]) -> Result<Self, BoxError> {
        let [name, public, redis, prefix, more @ ..] = arguments else {
            return Err(Usage("a node needs NAME PUBLIC REDIS PREFIX".to_owned()).into());
        };
        let options = RedisOptions::new(redis).with_node_name(name.as_str());
        let mut wanted = Self {
            public: PublicUrl::new(public)?,
            redis: options.with_prefix(prefix.as_str()),
            server: ServerOptions::default(),
            carriers: Vec::new(),
        };
        for setting in more {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            if let Ok(provider) = name.parse::<Provider>() {
                wanted.carriers.push((provider, value.to_owned()));
                continue;
            }
            let value = Duration::try_from_secs_f64(value.parse()?)?;
            let policy = &mut wanted.redis.policy;
            match name {
                "lease" => policy.lease = value,
                "keep-ended" => policy.keep_ended = value,
                "keep-answers" => policy.keep_answers = value,
                "silent-after" => policy.silent_after = value,
                "confirm-after" => policy.confirm_after = value,
                "never-started" => policy.never_started = value,
                "housekeeping" => wanted.server.housekeeping = value,
                "poll" => wanted.redis.poll = value,
                other => return Err(Usage(format!("`{other}` is not known")).into()),
            }
        }
        Ok(wanted)
    }
}

/// The Redis that is named, or one of our own, which lives as long as the second value.
async fn redis() -> Result<(String, Option<OwnRedis>), BoxError> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        return Ok((url, None));
    }
    let own = OwnRedis::start(Memory::Lasting).await?.ok_or(
        "there is no redis-server on this machine: install it, or set REDIS_URL to a Redis or Valkey",
    )?;
    Ok((own.url(), Some(own)))
}

async fn demo() -> Result<(), BoxError> {
    let (redis, own) = redis().await?;
    println!(
        "Redis is {}",
        own.as_ref()
            .map_or("the one of REDIS_URL", |_| "one of our own")
    );
    let stage = Stage::set(&redis).await?;
    println!(
        "node A {}, node B {}; carriers call {}",
        stage.a.address, stage.b.address, stage.front.url
    );
    let done = tokio::select! {
        done = stage.play() => done,
        () = house::end_signal()? => Err("asked to end before the end".into()),
    };
    drop(own);
    done
}

/// Two nodes, the carriers, and the load balancer between them.
struct Stage {
    front: Front,
    carriers: Vec<(Provider, SimulatedCarrier)>,
    a: Node,
    b: Node,
    last_callback: Arc<Mutex<Instant>>,
}

impl Stage {
    async fn set(redis: &str) -> Result<Self, BoxError> {
        let front = Front::start().await?;
        let mut carriers = Vec::new();
        for provider in Provider::ALL {
            let carrier =
                house::simulated::call(provider, &front.url).linger(Duration::from_millis(100));
            carriers.push((provider, carrier.serve().await?));
        }
        let program = std::env::current_exe()?;
        // Other demonstrations may use the same Redis.
        let prefix = format!("two-nodes-{}", std::process::id());
        let start = async |name: &str| {
            let mut arguments = vec!["--node", name, &front.url, redis, &prefix]
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>();
            arguments.extend(
                carriers
                    .iter()
                    .map(|(provider, carrier)| format!("{provider}={}", carrier.base_url())),
            );
            // Nobody wants to wait half a minute for a demonstration.
            arguments.extend(["lease=3", "housekeeping=0.5", "keep-ended=30"].map(str::to_owned));
            Node::start(name, &program, arguments, true).await
        };
        let (a, b) = (start("A").await?, start("B").await?);
        let nodes = [a.address.clone(), b.address.clone()];
        let last_callback = Arc::new(Mutex::new(Instant::now()));
        let came = Arc::clone(&last_callback);
        front.route(move |path| {
            let is_media = path.contains("/media/");
            if !is_media {
                *came.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            }
            Pass::To(nodes[usize::from(is_media)].clone())
        });
        Ok(Self {
            front,
            carriers,
            a,
            b,
            last_callback,
        })
    }

    async fn play(mut self) -> Result<(), BoxError> {
        for (provider, carrier) in &self.carriers {
            println!("\n{provider} calls: webhooks go to A, the audio to B");
            self.call(carrier).await?;
        }
        let twilio = |(provider, _): &&(Provider, _)| *provider == Provider::Twilio;
        let (_, carrier) = self
            .carriers
            .iter()
            .find(twilio)
            .ok_or("there is no carrier")?;
        println!("\nnode B is lost in the middle of a call");
        let (from_a, call) = (self.a.lines(), self.start_call(carrier).await?);
        self.front.media(Line::Dark);
        self.b.kill().await?;
        let killed = Instant::now();
        let outcome = house::within(SOON, async { Ok(call.outcome().await) }).await?;
        let asked = carrier.requests_for(Operation::HangUp).len();
        house::expect(
            outcome.ended_by == EndedBy::App && asked > 0,
            format!(
                "A hung it up through the carrier's API after {:.1} s",
                killed.elapsed().as_secs_f64()
            ),
        )?;
        self.a
            .says(from_a, SOON, |line| {
                line.starts_with("status ") && line.ends_with(" completed")
            })
            .await?;
        println!("\nnode A is asked to end");
        let is_well = self.a.terminate(SOON).await?;
        house::expect(is_well, "A has ended")
    }

    /// A call whose audio flows.
    async fn start_call(
        &self,
        carrier: &SimulatedCarrier,
    ) -> Result<telephony_testkit::RunningCall, BoxError> {
        let from = self.b.lines();
        let script = Script::new().wait_for_hang_up(Duration::from_secs(60));
        let call = carrier.incoming().script(script).start();
        self.b
            .says(from, SOON, |line| line.starts_with("stream "))
            .await?;
        Ok(call)
    }

    /// A whole call: who hangs up is heard at A, and the audio ends at B though nothing is heard there.
    async fn call(&self, carrier: &SimulatedCarrier) -> Result<(), BoxError> {
        let (from_a, from_b) = (self.a.lines(), self.b.lines());
        let call = self.start_call(carrier).await?;
        // So that only the callback can tell.
        self.front.media(Line::Deaf);
        call.handle().hang_up_as(EndedBy::Caller);
        let is_end = |line: &str| line.starts_with("ended ");
        let (gone, ended) = self.b.says(from_b, SOON, is_end).await?;
        let is_status = |line: &str| line.starts_with("status ") && line.ends_with(" completed");
        let (_, status) = self.a.says(from_a, SOON, is_status).await?;
        self.front.media(Line::Good);
        let key = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        let last = self.last_callback.lock();
        let told = *last.unwrap_or_else(PoisonError::into_inner);
        let after = gone.saturating_duration_since(told);
        house::expect(
            ended.ends_with(" call-completed")
                && key(&ended) == key(&status)
                && after < Duration::from_secs(1),
            format!(
                "the caller hung up, which A alone was told; B's stream ended {after:.0?} later"
            ),
        )?;
        let outcome = house::within(SOON, async { Ok(call.outcome().await) }).await?;
        // What the carrier said on the socket did not come through, so that its wait was in vain.
        let ours = |code: &str| code == "socket-left-open";
        let errors: Vec<_> = outcome
            .errors()
            .filter(|error| !ours(&error.code))
            .collect();
        house::expect(
            errors.is_empty(),
            format!("complaints of the carrier: {}", errors.len()),
        )
    }
}
