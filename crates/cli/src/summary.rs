//! A call in a few lines.

use std::time::Duration;

use telephony_testkit::{EndedBy, Outcome, StreamSummary};

use crate::terminal::Paint;
use crate::units::{count, shown};

/// The summary as lines for people.
pub(crate) fn lines(outcome: &Outcome, paint: Paint) -> Vec<String> {
    let answered = if outcome.answered {
        "answered"
    } else {
        "not answered"
    };
    let status = match outcome.status.as_str() {
        "" => "without a status",
        status => status,
    };
    let id = match outcome.call_id.as_str() {
        "" => String::new(),
        id => format!(" {id}"),
    };
    let mut lines = vec![format!(
        "call      {} {answered}, {status}, ended by {} after {}",
        paint.bold(format!("{}{id}:", outcome.carrier)),
        who(outcome.ended_by),
        shown(outcome.duration)
    )];
    lines.extend(requests("webhooks", &outcome.webhooks));
    lines.extend(requests("callbacks", &outcome.callbacks));
    for stream in &outcome.streams {
        lines.extend(stream_lines(stream));
    }
    if let Some(interruption) = outcome.interruption {
        let how = if interruption.by_clear {
            "by a clear"
        } else {
            "because everything was said"
        };
        lines.push(format!(
            "interrupt silent {} after the caller began to speak, {how}",
            shown(interruption.after)
        ));
    }
    if !outcome.tones_heard.is_empty() {
        lines.push(format!(
            "tones     {}",
            count(outcome.tones_heard.len(), "key tone")
        ));
    }
    lines
}

fn requests(name: &str, answers: &[telephony_testkit::WebhookAnswer]) -> Option<String> {
    let slowest = answers.iter().map(|answer| answer.latency).max()?;
    let failed = answers
        .iter()
        .filter(|answer| !answer.status.is_some_and(|status| status.is_success()))
        .count();
    let failed = match failed {
        0 => String::new(),
        failed => format!(", {failed} without success"),
    };
    Some(format!(
        "{name:<9} {}, the slowest {}{failed}",
        answers.len(),
        shown(slowest)
    ))
}

fn stream_lines(stream: &StreamSummary) -> Vec<String> {
    let mut first = format!("stream    opened after {}", shown(stream.opened_after));
    let mut add = |what: &str, time: Option<Duration>| {
        if let Some(time) = time {
            first.push_str(&format!(", {what} after {}", shown(time)));
        }
    };
    add("first audio", stream.first_audio);
    add("first sound", stream.first_sound);
    let mut second = format!(
        "          {} to the app, {} from it: {} played",
        count(stream.to_app.frames, "audio message"),
        stream.from_app.frames,
        shown(stream.played)
    );
    for (time, what) in [
        (stream.cleared, "cleared"),
        (stream.unplayed, "never played"),
        (stream.overflowed, "thrown away"),
    ] {
        if !time.is_zero() {
            second.push_str(&format!(", {} {what}", shown(time)));
        }
    }
    let mut lines = vec![first, second];
    lines.extend(quality(stream).map(|text| format!("          {text}")));
    lines
}

fn quality(stream: &StreamSummary) -> Option<String> {
    let mut parts = vec![];
    if stream.gaps > 0 {
        parts.push(format!(
            "{} in its audio ({})",
            count(stream.gaps, "gap"),
            shown(stream.gap_time)
        ));
    }
    if stream.late_frames > 0 {
        parts.push(count(stream.late_frames, "late message"));
    }
    if !stream.replies.is_empty() {
        let sum: Duration = stream.replies.iter().sum();
        parts.push(format!(
            "{} heard {} after the caller began to speak",
            if stream.replies.len() == 1 {
                "a reply was"
            } else {
                "replies were"
            },
            shown(sum / u32::try_from(stream.replies.len()).unwrap_or(1))
        ));
    }
    let marks = stream.marks_played + stream.marks_cleared;
    if marks > 0 {
        parts.push(format!("{} returned", count(marks, "mark")));
    }
    if stream.clears > 0 {
        parts.push(count(stream.clears, "clear"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn who(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Caller => "the caller",
        EndedBy::Callee => "the person called",
        EndedBy::App => "the app",
        EndedBy::Carrier => "the carrier",
        EndedBy::Document => "the document",
        _ => "somebody",
    }
}
