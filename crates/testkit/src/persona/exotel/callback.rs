//! Status callbacks.

use http::Method;
use serde_json::{Map, Value, json};

use crate::engine::{Webhook, random};
use crate::persona::exotel::fetch::encoded;
use crate::persona::exotel::number::written;
use crate::persona::exotel::passthru::acknowledged;
use crate::persona::exotel::session::{Parameters, Session, now, pairs};

/// Body of a status callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackBody {
    /// A multipart form, which is what Exotel sends unless told otherwise.
    #[default]
    Multipart,
    /// A urlencoded form, as old accounts are said to send.
    Form,
    /// A JSON object.
    Json,
}

/// One leg of the call.
struct Leg {
    seconds: u64,
    status: &'static str,
    /// Known of legs that the app had dialled.
    answered_by: Option<&'static str>,
}

impl Leg {
    fn json(&self) -> Value {
        let mut leg = json!({"OnCallDuration": self.seconds, "Status": self.status});
        if let Some(answered_by) = self.answered_by {
            leg["AnsweredBy"] = answered_by.into();
        }
        leg
    }
}

impl Session<'_> {
    /// A new status of the call, with its callback if the account wants that event.
    pub(crate) async fn enter(&mut self, status: &'static str, event: &str) {
        self.status = status;
        self.call.status(status);
        let Some(callback) = &self.callback else {
            return;
        };
        let chosen = &callback.events;
        let wanted = chosen.iter().any(|chosen| chosen == event);
        let basic = chosen.is_empty() && event == "terminal";
        if !wanted && !basic {
            return;
        }
        let mut fields = pairs([
            ("CallSid", self.call_sid.as_str()),
            ("DateUpdated", &now()),
            ("Status", status),
            ("RecordingUrl", &self.recording_url()),
        ]);
        let mut legs = vec![];
        if wanted {
            fields.extend(self.further_fields(event));
            legs = self.legs();
        }
        let (content_type, body) = match callback.body {
            CallbackBody::Multipart => multipart(&with_legs(fields, &legs)),
            CallbackBody::Form => (
                "application/x-www-form-urlencoded".into(),
                encoded(&with_legs(fields, &legs)),
            ),
            CallbackBody::Json => (
                "application/json".into(),
                self.json(fields, &legs, wanted).to_string(),
            ),
        };
        let webhook = Webhook::new(format!("status {status}"), Method::POST, &callback.url)
            .with_body(content_type, body);
        self.call.callback(webhook, acknowledged()).await;
    }

    fn further_fields(&self, event: &str) -> Parameters {
        let to = written(&self.parties.to);
        let end = if event == "terminal" {
            now()
        } else {
            String::new()
        };
        let mut fields = pairs([
            ("EventType", event),
            ("DateCreated", &self.created),
            ("To", &to),
            ("From", &written(&self.parties.from)),
            ("PhoneNumberSid", &to),
            ("StartTime", &self.created),
            ("EndTime", &end),
            ("ConversationDuration", &self.seconds().to_string()),
            ("Direction", self.parties.api_direction),
        ]);
        if let Some(field) = &self.custom_field {
            fields.extend(pairs([("CustomField", field.as_str())]));
        }
        fields
    }

    /// The caller's leg, and the last one that was dialled.
    fn legs(&self) -> Vec<Leg> {
        let caller = Leg {
            seconds: self.seconds(),
            status: self.status,
            answered_by: self.answered_by,
        };
        let callee = self.dialled.as_ref().map(|dialled| Leg {
            seconds: dialled.seconds(),
            status: dialled.status(),
            answered_by: None,
        });
        std::iter::once(caller).chain(callee).collect()
    }

    fn json(&self, fields: Parameters, legs: &[Leg], complete: bool) -> Value {
        let mut object: Map<String, Value> = fields
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        if complete {
            object.insert("ConversationDuration".into(), self.seconds().into());
            let legs = legs.iter().map(Leg::json).collect();
            object.insert("Legs".into(), Value::Array(legs));
        }
        Value::Object(object)
    }
}

/// Legs as forms write them. Documented for Passthru, and taken over from there.
fn with_legs(mut fields: Parameters, legs: &[Leg]) -> Parameters {
    for (index, leg) in legs.iter().enumerate() {
        fields.push((
            format!("Legs[{index}][OnCallDuration]"),
            leg.seconds.to_string(),
        ));
        fields.push((format!("Legs[{index}][Status]"), leg.status.into()));
        if let Some(answered_by) = leg.answered_by {
            fields.push((format!("Legs[{index}][AnsweredBy]"), answered_by.into()));
        }
    }
    fields
}

fn multipart(fields: &[(String, String)]) -> (String, String) {
    let boundary = format!("------------------------{}", random::hex::<8>());
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body += &format!("--{boundary}--\r\n");
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_form_has_parts_and_an_end() {
        let (content_type, body) = multipart(&pairs([("CallSid", "x"), ("RecordingUrl", "")]));
        let boundary = content_type
            .strip_prefix("multipart/form-data; boundary=")
            .unwrap();
        assert_eq!(
            body,
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"CallSid\"\r\n\r\nx\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"RecordingUrl\"\r\n\r\n\r\n\
                 --{boundary}--\r\n"
            )
        );
    }
}
