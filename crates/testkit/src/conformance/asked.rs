//! The rule about what is sent for an operation.

use crate::conformance::ask::Ask;
use crate::conformance::bench::Bench;
use crate::conformance::operations::{answering, outcome};
use crate::conformance::template::{Difference, Kind};
use crate::scripted::ScriptedHttp;

/// Longer texts are shown from shortly before the place where they differ.
const SHOWN_CHARS: usize = 80;
const BEFORE_CHARS: usize = 24;

pub(super) fn requests(bench: &Bench<'_>) {
    for (message, rest) in bench.rest() {
        let Some(asks) = &rest.expect.asks else {
            continue;
        };
        let http = answering(rest, None);
        let operation = rest.asked.operation.as_str();
        if outcome(bench, &message.name, operation, Some(rest), &http).is_some() {
            compare(bench, &message.name, asks, &http);
        }
    }
}

fn compare(bench: &Bench<'_>, name: &str, asks: &[Ask], http: &ScriptedHttp) {
    let requests = http.requests();
    let asked: Vec<_> = requests
        .iter()
        .map(|request| format!("{} {}", request.method(), request.uri().path()))
        .collect();
    let wanted: Vec<_> = asks.iter().map(|ask| ask.line.as_str()).collect();
    if asked != wanted {
        let detail = format!("it asks {asked:?} and should {wanted:?}");
        return bench.fail(name, bench.without_hidden(&detail));
    }
    for (ask, request) in asks.iter().zip(&requests) {
        for difference in ask.differences(request) {
            let detail = in_words(bench, &difference);
            bench.fail(name, format!("{}: {detail}", ask.line));
        }
    }
}

/// A difference as a person reads it, without what must not be shown.
fn in_words(bench: &Bench<'_>, difference: &Difference) -> String {
    let at = bench.masked(difference.at.trim_start_matches('/'));
    match &difference.kind {
        Kind::Undocumented => format!("`{at}` is sent, and the message does not have it"),
        Kind::Missing => format!("`{at}` is missing"),
        Kind::Another { wanted, sent } => {
            let [wanted, sent] = [wanted, sent].map(|value| match value.as_str() {
                Some(text) => bench.masked(text),
                None => bench.masked(&value.to_string()),
            });
            if wanted == sent {
                return format!("`{at}` is another, and cannot be shown");
            }
            let (wanted, sent) = around_the_difference(&wanted, &sent);
            format!("`{at}` is \"{sent}\" and should be \"{wanted}\"")
        }
    }
}

fn around_the_difference(one: &str, other: &str) -> (String, String) {
    let [one, other] = [one, other].map(|text| text.chars().collect::<Vec<_>>());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let start = match one.len().max(other.len()) {
        0..=SHOWN_CHARS => 0,
        _ => same.saturating_sub(BEFORE_CHARS),
    };
    let excerpt = |text: &[char]| {
        let rest = text.get(start..).unwrap_or_default();
        let shown: String = rest.iter().take(SHOWN_CHARS).collect();
        let before = if start > 0 { "…" } else { "" };
        let after = if rest.len() > SHOWN_CHARS { "…" } else { "" };
        format!("{before}{shown}{after}")
    };
    (excerpt(&one), excerpt(&other))
}
