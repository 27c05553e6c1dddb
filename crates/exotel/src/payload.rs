//! What a request says, wherever it says it: query, form, multipart or JSON.

use crate::{multipart, number};
use http::header::CONTENT_TYPE;
use serde_json::Value;
use telephony_core::{Error, Parameters, Party, Result, WebhookRequest};

/// The parameter of our URLs that holds our secret.
pub(crate) const KEY: &str = "key";
/// More legs than that are not looked at.
const MAX_LEGS: usize = 16;

/// All that a request says, query first, our secrets taken out.
#[derive(Debug)]
pub(crate) struct Payload(Parameters);

impl Payload {
    /// Reads query and body together.
    pub(crate) fn read(request: &WebhookRequest) -> Result<Self> {
        let mut parameters = request.query();
        parameters.append(body(request)?);
        Ok(Self(without_secrets(&parameters)))
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.0
    }

    /// The first value of `name` that says something, whatever the case of its letters.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .find_map(|(_, value)| filled(value))
    }

    /// The value of `name` as it is, also a blank one; a filled one before a blank one.
    fn raw(&self, name: &str) -> Option<&str> {
        let all = || {
            self.0
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        all()
            .find(|value| filled(value).is_some())
            .or_else(|| all().next())
    }

    /// Who is named there, unless nobody is.
    pub(crate) fn party(&self, name: &str) -> Option<Party> {
        self.text(name)?;
        self.raw(name).map(number::party) // Not trimmed: a blank in front was a plus.
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// What stands under `Stream[…]`, or in one `Stream` that holds JSON: Exotel documents both.
    pub(crate) fn stream(&self) -> Group {
        let mut group = Group::default();
        for (key, value) in self.0.iter() {
            if let [name] = brackets(key, "Stream")[..] {
                group.push(name, value);
            } else if key.eq_ignore_ascii_case("Stream")
                && let Ok(Value::Object(members)) = serde_json::from_str(value)
            {
                group.extend(&members);
            }
        }
        group
    }

    /// The call's legs, from `Legs[0][…]` or from one `Legs` that holds JSON.
    pub(crate) fn legs(&self) -> Vec<Group> {
        let mut legs: Vec<Group> = Vec::new();
        for (key, value) in self.0.iter() {
            if let [index, name] = brackets(key, "Legs")[..] {
                let Some(index) = index.parse().ok().filter(|index: &usize| *index < MAX_LEGS)
                else {
                    continue;
                };
                if legs.len() <= index {
                    legs.resize_with(index + 1, Group::default);
                }
                legs[index].push(name, value);
            } else if key.eq_ignore_ascii_case("Legs")
                && let Ok(Value::Array(items)) = serde_json::from_str(value)
            {
                legs = items.iter().take(MAX_LEGS).map(Group::of_leg).collect();
            }
        }
        legs
    }
}

/// Names and values that belong together.
#[derive(Debug, Default)]
pub(crate) struct Group(Vec<(String, String)>);

impl Group {
    /// The first value of `name` that says something, whatever the case of its letters.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .find_map(|(_, value)| filled(value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn extend(&mut self, members: &serde_json::Map<String, Value>) {
        self.0.extend(
            members
                .iter()
                .map(|(name, value)| (name.clone(), plain(value))),
        );
    }

    fn of_leg(value: &Value) -> Self {
        let mut group = Self::default();
        if let Value::Object(members) = value {
            group.extend(members);
        }
        group
    }
}

/// The text, unless it is blank or the word that stands for nothing.
fn filled(value: &str) -> Option<&str> {
    let value = value.trim();
    (!value.is_empty() && !value.eq_ignore_ascii_case("null")).then_some(value)
}

/// The names in brackets behind `group`: `Legs[0][Status]` gives `0` and `Status`.
fn brackets<'a>(key: &'a str, group: &str) -> Vec<&'a str> {
    let (Some(head), Some(tail)) = (key.get(..group.len()), key.get(group.len()..)) else {
        return Vec::new();
    };
    let inner = tail
        .strip_prefix('[')
        .and_then(|tail| tail.strip_suffix(']'));
    match inner {
        Some(inner) if head.eq_ignore_ascii_case(group) => inner.split("][").collect(),
        _ => Vec::new(),
    }
}

fn body(request: &WebhookRequest) -> Result<Parameters> {
    let body = &request.body[..];
    let Some(first) = body.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Ok(Parameters::default());
    };
    match request.content_type().as_str() {
        "multipart/form-data" => {
            let boundary = request
                .header(CONTENT_TYPE.as_str())
                .and_then(multipart::boundary);
            let boundary =
                boundary.ok_or_else(|| malformed("the multipart body has no boundary"))?;
            let fields = multipart::fields(body, &boundary).map_err(|detail| {
                malformed(&format!("the multipart body cannot be read: {detail}"))
            })?;
            Ok(fields.into_iter().collect())
        }
        "application/x-www-form-urlencoded" => Ok(Parameters::from_form(body)),
        media_type if media_type == "application/json" || media_type.ends_with("+json") => {
            json(body)
        }
        // Nothing said, or something else: JSON shows itself.
        _ if *first == b'{' => json(body),
        _ => Ok(Parameters::from_form(body)),
    }
}

fn json(body: &[u8]) -> Result<Parameters> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members
            .iter()
            .map(|(name, value)| (name.as_str(), plain(value)))
            .collect()),
        Ok(_) => Err(malformed("the JSON body is not an object")),
        // The text of serde's error may hold the value.
        Err(_) => Err(malformed("the JSON body cannot be read")),
    }
}

/// A JSON value as a form would say it; nested ones stay JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Without our secret, and without our media URL, which holds a token and may hold a password.
fn without_secrets(parameters: &Parameters) -> Parameters {
    let keep = |(name, value): (&str, &str)| {
        let is_media_url = matches!(brackets(name, "Stream")[..], [inner] if is_stream_url(inner));
        if name == KEY || is_media_url {
            return None;
        }
        if name.eq_ignore_ascii_case("Stream") {
            return Some((name.to_owned(), without_stream_url(value)?));
        }
        Some((name.to_owned(), value.to_owned()))
    };
    parameters.iter().filter_map(keep).collect()
}

/// The JSON without our media URL; nothing if it has one and is not JSON that we can take it out of.
fn without_stream_url(text: &str) -> Option<String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(mut members)) => {
            members.retain(|name, _| !is_stream_url(name));
            Some(Value::Object(members).to_string())
        }
        _ if text.contains("://") => None,
        _ => Some(text.to_owned()),
    }
}

fn is_stream_url(name: &str) -> bool {
    name.eq_ignore_ascii_case("StreamUrl")
}

fn malformed(detail: &str) -> Error {
    Error::malformed(detail).with_provider(crate::NAME)
}
