//! Members of a JSON body, and what is wrong with them.

use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::engine::{Method, RestRequest, UrlParts};

/// Members that are taken out as they are read: what is left is unknown.
pub(crate) struct Body(Map<String, Value>);

/// A refusal: the member, and the reason.
pub(crate) type Refused = (&'static str, String);

impl Body {
    pub(crate) fn of(request: &RestRequest) -> Result<Self, Refused> {
        if request.media_type() != "application/json" {
            return Err(("Content-Type", "must be application/json".into()));
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(("body", "is not a JSON object".into())),
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err((name, "must be a string".into())),
        }
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Refused> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err((name, "must be true or false".into())),
        }
    }

    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_u64().filter(|number| range.contains(number)) {
                Some(number) => Ok(Some(number)),
                None => Err((
                    name,
                    format!("must be a number from {} to {}", range.start(), range.end()),
                )),
            },
        }
    }

    pub(crate) fn word(
        &mut self,
        name: &'static str,
        words: &[&str],
    ) -> Result<Option<String>, Refused> {
        match self.text(name)? {
            Some(word) if !words.contains(&word.as_str()) => {
                Err((name, format!("must be one of {}", words.join(", "))))
            }
            word => Ok(word),
        }
    }

    /// An array with one web address.
    pub(crate) fn url(&mut self, name: &'static str) -> Result<Option<String>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(urls)) => match urls.as_slice() {
                [Value::String(url)] if is_web_address(url) => Ok(Some(url.clone())),
                _ => Err((name, "must be an array of one http URL".into())),
            },
            Some(_) => Err((name, "must be an array of one http URL".into())),
        }
    }

    pub(crate) fn method(
        &mut self,
        name: &'static str,
        default: Method,
    ) -> Result<Method, Refused> {
        let word = self.word(name, &["GET", "POST"])?;
        Ok(word
            .and_then(|word| Method::parse(&word))
            .unwrap_or(default))
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Result<Option<Self>, Refused> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members))),
            Some(_) => Err((name, "must be an object".into())),
        }
    }

    /// Complains of what nobody has read.
    pub(crate) fn finish(self, of: &str) -> Vec<Finding> {
        let unknown = self.0.into_iter().map(|(name, _)| {
            let shown: String = name.chars().take(40).collect();
            Finding::warning(
                "unknown-member",
                format!("{of} has the unknown member \"{shown}\", which is ignored"),
            )
        });
        unknown.collect()
    }
}

pub(crate) fn is_web_address(url: &str) -> bool {
    UrlParts::parse(url).is_some_and(|parts| matches!(parts.scheme.as_str(), "http" | "https"))
}

/// Digits only, with the country code and without a plus.
pub(crate) fn is_number(number: &str) -> bool {
    (7..=15).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_neither_plus_nor_zeros() {
        assert!(is_number("14155550100"));
        for bad in [
            "+14155550100",
            "0014155550100",
            "123456",
            "1234567890123456",
            "ada",
            "",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
