//! Writing a document.

use crate::{Dialect, OPERATION};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::borrow::Cow;
use std::fmt;
use telephony_core::{Error, ErrorKind, Result};

/// The name of an attribute, and its value as it is meant: it is escaped where it is written.
pub type Attribute<'a> = (&'static str, Cow<'a, str>);

/// A document that is being written. `Debug` does not show it.
pub struct XmlWriter {
    dialect: Dialect,
    out: Writer<Vec<u8>>,
}

impl XmlWriter {
    /// A document with its declaration.
    pub(crate) fn new(dialect: Dialect) -> Result<Self> {
        let out = Writer::new(Vec::with_capacity(512));
        let mut xml = Self { dialect, out };
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(xml)
    }

    /// `<name …>`
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a value with characters that XML cannot hold.
    pub fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) -> Result<()> {
        let element = self.element(name, attributes)?;
        self.event(Event::Start(element))
    }

    /// `</name>`
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) if it cannot be written.
    pub fn close(&mut self, name: &'static str) -> Result<()> {
        self.event(Event::End(BytesEnd::new(name)))
    }

    /// `<name …/>`
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn empty(&mut self, name: &'static str, attributes: &[Attribute<'_>]) -> Result<()> {
        let element = self.element(name, attributes)?;
        self.event(Event::Empty(element))
    }

    /// `<name …>text</name>`
    ///
    /// # Errors
    /// As [`open`](Self::open), for the text too.
    pub fn text(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        text: &str,
    ) -> Result<()> {
        self.dialect.check_characters(text)?;
        self.open(name, attributes)?;
        self.event(Event::Text(BytesText::new(text)))?;
        self.close(name)
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out.into_inner()
    }

    fn element<'a>(
        &self,
        name: &'static str,
        attributes: &[Attribute<'a>],
    ) -> Result<BytesStart<'a>> {
        let mut element = BytesStart::new(name);
        for (key, value) in attributes {
            self.dialect.check_characters(value)?;
            element.push_attribute((*key, value.as_ref()));
        }
        Ok(element)
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
        let Dialect { carrier, name, .. } = self.dialect;
        self.out.write_event(event).map_err(|error| {
            let detail = format!("the {name} could not be written");
            Error::new(ErrorKind::Internal, OPERATION, detail)
                .with_provider(carrier)
                .with_source(error)
        })
    }
}

impl fmt::Debug for XmlWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlWriter")
            .field("bytes", &self.out.get_ref().len())
            .finish_non_exhaustive()
    }
}
