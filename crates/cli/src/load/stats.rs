//! What many calls have in common: percentiles, failures, complaints.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use telephony_testkit::{Outcome, Severity};

use crate::exit::Exit;
use crate::terminal::Paint;
use crate::units::shown;

/// Collects calls as they end; an outcome is not kept.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    unanswered: usize,
    without_stream: usize,
    webhook: Times,
    set_up: Times,
    first_audio: Times,
    round_trip: Times,
    gaps: Counts,
    gap_time: Times,
    late: Counts,
    /// How late the simulator itself was in each call at worst.
    lag: Times,
    complaints: BTreeMap<(String, String), Complaints>,
    worst: Option<Severity>,
}

#[derive(Debug)]
struct Complaints {
    severity: Severity,
    calls: usize,
    text: String,
}

#[derive(Debug, Default)]
struct Times(Vec<Duration>);

#[derive(Debug, Default)]
struct Counts(Vec<usize>);

impl Stats {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.calls += 1;
        self.failed += usize::from(!outcome.ok());
        self.unanswered += usize::from(!outcome.answered);
        let answer = outcome.webhooks.first().map(|answer| answer.latency);
        self.webhook.0.extend(answer);
        match outcome.stream() {
            Some(stream) => {
                self.set_up
                    .0
                    .extend(answer.map(|answer| answer + stream.opened_after));
                self.first_audio.0.extend(stream.first_audio);
                self.round_trip.0.extend(&stream.replies);
                self.gaps.0.push(stream.gaps);
                self.gap_time.0.push(stream.gap_time);
                self.late.0.push(stream.late_frames);
                self.lag.0.push(stream.carrier_lag);
            }
            None => self.without_stream += 1,
        }
        let mut seen = std::collections::BTreeSet::new();
        for complaint in &outcome.complaints {
            self.worst = self.worst.max(Some(complaint.severity));
            // Texts of the same code differ in their numbers; one of them is enough.
            let key = (
                format!("{:?}", complaint.severity),
                complaint.code.to_string(),
            );
            if seen.insert(key.clone()) {
                let known = self.complaints.entry(key).or_insert_with(|| Complaints {
                    severity: complaint.severity,
                    calls: 0,
                    text: complaint.text.clone(),
                });
                known.calls += 1;
            }
        }
    }

    pub(crate) fn exit(&self, fail_on: Severity) -> Exit {
        if self.worst.is_some_and(|worst| worst >= fail_on) {
            Exit::Complaints
        } else {
            Exit::Clean
        }
    }

    pub(crate) fn lines(&self, paint: Paint) -> Vec<String> {
        let mut lines = vec![
            format!(
                "calls          {}, of these {} with errors, {} not answered, {} without a stream",
                self.calls, self.failed, self.unanswered, self.without_stream
            ),
            paint.dim(format!(
                "{:<14} {:>9} {:>9} {:>9} {:>9} {:>9}",
                "", "p50", "p90", "p99", "most", "values"
            )),
        ];
        for (name, times) in self.times() {
            if !times.0.is_empty() {
                let [p50, p90, p99, most] = times.percentiles().map(shown);
                let count = times.0.len();
                lines.push(format!(
                    "{name:<14} {p50:>9} {p90:>9} {p99:>9} {most:>9} {count:>9}"
                ));
            }
        }
        for (name, counts) in [("gaps", &self.gaps), ("late messages", &self.late)] {
            if !counts.0.is_empty() {
                let [p50, p90, p99, most] = counts.percentiles();
                let count = counts.0.len();
                lines.push(format!(
                    "{name:<14} {p50:>9} {p90:>9} {p99:>9} {most:>9} {count:>9}"
                ));
            }
        }
        for ((_, code), complaint) in &self.complaints {
            lines.push(format!(
                "  {} {} in {}: {}",
                paint.severity(
                    complaint.severity,
                    format!("{:?}", complaint.severity).to_lowercase()
                ),
                paint.bold(code),
                crate::units::count(complaint.calls, "call"),
                complaint.text
            ));
        }
        let [_, lag, ..] = self.lag.percentiles();
        if lag > LAGGING {
            lines.push(format!(
                "this machine is too busy: in a tenth of the calls the simulator itself was {} late or more, so that the other times say little",
                shown(lag)
            ));
        }
        lines
    }

    pub(crate) fn json(&self, exit: Exit) -> Value {
        let times: serde_json::Map<_, _> = self
            .times()
            .into_iter()
            .map(|(name, times)| {
                (
                    format!("{}_ms", name.replace([' ', '-'], "_")),
                    times.json(),
                )
            })
            .collect();
        let complaints: Vec<_> = self
            .complaints
            .iter()
            .map(|((_, code), complaint)| {
                json!({
                    "severity": complaint.severity, "code": code, "calls": complaint.calls, "text": complaint.text
                })
            })
            .collect();
        let mut value = json!({
            "calls": self.calls,
            "with_errors": self.failed,
            "not_answered": self.unanswered,
            "without_stream": self.without_stream,
            "gaps": self.gaps.json(),
            "late_messages": self.late.json(),
            "complaints": complaints,
            "exit_code": exit.code(),
        });
        if let Some(members) = value.as_object_mut() {
            members.extend(times);
        }
        value
    }

    fn times(&self) -> [(&'static str, &Times); 6] {
        [
            ("webhook", &self.webhook),
            ("set-up", &self.set_up),
            ("first audio", &self.first_audio),
            ("round trip", &self.round_trip),
            ("gap time", &self.gap_time),
            ("simulator lag", &self.lag),
        ]
    }
}

/// If more than a tenth of the calls have more than this, the simulator measures itself.
const LAGGING: Duration = Duration::from_millis(50);
const PERCENTILES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

impl Times {
    fn percentiles(&self) -> [Duration; 4] {
        percentiles(&self.0)
    }

    fn json(&self) -> Value {
        let [p50, p90, p99, most] = self
            .percentiles()
            .map(|time| (time.as_secs_f64() * 1e6).round() / 1e3);
        json!({"p50": p50, "p90": p90, "p99": p99, "max": most, "count": self.0.len()})
    }
}

impl Counts {
    fn percentiles(&self) -> [usize; 4] {
        percentiles(&self.0)
    }

    fn json(&self) -> Value {
        let [p50, p90, p99, most] = self.percentiles();
        let sum: usize = self.0.iter().sum();
        json!({"p50": p50, "p90": p90, "p99": p99, "max": most, "sum": sum, "count": self.0.len()})
    }
}

/// The smallest value that so many are not above.
fn percentiles<T: Copy + Default + Ord>(values: &[T]) -> [T; 4] {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    PERCENTILES.map(|part| {
        let rank = (part * sorted.len() as f64).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<usize> = (1..=200).rev().collect();
        assert_eq!(percentiles(&values), [100, 180, 198, 200]);
        assert_eq!(percentiles(&[7]), [7; 4]);
        assert_eq!(percentiles::<usize>(&[]), [0; 4]);
    }

    #[test]
    fn no_calls_are_no_trouble() {
        let stats = Stats::default();
        assert_eq!(stats.exit(Severity::Note), Exit::Clean);
        assert_eq!(stats.json(Exit::Clean)["round_trip_ms"]["count"], 0);
        assert_eq!(stats.lines(Paint::stdout()).len(), 2);
    }
}
