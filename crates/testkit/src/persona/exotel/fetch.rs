//! What applets ask, and whether the answer can be read at all.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::document::{Document, Instruction};
use crate::engine::{self, Webhook, WebhookReply};
use crate::persona::exotel::session::Session;

/// How the Voicebot applet asks for its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlRequest {
    /// GET with the parameters in the query.
    #[default]
    Get,
    /// POST with a urlencoded form.
    PostForm,
    /// POST with a JSON object of strings.
    PostJson,
}

impl Session<'_> {
    /// Asks with GET, as all applets but one do.
    pub(crate) fn get(&self, purpose: &str, url: &str, parameters: &[(String, String)]) -> Webhook {
        Webhook::new(purpose, Method::GET, with_query(url, parameters))
            .with_timeout(self.account.webhook_timeout)
    }

    /// Asks for the stream of a Voicebot applet.
    pub(crate) fn ask_for_stream(&self, purpose: &str, url: &str) -> Webhook {
        let parameters = self.call_parameters();
        let request = match (self.call.method(), self.account.url_request) {
            (Some(engine::Method::Get), _) => UrlRequest::Get,
            (Some(engine::Method::Post), UrlRequest::Get) => UrlRequest::PostForm,
            (_, request) => request,
        };
        let webhook = match request {
            UrlRequest::Get => return self.get(purpose, url, &parameters),
            UrlRequest::PostForm => Webhook::new(purpose, Method::POST, url)
                .with_body("application/x-www-form-urlencoded", encoded(&parameters)),
            UrlRequest::PostJson => {
                let members: Map<String, Value> = parameters
                    .into_iter()
                    .map(|(name, value)| (name, Value::String(value)))
                    .collect();
                Webhook::new(purpose, Method::POST, url)
                    .with_body("application/json", Value::Object(members).to_string())
            }
        };
        webhook.with_timeout(self.account.webhook_timeout)
    }

    /// Asks, and asks the fallback URL when that leads nowhere. `ask` makes the request for a purpose and a URL, `read`
    /// makes something of the reply.
    pub(crate) async fn fetch<T>(
        &self,
        purpose: &str,
        url: &str,
        ask: impl Fn(&str, &str) -> Webhook + Send + Sync,
        read: impl Fn(&str, &WebhookReply) -> Result<T, Finding> + Send + Sync,
    ) -> Result<T, Finding> {
        let first = match self.fetch_once(&ask(purpose, url), &read).await {
            Ok(answer) => return Ok(answer),
            Err(finding) => finding,
        };
        let Some(fallback) = self.call.fallback_url() else {
            return Err(first);
        };
        self.call.complain(first);
        self.fetch_once(&ask("fallback", &fallback), &read).await
    }

    async fn fetch_once<T>(
        &self,
        webhook: &Webhook,
        read: &(impl Fn(&str, &WebhookReply) -> Result<T, Finding> + Send + Sync),
    ) -> Result<T, Finding> {
        let reply = self.request(webhook).await?;
        read(&webhook.purpose, &reply)
    }

    /// A request whose reply must be there.
    pub(crate) async fn request(&self, webhook: &Webhook) -> Result<WebhookReply, Finding> {
        self.call.request(webhook).await.map_err(|failure| {
            Finding::error(
                "webhook-failed",
                format!(
                    "the request \"{}\" has no answer: {failure}",
                    webhook.purpose
                ),
            )
        })
    }

    /// Keeps an answer for the outcome.
    pub(crate) fn keep(
        &self,
        asked_by: &str,
        reply: &WebhookReply,
        instruction: Option<Instruction>,
    ) {
        self.call.document(Document {
            asked_by: asked_by.into(),
            raw: reply.text(),
            instructions: instruction.into_iter().collect(),
        });
    }
}

/// The one JSON object that an applet wants.
pub(crate) fn json_object(
    purpose: &str,
    reply: &WebhookReply,
) -> Result<Map<String, Value>, Finding> {
    check_status(purpose, reply)?;
    if reply.media_type() != "application/json" {
        return Err(Finding::error(
            "wrong-content-type",
            format!(
                "the answer to \"{purpose}\" has the content type \"{}\" instead of application/json",
                shown(reply.header(CONTENT_TYPE).unwrap_or_default())
            ),
        ));
    }
    match serde_json::from_slice(&reply.body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Finding::error(
            "invalid-json",
            format!("the answer to \"{purpose}\" is JSON, but not one object"),
        )),
        Err(_) => Err(Finding::error(
            "invalid-json",
            format!("the answer to \"{purpose}\" is no JSON object"),
        )),
    }
}

/// 200, and nothing else.
pub(crate) fn check_status(purpose: &str, reply: &WebhookReply) -> Result<(), Finding> {
    match reply.status.as_u16() {
        200 => Ok(()),
        status @ 300..400 => Err(Finding::error(
            "redirected",
            format!("\"{purpose}\" was answered with the redirect {status}, which is not followed"),
        )),
        status => Err(Finding::error(
            "unexpected-status",
            format!("\"{purpose}\" was answered with status {status}; 200 is wanted"),
        )),
    }
}

/// A little of a text that the app wrote.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

pub(crate) fn encoded(parameters: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// The URL with its own query and these parameters behind it.
fn with_query(url: &str, parameters: &[(String, String)]) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let border = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{url}{border}{}", encoded(parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::exotel::session::{Parameters, pairs};

    #[test]
    fn the_urls_own_query_stays_in_front() {
        let parameters: Parameters = pairs([("Stream[Status]", "completed"), ("digits", "\"1\"")]);
        for (url, expected) in [
            (
                "http://h/p",
                "http://h/p?Stream%5BStatus%5D=completed&digits=%221%22",
            ),
            (
                "http://h/p?",
                "http://h/p?Stream%5BStatus%5D=completed&digits=%221%22",
            ),
            (
                "http://h/p?key=a%20b#part",
                "http://h/p?key=a%20b&Stream%5BStatus%5D=completed&digits=%221%22",
            ),
        ] {
            assert_eq!(with_query(url, &parameters), expected);
        }
    }
}
