//! `<Dial>`: a second leg, with its own id and its own status callbacks.

use std::time::Duration;

use crate::engine::{DialResult, Ended, Method, clock, random, resolve};
use crate::persona::twilio::session::{Next, Session};
use crate::persona::twilio::twiml::Element;
use crate::persona::twilio::verbs::method_of;
use crate::persona::twilio::webhooks::{Parameters, acknowledged, pairs};

/// A dialled leg.
struct Child<'e> {
    element: &'e Element,
    sid: String,
    to: String,
    sequence: u32,
}

impl Session<'_> {
    pub(crate) async fn dial(&mut self, verb: &Element, base: &str) -> Result<Next, Ended> {
        let mut children: Vec<Child<'_>> = verb
            .children
            .iter()
            .filter(|child| {
                matches!(
                    child.name.as_str(),
                    "Number" | "Client" | "Sip" | "WhatsApp"
                )
            })
            .chain((!verb.text.trim().is_empty()).then_some(verb))
            .map(|element| Child {
                element,
                sid: format!("CA{}", random::hex::<16>()),
                to: callee(element),
                sequence: 0,
            })
            .collect();
        for child in &mut children {
            self.child_event(verb, base, child, "initiated", "initiated", 0)
                .await;
            self.child_event(verb, base, child, "ringing", "ringing", 0)
                .await;
        }
        let (status, talked) = match self.call.dial_result() {
            DialResult::Completed(talk) => ("completed", Some(talk)),
            DialResult::Busy => ("busy", None),
            DialResult::NoAnswer => ("no-answer", None),
            DialResult::Failed => ("failed", None),
        };
        let connected = match talked {
            Some(talk) => {
                if let Some(first) = children.first_mut() {
                    self.child_event(verb, base, first, "in-progress", "answered", 0)
                        .await;
                }
                self.call.pass(talk).await
            }
            None => self.call.pass(self.call.prompt()).await,
        };
        let seconds = talked.map_or(0, |talk| talk.as_secs_f64().ceil() as u64);
        for (index, child) in children.iter_mut().enumerate() {
            // They all rang; the first one answered.
            let status = if index > 0 && talked.is_some() {
                "canceled"
            } else {
                status
            };
            self.child_event(verb, base, child, status, "completed", seconds)
                .await;
        }
        if connected.is_err()
            && (verb.attribute("action").is_none() || self.call.ended_by().is_some())
        {
            return Err(Ended);
        }
        if verb.attribute("action").is_none() {
            return Ok(Next::Verb);
        }
        let mut extra = pairs([("DialCallStatus", status)]);
        if let Some(first) = children.first() {
            extra.push(("DialCallSid".into(), first.sid.clone()));
        }
        if talked.is_some() {
            extra.push(("DialCallDuration".into(), seconds.to_string()));
        }
        extra.push(("DialBridged".into(), talked.is_some().to_string()));
        let next = self.action("dial", verb, base, extra);
        if connected.is_err() {
            // A new document waits. The app hears of the dial nevertheless, and its answer leads nowhere.
            if let Next::Document(jump) = &next {
                let parameters = self.parameters(&jump.extra);
                let webhook = self.webhook(jump.purpose, jump.method, &jump.url, parameters);
                let _ = self.call.request(&webhook).await;
            }
            return Err(Ended);
        }
        Ok(next)
    }

    async fn child_event(
        &self,
        verb: &Element,
        base: &str,
        child: &mut Child<'_>,
        status: &'static str,
        event: &str,
        seconds: u64,
    ) {
        // A bare number in <Dial> has no attributes of its own.
        if child.element.name == "Dial" {
            return;
        }
        let Some(url) = child
            .element
            .attribute("statusCallback")
            .and_then(|url| resolve(base, url))
        else {
            return;
        };
        let wanted = child
            .element
            .attribute("statusCallbackEvent")
            .unwrap_or("completed");
        if !wanted.split(' ').any(|wanted| wanted == event) {
            return;
        }
        let parameters = self.child_parameters(verb, child, status, event, seconds);
        child.sequence += 1;
        let method = match child.element.attribute("statusCallbackMethod") {
            Some(_) => method_of(child.element, "statusCallbackMethod"),
            None => Method::Post,
        };
        let webhook = self.webhook(&format!("child {status}"), method, &url, parameters);
        self.call.callback(webhook, acknowledged()).await;
        // The events of one leg do not all happen in one instant.
        let _ = self.call.pass(Duration::from_millis(20)).await;
    }

    fn child_parameters(
        &self,
        verb: &Element,
        child: &Child<'_>,
        status: &str,
        event: &str,
        seconds: u64,
    ) -> Parameters {
        let from = verb.attribute("callerId").unwrap_or(self.call.from());
        let mut parameters = pairs([
            ("AccountSid", self.account.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &child.sid),
            ("ParentCallSid", &self.call_sid),
            ("CallStatus", status),
            ("Direction", "outbound-dial"),
            ("From", from),
            ("Caller", from),
            ("To", &child.to),
            ("Called", &child.to),
            ("Timestamp", &clock::rfc_2822_now()),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", &child.sequence.to_string()),
        ]);
        if event == "completed" {
            parameters.push(("CallDuration".into(), seconds.to_string()));
            parameters.push(("Duration".into(), seconds.div_ceil(60).to_string()));
        }
        parameters
    }
}

fn callee(element: &Element) -> String {
    let text = element.text.trim();
    let named = |name: &str| {
        element
            .children
            .iter()
            .find(|child| child.name == name)
            .map(|child| child.text.trim().to_owned())
    };
    match element.name.as_str() {
        "Client" => format!(
            "client:{}",
            named("Identity").unwrap_or_else(|| text.to_owned())
        ),
        "Sip" => named("Uri").unwrap_or_else(|| text.to_owned()),
        _ => text.to_owned(),
    }
}
