//! One call: webhooks, documents in their order, status callbacks.

use http::StatusCode;
use http::header::LOCATION;
use tokio::time::Instant;

use crate::complaint::Finding;
use crate::document::Document;
use crate::engine::{
    Call, Diversion, Ended, Method, NewDocument, WebhookFailure, WebhookReply, random, resolve,
};
use crate::outcome::EndedBy;
use crate::persona::twilio::TwilioAccount;
use crate::persona::twilio::twiml::{self, Element};
use crate::persona::twilio::verbs;
use crate::persona::twilio::webhooks::{Parameters, StatusCallback, pairs};

/// One call through one account.
pub(crate) struct Session<'a> {
    pub(crate) account: &'a TwilioAccount,
    pub(crate) call: &'a Call,
    pub(crate) call_sid: String,
    /// `CallStatus`
    pub(crate) status: &'static str,
    pub(crate) answered: Option<Instant>,
    /// The app closed its media socket, and nothing was said or played since.
    pub(crate) closed_by_app: bool,
    pub(crate) sequence: u32,
    /// `Direction`
    pub(crate) direction: &'static str,
    pub(crate) callback: Option<StatusCallback>,
    fallback: Option<(String, Method)>,
    /// The verdict of machine detection, which later requests tell.
    pub(crate) answered_by: Option<&'static str>,
}

/// Where a document comes from.
#[derive(Clone, PartialEq)]
pub(crate) enum Source {
    Fetch(Jump),
    /// From a request of the app.
    Inline(String),
}

/// Where the flow of a call goes on.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// With the next verb.
    Verb,
    /// With another document.
    Document(Jump),
    /// Nowhere: the call is hung up, or refused with this status.
    HangUp(&'static str),
}

/// A document to fetch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jump {
    pub(crate) purpose: &'static str,
    pub(crate) url: String,
    pub(crate) method: Method,
    pub(crate) extra: Parameters,
}

/// A caller in a loop of redirects would never get out.
const MOST_DOCUMENTS: usize = 100;
/// The carrier follows this many redirects of one webhook (11215).
const MOST_REDIRECTS: usize = 10;

impl<'a> Session<'a> {
    /// A call that came in.
    pub(crate) fn incoming(account: &'a TwilioAccount, call: &'a Call) -> Self {
        let callback = call.status_url().map(|url| StatusCallback {
            url,
            method: Method::Post,
            events: account.status_events.clone(),
        });
        let fallback = call.fallback_url().map(|url| (url, Method::Post));
        let sid = format!("CA{}", random::hex::<16>());
        Self::new(account, call, sid, "inbound", callback, fallback)
    }

    pub(crate) fn new(
        account: &'a TwilioAccount,
        call: &'a Call,
        call_sid: String,
        direction: &'static str,
        callback: Option<StatusCallback>,
        fallback: Option<(String, Method)>,
    ) -> Self {
        Self {
            account,
            call,
            call_sid,
            status: "ringing",
            answered: None,
            closed_by_app: false,
            sequence: 0,
            direction,
            callback,
            fallback,
            answered_by: None,
        }
    }

    pub(crate) async fn run(mut self) {
        self.call.identify(&self.call_sid);
        self.enter("ringing", "ringing").await;
        let first = Jump {
            purpose: "answer",
            url: self.call.answer_url(),
            method: self.call.method().unwrap_or(Method::Post),
            extra: vec![],
        };
        let (status, by) = match self.follow(Source::Fetch(first)).await {
            Ok(end) => end,
            Err(Ended) if self.answered.is_some() => ("completed", EndedBy::Carrier),
            Err(Ended) => ("canceled", EndedBy::Carrier),
        };
        self.finish(status, by).await;
    }

    /// The end of the call.
    pub(crate) async fn finish(&mut self, status: &'static str, by: EndedBy) {
        // If somebody was faster, it was they who ended the call.
        self.call.end(by);
        self.finish_recordings().await;
        self.enter(status, "completed").await;
    }

    /// Runs documents until there is none left, also those that the app gives through the REST API meanwhile: the final
    /// status, and who ended the call.
    pub(crate) async fn follow(&mut self, first: Source) -> Result<(&'static str, EndedBy), Ended> {
        let mut source = first;
        for _ in 0..MOST_DOCUMENTS {
            let end = self.follow_links(source).await;
            match self.call.take_diversion() {
                Some(diversion) => source = self.divert(diversion),
                None => return end,
            }
        }
        Ok(self.endless())
    }

    fn divert(&mut self, diversion: Diversion) -> Source {
        let setting = |name: &str| {
            let mut settings = diversion.settings.iter();
            settings
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        let method = |name: &str| setting(name).and_then(|method| Method::parse(&method));
        if let Some(url) = setting("StatusCallback") {
            self.callback = Some(StatusCallback {
                url,
                method: method("StatusCallbackMethod").unwrap_or(Method::Post),
                events: match self.callback.take() {
                    Some(callback) => callback.events,
                    None => vec!["completed".into()],
                },
            });
        }
        if let Some(url) = setting("FallbackUrl") {
            self.fallback = Some((url, method("FallbackMethod").unwrap_or(Method::Post)));
        }
        match diversion.document {
            NewDocument::Inline(text) => Source::Inline(text),
            NewDocument::Fetch { url, method } => Source::Fetch(Jump {
                purpose: "update",
                url,
                method: method.unwrap_or(Method::Post),
                extra: vec![],
            }),
        }
    }

    /// Follows documents from one to the next.
    async fn follow_links(&mut self, first: Source) -> Result<(&'static str, EndedBy), Ended> {
        let mut source = first;
        for _ in 0..MOST_DOCUMENTS {
            self.call.check()?;
            let document = match &source {
                Source::Fetch(jump) => self.fetch(jump).await,
                Source::Inline(text) => self.read_inline(text),
            };
            let Some((root, url)) = document else {
                // The caller hears that an application error has occurred.
                return Ok(("completed", EndedBy::Carrier));
            };
            self.call.check()?;
            match self.run_document(&root, &url).await? {
                Next::Document(next) => source = Source::Fetch(next),
                Next::HangUp(status) => return Ok((status, self.ended_by())),
                Next::Verb => return Ok(("completed", self.ended_by())),
            }
        }
        Ok(self.endless())
    }

    fn endless(&self) -> (&'static str, EndedBy) {
        self.call.complain(Finding::error(
            "endless-documents",
            format!("one call led through {MOST_DOCUMENTS} documents"),
        ));
        ("completed", EndedBy::Carrier)
    }

    fn ended_by(&self) -> EndedBy {
        if self.closed_by_app {
            EndedBy::App
        } else {
            EndedBy::Document
        }
    }

    async fn run_document(&mut self, root: &Element, url: &str) -> Result<Next, Ended> {
        let first = root.children.iter().position(|verb| verb.name != "Pause");
        for (index, verb) in root.children.iter().enumerate() {
            self.call.check()?;
            let next = if verb.name == "Pause"
                && first.is_none_or(|first| index < first)
                && self.answered.is_none()
            {
                // A pause at the beginning lets the phone ring on.
                self.call.pass(verbs::pause_length(verb)).await?;
                Next::Verb
            } else {
                self.run_verb(verb, url).await?
            };
            if next != Next::Verb {
                return Ok(next);
            }
        }
        Ok(Next::Verb)
    }

    /// The app has taken the call.
    pub(crate) async fn answer(&mut self) {
        if self.answered.is_none() {
            self.answered = Some(Instant::now());
            self.enter("in-progress", "answered").await;
            self.call.answered();
        }
    }

    // Documents.

    /// Fetches a document, over the fallback URL if need be. What goes wrong is complained of.
    async fn fetch(&mut self, jump: &Jump) -> Option<(Element, String)> {
        let (code, failed_url) = match self.fetch_once(jump).await {
            Ok(document) => return Some(document),
            Err(finding) => {
                let code = finding.code.clone();
                self.call.complain(finding);
                (code, jump.url.clone())
            }
        };
        let (url, method) = self.fallback.clone()?;
        let fallback = Jump {
            purpose: "fallback",
            url,
            method,
            extra: pairs([("ErrorCode", code.as_ref()), ("ErrorUrl", &failed_url)]),
        };
        match self.fetch_once(&fallback).await {
            Ok(document) => Some(document),
            Err(finding) => {
                self.call.complain(finding);
                None
            }
        }
    }

    async fn fetch_once(&mut self, jump: &Jump) -> Result<(Element, String), Finding> {
        let mut url = jump.url.clone();
        let mut method = jump.method;
        for _ in 0..=MOST_REDIRECTS {
            let webhook = self.webhook(jump.purpose, method, &url, self.parameters(&jump.extra));
            let reply = self.call.request(&webhook).await.map_err(unreachable)?;
            if reply.status.is_redirection() {
                url = reply
                    .header(LOCATION)
                    .and_then(|location| resolve(&url, location))
                    .ok_or_else(|| Finding::error("11200", "a redirect leads nowhere"))?;
                if !matches!(
                    reply.status,
                    StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
                ) {
                    method = Method::Get;
                }
                continue;
            }
            return self
                .read_document(jump.purpose, &reply)
                .map(|root| (root, url));
        }
        Err(Finding::error("11215", "too many HTTP redirects"))
    }

    /// A document without a URL of its own, against which nothing can be relative.
    fn read_inline(&self, text: &str) -> Option<(Element, String)> {
        let result = twiml::parse(text);
        self.keep("inline", text.to_owned(), &result);
        match result {
            Ok(root) => Some((root, String::new())),
            Err(finding) => {
                self.call.complain(finding);
                None
            }
        }
    }

    fn read_document(&self, purpose: &str, reply: &WebhookReply) -> Result<Element, Finding> {
        if !reply.status.is_success() {
            return Err(Finding::error(
                "11200",
                format!(
                    "the webhook \"{purpose}\" was answered with status {}",
                    reply.status.as_u16()
                ),
            ));
        }
        if reply.body.len() > twiml::LARGEST {
            return Err(Finding::error(
                "11750",
                format!(
                    "the TwiML has {} bytes; 64 kB are allowed",
                    reply.body.len()
                ),
            ));
        }
        let text = reply.text();
        let result = match reply.media_type().as_str() {
            audio if audio.starts_with("audio/") => Ok(spoken("Play", "")),
            "text/xml" | "application/xml" | "text/html" if text.trim().is_empty() => Err(empty()),
            "text/xml" | "application/xml" | "text/html" => twiml::parse(&text),
            "text/plain" if text.trim().is_empty() => Err(empty()),
            "text/plain" => twiml::parse(&text).or_else(|_| Ok(spoken("Say", &text))),
            _ if text.is_empty() => Err(empty()),
            other => Err(Finding::error(
                "12300",
                format!("the content type \"{other}\" is not one that can be TwiML (text/xml)"),
            )),
        };
        self.keep(purpose, text, &result);
        result
    }

    fn keep(&self, asked_by: &str, raw: String, result: &Result<Element, Finding>) {
        if let Ok(root) = result {
            self.call.complain_all(twiml::lint(root));
        }
        self.call.document(Document {
            asked_by: asked_by.into(),
            raw,
            instructions: result
                .as_ref()
                .map(|root| root.children.iter().map(verbs::instruction).collect())
                .unwrap_or_default(),
        });
    }
}

/// A document of one verb, for answers that are no TwiML.
fn spoken(verb: &str, text: &str) -> Element {
    Element {
        name: "Response".into(),
        children: vec![Element {
            name: verb.into(),
            text: text.into(),
            ..Element::default()
        }],
        ..Element::default()
    }
}

fn empty() -> Finding {
    Finding::error("11770", "the answer is empty where TwiML is wanted")
}

fn unreachable(failure: WebhookFailure) -> Finding {
    let code = match failure {
        WebhookFailure::Connection => "11205",
        WebhookFailure::Url(_) => "11100",
        WebhookFailure::TooLarge => "11750",
        WebhookFailure::Timeout => "11200",
    };
    Finding::error(code, failure.to_string())
}
