//! Calls coming and going for as long as you like, at the highest rate that this machine carries: does anything grow, or stay
//! behind?
//!
//! ```sh
//! cargo run --release --example soak -- --minutes 10
//! cargo run --release --example soak -- --minutes 3 --redis own        # a redis-server of its own
//! ```
//!
//! The server is a process of its own, so that its memory is nobody else's. Simulated carriers call it: signed webhooks, a
//! media socket, audio there and back, and the caller hangs up, or our side does. Exit code 1 if memory grows, calls fail, or
//! a stream, a task or a remembered call is left at the end.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

mod figures;
mod load;
mod server;

use figures::{RedisFigures, Samples};
use house::Usage;
use house::node::Node;
use house::own_redis::{Memory, OwnRedis};
use load::{Load, Window};
use server::{KEEP, PREFIX, Stats};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use telephony::BoxError;

const HELP: &str = "\
usage: soak [--minutes N] [--rate N] [--redis URL]

  --minutes N   how long calls come and go (default 10)
  --rate N      how many begin in a second (default: the most that this machine carries, which is found out first)
  --redis URL   remember them there; `own` starts a redis-server (default: in the server's memory)";

/// How often it is looked at how things go.
const WINDOW: Duration = Duration::from_secs(5);
/// The last calls may take that long to end.
const LAST_CALLS: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    house::log();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    house::exit_code(run(&arguments).await)
}

async fn run(arguments: &[String]) -> Result<(), BoxError> {
    match arguments.first().map(String::as_str) {
        Some("--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        Some("--server") => server::run(&arguments[1..]).await,
        _ => soak(Wanted::parse(arguments)?).await,
    }
}

struct Wanted {
    time: Duration,
    rate: Option<f64>,
    redis: Option<String>,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Result<Self, Usage> {
        let mut wanted = Self {
            time: Duration::from_secs(600),
            rate: None,
            redis: None,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest
                .next()
                .ok_or_else(|| Usage(format!("`{name}` needs a value")))?;
            let number = || {
                let number = value.parse::<f64>().ok();
                let number = number.filter(|number| *number > 0.0 && *number < 1e6);
                number.ok_or_else(|| Usage(format!("`{name}` needs a number above 0")))
            };
            match name.as_str() {
                "--minutes" => wanted.time = Duration::from_secs_f64(number()? * 60.0),
                "--rate" => wanted.rate = Some(number()?),
                "--redis" => wanted.redis = Some(value.clone()),
                _ => return Err(Usage(format!("`{name}` is not known"))),
            }
        }
        Ok(wanted)
    }
}

async fn soak(wanted: Wanted) -> Result<(), BoxError> {
    let own = match wanted.redis.as_deref() {
        Some("own") => {
            let own = OwnRedis::start(Memory::Fleeting).await?;
            Some(own.ok_or("there is no redis-server on this machine")?)
        }
        _ => None,
    };
    let redis = own.as_ref().map(OwnRedis::url).or(wanted.redis);
    let mut load = Load::start().await?;
    let place = if redis.is_some() {
        "in Redis"
    } else {
        "in memory"
    };
    println!("calls are remembered {place}");
    let rate = match wanted.rate {
        Some(rate) => rate,
        // With a server of its own: the memory that it had at its worst would hide what grows later.
        None => {
            let mut node = server::start(&load, redis.as_deref()).await?;
            let rate = find_rate(&mut load, &node).await?;
            settle(&mut load, &node, redis.as_deref()).await?;
            node.terminate(LAST_CALLS).await?;
            rate
        }
    };
    let may_fall = wanted.rate.is_none();
    let measured = Measured::take(&mut load, rate, wanted.time, may_fall, redis.as_deref()).await?;
    measured.print(&load);
    let faults = measured.faults();
    if !faults.is_empty() {
        return Err(faults.join("; ").into());
    }
    println!("nothing grows, nothing is left");
    Ok(())
}

/// What came of it.
struct Measured {
    took: Duration,
    samples: Samples,
    /// The server's processor time.
    cpu: Duration,
    calls: usize,
    failed: usize,
    /// How the server was before and after.
    idle: Stats,
    last: Stats,
    /// What is left in Redis.
    keys: usize,
    redis: Option<String>,
    is_well: bool,
}

impl Measured {
    async fn take(
        load: &mut Load,
        mut rate: f64,
        time: Duration,
        may_fall: bool,
        redis: Option<&str>,
    ) -> Result<Self, BoxError> {
        let mut node = server::start(load, redis).await?;
        let (idle, _) = settle(load, &node, redis).await?;
        println!(
            "{rate:.0} calls a second for {:.1} minutes",
            time.as_secs_f64() / 60.0
        );
        let before = RedisFigures::take(redis).await?;
        load.forget_figures();
        let (began, mut samples) = (Instant::now(), Samples::default());
        while began.elapsed() < time {
            let window = load.run(rate, WINDOW.min(time - began.elapsed())).await;
            let stats = Stats::of(&node)?;
            samples.add(began.elapsed(), &stats);
            print(began.elapsed(), rate, &window, &stats);
            if may_fall && !window.is_fine() {
                rate *= 0.95; // The machine has less to give than it had.
            }
        }
        let took = began.elapsed();
        let cpu = Stats::of(&node)?.cpu.saturating_sub(idle.cpu);
        let after = RedisFigures::take(redis).await?;
        let (last, keys) = settle(load, &node, redis).await?;
        let (calls, failed) = load.totals();
        let redis = before
            .zip(after)
            .map(|(before, after)| after.since(&before, calls));
        Ok(Self {
            took,
            samples,
            cpu,
            calls,
            failed,
            idle,
            last,
            keys,
            redis,
            is_well: node.terminate(LAST_CALLS).await?,
        })
    }

    fn print(&self, load: &Load) {
        let Self {
            calls,
            failed,
            last,
            samples,
            keys,
            ..
        } = self;
        let (took, cpu, all) = (
            self.took.as_secs_f64(),
            self.cpu.as_secs_f64(),
            *calls as f64,
        );
        println!(
            "\ncalls: {calls} in {took:.0} s, {:.1} a second; failed: {failed}",
            all / took
        );
        println!("webhooks: {}", load.latencies());
        let (each, cores) = (cpu * 1e3 / all, cpu / took);
        println!("the server's processor time: {each:.1} ms a call, {cores:.2} cores");
        let (mean, peak) = (samples.mean_streams(), samples.peak_streams());
        println!("live streams at once: {mean:.0} on average, {peak} at most");
        println!("resident memory: {}", samples.memory());
        let (streams, tasks, before) = (last.streams, last.tasks, self.idle.tasks);
        println!(
            "after it: {streams} live streams, {tasks} tasks ({before} before), {} calls, {keys} keys in Redis",
            last.calls
        );
        if let Some(redis) = &self.redis {
            println!("Redis: {redis}");
        }
    }

    fn faults(&self) -> Vec<&'static str> {
        let Self { last, idle, .. } = self;
        let faults = [
            (self.samples.has_grown(), "memory grows"),
            (self.failed > 0, "calls failed"),
            (last.streams > 0, "streams are left"),
            (last.tasks > idle.tasks + 2, "tasks are left"),
            (
                last.calls > 0 || self.keys > 0,
                "calls are left in the store",
            ),
            (!self.is_well, "the server did not end well"),
        ];
        let real = faults.into_iter().filter(|(is_real, _)| *is_real);
        real.map(|(_, fault)| fault).collect()
    }
}

/// Raises the rate until the machine cannot follow, and goes back a little.
async fn find_rate(load: &mut Load, node: &Node) -> Result<f64, BoxError> {
    println!("how many calls a second does this machine carry?");
    let (began, mut rate) = (Instant::now(), 20.0);
    loop {
        // Calls of the rate before are still there in the first half.
        load.run(rate, WINDOW / 2).await;
        let window = load.run(rate, WINDOW).await;
        print(began.elapsed(), rate, &window, &Stats::of(node)?);
        if !window.is_fine() {
            return Ok(rate / 1.25 * 0.9);
        }
        rate *= 1.25;
    }
}

/// Waits until all calls are over and forgotten: what the server is like then, and how many keys are left in Redis.
async fn settle(
    load: &mut Load,
    node: &Node,
    redis: Option<&str>,
) -> Result<(Stats, usize), BoxError> {
    load.drain(LAST_CALLS).await;
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let stats = Stats::of(node)?;
        let keys = match redis {
            Some(url) => house::own_redis::left(url, PREFIX).await?.len(),
            None => 0,
        };
        let is_empty = stats.streams == 0 && stats.calls == 0 && keys == 0;
        if is_empty || began.elapsed() > KEEP * 3 {
            return Ok((stats, keys));
        }
    }
}

fn print(at: Duration, rate: f64, window: &Window, stats: &Stats) {
    println!(
        "{:>5.0} s  {rate:>4.0}/s  {window}  {:>5} streams  {:>5.1} MiB  {:>5} tasks  {:>6} remembered",
        at.as_secs_f64(),
        stats.streams,
        stats.mebibytes(),
        stats.tasks,
        stats.calls,
    );
}
