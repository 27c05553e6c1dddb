//! What the elements of a document do.

use std::time::Duration;

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::engine::{DialResult, Ended, Method, random};
use crate::persona::plivo::session::{Jump, Next, Session};
use crate::persona::plivo::webhooks::{Parameters, acknowledged, pairs, without_plus};
use crate::persona::xml::Element;

/// An element in neutral words.
pub(crate) fn instruction(element: &Element) -> Instruction {
    match element.name.as_str() {
        "Speak" => Instruction::Say {
            characters: element.text.trim().chars().count(),
        },
        "Play" => Instruction::Play,
        "Wait" => Instruction::Pause {
            length: wait_length(element),
        },
        "GetDigits" | "GetInput" => Instruction::Gather {
            prompts: element.children.len(),
        },
        "Dial" => Instruction::Dial {
            targets: element.children.len(),
        },
        "Stream" => Instruction::Stream,
        "Record" => Instruction::Record,
        "Redirect" => Instruction::Redirect,
        "Hangup" if element.attribute("reason").is_some() => Instruction::Reject,
        "Hangup" => Instruction::HangUp,
        other => Instruction::Other {
            name: other.chars().take(40).collect(),
        },
    }
}

fn wait_length(element: &Element) -> Duration {
    Duration::from_secs(element.number("length", 1).clamp(1, 3_600))
}

impl Session<'_> {
    pub(crate) async fn run_element(&mut self, element: &Element) -> Result<Next, Ended> {
        match element.name.as_str() {
            "Hangup" => return Ok(self.hang_up(element)),
            "Redirect" => return Ok(self.redirect(element)),
            // A wait at the beginning lets the phone ring on.
            "Wait" if self.answered.is_none() => {
                self.call.pass(wait_length(element)).await?;
                return Ok(Next::Element);
            }
            _ => self.answer(),
        }
        if element.name == "Stream" {
            return self.stream(element).await;
        }
        self.closed_by_app = false;
        match element.name.as_str() {
            "Speak" | "Play" => self.call.pass(self.call.prompt()).await?,
            "Wait" => self.call.pass(wait_length(element)).await?,
            "GetDigits" | "GetInput" => return self.gather(element).await,
            "Dial" => return self.dial(element).await,
            "Record" | "Conference" | "MultiPartyCall" | "PreAnswer" | "DTMF" | "Message" => {
                let name = &element.name;
                self.call.complain(Finding::note(
                    "not-simulated",
                    format!("<{name}> is not simulated; the document goes on behind it"),
                ));
            }
            // It was complained of, and is ignored.
            _ => {}
        }
        Ok(Next::Element)
    }

    fn hang_up(&self, element: &Element) -> Next {
        match (element.attribute("reason"), self.answered) {
            (Some("busy"), None) => Next::HangUp("Busy Line"),
            (Some("rejected"), None) => Next::HangUp("Rejected"),
            (Some("busy" | "rejected"), Some(_)) => {
                self.call.complain(Finding::warning(
                    "reason",
                    "a call that is answered cannot be rejected any more: it is hung up",
                ));
                Next::HangUp("Normal Hangup")
            }
            (Some(_), _) => {
                self.call.complain(Finding::warning(
                    "reason",
                    "the reason of <Hangup> is rejected or busy",
                ));
                Next::HangUp("Normal Hangup")
            }
            (None, _) => Next::HangUp("Normal Hangup"),
        }
    }

    fn redirect(&self, element: &Element) -> Next {
        match self.absolute(element.text.trim(), element) {
            Some(url) => Next::Document(Jump {
                purpose: "redirect",
                url,
                method: method_of(element, "method"),
                event: "Redirect",
                extra: vec![],
            }),
            None => Next::HangUp("Error Reaching Redirect URL"),
        }
    }

    /// Plivo takes fully qualified URLs only.
    pub(crate) fn absolute(&self, url: &str, element: &Element) -> Option<String> {
        let is_absolute = url.starts_with("https://") || url.starts_with("http://");
        if !is_absolute {
            let name = &element.name;
            let text = format!("a URL of <{name}> is not absolute: https://…");
            self.call.complain(Finding::error("relative-url", text));
        }
        is_absolute.then(|| url.to_owned())
    }

    /// The document behind an `action`, if there is one and it is to be followed.
    pub(crate) async fn action(
        &mut self,
        purpose: &'static str,
        event: &'static str,
        element: &Element,
        extra: Parameters,
    ) -> Next {
        let Some(url) = element.attribute("action").filter(|url| !url.is_empty()) else {
            return Next::Element;
        };
        let Some(url) = self.absolute(url, element) else {
            return Next::Element;
        };
        let method = method_of(element, "method");
        if element.attribute("redirect") == Some("false") {
            let webhook = self.webhook(purpose, method, &url, event, &extra);
            self.call.callback(webhook, acknowledged()).await;
            return Next::Element;
        }
        Next::Document(Jump {
            purpose,
            url,
            method,
            event,
            extra,
        })
    }

    async fn dial(&mut self, element: &Element) -> Result<Next, Ended> {
        let is_target = |child: &&Element| matches!(child.name.as_str(), "Number" | "User");
        let targets: Vec<&Element> = element.children.iter().filter(is_target).collect();
        if targets.is_empty() {
            self.call.complain(Finding::error(
                "nobody-to-dial",
                "a <Dial> has neither <Number> nor <User>",
            ));
            return Ok(Next::Element);
        }
        let leg = random::uuid();
        let to = targets.first().map_or("", |target| target.text.trim());
        let (status, talked) = match self.call.dial_result() {
            DialResult::Completed(talk) => ("completed", Some(talk)),
            DialResult::Busy => ("busy", None),
            DialResult::NoAnswer => ("no-answer", None),
            DialResult::Failed => ("failed", None),
        };
        let connected = match talked {
            Some(talk) => {
                self.leg_event(element, &leg, to, "answer").await;
                self.call.pass(talk).await
            }
            None => self.call.pass(self.call.prompt()).await,
        };
        self.leg_event(element, &leg, to, "hangup").await;
        if self.call.ended_by().is_some() {
            return Err(Ended);
        }
        let seconds = talked.map_or(0, |talk| talk.as_secs_f64().ceil() as u64);
        let extra = pairs([
            ("DialStatus", status),
            ("DialRingStatus", "true"),
            ("DialALegUUID", &self.uuid),
            ("DialBLegUUID", if talked.is_some() { &leg } else { "" }),
            ("DialBLegTo", without_plus(to)),
            ("DialBLegDuration", &seconds.to_string()),
        ]);
        let next = self.action("dial", "DialAction", element, extra).await;
        connected?;
        Ok(next)
    }

    async fn leg_event(&self, element: &Element, leg: &str, to: &str, action: &str) {
        let url = element.attribute("callbackUrl").unwrap_or_default();
        if url.is_empty() {
            return;
        }
        let Some(url) = self.absolute(url, element) else {
            return;
        };
        let extra = pairs([
            ("DialAction", action),
            ("DialBLegStatus", action),
            ("DialALegUUID", &self.uuid),
            ("DialBLegUUID", leg),
            ("DialBLegTo", without_plus(to)),
        ]);
        let method = method_of(element, "callbackMethod");
        let webhook = self.webhook(&format!("leg {action}"), method, &url, "DialAnswer", &extra);
        self.call.callback(webhook, acknowledged()).await;
    }
}

/// POST unless the attribute says otherwise.
pub(crate) fn method_of(element: &Element, attribute: &str) -> Method {
    let named = element.attribute(attribute).and_then(Method::parse);
    named.unwrap_or(Method::Post)
}
