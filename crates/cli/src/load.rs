//! `telephony load`: many calls at once, in real time.

mod stats;

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use telephony_testkit::{Script, SimulatedCall, Speech};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::exit::{Exit, Result};
use crate::load::stats::Stats;
use crate::options::{AppOptions, CarrierOptions, FailOn, check_reachable};
use crate::signals;
use crate::terminal::{self, Paint};
use crate::units::{self, shown};

/// Makes many calls at once in real time, and measures them
///
/// Set-up, first audio, round trip, gaps, late audio, failures, as percentiles. Each caller speaks for a fifth of each second. The round trip is from there until the caller hears something, so it is
/// that of the line with an app that says back what it hears, and how fast it reacts with others; in steps of 20 ms.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  telephony load --carrier twilio --url http://127.0.0.1:8080/twilio/call --calls 500 --rate 20/s --for 60s")]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    carrier: CarrierOptions,
    #[command(flatten)]
    app: AppOptions,
    /// How many calls
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls: u32,
    /// How many begin in a second (20/s) or a minute (600/m)
    #[arg(long, default_value = "1/s", value_parser = units::rate)]
    rate: f64,
    /// How long each caller stays
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    length: Duration,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value = "warning")]
    fail_on: FailOn,
}

/// What a caller says in each second.
const BURST: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(800);
const HZ: f64 = 440.0;
/// For everything around the conversation.
const AROUND: Duration = Duration::from_secs(40);
/// How often progress is shown: on a terminal, and elsewhere.
const REFRESH: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];
const BAR: usize = 30;

pub(crate) async fn run(args: LoadArgs) -> Result<Exit> {
    let provider = args.carrier.carrier;
    let secrets = args.carrier.secrets()?;
    let call = args
        .app
        .more
        .call(provider, &secrets, &args.app.url)?
        .script(script(args.length))
        .deadline(args.length + AROUND)
        .lean();
    check_reachable(&args.app.url).await?;
    let begun = Instant::now();
    let (stats, most_at_once) = make(&args, &call).await?;
    let took = begun.elapsed();
    let exit = stats.exit(args.fail_on.into());
    if args.json {
        let mut value = stats.json(exit);
        value["carrier"] = json!(provider);
        value["took_ms"] = json!(took.as_millis() as u64);
        value["most_at_once"] = json!(most_at_once);
        terminal::say(format!("{value:#}"));
        return Ok(exit);
    }
    terminal::say(format!(
        "load           {provider}, {most_at_once} calls at once, in {}",
        shown(took)
    ));
    for line in stats.lines(Paint::stdout()) {
        terminal::say(line);
    }
    Ok(exit)
}

/// Bursts for as long as the caller stays.
fn script(length: Duration) -> Script {
    let mut script = Script::new().wait_for_listener(Duration::from_secs(10));
    let mut left = length;
    while left >= BURST + PAUSE {
        script = script.speak_now(Speech::tone(HZ, BURST)).silence(PAUSE);
        left -= BURST + PAUSE;
    }
    script.silence(left).hang_up()
}

async fn make(args: &LoadArgs, call: &SimulatedCall) -> Result<(Stats, usize)> {
    let mut stats = Stats::default();
    let mut running = JoinSet::new();
    let mut most_at_once = 0;
    let mut begun = 0;
    let mut end = std::pin::pin!(signals::end()?);
    let mut starts =
        interval(Duration::from_secs_f64(1.0 / args.rate).max(Duration::from_micros(100)));
    starts.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let is_terminal = std::io::stderr().is_terminal();
    let mut glance = interval(REFRESH[usize::from(!is_terminal)]);
    glance.set_missed_tick_behavior(MissedTickBehavior::Skip);
    glance.reset();
    while begun < args.calls || !running.is_empty() {
        tokio::select! {
            _ = starts.tick(), if begun < args.calls => {
                begun += 1;
                running.spawn(call.clone().call());
                most_at_once = most_at_once.max(running.len());
            }
            Some(done) = running.join_next() => {
                if let Ok(outcome) = done {
                    stats.add(&outcome);
                }
            }
            _ = glance.tick() => {
                if !args.quiet {
                    show(&stats, args.calls, begun, running.len(), is_terminal);
                }
            }
            () = &mut end => break,
        }
    }
    terminal::status("");
    Ok((stats, most_at_once))
}

fn show(stats: &Stats, wanted: u32, begun: u32, live: usize, is_terminal: bool) {
    let filled = (BAR * stats.calls / wanted.max(1) as usize).min(BAR);
    let line = format!(
        "{}{} {begun} of {wanted} begun, {live} live, {} over, {} with errors",
        "█".repeat(filled),
        "░".repeat(BAR - filled),
        stats.calls,
        stats.failed
    );
    if is_terminal {
        terminal::status(&line);
    } else {
        terminal::tell(line);
    }
}
