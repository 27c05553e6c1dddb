//! Calls.create.

use super::RestOperation;
use super::options::{MachineDetectionOptions, RecordingOptions, StatusEvent, TwilioCallOptions};
use super::requests::{Delivery, Directed, ESCAPED, Form, Requests};
use crate::answer::{is_absolute, twiml, whole_seconds};
use crate::webhook::fields::AFTER;
use crate::{NAME, PROVIDER, party};
use http::Method;
use percent_encoding::utf8_percent_encode;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;
use telephony_core::{
    Answer, CallLinks, CallStatus, Error, MachineDetection, OutboundCall, Party, Result,
    StatusEvents,
};

const OPERATION: RestOperation = RestOperation::PlaceCall;
/// How long a call may ring (Twilio docs).
const RING_SECONDS: RangeInclusive<u64> = 1..=600;
/// How long a call may last where the account allows it (Twilio docs: else 4 hours).
const CALL_SECONDS: RangeInclusive<u64> = 1..=24 * 60 * 60;
/// How many keys may be sent when the call is answered.
const MAX_DIGITS: usize = 32;
/// The longest reason for a call.
const REASON_CHARS: usize = 50;
/// User and password of a SIP address must be shorter (errors 21221, 21223).
const SIP_AUTH_CHARS: usize = 256;

impl Requests<'_> {
    /// Places a call.
    ///
    /// | the call | Twilio |
    /// |---|---|
    /// | `answer` | `Twiml` up to 4,000 characters, else `Url` with our answer URL; `ApplicationSid` if the options say so |
    /// | `ring_timeout` (1 to 600 s), `max_duration` (1 s to 24 h) | `Timeout`, `TimeLimit`, in whole seconds |
    /// | `machine_detection`: `Wait` | `MachineDetection=Enable`: no TwiML runs before the verdict |
    /// | `machine_detection`: `Report` | the same with `AsyncAmd=true` and our events URL |
    /// | `record` | `Record=true` with our events URL |
    /// | `status_events`: `All`, `End` | all kinds of `StatusCallbackEvent`, or `completed` alone; a list in the options is taken instead of `All`, and must not say more than `End` |
    /// | `parameters` | in the query of our URLs, so that they come back with every callback |
    /// | [`TwilioCallOptions`] | all others |
    ///
    /// Status callbacks go to our status URL: every kind that is wanted is a field of its own, for Twilio takes a list in
    /// one field for an error, or for none at all (field reports).
    ///
    /// A document of the app's own that has relative URLs works at our answer URL only, not within a request (error 11100).
    ///
    /// # Errors
    /// [`Unsupported`](telephony_core::ErrorKind::Unsupported) for what Twilio cannot do,
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) for what is against its rules or cannot be honoured
    /// together.
    pub fn place_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<Directed> {
        let default = TwilioCallOptions::default();
        let options = call
            .extension::<TwilioCallOptions>(&PROVIDER)?
            .unwrap_or(&default);
        check(call, options)?;
        let urls = Callbacks {
            links,
            parameters: &call.parameters,
        };
        let mut form = Form::new();
        form.add("To", &party::written(&call.to, OPERATION.name())?);
        form.add("From", &party::written(&call.from, OPERATION.name())?);
        let delivery = match &options.application_sid {
            Some(sid) => {
                form.add("ApplicationSid", sid);
                Delivery::Application
            }
            None => {
                let twiml = twiml(&call.answer, links, Some(CallStatus::InProgress))?;
                let delivery = form.add_twiml(twiml, || urls.answer());
                add_callbacks(&mut form, call, options, &urls);
                delivery
            }
        };
        add_limits(&mut form, call, options);
        if call.record {
            form.add("Record", "true");
            form.add_all(options.recording.pairs());
            form.add_recording_callback(&urls.events());
        }
        add_machine_detection(&mut form, call, &options.machine_detection, &urls)?;
        add_rest(&mut form, options)?;
        let request = self.post(OPERATION, &["Calls"], form)?;
        Ok(Directed { request, delivery })
    }
}

/// Our URLs with the app's parameters.
struct Callbacks<'a> {
    links: &'a CallLinks,
    parameters: &'a BTreeMap<String, String>,
}

impl Callbacks<'_> {
    fn answer(&self) -> String {
        self.with_parameters(self.links.answer_url())
    }

    fn status(&self) -> String {
        self.with_parameters(self.links.status_url())
    }

    fn events(&self) -> String {
        self.with_parameters(self.links.events_url())
    }

    /// The signature covers the URL as it is: blanks are `%20`, which nobody writes in another way.
    fn with_parameters(&self, mut url: String) -> String {
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.extend(utf8_percent_encode(name, ESCAPED));
            url.push('=');
            url.extend(utf8_percent_encode(value, ESCAPED));
        }
        url
    }
}

fn add_callbacks(
    form: &mut Form,
    call: &OutboundCall,
    options: &TwilioCallOptions,
    urls: &Callbacks<'_>,
) {
    if let Some((url, method)) = &options.fallback {
        form.add("FallbackUrl", url);
        form.add("FallbackMethod", method.as_str());
    }
    form.add("StatusCallback", &urls.status());
    for event in StatusEvent::ALL {
        let is_wanted = match &options.status_events {
            Some(wanted) => event == StatusEvent::Completed || wanted.contains(&event),
            None => event == StatusEvent::Completed || call.status_events == StatusEvents::All,
        };
        if is_wanted {
            form.add("StatusCallbackEvent", event.as_str());
        }
    }
    form.add("StatusCallbackMethod", "POST");
}

fn add_limits(form: &mut Form, call: &OutboundCall, options: &TwilioCallOptions) {
    if let Some(digits) = &options.send_digits {
        form.add("SendDigits", digits);
    }
    for (name, limit) in [
        ("Timeout", call.ring_timeout),
        ("TimeLimit", call.max_duration),
    ] {
        if let Some(limit) = limit {
            form.add(name, &whole_seconds(limit).to_string());
        }
    }
}

fn add_machine_detection(
    form: &mut Form,
    call: &OutboundCall,
    options: &MachineDetectionOptions,
    urls: &Callbacks<'_>,
) -> Result<()> {
    let is_async = match call.machine_detection {
        MachineDetection::Off => return Ok(()),
        MachineDetection::Wait => false,
        MachineDetection::Report => true,
        _ => {
            let detail = "Twilio has no such machine detection";
            return Err(Error::unsupported(OPERATION.name(), detail).with_provider(NAME));
        }
    };
    let mode = match options.message_end {
        true => "DetectMessageEnd",
        false => "Enable",
    };
    form.add("MachineDetection", mode);
    if let Some(timeout) = options.timeout {
        form.add("MachineDetectionTimeout", &timeout.as_secs().to_string());
    }
    for (name, duration, _) in thresholds(options) {
        if let Some(duration) = duration {
            form.add(name, &duration.as_millis().to_string());
        }
    }
    if is_async {
        form.add("AsyncAmd", "true");
        form.add("AsyncAmdStatusCallback", &urls.events());
        form.add("AsyncAmdStatusCallbackMethod", "POST");
    }
    Ok(())
}

fn add_rest(form: &mut Form, options: &TwilioCallOptions) -> Result<()> {
    if let Some(caller_id) = &options.caller_id {
        form.add("CallerId", &party::written(caller_id, OPERATION.name())?);
    }
    let texts = [
        ("CallReason", &options.call_reason),
        ("CallToken", &options.call_token),
        ("Byoc", &options.byoc),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            form.add(name, text);
        }
    }
    if let Some((user, password)) = &options.sip_auth {
        form.add("SipAuthUsername", user);
        form.add("SipAuthPassword", password.expose());
    }
    if let Some(url) = &options.client_notification_url {
        form.add("ClientNotificationUrl", url);
    }
    Ok(())
}

/// Fields, values in use, and their range in milliseconds (Twilio docs).
fn thresholds(
    options: &MachineDetectionOptions,
) -> [(&'static str, Option<Duration>, RangeInclusive<u128>); 3] {
    [
        (
            "MachineDetectionSpeechThreshold",
            options.speech_threshold,
            1_000..=6_000,
        ),
        (
            "MachineDetectionSpeechEndThreshold",
            options.speech_end_threshold,
            500..=5_000,
        ),
        (
            "MachineDetectionSilenceTimeout",
            options.silence_timeout,
            2_000..=10_000,
        ),
    ]
}

/// Refuses what cannot be honoured before anything is written.
fn check(call: &OutboundCall, options: &TwilioCallOptions) -> Result<()> {
    check_call(call)?;
    check_status_events(call, options)?;
    check_application(call, options)?;
    check_detection(call, options)?;
    check_options(call, options)
}

fn check_call(call: &OutboundCall) -> Result<()> {
    let is_number = |party: &Party| matches!(party, Party::Number(_) | Party::LocalNumber(_));
    ensure(
        !is_number(&call.to) || !matches!(call.from, Party::Sip(_) | Party::Client(_)),
        "a number is called from a number: one of the account's, or a verified one",
    )?;
    let within = |limit: Option<Duration>, range: RangeInclusive<u64>| {
        limit.is_none_or(|limit| range.contains(&whole_seconds(limit)))
    };
    ensure(
        within(call.ring_timeout, RING_SECONDS),
        "a call may ring from 1 to 600 seconds",
    )?;
    ensure(
        within(call.max_duration, CALL_SECONDS),
        "a call may last from 1 second to 24 hours",
    )?;
    ensure(
        !call
            .parameters
            .keys()
            .any(|name| name.is_empty() || name == AFTER),
        "a parameter of the call has no name, or the library's own name `after`",
    )
}

fn check_status_events(call: &OutboundCall, options: &TwilioCallOptions) -> Result<()> {
    match call.status_events {
        StatusEvents::All => Ok(()),
        StatusEvents::End => {
            let goes_further = |events: &BTreeSet<StatusEvent>| {
                events.iter().any(|event| *event != StatusEvent::Completed)
            };
            ensure(
                !options.status_events.as_ref().is_some_and(goes_further),
                "the call wants its end reported only, and its options more: choose one",
            )
        }
        _ => {
            let detail = "Twilio has no such choice of status events";
            Err(Error::unsupported(OPERATION.name(), detail).with_provider(NAME))
        }
    }
}

/// A TwiML application has its own URLs: what we say of ours, Twilio ignores.
fn check_application(call: &OutboundCall, options: &TwilioCallOptions) -> Result<()> {
    let Some(sid) = &options.application_sid else {
        return Ok(());
    };
    ensure(
        !sid.trim().is_empty(),
        "the SID of the application is empty",
    )?;
    ensure(
        call.answer == Answer::default(),
        "a TwiML application answers the call: the answer must be `Answer::default()`",
    )?;
    ensure(
        options.fallback.is_none()
            && options.status_events.is_none()
            && call.status_events == StatusEvents::All
            && call.parameters.is_empty(),
        "a TwiML application has its own URLs: no fallback, status events or parameters beside it",
    )
}

fn check_detection(call: &OutboundCall, options: &TwilioCallOptions) -> Result<()> {
    let detection = &options.machine_detection;
    let is_on = call.machine_detection != MachineDetection::Off;
    ensure(
        is_on || *detection == MachineDetectionOptions::default(),
        "options of the machine detection need `OutboundCall::machine_detection`",
    )?;
    ensure(
        !is_on || options.send_digits.is_none(),
        "Twilio detects no machine where it sends keys: choose one",
    )?;
    ensure(
        detection.timeout.is_none_or(|timeout| {
            (3..=59).contains(&timeout.as_secs()) && timeout.subsec_nanos() == 0
        }),
        "machine detection may take from 3 to 59 whole seconds",
    )?;
    for (_, duration, range) in thresholds(detection) {
        ensure(
            duration.is_none_or(|duration| range.contains(&duration.as_millis())),
            "a threshold of the machine detection is out of its range",
        )?;
    }
    Ok(())
}

fn check_options(call: &OutboundCall, options: &TwilioCallOptions) -> Result<()> {
    ensure(
        call.record || options.recording == RecordingOptions::default(),
        "options of the recording need `OutboundCall::record`",
    )?;
    if let Some((url, method)) = &options.fallback {
        ensure(
            is_absolute(url),
            "the fallback URL must be absolute: https://…",
        )?;
        ensure(
            matches!(*method, Method::GET | Method::POST),
            "the fallback URL is asked with GET or POST",
        )?;
    }
    if let Some(digits) = &options.send_digits {
        let is_key = |byte: u8| byte.is_ascii_digit() || b"ABCD*#wW".contains(&byte);
        ensure(
            (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(is_key),
            "the keys to send must be 1 to 32 out of 0-9 A-D * # w W",
        )?;
    }
    if let Some(reason) = &options.call_reason {
        ensure(
            (1..=REASON_CHARS).contains(&reason.chars().count()),
            "the reason for the call must have 1 to 50 characters",
        )?;
    }
    for text in [&options.call_token, &options.byoc].into_iter().flatten() {
        ensure(!text.trim().is_empty(), "an option of the call is empty")?;
    }
    if let Some((user, password)) = &options.sip_auth {
        let fits = |text: &str| (1..SIP_AUTH_CHARS).contains(&text.chars().count());
        ensure(
            matches!(call.to, Party::Sip(_)),
            "a user name and password are for SIP addresses",
        )?;
        ensure(
            fits(user) && fits(password.expose()),
            "user name and password of a SIP address must have 1 to 255 characters",
        )?;
    }
    if let Some(url) = &options.client_notification_url {
        ensure(
            matches!(call.to, Party::Client(_)),
            "a push notification is for clients",
        )?;
        ensure(
            is_absolute(url),
            "the URL of the push notification must be absolute: https://…",
        )?;
    }
    Ok(())
}

fn ensure(fits: bool, detail: &str) -> Result<()> {
    if fits {
        Ok(())
    } else {
        Err(OPERATION.invalid(detail))
    }
}
