//! Placing a call.

use super::options::{
    DetectionMode, OnMachine, VonageCallOptions, VonageMachineDetection, WebsocketTarget,
    WebsocketTargetAuthorization,
};
use super::{ApplicationToken, RestOperation, VoiceApi, invalid, is_printable, ours, with_json};
use crate::answer;
use crate::config::{RATES, VonageConfig};
use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use telephony_core::{
    Answer, CallLinks, Error, ErrorKind, MachineDetection, OutboundCall, Party, Result,
};

const OPERATION: &str = RestOperation::PlaceCall.name();

impl VoiceApi {
    /// Places a call (`POST /v1/calls`). Its events go to the call's status URL, by POST. Read the response with
    /// [`placed`](super::placed).
    ///
    /// | call | request |
    /// |---|---|
    /// | `to`: number, SIP URI, client, extension | `to`: `phone`, `sip`, `app`, `vbc` |
    /// | `from`: number in E.164 or SIP URI | `from` |
    /// | `answer` | `ncco` |
    /// | `ring_timeout`, 1–120 s | `ringing_timer` |
    /// | `max_duration`, 1–86400 s | `length_timer` |
    /// | `machine_detection`: wait, report | `advanced_machine_detection` with the mode `detect`, `default` |
    /// | `record` | a `record` action before the others |
    /// | `status_events` | nothing: Vonage cannot choose, so all come |
    /// | `parameters` | nothing: Vonage hands nothing back for a call. A stream has parameters of its own |
    ///
    /// # Errors
    /// What the answer's errors are; [`InvalidArgument`](ErrorKind::InvalidArgument) for a party, a time or an option that
    /// Vonage does not take; [`Unsupported`](ErrorKind::Unsupported) for a recording when the answer is asked for later.
    pub fn place_call(
        &self,
        token: &ApplicationToken,
        call: &OutboundCall,
        links: &CallLinks,
    ) -> Result<Request<Bytes>> {
        let none = VonageCallOptions::new();
        let options = call
            .extension::<VonageCallOptions>(&crate::provider_name())?
            .unwrap_or(&none);
        let base = match &options.region_url {
            Some(region_url) => self.at_region(region_url)?.base,
            None => self.base.clone(),
        };
        let (ncco, answer_url) = if options.asks_answer_url {
            self.check_later_answer(call, links)?;
            (None, Some([links.answer_url()]))
        } else {
            (Some(self.ncco(call, links)?), None)
        };
        let (machine_detection, advanced_machine_detection) = detection(call, options)?;
        let body = Body {
            to: [endpoint(&self.config, call, options)?],
            from: from(call, options)?,
            random_from_number: options.random_from_number.then_some(true),
            ncco,
            // A GET has no body that a signature could protect.
            answer_method: answer_url.as_ref().map(|_| "POST"),
            answer_url,
            event_url: [links.status_url()],
            event_method: "POST",
            machine_detection,
            advanced_machine_detection,
            length_timer: seconds(call.max_duration, 1..=86_400, "the maximum duration")?,
            ringing_timer: seconds(call.ring_timeout, 1..=120, "the ring timeout")?,
        };
        let target = (OPERATION, format!("{base}/v1/calls"));
        with_json(target, Method::POST, token, &body)
    }

    fn ncco(&self, call: &OutboundCall, links: &CallLinks) -> Result<Box<RawValue>> {
        let ncco = self.written(&call.answer, links)?;
        if !call.record {
            return read_raw(&ncco);
        }
        let record = Record {
            action: "record",
            event_url: [links.events_url()],
            event_method: "POST",
        };
        let mut actions: Vec<Box<RawValue>> =
            serde_json::from_slice(&ncco).map_err(|_| not_json())?;
        let record = serde_json::value::to_raw_value(&record).map_err(|_| not_json())?;
        actions.insert(0, record);
        serde_json::value::to_raw_value(&actions).map_err(|_| not_json())
    }

    /// An answer that is given later is not sent now, but one that could never be given is refused now. The media token is
    /// minted when it is asked for, so a stream without one is not checked.
    fn check_later_answer(&self, call: &OutboundCall, links: &CallLinks) -> Result<()> {
        if call.record {
            let detail = "a recording is an action of the NCCO: have it sent along, or put it in the answer that is \
                          asked for";
            return Err(ours(Error::unsupported(OPERATION, detail)));
        }
        if !call.answer.wants_stream() || links.media_url().is_ok() {
            self.written(&call.answer, links)?;
        }
        Ok(())
    }

    /// The answer as the text of an NCCO.
    pub(super) fn written(&self, answer: &Answer, links: &CallLinks) -> Result<Bytes> {
        answer::ncco(&self.config, answer, links).map_err(ours)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    to: [Endpoint<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<From<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    random_from_number: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ncco: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_url: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_method: Option<&'static str>,
    event_url: [String; 1],
    event_method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_detection: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advanced_machine_detection: Option<Detection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length_timer: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ringing_timer: Option<u64>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Endpoint<'a> {
    Phone {
        number: &'a str,
        #[serde(rename = "dtmfAnswer", skip_serializing_if = "Option::is_none")]
        dtmf_answer: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        shaken: Option<&'a str>,
    },
    Sip {
        uri: &'a str,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        headers: &'a BTreeMap<String, String>,
        /// Spelt `standardHeaders` in an NCCO.
        #[serde(skip_serializing_if = "Option::is_none")]
        standard_headers: Option<StandardHeaders<'a>>,
    },
    App {
        user: &'a str,
    },
    Vbc {
        extension: &'a str,
    },
    Websocket {
        uri: &'a str,
        #[serde(rename = "content-type")]
        content_type: String,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        headers: &'a BTreeMap<String, String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        authorization: Option<Authorization<'a>>,
    },
}

#[derive(Serialize)]
struct StandardHeaders<'a> {
    #[serde(rename = "User-to-User")]
    user_to_user: &'a str,
}

#[derive(Serialize)]
struct Authorization<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

#[derive(Serialize)]
struct From<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    number: &'a str,
}

#[derive(Serialize)]
struct Detection {
    behavior: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    beep_timeout: Option<u64>,
}

/// Without a setting that ends it, a recording runs beside the actions after it until the call ends.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    action: &'static str,
    event_url: [String; 1],
    event_method: &'static str,
}

fn endpoint<'a>(
    config: &VonageConfig,
    call: &'a OutboundCall,
    options: &'a VonageCallOptions,
) -> Result<Endpoint<'a>> {
    check_options_of_endpoint(&call.to, options)?;
    match &call.to {
        Party::Withheld => match &options.websocket {
            Some(target) => websocket(config, target),
            None => Err(refuse("the call has nobody to call")),
        },
        _ if options.websocket.is_some() => Err(refuse(
            "a call goes to a party or to a WebSocket: `to` must be withheld for the latter",
        )),
        Party::Sip(uri) if is_sip(uri) => Ok(Endpoint::Sip {
            uri,
            headers: &options.sip_headers,
            standard_headers: options
                .user_to_user
                .as_deref()
                .map(|user_to_user| StandardHeaders { user_to_user }),
        }),
        Party::Client(user) if is_printable(user, 256) => Ok(Endpoint::App { user }),
        Party::Extension(extension) if is_printable(extension, 256) => {
            Ok(Endpoint::Vbc { extension })
        }
        party => match answer::number(party) {
            Some(number) if telephony_core::is_e164(party.address()) => Ok(Endpoint::Phone {
                number,
                dtmf_answer: options.dtmf_answer.as_deref(),
                shaken: options.shaken.as_ref().map(|identity| identity.expose()),
            }),
            _ => Err(refuse(
                "who is called must be a number in E.164, a SIP URI, a client or an extension",
            )),
        },
    }
}

/// Options that Vonage would not look at for this kind of party, and values that it would not take.
fn check_options_of_endpoint(to: &Party, options: &VonageCallOptions) -> Result<()> {
    let is_number = matches!(to, Party::Number(_) | Party::LocalNumber(_));
    if !is_number && (options.dtmf_answer.is_some() || options.shaken.is_some()) {
        return Err(refuse(
            "keys on answer and a STIR/SHAKEN identity are for calls to phone numbers",
        ));
    }
    let has_sip = !options.sip_headers.is_empty() || options.user_to_user.is_some();
    if has_sip && !matches!(to, Party::Sip(_)) {
        return Err(refuse("SIP headers are for calls to SIP URIs"));
    }
    if let Some(keys) = &options.dtmf_answer {
        check_keys(OPERATION, keys)?;
    }
    let identity = options.shaken.as_ref();
    if identity.is_some_and(|identity| !is_printable(identity.expose(), 8191)) {
        return Err(refuse("the STIR/SHAKEN identity is not a header value"));
    }
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let fits = |(name, value): (&String, &String)| is_name(name) && is_printable(value, 1024);
    if !options.sip_headers.iter().all(fits) {
        return Err(refuse(
            "a SIP header has a name of letters, digits, `-` and `_`, and a value of printable ASCII",
        ));
    }
    let user_to_user = options.user_to_user.as_deref();
    if user_to_user.is_some_and(|value| !is_printable(value, 256)) {
        return Err(refuse(
            "`User-to-User` has 1 to 256 printable ASCII characters",
        ));
    }
    Ok(())
}

fn websocket<'a>(config: &VonageConfig, target: &'a WebsocketTarget) -> Result<Endpoint<'a>> {
    let uri = target.uri.expose();
    let rest = uri
        .strip_prefix("wss://")
        .or_else(|| uri.strip_prefix("ws://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    if !has_host || !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse("the WebSocket has a URI with wss"));
    }
    let rate = target.rate.unwrap_or(config.media_rate);
    if !RATES.contains(&rate) {
        return Err(refuse("a WebSocket has 8000, 16000 or 24000 Hz"));
    }
    let is_reserved = |name: &String| {
        let same = |reserved: &&str| name.eq_ignore_ascii_case(reserved);
        answer::RESERVED_HEADERS.iter().any(same)
    };
    if target.headers.keys().any(is_reserved) {
        return Err(refuse(
            "`event` and `content-type` cannot be headers of a WebSocket: its first message has them already",
        ));
    }
    let bytes = serde_json::to_string(&target.headers).map_or(usize::MAX, |json| json.len());
    if bytes > answer::MAX_HEADER_BYTES {
        return Err(refuse(
            "the headers of a WebSocket have at most 512 bytes as JSON",
        ));
    }
    let authorization = match &target.authorization {
        WebsocketTargetAuthorization::Unsaid => None,
        WebsocketTargetAuthorization::Vonage => Some(("vonage", None)),
        WebsocketTargetAuthorization::Custom(value) if is_printable(value.expose(), 8191) => {
            Some(("custom", Some(value.expose())))
        }
        WebsocketTargetAuthorization::Custom(_) => {
            return Err(refuse(
                "a custom authorization has 1 to 8191 printable ASCII characters",
            ));
        }
    };
    Ok(Endpoint::Websocket {
        uri,
        content_type: format!("audio/l16;rate={}", rate.hz()),
        headers: &target.headers,
        authorization: authorization.map(|(kind, value)| Authorization { kind, value }),
    })
}

/// Either a number or Vonage's choice of one. Somebody who is called sees who calls, so there is no third way.
fn from<'a>(call: &'a OutboundCall, options: &VonageCallOptions) -> Result<Option<From<'a>>> {
    let number = match &call.from {
        Party::Withheld if options.random_from_number => return Ok(None),
        _ if options.random_from_number => {
            return Err(refuse(
                "a call shows its own number or a random one: `from` must be withheld for the latter",
            ));
        }
        Party::Sip(uri) if is_sip(uri) => Some(uri.as_str()),
        party if telephony_core::is_e164(party.address()) => answer::number(party),
        _ => None,
    };
    match number {
        Some(number) => Ok(Some(From {
            kind: "phone",
            number,
        })),
        None => Err(refuse(
            "a call shows a number of yours in E.164 or a SIP URI, or, with that option, a random number of the application",
        )),
    }
}

fn is_sip(uri: &str) -> bool {
    let lower = uri.to_ascii_lowercase();
    let rest = lower
        .strip_prefix("sip:")
        .or_else(|| lower.strip_prefix("sips:"));
    rest.is_some_and(|rest| !rest.is_empty()) && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

fn detection(
    call: &OutboundCall,
    options: &VonageCallOptions,
) -> Result<(Option<&'static str>, Option<Detection>)> {
    let asked = call.machine_detection;
    let (on_machine, mode, beep_timeout) = match (asked, options.machine_detection) {
        (MachineDetection::Off, None) => return Ok((None, None)),
        (MachineDetection::Wait, None) => (OnMachine::Continue, DetectionMode::Verdict, None),
        (MachineDetection::Report, None) => (OnMachine::Continue, DetectionMode::Parallel, None),
        (MachineDetection::Wait, Some(VonageMachineDetection::Basic(_)))
        | (
            MachineDetection::Wait,
            Some(VonageMachineDetection::Advanced {
                mode: DetectionMode::Parallel,
                ..
            }),
        )
        | (
            MachineDetection::Report,
            Some(VonageMachineDetection::Advanced {
                mode: DetectionMode::Verdict | DetectionMode::Beep,
                ..
            }),
        ) => {
            return Err(refuse(
                "the call and Vonage's own options do not agree on whether the answer waits for the machine detection",
            ));
        }
        (_, Some(VonageMachineDetection::Basic(on_machine))) => {
            return Ok((Some(behavior(on_machine)), None));
        }
        (
            MachineDetection::Off | MachineDetection::Wait | MachineDetection::Report,
            Some(VonageMachineDetection::Advanced {
                on_machine,
                mode,
                beep_timeout,
            }),
        ) => (on_machine, mode, beep_timeout),
        _ => {
            let detail = "this crate does not know this kind of machine detection";
            return Err(ours(Error::unsupported(OPERATION, detail)));
        }
    };
    let mode = match mode {
        DetectionMode::Parallel => "default",
        DetectionMode::Verdict => "detect",
        DetectionMode::Beep => "detect_beep",
    };
    let detection = Detection {
        behavior: behavior(on_machine),
        mode,
        beep_timeout: seconds(beep_timeout, 30..=120, "the timeout of the beep")?,
    };
    Ok((None, Some(detection)))
}

fn behavior(on_machine: OnMachine) -> &'static str {
    match on_machine {
        OnMachine::Continue => "continue",
        OnMachine::HangUp => "hangup",
    }
}

/// Keys as Vonage takes them; `p` is a pause of 500 ms.
pub(super) fn check_keys(operation: &'static str, keys: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_digit() || b"*#p".contains(&byte);
    if !keys.is_empty() && keys.bytes().all(fits) {
        Ok(())
    } else {
        Err(invalid(
            operation,
            "keys are 0 to 9, `*` and `#`, with `p` for a pause of half a second",
        ))
    }
}

fn seconds(time: Option<Duration>, range: RangeInclusive<u64>, what: &str) -> Result<Option<u64>> {
    time.map(|time| {
        answer::whole_seconds(time, range, what).map_err(|error| refuse(error.detail()))
    })
    .transpose()
}

/// The text of an NCCO as JSON that is sent as it is.
pub(super) fn read_raw(ncco: &[u8]) -> Result<Box<RawValue>> {
    serde_json::from_slice(ncco).map_err(|_| not_json())
}

fn not_json() -> Error {
    ours(Error::new(
        ErrorKind::Internal,
        "write answer",
        "the NCCO is not JSON",
    ))
}

fn refuse(detail: &str) -> Error {
    invalid(OPERATION, detail)
}
