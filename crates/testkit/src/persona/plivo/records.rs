//! What REST tells of calls: of those that wait, are up, or are over.
//!
//! <https://www.plivo.com/docs/voice/api/calls>; the members as in the SDKs' own tests.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::engine::{CallDirection, LiveCall, RestRequest, RestResponse, Switchboard, clock};
use crate::persona::plivo::PlivoAccount;
use crate::persona::plivo::hangup::HANGUP;
use crate::persona::plivo::rest::{answer, bad, error, known};

/// Times are in the zone of the account's console: here India's.
const ZONE: (Duration, &str) = (Duration::from_secs(19_800), "+05:30");

/// Tells of one call, if it is among those that are asked for.
pub(crate) fn fetch(
    account: &PlivoAccount,
    request: &RestRequest,
    desk: &Switchboard,
    id: &str,
) -> RestResponse {
    let query = request.query_pairs();
    let wanted = query.iter().find(|(name, _)| name == "status");
    let wanted = wanted.map(|(_, status)| status.as_str());
    if !matches!(wanted, None | Some("live" | "queued")) {
        return bad("status must be live or queued");
    }
    let Some(call) = known(desk, id) else {
        return missing(wanted);
    };
    let told = match wanted {
        Some("live") => (!call.is_over() && !waits(&call)).then(|| shown(&call, &call.status())),
        Some(_) => (!call.is_over() && waits(&call)).then(|| shown(&call, "queued")),
        None => record(account, &call),
    };
    match told {
        Some(told) => answer(StatusCode::OK, told).about(&call),
        None => missing(wanted).about(&call),
    }
}

/// Whether it waits to be dialled: then it is a request, and no call yet.
pub(crate) fn waits(call: &LiveCall) -> bool {
    call.direction() == CallDirection::Outbound && call.noted("dialled").is_none()
}

fn missing(wanted: Option<&str>) -> RestResponse {
    let what = match wanted {
        Some(_) => "call not found",
        None => "CDR for call uuid not found",
    };
    error(StatusCode::NOT_FOUND, what)
}

fn direction(call: &LiveCall) -> &'static str {
    match call.direction() {
        CallDirection::Inbound => "inbound",
        CallDirection::Outbound => "outbound",
    }
}

fn shown(call: &LiveCall, status: &str) -> Value {
    json!({
        "call_status": status,
        "call_uuid": call.id(),
        "request_uuid": call.id(),
        "caller_name": "",
        "direction": direction(call),
        "from": call.from(),
        "to": call.to(),
        "session_start": clock::local(call.created(), Duration::ZERO),
    })
}

/// The record of a call that is over, once it is written.
fn record(account: &PlivoAccount, call: &LiveCall) -> Option<Value> {
    let hangup = call.noted(HANGUP)?;
    let ended = call.ended()?;
    let since = ended.elapsed().unwrap_or_default();
    if since < account.record_delay {
        return None;
    }
    let time = |moment| format!("{}{}", clock::local(moment, ZONE.0), ZONE.1);
    let seconds = call.talked().as_secs_f64().ceil() as u64;
    let uuid = call.id();
    Some(json!({
        "answer_time": call.answered().map(time),
        "bill_duration": seconds,
        "billed_duration": seconds.div_ceil(60) * 60,
        "call_direction": direction(call),
        "call_duration": seconds,
        "call_uuid": uuid,
        "conference_uuid": null,
        "end_time": time(ended),
        "from_number": call.from(),
        "hangup_cause_code": hangup["code"],
        "hangup_cause_name": hangup["name"],
        "hangup_source": hangup["source"],
        "initiation_time": time(call.created()),
        "parent_call_uuid": null,
        "resource_uri": format!("/v1/Account/{}/Call/{uuid}/", account.auth_id),
        "stir_verification": "Not Applicable",
        "to_number": call.to(),
        "total_amount": "0.00000",
        "total_rate": "0.00850",
    }))
}
