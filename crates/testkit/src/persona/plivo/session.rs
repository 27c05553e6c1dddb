//! One call: documents in their order, and the end.

use http::header::LOCATION;
use tokio::time::Instant;

use crate::complaint::Finding;
use crate::document::Document;
use crate::engine::{
    Call, Ended, Method, NewDocument, WebhookFailure, WebhookReply, random, resolve,
};
use crate::outcome::EndedBy;
use crate::persona::plivo::webhooks::{Parameters, acknowledged, pairs};
use crate::persona::plivo::{PlivoAccount, elements, hangup, schema};
use crate::persona::xml::Element;

/// What REST notes of a call that is to go on elsewhere once its stream is over.
pub(crate) const TRANSFER: &str = "transfer_to";
/// A caller in a loop of redirects would never get out (Plivo docs: 70 transfers).
const MOST_DOCUMENTS: usize = 70;
const MOST_REDIRECTS: usize = 10;

/// One call through one account.
pub(crate) struct Session<'a> {
    pub(crate) account: &'a PlivoAccount,
    pub(crate) call: &'a Call,
    pub(crate) uuid: String,
    /// `CallStatus`
    pub(crate) status: &'static str,
    pub(crate) answered: Option<Instant>,
    /// The app closed its media socket, and nothing was said or played since.
    pub(crate) closed_by_app: bool,
    /// Where the end is told.
    pub(crate) hangup: Option<(String, Method)>,
    /// The verdict of machine detection, which later requests tell.
    pub(crate) machine: Option<&'static str>,
}

/// A document to fetch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jump {
    pub(crate) purpose: &'static str,
    pub(crate) url: String,
    pub(crate) method: Method,
    /// `Event`
    pub(crate) event: &'static str,
    pub(crate) extra: Parameters,
}

/// Where the flow of a call goes on.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// With the next element.
    Element,
    /// With another document.
    Document(Jump),
    /// Nowhere: the call is hung up, for that reason.
    HangUp(&'static str),
}

impl<'a> Session<'a> {
    /// A call that came in.
    pub(crate) fn incoming(account: &'a PlivoAccount, call: &'a Call) -> Self {
        let hangup = call.status_url().map(|url| (url, Method::Post));
        Self::new(account, call, random::uuid(), hangup)
    }

    pub(crate) fn new(
        account: &'a PlivoAccount,
        call: &'a Call,
        uuid: String,
        hangup: Option<(String, Method)>,
    ) -> Self {
        Self {
            account,
            call,
            uuid,
            status: "ringing",
            answered: None,
            closed_by_app: false,
            hangup,
            machine: None,
        }
    }

    pub(crate) async fn run(mut self) {
        self.call.identify(&self.uuid);
        self.enter("ringing");
        let first = Jump {
            purpose: "answer",
            url: self.call.answer_url(),
            method: self.call.method().unwrap_or(Method::Post),
            event: "StartApp",
            extra: vec![],
        };
        let (cause, by) = match self.follow(first).await {
            Ok(end) => end,
            Err(Ended) => ("Normal Hangup", EndedBy::Carrier),
        };
        // The end of a call that came in is `completed`, answered or not (Plivo docs).
        self.finish("completed", cause, by).await;
    }

    pub(crate) fn enter(&mut self, status: &'static str) {
        self.status = status;
        self.call.status(status);
    }

    /// The end of the call, which is told.
    pub(crate) async fn finish(&mut self, status: &'static str, cause: &str, by: EndedBy) {
        // If somebody was faster, it was they who ended the call.
        self.call.end(by);
        let live = self.call.live();
        let by = live.ended_by().unwrap_or(by);
        let source = hangup::source_of(by, live.direction());
        live.note(hangup::HANGUP, hangup::note(cause, source));
        self.enter(status);
        let Some((url, method)) = self.hangup.clone() else {
            return;
        };
        let seconds = self.answered.map_or(0, |since| {
            self.call.tempo().call(since.elapsed()).as_secs_f64().ceil() as u64
        });
        let extra = pairs([
            ("HangupCauseName", cause),
            ("HangupCauseCode", &hangup::code_of(cause).to_string()),
            ("HangupSource", source),
            ("Duration", &seconds.to_string()),
            ("BillDuration", &(seconds.div_ceil(60) * 60).to_string()),
        ]);
        let webhook = self.webhook("hang up", method, &url, "Hangup", &extra);
        self.call.callback(webhook, acknowledged()).await;
    }

    /// The app has taken the call. Plivo tells nobody.
    pub(crate) fn answer(&mut self) {
        if self.answered.is_none() {
            self.answered = Some(Instant::now());
            self.enter("in-progress");
            self.call.answered();
        }
    }

    /// Runs documents until there is none left, also those to which the app transfers the call meanwhile: why it ended, and
    /// who ended it.
    pub(crate) async fn follow(&mut self, first: Jump) -> Result<(&'static str, EndedBy), Ended> {
        let mut jump = first;
        for _ in 0..MOST_DOCUMENTS {
            let next = match self.fetch(&jump).await {
                Some(root) => self.run_document(&root).await,
                None => return Ok(("Error Reaching Answer URL", EndedBy::Carrier)),
            };
            jump = match (self.take_transfer(), next) {
                (Some(transfer), _) => transfer,
                (None, Ok(Next::Document(next))) => next,
                (None, Ok(Next::HangUp(cause))) => return Ok((cause, self.ended_by())),
                (None, Ok(Next::Element)) => {
                    return Ok(("End Of XML Instructions", self.ended_by()));
                }
                (None, Err(Ended)) => return Err(Ended),
            };
            if self.call.ended_by().is_some() {
                return Err(Ended);
            }
        }
        self.call.complain(Finding::error(
            "endless-documents",
            format!("one call led through {MOST_DOCUMENTS} documents"),
        ));
        Ok(("Loop Detected", EndedBy::Carrier))
    }

    /// Where the app has transferred the call to.
    fn take_transfer(&self) -> Option<Jump> {
        let live = self.call.live();
        let (url, method) = match self
            .call
            .take_diversion()
            .map(|diversion| diversion.document)
        {
            Some(NewDocument::Fetch { url, method }) => (url, method),
            Some(NewDocument::Inline(_)) => return None,
            None => {
                let noted = live.noted(TRANSFER)?;
                let url = noted.get("url")?.as_str()?.to_owned();
                let method = noted
                    .get("method")
                    .and_then(|method| Method::parse(method.as_str()?));
                (url, method)
            }
        };
        live.note(TRANSFER, serde_json::Value::Null);
        Some(Jump {
            purpose: "transfer",
            url,
            method: method.unwrap_or(Method::Post),
            event: "Redirect",
            extra: vec![],
        })
    }

    fn ended_by(&self) -> EndedBy {
        if self.closed_by_app {
            EndedBy::App
        } else {
            EndedBy::Document
        }
    }

    async fn run_document(&mut self, root: &Element) -> Result<Next, Ended> {
        for element in &root.children {
            self.call.check()?;
            let next = self.run_element(element).await?;
            if next != Next::Element {
                return Ok(next);
            }
            if self
                .call
                .live()
                .noted(TRANSFER)
                .is_some_and(|noted| !noted.is_null())
            {
                return Ok(Next::Element);
            }
        }
        Ok(Next::Element)
    }

    /// Fetches a document; of the fallback URL, if the first one fails. What goes wrong is complained of.
    async fn fetch(&self, jump: &Jump) -> Option<Element> {
        match self.fetch_once(jump).await {
            Ok(document) => return Some(document),
            Err(finding) => self.call.complain(finding),
        }
        let url = self
            .call
            .fallback_url()
            .filter(|_| jump.purpose == "answer")?;
        let fallback = Jump {
            purpose: "fallback",
            url,
            ..jump.clone()
        };
        match self.fetch_once(&fallback).await {
            Ok(document) => Some(document),
            Err(finding) => {
                self.call.complain(finding);
                None
            }
        }
    }

    async fn fetch_once(&self, jump: &Jump) -> Result<Element, Finding> {
        let mut url = jump.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let webhook = self.webhook(jump.purpose, jump.method, &url, jump.event, &jump.extra);
            let reply = self.call.request(&webhook).await.map_err(unreachable)?;
            if reply.status.is_redirection() {
                url = reply
                    .header(LOCATION)
                    .and_then(|location| resolve(&url, location))
                    .ok_or_else(|| Finding::error("7011", "a redirect leads nowhere"))?;
                continue;
            }
            return self.read(jump.purpose, &reply);
        }
        Err(Finding::error("7011", "too many HTTP redirects"))
    }

    fn read(&self, purpose: &str, reply: &WebhookReply) -> Result<Element, Finding> {
        if !reply.status.is_success() {
            let status = reply.status.as_u16();
            let text = format!("the webhook \"{purpose}\" was answered with status {status}");
            return Err(Finding::error("7011", text));
        }
        let media_type = reply.media_type();
        if !matches!(media_type.as_str(), "application/xml" | "text/xml") {
            self.call.complain(Finding::warning(
                "content-type",
                format!("the content type \"{media_type}\" is not one of XML"),
            ));
        }
        let raw = reply.text();
        let result = schema::parse(&raw);
        if let Ok(root) = &result {
            self.call.complain_all(schema::lint(root));
        }
        let instructions = result.as_ref().map(|root| {
            let elements = root.children.iter();
            elements.map(elements::instruction).collect()
        });
        self.call.document(Document {
            asked_by: purpose.into(),
            raw,
            instructions: instructions.unwrap_or_default(),
        });
        result
    }
}

fn unreachable(failure: WebhookFailure) -> Finding {
    Finding::error("7011", failure.to_string())
}
