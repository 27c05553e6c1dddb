//! Resources as JSON, and as XML.

use serde_json::{Map, Value, json};

use crate::engine::{CallDirection, LiveCall, Recording, clock};
use crate::persona::twilio::TwilioAccount;
use crate::persona::twilio::recordings::{channels, seconds};

/// The status that REST knows: `initiated` is a word of callbacks only.
pub(crate) fn status(call: &LiveCall) -> String {
    let status = call.status();
    let over = matches!(
        status.as_str(),
        "completed" | "busy" | "failed" | "no-answer" | "canceled"
    );
    match (call.is_over() && !over, call.answered()) {
        (true, Some(_)) => "completed".into(),
        (true, None) => "canceled".into(),
        (false, _) if status == "initiated" => "queued".into(),
        (false, _) => status,
    }
}

/// A call.
pub(crate) fn call(account: &TwilioAccount, call: &LiveCall) -> Value {
    let (account_sid, sid) = (&account.account_sid, call.id());
    let base = format!("/2010-04-01/Accounts/{account_sid}/Calls/{sid}");
    let part = |name: &str| format!("{base}/{name}.json");
    let ended = call.ended();
    let updated = ended.or(call.answered()).unwrap_or(call.created());
    let status = status(call);
    let direction = match call.direction() {
        CallDirection::Inbound => "inbound",
        CallDirection::Outbound => "outbound-api",
    };
    let started = match status.as_str() {
        "queued" => None,
        _ => Some(clock::rfc_2822(call.answered().unwrap_or(call.created()))),
    };
    json!({
        "sid": sid,
        "account_sid": account_sid,
        "parent_call_sid": null,
        "to": call.to(),
        "to_formatted": call.to(),
        "from": call.from(),
        "from_formatted": call.from(),
        "phone_number_sid": format!("PN{}", sid.get(2..).unwrap_or_default()),
        "status": status,
        "start_time": started,
        "end_time": ended.map(clock::rfc_2822),
        "duration": ended.map(|_| seconds(call.talked()).to_string()),
        "price": null,
        "price_unit": "USD",
        "direction": direction,
        "answered_by": call.noted("answered_by"),
        "api_version": "2010-04-01",
        "forwarded_from": null,
        "group_sid": null,
        "caller_name": null,
        "queue_time": "0",
        "trunk_sid": null,
        "date_created": clock::rfc_2822(call.created()),
        "date_updated": clock::rfc_2822(updated),
        "uri": format!("{base}.json"),
        "subresource_uris": {
            "notifications": part("Notifications"),
            "recordings": part("Recordings"),
            "payments": part("Payments"),
            "events": part("Events"),
            "siprec": part("Siprec"),
            "streams": part("Streams"),
            "transcriptions": part("Transcriptions"),
            "user_defined_message_subscriptions": part("UserDefinedMessageSubscriptions"),
            "user_defined_messages": part("UserDefinedMessages"),
        },
    })
}

/// A recording.
pub(crate) fn recording(account: &TwilioAccount, call: &LiveCall, recording: &Recording) -> Value {
    let (account_sid, call_sid) = (&account.account_sid, call.id());
    let begun = clock::rfc_2822(recording.begun);
    let media_url = crate::persona::twilio::recordings::recording_url(account, call, &recording.id);
    json!({
        "sid": recording.id,
        "account_sid": account_sid,
        "call_sid": call_sid,
        "conference_sid": null,
        "api_version": "2010-04-01",
        "status": recording.status,
        "source": recording.setting("Source"),
        "track": recording.setting("RecordingTrack").unwrap_or("both"),
        "channels": channels(recording),
        "duration": recording.length.map(|length| seconds(length).to_string()),
        "start_time": begun,
        "date_created": begun,
        "date_updated": begun,
        "price": null,
        "price_unit": "USD",
        "error_code": null,
        "encryption_details": null,
        "media_url": media_url,
        "uri": format!(
            "/2010-04-01/Accounts/{account_sid}/Calls/{call_sid}/Recordings/{}.json",
            recording.id
        ),
    })
}

/// A resource as XML: snake_case becomes PascalCase.
pub(crate) fn xml(name: &str, value: &Value) -> String {
    let mut text = format!("<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><{name}>");
    if let Value::Object(members) = value {
        write_members(members, &mut text);
    }
    text + &format!("</{name}></TwilioResponse>")
}

fn write_members(members: &Map<String, Value>, text: &mut String) {
    for (name, value) in members {
        let name = pascal(name);
        text.push_str(&format!("<{name}>"));
        match value {
            Value::Null | Value::Array(_) => {}
            Value::Object(members) => write_members(members, text),
            Value::String(value) => text.push_str(&quick_xml::escape::escape(value.as_str())),
            other => text.push_str(&other.to_string()),
        }
        text.push_str(&format!("</{name}>"));
    }
}

fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_has_the_same_members_in_other_letters() {
        let value = json!({"more_info": "a&b", "code": 20003, "parent_call_sid": null});
        assert_eq!(
            xml("RestException", &value),
            "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException><Code>20003</Code>\
             <MoreInfo>a&amp;b</MoreInfo><ParentCallSid></ParentCallSid></RestException></TwilioResponse>"
        );
    }
}
