//! What 20 ms of audio cost, each way, on each carrier: `cargo bench -p telephony-benches`.
//!
//! Criterion measures; a table of medians and ratios comes at the end.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark talks to a person"
)]

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;
use telephony::audio::{Resampler, SampleRate};
use telephony_benches::{Carrier, Step, bare, obvious, ours, pcm16};

const RATES: [SampleRate; 3] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
];

type Make = fn(Carrier, SampleRate) -> Step;

/// Ways of doing the same; ratios are to the first of those beside it.
const RECEIVE: &[(&str, Make)] = &[
    ("bare", bare::receiver),
    ("ours", ours::receiver),
    ("deaf", ours::deaf_receiver),
    ("obvious", obvious::receiver),
];
const SEND: &[(&str, Make)] = &[
    ("bare", bare::sender),
    ("ours", ours::sender),
    ("obvious", obvious::sender),
];

/// The time that this thread had the processor, so that what else the machine does counts less.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, time: &Duration) -> f64 {
        time.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn main() {
    let results = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("frames");
    let mut criterion = Criterion::default()
        .with_measurement(ThreadTime)
        .output_directory(&results)
        .without_plots()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .configure_from_args();
    for (direction, ways) in [("receive", RECEIVE), ("send", SEND)] {
        for carrier in Carrier::ALL {
            for rate in RATES {
                // Side by side, so that a busy machine is busy for all of them.
                let mut group = criterion.benchmark_group(group(direction, carrier, rate));
                for (way, make) in ways {
                    let mut step = make(carrier, rate);
                    group.bench_function(*way, |bencher| bencher.iter(&mut step));
                }
                group.finish();
            }
        }
    }
    filters(&mut criterion);
    criterion.final_summary();
    print_tables(&results);
}

fn group(direction: &str, carrier: Carrier, rate: SampleRate) -> String {
    format!("{direction}-{}-{}", carrier.name(), rate.hz())
}

/// The filter alone, from 8 to 16 kHz.
fn filters(criterion: &mut Criterion<ThreadTime>) {
    let (from, to) = (SampleRate::HZ_8000, SampleRate::HZ_16000);
    let samples = vec![1_000_i16; 160];
    let mut out = Vec::with_capacity(320);
    let mut group = criterion.benchmark_group("filter");
    let mut plain = bare::PlainFir::new();
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            out.clear();
            plain.process(black_box(&samples), &mut out);
            black_box(&out).len()
        });
    });
    let mut resampler = Resampler::new(from, to).unwrap();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            out.clear();
            resampler.process(black_box(&samples), &mut out);
            black_box(&out).len()
        });
    });
    let mut fft = obvious::resampler(pcm16(from), pcm16(to));
    group.bench_function("fft", |bencher| {
        bencher.iter(|| obvious::resample(&mut fft, black_box(samples.clone())).len());
    });
    group.finish();
}

fn print_tables(results: &Path) {
    let ns = |group: &str, way: &str| median(results, group, way).unwrap_or(f64::NAN);
    println!(
        "\nMedian ns of processor time for 20 ms of audio; (a) is the bare minimum, (b) the obvious way.\n"
    );
    println!(
        "| wire to PCM16 | (a) | ours | no voice | (b) | ours / (a) | no voice / (a) | (b) / ours |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for carrier in Carrier::ALL {
        for rate in RATES {
            let group = group("receive", carrier, rate);
            let [bare, ours, deaf, obvious] =
                ["bare", "ours", "deaf", "obvious"].map(|way| ns(&group, way));
            println!(
                "| {}, {} kHz | {bare:.0} | {ours:.0} | {deaf:.0} | {obvious:.0} | {:.2} | {:.2} | {:.2} |",
                carrier.name(),
                rate.hz() / 1_000,
                ours / bare,
                deaf / bare,
                obvious / ours,
            );
        }
    }
    println!("\n| PCM16 to wire | (a) | ours | (b) | ours / (a) | (b) / ours |");
    println!("|---|--:|--:|--:|--:|--:|");
    for carrier in Carrier::ALL {
        for rate in RATES {
            let group = group("send", carrier, rate);
            let [bare, ours, obvious] = ["bare", "ours", "obvious"].map(|way| ns(&group, way));
            println!(
                "| {}, {} kHz | {bare:.0} | {ours:.0} | {obvious:.0} | {:.2} | {:.2} |",
                carrier.name(),
                rate.hz() / 1_000,
                ours / bare,
                obvious / ours,
            );
        }
    }
    let [plain, ours, fft] = ["plain", "ours", "fft"].map(|way| ns("filter", way));
    println!("\n| filter alone, 8 to 16 kHz | ns | / ours |\n|---|--:|--:|");
    println!("| ours | {ours:.0} | 1.00 |");
    println!(
        "| the same length as a plain loop | {plain:.0} | {:.2} |",
        plain / ours
    );
    println!("| FFT resampler | {fft:.0} | {:.2} |", fft / ours);
}

/// What criterion found; none if it was not asked to measure.
fn median(results: &Path, group: &str, way: &str) -> Option<f64> {
    let path = results.join(group).join(way).join("new/estimates.json");
    let estimates = std::fs::read(path).ok()?;
    let estimates: serde_json::Value = serde_json::from_slice(&estimates).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
