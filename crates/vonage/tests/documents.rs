//! NCCOs that the app wrote itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use telephony_core::{Answer, Document, ErrorKind, Result, Telephony, WebhookKind};

fn write(document: Document) -> Result<String> {
    let vonage = vonage();
    let call = vonage
        .accept_call(&verified(
            &vonage,
            WebhookKind::IncomingCall,
            &json!({"uuid": "u-1"}),
        ))
        .unwrap();
    let answered = vonage.incoming_call(&call, &Answer::document(document), &links())?;
    assert_eq!(
        answered.response.headers()["content-type"],
        "application/json"
    );
    Ok(String::from_utf8(answered.response.body().to_vec()).unwrap())
}

fn own(body: impl Into<String>) -> Result<String> {
    write(Document::new("vonage", body))
}

#[test]
fn our_links_are_filled_in_and_nothing_else_is_touched() {
    let document = r#"[ {"action":"record", "eventUrl":["{{events_url}}"]},
  {"action":"connect","eventUrl":["{{ answer_url }}"],"endpoint":[{"type":"websocket","uri":"{{media_url}}",
   "content-type":"audio/l16;rate=8000","headers":{"call_key":"{{call_key}}","n":{"a":{}}}}]}]"#;
    let filled = own(document).unwrap();
    let expected = document
        .replace(
            "{{events_url}}",
            &format!("https://voice.example.com/vonage/events/{KEY}"),
        )
        .replace(
            "{{ answer_url }}",
            &format!("https://voice.example.com/vonage/answer/{KEY}"),
        )
        .replace(
            "{{media_url}}",
            &format!("wss://voice.example.com/vonage/media/{TOKEN}"),
        )
        .replace("{{call_key}}", KEY);
    assert_eq!(filled, expected);
    assert!(Document::new("vonage", document).wants_stream());
}

#[test]
fn every_action_of_the_reference_passes() {
    for action in [
        json!({"action": "record", "split": "conversation", "channels": 2, "endOnKey": "#"}),
        json!({"action": "conversation", "name": "room", "musicOnHoldUrl": ["https://e.com/m.mp3"]}),
        json!({"action": "connect", "endpoint": [{"type": "phone", "number": "447700900456", "dtmfAnswer": "2p02p"}]}),
        json!({"action": "connect", "endpoint": [{"type": "sip", "user": "joe", "domain": "trunk"}], "timeout": "45"}),
        json!({"action": "connect", "endpoint": [{"type": "app", "user": "jamie"}]}),
        json!({"action": "connect", "endpoint": [{"type": "vbc", "extension": "111"}]}),
        json!({"action": "connect", "endpoint": [{"type": "websocket", "uri": "wss://e.com/s"}]}),
        json!({"action": "talk", "text": format!("<speak>{}</speak>", "x".repeat(1490)), "bargeIn": "false"}),
        json!({"action": "stream", "streamUrl": ["https://e.com/a.mp3"], "loop": "2"}),
        json!({"action": "input", "type": ["dtmf"], "mode": "asynchronous"}),
        json!({"action": "notify", "payload": {"a": 1}, "eventUrl": ["https://e.com/n"]}),
        json!({"action": "wait", "timeout": 0.5}),
        json!({"action": "transfer", "conversationId": "CON-1"}),
    ] {
        let document = json!([action]).to_string();
        assert_eq!(own(document.clone()).unwrap(), document);
    }
    assert_eq!(own("[]").unwrap(), "[]");
}

#[test]
fn what_would_drop_the_call_is_refused() {
    let connect =
        |endpoint: Value| json!([{"action": "connect", "endpoint": [endpoint]}]).to_string();
    let socket = |more: Value| {
        let mut endpoint = json!({"type": "websocket", "uri": "wss://e.com/s", "content-type": "audio/l16;rate=16000"});
        endpoint
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        connect(endpoint)
    };
    for (document, because) in [
        (String::new(), "JSON array"),
        ("{}".into(), "JSON array"),
        ("[".into(), "JSON array"),
        ("<Response/>".into(), "JSON array"),
        ("[1]".into(), "not an object"),
        ("[{}]".into(), "no such action"),
        (
            r#"[{"action":"wait"},{"action":"hangup"}]"#.into(),
            "action 2 of the NCCO: Vonage has no such action",
        ),
        (r#"[{"action":"pay","amount":1}]"#.into(), "no such action"),
        (
            r#"[{"action":"record","eventUrl":"https://e.com"}]"#.into(),
            "arrays with one URL",
        ),
        (
            r#"[{"action":"stream","streamUrl":["https://e.com","https://e.com"]}]"#.into(),
            "arrays with one URL",
        ),
        (r#"[{"action":"stream"}]"#.into(), "`streamUrl`"),
        (r#"[{"action":"talk"}]"#.into(), "`text`"),
        (
            json!([{"action": "talk", "text": "x".repeat(1501)}]).to_string(),
            "1500",
        ),
        (r#"[{"action":"input"}]"#.into(), "`type`"),
        (r#"[{"action":"notify","payload":{}}]"#.into(), "`eventUrl`"),
        (r#"[{"action":"conversation"}]"#.into(), "`name`"),
        (r#"[{"action":"transfer"}]"#.into(), "`conversationId`"),
        (r#"[{"action":"connect"}]"#.into(), "`endpoint`"),
        (
            r#"[{"action":"connect","endpoint":[]}]"#.into(),
            "`endpoint`",
        ),
        (
            r#"[{"action":"connect","endpoint":{"type":"app"}}]"#.into(),
            "`endpoint`",
        ),
        (connect(json!({"type": "pigeon"})), "type of endpoint"),
        (
            connect(json!({"type": "websocket", "uri": "https://e.com"})),
            "`uri`",
        ),
        (
            socket(json!({"content-type": "audio/l16;rate=44100"})),
            "`content-type`",
        ),
        (
            socket(json!({"contentType": "audio/l16;rate=8000"})),
            "`content-type`",
        ),
        (
            socket(json!({"headers": {"event": "x"}})),
            "cannot be `event`",
        ),
        (
            socket(json!({"headers": {"k": "v".repeat(505)}})),
            "512 bytes",
        ),
        (socket(json!({"headers": "x"})), "an object"),
        (socket(json!({"authorization": {"type": "custom"}})), "`authorization`"),
        (socket(json!({"authorization": {"type": "basic", "value": "x"}})), "`authorization`"),
        (r#"[{"action":"record","eventUrl":[""]}]"#.into(), "arrays with one URL"),
        (r#"[{"action":"record","eventMethod":"PUT"}]"#.into(), "GET or POST"),
        (
            r#"[{"action":"connect","from":"447700900456","randomFromNumber":true,"endpoint":[{"type":"app","user":"a"}]}]"#.into(),
            "not both",
        ),
        (
            r#"[{"action":"talk","text":"{{nonsense}}"}]"#.into(),
            "placeholder",
        ),
    ] {
        let error = own(document.clone()).expect_err(because);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{document}");
        assert!(
            error.to_string().contains(because),
            "{error} does not say {because}"
        );
    }
}

#[test]
fn the_document_of_another_carrier_is_refused() {
    let error = write(Document::new("twilio", "[]")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(write(Document::new("Vonage", "[]")).is_ok());
}
