//! What an operation asks the carrier, as the messages of the kit write it, and how a request differs from it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::conformance::message::text_of;
use crate::conformance::template::{Comparison, Difference, Kind};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Ask {
    /// The method and the path.
    pub(super) line: String,
    /// Names and values of the query.
    query: Value,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Nothing,
    /// Names and values.
    Form(Value),
    Json(Value),
    Text(String),
}

/// An ask that says more than the method and the path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Detailed {
    request: String,
    #[serde(default)]
    query: Map<String, Value>,
    form: Option<Map<String, Value>>,
    json: Option<Value>,
    body: Option<String>,
}

impl TryFrom<Value> for Ask {
    type Error = String;

    fn try_from(ask: Value) -> Result<Self, String> {
        if let Value::String(line) = ask {
            let (query, body) = (Value::Object(Map::new()), Body::Nothing);
            return Ok(Self { line, query, body });
        }
        let ask: Detailed = serde_json::from_value(ask).map_err(|error| error.to_string())?;
        let body = match (ask.form, ask.json, ask.body) {
            (None, None, None) => Body::Nothing,
            (Some(form), None, None) => Body::Form(written(&form)),
            (None, Some(json), None) => Body::Json(json),
            (None, None, Some(text)) => Body::Text(text),
            _ => return Err("a request has more than one of `form`, `json` and `body`".into()),
        };
        Ok(Self {
            line: ask.request,
            query: written(&ask.query),
            body,
        })
    }
}

impl Ask {
    /// How the query and the body of `request` differ.
    pub(super) fn differences(&self, request: &Request<Bytes>) -> Vec<Difference> {
        let query = request.uri().query().unwrap_or_default();
        let mut comparison = Comparison::default();
        comparison.compare(&self.query, &read(query.as_bytes()), "/query");
        let body = request.body();
        match (&self.body, body.is_empty()) {
            (Body::Nothing, true) => {}
            (Body::Nothing, false) => comparison.differs("/body", Kind::Undocumented),
            (_, true) => comparison.differs("/body", Kind::Missing),
            (Body::Form(wanted), false) => {
                comparison.compare(&FORM.into(), &content_type(request), "/content-type");
                comparison.compare(wanted, &read(body), "/form");
            }
            (Body::Json(wanted), false) => {
                comparison.compare(&JSON.into(), &content_type(request), "/content-type");
                let sent = serde_json::from_slice(body).unwrap_or_else(|_| text(body));
                comparison.compare(wanted, &sent, "/json");
            }
            (Body::Text(wanted), false) => {
                comparison.compare(&wanted.as_str().into(), &text(body), "/body");
            }
        }
        comparison.differences
    }
}

/// The type of the body without its parameters.
fn content_type(request: &Request<Bytes>) -> Value {
    let header = request.headers().get(header::CONTENT_TYPE);
    let value = header.and_then(|value| value.to_str().ok());
    let kind = value.unwrap_or_default().split(';').next();
    Value::from(kind.unwrap_or_default().trim().to_ascii_lowercase())
}

fn text(body: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(body).into_owned())
}

/// Names and values that were sent.
fn read(form: &[u8]) -> Value {
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in form_urlencoded::parse(form) {
        let values = values.entry(name.into_owned()).or_default();
        values.push(value.into_owned());
    }
    let fields = values.into_iter();
    Value::Object(fields.map(|(name, all)| (name, one_or_all(all))).collect())
}

/// Names and values as a message writes them: a list is a name that is there several times.
fn written(fields: &Map<String, Value>) -> Value {
    let values = |value: &Value| match value {
        Value::Array(values) => values.iter().map(text_of).collect(),
        value => vec![text_of(value)],
    };
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| (name.clone(), one_or_all(values(value))));
    Value::Object(fields.collect())
}

/// The value of a name; if there are several, how often each is there, for their order does not matter.
fn one_or_all(values: Vec<String>) -> Value {
    let values = match <[String; 1]>::try_from(values) {
        Ok([value]) => return Value::from(value),
        Err(values) => values,
    };
    let mut times = BTreeMap::<String, usize>::new();
    for value in values {
        *times.entry(value).or_default() += 1;
    }
    let times = times.into_iter();
    Value::Object(times.map(|(value, times)| (value, times.into())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(ask: Value, body: &'static str, content_type: &str) -> Vec<String> {
        let ask: Ask = serde_json::from_value(ask).unwrap();
        let request = Request::post("https://api.example.com/calls?page=1&tag=b&tag=a")
            .header(header::CONTENT_TYPE, content_type)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap();
        let name = |kind: Kind| match kind {
            Kind::Undocumented => "more",
            Kind::Missing => "less",
            Kind::Another { .. } => "other",
        };
        let differences = ask.differences(&request).into_iter();
        differences
            .map(|it| format!("{} {}", name(it.kind), it.at))
            .collect()
    }

    #[test]
    fn queries_and_forms_have_no_order() {
        let query = json!({"page": 1, "tag": ["a", "b"]});
        let asked = |form: Value| json!({"request": "POST /calls", "query": query, "form": form});
        let form = json!({"To": "+1", "Event": ["ringing", "answered"], "Any": "$ANY"});
        let sent = "Event=answered&Any=x&To=%2B1&Event=ringing";
        assert_eq!(
            differences(asked(form), sent, "application/x-www-form-urlencoded"),
            [""; 0]
        );
        let form = json!({"To": "+1", "Event": ["ringing", "busy", "busy"], "Url": "x"});
        assert_eq!(
            differences(
                asked(form),
                "To=1&Event=answered&Event=busy&From=2",
                "text/plain; charset=utf-8"
            ),
            [
                "other /content-type",
                "more /form/From",
                "more /form/Event/answered",
                "other /form/Event/busy",
                "less /form/Event/ringing",
                "other /form/To",
                "less /form/Url"
            ]
        );
    }

    #[test]
    fn members_of_json_have_no_order_but_items_have() {
        let asked = |json: Value| json!({"request": "POST /calls", "query": "$", "json": json});
        assert!(serde_json::from_value::<Ask>(asked(json!({}))).is_err());
        let asked = |json: Value| json!({"request": "POST /calls", "query": {"page": "$ANY", "tag": "$ANY"}, "json": json});
        let sent = r#"{"b": [1, 2], "a": {"d": "x", "c": null}}"#;
        for (json, wanted) in [
            (json!({"a": {"c": null, "d": "x"}, "b": [1, 2]}), &[][..]),
            (
                json!({"a": {"c": "$ANY", "d": "y"}, "b": [2, 1]}),
                &["other /json/a/d", "other /json/b/0", "other /json/b/1"],
            ),
            (json!({"a": "$ANY", "b": [1]}), &["other /json/b"]),
            (json!([]), &["other /json"]),
        ] {
            assert_eq!(differences(asked(json), sent, JSON), wanted);
        }
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        let bare = json!("POST /calls");
        assert_eq!(
            differences(bare, "x", "text/plain"),
            ["more /query/page", "more /query/tag", "more /body"]
        );
        let query = json!({"page": 1, "tag": "$ANY"});
        let text = json!({"request": "POST /calls", "query": query, "body": "x"});
        assert_eq!(differences(text.clone(), "x", "text/plain"), [""; 0]);
        assert_eq!(
            differences(text.clone(), "y", "text/plain"),
            ["other /body"]
        );
        assert_eq!(differences(text, "", "text/plain"), ["less /body"]);
        let both = json!({"request": "POST /calls", "form": {}, "json": {}});
        assert!(serde_json::from_value::<Ask>(both).is_err());
    }
}
