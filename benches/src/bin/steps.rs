//! Repeats one way of handling 20 ms, for a profiler: `steps receive ours twilio 16000 100000`.
//!
//! Instructions of one step are the difference of two runs divided by the difference of their lengths:
//! `valgrind --tool=callgrind --toggle-collect='*::repeat' steps …`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to a person"
)]

use std::process::ExitCode;
use telephony::audio::SampleRate;
use telephony_benches::{Carrier, Step, bare, obvious, ours};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((mut step, times)) = parse(&words) else {
        eprintln!("steps receive|send ours|deaf|bare|obvious twilio|vonage|exotel HZ TIMES");
        return ExitCode::FAILURE;
    };
    // What is made when first needed is not what a frame costs.
    repeat(&mut step, 1_000);
    println!("{} bytes", repeat(&mut step, times));
    ExitCode::SUCCESS
}

fn parse(words: &[String]) -> Option<(Step, u64)> {
    let [direction, way, carrier, hz, times] = words else {
        return None;
    };
    let make = match (direction.as_str(), way.as_str()) {
        ("receive", "ours") => ours::receiver,
        ("receive", "deaf") => ours::deaf_receiver,
        ("receive", "bare") => bare::receiver,
        ("receive", "obvious") => obvious::receiver,
        ("send", "ours") => ours::sender,
        ("send", "bare") => bare::sender,
        ("send", "obvious") => obvious::sender,
        _ => return None,
    };
    let is_it = |it: &Carrier| it.name().eq_ignore_ascii_case(carrier);
    let carrier = Carrier::ALL.into_iter().find(is_it)?;
    let rate = SampleRate::new(hz.parse().ok()?)?;
    Some((make(carrier, rate), times.parse().ok()?))
}

#[inline(never)]
fn repeat(step: &mut Step, times: u64) -> usize {
    (0..times).map(|_| step()).sum()
}
