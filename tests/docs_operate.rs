//! The guide "operate" lists what there is: every metric, every reason, every log line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use telephony::meter::{METRICS, MetricKind};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/operate.md")).unwrap()
}

/// The words in backquotes of the first column of the table below `heading`.
fn first_column(heading: &str) -> BTreeSet<String> {
    let guide = guide();
    let part = guide.split(&format!("## {heading}\n")).nth(1).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let cells = part.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = cells.filter_map(|line| line.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_is_listed_as_it_is() {
    let guide = guide();
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            _ => panic!("a new kind"),
        };
        let labels = metric.labels.join(", ");
        let row = format!(
            "| `{}` | {kind} | {labels} | {} |",
            metric.name, metric.help
        );
        assert!(guide.contains(&row), "missing: {row}");
    }
    let listed = first_column("Metrics");
    let known: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(listed, known);
}

#[test]
fn every_reason_is_listed() {
    let source = fs::read_to_string(root().join("crates/core/src/end.rs")).unwrap();
    let words = source.lines().filter_map(|line| {
        let (_, word) = line.trim().split_once("=> \"")?;
        Some(word.trim_end_matches("\",").to_owned())
    });
    let mut known: BTreeSet<_> = words.collect();
    assert!(known.len() > 15, "{known:?}");
    known.insert("panicked".to_owned());
    assert_eq!(first_column("Why a call or a stream ended"), known);
}

/// The text of each log line in a source file.
fn log_lines(source: &str) -> Vec<String> {
    // A macro of `tracing` begins with its level and has its text as the last literal before the end of the statement.
    let levels = ["debug!(", "info!(", "warn!(", "error!("];
    let starts = levels.iter().flat_map(|level| {
        let name = format!("tracing::{level}");
        let after = name.len();
        source
            .match_indices(&name)
            .map(move |(at, _)| at + after)
            .collect::<Vec<_>>()
    });
    starts
        .map(|at| {
            let (mut depth, mut is_text, mut text, mut last) =
                (1, false, String::new(), String::new());
            for c in source[at..].chars() {
                match c {
                    '"' if is_text => {
                        is_text = false;
                        last = std::mem::take(&mut text);
                    }
                    '"' => is_text = true,
                    c if is_text => text.push(c),
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            last
        })
        .collect()
}

fn sources(folder: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            all.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_log_line_is_listed() {
    let mut all = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        // What simulates carriers is not what is operated.
        if !path.ends_with("testkit") && !path.ends_with("cli") {
            sources(&path.join("src"), &mut all);
        }
    }
    let known: BTreeSet<_> = all.iter().flat_map(|source| log_lines(source)).collect();
    assert!(known.len() > 40, "{known:?}");
    assert_eq!(first_column("Log lines"), known);
}
