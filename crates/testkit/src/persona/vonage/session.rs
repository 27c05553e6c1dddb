//! One call: the answer webhook, the NCCO in its order, the end.

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::complaint::Finding;
use crate::document::Document;
use crate::engine::{
    Call, Diversion, Ended, Method, NewDocument, Recording, Webhook, WebhookFailure, WebhookReply,
    clock, random,
};
use crate::outcome::EndedBy;
use crate::persona::vonage::VonageAccount;
use crate::persona::vonage::events::{EventTarget, Leg};
use crate::persona::vonage::jwt::{bearer, query_payload};
use crate::persona::vonage::ncco::{self, Action};

/// Members of a webhook, in the order in which they are sent.
pub(crate) type Members = Vec<(&'static str, Value)>;

/// One call through one application.
#[derive(Clone)]
pub(crate) struct Session<'a> {
    pub(crate) account: &'a VonageAccount,
    pub(crate) call: &'a Call,
    /// The caller's leg.
    pub(crate) leg: Leg,
    pub(crate) conversation: String,
    pub(crate) answered: Option<Instant>,
    /// The app closed its media socket, and nothing was said or played since.
    pub(crate) closed_by_app: bool,
    /// Recordings whose result comes after the call.
    pub(crate) recordings: Vec<(Action, Recording)>,
    pub(crate) events: Option<EventTarget>,
    performed: usize,
}

/// Where the first document of a call is.
#[derive(Clone)]
pub(crate) enum Source {
    Fetch {
        url: String,
        method: Method,
        fallback: Option<String>,
    },
    /// In a request of the app.
    Inline(String),
}

/// Where the flow of a call goes on.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// With the next action.
    Action,
    /// With these actions instead of all that is left.
    Replace(Vec<Action>),
}

/// A caller in a loop of documents would never get out.
const MOST_ACTIONS: usize = 1_000;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the reply to an event may take.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);

impl<'a> Session<'a> {
    /// A call that came in.
    pub(crate) fn incoming(account: &'a VonageAccount, call: &'a Call) -> Self {
        let leg = Leg {
            // Legs from the telephone network have ids without dashes.
            uuid: random::hex::<16>(),
            from: bare(call.from()),
            to: bare(call.to()),
            direction: "inbound",
            headers: json!({}),
        };
        let events = call.status_url().map(|url| EventTarget {
            url,
            method: account.event_method,
        });
        let conversation = format!("CON-{}", random::uuid());
        call.live().note("conversation_uuid", conversation.as_str());
        Self::new(account, call, leg, conversation, events)
    }

    pub(crate) fn new(
        account: &'a VonageAccount,
        call: &'a Call,
        leg: Leg,
        conversation: String,
        events: Option<EventTarget>,
    ) -> Self {
        Self {
            account,
            call,
            leg,
            conversation,
            events,
            answered: None,
            closed_by_app: false,
            recordings: vec![],
            performed: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        self.call.identify(&self.leg.uuid);
        self.call.status("started");
        self.leg_event("started").await;
        self.call.status("ringing");
        self.leg_event("ringing").await;
        let by = self
            .talk(Source::Fetch {
                url: self.call.answer_url(),
                method: self.call.method().unwrap_or(Method::Get),
                fallback: self.call.fallback_url(),
            })
            .await;
        // If somebody was faster, it was they who ended the call.
        self.call.end(by);
        let status = match (self.answered, by) {
            (Some(_), _) | (None, EndedBy::Document) => "completed",
            (None, _) => "failed",
        };
        self.finish(status).await;
    }

    /// The end of an answered call, or of one that came in.
    pub(crate) async fn finish(&mut self, status: &str) {
        self.call.status(status);
        for (action, recording) in std::mem::take(&mut self.recordings) {
            self.recorded(&action, recording).await;
        }
        self.completed(status).await;
    }

    /// Follows the document, and those that the app gives meanwhile, until there is none left: who ended the call.
    pub(crate) async fn talk(&mut self, source: Source) -> EndedBy {
        let Some(mut actions) = self.first_document(source).await else {
            return EndedBy::Carrier;
        };
        loop {
            let followed = self.follow(actions).await;
            let Some(diversion) = self.call.take_diversion() else {
                return match followed {
                    Ok(()) if self.closed_by_app => EndedBy::App,
                    Ok(()) => EndedBy::Document,
                    Err(Ended) => EndedBy::Carrier,
                };
            };
            actions = match self.divert(diversion).await {
                Some(actions) => actions,
                None => return EndedBy::Carrier,
            };
        }
    }

    /// The leg goes on with another document: in a conversation of its own when the app transferred it, in the same one
    /// when the document was the reply to an event.
    async fn divert(&mut self, diversion: Diversion) -> Option<Vec<Action>> {
        self.closed_by_app = false;
        if diversion.settings.is_empty() {
            let from = std::mem::replace(&mut self.conversation, format!("CON-{}", random::uuid()));
            self.call
                .live()
                .note("conversation_uuid", self.conversation.as_str());
            let members = vec![
                ("conversation_uuid_from", from.into()),
                ("conversation_uuid_to", self.conversation.as_str().into()),
                ("uuid", self.leg.uuid.as_str().into()),
                ("timestamp", self.now()),
                ("type", "transfer".into()),
            ];
            self.tell(self.application(), "transfer", members).await;
        }
        let read = match diversion.document {
            NewDocument::Inline(text) => self.read_ncco("transfer", &text).await,
            NewDocument::Fetch { url, method } => {
                let method = method.unwrap_or(Method::Get);
                self.ask("transfer", method, &url, self.answer_members())
                    .await
            }
        };
        read.map_err(|finding| self.call.complain(finding)).ok()
    }

    /// Runs actions until there are none left.
    pub(crate) async fn follow(&mut self, actions: Vec<Action>) -> Result<(), Ended> {
        let mut waiting = VecDeque::from(actions);
        while let Some(action) = waiting.pop_front() {
            self.call.check()?;
            self.performed += 1;
            if self.performed > MOST_ACTIONS {
                self.call.complain(Finding::error(
                    "endless-documents",
                    format!("one call led through {MOST_ACTIONS} actions"),
                ));
                return Ok(());
            }
            self.answer().await;
            let next = if action.is_websocket() {
                // What comes behind it does not wait for it.
                self.connect_socket(&action, waiting.drain(..).collect())
                    .await?
            } else {
                self.perform(&action).await?
            };
            if let Next::Replace(actions) = next {
                waiting = actions.into();
            }
        }
        Ok(())
    }

    pub(crate) async fn answer(&mut self) {
        if self.answered.is_none() {
            self.answered = Some(Instant::now());
            self.call.status("answered");
            self.leg_event("answered").await;
            self.call.answered();
        }
    }

    // Documents.

    async fn first_document(&self, source: Source) -> Option<Vec<Action>> {
        let (url, method, fallback) = match source {
            Source::Fetch {
                url,
                method,
                fallback,
            } => (url, method, fallback),
            Source::Inline(text) => {
                let read = self.read_ncco("inline", &text).await;
                return read.map_err(|finding| self.call.complain(finding)).ok();
            }
        };
        let failure = match self
            .ask("answer", method, &url, self.answer_members())
            .await
        {
            Ok(actions) => return Some(actions),
            Err(finding) => finding,
        };
        self.call.complain(failure);
        let fallback = fallback?;
        let mut members = self.answer_members();
        members.push(("reason", "Connection closed.".into()));
        members.push(("original_request", json!({"url": url, "type": "answer"})));
        match self.ask("fallback", method, &fallback, members).await {
            Ok(actions) => Some(actions),
            Err(finding) => {
                self.call.complain(finding);
                None
            }
        }
    }

    fn answer_members(&self) -> Members {
        vec![
            ("to", self.leg.to.as_str().into()),
            ("from", self.leg.from.as_str().into()),
            ("conversation_uuid", self.conversation.as_str().into()),
            ("uuid", self.leg.uuid.as_str().into()),
            ("endpoint_type", "phone".into()),
            // Where the call can be steered.
            (
                "region_url",
                self.call
                    .live()
                    .base_url()
                    .unwrap_or("https://api-us-3.vonage.com")
                    .into(),
            ),
        ]
    }

    async fn ask(
        &self,
        purpose: &str,
        method: Method,
        url: &str,
        members: Members,
    ) -> Result<Vec<Action>, Finding> {
        let webhook = self
            .webhook(purpose, method, url, members)
            .with_timeout(ANSWER_TIMEOUT);
        let mut reply = self.call.request(&webhook).await;
        if is_worth_another_try(&reply) {
            self.call.complain(Finding::warning(
                "webhook-retried",
                format!(
                    "the webhook \"{purpose}\" failed ({}) and is sent once more",
                    failure_of(&reply)
                ),
            ));
            reply = self.call.request(&webhook).await;
        }
        match &reply {
            Ok(reply) if reply.status.is_success() => self.read_document(purpose, reply).await,
            _ => Err(Finding::error(
                "ncco-fetch-failed",
                format!("the webhook \"{purpose}\" failed: {}", failure_of(&reply)),
            )),
        }
    }

    async fn read_document(
        &self,
        purpose: &str,
        reply: &WebhookReply,
    ) -> Result<Vec<Action>, Finding> {
        if reply.media_type() != "application/json" {
            return Err(Finding::error(
                "ncco-content-type",
                format!(
                    "the NCCO comes as \"{}\" and must as application/json",
                    reply.media_type().chars().take(60).collect::<String>()
                ),
            ));
        }
        self.read_ncco(purpose, &reply.text()).await
    }

    /// Reads an NCCO; a syntax error is also an event.
    pub(crate) async fn read_ncco(
        &self,
        purpose: &str,
        text: &str,
    ) -> Result<Vec<Action>, Finding> {
        let result = ncco::parse(text);
        self.call.document(Document {
            asked_by: purpose.into(),
            raw: text.to_owned(),
            instructions: result
                .as_ref()
                .map(|ncco| ncco.actions.iter().map(Action::instruction).collect())
                .unwrap_or_default(),
        });
        match result {
            Ok(ncco) => {
                self.call.complain_all(ncco.findings);
                Ok(ncco.actions)
            }
            Err(finding) => {
                self.error_event(&finding.text).await;
                Err(finding)
            }
        }
    }

    // Webhooks.

    /// A signed request: members in the query or as a JSON object.
    pub(crate) fn webhook(
        &self,
        purpose: &str,
        method: Method,
        url: &str,
        members: Members,
    ) -> Webhook {
        let (webhook, payload) = match method {
            Method::Post => {
                let object: serde_json::Map<String, Value> = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                let body = Value::Object(object).to_string();
                let webhook = Webhook::new(purpose, method.into(), url)
                    .with_body("application/json", body.clone());
                (webhook, body)
            }
            Method::Get => {
                let pairs: Vec<(String, String)> = members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), in_query(&value)))
                    .collect();
                let url = with_query(url, &pairs);
                let query = url.split_once('?').map_or("", |(_, query)| query);
                let received: Vec<_> = form_urlencoded::parse(query.as_bytes())
                    .into_owned()
                    .collect();
                (
                    Webhook::new(purpose, method.into(), url),
                    query_payload(&received),
                )
            }
        };
        let webhook = webhook
            .with_timeout(EVENT_TIMEOUT)
            .with_header("Accept", "*/*");
        if self.account.signed {
            webhook.with_header(
                "Authorization",
                bearer(self.account, Some(payload.as_bytes())),
            )
        } else {
            webhook
        }
    }

    pub(crate) fn now(&self) -> Value {
        clock::iso_8601_now().into()
    }
}

/// Numbers have no plus here.
pub(crate) fn bare(number: &str) -> String {
    number.strip_prefix('+').unwrap_or(number).to_owned()
}

/// Scalars as they are, everything else as JSON text.
fn in_query(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn with_query(url: &str, pairs: &[(String, String)]) -> String {
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let border = if url.contains('?') { '&' } else { '?' };
    format!("{url}{border}{encoded}")
}

/// Broken connections and three statuses are tried again; a 500 is not.
fn is_worth_another_try(reply: &Result<WebhookReply, WebhookFailure>) -> bool {
    match reply {
        Ok(reply) => matches!(
            reply.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(WebhookFailure::Connection | WebhookFailure::Timeout) => true,
        Err(_) => false,
    }
}

fn failure_of(reply: &Result<WebhookReply, WebhookFailure>) -> String {
    match reply {
        Ok(reply) => format!("status {}", reply.status.as_u16()),
        Err(failure) => failure.to_string(),
    }
}
