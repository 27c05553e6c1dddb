//! What the carrier has to say about a call, and the exit code that follows from it.

use serde::Serialize;
use telephony::Provider;
use telephony_testkit::{Complaint, Outcome, Severity};

use crate::carrier;
use crate::exit::Exit;
use crate::terminal::Paint;
use crate::units::{count, shown};

/// How many complaints of which severity there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) clean: bool,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) notes: usize,
    pub(crate) exit_code: u8,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

impl Verdict {
    pub(crate) fn of<'a>(
        complaints: impl IntoIterator<Item = &'a Complaint>,
        fail_on: Severity,
    ) -> Self {
        let mut verdict = Self {
            clean: true,
            errors: 0,
            warnings: 0,
            notes: 0,
            exit_code: 0,
            exit: Exit::Clean,
        };
        for complaint in complaints {
            match complaint.severity {
                Severity::Error => verdict.errors += 1,
                Severity::Warning => verdict.warnings += 1,
                Severity::Note => verdict.notes += 1,
            }
            if complaint.severity >= fail_on {
                verdict.clean = false;
                verdict.exit = Exit::Complaints;
            }
        }
        verdict.exit_code = verdict.exit.code();
        verdict
    }

    /// `2 errors, 1 note`
    fn counts(self) -> String {
        let counts = [
            (self.errors, "error"),
            (self.warnings, "warning"),
            (self.notes, "note"),
        ];
        let shown: Vec<_> = counts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| count(number, what))
            .collect();
        shown.join(", ")
    }
}

/// The verdict as lines for people.
pub(crate) fn lines(
    provider: Provider,
    outcome: &Outcome,
    verdict: Verdict,
    paint: Paint,
) -> Vec<String> {
    let head = match (verdict.clean, verdict.counts().as_str()) {
        (true, "") => format!(
            "{} {provider} has nothing to complain about",
            paint.good("clean:")
        ),
        (true, counts) => format!("{} {counts}", paint.good("clean:")),
        (false, counts) => paint.bad(counts),
    };
    let mut lines = vec![format!("verdict   {head}")];
    let complaints = &outcome.complaints;
    for (at, complaint) in complaints.iter().enumerate() {
        let is_same =
            |other: &&Complaint| other.code == complaint.code && other.text == complaint.text;
        if !complaints[..at].iter().any(|known| is_same(&known)) {
            let times = complaints.iter().filter(is_same).count();
            lines.extend(complaint_lines(provider, complaint, times, paint));
        }
    }
    lines
}

fn complaint_lines(
    provider: Provider,
    complaint: &Complaint,
    times: usize,
    paint: Paint,
) -> Vec<String> {
    let severity = match complaint.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let when = match times {
        1 => format!("(at {})", shown(complaint.at)),
        // The simulator stops to count after three.
        times if times > 2 => format!("(again and again, first at {})", shown(complaint.at)),
        times => format!("({times} times, first at {})", shown(complaint.at)),
    };
    let mut lines = vec![format!(
        "  {} {}: {} {}",
        paint.severity(complaint.severity, format!("{severity:<7}")),
        paint.bold(&complaint.code),
        complaint.text,
        paint.dim(when),
    )];
    let more = hint(complaint).map(str::to_owned);
    for line in more
        .into_iter()
        .chain(carrier::link(provider, &complaint.code))
    {
        lines.push(paint.dim(format!("          {line}")));
    }
    lines
}

/// What to do about things that are commonly met with this command.
fn hint(complaint: &Complaint) -> Option<&'static str> {
    if complaint.text.contains("leads away from the server") {
        return Some("if that URL is the app's own, give its base as --public-url");
    }
    if complaint.text.contains("403") || complaint.text.contains("401") {
        return Some(
            "if the app checks signatures: is --public-url what it believes, is the secret the same, and is --method the one it takes?",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_clean() {
        let verdict = Verdict::of([], Severity::Note);
        assert!(verdict.clean && verdict.counts().is_empty());
        assert_eq!((verdict.exit, verdict.exit_code), (Exit::Clean, 0));
    }
}
