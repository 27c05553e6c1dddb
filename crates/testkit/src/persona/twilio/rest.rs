//! The REST API of 2010-04-01, as far as calls need it.
//!
//! <https://www.twilio.com/docs/voice/api/call-resource>

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{HeaderName, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::{
    Operation, RestApi, RestFailure, RestRequest, RestResponse, Switchboard, random,
};
use crate::persona::twilio::TwilioAccount;

mod calls;
mod create;
mod parameters;
mod recordings;
mod view;

/// The API of one account.
pub(crate) struct TwilioRest {
    pub(crate) account: TwilioAccount,
    /// When the next call may start.
    next_start: Mutex<Option<Instant>>,
}

/// A path below the account, without `.json`.
pub(crate) struct Resource<'r> {
    pub(crate) segments: Vec<&'r str>,
    /// `json`, `wav` or `mp3`; without an extension, most resources answer XML.
    pub(crate) extension: Option<&'r str>,
}

impl TwilioRest {
    pub(crate) fn new(account: TwilioAccount) -> Self {
        Self {
            account,
            next_start: Mutex::default(),
        }
    }

    /// The turn of a new call: so many start each second, and the others wait in a queue.
    pub(crate) fn next_turn(&self) -> Instant {
        let between =
            Duration::from_secs_f64(1.0 / f64::from(self.account.calls_per_second.max(1)));
        let mut next = self
            .next_start
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let turn = next.filter(|next| *next > now).unwrap_or(now);
        *next = Some(turn + between);
        turn
    }

    fn knows(&self, request: &RestRequest) -> bool {
        let Some((user, password)) = request.basic() else {
            return false;
        };
        let by_token = user == self.account.account_sid && password == self.account.auth_token;
        let by_key = self
            .account
            .api_keys
            .iter()
            .any(|(sid, secret)| user == *sid && password == *secret);
        by_token || by_key
    }

    fn resource<'r>(&self, request: &'r RestRequest) -> Option<Resource<'r>> {
        let path = request.path.strip_prefix("/2010-04-01/Accounts/")?;
        let (account, rest) = path.split_once('/')?;
        if account != self.account.account_sid {
            return None;
        }
        Some(Resource::of(rest))
    }

    async fn route(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let Some(resource) = self.resource(request) else {
            return self.not_found(request);
        };
        match (&request.method, resource.segments.as_slice()) {
            (&Method::POST, ["Calls"]) => self.create(request, desk),
            (&Method::GET, ["Calls"]) => self.list(request, desk),
            (&Method::GET, ["Calls", sid]) => self.fetch(request, desk, sid),
            (&Method::POST, ["Calls", sid]) => self.update(request, desk, sid),
            (&Method::DELETE, ["Calls", sid]) => self.delete(request, desk, sid),
            (&Method::POST, ["Calls", sid, "Recordings"]) => {
                self.start_recording(request, desk, sid).await
            }
            (&Method::GET, ["Calls", sid, "Recordings"]) => {
                self.list_recordings(request, desk, Some(sid))
            }
            (&Method::GET, ["Recordings"]) => self.list_recordings(request, desk, None),
            (&Method::POST, ["Calls", sid, "Recordings", recording]) => {
                self.update_recording(request, desk, sid, recording).await
            }
            (&Method::GET, ["Calls", _, "Recordings", recording] | ["Recordings", recording]) => {
                self.fetch_recording(request, desk, recording, resource.extension)
            }
            (
                &Method::DELETE,
                ["Calls", _, "Recordings", recording] | ["Recordings", recording],
            ) => self.delete_recording(request, desk, recording),
            (_, ["Calls"] | ["Calls", _] | ["Recordings"] | ["Recordings", _]) => {
                error(StatusCode::METHOD_NOT_ALLOWED, 20004, "Method not allowed")
            }
            _ => self.not_found(request),
        }
    }

    pub(crate) fn not_found(&self, request: &RestRequest) -> RestResponse {
        let message = format!("The requested resource {} was not found", request.path);
        error(StatusCode::NOT_FOUND, 20404, &message)
    }
}

impl<'r> Resource<'r> {
    fn of(rest: &'r str) -> Self {
        let (rest, extension) = match rest.rsplit_once('.') {
            Some((rest, extension @ ("json" | "wav" | "mp3" | "xml" | "csv"))) => {
                (rest, Some(extension))
            }
            _ => (rest, None),
        };
        Self {
            segments: rest.split('/').collect(),
            extension,
        }
    }
}

#[async_trait]
impl RestApi for TwilioRest {
    fn operation(&self, request: &RestRequest) -> Operation {
        let Some(path) = request.path.strip_prefix("/2010-04-01/Accounts/") else {
            return Operation::Other;
        };
        let resource = Resource::of(path.split_once('/').map_or("", |(_, rest)| rest));
        match (&request.method, resource.segments.as_slice()) {
            (&Method::POST, ["Calls"]) => Operation::PlaceCall,
            (&Method::GET, ["Calls"]) => Operation::ListCalls,
            (&Method::GET, ["Calls", _]) => Operation::FetchCall,
            (&Method::POST, ["Calls", _]) => {
                if request.form().iter().any(|(name, _)| name == "Status") {
                    Operation::HangUp
                } else {
                    Operation::Redirect
                }
            }
            (&Method::POST, ["Calls", _, "Recordings"]) => Operation::StartRecording,
            (&Method::POST, ["Calls", _, "Recordings", _]) => Operation::ChangeRecording,
            (&Method::GET, [.., "Recordings", _]) => Operation::FetchRecording,
            _ => Operation::Other,
        }
    }

    async fn respond(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let response = if self.knows(request) {
            self.route(request, desk).await
        } else {
            error(StatusCode::UNAUTHORIZED, 20003, "Authenticate")
                .with_header(WWW_AUTHENTICATE, "Basic realm=\"Twilio API\"")
        };
        finished(request, response)
    }

    fn failure(&self, request: &RestRequest, failure: &RestFailure) -> RestResponse {
        let status = failure.status;
        let code = failure.code.as_deref().and_then(|code| code.parse().ok());
        let code: u32 = code.unwrap_or(match status.as_u16() {
            400 => 20001,
            401 => 20003,
            // The dictionary has one code for each of these.
            status => 20_000 + u32::from(status),
        });
        let message = match status {
            StatusCode::BAD_REQUEST => "Bad request",
            StatusCode::UNAUTHORIZED => "Authenticate",
            StatusCode::NOT_FOUND => "The requested resource was not found",
            StatusCode::TOO_MANY_REQUESTS => "Too Many Requests",
            _ => status.canonical_reason().unwrap_or("Unknown"),
        };
        finished(request, error(status, code, message))
    }
}

/// With the headers that every response has; XML where the path does not ask for JSON.
fn finished(request: &RestRequest, response: RestResponse) -> RestResponse {
    let response = response
        .with_header(
            HeaderName::from_static("twilio-request-id"),
            format!("RQ{}", random::hex::<16>()),
        )
        .with_header(HeaderName::from_static("twilio-concurrent-requests"), "1");
    let is_json = response
        .headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/json");
    if !is_json || request.path.ends_with(".json") {
        return response;
    }
    let Ok(value) = serde_json::from_slice::<Value>(&response.body) else {
        return response;
    };
    let name = if response.status.is_success() {
        match Resource::of(&request.path).segments.contains(&"Recordings") {
            true => "Recording",
            false => "Call",
        }
    } else {
        "RestException"
    };
    response.with_body("application/xml", view::xml(name, &value))
}

/// The documented error body.
pub(crate) fn error(status: StatusCode, code: u32, message: &str) -> RestResponse {
    RestResponse::json(
        status,
        &json!({
            "code": code,
            "message": message,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status.as_u16(),
        }),
    )
}

/// A request that cannot be fulfilled as it is.
pub(crate) fn bad(code: u32, message: &str) -> RestResponse {
    error(StatusCode::BAD_REQUEST, code, message)
}

impl fmt::Debug for TwilioRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioRest")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
