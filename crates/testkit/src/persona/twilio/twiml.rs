//! Reads TwiML as the carrier does, and says what is wrong with it.

use crate::complaint::Finding;
use crate::persona::twilio::schema;
pub(crate) use crate::persona::xml::Element;
use crate::persona::xml::{parse as parse_xml, shown};

/// Larger documents are refused with 11750.
pub(crate) const LARGEST: usize = 64 * 1024;

/// Reads the document and its root.
pub(crate) fn parse(text: &str) -> Result<Element, Finding> {
    let root = parse_xml(text)
        .map_err(|what| Finding::error("12100", format!("the TwiML is no XML: {what}")))?;
    if root.name != "Response" {
        return Err(Finding::error(
            "12102",
            format!(
                "the root element is <{}>, not <Response>",
                shown(&root.name)
            ),
        ));
    }
    Ok(root)
}

/// What the carrier warns about in a document that it can read.
pub(crate) fn lint(root: &Element) -> Vec<Finding> {
    let mut findings = vec![];
    lint_element(root, &mut findings);
    let streams = root
        .children
        .iter()
        .any(|verb| verb.name == "Connect" && verb.has_child("Stream"));
    if streams && root.has_child("Record") {
        findings.push(Finding::error(
            "record-beside-stream",
            "<Record> is a foreground verb: beside <Connect><Stream> one of them does not run; \
             record with <Start><Recording> or through the REST API",
        ));
    }
    findings
}

fn lint_element(element: &Element, findings: &mut Vec<Finding>) {
    let Some(rule) = schema::rule(&element.name) else {
        // Its parent has complained.
        return;
    };
    for (name, _) in &element.attributes {
        if !rule.knows_attribute(name) {
            findings.push(invalid(format!(
                "<{}> has no attribute \"{}\"",
                element.name,
                shown(name)
            )));
        }
    }
    if !rule.text && !element.text.trim().is_empty() {
        findings.push(invalid(format!(
            "<{}> holds text, which is not read",
            element.name
        )));
    }
    for child in &element.children {
        if rule.knows_child(&child.name) {
            lint_element(child, findings);
        } else {
            findings.push(invalid(format!(
                "<{}> may not hold <{}>",
                element.name,
                shown(&child.name)
            )));
        }
    }
}

fn invalid(text: String) -> Finding {
    Finding::warning("12200", format!("schema violation: {text}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(root) => lint(&root)
                .into_iter()
                .map(|finding| finding.code.into_owned())
                .collect(),
            Err(finding) => vec![finding.code.into_owned()],
        }
    }

    #[test]
    fn a_document_is_read() {
        let root = parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- greets -->
            <Response>
              <Say voice="alice">Fish &amp; &#67;hips <![CDATA[<now>]]></Say>
              <Connect action="/next?a=1&amp;b=2"><Stream url="wss://example.com/media"/></Connect>
            </Response>"#,
        )
        .unwrap();
        assert_eq!(root.children[0].text, "Fish & Chips <now>");
        assert_eq!(root.children[1].attribute("action"), Some("/next?a=1&b=2"));
        assert_eq!(root.children[1].children[0].name, "Stream");
        assert_eq!(lint(&root), []);
    }

    #[test]
    fn what_is_no_twiml_is_refused_with_its_code() {
        for (text, code) in [
            ("", "12100"),
            ("<Response>", "12100"),
            ("<Response></Respons>", "12100"),
            ("<Response/><Response/>", "12100"),
            ("<Response/>trailing", "12100"),
            ("<Response><Say a=\"1\" a=\"2\"/></Response>", "12100"),
            (
                "<Response><Redirect>/a?b=1&c=2</Redirect></Response>",
                "12100",
            ),
            ("<Response><Say>&nbsp;</Say></Response>", "12100"),
            ("<!DOCTYPE Response []><Response/>", "12100"),
            ("[{\"action\":\"talk\"}]", "12100"),
            ("<response/>", "12102"),
            ("<Say>hello</Say>", "12102"),
        ] {
            assert_eq!(codes(text), [code], "{text}");
        }
        assert_eq!(codes(&"<a>".repeat(10_000)), ["12100"]);
    }

    #[test]
    fn schema_violations_are_warnings() {
        for text in [
            r#"<Response><Say lagnauge="en">x</Say></Response>"#,
            r#"<Response><Speak>x</Speak></Response>"#,
            r#"<Response><Connect><Stream url="wss://a" statusCallbackEvents="x"/></Connect></Response>"#,
            r#"<Response>stray text</Response>"#,
            r#"<Response><Gather><Record/></Gather></Response>"#,
        ] {
            assert_eq!(codes(text), ["12200"], "{text}");
        }
    }

    #[test]
    fn record_beside_a_stream_is_an_error() {
        let text = r#"<Response><Record/><Connect><Stream url="wss://a"/></Connect></Response>"#;
        assert_eq!(codes(text), ["record-beside-stream"]);
        assert_eq!(codes("<Response><Record/></Response>"), [""; 0]);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[<>/a-zA-Z&;\"'= !\\[\\]-]{0,200}") {
            let _ = codes(&text);
        }
    }
}
