//! The REST API of calls.
//!
//! <https://developer.vonage.com/en/api/voice>

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::complaint::Finding;
use crate::engine::{
    LiveCall, Operation, RateLimit, RestApi, RestFailure, RestRequest, RestResponse, Switchboard,
    clock, random,
};
use crate::persona::vonage::VonageAccount;
use crate::persona::vonage::key::Gate;

mod create;
mod members;
mod steer;
mod view;

const SECOND: Duration = Duration::from_secs(1);

/// The API of one application.
pub(crate) struct VonageRest {
    pub(crate) account: VonageAccount,
    gate: Gate,
    calls: RateLimit,
    requests: RateLimit,
}

impl VonageRest {
    pub(crate) fn new(account: VonageAccount) -> Self {
        Self {
            gate: Gate::new(&account.application_id, account.public_key.as_deref()),
            calls: RateLimit::new(account.calls_per_second, SECOND),
            requests: RateLimit::new(account.requests_per_second, SECOND),
            account,
        }
    }

    fn route(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let segments: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        if let ["v1", "files", id] = segments.as_slice() {
            return self.file(request, desk, id);
        }
        let ["v1", "calls", rest @ ..] = segments.as_slice() else {
            return not_found();
        };
        match (&request.method, rest) {
            (&Method::POST, []) => return self.create(request, desk),
            (&Method::GET, []) => return self.list(request, desk),
            _ => {}
        }
        let Some((uuid, rest)) = rest.split_first() else {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "This method is not allowed");
        };
        let Some(call) = desk.call(uuid) else {
            return not_found();
        };
        let response = match (&request.method, rest) {
            (&Method::GET, []) => RestResponse::json(StatusCode::OK, &view::leg(&call, uuid)),
            (&Method::PUT, []) => self.act(request, &call, uuid),
            (&Method::PUT, ["talk"]) => self.talk(request, &call, uuid),
            (&Method::DELETE, ["talk"]) => message("Talk stopped", &call, uuid),
            (&Method::PUT, ["stream"]) => self.stream(request, &call, uuid),
            (&Method::DELETE, ["stream"]) => message("Stream stopped", &call, uuid),
            (&Method::PUT, ["dtmf"]) => self.send_digits(request, &call, uuid),
            (&Method::PUT | &Method::DELETE, ["input", "dtmf"]) => {
                RestResponse::new(StatusCode::OK).with_finding(Finding::note(
                    "not-simulated",
                    "events for single keys are not simulated: none will come",
                ))
            }
            _ => not_found(),
        };
        response.about(&call)
    }
}

#[async_trait]
impl RestApi for VonageRest {
    fn operation(&self, request: &RestRequest) -> Operation {
        let segments: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match (&request.method, segments.as_slice()) {
            (&Method::POST, ["v1", "calls"]) => Operation::PlaceCall,
            (&Method::GET, ["v1", "calls"]) => Operation::ListCalls,
            (&Method::GET, ["v1", "calls", _]) => Operation::FetchCall,
            (&Method::GET, ["v1", "files", _]) => Operation::FetchRecording,
            (&Method::PUT, ["v1", "calls", _, "dtmf"]) => Operation::SendDigits,
            (&Method::PUT, ["v1", "calls", _]) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                match body["action"].as_str() {
                    Some("hangup") => Operation::HangUp,
                    Some("transfer") => Operation::Redirect,
                    _ => Operation::Other,
                }
            }
            _ => Operation::Other,
        }
    }

    async fn respond(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        if let Err(what) = self.gate.check(request.bearer(), clock::unix_now()) {
            return unauthorized().with_finding(Finding::error("unauthorized", what));
        }
        let places = self.operation(request) == Operation::PlaceCall;
        let limit = if places { &self.calls } else { &self.requests };
        if limit.take().is_err() {
            return throttled().with_finding(Finding::warning(
                "throttled",
                "more requests came in one second than the carrier takes",
            ));
        }
        self.route(request, desk)
    }

    fn failure(&self, _: &RestRequest, failure: &RestFailure) -> RestResponse {
        match failure.status {
            StatusCode::UNAUTHORIZED => unauthorized(),
            StatusCode::NOT_FOUND => not_found(),
            StatusCode::TOO_MANY_REQUESTS => throttled(),
            StatusCode::BAD_REQUEST => invalid("number", "can contain up to 15 digits"),
            status => problem(
                status,
                status.canonical_reason().unwrap_or("Something went wrong"),
            ),
        }
    }
}

/// The oldest of the documented error bodies.
fn unauthorized() -> RestResponse {
    RestResponse::json(
        StatusCode::UNAUTHORIZED,
        &json!({"type": "UNAUTHORIZED", "error_title": "Unauthorized"}),
    )
}

/// A parameter that cannot be. The type is a number here.
fn invalid(name: &str, reason: &str) -> RestResponse {
    RestResponse::json(
        StatusCode::BAD_REQUEST,
        &json!({
            "type": 400,
            "title": "Bad Request",
            "invalid_parameters": [{"reason": reason, "name": name}],
        }),
    )
}

/// The newest of the documented error bodies.
fn problem(status: StatusCode, detail: &str) -> RestResponse {
    let title = status.canonical_reason().unwrap_or("Error");
    let slug = title.to_ascii_lowercase().replace(' ', "-");
    RestResponse::json(
        status,
        &json!({
            "type": format!("https://developer.vonage.com/api-errors#{slug}"),
            "title": title,
            "detail": detail,
            "instance": random::hex::<8>(),
        }),
    )
}

fn not_found() -> RestResponse {
    problem(
        StatusCode::NOT_FOUND,
        "The requested resource does not exist, or is not here",
    )
}

fn throttled() -> RestResponse {
    problem(
        StatusCode::TOO_MANY_REQUESTS,
        "You have exceeded your allowed rate of requests",
    )
}

/// What a leg does now; a leg that is over is not there.
fn message(text: &str, call: &LiveCall, uuid: &str) -> RestResponse {
    if call.is_over() {
        return not_found();
    }
    RestResponse::json(StatusCode::OK, &json!({"message": text, "uuid": uuid}))
}

impl fmt::Debug for VonageRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VonageRest")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
