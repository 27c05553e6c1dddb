//! The Greeting applet: a text, or the URL of a recording.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, Method};

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::engine::{Ended, WebhookReply};
use crate::outcome::EndedBy;
use crate::persona::exotel::fetch::{check_status, shown};
use crate::persona::exotel::session::{Session, pairs};

impl Session<'_> {
    pub(crate) async fn greeting(&mut self, url: &str) -> Result<(), Ended> {
        if let Err(finding) = self.ask_for_greeting(url).await {
            self.fail(finding);
            return Ok(());
        }
        self.call.check()?;
        self.ended_by = EndedBy::Document;
        self.answer().await;
        self.call.pass(self.call.prompt()).await
    }

    /// First the headers alone, then the text.
    async fn ask_for_greeting(&self, url: &str) -> Result<(), Finding> {
        let url = self.url(url)?;
        let mut parameters = self.call_parameters();
        parameters.retain(|(name, _)| matches!(name.as_str(), "CallSid" | "From" | "To"));
        parameters.extend(pairs([("DialWhomNumber", ""), ("CustomField", "")]));
        let get = self.get("greeting", &url, &parameters);
        let mut head = get.clone();
        head.purpose = "greeting headers".into();
        head.method = Method::HEAD;
        let headers = self.request(&head).await?;
        check_headers("greeting headers", &headers)?;
        let reply = self.request(&get).await?;
        self.call.complain_all(differences(&headers, &reply));
        let result = check_headers("greeting", &reply).and_then(|()| read_text(&reply));
        self.keep("greeting", &reply, result.as_ref().ok().cloned());
        result.map(|_| ())
    }
}

fn check_headers(purpose: &str, reply: &WebhookReply) -> Result<(), Finding> {
    check_status(purpose, reply)?;
    match reply.header(CONTENT_TYPE) {
        Some("text/plain") => Ok(()),
        other => Err(Finding::error(
            "wrong-content-type",
            format!(
                "the answer to \"{purpose}\" has the content type \"{}\"; it must be text/plain exactly",
                shown(other.unwrap_or_default())
            ),
        )),
    }
}

fn differences(head: &WebhookReply, get: &WebhookReply) -> Option<Finding> {
    let differs = |name: HeaderName| head.header(name.clone()) != get.header(name);
    differs(CONTENT_LENGTH).then(|| {
        Finding::warning(
            "head-differs",
            "HEAD and GET of a greeting have different Content-Length headers; they must be alike",
        )
    })
}

fn read_text(reply: &WebhookReply) -> Result<Instruction, Finding> {
    let text = reply.text();
    let text = text.trim();
    if text.is_empty() {
        return Err(Finding::error(
            "empty-greeting",
            "the greeting has neither a text nor a URL",
        ));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Instruction::Play);
    }
    Ok(Instruction::Say {
        characters: text.chars().count(),
    })
}
