//! The app's own TwiML: our links go in, and what Twilio would refuse is refused here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{body, incoming, links, twilio};
use telephony_core::{Answer, Document, ErrorKind, Result, Telephony};

fn write(provider: &str, text: &str) -> Result<String> {
    let twilio = twilio();
    let answer = Answer::document(Document::new(provider, text));
    let answered = twilio.incoming_call(&incoming(&twilio), &answer, &links())?;
    assert_eq!(answered.response.headers()["content-type"], "text/xml");
    Ok(body(&answered).to_owned())
}

#[test]
fn placeholders_become_our_links() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a note -->\n<Response>\n  \
                <Start><Stream name=\"copy\" url=\"wss://copy.example.com/x\"/></Start>\n  \
                <Connect action=\"{{answer_url}}\"><Stream url=\"{{ media_url }}\" statusCallback=\"{{events_url}}\">\
                <Parameter name=\"call_key\" value=\"{{call_key}}\"/></Stream></Connect>\n  \
                <Enqueue waitUrl=\"{{status_url}}\">a &amp; b &#233; <![CDATA[<x>]]></Enqueue>\n  \
                <genericTag key=\"1\"/>\n</Response>\n";
    let written = write("twilio", text).unwrap();
    let expected = text
        .replace("{{answer_url}}", &links().answer_url())
        .replace("{{ media_url }}", &links().media_url().unwrap())
        .replace("{{events_url}}", &links().events_url())
        .replace("{{call_key}}", common::KEY)
        .replace("{{status_url}}", &links().status_url());
    assert_eq!(written, expected);
    assert_eq!(write("Twilio", "<Response/>").unwrap(), "<Response/>");
}

#[test]
fn another_carriers_document_is_unsupported() {
    let error = write("vonage", "<Response/>").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_twilio_would_refuse_is_an_invalid_argument() {
    for text in [
        // What is no good XML at all is a matter of telephony-xml.
        "<Response>",
        "<Say/>",
        "<Response><Say>\u{7}</Say></Response>",
        "<Response>{{media_urls}}</Response>",
        "<Response><Connect><Stream url=\"https://example.com/x\"/></Connect></Response>",
        "<Response><Connect><Stream url=\"{{media_url}}?token=1\"/></Connect></Response>",
        "<Response><Connect><Stream url=\"{{media_url}}\"/></Connect>\
         <Connect><Stream url=\"{{media_url}}\"/></Connect></Response>",
    ] {
        let error = write("twilio", text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}: {error}");
    }
    let long = format!("<Response><Say>{}</Say></Response>", "x".repeat(64 * 1024));
    assert_eq!(
        write("twilio", &long).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}
