//! What came of a rule.

use std::fmt;

use crate::conformance::Rule;

/// A rule that was broken, once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The rule.
    pub rule: Rule,
    /// The message with which it was broken, by its name; or what was being looked at.
    pub message: String,
    /// How.
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {}", self.rule, self.message, self.detail)
    }
}

/// Rules that were broken. `Debug` is made for the output of a test: one line for each failure.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken {
    carrier: String,
    failures: Vec<Failure>,
}

/// More of one rule says nothing new.
const MOST_SHOWN: usize = 12;

impl Broken {
    pub(crate) fn new(carrier: &str, failures: Vec<Failure>) -> Self {
        Self {
            carrier: carrier.to_owned(),
            failures,
        }
    }

    /// Each time that a rule was broken.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The rules that were broken, each once.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<_> = self.failures.iter().map(|failure| failure.rule).collect();
        rules.sort();
        rules.dedup();
        rules
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the carrier \"{}\" does not conform", self.carrier)?;
        for rule in self.rules() {
            write!(f, "\n{rule}: {}", rule.demand())?;
            let broken = self.failures.iter().filter(|failure| failure.rule == rule);
            for failure in broken.clone().take(MOST_SHOWN) {
                write!(f, "\n  [{}] {}", failure.message, failure.detail)?;
            }
            let more = broken.count().saturating_sub(MOST_SHOWN);
            if more > 0 {
                write!(f, "\n  and {more} more")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}
