//! What was measured, and what follows from it.

use crate::server::Stats;
use house::own_redis::{ask, keys};
use std::fmt;
use std::time::Duration;
use telephony::BoxError;

/// How long webhooks took: counts of half milliseconds, so that hours of them take no more room.
pub(crate) struct Latencies {
    counts: Vec<u32>,
    longest: Duration,
}

const STEP_MICROS: u128 = 500;
const STEPS: usize = 20_000;

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; STEPS],
            longest: Duration::ZERO,
        }
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        let step = usize::try_from(latency.as_micros() / STEP_MICROS).unwrap_or(STEPS);
        self.counts[step.min(STEPS - 1)] += 1;
        self.longest = self.longest.max(latency);
    }

    /// That share of them took no longer.
    pub(crate) fn share(&self, share: f64) -> Duration {
        let all: u32 = self.counts.iter().sum();
        let wanted = f64::from(all) * share;
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if f64::from(seen) >= wanted {
                return Duration::from_micros(500) * u32::try_from(step + 1).unwrap_or(u32::MAX);
            }
        }
        self.longest
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (half, most) = (ms(self.share(0.5)), ms(self.share(0.95)));
        write!(
            f,
            "half in {half:.1} ms, 95% in {most:.1} ms, the slowest {:.0} ms",
            ms(self.longest)
        )
    }
}

/// The server's memory and streams over time.
#[derive(Default)]
pub(crate) struct Samples {
    /// Seconds, MiB.
    memory: Vec<(f64, f64)>,
    streams: Vec<usize>,
}

impl Samples {
    pub(crate) fn add(&mut self, at: Duration, stats: &Stats) {
        self.memory.push((at.as_secs_f64(), stats.mebibytes()));
        self.streams.push(stats.streams);
    }

    pub(crate) fn mean_streams(&self) -> f64 {
        self.streams.iter().sum::<usize>() as f64 / self.streams.len().max(1) as f64
    }

    pub(crate) fn peak_streams(&self) -> usize {
        self.streams.iter().copied().max().unwrap_or_default()
    }

    /// Without the first quarter, in which caches and pools fill.
    fn settled(&self) -> &[(f64, f64)] {
        &self.memory[self.memory.len() / 4..]
    }

    /// MiB a minute, by least squares.
    fn slope(&self) -> f64 {
        let samples = self.settled();
        let count = samples.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
        let (middle, mean) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let (mut both, mut alone) = (0.0, 0.0);
        for (at, size) in samples {
            both += (at - middle) * (size - mean);
            alone += (at - middle).powi(2);
        }
        if alone > 0.0 {
            both / alone * 60.0
        } else {
            0.0
        }
    }

    /// By more than a tenth and 4 MiB in the time that was measured, as the line through it goes.
    pub(crate) fn has_grown(&self) -> bool {
        let samples = self.settled();
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return false;
        };
        let growth = self.slope() * (last.0 - first.0) / 60.0;
        let mean = samples.iter().map(|sample| sample.1).sum::<f64>() / samples.len() as f64;
        growth > 4.0 && growth > mean / 10.0
    }

    pub(crate) fn memory(&self) -> String {
        let peak = self
            .memory
            .iter()
            .map(|sample| sample.1)
            .fold(0.0, f64::max);
        let (first, last) = (self.settled().first(), self.settled().last());
        let (first, last) = (first.map_or(0.0, |s| s.1), last.map_or(0.0, |s| s.1));
        format!(
            "{peak:.1} MiB at most; after the first quarter {first:.1} MiB, at the end {last:.1} MiB: {:+.2} MiB a minute",
            self.slope()
        )
    }
}

/// What Redis has done so far.
pub(crate) struct RedisFigures {
    commands: f64,
    /// In scripts, each counted once.
    scripts: f64,
    micros: f64,
    bytes_in: f64,
    bytes_out: f64,
    memory: f64,
    most: f64,
    calls: usize,
}

impl RedisFigures {
    pub(crate) async fn take(url: Option<&str>) -> Result<Option<Self>, BoxError> {
        let Some(url) = url else {
            return Ok(None);
        };
        let all: String = ask(url, &["INFO", "everything"]).await?;
        let number = |name: &str| {
            let line = all
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
        };
        // cmdstat_evalsha:calls=12,usec=345,…; what a script calls has lines of its own, and its time is in both.
        let of = |name: &str, field: &str| {
            let line = all
                .lines()
                .find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:")));
            let fields = line.unwrap_or_default().split(',');
            let mut values =
                fields.filter_map(|value| value.strip_prefix(field)?.strip_prefix('='));
            values
                .next()
                .and_then(|value| value.parse().ok())
                .unwrap_or(0.0)
        };
        Ok(Some(Self {
            commands: number("total_commands_processed"),
            scripts: of("evalsha", "calls"),
            micros: number("used_cpu_user") * 1e6 + number("used_cpu_sys") * 1e6,
            bytes_in: number("total_net_input_bytes"),
            bytes_out: number("total_net_output_bytes"),
            memory: number("used_memory"),
            most: number("used_memory_peak"),
            calls: keys(url, ":call:").await?.len(),
        }))
    }

    /// What it did for these calls.
    pub(crate) fn since(&self, before: &Self, calls: usize) -> String {
        let each = |of: fn(&Self) -> f64| (of(self) - of(before)) / calls.max(1) as f64;
        let kib = |bytes: f64| bytes / 1024.0;
        format!(
            "{:.1} scripts and {:.1} commands in all for a call, {:.0} µs of its processor, {:.1} KiB in, {:.1} KiB out\n\
             Redis: {:.1} MiB at most; with {} calls {:.1} MiB more than with none: {:.1} KiB each",
            each(|f| f.scripts),
            each(|f| f.commands),
            each(|f| f.micros),
            kib(each(|f| f.bytes_in)),
            kib(each(|f| f.bytes_out)),
            kib(kib(self.most)),
            self.calls,
            kib(kib(self.memory - before.memory)),
            kib(self.memory - before.memory) / self.calls.max(1) as f64,
        )
    }
}
