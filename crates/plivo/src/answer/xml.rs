//! XML as Plivo has it, with the library's errors.

use super::invalid;
use crate::NAME;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::borrow::Cow;
use telephony_core::{Error, ErrorKind, Result};

/// Attributes, in order.
pub(super) type Attributes<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// A document that is being written.
pub(super) struct Xml(Writer<Vec<u8>>);

impl Xml {
    /// A document with its declaration.
    pub(super) fn new() -> Result<Self> {
        let mut xml = Self(Writer::new(Vec::with_capacity(512)));
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(xml)
    }

    /// `<name …>`
    pub(super) fn open(&mut self, name: &'static str, attributes: &Attributes<'_>) -> Result<()> {
        self.event(Event::Start(element(name, attributes)?))
    }

    /// `</name>`
    pub(super) fn close(&mut self, name: &'static str) -> Result<()> {
        self.event(Event::End(BytesEnd::new(name)))
    }

    /// `<name …/>`
    pub(super) fn empty(&mut self, name: &'static str, attributes: &Attributes<'_>) -> Result<()> {
        self.event(Event::Empty(element(name, attributes)?))
    }

    /// `<name …>text</name>`
    pub(super) fn text(
        &mut self,
        name: &'static str,
        attributes: &Attributes<'_>,
        text: &str,
    ) -> Result<()> {
        check_characters(text)?;
        self.open(name, attributes)?;
        self.event(Event::Text(BytesText::new(text)))?;
        self.close(name)
    }

    /// The document.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0.into_inner()
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
        self.0.write_event(event).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                "write answer",
                "the XML could not be written",
            )
            .with_provider(NAME)
            .with_source(error)
        })
    }
}

fn element<'a>(name: &'static str, attributes: &Attributes<'a>) -> Result<BytesStart<'a>> {
    let mut element = BytesStart::new(name);
    for (key, value) in attributes {
        check_characters(value)?;
        element.push_attribute((*key, value.as_ref()));
    }
    Ok(element)
}

/// Refuses what XML 1.0 cannot hold, not even escaped: most control characters.
pub(super) fn check_characters(text: &str) -> Result<()> {
    let fits = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    if text.chars().all(fits) {
        Ok(())
    } else {
        Err(invalid(
            "a text of the answer has control characters, which XML cannot hold",
        ))
    }
}
