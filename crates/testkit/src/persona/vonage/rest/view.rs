//! Legs as JSON.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::engine::{CallDirection, LiveCall, RestRequest, RestResponse, Switchboard, clock};
use crate::persona::vonage::rest::{VonageRest, invalid};
use crate::persona::vonage::session::bare;

const PAGE: usize = 10;
const LARGEST_PAGE: usize = 100;
const STATUSES: [&str; 11] = [
    "started",
    "ringing",
    "answered",
    "machine",
    "completed",
    "busy",
    "cancelled",
    "failed",
    "rejected",
    "timeout",
    "unanswered",
];

/// The status of the person's leg.
fn status(call: &LiveCall) -> String {
    let status = call.status();
    let living = matches!(status.as_str(), "" | "started" | "ringing" | "answered");
    match (call.is_over() && living, call.answered()) {
        (true, Some(_)) => "completed".into(),
        (true, None) => "cancelled".into(),
        (false, _) => status,
    }
}

/// A leg: the person's, or that of a socket.
pub(crate) fn leg(call: &LiveCall, uuid: &str) -> Value {
    if let Some(ending) = call.leg(uuid) {
        let over = call.is_over() || ending.by().is_some();
        let status = if over { "completed" } else { "answered" };
        return json!({
            "_links": {"self": {"href": format!("/calls/{uuid}")}},
            "uuid": uuid,
            "conversation_uuid": call.noted("conversation_uuid"),
            "status": status,
            "direction": "outbound",
        });
    }
    let phone = |number: &str| json!({"type": "phone", "number": bare(number)});
    let direction = match call.direction() {
        CallDirection::Inbound => "inbound",
        CallDirection::Outbound => "outbound",
    };
    let mut leg = json!({
        "_links": {"self": {"href": format!("/calls/{uuid}")}},
        "uuid": uuid,
        "conversation_uuid": call.noted("conversation_uuid"),
        "to": call.noted("to").unwrap_or_else(|| phone(call.to())),
        "from": call.noted("from").unwrap_or_else(|| phone(call.from())),
        "status": status(call),
        "direction": direction,
    });
    if let Some(ended) = call.ended() {
        let local = |moment| clock::local(moment, Duration::ZERO);
        let seconds = call.talked().as_secs_f64().ceil();
        // Numbers come as strings.
        for (name, value) in [
            ("rate", "0.00450000".to_owned()),
            ("price", format!("{:.8}", seconds * 0.000_075)),
            ("duration", format!("{seconds}")),
            (
                "start_time",
                local(call.answered().unwrap_or(call.created())),
            ),
            ("end_time", local(ended)),
            ("network", "US-VIRTUAL-LEVEL3".to_owned()),
        ] {
            leg[name] = value.into();
        }
    }
    leg
}

impl VonageRest {
    pub(crate) fn list(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let query = request.query_pairs();
        let value = |name: &str| {
            let found = query.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        if value("status").is_some_and(|status| !STATUSES.contains(&status)) {
            return invalid("status", "is not a status of a call");
        }
        let size = match value("page_size").map(str::parse) {
            None => PAGE,
            Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => size,
            Some(_) => return invalid("page_size", "must be from 1 to 100"),
        };
        let index: usize = match value("record_index").map(str::parse) {
            None => 0,
            Some(Ok(index)) => index,
            Some(Err(_)) => return invalid("record_index", "must be a number"),
        };
        let mut calls = desk.calls();
        calls.reverse();
        if value("order") == Some("desc") {
            calls.reverse();
        }
        calls.retain(|call| {
            let created = clock::iso_8601(call.created());
            value("status").is_none_or(|wanted| status(call) == wanted)
                && value("conversation_uuid").is_none_or(|wanted| {
                    call.noted("conversation_uuid")
                        .is_some_and(|known| known == wanted)
                })
                && value("date_start").is_none_or(|from| moment(from) <= moment(&created))
                && value("date_end").is_none_or(|until| moment(until) >= moment(&created))
        });
        let count = calls.len();
        let page: Vec<Value> = calls
            .iter()
            .skip(index)
            .take(size)
            .map(|call| leg(call, &call.id()))
            .collect();
        let link = |index: usize| {
            let mut pairs: Vec<_> = query
                .iter()
                .filter(|(name, _)| name != "record_index" && name != "page_size")
                .cloned()
                .collect();
            pairs.push(("page_size".into(), size.to_string()));
            pairs.push(("record_index".into(), index.to_string()));
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            json!({"href": format!("/calls?{query}")})
        };
        let mut links = json!({
            "self": link(index),
            "first": link(0),
            "last": link(count.saturating_sub(1) / size * size),
        });
        if index.saturating_add(size) < count {
            links["next"] = link(index + size);
        }
        if index > 0 {
            links["prev"] = link(index.saturating_sub(size));
        }
        RestResponse::json(
            StatusCode::OK,
            &json!({
                "count": count,
                "page_size": size,
                "record_index": index,
                "_links": links,
                "_embedded": {"calls": page},
            }),
        )
    }
}

/// The digits of a moment, as far as seconds: `2026-01-31T01:13:42Z` and `2026-01-31 01:13:42` are the same.
fn moment(text: &str) -> String {
    let digits = text.chars().filter(char::is_ascii_digit);
    format!("{:0<14}", digits.take(14).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_compared_in_every_spelling() {
        assert_eq!(
            moment("2026-01-31T01:13:42.123Z"),
            moment("2026-01-31 01:13:42")
        );
        assert!(moment("2026-01-31") < moment("2026-01-31T00:00:01Z"));
    }
}
