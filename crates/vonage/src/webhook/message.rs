//! Reading a webhook: the JSON object of a POST or the query of a GET, as names and values.
//!
//! In the form of a GET, nested values are JSON text inside one parameter and scalars are texts. A POST is brought into
//! the same form, so that one reader understands both.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use telephony_core::{CallId, Error, Parameters, Result, WebhookKind, WebhookRequest};

/// What a verified webhook says.
pub(super) struct Message {
    pub(super) kind: WebhookKind,
    /// In the order received; a secret of ours is masked.
    pub(super) parameters: Parameters,
    pub(super) raw: Bytes,
}

impl Message {
    /// Reads what was signed: of a POST the body alone, of a GET the query alone.
    pub(super) fn read(request: &WebhookRequest) -> Result<Self> {
        let parameters = if request.method == Method::GET {
            request.query()
        } else {
            serde_json::from_slice::<Members>(&request.body)
                .map_err(|_| Error::malformed("the body is not a JSON object"))?
                .0
        };
        Ok(Self {
            kind: request.kind,
            parameters: without_media_token(parameters),
            raw: request.body.clone(),
        })
    }

    /// The value of `name`, if it is not blank.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.parameters.get_filled(name)
    }

    /// The leg that it is about. Events of machine detection call it `call_uuid`; if both are there, `uuid` wins.
    pub(super) fn leg(&self) -> Option<CallId> {
        let id = self.filled("uuid").or_else(|| self.filled("call_uuid"))?;
        CallId::new(id).ok()
    }

    /// The word of `status`, in lower case.
    pub(super) fn status_word(&self) -> Option<String> {
        Some(self.filled("status")?.trim().to_ascii_lowercase())
    }

    /// The members of a nested object.
    pub(super) fn object(&self, name: &str) -> Option<Parameters> {
        members(self.filled(name)?)
    }
}

/// The members of a JSON object, nested values as JSON text.
pub(crate) fn members(json: &str) -> Option<Parameters> {
    let members: Members = serde_json::from_str(json).ok()?;
    Some(members.0)
}

/// Events of the media socket's leg name the URL that it was opened at, and that holds the media token.
fn without_media_token(parameters: Parameters) -> Parameters {
    let mask = |(name, value): (&str, &str)| {
        let path = value.split(['?', '#']).next().unwrap_or_default();
        let value = match path.rsplit_once('/') {
            Some((start, _)) if is_websocket(value) => format!("{start}/***"),
            _ => value.to_owned(),
        };
        (name.to_owned(), value)
    };
    parameters.iter().map(mask).collect()
}

/// Whether an endpoint is a media socket.
pub(super) fn is_websocket(endpoint: &str) -> bool {
    let scheme = endpoint.split(':').next().unwrap_or_default().trim();
    scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss")
}

/// The members of a JSON object in their order; a map of values would sort them.
struct Members(Parameters);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut parameters = Parameters::default();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            parameters.push(name, text_of(value.get()));
        }
        Ok(Members(parameters))
    }
}

/// A text as it is, `null` as nothing, anything else as its JSON.
fn text_of(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()),
        Some(b'n') => String::new(),
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_nested_text() {
        let json =
            r#"{"b":"x\u00e9","a":1.50,"n":null,"o":{"z":1, "a":[2]},"t":true,"lone":"\ud800"}"#;
        let members = members(json).unwrap();
        assert_eq!(
            members.iter().collect::<Vec<_>>(),
            [
                ("b", "xé"),
                ("a", "1.50"),
                ("n", ""),
                ("o", r#"{"z":1, "a":[2]}"#),
                ("t", "true"),
                ("lone", r#""\ud800""#),
            ]
        );
    }

    #[test]
    fn only_the_token_of_a_socket_is_masked() {
        let parameters: Parameters = [
            ("to", "wss://voice.example.com/vonage/media/secret"),
            ("from", "447700900000"),
            ("recording_url", "https://api.nexmo.com/v1/files/1"),
        ]
        .into_iter()
        .collect();
        let masked = without_media_token(parameters);
        assert_eq!(
            masked.get("to"),
            Some("wss://voice.example.com/vonage/media/***")
        );
        assert_eq!(masked.get("from"), Some("447700900000"));
        assert_eq!(
            masked.get("recording_url"),
            Some("https://api.nexmo.com/v1/files/1")
        );
    }
}
