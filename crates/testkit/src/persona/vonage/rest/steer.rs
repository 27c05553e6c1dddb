//! Steering calls that are there.

use http::StatusCode;

use crate::complaint::Finding;
use crate::engine::{Diversion, LiveCall, NewDocument, RestRequest, RestResponse, Switchboard};
use crate::persona::vonage::rest::members::{Body, Refused};
use crate::persona::vonage::rest::{VonageRest, invalid, message, not_found};

/// A text may have so many characters.
const LONGEST_TALK: usize = 1_500;

impl VonageRest {
    /// `PUT /v1/calls/{uuid}`
    pub(crate) fn act(&self, request: &RestRequest, call: &LiveCall, uuid: &str) -> RestResponse {
        match act(request, call, uuid) {
            Ok(response) => response,
            Err((name, reason)) => invalid(name, &reason),
        }
    }

    pub(crate) fn talk(&self, request: &RestRequest, call: &LiveCall, uuid: &str) -> RestResponse {
        let text = Body::of(request).and_then(|mut body| body.text("text"));
        match text {
            Ok(Some(text)) if (1..=LONGEST_TALK).contains(&text.chars().count()) => {
                message("Talk started", call, uuid)
            }
            Ok(_) => invalid("text", "must be there, with at most 1500 characters"),
            Err((name, reason)) => invalid(name, &reason),
        }
    }

    pub(crate) fn stream(
        &self,
        request: &RestRequest,
        call: &LiveCall,
        uuid: &str,
    ) -> RestResponse {
        match Body::of(request).and_then(|mut body| body.url("stream_url")) {
            Ok(Some(_)) => message("Stream started", call, uuid),
            Ok(None) => invalid("stream_url", "must be an array of one http URL"),
            Err((name, reason)) => invalid(name, &reason),
        }
    }

    pub(crate) fn send_digits(
        &self,
        request: &RestRequest,
        call: &LiveCall,
        uuid: &str,
    ) -> RestResponse {
        let digits = match Body::of(request).and_then(|mut body| body.text("digits")) {
            Ok(digits) => digits.unwrap_or_default(),
            Err((name, reason)) => return invalid(name, &reason),
        };
        if digits.is_empty() || !digits.chars().all(|digit| "0123456789*#p".contains(digit)) {
            return invalid("digits", "can contain 0-9, *, # and p");
        }
        let response = message("DTMF sent", call, uuid);
        if response.status.is_success() && call.id() == uuid {
            call.send_tones(&digits);
        }
        response
    }

    /// `GET /v1/files/{id}`, with the application's token like everything else.
    pub(crate) fn file(&self, request: &RestRequest, desk: &Switchboard, id: &str) -> RestResponse {
        if request.method != http::Method::GET {
            return not_found();
        }
        for call in desk.calls() {
            let found = call.recordings(|recordings| {
                let mut recordings = recordings.iter();
                recordings.find(|recording| recording.id == id).cloned()
            });
            if let Some(recording) = found {
                let response = RestResponse::new(StatusCode::OK).about(&call);
                return match recording.setting("format") {
                    Some("wav") => response.with_body("audio/wav", recording.wav()),
                    _ => response.with_body("audio/mpeg", recording.silent_mp3()),
                };
            }
        }
        not_found()
    }
}

fn act(request: &RestRequest, call: &LiveCall, uuid: &str) -> Result<RestResponse, Refused> {
    let mut body = Body::of(request)?;
    let action = body.text("action")?.unwrap_or_default();
    let own = call.id() == uuid;
    let done = RestResponse::new(StatusCode::NO_CONTENT);
    let alive = match action.as_str() {
        "hangup" if own => call.hang_up(),
        "hangup" => call.hang_up_leg(uuid).unwrap_or(false),
        _ => !call.is_over() && call.leg(uuid).is_none_or(|leg| leg.by().is_none()),
    };
    if !alive {
        // What is over is not there.
        return Ok(not_found());
    }
    match action.as_str() {
        "hangup" => {}
        "mute" | "unmute" | "earmuff" | "unearmuff" | "transfer" if !own => {
            return Ok(done.with_finding(Finding::note(
                "not-simulated",
                "of the leg of a socket only the hang-up is simulated",
            )));
        }
        "mute" => call.mute(true),
        "unmute" => call.mute(false),
        "earmuff" => call.earmuff(true),
        "unearmuff" => call.earmuff(false),
        "transfer" => {
            let destination = body.object("destination")?;
            let destination = destination.ok_or(("destination", "is required".to_owned()))?;
            let document = document(destination)?;
            if call.answered().is_none() {
                return Err((
                    "action",
                    "a call that nobody has answered stays where it is".into(),
                ));
            }
            call.divert(Diversion::new(document));
        }
        _ => {
            return Err((
                "action",
                "must be hangup, mute, unmute, earmuff, unearmuff or transfer".into(),
            ));
        }
    }
    Ok(done.with_findings(body.finish("the request")))
}

fn document(mut destination: Body) -> Result<NewDocument, Refused> {
    destination
        .word("type", &["ncco"])?
        .ok_or(("type", "must be ncco".to_owned()))?;
    let url = destination.url("url")?;
    match (destination.take("ncco"), url) {
        (None, Some(url)) => Ok(NewDocument::Fetch { url, method: None }),
        (Some(ncco), None) if ncco.is_array() => Ok(NewDocument::Inline(ncco.to_string())),
        (Some(_), None) => Err(("ncco", "must be an array of actions".into())),
        _ => Err(("destination", "has either url or ncco".into())),
    }
}
