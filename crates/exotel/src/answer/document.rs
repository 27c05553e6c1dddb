//! A document that the app wrote itself.

use super::stream::check_url;
use super::{JSON, TEXT, Writer, invalid, unsupported};
use crate::applet::Applet;
use serde_json::{Map, Value};
use telephony_core::{Answered, Document, Result};

impl Writer<'_> {
    /// Fills our links in and checks what the applet cannot do without. Our own HTTP URLs get our secret.
    pub(super) fn document(&self, applet: Applet, document: &Document) -> Result<Answered> {
        if document.provider().as_str() != crate::NAME {
            return Err(unsupported("the document is another carrier's"));
        }
        if applet == Applet::Passthru {
            return Err(unsupported(
                "a Passthru applet takes no document: it looks at the status only",
            ));
        }
        let is_text = applet == Applet::Greeting;
        let media_url = self.links.media_url().ok().zip(self.media_url().ok());
        let body = document.fill(self.links, |value| {
            let value = match &media_url {
                Some((plain, with_credentials)) if plain == value => with_credentials.clone(),
                _ if value.starts_with("http") => self.with_key(value),
                _ => value.to_owned(),
            };
            if is_text { value } else { json_escaped(&value) }
        })?;
        if is_text {
            if body.trim().is_empty() {
                return Err(invalid("the document is empty"));
            }
            return Ok(Answered::document(TEXT, body));
        }
        check(applet, &body)?;
        Ok(Answered::document(JSON, body))
    }
}

/// The text as it stands between the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn check(applet: Applet, body: &str) -> Result<()> {
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(body) else {
        return Err(invalid("the document is not a JSON object"));
    };
    let has = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
    match applet {
        Applet::Voicebot => match members.get("url") {
            Some(Value::String(url)) => check_url(url),
            _ => Err(invalid("the document for a Voicebot applet has no `url`")),
        },
        Applet::Connect if !has("destination") => Err(invalid(
            "the document for a Connect applet has no `destination`",
        )),
        Applet::Gather if !has("gather_prompt") => Err(invalid(
            "the document for a Gather applet has no `gather_prompt`",
        )),
        _ => Ok(()),
    }
}
