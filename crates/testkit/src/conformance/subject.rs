//! What is looked at: one carrier's crate.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use telephony_core::{
    AccountLabel, Party, Ports, Registry, Result, Settings, Telephony, WebhookRequest,
};

use crate::conformance::bench::Bench;
use crate::conformance::message::Message;
use crate::conformance::verdict::Broken;
use crate::conformance::{Failure, Rule, folder};

/// A part of a webhook that a carrier's signature may cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The path of the URL.
    Path,
    /// The query of the URL.
    Query,
    /// The body.
    Body,
}

pub(super) type Sign = Arc<dyn Fn(&mut WebhookRequest) + Send + Sync>;

/// A carrier's crate, with all that the kit needs to know of it.
#[derive(Clone)]
#[must_use = "nothing is looked at before `run` or `check`"]
pub struct Conformance {
    pub(super) name: String,
    pub(super) register: fn(&mut Registry) -> Result<()>,
    pub(super) settings: Settings,
    pub(super) secrets: Vec<String>,
    pub(super) sign: Option<Sign>,
    pub(super) covered: Vec<Part>,
    pub(super) parties: (Party, Party),
    pub(super) messages: Vec<Message>,
    /// What could not be read, by its name.
    pub(super) unreadable: Vec<(String, String)>,
}

impl Conformance {
    /// The carrier `name`, which `register` adds to a registry, with one account of these settings.
    pub fn new(
        name: impl Into<String>,
        register: fn(&mut Registry) -> Result<()>,
        settings: Settings,
    ) -> Self {
        Self {
            name: name.into(),
            register,
            settings,
            secrets: vec![],
            sign: None,
            covered: vec![Part::Path, Part::Query, Part::Body],
            parties: (Party::parse("+14155550100"), Party::parse("+14155550199")),
            messages: vec![],
            unreadable: vec![],
        }
    }

    /// A text that must be shown nowhere: a token, a key. Where webhooks are not signed, it is what protects them. Make it look
    /// like a real one: what keeps secrets out of errors may tell them from words by their looks.
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Signs the webhooks. Write the recipe down anew, from the carrier's documentation: signing with the code that is
    /// looked at would prove nothing. Without it the messages must come with their signatures.
    pub fn signed_by(mut self, sign: impl Fn(&mut WebhookRequest) + Send + Sync + 'static) -> Self {
        self.sign = Some(Arc::new(sign));
        self
    }

    /// What the carrier's signature covers. Default: path, query and body. What is left out here is not protected; say so in
    /// the crate's documentation.
    pub fn signature_covers(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.covered = parts.into_iter().collect();
        self
    }

    /// Who calls whom where the kit places a call. Default: two numbers in North America that belong to nobody.
    pub fn with_parties(mut self, from: Party, to: Party) -> Self {
        self.parties = (from, to);
        self
    }

    /// Adds a message; see the [module](mod@crate::conformance#messages).
    pub fn with_message(mut self, name: impl Into<String>, message: Value) -> Self {
        let name = name.into();
        match Message::read(&name, message) {
            Ok(message) => self.messages.push(message),
            Err(why) => self.unreadable.push((name, why)),
        }
        self
    }

    /// Adds all messages of a folder: every file whose name ends in `.json`, with one message or a list of them.
    pub fn with_folder(mut self, folder: impl AsRef<Path>) -> Self {
        for (name, message) in folder::read(folder.as_ref()) {
            match message {
                Ok(message) => self = self.with_message(name, message),
                Err(why) => self.unreadable.push((name, why)),
            }
        }
        self
    }

    /// Looks at one rule.
    ///
    /// # Errors
    /// With each time that it was broken.
    pub fn check(&self, rule: Rule) -> std::result::Result<(), Broken> {
        let failures = Bench::look_at(self, rule);
        self.verdict(failures)
    }

    /// Looks at all rules.
    ///
    /// # Errors
    /// With each time that one was broken.
    pub fn run(&self) -> std::result::Result<(), Broken> {
        let failures = Rule::ALL.into_iter();
        self.verdict(
            failures
                .flat_map(|rule| Bench::look_at(self, rule))
                .collect(),
        )
    }

    fn verdict(&self, failures: Vec<Failure>) -> std::result::Result<(), Broken> {
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Broken::new(&self.name, failures)),
        }
    }

    /// Opens an account as an app does.
    pub(super) fn open(
        &self,
        label: Option<AccountLabel>,
        settings: Settings,
        ports: &Ports,
    ) -> Result<Arc<dyn Telephony>> {
        let mut registry = Registry::new();
        (self.register)(&mut registry)?;
        registry.open(&self.name, label, settings, ports)
    }
}

impl fmt::Debug for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance")
            .field("name", &self.name)
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}
