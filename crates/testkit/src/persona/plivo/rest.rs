//! The REST API, as far as calls need it.
//!
//! <https://www.plivo.com/docs/voice/api/call/>

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::complaint::Finding;
use crate::engine::{
    Diversion, LiveCall, NewDocument, Operation, Placement, RestApi, RestFailure, RestRequest,
    RestResponse, Switchboard, random,
};
use crate::persona::plivo::PlivoAccount;
use crate::persona::plivo::outbound::{CallOrder, Outbound};
use crate::persona::plivo::records;
use crate::persona::plivo::session::TRANSFER;
use crate::persona::plivo::stream::STREAMING;

/// It rings so long unless the request says otherwise.
const RING: u64 = 120;
/// What a new call may be given.
const PARAMETERS: &[&str] = &[
    "from",
    "to",
    "answer_url",
    "answer_method",
    "ring_url",
    "ring_method",
    "hangup_url",
    "hangup_method",
    "fallback_url",
    "fallback_method",
    "caller_name",
    "send_digits",
    "send_on_preanswer",
    "time_limit",
    "hangup_on_ring",
    "machine_detection",
    "machine_detection_time",
    "machine_detection_url",
    "machine_detection_method",
    "sip_headers",
    "ring_timeout",
];

/// The API of one account.
pub(crate) struct PlivoRest {
    account: PlivoAccount,
    /// When the next call may start.
    next_start: Mutex<Option<Instant>>,
}

impl PlivoRest {
    pub(crate) fn new(account: PlivoAccount) -> Self {
        Self {
            account,
            next_start: Mutex::default(),
        }
    }

    /// The turn of a new call: so many start each second, and the others wait in a queue.
    fn next_turn(&self) -> Instant {
        let a_second = f64::from(self.account.calls_per_second.max(1));
        let mut next = self
            .next_start
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = next.filter(|next| *next > now).unwrap_or(now);
        *next = Some(turn + Duration::from_secs_f64(1.0 / a_second));
        turn
    }

    fn knows(&self, request: &RestRequest) -> bool {
        let known = (
            self.account.auth_id.clone(),
            self.account.auth_token.clone(),
        );
        request.basic() == Some(known)
    }

    fn route(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let Some(segments) = segments(&request.path, Some(&self.account.auth_id)) else {
            return not_found();
        };
        match (&request.method, segments.as_slice()) {
            (&Method::POST, ["Call"]) => self.create(request, desk),
            (&Method::DELETE, ["Call", id]) => end(desk, id, true),
            (&Method::DELETE, ["Request", id]) => end(desk, id, false),
            (&Method::POST, ["Call", id]) => transfer(request, desk, id),
            (&Method::POST, ["Call", id, "DTMF"]) => send_digits(request, desk, id),
            (&Method::GET, ["Call", id]) => records::fetch(&self.account, request, desk, id),
            _ => not_found(),
        }
    }

    fn create(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let (fields, mut findings) = match object(request) {
            Ok(fields) => fields,
            Err(response) => return *response,
        };
        let order = match order(&fields) {
            Ok(order) => order,
            Err(what) => return bad(&what).with_findings(findings),
        };
        let (from, to) = (text(&fields, "from"), text(&fields, "to"));
        let (Some(from), Some(to)) = (from, to) else {
            return bad("to and from parameters must be present").with_findings(findings);
        };
        for (name, address) in [("from", &from), ("to", &to)] {
            if address.starts_with('+') {
                let text = format!("\"{name}\" has a +: numbers carry none");
                findings.push(Finding::warning("plus-in-number", text));
            }
        }
        let owned = &self.account.numbers;
        if !owned.is_empty() && !owned.contains(&from) {
            return bad("the caller ID is not a number of this account").with_findings(findings);
        }
        for name in fields
            .keys()
            .filter(|name| !PARAMETERS.contains(&name.as_str()))
        {
            let text = format!("\"{name}\" is no parameter of a new call");
            findings.push(Finding::warning("unknown-parameter", text));
        }
        let uuid = random::uuid();
        let flow = Outbound {
            account: self.account.clone(),
            uuid: uuid.clone(),
            order,
            starts: self.next_turn(),
        };
        let call = desk.place(Placement::new(&uuid, from, to, "queued"), flow);
        let said = json!({"message": "call fired", "request_uuid": uuid});
        answer(StatusCode::CREATED, said)
            .with_findings(findings)
            .about(&call)
    }
}

/// Ends a call, or a request that is no call yet.
fn end(desk: &Switchboard, id: &str, is_call: bool) -> RestResponse {
    let Some(call) = known(desk, id) else {
        return not_found();
    };
    if call.is_over() || records::waits(&call) == is_call || !call.hang_up() {
        return not_found().about(&call);
    }
    RestResponse::new(StatusCode::NO_CONTENT).about(&call)
}

/// While there is a stream, the transfer waits for its end.
fn transfer(request: &RestRequest, desk: &Switchboard, id: &str) -> RestResponse {
    let Some(call) = known(desk, id) else {
        return not_found();
    };
    let (fields, findings) = match object(request) {
        Ok(fields) => fields,
        Err(response) => return *response,
    };
    if !matches!(text(&fields, "legs").as_deref(), None | Some("aleg")) {
        return bad("only the aleg is simulated").with_findings(findings);
    }
    let Some((url, method)) = url(&fields, "aleg") else {
        return bad("aleg_url parameter must be present").with_findings(findings);
    };
    if call.is_over() || call.answered().is_none() {
        return not_found().about(&call);
    }
    if call.noted(STREAMING) == Some(Value::Bool(true)) {
        let method = match method {
            crate::engine::Method::Get => "GET",
            crate::engine::Method::Post => "POST",
        };
        call.note(TRANSFER, json!({"url": url, "method": method}));
    } else {
        let method = Some(method);
        call.divert(Diversion::new(NewDocument::Fetch { url, method }));
    }
    answer(StatusCode::ACCEPTED, json!({"message": "call transferred"}))
        .with_findings(findings)
        .about(&call)
}

fn send_digits(request: &RestRequest, desk: &Switchboard, id: &str) -> RestResponse {
    let Some(call) = known(desk, id).filter(|call| !call.is_over()) else {
        return not_found();
    };
    let (fields, findings) = match object(request) {
        Ok(fields) => fields,
        Err(response) => return *response,
    };
    let digits = text(&fields, "digits").unwrap_or_default();
    let is_key = |key: char| "0123456789ABCD*#wW".contains(key);
    if digits.is_empty() || !digits.chars().all(is_key) {
        return bad("digits parameter must be present and valid").with_findings(findings);
    }
    call.send_tones(&digits);
    answer(StatusCode::ACCEPTED, json!({"message": "digits sent"}))
        .with_findings(findings)
        .about(&call)
}

pub(crate) fn known(desk: &Switchboard, id: &str) -> Option<LiveCall> {
    desk.call(id).filter(|call| call.id() == id)
}

fn order(fields: &Map<String, Value>) -> Result<CallOrder, String> {
    let answer = url(fields, "answer").ok_or("answer_url parameter must be present")?;
    let seconds = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64().or_else(|| value.as_str()?.parse().ok()) {
            Some(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(format!("{name} parameter must be a positive integer")),
        },
    };
    let detects_machines = match text(fields, "machine_detection").as_deref() {
        None | Some("false") => false,
        Some("true" | "hangup") => true,
        Some(_) => return Err("machine_detection parameter must be true or hangup".into()),
    };
    Ok(CallOrder {
        answer,
        ring_url: url(fields, "ring"),
        hangup: url(fields, "hangup"),
        ring: seconds("ring_timeout")?.unwrap_or(Duration::from_secs(RING)),
        time_limit: seconds("time_limit")?,
        send_digits: text(fields, "send_digits"),
        detects_machines,
        detection_url: url(fields, "machine_detection"),
    })
}

/// `NAME_url` and `NAME_method`.
fn url(fields: &Map<String, Value>, name: &str) -> Option<(String, crate::engine::Method)> {
    let url = text(fields, &format!("{name}_url"))?;
    let method = text(fields, &format!("{name}_method"));
    let method = method.and_then(|method| crate::engine::Method::parse(&method));
    Some((url, method.unwrap_or(crate::engine::Method::Post)))
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The fields of a body, and what there is to say about it.
type Fields = (Map<String, Value>, Vec<Finding>);

fn object(request: &RestRequest) -> Result<Fields, Box<RestResponse>> {
    let mut findings = vec![];
    if request.media_type() != "application/json" {
        let text = "the body is not said to be application/json";
        findings.push(Finding::warning("content-type", text));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(fields)) => Ok((fields, findings)),
        _ => Err(Box::new(
            bad("the body is no JSON object").with_findings(findings),
        )),
    }
}

/// What is below the account; paths end with a slash.
fn segments<'r>(path: &'r str, auth_id: Option<&str>) -> Option<Vec<&'r str>> {
    let (account, rest) = path.strip_prefix("/v1/Account/")?.split_once('/')?;
    if auth_id.is_some_and(|known| known != account) {
        return None;
    }
    Some(rest.strip_suffix('/')?.split('/').collect())
}

#[async_trait]
impl RestApi for PlivoRest {
    fn operation(&self, request: &RestRequest) -> Operation {
        let segments = segments(&request.path, None).unwrap_or_default();
        match (&request.method, segments.as_slice()) {
            (&Method::POST, ["Call"]) => Operation::PlaceCall,
            (&Method::DELETE, ["Call" | "Request", _]) => Operation::HangUp,
            (&Method::POST, ["Call", _]) => Operation::Redirect,
            (&Method::POST, ["Call", _, "DTMF"]) => Operation::SendDigits,
            (&Method::GET, ["Call", _]) => Operation::FetchCall,
            (&Method::GET, ["Call"]) => Operation::ListCalls,
            _ => Operation::Other,
        }
    }

    async fn respond(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        if self.knows(request) {
            return self.route(request, desk);
        }
        RestResponse::new(StatusCode::UNAUTHORIZED).with_body(
            "text/html",
            "Could not verify your access level for that URL.\nYou have to login with proper credentials",
        )
    }

    fn failure(&self, _: &RestRequest, failure: &RestFailure) -> RestResponse {
        let what = failure.status.canonical_reason().unwrap_or("unknown");
        error(failure.status, what)
    }
}

pub(crate) fn answer(status: StatusCode, mut said: Value) -> RestResponse {
    said["api_id"] = random::uuid().into();
    RestResponse::json(status, &said)
}

pub(crate) fn error(status: StatusCode, what: &str) -> RestResponse {
    answer(status, json!({"error": what}))
}

pub(crate) fn bad(what: &str) -> RestResponse {
    error(StatusCode::BAD_REQUEST, what)
}

fn not_found() -> RestResponse {
    error(StatusCode::NOT_FOUND, "not found")
}

impl fmt::Debug for PlivoRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlivoRest")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
