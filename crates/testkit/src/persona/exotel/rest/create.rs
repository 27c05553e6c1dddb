//! Placing a call, in three modes.

use std::time::Duration;

use http::StatusCode;

use crate::complaint::Finding;
use crate::engine::{Placement, RestRequest, RestResponse, Switchboard, UrlParts};
use crate::persona::exotel::callback::CallbackBody;
use crate::persona::exotel::outbound::{CallOrder, Mode, Outbound};
use crate::persona::exotel::rest::form::Form;
use crate::persona::exotel::rest::{ExotelRest, bad, exception, view};
use crate::persona::exotel::session::{Callback, Parties, new_call_sid};

/// Seconds that it rings and lasts, unless the request says otherwise.
const RING: u64 = 30;
const LONGEST: u64 = 14_400;
const LONGEST_FIELD: usize = 128;
const LONGEST_NAME: usize = 32;
const LONGEST_STREAM_URL: usize = 600;

/// Why there is no call.
enum Refused {
    Bad(String),
    Forbidden(&'static str),
}

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self::Bad(message)
    }
}

impl ExotelRest {
    pub(crate) fn create(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let mut form = Form::of(request);
        let (parties, order) = match self.read(&mut form) {
            Ok(read) => read,
            Err(refused) => {
                let response = match refused {
                    Refused::Bad(message) => bad(&message),
                    Refused::Forbidden(message) => exception(StatusCode::FORBIDDEN, message, None),
                };
                return response.with_findings(form.findings);
            }
        };
        let sid = new_call_sid();
        // The person is the one who is dialled, whatever the parameters are called.
        let placement = Placement::new(&sid, &parties.call_from, &parties.from, "in-progress");
        let flow = Outbound {
            account: self.account.clone(),
            sid,
            parties: parties.clone(),
            order,
        };
        let call = desk.place(placement, flow);
        call.note("From", parties.from);
        call.note("To", parties.to);
        call.note("PhoneNumberSid", parties.call_from);
        RestResponse::json(StatusCode::OK, &view::call(&self.account, &call, false))
            .with_findings(form.finish())
            .about(&call)
    }

    fn read(&self, form: &mut Form) -> Result<(Parties, CallOrder), Refused> {
        let needed = |form: &mut Form, name: &str| {
            let value = form.text(name);
            value.ok_or_else(|| Refused::Bad(format!("Mandatory parameter {name} is missing")))
        };
        let from = needed(form, "From")?;
        let caller_id = needed(form, "CallerId")?;
        let to = form.text("To");
        for (name, number) in [("From", Some(&from)), ("To", to.as_ref())] {
            if number.is_some_and(|number| !is_callable(number)) {
                return Err(Refused::Bad(format!("{name} is not a number")));
            }
        }
        let owned = &self.account.numbers;
        if !owned.is_empty() && !owned.iter().any(|number| same(number, &caller_id)) {
            return Err(Refused::Bad(
                "CallerId is not a number of this account".into(),
            ));
        }
        let callback = form.url("StatusCallback", &["http", "https"])?;
        let body = match form
            .word(
                "StatusCallbackContentType",
                &["multipart/form-data", "application/json"],
            )?
            .as_deref()
        {
            Some("application/json") => CallbackBody::Json,
            _ => CallbackBody::Multipart,
        };
        let events = form.list("StatusCallbackEvents");
        let mode = self.mode(form, to.as_deref())?;
        let events = known_events(form, &mode, events);
        let custom_field = form.text("CustomField");
        if custom_field
            .as_ref()
            .is_some_and(|field| field.chars().count() > LONGEST_FIELD)
        {
            return Err(Refused::Bad(format!(
                "CustomField may have {LONGEST_FIELD} characters"
            )));
        }
        let order = CallOrder {
            callback: callback.map(|url| Callback { url, events, body }),
            custom_field,
            ring: Duration::from_secs(form.seconds("TimeOut", LONGEST)?.unwrap_or(RING)),
            limit: Duration::from_secs(form.seconds("TimeLimit", LONGEST)?.unwrap_or(LONGEST)),
            record: form.word("Record", &["true", "false"])?.as_deref() == Some("true"),
            mode,
        };
        form.word("CallType", &["trans"])?;
        form.word("RecordingChannels", &["single", "dual"])?;
        form.word("RecordingFormat", &["mp3", "mp3-hq"])?;
        // They change nothing here.
        for name in [
            "WaitUrl",
            "StartPlaybackTo",
            "StartPlaybackToNew",
            "StartPlaybackValue",
            "StartPlaybackValueNew",
        ] {
            form.text(name);
        }
        let parties = Parties {
            to: to
                .filter(|_| matches!(order.mode, Mode::TwoNumbers(_)))
                .unwrap_or_else(|| caller_id.clone()),
            call_to: from.clone(),
            from,
            call_from: caller_id,
            direction: "outbound-dial",
            api_direction: "outbound-api",
        };
        Ok((parties, order))
    }

    fn mode(&self, form: &mut Form, to: Option<&str>) -> Result<Mode, Refused> {
        let flow = form.text("Url");
        let stream = form.url("StreamUrl", &["ws", "wss"])?;
        let kind = form.text("StreamType");
        form.text("StreamBegin");
        if form
            .text("StreamName")
            .is_some_and(|name| name.chars().count() > LONGEST_NAME)
        {
            return Err(Refused::Bad(format!(
                "StreamName may have {LONGEST_NAME} characters"
            )));
        }
        if stream
            .as_ref()
            .is_some_and(|url| url.chars().count() >= LONGEST_STREAM_URL)
        {
            return Err(Refused::Bad(format!(
                "StreamUrl must have less than {LONGEST_STREAM_URL} characters"
            )));
        }
        match (flow, stream, to) {
            (Some(_), Some(_), _) => {
                Err(Refused::Bad("Url and StreamUrl exclude each other".into()))
            }
            (Some(url), None, _) => Ok(Mode::Flow {
                known: self.is_flow(&url),
            }),
            (None, Some(url), None) => {
                if kind.as_deref() != Some("bidirectional") {
                    return Err(Refused::Bad("StreamType must be bidirectional".into()));
                }
                if !self.account.direct_streams {
                    return Err(Refused::Forbidden(
                        "Streams without a flow are not enabled for this account",
                    ));
                }
                form.foreign(&["CallType", "TimeOut", "WaitUrl", "RecordingFormat"]);
                Ok(Mode::Stream(url))
            }
            (None, stream, Some(to)) => {
                if stream.is_some() {
                    form.findings.push(Finding::note(
                        "not-simulated",
                        "the one-way stream of a call between two numbers is not simulated",
                    ));
                }
                Ok(Mode::TwoNumbers(to.to_owned()))
            }
            (None, None, None) => Err(Refused::Bad(
                "Mandatory parameter To, Url or StreamUrl is missing".into(),
            )),
        }
    }

    /// `http://my.exotel.com/{account}/exoml/start_voice/{flow}`, also in Mumbai.
    fn is_flow(&self, url: &str) -> bool {
        let Some(parts) = UrlParts::parse(url) else {
            return false;
        };
        let path = format!("/{}/exoml/start_voice/", self.account.account_sid);
        matches!(parts.host.as_str(), "my.exotel.com" | "my.in.exotel.com")
            && parts.path.strip_prefix(&path).is_some_and(|flow| {
                !flow.is_empty() && flow.bytes().all(|byte| byte.is_ascii_digit())
            })
    }
}

/// Only direct streams have an event for ringing.
fn known_events(form: &mut Form, mode: &Mode, events: Vec<String>) -> Vec<String> {
    let known: &[&str] = match mode {
        Mode::Stream(_) => &["terminal", "answered", "ringing"],
        _ => &["terminal", "answered"],
    };
    let (events, unknown): (Vec<_>, Vec<_>) = events
        .into_iter()
        .partition(|event| known.contains(&event.as_str()));
    if !unknown.is_empty() {
        form.findings.push(Finding::warning(
            "unknown-event",
            format!(
                "StatusCallbackEvents may be {} here: others never come",
                known.join(", ")
            ),
        ));
    }
    events
}

/// A number with at least eight digits, or a SIP address.
fn is_callable(number: &str) -> bool {
    if number.starts_with("sip:") {
        return number.len() > 4;
    }
    let digits = number.strip_prefix('+').unwrap_or(number);
    (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The same number in national or international form: the last ten digits count.
fn same(one: &str, other: &str) -> bool {
    let last = |number: &str| {
        let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
        digits[digits.len().saturating_sub(10)..].to_vec()
    };
    last(one) == last(other)
}
