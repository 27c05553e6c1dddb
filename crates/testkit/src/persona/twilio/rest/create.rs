//! Placing a call.

use std::time::Duration;

use http::StatusCode;

use crate::complaint::Finding;
use crate::engine::{Method, Placement, RestRequest, RestResponse, Switchboard, random};
use crate::persona::twilio::outbound::{CallOrder, Detection, Outbound};
use crate::persona::twilio::rest::TwilioRest;
use crate::persona::twilio::rest::parameters::{Form, Refused, is_address, refused};
use crate::persona::twilio::rest::view;
use crate::persona::twilio::session::{Jump, Source};
use crate::persona::twilio::webhooks::{StatusCallback, pairs};

/// A document in the request may have so many characters.
pub(crate) const LONGEST_TWIML: usize = 4_000;
/// It rings so long unless the request says otherwise, and at most.
const RING: u64 = 60;
const LONGEST_RING: u64 = 600;
/// A call may last so long at most, when the account may do that.
const LONGEST_CALL: u64 = 86_400;
const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];

/// The first document, status callbacks, and where to ask when documents fail.
type Beginning = (Source, Option<StatusCallback>, Option<(String, Method)>);

/// Between whom.
struct Parties {
    from: String,
    to: String,
}

impl TwilioRest {
    pub(crate) fn create(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let mut form = Form::of(request);
        let read = self
            .parties(&mut form)
            .and_then(|parties| Ok((parties, self.order(&mut form, desk)?)));
        let findings = |form: Form| form.finish();
        let (parties, order) = match read {
            Ok(read) => read,
            // What was not read is not unknown yet.
            Err(refusal) => return refused(refusal).with_findings(form.findings),
        };
        let sid = format!("CA{}", random::hex::<16>());
        let placement = Placement::new(&sid, parties.from, parties.to, "queued");
        let flow = Outbound {
            account: self.account.clone(),
            sid,
            order,
            starts: self.next_turn(),
        };
        let call = desk.place(placement, flow);
        RestResponse::json(StatusCode::CREATED, &view::call(&self.account, &call))
            .with_findings(findings(form))
            .about(&call)
    }

    fn parties(&self, form: &mut Form) -> Result<Parties, Refused> {
        let to = form
            .text("To")
            .ok_or((21201, "No 'To' number is specified".into()))?;
        let from = form
            .text("From")
            .ok_or((21213, "No 'From' number is specified".into()))?;
        if !is_address(&to) {
            return Err((21211, "The 'To' number is not a valid phone number.".into()));
        }
        if !is_address(&from) {
            return Err((
                21212,
                "The 'From' number is not a valid phone number.".into(),
            ));
        }
        let owned = &self.account.numbers;
        if !owned.is_empty() && !owned.contains(&from) {
            return Err((
                21210,
                "The source phone number provided is not yet verified for your account.".into(),
            ));
        }
        Ok(Parties { from, to })
    }

    fn order(&self, form: &mut Form, desk: &Switchboard) -> Result<CallOrder, Refused> {
        let application = form.text("ApplicationSid");
        let source = document(form)?;
        let method = form.method("FallbackMethod")?;
        let fallback = form.url("FallbackUrl")?.map(|url| (url, method));
        let callback = callback(form)?;
        let (source, callback, fallback) = match (application, source) {
            (Some(sid), _) => self.application(&sid, desk)?,
            (None, Some(source)) => (source, callback, fallback),
            (None, None) => return Err((21205, "Url parameter is required.".into())),
        };
        let send_digits = form.text("SendDigits");
        if let Some(digits) = &send_digits
            && (digits.len() > 32
                || !digits
                    .chars()
                    .all(|digit| "0123456789ABCD#*wW".contains(digit)))
        {
            return Err((21206, "SendDigits is not valid".into()));
        }
        // Keys at the beginning would only confuse the ear.
        let detection = detection(form)?.filter(|_| send_digits.is_none());
        let order = CallOrder {
            source,
            callback,
            fallback,
            ring: form
                .seconds("Timeout", LONGEST_RING, 21208)?
                .unwrap_or(Duration::from_secs(RING)),
            time_limit: form.seconds("TimeLimit", LONGEST_CALL, 20422)?,
            send_digits,
            detection,
            record: record(form)?,
        };
        // They change nothing here.
        for name in [
            "CallerId",
            "CallReason",
            "CallToken",
            "Byoc",
            "SipAuthUsername",
            "SipAuthPassword",
            "ClientNotificationUrl",
        ] {
            form.text(name);
        }
        Ok(order)
    }

    /// A TwiML application is what the test says about inbound calls.
    fn application(&self, sid: &str, desk: &Switchboard) -> Result<Beginning, Refused> {
        let application = desk.application();
        if !sid.starts_with("AP") || sid.len() != 34 || application.answer_url.is_empty() {
            return Err((21218, "Invalid ApplicationSid".into()));
        }
        let source = Source::Fetch(Jump {
            purpose: "answer",
            url: application.answer_url,
            method: application.method.unwrap_or(Method::Post),
            extra: vec![],
        });
        let callback = application.status_url.map(|url| StatusCallback {
            url,
            method: Method::Post,
            events: self.account.status_events.clone(),
        });
        let fallback = application.fallback_url.map(|url| (url, Method::Post));
        Ok((source, callback, fallback))
    }
}

/// What to do when somebody has answered.
fn document(form: &mut Form) -> Result<Option<Source>, Refused> {
    let method = form.method("Method")?;
    let url = form.url("Url")?;
    let twiml = form.text("Twiml");
    if twiml
        .as_ref()
        .is_some_and(|twiml| twiml.chars().count() > LONGEST_TWIML)
    {
        return Err((
            32018,
            format!("Twiml size exceeded maximum allowed value of {LONGEST_TWIML} characters"),
        ));
    }
    if url.is_some() && twiml.is_some() {
        form.findings.push(Finding::warning(
            "32019",
            "Twiml and Url are both set: Url is used",
        ));
    }
    let fetch = url.map(|url| {
        Source::Fetch(Jump {
            purpose: "answer",
            url,
            method,
            extra: vec![],
        })
    });
    Ok(fetch.or(twiml.map(Source::Inline)))
}

/// A list that cannot be read makes no refusal: the call goes out, and nobody is ever told.
fn callback(form: &mut Form) -> Result<Option<StatusCallback>, Refused> {
    let url = form.url("StatusCallback")?;
    let method = form.method("StatusCallbackMethod")?;
    let mut events = form.texts("StatusCallbackEvent");
    let indexed = form.has_prefix("StatusCallbackEvent[");
    if indexed || events.iter().any(|event| !EVENTS.contains(&event.as_str())) {
        form.findings.push(Finding::error(
            "21626",
            "StatusCallbackEvent is not understood (repeat the key for each event): no callback will come",
        ));
        return Ok(None);
    }
    if events.is_empty() {
        events.push("completed".into());
    }
    Ok(url.map(|url| StatusCallback {
        url,
        method,
        events,
    }))
}

fn detection(form: &mut Form) -> Result<Option<Detection>, Refused> {
    let mode = form.text("MachineDetection");
    for (name, range) in [
        ("MachineDetectionTimeout", 3..=59),
        ("MachineDetectionSpeechThreshold", 1_000..=6_000),
        ("MachineDetectionSpeechEndThreshold", 500..=5_000),
        ("MachineDetectionSilenceTimeout", 2_000..=10_000),
    ] {
        if let Err((_, message)) = form.number(name, range, 21263) {
            form.findings.push(Finding::warning("21263", message));
        }
    }
    let asynchronous = form.flag("AsyncAmd");
    let url = form.url("AsyncAmdStatusCallback")?;
    let method = form.method("AsyncAmdStatusCallbackMethod")?;
    let message_end = match mode.as_deref() {
        None => return Ok(None),
        Some("Enable") => false,
        Some("DetectMessageEnd") => true,
        Some(_) => {
            return Err((
                21234,
                "MachineDetection must be Enable or DetectMessageEnd".into(),
            ));
        }
    };
    if asynchronous && url.is_none() {
        form.findings.push(Finding::warning(
            "21262",
            "AsyncAmd without AsyncAmdStatusCallback: nobody is told the verdict",
        ));
    }
    Ok(Some(Detection {
        message_end,
        background: asynchronous.then(|| url.map(|url| (url, method))),
    }))
}

fn record(form: &mut Form) -> Result<Option<Vec<(String, String)>>, Refused> {
    let wanted = form.flag("Record");
    let settings = recording_settings(form, "OutboundAPI")?;
    Ok(wanted.then_some(settings))
}

/// What a recording is made with, here and when it is started later.
pub(crate) fn recording_settings(
    form: &mut Form,
    source: &str,
) -> Result<Vec<(String, String)>, Refused> {
    let method = form.method("RecordingStatusCallbackMethod")?;
    let mut settings = pairs([
        ("Source", source),
        (
            "RecordingStatusCallbackMethod",
            match method {
                Method::Get => "GET",
                Method::Post => "POST",
            },
        ),
    ]);
    let events = form.texts("RecordingStatusCallbackEvent").join(" ");
    let events = Some(events).filter(|events| !events.is_empty());
    for (name, value) in [
        (
            "RecordingStatusCallback",
            form.url("RecordingStatusCallback")?,
        ),
        ("RecordingStatusCallbackEvent", events),
        (
            "RecordingChannels",
            form.word("RecordingChannels", &["mono", "dual"])?,
        ),
        (
            "RecordingTrack",
            form.word("RecordingTrack", &["inbound", "outbound", "both"])?,
        ),
        ("Trim", form.word("Trim", &["trim-silence", "do-not-trim"])?),
    ] {
        settings.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(settings)
}
