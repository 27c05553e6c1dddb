//! `<Connect><Stream>`: the two-way media stream.

use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::engine::{Ended, StreamEnd, Upgrade, UpgradeFailure, UrlParts, clock, random, resolve};
use crate::persona::twilio::session::{Next, Session};
use crate::persona::twilio::sign::{UpgradeSignature, signature};
use crate::persona::twilio::twiml::Element;
use crate::persona::twilio::verbs::method_of;
use crate::persona::twilio::webhooks::{acknowledged, pairs};
use crate::persona::twilio::wire::TwilioWire;

/// Name and value of a parameter together are shorter than this.
const LONGEST_PARAMETER: usize = 500;

impl Session<'_> {
    /// `<Connect>` blocks the document until its stream is over.
    pub(crate) async fn connect(&mut self, verb: &Element, base: &str) -> Result<Next, Ended> {
        let mut streams = verb.children.iter().filter(|child| child.name == "Stream");
        let Some(noun) = streams.next() else {
            let what = verb
                .children
                .first()
                .map_or("Connect", |child| child.name.as_str());
            self.not_played(what);
            return Ok(Next::Verb);
        };
        if streams.next().is_some() {
            self.call.complain(Finding::error(
                "too-many-streams",
                "a call has one two-way stream at a time: the second <Stream> is not opened",
            ));
        }
        self.closed_by_app = self.run_stream(noun, base).await;
        let action = verb.attribute("action").is_some();
        if action && self.call.ended_by().is_some() {
            // The caller is gone, and still the app hears of it. Its answer is not followed.
            self.status = "completed";
            if let Next::Document(jump) = self.action("connect", verb, base, vec![]) {
                let webhook =
                    self.webhook(jump.purpose, jump.method, &jump.url, self.parameters(&[]));
                let _ = self.call.request(&webhook).await;
            }
        }
        self.call.check()?;
        if action {
            return Ok(self.action("connect", verb, base, vec![]));
        }
        Ok(Next::Verb)
    }

    /// Whether the app was the one who closed.
    async fn run_stream(&mut self, noun: &Element, base: &str) -> bool {
        let stream_sid = format!("MZ{}", random::hex::<16>());
        let upgrade = match self.upgrade(noun, base) {
            Ok(upgrade) => upgrade,
            Err(finding) => {
                self.stream_event(noun, base, &stream_sid, "stream-error", Some(&finding))
                    .await;
                self.call.complain(finding);
                return false;
            }
        };
        let parameters = self.custom_parameters(noun);
        let socket = match self.call.open_socket(&upgrade).await {
            Ok(socket) => socket,
            Err(failure) => {
                let finding = handshake_failed(&failure);
                self.stream_event(noun, base, &stream_sid, "stream-error", Some(&finding))
                    .await;
                self.call.complain(finding);
                return false;
            }
        };
        self.stream_event(noun, base, &stream_sid, "stream-started", None)
            .await;
        let wire = TwilioWire::new(
            &self.account.account_sid,
            &self.call_sid,
            &stream_sid,
            parameters,
        );
        let end = self.call.stream(socket, Box::new(wire)).await;
        match end {
            StreamEnd::AppClosed(1000 | 1001 | 1005) => {}
            StreamEnd::AppClosed(code) => self.call.complain(Finding::warning(
                "31921",
                format!("the app closed its socket with code {code}; a deliberate end is 1000"),
            )),
            StreamEnd::AppVanished => self.call.complain(Finding::warning(
                "31903",
                "the connection of the app broke without a close",
            )),
            StreamEnd::CallEnded | StreamEnd::Stopped | StreamEnd::Dropped => {}
        }
        self.stream_event(noun, base, &stream_sid, "stream-stopped", None)
            .await;
        matches!(end, StreamEnd::AppClosed(_) | StreamEnd::AppVanished)
    }

    fn upgrade(&self, noun: &Element, base: &str) -> Result<Upgrade, Finding> {
        let url = noun
            .attribute("url")
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .and_then(|url| resolve(base, url))
            .ok_or_else(|| {
                Finding::error("31923", "the url of <Stream> is missing or cannot be read")
            })?;
        let mut parts = UrlParts::parse(&url)
            .ok_or_else(|| Finding::error("31923", "the url of <Stream> cannot be read"))?;
        // On loopback there are no certificates: the simulator allows what the carrier would not.
        let excused = parts.scheme == "ws" && parts.is_loopback() && !self.call.is_secure();
        if parts.scheme != "wss" && !excused {
            return Err(Finding::error(
                "31922",
                format!(
                    "the url of <Stream> begins with {}://, and must with wss://",
                    parts.scheme
                ),
            ));
        }
        if let Some(track) = noun
            .attribute("track")
            .filter(|track| *track != "inbound_track")
        {
            return Err(Finding::error(
                "31941",
                format!(
                    "a two-way stream has the inbound_track only, not \"{}\"",
                    track.chars().take(20).collect::<String>()
                ),
            ));
        }
        if parts.query.take().is_some() {
            self.call.complain(Finding::warning(
                "query-on-stream-url",
                "the url of <Stream> has a query, which does not reach the app: use <Parameter>",
            ));
        }
        let url = parts.to_string();
        let signed = match self.account.upgrade_signature {
            UpgradeSignature::Plain => Some(url.clone()),
            UpgradeSignature::TrailingSlash => Some(format!("{}/", url.trim_end_matches('/'))),
            UpgradeSignature::Missing => None,
        };
        let upgrade = Upgrade::new(url).with_header("User-Agent", "Twilio.TmeWs/1.0");
        Ok(match signed {
            Some(signed) => upgrade.with_header(
                "x-twilio-signature",
                signature(&self.account.auth_token, &signed, &[]),
            ),
            None => upgrade,
        })
    }

    fn custom_parameters(&self, noun: &Element) -> Map<String, Value> {
        let mut parameters = Map::new();
        for parameter in noun
            .children
            .iter()
            .filter(|child| child.name == "Parameter")
        {
            let name = parameter.attribute("name").unwrap_or_default();
            let value = parameter.attribute("value").unwrap_or_default();
            if name.is_empty() {
                self.call.complain(Finding::warning(
                    "12200",
                    "schema violation: a <Parameter> has no name",
                ));
                continue;
            }
            if name.chars().count() + value.chars().count() >= LONGEST_PARAMETER {
                self.call.complain(Finding::error(
                    "parameter-too-long",
                    format!("name and value of a <Parameter> together have {LONGEST_PARAMETER} characters or more"),
                ));
                continue;
            }
            parameters.insert(name.into(), value.into());
        }
        parameters
    }

    async fn stream_event(
        &self,
        noun: &Element,
        base: &str,
        sid: &str,
        event: &str,
        error: Option<&Finding>,
    ) {
        let Some(url) = noun
            .attribute("statusCallback")
            .and_then(|url| resolve(base, url))
        else {
            return;
        };
        let mut parameters = pairs([
            ("AccountSid", self.account.account_sid.as_str()),
            ("CallSid", &self.call_sid),
            ("StreamSid", sid),
            ("StreamName", noun.attribute("name").unwrap_or(sid)),
            ("StreamEvent", event),
            ("Timestamp", &clock::iso_8601_now()),
        ]);
        if let Some(error) = error {
            parameters.push((
                "StreamError".into(),
                format!("{} - {}", error.code, error.text),
            ));
        }
        let webhook = self.webhook(
            event,
            method_of(noun, "statusCallbackMethod"),
            &url,
            parameters,
        );
        self.call.callback(webhook, acknowledged()).await;
    }
}

fn handshake_failed(failure: &UpgradeFailure) -> Finding {
    let code = match failure {
        UpgradeFailure::Url(_) => "31923",
        UpgradeFailure::Refused => "31902",
        UpgradeFailure::Status(_) | UpgradeFailure::Handshake(_) => "31920",
        UpgradeFailure::Timeout => "31901",
    };
    Finding::error(code, format!("the media socket did not open: {failure}"))
}
