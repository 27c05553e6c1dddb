//! Templates of what is sent: where it is compared, and how it differs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use telephony_core::media::WireMessage;

/// Stands in a template for what does not matter.
const ANY: &str = "$ANY";

/// A template with `with` in the place of `placeholder`.
pub(super) fn filled(template: &Value, placeholder: &str, with: &str) -> Value {
    match template {
        Value::String(text) if text == placeholder => Value::from(with),
        Value::Array(items) => {
            let items = items.iter().map(|item| filled(item, placeholder, with));
            Value::Array(items.collect())
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| (name.clone(), filled(field, placeholder, with)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// What stands in `message` where `template` has `placeholder`; an error that says what differs from the template.
pub(super) fn captured(
    template: &Value,
    message: &WireMessage,
    placeholder: &str,
) -> Result<Option<String>, String> {
    let said = match message {
        WireMessage::Text(text) => serde_json::from_slice(text)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(text).into_owned())),
        WireMessage::Binary(bytes) => serde_json::json!({"$binary": STANDARD.encode(bytes)}),
        _ => return Err("a message of a kind that the kit does not know".into()),
    };
    let mut comparison = Comparison::with_placeholder(placeholder);
    comparison.compare(template, &said, "");
    match comparison.differences.first() {
        None => Ok(comparison.found),
        Some(Difference { at, kind }) => Err(match kind {
            Kind::Undocumented => format!("`{at}` is not documented"),
            Kind::Missing => format!("`{at}` is missing"),
            // Audio would fill the page.
            Kind::Another { .. } => format!("`{at}` is not what is documented"),
        }),
    }
}

/// A template beside what was sent. The members of objects have no order.
#[derive(Debug, Default)]
pub(super) struct Comparison<'p> {
    placeholder: Option<&'p str>,
    /// What stands in the place of the placeholder.
    found: Option<String>,
    pub(super) differences: Vec<Difference>,
}

/// What is not as the template has it.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// Where, as a JSON pointer.
    pub(super) at: String,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// It is there, and the template does not have it.
    Undocumented,
    /// The template has it.
    Missing,
    /// It is not what the template has.
    Another { wanted: Value, sent: Value },
}

impl<'p> Comparison<'p> {
    fn with_placeholder(placeholder: &'p str) -> Self {
        Self {
            placeholder: Some(placeholder),
            ..Self::default()
        }
    }

    pub(super) fn compare(&mut self, template: &Value, sent: &Value, at: &str) {
        match (template, sent) {
            (Value::String(wanted), _) if wanted == ANY => {}
            (Value::String(wanted), Value::String(text))
                if Some(wanted.as_str()) == self.placeholder =>
            {
                self.found = Some(text.clone());
            }
            (Value::Object(wanted), Value::Object(fields)) => {
                for name in fields.keys().filter(|name| !wanted.contains_key(*name)) {
                    self.differs(&format!("{at}/{name}"), Kind::Undocumented);
                }
                for (name, wanted) in wanted {
                    let at = format!("{at}/{name}");
                    match fields.get(name) {
                        Some(field) => self.compare(wanted, field, &at),
                        None => self.differs(&at, Kind::Missing),
                    }
                }
            }
            (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
                for (index, (wanted, item)) in wanted.iter().zip(items).enumerate() {
                    self.compare(wanted, item, &format!("{at}/{index}"));
                }
            }
            (wanted, sent) if wanted == sent => {}
            (wanted, sent) => {
                let (wanted, sent) = (wanted.clone(), sent.clone());
                self.differs(at, Kind::Another { wanted, sent });
            }
        }
    }

    pub(super) fn differs(&mut self, at: &str, kind: Kind) {
        let at = at.to_owned();
        self.differences.push(Difference { at, kind });
    }
}
