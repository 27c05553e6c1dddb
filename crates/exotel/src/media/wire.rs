//! The shapes of Exotel's media messages. Numbers come as strings on the wire and as numbers in the documentation; fields
//! come in snake case, and in camel case in Exotel's samples.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use telephony_core::audio::SampleRate;

/// Any message. What comes with every 20 ms of audio is borrowed; the rest is rare.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) event: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) stream_sid: Scalar<'a>,
    #[serde(borrow, default, rename = "streamSid")]
    pub(super) stream_sid_camel: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) media: Option<Media<'a>>,
    #[serde(default)]
    pub(super) start: Value,
    #[serde(default)]
    pub(super) dtmf: Value,
    #[serde(default)]
    pub(super) mark: Value,
    #[serde(default)]
    pub(super) stop: Value,
    /// One page shows a key at the top.
    #[serde(default)]
    pub(super) digit: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, default)]
    pub(super) payload: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Scalar<'a>,
}

/// A text or a number; anything else is as if it were not there.
#[derive(Debug, Default)]
pub(super) enum Scalar<'a> {
    #[default]
    Missing,
    Text(Cow<'a, str>),
    Whole(u64),
    Fraction(f64),
}

impl Scalar<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// The text of it; of a number too.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text(text) => text.trim().to_owned(),
            Self::Whole(number) => number.to_string(),
            Self::Fraction(number) => number.to_string(),
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Text(text) => text.trim().parse().ok(),
            Self::Whole(number) => Some(*number as f64),
            Self::Fraction(number) => Some(*number),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(ScalarVisitor)
            .map(|scalar: Scalar<'de>| scalar)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Fraction(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Fraction(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Missing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Missing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Missing)
    }
}

/// The member of that name as text, in snake or camel case; none if it is blank or neither text nor number.
pub(super) fn member(value: &Value, snake: &str, camel: &str) -> Option<String> {
    [snake, camel]
        .into_iter()
        .find_map(|name| text(value.get(name)?))
}

/// A text or number that says something.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The parameters of our URL as they come back: an object, or something else where there are none.
pub(super) fn parameters(value: &Value) -> BTreeMap<String, String> {
    let Value::Object(members) = value else {
        return BTreeMap::new();
    };
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    members
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect()
}

/// A sample rate as somebody may write it: `8000`, `"8000Hz"`, `"16kHz"`, `"24 k"`. None if it is no rate of speech.
pub(super) fn sample_rate(text: &str) -> Option<SampleRate> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let in_kilohertz = unit.trim_start().starts_with(['k', 'K']) || number < 100.0;
    let hz = if in_kilohertz {
        number * 1_000.0
    } else {
        number
    };
    (8_000.0..=48_000.0)
        .contains(&hz)
        .then(|| SampleRate::new(hz as u32))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_any_dress() {
        for (text, hz) in [
            ("8000", Some(8_000)),
            ("8000Hz", Some(8_000)),
            (" 16000 hz", Some(16_000)),
            ("16kHz", Some(16_000)),
            ("24 k", Some(24_000)),
            ("8", Some(8_000)),
            ("44.1kHz", Some(44_100)),
            ("16000.0", Some(16_000)),
            ("<>", None),
            ("", None),
            ("0", None),
            ("-8000", None),
            ("1.2.3", None),
            ("128kbps", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(sample_rate(text).map(SampleRate::hz), hz, "{text}");
        }
    }
}
