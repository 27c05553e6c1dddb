//! What a request of Twilio's says, wherever it says it.

use crate::NAME;
use http::Method;
use serde_json::Value;
use telephony_core::{Error, Parameters, Result, WebhookRequest};

/// The name of the query parameter by which we tell our own `action` URLs apart. Twilio's requests do not say which verb
/// they come from: an empty gather, a stream that has ended and a redirect look the same. The query is signed with the URL.
pub(crate) const AFTER: &str = "after";

/// What a request says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    /// What Twilio says: the form of a POST, the query of a GET, the top level of a JSON body.
    pub(crate) said: Parameters,
    /// The query of a POST's URL: what whoever configured the URL wrote there.
    query: Parameters,
    /// Which of our `action` URLs this is.
    after: Option<String>,
}

impl Fields {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Malformed`](telephony_core::ErrorKind::Malformed) if the body is neither a form nor a JSON object.
    pub(crate) fn read(request: &WebhookRequest) -> Result<Self> {
        let mut query = request.query();
        let after = query.get_filled(AFTER).map(str::to_owned);
        if after.is_some() {
            query.remove(AFTER);
        }
        if request.method == Method::GET {
            return Ok(Self {
                said: query,
                query: Parameters::default(),
                after,
            });
        }
        let said = if has_form(request) {
            Parameters::from_form(&request.body)
        } else {
            from_json(&request.body)?
        };
        Ok(Self { said, query, after })
    }

    /// A value that is there and not blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.said.get_filled(name)
    }

    /// Whether the name is there, blank or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.said.get(name).is_some()
    }

    /// Which of our `action` URLs was asked.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// All of it for the app: what Twilio said, then the query of the URL, without what is ours.
    pub(crate) fn all(&self) -> Parameters {
        let mut all = self.said.clone();
        all.append(self.query.clone());
        all
    }
}

/// Whether the body is a form. A POST without any body is an empty one.
pub(crate) fn has_form(request: &WebhookRequest) -> bool {
    match request.content_type().as_str() {
        "application/x-www-form-urlencoded" => true,
        "" => request.body.is_empty(),
        _ => false,
    }
}

fn from_json(body: &[u8]) -> Result<Parameters> {
    if body.is_empty() {
        return Ok(Parameters::default());
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        let detail = "the body is neither a form nor a JSON object";
        return Err(Error::malformed(detail).with_provider(NAME));
    };
    let pairs = object.into_iter().map(|(name, value)| match value {
        Value::String(text) => (name, text),
        Value::Null => (name, String::new()),
        other => (name, other.to_string()),
    });
    Ok(pairs.collect())
}
