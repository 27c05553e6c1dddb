//! Resources as JSON, and as XML.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::engine::{CallDirection, LiveCall, RestRequest, RestResponse, Switchboard};
use crate::persona::exotel::ExotelAccount;
use crate::persona::exotel::number::written;
use crate::persona::exotel::rest::{ExotelRest, bad, exception};
use crate::persona::exotel::session::{moment, recording_url};

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

/// A call that is not over is in progress, whether anybody has answered or not.
fn status(call: &LiveCall) -> String {
    let status = call.status();
    let living = matches!(status.as_str(), "" | "ringing" | "in-progress");
    match (call.is_over(), living) {
        (false, _) => "in-progress".into(),
        (true, true) if call.answered().is_some() => "completed".into(),
        (true, true) => "canceled".into(),
        (true, false) => status,
    }
}

fn seconds(length: Duration) -> u64 {
    length.as_secs_f64().ceil() as u64
}

/// A call.
pub(crate) fn call(account: &ExotelAccount, call: &LiveCall, details: bool) -> Value {
    let party = |name: &str, number: &str| {
        let noted = call
            .noted(name)
            .and_then(|value| Some(value.as_str()?.to_owned()));
        written(&noted.unwrap_or_else(|| number.to_owned()))
    };
    let (account_sid, sid) = (&account.account_sid, call.id());
    let direction = match call.direction() {
        CallDirection::Inbound => "inbound",
        CallDirection::Outbound => "outbound-api",
    };
    let status = status(call);
    let ended = call.ended();
    let talked = seconds(call.talked());
    let mut view = json!({
        "Sid": sid,
        "ParentCallSid": null,
        "DateCreated": moment(call.created()),
        "DateUpdated": moment(ended.or(call.answered()).unwrap_or(call.created())),
        "AccountSid": account_sid,
        "To": party("To", call.to()),
        "From": party("From", call.from()),
        "PhoneNumberSid": party("PhoneNumberSid", call.to()),
        "Status": status,
        "StartTime": moment(call.created()),
        "EndTime": ended.map(moment),
        "Duration": ended.map(|_| talked.to_string()),
        "Price": ended.map(|_| format!("{:.3}", talked.div_ceil(60) as f64 * 0.75)),
        "Direction": direction,
        "AnsweredBy": null,
        "ForwardedFrom": null,
        "CallerName": null,
        "Uri": format!("/v1/Accounts/{account_sid}/Calls.json/{sid}"),
        "RecordingUrl": recording_url(account, call),
    });
    if details {
        view["Details"] = json!({
            "ConversationDuration": talked,
            "Leg1Status": status,
            "Leg2Status": null,
            "Legs": [{"Leg": {"Id": 1, "OnCallDuration": talked}}],
        });
    }
    json!({"Call": view})
}

impl ExotelRest {
    pub(crate) fn fetch(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        sid: &str,
    ) -> RestResponse {
        let details = request
            .query_pairs()
            .iter()
            .any(|(name, value)| name == "details" && value == "true");
        match desk.call(sid) {
            Some(found) => {
                RestResponse::json(StatusCode::OK, &call(&self.account, &found, details))
                    .about(&found)
            }
            None => exception(StatusCode::NOT_FOUND, "The call was not found", None),
        }
    }

    pub(crate) fn list(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let query = request.query_pairs();
        let value = |name: &str| {
            let found = query.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let size = match value("PageSize").map(str::parse) {
            None => PAGE,
            Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => size,
            Some(_) => return bad("PageSize must be between 1 and 100"),
        };
        let mut calls = desk.calls();
        calls.retain(|call| {
            value("Status").is_none_or(|wanted| status(call) == wanted)
                && value("Sid").is_none_or(|wanted| wanted.split(',').any(|sid| sid == call.id()))
                && value("To").is_none_or(|wanted| is_party(call, "To", wanted))
                && value("From").is_none_or(|wanted| is_party(call, "From", wanted))
                && value("DateCreated")
                    .is_none_or(|range| is_within(&moment(call.created()), range))
        });
        let total = calls.len();
        let start = match value("After") {
            None => 0,
            Some(after) => match calls.iter().position(|call| call.id() == after) {
                Some(at) => at + 1,
                None => return bad("After is not the id of a call in this list"),
            },
        };
        let page: Vec<&LiveCall> = calls.iter().skip(start).take(size).collect();
        let next = (start + page.len() < total).then(|| {
            let mut pairs: Vec<_> = query
                .iter()
                .filter(|(name, _)| name != "After")
                .cloned()
                .collect();
            pairs.push((
                "After".into(),
                page.last().map(|call| call.id()).unwrap_or_default(),
            ));
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            format!("{}?{query}", request.path)
        });
        let calls: Vec<Value> = page
            .into_iter()
            .map(|found| call(&self.account, found, false)["Call"].take())
            .collect();
        RestResponse::json(
            StatusCode::OK,
            &json!({
                "Metadata": {
                    "Total": total,
                    "PageSize": size,
                    "FirstPageUri": request.path,
                    "PrevPageUri": null,
                    "NextPageUri": next,
                },
                "Calls": calls,
            }),
        )
    }

    /// Always XML.
    pub(crate) fn active_streams(&self, desk: &Switchboard) -> RestResponse {
        let calls = desk.calls();
        let live = calls
            .iter()
            .filter(|call| !call.is_over() && call.answered().is_some())
            .count();
        let body = json!({"Stream": {"ActiveStreamCount": live, "ThrottleLimit": 100}});
        RestResponse::new(StatusCode::OK).with_body("application/xml", xml(&body))
    }
}

/// Whether a call has this party, in national or international form.
fn is_party(call: &LiveCall, name: &str, wanted: &str) -> bool {
    let noted = call
        .noted(name)
        .and_then(|value| Some(value.as_str()?.to_owned()));
    let number = noted.unwrap_or_else(|| match name {
        "To" => call.to().to_owned(),
        _ => call.from().to_owned(),
    });
    written(&number) == written(wanted)
}

/// `gte:2026-01-31 01:13:42;lte:…`
fn is_within(created: &str, range: &str) -> bool {
    range
        .split(';')
        .all(|bound| match bound.trim().split_once(':') {
            Some(("gte", from)) => created >= from,
            Some(("lte", until)) => created <= until,
            _ => true,
        })
}

/// A resource as XML.
pub(crate) fn xml(value: &Value) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse>\n".to_owned();
    if let Value::Object(members) = value {
        write_members(members, &mut text);
    }
    text + "</TwilioResponse>"
}

fn write_members(members: &Map<String, Value>, text: &mut String) {
    for (name, value) in members {
        match value {
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_object) {
                    text.push_str(&format!("<{name}>"));
                    write_members(item, text);
                    text.push_str(&format!("</{name}>"));
                }
                continue;
            }
            _ => text.push_str(&format!("<{name}>")),
        }
        match value {
            Value::Object(members) => write_members(members, text),
            Value::String(value) => text.push_str(&quick_xml::escape::escape(value.as_str())),
            Value::Null => {}
            other => text.push_str(&other.to_string()),
        }
        text.push_str(&format!("</{name}>\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_dates_are_read() {
        let created = "2026-01-31 01:13:42";
        assert!(is_within(
            created,
            "gte:2026-01-31 00:00:00;lte:2026-01-31 23:59:59"
        ));
        assert!(!is_within(created, "gte:2026-02-01 00:00:00"));
        assert!(!is_within(created, "lte:2026-01-30"));
    }

    #[test]
    fn xml_has_the_same_members() {
        assert_eq!(
            xml(&json!({"Call": {"Sid": "a&b", "Price": null}})),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<TwilioResponse>\n\
             <Call><Price></Price>\n<Sid>a&amp;b</Sid>\n</Call>\n</TwilioResponse>"
        );
    }
}
