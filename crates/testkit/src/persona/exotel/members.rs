//! Reading the members of a JSON answer, with complaints about what does not belong there.

use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::persona::exotel::fetch::shown;

/// An object whose members are taken one by one.
#[derive(Debug)]
pub(crate) struct Members {
    rest: Map<String, Value>,
    findings: Vec<Finding>,
}

impl Members {
    pub(crate) fn of(members: Map<String, Value>) -> Self {
        Self {
            rest: members,
            findings: vec![],
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, "a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "true or false", |value| value.as_bool())
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&mut self, name: &str) -> Option<u64> {
        self.take(name, "a whole number", |value| value.as_u64())
    }

    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.take(name, "a list of texts", |value| match value {
            Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    pub(crate) fn object(&mut self, name: &str) -> Option<Self> {
        self.take(name, "an object", |value| match value {
            Value::Object(members) => Some(members),
            _ => None,
        })
        .map(Self::of)
    }

    /// A text that must be one of a few.
    pub(crate) fn word(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let word = self.text(name)?;
        if words.contains(&word.as_str()) {
            return Some(word);
        }
        self.find(Finding::error(
            "wrong-value",
            format!("\"{name}\" is none of {}", words.join(", ")),
        ));
        None
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.rest.contains_key(name)
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Everything that there is to say, members included that nobody took out of `object`.
    pub(crate) fn finish(self, object: &str) -> Vec<Finding> {
        let mut findings = self.findings;
        if let Some(name) = self.rest.keys().next() {
            findings.push(Finding::note(
                "unknown-member",
                format!(
                    "\"{}\" is no member that {object} is known to have",
                    shown(name)
                ),
            ));
        }
        findings
    }

    fn take<T>(
        &mut self,
        name: &str,
        what: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.rest.remove(name)?;
        let read = read(value);
        if read.is_none() {
            self.find(Finding::error(
                "wrong-type",
                format!("\"{name}\" is not {what}"),
            ));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Members {
        match value {
            Value::Object(members) => Members::of(members),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn members_have_types() {
        let mut read =
            members(json!({"a": "x", "b": true, "c": 7, "d": ["y"], "e": {"f": 1}, "g": "both"}));
        assert_eq!(read.text("a").as_deref(), Some("x"));
        assert_eq!(read.flag("b"), Some(true));
        assert_eq!(read.count("c"), Some(7));
        assert_eq!(read.texts("d"), Some(vec!["y".to_owned()]));
        assert!(read.object("e").is_some_and(|inner| inner.has("f")));
        assert_eq!(read.word("g", &["both"]).as_deref(), Some("both"));
        assert_eq!(read.text("missing"), None);
        assert_eq!(read.finish("the answer"), []);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut read =
            members(json!({"a": 1, "b": "true", "c": -7, "d": [1], "e": [], "g": "none", "z": 1}));
        assert_eq!(read.text("a"), None);
        assert_eq!(read.flag("b"), None);
        assert_eq!(read.count("c"), None);
        assert_eq!(read.texts("d"), None);
        assert!(read.object("e").is_none());
        assert_eq!(read.word("g", &["both"]), None);
        let findings = read.finish("the answer");
        let codes: Vec<_> = findings
            .iter()
            .map(|finding| finding.code.as_ref())
            .collect();
        assert_eq!(
            codes,
            [
                "wrong-type",
                "wrong-type",
                "wrong-type",
                "wrong-type",
                "wrong-type",
                "wrong-value",
                "unknown-member"
            ]
        );
    }
}
