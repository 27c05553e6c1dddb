//! Placing a call.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::complaint::Finding;
use crate::engine::{Method, Placement, RestRequest, RestResponse, Switchboard, random};
use crate::persona::vonage::events::EventTarget;
use crate::persona::vonage::outbound::{CallOrder, Detection, DetectionMode, Outbound};
use crate::persona::vonage::rest::members::{Body, Refused, is_number};
use crate::persona::vonage::rest::{VonageRest, invalid, problem};
use crate::persona::vonage::session::Source;

/// Seconds that it rings and lasts, unless the request says otherwise.
const RING: u64 = 60;
const LENGTH: u64 = 7_200;

/// Between whom.
struct Parties {
    /// As events name them.
    from: String,
    to: String,
    /// As the API shows them.
    from_endpoint: Value,
    to_endpoint: Value,
    findings: Vec<Finding>,
}

impl VonageRest {
    pub(crate) fn create(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        if is_websocket(request) {
            // An outbound leg without a person: nobody could play the script.
            return problem(
                StatusCode::NOT_IMPLEMENTED,
                "Endpoints of the type websocket are not simulated here",
            )
            .with_finding(Finding::note(
                "not-simulated",
                "a call to an endpoint of the type websocket is not simulated: connect to it in an NCCO",
            ));
        }
        let (parties, order, findings) = match self.read(request, desk) {
            Ok(read) => read,
            Err((name, reason)) => return invalid(name, &reason),
        };
        let (uuid, conversation) = (random::uuid(), format!("CON-{}", random::uuid()));
        let placement = Placement::new(&uuid, &parties.from, &parties.to, "started");
        let flow = Outbound {
            account: self.account.clone(),
            uuid: uuid.clone(),
            conversation: conversation.clone(),
            from: parties.from,
            to: parties.to,
            order,
        };
        let call = desk.place(placement, flow);
        call.note("conversation_uuid", conversation.as_str());
        call.note("from", parties.from_endpoint);
        call.note("to", parties.to_endpoint);
        RestResponse::json(
            StatusCode::CREATED,
            &json!({
                "uuid": uuid,
                "status": "started",
                "direction": "outbound",
                "conversation_uuid": conversation,
            }),
        )
        .with_findings(findings)
        .about(&call)
    }

    fn read(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
    ) -> Result<(Parties, CallOrder, Vec<Finding>), Refused> {
        let mut body = Body::of(request)?;
        let mut parties = parties(&mut body)?;
        let application = desk.application();
        let source = source(&mut body)?;
        let event_method = body.method("event_method", self.account.event_method)?;
        let event_url = body.url("event_url")?;
        let events = event_url.or(application.status_url).map(|url| EventTarget {
            url,
            method: event_method,
        });
        if events.is_none() {
            return Err((
                "event_url",
                "is required when the application has none".into(),
            ));
        }
        let order = CallOrder {
            source,
            events,
            ring: Duration::from_secs(body.number("ringing_timer", 1..=120)?.unwrap_or(RING)),
            limit: Duration::from_secs(body.number("length_timer", 1..=86_400)?.unwrap_or(LENGTH)),
            detection: detection(&mut body)?,
        };
        let mut findings = std::mem::take(&mut parties.findings);
        findings.extend(body.finish("the request"));
        Ok((parties, order, findings))
    }
}

fn parties(body: &mut Body) -> Result<Parties, Refused> {
    let endpoints = match body.take("to") {
        Some(Value::Array(endpoints)) => endpoints,
        _ => return Err(("to", "must be an array of one endpoint".into())),
    };
    let [to_endpoint] = endpoints.as_slice() else {
        return Err(("to", "must be an array of one endpoint".into()));
    };
    let (to, findings) = endpoint(to_endpoint)?;
    let random = body.flag("random_from_number")?;
    let from_endpoint = match (body.take("from"), random) {
        (Some(_), true) => {
            return Err(("from", "must not be there beside random_from_number".into()));
        }
        (None, false) => {
            return Err((
                "from",
                "is required unless random_from_number is true".into(),
            ));
        }
        (None, true) => json!({"type": "phone", "number": "12015550123"}),
        (Some(from), false) => from,
    };
    let number = from_endpoint["number"].as_str().unwrap_or_default();
    if from_endpoint["type"] != "phone" || !(is_number(number) || number.starts_with("sip:")) {
        return Err(("number", "can contain up to 15 digits".into()));
    }
    Ok(Parties {
        from: number.to_owned(),
        to,
        to_endpoint: to_endpoint.clone(),
        from_endpoint,
        findings,
    })
}

fn is_websocket(request: &RestRequest) -> bool {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body["to"][0]["type"] == "websocket"
}

/// Whom to call, as events name them.
fn endpoint(endpoint: &Value) -> Result<(String, Vec<Finding>), Refused> {
    let text = |name: &str| endpoint[name].as_str().unwrap_or_default().to_owned();
    let known: &[&str] = match endpoint["type"].as_str() {
        Some("phone") => &["type", "number", "dtmfAnswer", "shaken"],
        Some("sip") => &["type", "uri", "headers", "standard_headers"],
        Some("app") => &["type", "user"],
        Some("vbc") => &["type", "extension"],
        _ => return Err(("type", "must be phone, sip, websocket, vbc or app".into())),
    };
    let to = match known[1] {
        "number" => {
            let number = text("number");
            if !is_number(&number) {
                return Err(("number", "can contain up to 15 digits".into()));
            }
            number
        }
        "uri" => {
            let uri = text("uri");
            if !uri.starts_with("sip:") && !uri.starts_with("sips:") {
                return Err(("uri", "must be a SIP URI".into()));
            }
            uri
        }
        name => Some(text(name))
            .filter(|text| !text.is_empty())
            .ok_or(("to", "is empty".to_owned()))?,
    };
    let members = endpoint.as_object();
    let unknown = members.into_iter().flatten();
    let findings = unknown
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, _)| {
            let shown: String = name.chars().take(40).collect();
            Finding::warning(
                "unknown-member",
                format!("the endpoint has the unknown member \"{shown}\", which is ignored"),
            )
        })
        .collect();
    Ok((to, findings))
}

/// What to do when somebody has answered.
fn source(body: &mut Body) -> Result<Source, Refused> {
    let method = body.method("answer_method", Method::Get)?;
    let url = body.url("answer_url")?;
    match (body.take("ncco"), url) {
        (Some(_), Some(_)) => Err(("ncco", "must not be there beside answer_url".into())),
        (None, None) => Err(("ncco", "is required unless answer_url is there".into())),
        (None, Some(url)) => Ok(Source::Fetch {
            url,
            method,
            fallback: None,
        }),
        (Some(Value::Array(actions)), None) if !actions.is_empty() => {
            Ok(Source::Inline(Value::Array(actions).to_string()))
        }
        (Some(_), None) => Err(("ncco", "must be an array of actions".into())),
    }
}

/// The advanced one wins.
fn detection(body: &mut Body) -> Result<Option<Detection>, Refused> {
    let behaviors = ["continue", "hangup"];
    let simple = body.word("machine_detection", &behaviors)?;
    let Some(mut advanced) = body.object("advanced_machine_detection")? else {
        return Ok(simple.map(|behavior| Detection {
            hangs_up: behavior == "hangup",
            mode: DetectionMode::Background,
        }));
    };
    let behavior = advanced.word("behavior", &behaviors)?;
    let mode = advanced.word("mode", &["default", "detect", "detect_beep"])?;
    advanced.number("beep_timeout", 30..=120)?;
    Ok(Some(Detection {
        hangs_up: behavior.as_deref() == Some("hangup"),
        mode: match mode.as_deref() {
            Some("default") => DetectionMode::Background,
            Some("detect_beep") => DetectionMode::Beep,
            _ => DetectionMode::Verdict,
        },
    }))
}
