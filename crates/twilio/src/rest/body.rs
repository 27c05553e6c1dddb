//! What an answer's body says, whatever its form.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};
use std::str::FromStr;

/// The named values of one resource or one error.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a JSON object or Twilio's XML; none for anything else: a page of some gateway, nothing at all.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match body.trim_ascii_start().first()? {
            b'<' => from_xml(std::str::from_utf8(body).ok()?),
            _ => match serde_json::from_slice(body).ok()? {
                Value::Object(object) => Some(Self(unwrapped(object))),
                _ => None,
            },
        }
    }

    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(Self(value.as_object()?.clone()))
    }

    /// The value of that name, in snake case; capitals and camel case are the same to us.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let bare = |text: &str| -> String {
            let letters = text.chars().filter(|c| *c != '_');
            letters.map(|c| c.to_ascii_lowercase()).collect()
        };
        self.0
            .get(name)
            .or_else(|| {
                let name = bare(name);
                self.0
                    .iter()
                    .find_map(|(key, value)| (bare(key) == name).then_some(value))
            })
            .filter(|value| !value.is_null())
    }

    /// A text or number that is not blank.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match self.value(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// A value that is written as a text or as a number.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// A list.
    pub(super) fn list(&self, name: &str) -> Option<&[Value]> {
        self.value(name)?.as_array().map(Vec::as_slice)
    }
}

/// Some dialects wrap the resource into an object with its name.
fn unwrapped(mut object: Map<String, Value>) -> Map<String, Value> {
    // As deep as the parser lets a document be.
    while object.len() == 1 {
        match object.values_mut().next() {
            Some(Value::Object(inner)) => object = std::mem::take(inner),
            _ => break,
        }
    }
    object
}

/// Twilio's XML: `<TwilioResponse>` around one resource or `<RestException>`. Of elements with the same name the first
/// counts: those of the resource come before those of its parts.
fn from_xml(body: &str) -> Option<Fields> {
    let mut reader = Reader::from_str(body);
    reader.config_mut().enable_all_checks(true);
    let mut fields = Map::new();
    let mut names: Vec<String> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                let name = element.name().as_ref().to_owned();
                if names.is_empty() && name != "TwilioResponse" {
                    return None;
                }
                names.push(name);
                text.clear();
            }
            Event::End(_) => {
                let name = names.pop()?;
                let said = std::mem::take(&mut text);
                if !said.trim().is_empty() && !fields.contains_key(&name) {
                    fields.insert(name, Value::String(said));
                }
            }
            Event::Text(said) if !names.is_empty() => text.push_str(&said.into_inner()),
            Event::CData(said) if !names.is_empty() => text.push_str(&said.into_inner()),
            Event::GeneralRef(reference) => {
                let reference = format!("&{};", reference.into_inner());
                text.push_str(&quick_xml::escape::unescape(&reference).ok()?);
            }
            Event::Eof if names.is_empty() => break,
            Event::Eof | Event::DocType(_) => return None,
            _ => {}
        }
    }
    (!fields.is_empty()).then_some(Fields(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str, name: &str) -> Option<String> {
        Fields::read(body.as_bytes())?.text(name)
    }

    #[test]
    fn json_in_every_case_and_wrapping() {
        for body in [
            r#"{"more_info": "x"}"#,
            r#"{"MoreInfo": " x "}"#,
            r#"{"moreInfo": "x", "other": 1}"#,
            "\u{feff} {\"more_info\": \"x\"}",
            r#"{"TwilioResponse": {"RestException": {"MoreInfo": "x"}}}"#,
            "<TwilioResponse><RestException><MoreInfo>x</MoreInfo></RestException></TwilioResponse>",
            "<?xml version='1.0'?>\n<TwilioResponse><A><MoreInfo>&#120;</MoreInfo><MoreInfo>y</MoreInfo></A></TwilioResponse>",
            "<TwilioResponse><A><MoreInfo><![CDATA[x]]></MoreInfo></A></TwilioResponse>",
        ] {
            assert_eq!(text(body, "more_info").as_deref(), Some("x"), "{body}");
        }
        assert_eq!(text(r#"{"code": 7}"#, "code").as_deref(), Some("7"));
    }

    #[test]
    fn what_says_nothing() {
        for body in [
            "",
            " ",
            "null",
            "[]",
            "7",
            r#"{"code": null}"#,
            r#"{"code": ""}"#,
            r#"{"code": []}"#,
            r#"{"code": {"code": []}}"#,
            "<html><code>1</code></html>",
            "<!DOCTYPE html><TwilioResponse><code>1</code></TwilioResponse>",
            "<TwilioResponse><code>1</code>",
            "<TwilioResponse><code>&unknown;</code></TwilioResponse>",
            "<TwilioResponse/>",
            "<",
        ] {
            assert_eq!(text(body, "code"), None, "{body}");
        }
    }
}
