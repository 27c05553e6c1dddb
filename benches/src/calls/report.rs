//! Rounds of runs, and the table that they make.

use crate::load;
use crate::{Kind, Plan};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// So often a run is tried.
const TRIES: usize = 4;
/// A run was disturbed if half of the frames took so long.
const DISTURBED_MICROS: f64 = 3_000.0;

pub(crate) fn run(plan: &Plan) {
    println!(
        "| calls | server | CPU µs | / (c) | / (d) | KiB a call | p50 ms | p99 ms | p99.9 ms |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|--:|--:|");
    for &calls in &plan.calls {
        let rounds: Vec<Vec<load::Result>> = (0..plan.rounds)
            .map(|round| round_of(plan, calls, round))
            .collect();
        for (at, kind) in plan.servers.iter().enumerate() {
            print_row(plan, calls, *kind, at, &rounds);
        }
    }
}

/// Each server once, beginning with another one each time.
fn round_of(plan: &Plan, calls: usize, round: usize) -> Vec<load::Result> {
    let count = plan.servers.len();
    let mut results = vec![None; count];
    for turn in 0..count {
        let at = (turn + round) % count;
        let result = measure_undisturbed(plan, plan.servers[at], calls);
        results[at] = Some(result);
    }
    results.into_iter().flatten().collect()
}

fn print_row(plan: &Plan, calls: usize, kind: Kind, at: usize, rounds: &[Vec<load::Result>]) {
    let of = |value: &dyn Fn(&load::Result) -> f64| {
        median(rounds.iter().map(|round| value(&round[at])).collect())
    };
    let ratio_to = |other: Kind| {
        let base = plan.servers.iter().position(|kind| *kind == other)?;
        let ratios = rounds.iter().map(|round| round[at].cpu / round[base].cpu);
        Some(median(ratios.collect()))
    };
    let ratio = |other| ratio_to(other).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    println!(
        "| {calls} | {} | {:.1} | {} | {} | {:.1} | {:.2} | {:.2} | {:.2} |",
        kind.name(),
        of(&|result| result.cpu) / 1e3,
        ratio(Kind::Bare),
        ratio(Kind::ByHand),
        of(&|result| result.memory),
        of(&|result| result.latency[0]) / 1e3,
        of(&|result| result.latency[1]) / 1e3,
        of(&|result| result.latency[2]) / 1e3,
    );
}

/// Servers that cannot keep up take many messages at once, which is cheap, and the figures say nothing. That may be because
/// the machine was busy with something else: another try.
fn measure_undisturbed(plan: &Plan, kind: Kind, calls: usize) -> load::Result {
    let mut result = measure(plan, kind, calls);
    for _ in 1..TRIES {
        eprintln!("{calls} calls, {}: {result}", kind.name());
        if result.latency[0] < DISTURBED_MICROS {
            break;
        }
        result = measure(plan, kind, calls);
    }
    result
}

fn measure(plan: &Plan, kind: Kind, calls: usize) -> load::Result {
    let mut server = Ended(
        command(&["serve", kind.name(), &plan.workers.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut address = String::new();
    let said = server.0.stdout.take().unwrap();
    BufReader::new(said).read_line(&mut address).unwrap();
    let load = command(&[
        "load",
        kind.name(),
        address.trim(),
        &server.0.id().to_string(),
        &calls.to_string(),
        &plan.window.as_millis().to_string(),
    ]);
    let output = { load }.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("the load on {} failed ({error}): {said}", kind.name())
    })
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words).stdout(Stdio::piped());
    command
}

/// A process that does not outlive its use.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
