//! What the verbs of a document do.

use std::time::Duration;

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::engine::{Ended, Keypad, Method, Recording, random, resolve};
use crate::persona::twilio::recordings::recording_url;
use crate::persona::twilio::session::{Jump, Next, Session};
use crate::persona::twilio::twiml::Element;
use crate::persona::twilio::webhooks::{Parameters, acknowledged, pairs};

/// A verb in neutral words.
pub(crate) fn instruction(verb: &Element) -> Instruction {
    match verb.name.as_str() {
        "Say" => Instruction::Say {
            characters: verb.text.trim().chars().count(),
        },
        "Play" => Instruction::Play,
        "Pause" => Instruction::Pause {
            length: pause_length(verb),
        },
        "Gather" => Instruction::Gather {
            prompts: verb.children.len(),
        },
        "Dial" => Instruction::Dial {
            targets: verb.children.len().max(1),
        },
        "Connect" if verb.has_child("Stream") => Instruction::Stream,
        "Record" => Instruction::Record,
        "Redirect" => Instruction::Redirect,
        "Reject" => Instruction::Reject,
        "Hangup" => Instruction::HangUp,
        other => Instruction::Other {
            name: other.chars().take(40).collect(),
        },
    }
}

pub(crate) fn pause_length(verb: &Element) -> Duration {
    Duration::from_secs(verb.number("length", 1).min(3_600))
}

impl Session<'_> {
    pub(crate) async fn run_verb(&mut self, verb: &Element, url: &str) -> Result<Next, Ended> {
        match verb.name.as_str() {
            "Hangup" => return Ok(Next::HangUp("completed")),
            "Reject" => return Ok(self.reject(verb)),
            "Redirect" => return Ok(self.redirect(verb, url)),
            "Start" | "Stop" => {
                self.fork(verb);
                return Ok(Next::Verb);
            }
            _ => {}
        }
        self.answer().await;
        if verb.name == "Connect" {
            return self.connect(verb, url).await;
        }
        self.closed_by_app = false;
        match verb.name.as_str() {
            "Play" if verb.attribute("digits").is_some() => {
                let digits = verb.attribute("digits").unwrap_or_default();
                self.call.live().send_tones(digits);
                self.call.pass(self.call.prompt()).await?;
            }
            "Say" | "Play" => self.call.pass(self.call.prompt()).await?,
            "Pause" => self.call.pass(pause_length(verb)).await?,
            "Gather" => return self.gather_digits(verb, url).await,
            "Dial" => return self.dial(verb, url).await,
            "Record" => return self.record(verb, url).await,
            other if crate::persona::twilio::schema::rule(other).is_some() => {
                self.not_played(other)
            }
            // An unknown verb: it was complained of as 12200, and is skipped.
            _ => {}
        }
        Ok(Next::Verb)
    }

    /// The carrier can do more than its simulation.
    pub(crate) fn not_played(&self, what: &str) {
        self.call.complain(Finding::note(
            "not-simulated",
            format!("<{what}> is not simulated; the document goes on behind it"),
        ));
    }

    fn reject(&self, verb: &Element) -> Next {
        match verb.attribute("reason") {
            Some("busy") => Next::HangUp("busy"),
            Some("rejected") | None => Next::HangUp("no-answer"),
            Some(_) => {
                self.call.complain(Finding::warning(
                    "12200",
                    "schema violation: the reason of <Reject> is rejected or busy",
                ));
                Next::HangUp("no-answer")
            }
        }
    }

    fn redirect(&self, verb: &Element, base: &str) -> Next {
        match self.jump("redirect", Some(verb.text.trim()), verb, base, vec![]) {
            Some(jump) => Next::Document(jump),
            None => Next::HangUp("completed"),
        }
    }

    fn fork(&self, verb: &Element) {
        for child in &verb.children {
            if child.name == "Stream" {
                self.not_played("Start><Stream");
            }
        }
    }

    async fn gather_digits(&mut self, verb: &Element, base: &str) -> Result<Next, Ended> {
        let finish_on = verb.attribute("finishOnKey").unwrap_or("#").to_owned();
        let timeout = match verb.attribute("timeout") {
            Some(text) if text != "auto" && text.trim().parse::<u64>().is_err() => {
                self.call.complain(Finding::warning(
                    "12200",
                    "schema violation: the timeout of <Gather> is no number",
                ));
                5
            }
            _ => verb.number("timeout", 5),
        };
        let keypad = Keypad::new(Duration::from_secs(timeout.min(3_600)))
            .with_most(
                verb.attribute("numDigits")
                    .and_then(|most| most.trim().parse().ok()),
            )
            .with_finish_on(finish_on);
        let mut prompt = Duration::ZERO;
        for child in &verb.children {
            prompt += match child.name.as_str() {
                "Pause" => pause_length(child),
                _ => self.call.prompt(),
            };
        }
        let takes_keys = verb
            .attribute("input")
            .is_none_or(|input| input.split(' ').any(|kind| kind == "dtmf"));
        let gathered = if takes_keys {
            self.call.gather(keypad, prompt).await?
        } else {
            self.call.pass(prompt + keypad.timeout).await?;
            Default::default()
        };
        let nothing = gathered.digits.is_empty() && gathered.finished_on.is_none();
        if nothing && verb.attribute("actionOnEmptyResult") != Some("true") {
            return Ok(Next::Verb);
        }
        let mut extra = pairs([("Digits", gathered.digits.as_str())]);
        let finished_on = gathered.finished_on.map(String::from).unwrap_or_default();
        extra.push(("FinishedOnKey".into(), finished_on));
        Ok(self.action("gather", verb, base, extra))
    }

    async fn record(&mut self, verb: &Element, base: &str) -> Result<Next, Ended> {
        let live = self.call.live();
        let sid = format!("RE{}", random::hex::<16>());
        let settings = pairs([("Source", "RecordVerb"), ("RecordingTrack", "inbound")]);
        let mut recording = Recording::begin(live, &sid, "in-progress").with_settings(settings);
        // The caller says something short.
        self.call.pass(Duration::from_secs(1)).await?;
        recording.finish(live, "completed");
        live.recordings(|recordings| recordings.push(recording));
        let url = recording_url(self.account, live, &sid);
        let recording = pairs([
            ("RecordingSid", sid.as_str()),
            ("RecordingUrl", &url),
            ("RecordingDuration", "1"),
        ]);
        if let Some(callback) = verb
            .attribute("recordingStatusCallback")
            .and_then(|to| resolve(base, to))
        {
            let mut parameters = pairs([
                ("AccountSid", self.account.account_sid.as_str()),
                ("CallSid", &self.call_sid),
                ("RecordingStatus", "completed"),
                ("RecordingChannels", "1"),
                ("RecordingSource", "RecordVerb"),
                ("RecordingTrack", "inbound"),
            ]);
            parameters.extend(recording.clone());
            let method = method_of(verb, "recordingStatusCallbackMethod");
            let webhook = self.webhook("recording completed", method, &callback, parameters);
            self.call.callback(webhook, acknowledged()).await;
        }
        let mut extra = recording;
        extra.push(("Digits".into(), "#".into()));
        Ok(self.action("record", verb, base, extra))
    }

    /// The document behind an `action`; without one, the same document again.
    pub(crate) fn action(
        &self,
        purpose: &'static str,
        verb: &Element,
        base: &str,
        extra: Parameters,
    ) -> Next {
        match self.jump(purpose, verb.attribute("action"), verb, base, extra) {
            Some(jump) => Next::Document(jump),
            None => Next::HangUp("completed"),
        }
    }

    fn jump(
        &self,
        purpose: &'static str,
        target: Option<&str>,
        verb: &Element,
        base: &str,
        extra: Parameters,
    ) -> Option<Jump> {
        let url = resolve(base, target.unwrap_or_default());
        if url.is_none() {
            self.call.complain(Finding::error(
                "11100",
                format!("the URL of <{}> cannot be read", verb.name),
            ));
        }
        Some(Jump {
            purpose,
            url: url?,
            method: method_of(verb, "method"),
            extra,
        })
    }
}

/// POST unless the attribute says otherwise.
pub(crate) fn method_of(verb: &Element, attribute: &str) -> Method {
    verb.attribute(attribute)
        .and_then(Method::parse)
        .unwrap_or(Method::Post)
}
