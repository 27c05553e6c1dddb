//! A carrier's own document as an answer.

use crate::{CallLinks, Error, ErrorKind, ProviderName, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The carrier's own document (TwiML, NCCO, JSON), for what the steps cannot say.
///
/// It is checked as far as the carrier crate knows the format. Placeholders become our links, escaped as the format needs
/// it: `{{media_url}}`, `{{answer_url}}`, `{{status_url}}`, `{{events_url}}`, `{{call_key}}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    provider: ProviderName,
    body: String,
}

impl Document {
    /// A document of that carrier. Another carrier refuses it.
    #[must_use]
    pub fn new(provider: impl Into<ProviderName>, body: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            body: body.into(),
        }
    }

    /// Whose document it is.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// The text, placeholders not filled in.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Whether it has a place for our media URL.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        let mut names = self
            .body
            .split("{{")
            .skip(1)
            .filter_map(|tail| Some(tail.split_once("}}")?.0.trim()));
        names.any(|name| name == "media_url")
    }

    /// The text with our links filled in, each passed through `escape`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if it wants a media URL and `links` has none;
    /// [`ErrorKind::InvalidArgument`] for a placeholder that is not known.
    pub fn fill(&self, links: &CallLinks, escape: impl Fn(&str) -> String) -> Result<String> {
        let mut out = String::with_capacity(self.body.len() + 256);
        let mut rest = self.body.as_str();
        while let Some((before, tail)) = rest.split_once("{{") {
            let Some((name, after)) = tail.split_once("}}") else {
                break;
            };
            out.push_str(before);
            let value = match name.trim() {
                "media_url" => links.media_url()?,
                "answer_url" => links.answer_url(),
                "status_url" => links.status_url(),
                "events_url" => links.events_url(),
                "call_key" => links.call_key().to_string(),
                _ => {
                    let detail = "a placeholder in the document is not known; see `Document`";
                    return Err(
                        Error::new(ErrorKind::InvalidArgument, "write answer", detail)
                            .with_provider(&self.provider),
                    );
                }
            };
            out.push_str(&escape(&value));
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}, {} bytes)", self.provider, self.body.len())
    }
}
