//! Form parameters of a request, and what is wrong with them.

use std::time::Duration;

use crate::complaint::Finding;
use crate::engine::{Method, RestRequest, UrlParts};
use crate::persona::twilio::rest::bad;

/// Parameters that are taken out as they are read: what is left is unknown.
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
    pub(crate) findings: Vec<Finding>,
}

/// A refusal: the code of the carrier and its words.
pub(crate) type Refused = (u32, String);

impl Form {
    pub(crate) fn of(request: &RestRequest) -> Self {
        let mut findings = vec![];
        if !request.body.is_empty() && request.media_type() != "application/x-www-form-urlencoded" {
            findings.push(Finding::error(
                "not-a-form",
                "the body of the request is not application/x-www-form-urlencoded: no parameter is read",
            ));
        }
        Self {
            pairs: request.form(),
            findings,
        }
    }

    /// The last value of a name that is there and not empty.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.texts(name).pop()
    }

    /// All values of a name that are not empty.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        let mut values = vec![];
        self.pairs.retain_mut(|(known, value)| {
            let found = known == name;
            if found && !value.is_empty() {
                values.push(std::mem::take(value));
            }
            !found
        });
        values
    }

    /// Whether a name begins like this.
    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name.starts_with(prefix))
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A whole number in a range.
    pub(crate) fn number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        code: u32,
    ) -> Result<Option<u64>, Refused> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err((
                code,
                format!(
                    "{name} must be between {} and {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    pub(crate) fn seconds(
        &mut self,
        name: &str,
        most: u64,
        code: u32,
    ) -> Result<Option<Duration>, Refused> {
        let seconds = self.number(name, 1..=most, code)?;
        Ok(seconds.map(Duration::from_secs))
    }

    pub(crate) fn word(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, Refused> {
        match self.text(name) {
            Some(word) if !words.contains(&word.as_str()) => {
                Err((20422, format!("{name} must be one of {}", words.join(", "))))
            }
            word => Ok(word),
        }
    }

    /// An absolute web address.
    pub(crate) fn url(&mut self, name: &str) -> Result<Option<String>, Refused> {
        match self.text(name) {
            Some(url) if !is_web_address(&url) => {
                Err((21205, format!("{name} is not a valid URL")))
            }
            url => Ok(url),
        }
    }

    pub(crate) fn method(&mut self, name: &str) -> Result<Method, Refused> {
        match self.text(name) {
            None => Ok(Method::Post),
            Some(word) => {
                Method::parse(&word).ok_or_else(|| (21209, format!("{name} must be GET or POST")))
            }
        }
    }

    /// Complains of what nobody has read.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        let mut names: Vec<String> = self.pairs.into_iter().map(|(name, _)| name).collect();
        names.dedup();
        for name in names {
            let shown: String = name.chars().take(40).collect();
            self.findings.push(Finding::warning(
                "20001",
                format!(
                    "the parameter \"{shown}\" is unknown, or does not belong here: it is ignored"
                ),
            ));
        }
        self.findings
    }
}

pub(crate) fn refused((code, message): Refused) -> crate::engine::RestResponse {
    bad(code, &message)
}

/// Underscores in host names are refused.
fn is_web_address(url: &str) -> bool {
    UrlParts::parse(url).is_some_and(|parts| {
        matches!(parts.scheme.as_str(), "http" | "https") && !parts.host.contains('_')
    })
}

/// What can be called or shown: a number, a client, a SIP address.
pub(crate) fn is_address(address: &str) -> bool {
    if let Some(client) = address.strip_prefix("client:") {
        return !client.is_empty();
    }
    if let Some(sip) = address
        .strip_prefix("sip:")
        .or_else(|| address.strip_prefix("sips:"))
    {
        return sip
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    }
    let digits = address.strip_prefix('+').unwrap_or(address);
    (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_words() {
        for good in [
            "+14155550100",
            "14155550100",
            "client:ada",
            "sip:ada@example.com",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "+",
            "ada",
            "+1415555x100",
            "client:",
            "sip:ada",
            "+1234567890123456",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn web_addresses_are_absolute() {
        assert!(is_web_address("https://voice.example.com/a?b=c#rc=2"));
        for bad in [
            "/a",
            "ftp://example.com",
            "https://a_b.example.com/",
            "voice.example.com",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}
