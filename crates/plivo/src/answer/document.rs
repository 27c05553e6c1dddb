//! XML of the app's own, checked as far as Plivo's rules can be checked from here.

use super::xml::check_characters;
use super::{invalid, unsupported};
use crate::NAME;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use telephony_core::{CallLinks, Document, Result};

/// Fills our links in and checks the outcome.
pub(super) fn fill(document: &Document, links: &CallLinks) -> Result<Vec<u8>> {
    if document.provider().as_str() != NAME {
        return Err(unsupported("the document is for another carrier"));
    }
    let escape = |link: &str| quick_xml::escape::escape(link).into_owned();
    let body = document.fill(links, escape)?;
    check_characters(&body)?;
    Lint::default().check(&body)?;
    Ok(body.into_bytes())
}

/// What has been seen of a document.
#[derive(Default)]
struct Lint {
    /// The names of the elements that are open.
    open: Vec<String>,
    has_root: bool,
    streams: usize,
}

impl Lint {
    fn check(mut self, body: &str) -> Result<()> {
        let mut reader = Reader::from_str(body);
        reader.config_mut().enable_all_checks(true);
        loop {
            let event = reader.read_event();
            let event = event.map_err(|_| invalid("the document is not well-formed XML"))?;
            match event {
                Event::Start(element) => {
                    self.element(&element)?;
                    self.open.push(element.name().as_ref().to_owned());
                }
                Event::Empty(element) => self.element(&element)?,
                Event::End(_) => {
                    self.open.pop();
                }
                Event::Text(text) if self.open.is_empty() => {
                    let text = text.into_inner();
                    if !text.trim_start_matches('\u{feff}').trim().is_empty() {
                        return Err(invalid("the document has text outside of <Response>"));
                    }
                }
                Event::CData(_) | Event::GeneralRef(_) if self.open.is_empty() => {
                    return Err(invalid("the document has text outside of <Response>"));
                }
                Event::GeneralRef(reference) => {
                    let name = format!("&{};", reference.into_inner());
                    check_references(&name)?;
                }
                Event::Decl(declaration) => {
                    let is_utf8 = declaration.encoding().is_none_or(|encoding| {
                        encoding.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8"))
                    });
                    if !is_utf8 {
                        return Err(invalid("the document must be UTF-8"));
                    }
                }
                Event::DocType(_) => {
                    return Err(invalid("the document has a DTD: Plivo XML has none"));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match (self.has_root, self.open.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(invalid(
                "the document is not well-formed XML: it ends too early",
            )),
            (false, _) => Err(invalid(
                "the document is empty: its root must be <Response>",
            )),
        }
    }

    fn element(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let name = element.name();
        if self.open.is_empty() {
            if self.has_root || name.as_ref() != "Response" {
                return Err(invalid("the root of the document must be one <Response>"));
            }
            self.has_root = true;
        }
        let is_stream = name.as_ref() == "Stream";
        self.streams += usize::from(is_stream);
        if self.streams > 1 {
            return Err(invalid(
                "a call has one stream at a time: the document has more",
            ));
        }
        for attribute in element.attributes() {
            let attribute = attribute
                .map_err(|_| invalid("the document has an attribute that is not well-formed"))?;
            if attribute.value.contains('<') {
                return Err(invalid("the document has a < in an attribute: write &lt;"));
            }
            attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| invalid("the document has an entity that XML does not know"))?;
        }
        Ok(())
    }
}

fn check_references(text: &str) -> Result<()> {
    quick_xml::escape::unescape(text)
        .map(|_| ())
        .map_err(|_| invalid("the document has an entity that XML does not know"))
}
