//! What is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use telephony_core::{Document, ErrorKind};
use telephony_xml::Dialect;

mod common;

const ACME: Dialect = Dialect::new("acme", "Acme XML");

#[test]
fn what_is_written_is_escaped() {
    let mut xml = ACME.writer().unwrap();
    xml.open("Response", &[]).unwrap();
    let attributes = [("voice", r#"a"b<c>&"#.into()), ("loop", "2".into())];
    xml.text("Say", &attributes, "a < b & c > d\n\"é\"")
        .unwrap();
    xml.empty("Hangup", &[]).unwrap();
    xml.close("Response").unwrap();
    let written = String::from_utf8(xml.finish()).unwrap();
    assert_eq!(
        written,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
         <Say voice=\"a&quot;b&lt;c&gt;&amp;\" loop=\"2\">a &lt; b &amp; c &gt; d\n&quot;é&quot;</Say><Hangup/></Response>"
    );
}

#[test]
fn what_xml_cannot_hold_is_refused_wherever_it_is() {
    for bad in ["\u{0}", "a\u{7}", "\u{1b}[0m", "\u{fffe}", "\u{ffff}"] {
        let mut xml = ACME.writer().unwrap();
        let attribute = [("voice", bad.into())];
        for error in [
            xml.open("Say", &attribute).unwrap_err(),
            xml.empty("Say", &attribute).unwrap_err(),
            xml.text("Say", &attribute, "").unwrap_err(),
            xml.text("Say", &[], bad).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad:?}");
            assert_eq!(error.provider().unwrap().as_str(), "acme");
        }
    }
    let mut xml = ACME.writer().unwrap();
    xml.text("Say", &[], "tab\t line\n return\r").unwrap();
}

#[test]
fn a_document_does_not_show() {
    let mut xml = ACME.writer().unwrap();
    xml.text("Number", &[], "14155550100").unwrap();
    assert!(!format!("{xml:?}").contains("555"));
}

proptest! {
    /// Whatever the texts, what is written is a document that passes the check, or it is refused before.
    #[test]
    fn what_is_written_passes_the_check(text in any::<String>(), value in any::<String>()) {
        let mut xml = ACME.writer().unwrap();
        xml.open("Response", &[]).unwrap();
        if xml.text("Say", &[("voice", value.into())], &text).is_ok() {
            xml.close("Response").unwrap();
            let written = String::from_utf8(xml.finish()).unwrap();
            // What looks like a placeholder is one.
            prop_assume!(!written.contains("{{"));
            let filled = ACME.fill(&Document::new("acme", written.clone()), &common::links());
            prop_assert_eq!(filled.unwrap(), written.into_bytes());
        }
    }

    #[test]
    fn the_check_never_panics(text in any::<String>()) {
        let _ = ACME.fill(&Document::new("acme", format!("<Response>{text}")), &common::links());
        let _ = ACME.fill(&Document::new("acme", text), &common::links());
    }
}
