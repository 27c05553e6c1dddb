//! The REST API, version 1, as far as calls need it.
//!
//! <https://developer.exotel.com/docs/voice-v1>

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use http::header::WWW_AUTHENTICATE;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::complaint::Finding;
use crate::engine::{
    Operation, RateLimit, RestApi, RestFailure, RestRequest, RestResponse, Switchboard,
};
use crate::persona::exotel::ExotelAccount;

mod create;
mod form;
mod view;

/// The API of one account.
pub(crate) struct ExotelRest {
    pub(crate) account: ExotelAccount,
    limit: RateLimit,
}

impl ExotelRest {
    pub(crate) fn new(account: ExotelAccount) -> Self {
        Self {
            limit: RateLimit::new(account.requests_per_minute, Duration::from_secs(60)),
            account,
        }
    }

    /// The path below the account, and whether JSON is wanted.
    fn resource<'r>(&self, request: &'r RestRequest) -> Option<&'r str> {
        let path = request.path.strip_prefix("/v1/Accounts/")?;
        let (account, rest) = path.split_once('/')?;
        (account == self.account.account_sid).then_some(rest)
    }

    fn route(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        if let Some(file) = request.path.strip_prefix("/exotelrecordings/") {
            return self.recording(desk, file);
        }
        let Some(resource) = self.resource(request) else {
            return exception(StatusCode::NOT_FOUND, "The resource was not found", None);
        };
        let resource = resource.strip_suffix(".json").unwrap_or(resource);
        match (&request.method, resource) {
            (&Method::POST, "Calls/connect") => self.create(request, desk),
            (&Method::GET, "Calls") => self.list(request, desk),
            (&Method::GET, "ActiveStreams") => self.active_streams(desk),
            (&Method::GET, path) => match path.strip_prefix("Calls/") {
                Some(sid) if !sid.contains('/') => self.fetch(request, desk, sid),
                _ => exception(StatusCode::NOT_FOUND, "The resource was not found", None),
            },
            _ => exception(StatusCode::NOT_FOUND, "The resource was not found", None),
        }
    }

    fn recording(&self, desk: &Switchboard, file: &str) -> RestResponse {
        let known = file
            .strip_prefix(&self.account.account_sid)
            .and_then(|rest| rest.strip_prefix('/')?.strip_suffix(".mp3"))
            .and_then(|sid| desk.call(sid));
        let found = known.and_then(|call| {
            let recording = call.recordings(|recordings| {
                recordings.iter().find(|known| !known.is_running()).cloned()
            });
            Some((call, recording?))
        });
        match found {
            Some((call, recording)) => RestResponse::new(StatusCode::OK)
                .with_body("audio/mpeg", recording.silent_mp3())
                .about(&call),
            None => exception(StatusCode::NOT_FOUND, "The resource was not found", None),
        }
    }
}

#[async_trait]
impl RestApi for ExotelRest {
    fn operation(&self, request: &RestRequest) -> Operation {
        if request.path.starts_with("/exotelrecordings/") {
            return Operation::FetchRecording;
        }
        let path = request.path.strip_prefix("/v1/Accounts/");
        let rest = path.and_then(|path| path.split_once('/'));
        let resource = rest.map_or("", |(_, rest)| rest.strip_suffix(".json").unwrap_or(rest));
        match (&request.method, resource) {
            (&Method::POST, "Calls/connect") => Operation::PlaceCall,
            (&Method::GET, "Calls") => Operation::ListCalls,
            (&Method::GET, path) if path.starts_with("Calls/") => Operation::FetchCall,
            _ => Operation::Other,
        }
    }

    async fn respond(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let known = request.basic().is_some() && request.basic() == self.account.api_key;
        let response = if !known {
            unauthorized()
        } else if self.limit.take().is_err() {
            too_many().with_finding(Finding::warning(
                "throttled",
                "more requests came in one minute than the carrier takes",
            ))
        } else {
            self.route(request, desk)
        };
        finished(request, response)
    }

    fn failure(&self, request: &RestRequest, failure: &RestFailure) -> RestResponse {
        let code = failure.code.as_deref();
        let response = match failure.status {
            StatusCode::UNAUTHORIZED => unauthorized(),
            StatusCode::TOO_MANY_REQUESTS => too_many(),
            StatusCode::FORBIDDEN => exception(
                failure.status,
                "Call to [0XXXXXXXXXX] can not be made because of TRAI NDNC regulations",
                code,
            ),
            status => exception(
                status,
                status.canonical_reason().unwrap_or("Something went wrong"),
                code,
            ),
        };
        finished(request, response)
    }
}

/// XML where the path does not ask for JSON.
fn finished(request: &RestRequest, response: RestResponse) -> RestResponse {
    let is_json = response
        .headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value == "application/json");
    if !is_json || request.path.ends_with(".json") {
        return response;
    }
    match serde_json::from_slice::<Value>(&response.body) {
        Ok(value) => response.with_body("application/xml", view::xml(&value)),
        Err(_) => response,
    }
}

/// The documented error body. The code is there in some of them only.
fn exception(status: StatusCode, message: &str, code: Option<&str>) -> RestResponse {
    let mut body = json!({"RestException": {"Status": status.as_u16(), "Message": message}});
    if let Some(code) = code {
        body["RestException"]["Code"] = code.into();
    }
    RestResponse::json(status, &body)
}

fn bad(message: &str) -> RestResponse {
    exception(StatusCode::BAD_REQUEST, message, None)
}

fn unauthorized() -> RestResponse {
    exception(
        StatusCode::UNAUTHORIZED,
        "Authentication failed: check API key, token and the region of the host",
        None,
    )
    .with_header(WWW_AUTHENTICATE, "Basic realm=\"Exotel API\"")
}

fn too_many() -> RestResponse {
    exception(
        StatusCode::TOO_MANY_REQUESTS,
        "The rate limit is exceeded",
        Some("RATE_LIMIT_EXCEEDED"),
    )
}

impl fmt::Debug for ExotelRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExotelRest")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
