//! Where one rule is looked at.

use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use telephony_core::{
    AccountLabel, CallKey, CallLinks, Error, MediaToken, Ports, PublicUrl, Telephony, Verified,
    WebhookRequest, redact, verify,
};

use crate::conformance::message::{Content, Media, Message, Rest, Webhook};
use crate::conformance::shown::Hidden;
use crate::conformance::subject::Conformance;
use crate::conformance::{
    BASE_URL, CALL_KEY, Failure, MEDIA_TOKEN, RECEIVED_AT, Rule, answers, asked, borrowed, media,
    operations, reading, settings, stream, verification,
};
use crate::scripted::{CountedRandom, FakeClock, ScriptedHttp};

/// One rule, one carrier, and what was found.
pub(super) struct Bench<'a> {
    pub(super) subject: &'a Conformance,
    pub(super) label: AccountLabel,
    rule: Rule,
    hidden: Hidden,
    failures: RefCell<Vec<Failure>>,
}

impl<'a> Bench<'a> {
    /// Looks at one rule, in a thread of its own: rules that wait have a runtime of their own, and panics end there.
    pub(super) fn look_at(subject: &'a Conformance, rule: Rule) -> Vec<Failure> {
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| Self::run(subject, rule));
            looking.join().unwrap_or_else(|_| {
                vec![Failure {
                    rule,
                    message: subject.name.clone(),
                    detail: "something panicked".into(),
                }]
            })
        })
    }

    fn run(subject: &'a Conformance, rule: Rule) -> Vec<Failure> {
        let failed = |detail: String| {
            vec![Failure {
                rule,
                message: subject.name.clone(),
                detail,
            }]
        };
        let label = match AccountLabel::new(&subject.name) {
            Ok(label) => label,
            Err(error) => return failed(error.to_string()),
        };
        let mut bench = Self {
            subject,
            label,
            rule,
            hidden: Hidden::default(),
            failures: RefCell::default(),
        };
        bench.hide();
        match bench.open(&ScriptedHttp::new()) {
            Ok(carrier) => bench.look(&carrier),
            Err(error) => return failed(format!("the account cannot be opened: {error}")),
        }
        bench.failures.into_inner()
    }

    fn look(&self, carrier: &Arc<dyn Telephony>) {
        match self.rule {
            Rule::Messages => settings::messages(self, carrier),
            Rule::Settings => settings::settings(self, carrier),
            Rule::GoodRequests => verification::good_requests(self, carrier),
            Rule::Mutations => verification::mutations(self, carrier),
            Rule::ForeignRequests => verification::foreign_requests(self, carrier),
            Rule::OtherMethods => borrowed::other_methods(self, carrier),
            Rule::Calls => reading::calls(self, carrier),
            Rule::Events => reading::events(self, carrier),
            Rule::ReadersNeverPanic => reading::never_panic(self, carrier),
            Rule::Replies => reading::replies(self, carrier),
            Rule::ClaimedSteps => answers::claimed(self, carrier),
            Rule::UnclaimedSteps => answers::unclaimed(self, carrier),
            Rule::HostileAnswers => answers::hostile(self, carrier),
            Rule::ClaimedOperations => operations::claimed(self, carrier),
            Rule::OperationRequests => asked::requests(self),
            Rule::UnclaimedOperations => operations::unclaimed(self, carrier),
            Rule::BrokenOperations => operations::broken(self, carrier),
            Rule::MediaMessages => media::messages(self, carrier),
            Rule::MediaNeverPanics => media::never_panics(self, carrier),
            Rule::MediaRoundTrip => media::round_trip(self, carrier),
            Rule::Frames => stream::frames(self, carrier),
            Rule::ClearAndMarks => stream::clear_and_marks(self, carrier),
            Rule::StreamLife => stream::life(self, carrier),
            Rule::Redaction => {
                settings::shown(self, carrier);
                reading::shown(self, carrier);
                operations::shown(self);
                media::shown(self, carrier);
            }
        }
    }

    /// What must not be shown.
    fn hide(&mut self) {
        let subject = self.subject;
        for secret in &subject.secrets {
            self.hidden.secret(secret);
        }
        self.hidden.token(MEDIA_TOKEN);
        self.hidden.address(subject.parties.0.address());
        self.hidden.address(subject.parties.1.address());
        for (_, webhook) in self.webhooks() {
            let call = webhook.expect.call.as_ref();
            let parties = call.map(|call| [&call.from, &call.to]);
            for address in parties.into_iter().flatten().flatten() {
                self.hidden.address(address);
            }
            let events = webhook.expect.events.iter().flatten();
            for keys in events.filter_map(|event| event.strip_prefix("digits ")) {
                self.hidden.keys(keys);
            }
        }
    }

    // What there is.

    /// The account, with that HTTP client and a clock that stands.
    pub(super) fn open(&self, http: &ScriptedHttp) -> telephony_core::Result<Arc<dyn Telephony>> {
        self.open_as(None, http)
    }

    pub(super) fn open_as(
        &self,
        label: Option<AccountLabel>,
        http: &ScriptedHttp,
    ) -> telephony_core::Result<Arc<dyn Telephony>> {
        let ports = ports(http);
        self.subject
            .open(label, self.subject.settings.clone(), &ports)
    }

    pub(super) fn webhooks(&self) -> impl Iterator<Item = (&'a Message, &'a Webhook)> + use<'a> {
        let messages = self.subject.messages.iter();
        messages.filter_map(|message| match &message.content {
            Content::Webhook(webhook) => Some((message, &**webhook)),
            _ => None,
        })
    }

    pub(super) fn media(&self) -> impl Iterator<Item = (&'a Message, &'a Media)> + use<'a> {
        let messages = self.subject.messages.iter();
        messages.filter_map(|message| match &message.content {
            Content::Media(media) => Some((message, &**media)),
            _ => None,
        })
    }

    pub(super) fn rest(&self) -> impl Iterator<Item = (&'a Message, &'a Rest)> + use<'a> {
        let messages = self.subject.messages.iter();
        messages.filter_map(|message| match &message.content {
            Content::Rest(rest) => Some((message, &**rest)),
            _ => None,
        })
    }

    /// The request, signed.
    pub(super) fn signed(&self, message: &Message, webhook: &Webhook) -> Option<WebhookRequest> {
        let mut request = match webhook.request(self.label.as_str()) {
            Ok(request) => request,
            Err(why) => {
                self.fail(&message.name, why);
                return None;
            }
        };
        if let Some(sign) = &self.subject.sign {
            sign(&mut request);
        }
        Some(request)
    }

    /// The request as the carrier has verified it.
    pub(super) fn verified(
        &self,
        carrier: &Arc<dyn Telephony>,
        message: &Message,
        webhook: &Webhook,
    ) -> Option<Verified> {
        let request = self.signed(message, webhook)?;
        match self.calm(&message.name, "verifying it", || {
            verify(&**carrier, request)
        })? {
            Ok(verified) => Some(verified),
            Err(error) => {
                self.fail(&message.name, format!("it is not verified: {error}"));
                None
            }
        }
    }

    /// Our links of the kit's call.
    pub(super) fn links(&self) -> Option<CallLinks> {
        let token = MediaToken::parse(MEDIA_TOKEN).ok()?;
        Some(self.links_without_media()?.with_media(token))
    }

    pub(super) fn links_without_media(&self) -> Option<CallLinks> {
        let base = PublicUrl::new(BASE_URL).ok()?;
        let key = CallKey::parse(CALL_KEY).ok()?;
        Some(CallLinks::new(base, self.label.clone(), key))
    }

    // What is found.

    pub(super) fn fail(&self, message: &str, detail: impl Into<String>) {
        self.failures.borrow_mut().push(Failure {
            rule: self.rule,
            message: message.to_owned(),
            detail: detail.into(),
        });
    }

    pub(super) fn ensure(&self, fine: bool, message: &str, detail: impl FnOnce() -> String) {
        if !fine {
            self.fail(message, detail());
        }
    }

    /// What `work` gives; nothing, and a failure, if it panics.
    pub(super) fn calm<T>(&self, message: &str, what: &str, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work));
        if done.is_err() {
            self.fail(message, format!("{what} panicked"));
        }
        done.ok()
    }

    /// A text of a request as a finding may show it, on one line, without what looks like a number.
    pub(super) fn masked(&self, text: &str) -> String {
        redact::text(&self.without_hidden(text))
    }

    /// A text without what the kit knows and must not show.
    pub(super) fn without_hidden(&self, text: &str) -> String {
        self.hidden.masked(text)
    }

    /// Looks at how something is shown.
    pub(super) fn see(&self, message: &str, what: &str, shown: &dyn Debug) {
        let texts = self.calm(message, "its Debug", || {
            [format!("{shown:?}"), format!("{shown:#?}")]
        });
        for text in texts.into_iter().flatten() {
            self.see_text(message, what, &text);
        }
    }

    /// Looks at what an error says.
    pub(super) fn see_error(&self, message: &str, error: &Error) {
        self.see(message, "an error", error);
        let mut source: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = source {
            let text = error.to_string();
            self.see_text(message, "an error", &text);
            self.ensure(!text.contains(['\n', '\r']), message, || {
                "an error has more than one line".into()
            });
            source = error.source();
        }
    }

    pub(super) fn see_text(&self, message: &str, what: &str, text: &str) {
        if let Some(hidden) = self.hidden.found_in(text) {
            let failure = Failure {
                rule: Rule::Redaction,
                message: message.to_owned(),
                detail: format!("{what} shows {hidden}"),
            };
            let mut failures = self.failures.borrow_mut();
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
    }

    /// Waits for something on paused time.
    pub(super) fn wait<T>(&self, message: &str, work: impl Future<Output = T>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        match runtime {
            Ok(runtime) => self.calm(message, "it", || runtime.block_on(work)),
            Err(error) => {
                self.fail(message, format!("no runtime: {error}"));
                None
            }
        }
    }
}

/// Ports that do as they are told.
pub(super) fn ports(http: &ScriptedHttp) -> Ports {
    let clock = FakeClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(RECEIVED_AT));
    Ports::default()
        .with_http(http.port())
        .with_clock(clock.port())
        .with_random(CountedRandom::new().port())
}
