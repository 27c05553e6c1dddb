//! A document of the app's own, checked as far as the carrier's rules can be checked from here.

use crate::{Dialect, OPERATION};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use telephony_core::{CallLinks, Document, Error, Result};

const ROOT: &str = "Response";
const STREAM: &str = "Stream";

/// Fills our links in and checks the outcome.
pub(crate) fn fill(dialect: &Dialect, document: &Document, links: &CallLinks) -> Result<Vec<u8>> {
    if document.provider().as_str() != dialect.carrier {
        let detail = "the document is for another carrier";
        return Err(Error::unsupported(OPERATION, detail).with_provider(dialect.carrier));
    }
    let escape = |link: &str| quick_xml::escape::escape(link).into_owned();
    let body = document.fill(links, escape)?;
    dialect.check_characters(&body)?;
    Lint::of(dialect).check(&body)?;
    Ok(body.into_bytes())
}

/// What has been seen of a document.
struct Lint<'d> {
    dialect: &'d Dialect,
    /// The names of the elements that are open.
    open: Vec<String>,
    has_root: bool,
    streams: usize,
}

impl<'d> Lint<'d> {
    fn of(dialect: &'d Dialect) -> Self {
        Self {
            dialect,
            open: Vec::new(),
            has_root: false,
            streams: 0,
        }
    }

    fn check(mut self, body: &str) -> Result<()> {
        let mut reader = Reader::from_str(body);
        reader.config_mut().enable_all_checks(true);
        loop {
            let event = reader.read_event();
            let event = event.map_err(|_| self.invalid("the document is not well-formed XML"))?;
            match event {
                Event::Eof => break,
                event => self.event(event)?,
            }
        }
        match (self.has_root, self.open.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => {
                Err(self.invalid("the document is not well-formed XML: it ends too early"))
            }
            (false, _) => Err(self.invalid("the document is empty: its root must be <Response>")),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
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
                    return Err(self.outside());
                }
            }
            Event::CData(_) | Event::GeneralRef(_) if self.open.is_empty() => {
                return Err(self.outside());
            }
            Event::GeneralRef(reference) => {
                let name = format!("&{};", reference.into_inner());
                quick_xml::escape::unescape(&name).map_err(|_| self.unknown_entity())?;
            }
            Event::Decl(declaration) => {
                let is_utf8 = declaration.encoding().is_none_or(|encoding| {
                    encoding.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8"))
                });
                if !is_utf8 {
                    return Err(self.invalid("the document must be UTF-8"));
                }
            }
            Event::DocType(_) => {
                let name = self.dialect.name;
                return Err(self.invalid(format!("the document has a DTD: {name} has none")));
            }
            _ => {}
        }
        Ok(())
    }

    fn element(&mut self, element: &BytesStart<'_>) -> Result<()> {
        let name = element.name();
        let name = name.as_ref();
        if self.open.is_empty() {
            if self.has_root || name != ROOT {
                return Err(self.wrong_root());
            }
            self.has_root = true;
        }
        self.count_stream(name)?;
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|_| {
                self.invalid("the document has an attribute that is not well-formed")
            })?;
            if attribute.value.contains('<') {
                return Err(self.invalid("the document has a < in an attribute: write &lt;"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| self.unknown_entity())?;
            if let Some(rule) = self.dialect.attribute_rule {
                rule(name, attribute.key.as_ref(), &value).map_err(|what| self.invalid(what))?;
            }
        }
        Ok(())
    }

    /// A call has one stream of its own at a time.
    fn count_stream(&mut self, name: &str) -> Result<()> {
        let parent = self.open.last().map(String::as_str);
        let (counts, kind) = match self.dialect.two_way_parent {
            Some(two_way) => (parent == Some(two_way), "two-way stream"),
            None => (true, "stream"),
        };
        self.streams += usize::from(name == STREAM && counts);
        match self.streams {
            0 | 1 => Ok(()),
            _ => Err(self.invalid(format!(
                "a call has one {kind} at a time: the document has more"
            ))),
        }
    }

    fn wrong_root(&self) -> Error {
        let says = "the root of the document must be one <Response>";
        match self.dialect.root_code {
            Some(code) => self.invalid(format!("{says} ({code})")),
            None => self.invalid(says),
        }
    }

    fn outside(&self) -> Error {
        self.invalid("the document has text outside of <Response>")
    }

    fn unknown_entity(&self) -> Error {
        self.invalid("the document has an entity that XML does not know")
    }

    fn invalid(&self, detail: impl AsRef<str>) -> Error {
        self.dialect.invalid(detail)
    }
}
