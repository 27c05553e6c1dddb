//! Reads TwiML as the carrier does, and says what is wrong with it.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::complaint::Finding;
use crate::persona::twilio::schema;

/// One element of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// All text directly inside, joined.
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A number in an attribute, or the default.
    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.attribute(name)
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(default)
    }

    pub(crate) fn has_child(&self, name: &str) -> bool {
        self.children.iter().any(|child| child.name == name)
    }
}

/// Larger documents are refused with 11750.
pub(crate) const LARGEST: usize = 64 * 1024;
/// TwiML nests four deep; more than this is an attack.
const DEEPEST: usize = 32;

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

fn parse_xml(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_end_names = true;
    let mut open: Vec<Element> = vec![];
    let mut root = None;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                if root.is_some() {
                    return Err("there is a second root element".into());
                }
                if open.len() >= DEEPEST {
                    return Err("the elements are nested too deeply".into());
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                close(element, &mut open, &mut root)?;
            }
            Event::End(_) => match open.pop() {
                Some(element) => close(element, &mut open, &mut root)?,
                None => return Err("an element is closed that was never opened".into()),
            },
            Event::Text(text) => add_text(&text.xml10_content(), &mut open)?,
            Event::CData(text) => add_text(&text.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => add_text(&resolved(&reference)?, &mut open)?,
            Event::DocType(_) => return Err("a document type is not allowed".into()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => {
                return root.ok_or_else(|| "there is no root element".into());
            }
            Event::Eof => return Err("an element is not closed".into()),
        }
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err("there is a second root element".into()),
    }
    Ok(())
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut attributes = vec![];
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::default())
            .map_err(|error| error.to_string())?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element {
        name: start.name().as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference
        .resolve_char_ref()
        .map_err(|error| error.to_string())?
    {
        return Ok(character.into());
    }
    let name = reference.xml10_content();
    resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity &{}; is unknown", shown(&name)))
}

fn add_text(text: &str, open: &mut [Element]) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("there is text outside the root element".into()),
    }
    Ok(())
}

/// Names come from the app: a few characters say enough.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
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
