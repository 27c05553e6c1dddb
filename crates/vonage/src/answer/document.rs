//! An NCCO that the app wrote itself: our links are filled in, and what would make Vonage drop the call is refused.

use super::steps::{MAX_HEADER_BYTES, MAX_TEXT_CHARS, RESERVED_HEADERS};
use super::{invalid, unsupported};
use crate::NAME;
use serde_json::{Map, Value};
use telephony_core::{CallLinks, Document, Result};

/// What an action can be. There is no `hangup`; `pay` was withdrawn in 2023.
const ACTIONS: [&str; 9] = [
    "connect",
    "conversation",
    "input",
    "notify",
    "record",
    "stream",
    "talk",
    "transfer",
    "wait",
];
const ENDPOINTS: [&str; 5] = ["app", "phone", "sip", "vbc", "websocket"];
const CONTENT_TYPES: [&str; 3] = [
    "audio/l16;rate=8000",
    "audio/l16;rate=16000",
    "audio/l16;rate=24000",
];

pub(super) fn fill(document: &Document, links: &CallLinks) -> Result<String> {
    if document.provider().as_str() != NAME {
        return Err(unsupported("the document is another carrier's"));
    }
    let filled = document.fill(links, |link| {
        let quoted = Value::from(link).to_string();
        quoted.trim_matches('"').to_owned()
    })?;
    let Ok(Value::Array(actions)) = serde_json::from_str(&filled) else {
        return Err(invalid("the NCCO is not a JSON array"));
    };
    for (index, action) in actions.iter().enumerate() {
        lint(action)
            .map_err(|fault| invalid(&format!("action {} of the NCCO: {fault}", index + 1)))?;
    }
    Ok(filled)
}

type Lint = Result<(), &'static str>;

fn lint(action: &Value) -> Lint {
    let Some(action) = action.as_object() else {
        return Err("it is not an object");
    };
    let name = text(action, "action").unwrap_or_default();
    if !ACTIONS.contains(&name) {
        return Err("Vonage has no such action; a call ends when its NCCO has run out");
    }
    for list in ["eventUrl", "streamUrl"] {
        if action.contains_key(list) && !is_one_url(action.get(list)) {
            return Err("`eventUrl` and `streamUrl` are arrays with one URL");
        }
    }
    let has = |member: &str| action.contains_key(member);
    if has("eventMethod") && !matches!(text(action, "eventMethod"), Some("GET" | "POST")) {
        return Err("`eventMethod` is GET or POST");
    }
    match name {
        "connect" if has("from") && action.get("randomFromNumber") == Some(&Value::Bool(true)) => {
            Err("a connect has `from` or `randomFromNumber`, not both")
        }
        "connect" => lint_endpoint(action.get("endpoint")),
        "conversation" if !has("name") => Err("a conversation has a `name`"),
        "input" if !has("type") => Err("an input has a `type`"),
        "notify" if !has("payload") || !has("eventUrl") => {
            Err("a notify has a `payload` and an `eventUrl`")
        }
        "stream" if !has("streamUrl") => Err("a stream has a `streamUrl`"),
        "talk" => lint_talk(text(action, "text")),
        "transfer" if !has("conversationId") => Err("a transfer has a `conversationId`"),
        _ => Ok(()),
    }
}

fn lint_talk(spoken: Option<&str>) -> Lint {
    let Some(spoken) = spoken else {
        return Err("a talk has a `text`");
    };
    // Tags of SSML do not count, so a text that has some may be longer.
    if !spoken.contains('<') && spoken.chars().count() > MAX_TEXT_CHARS {
        return Err("a talk has at most 1500 characters");
    }
    Ok(())
}

fn lint_endpoint(endpoint: Option<&Value>) -> Lint {
    let Some([Value::Object(endpoint)]) = endpoint.and_then(Value::as_array).map(Vec::as_slice)
    else {
        return Err("a connect has an `endpoint`, an array with one object");
    };
    let kind = text(endpoint, "type").unwrap_or_default();
    if !ENDPOINTS.contains(&kind) {
        return Err("Vonage has no such type of endpoint");
    }
    if kind == "websocket" {
        lint_websocket(endpoint)
    } else {
        Ok(())
    }
}

fn lint_websocket(endpoint: &Map<String, Value>) -> Lint {
    let uri = text(endpoint, "uri").unwrap_or_default();
    if !uri.starts_with("wss://") && !uri.starts_with("ws://") {
        return Err("a websocket has a `uri` with wss");
    }
    let is_known = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| CONTENT_TYPES.contains(&text))
    };
    if endpoint.contains_key("contentType") || !endpoint.get("content-type").is_none_or(is_known) {
        return Err(
            "the `content-type` (spelt so) of a websocket is audio/l16;rate=8000, 16000 or 24000; if it is spelt \
             otherwise Vonage takes 16000",
        );
    }
    if let Some(authorization) = endpoint.get("authorization") {
        let member = |name| authorization.get(name).and_then(Value::as_str);
        match (member("type"), member("value")) {
            (Some("vonage"), _) | (Some("custom"), Some(_)) => {}
            _ => {
                return Err(
                    "the `authorization` of a websocket is `vonage`, or `custom` with a `value`",
                );
            }
        }
    }
    match endpoint.get("headers") {
        None => Ok(()),
        Some(Value::Object(headers)) => {
            let is_reserved = |name: &String| {
                RESERVED_HEADERS
                    .iter()
                    .any(|reserved| name.eq_ignore_ascii_case(reserved))
            };
            if headers.keys().any(is_reserved) {
                Err("a header of a websocket cannot be `event` or `content-type`")
            } else if Value::from(headers.clone()).to_string().len() > MAX_HEADER_BYTES {
                Err("the headers of a websocket have at most 512 bytes as JSON")
            } else {
                Ok(())
            }
        }
        Some(_) => Err("the headers of a websocket are an object"),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn is_one_url(value: Option<&Value>) -> bool {
    match value.and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(url)]) => url.starts_with("https://") || url.starts_with("http://"),
        _ => false,
    }
}
