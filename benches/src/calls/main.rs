//! What whole servers cost: many calls at 50 frames a second each way, over real sockets on loopback.
//!
//! ```sh
//! cargo run --release -p telephony-benches            # all of it, some ten minutes
//! cargo run --release -p telephony-benches -- --calls 100 --rounds 3 --seconds 2
//! ```
//!
//! Each server and the load are processes of their own, so that the kernel counts what the server takes. The servers take
//! turns within a round; what is printed are medians over the rounds, and ratios are taken within a round.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to a person, and may as well stop when it fails"
)]

mod load;
mod proc;
mod report;
mod serve;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// A server to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sends each message back as it is.
    Bare,
    /// JSON, base64 and pacing by hand, in one task for each call.
    ByHand,
    /// The library, doing no more than that: the carrier's format, no voice detector.
    Passing,
    /// The library with its defaults: PCM16, a voice detector.
    Defaults,
    /// The same at 16 kHz both ways.
    Wideband,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Bare,
        Self::ByHand,
        Self::Passing,
        Self::Defaults,
        Self::Wideband,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::ByHand => "by-hand",
            Self::Passing => "passing",
            Self::Defaults => "defaults",
            Self::Wideband => "wideband",
        }
    }

    fn parse(name: &str) -> Self {
        let is_it = |kind: &Self| kind.name() == name;
        Self::ALL
            .into_iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no server {name}"))
    }

    /// Whether calls begin with a webhook.
    fn is_whole(self) -> bool {
        !matches!(self, Self::Bare | Self::ByHand)
    }
}

/// What to run.
#[derive(Debug, Clone)]
struct Plan {
    servers: Vec<Kind>,
    calls: Vec<usize>,
    rounds: usize,
    /// How long is measured.
    window: Duration,
    /// Threads of the server's runtime.
    workers: usize,
}

impl Plan {
    fn parse(words: &[String]) -> Option<Self> {
        let mut plan = Self {
            servers: Kind::ALL.to_vec(),
            calls: vec![100, 500, 1_000],
            rounds: 5,
            window: Duration::from_secs(4),
            workers: 2,
        };
        for pair in words.chunks(2) {
            let [option, value] = pair else {
                return None;
            };
            match option.as_str() {
                "--servers" => plan.servers = value.split(',').map(Kind::parse).collect(),
                "--calls" => {
                    let calls = value.split(',').map(|number| number.parse().ok());
                    plan.calls = calls.collect::<Option<_>>()?;
                }
                "--rounds" => plan.rounds = value.parse().ok()?,
                "--seconds" => plan.window = Duration::from_secs(value.parse().ok()?),
                "--workers" => plan.workers = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(plan)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = words.iter().map(String::as_str).collect();
    match rest[..] {
        ["serve", kind, workers] => serve::run(Kind::parse(kind), workers.parse().unwrap()),
        ["load", kind, address, server, calls, ms] => {
            let address: SocketAddr = address.parse().unwrap();
            let window = Duration::from_millis(ms.parse().unwrap());
            let (server, calls) = (server.parse().unwrap(), calls.parse().unwrap());
            println!(
                "{}",
                load::run(Kind::parse(kind), address, server, calls, window)
            );
        }
        _ => {
            let Some(plan) = Plan::parse(&words) else {
                eprintln!(
                    "calls [--servers {}] [--calls 100,500,1000] [--rounds 5] [--seconds 4] [--workers 2]",
                    Kind::ALL.map(Kind::name).join(",")
                );
                return ExitCode::FAILURE;
            };
            report::run(&plan);
        }
    }
    ExitCode::SUCCESS
}
