//! The app's own documents: our links go in, and what any carrier or this one would refuse is refused here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use common::{KEY, links};
use telephony_core::{Document, Error, ErrorKind, Result};
use telephony_xml::Dialect;

mod common;

const PLAIN: Dialect = Dialect::new("acme", "Acme XML");
const STRICT: Dialect = Dialect::new("acme", "Acme XML")
    .with_root_code("E12")
    .with_two_way_streams_in("Connect")
    .with_attribute_rule(rule);

fn rule(element: &str, name: &str, value: &str) -> std::result::Result<(), &'static str> {
    match (element, name, value) {
        ("Stream", "url", url) if !url.starts_with("wss://") => Err("a stream wants wss"),
        _ => Ok(()),
    }
}

fn fill(dialect: Dialect, text: &str) -> Result<String> {
    let filled = dialect.fill(&Document::new("acme", text), &links())?;
    Ok(String::from_utf8(filled).unwrap())
}

fn refused(dialect: Dialect, text: &str) -> Error {
    let error = fill(dialect, text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}: {error}");
    assert_eq!(error.provider().unwrap().as_str(), "acme");
    error
}

#[test]
fn placeholders_become_our_links_and_the_rest_stays() {
    let text = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a note -->\n<Response>\n  \
                <Connect action=\"{{answer_url}}\"><Stream url=\"{{ media_url }}\" id=\"{{call_key}}\"/></Connect>\n  \
                <Wait url=\"{{status_url}}\" other='{{events_url}}'>a &amp; b &#233; <![CDATA[<x>]]></Wait>\n</Response>\n";
    let expected = text
        .replace("{{answer_url}}", &links().answer_url())
        .replace("{{ media_url }}", &links().media_url().unwrap())
        .replace("{{events_url}}", &links().events_url())
        .replace("{{call_key}}", KEY)
        .replace("{{status_url}}", &links().status_url());
    for dialect in [PLAIN, STRICT] {
        assert_eq!(fill(dialect, text).unwrap(), expected);
        assert_eq!(fill(dialect, "<Response/>").unwrap(), "<Response/>");
    }
}

#[test]
fn another_carriers_document_is_unsupported() {
    let document = Document::new("other", "<Response/>");
    let error = PLAIN.fill(&document, &links()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let ours = Document::new("Acme", "<Response/>");
    assert!(PLAIN.fill(&ours, &links()).is_ok());
}

#[test]
fn what_is_no_good_xml_is_an_invalid_argument() {
    for text in [
        "",
        " ",
        "hello",
        "{}",
        "<Response>",
        "</Response>",
        "<Response></response>",
        "<Response><Say></Response></Say>",
        "<response/>",
        "<Say/>",
        "<Response/><Response/>",
        "<Response/>hello",
        "hello<Response/>",
        "<Response/>&amp;",
        "<Response/><![CDATA[x]]>",
        "<Response><Say>a & b</Say></Response>",
        "<Response><Say>&nbsp;</Say></Response>",
        "<Response><Say>&#0;</Say></Response>",
        "<Response><Say a=\"1\" a=\"2\"/></Response>",
        "<Response><Say a=1/></Response>",
        "<Response><Say a=\"<\"/></Response>",
        "<Response><Say a=\"&nope;\"/></Response>",
        "<Response><Say>\u{7}</Say></Response>",
        "<Response><!-- a -- b --></Response>",
        "<!DOCTYPE Response><Response/>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Response/>",
        "<Response>{{media_urls}}</Response>",
    ] {
        refused(PLAIN, text);
        refused(STRICT, text);
    }
}

#[test]
fn errors_speak_of_the_carriers_own_xml() {
    let dtd = refused(PLAIN, "<!DOCTYPE Response><Response/>");
    assert!(dtd.detail().contains("Acme XML has none"), "{dtd}");
    let root = refused(STRICT, "<Say/>");
    assert!(root.detail().ends_with("(E12)"), "{root}");
    assert!(!refused(PLAIN, "<Say/>").detail().contains("E12"));
}

#[test]
fn a_call_has_one_stream_of_its_own() {
    let stream = "<Stream url=\"wss://a.example.com\"/>";
    let two = format!("<Response>{stream}{stream}</Response>");
    let error = refused(PLAIN, &two);
    assert!(error.detail().contains("one stream"), "{error}");
    fill(PLAIN, &format!("<Response>{stream}</Response>")).unwrap();

    // Copies of the audio do not count where streams have a place of their own.
    fill(STRICT, &two).unwrap();
    let copy = format!("<Start>{stream}</Start>");
    let own = format!("<Connect>{stream}</Connect>");
    fill(STRICT, &format!("<Response>{copy}{copy}{own}</Response>")).unwrap();
    for text in [
        format!("<Response>{own}{own}</Response>"),
        format!("<Response><Connect>{stream}{stream}</Connect></Response>"),
        format!("<Response>{own}<Say/><Connect><Stream></Stream></Connect></Response>"),
    ] {
        let error = refused(STRICT, &text);
        assert!(error.detail().contains("one two-way stream"), "{error}");
    }
}

#[test]
fn attributes_obey_the_carriers_rule_as_they_are_meant() {
    let bad = "<Response><Stream url=\"https://a.example.com\"/></Response>";
    assert_eq!(refused(STRICT, bad).detail(), "a stream wants wss");
    fill(PLAIN, bad).unwrap();
    fill(
        STRICT,
        "<Response><Stream url=\"&#119;ss://a.example.com\"/></Response>",
    )
    .unwrap();
    fill(STRICT, "<Response><Say url=\"https://a\"/></Response>").unwrap();
}
