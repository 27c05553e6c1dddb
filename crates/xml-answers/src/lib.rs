//! XML answers: for carriers whose answers are documents with `<Response>` as their root.
//!
//! A carrier says in a [`Dialect`] how its XML differs. Then it writes its own documents with that, and has those of the app
//! filled in and checked, with the library's errors:
//!
//! ```
//! use telephony_core::{AccountLabel, CallKey, CallLinks, Document, ErrorKind, OsRandom, PublicUrl};
//! use telephony_xml::Dialect;
//!
//! const ACME: Dialect = Dialect::new("acme", "Acme XML");
//!
//! let mut xml = ACME.writer()?;
//! xml.open("Response", &[])?;
//! xml.text("Say", &[("voice", "anna".into())], "Hello & welcome.")?;
//! xml.empty("Hangup", &[])?;
//! xml.close("Response")?;
//! assert!(xml.finish().ends_with(b">Hello &amp; welcome.</Say><Hangup/></Response>"));
//!
//! // A document of the app's own: our links go in, and what the carrier would refuse is refused here.
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let links = CallLinks::new(base, AccountLabel::new("acme")?, CallKey::random(&OsRandom)?);
//! let own = |body: &str| ACME.fill(&Document::new("acme", body), &links);
//! assert!(own("<Response><Goto>{{answer_url}}</Goto></Response>")?.starts_with(b"<Response><Goto>https://voice"));
//! assert_eq!(own("<Response>").unwrap_err().kind(), ErrorKind::InvalidArgument);
//! # Ok::<(), telephony_core::Error>(())
//! ```

mod document;
mod writer;

pub use writer::{Attribute, XmlWriter};

use telephony_core::{CallLinks, Document, Error, ErrorKind, Result};

/// What is done here, for errors.
const OPERATION: &str = "write answer";

/// Says what is wrong with an attribute: of which element, its name, its value with entities resolved.
pub type AttributeRule =
    fn(element: &str, name: &str, value: &str) -> std::result::Result<(), &'static str>;

/// How one carrier's XML differs from another's.
///
/// ```
/// use telephony_xml::Dialect;
///
/// fn secure(element: &str, name: &str, value: &str) -> Result<(), &'static str> {
///     match (element, name) {
///         ("Stream", "url") if !value.starts_with("wss://") => Err("the URL of a stream must begin with wss://"),
///         _ => Ok(()),
///     }
/// }
///
/// const ACME: Dialect = Dialect::new("acme", "Acme XML")
///     .with_root_code("E12")
///     .with_two_way_streams_in("Connect")
///     .with_attribute_rule(secure);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    carrier: &'static str,
    name: &'static str,
    root_code: Option<&'static str>,
    two_way_parent: Option<&'static str>,
    attribute_rule: Option<AttributeRule>,
}

impl Dialect {
    /// That of the carrier of this name, and what its XML is called. One `<Stream>` in a document, wherever it stands.
    #[must_use]
    pub const fn new(carrier: &'static str, name: &'static str) -> Self {
        Self {
            carrier,
            name,
            root_code: None,
            two_way_parent: None,
            attribute_rule: None,
        }
    }

    /// The carrier's code for a document with another root, which the error tells.
    #[must_use]
    pub const fn with_root_code(mut self, code: &'static str) -> Self {
        self.root_code = Some(code);
        self
    }

    /// Only a `<Stream>` right in this element is the call's own, of which there can be one. Elsewhere it is a copy of the
    /// call's audio, and there may be many.
    #[must_use]
    pub const fn with_two_way_streams_in(mut self, parent: &'static str) -> Self {
        self.two_way_parent = Some(parent);
        self
    }

    /// A rule of the carrier's own about attributes.
    #[must_use]
    pub const fn with_attribute_rule(mut self, rule: AttributeRule) -> Self {
        self.attribute_rule = Some(rule);
        self
    }

    /// Begins a document.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) if it cannot be written.
    pub fn writer(&self) -> Result<XmlWriter> {
        XmlWriter::new(*self)
    }

    /// Fills our links into a document of the app's own, and checks the outcome as far as it can be checked from here.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for another carrier's document,
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for what the carrier would refuse, and as [`Document::fill`].
    pub fn fill(&self, document: &Document, links: &CallLinks) -> Result<Vec<u8>> {
        document::fill(self, document, links)
    }

    fn invalid(&self, detail: impl AsRef<str>) -> Error {
        Error::new(ErrorKind::InvalidArgument, OPERATION, detail.as_ref())
            .with_provider(self.carrier)
    }

    /// Refuses what XML 1.0 cannot hold, not even escaped: most control characters.
    fn check_characters(&self, text: &str) -> Result<()> {
        let fits = |c: char| {
            matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
        };
        match text.chars().all(fits) {
            true => Ok(()),
            false => {
                Err(self
                    .invalid("a text of the answer has control characters, which XML cannot hold"))
            }
        }
    }
}

/// Keeps the example of the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
