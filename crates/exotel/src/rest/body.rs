//! What Exotel answers, JSON or XML, as one kind of tree.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// More elements inside each other than that are not read.
const MAX_DEPTH: usize = 32;

/// Reads JSON or XML, whichever it is: the header that says so is not believed, as Exotel's pages show either for the same
/// request. [`None`] for anything else.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii();
    let text = || String::from_utf8_lossy(body);
    match body.first()? {
        b'{' => serde_json::from_str(&text()).ok(),
        b'<' => xml(&text()),
        _ => None,
    }
}

/// The member of that name, whatever the case of its letters, one that says something before one that does not.
pub(super) fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    let mut found = members
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    let first = found.next()?;
    if says_something(first) {
        return Some(first);
    }
    Some(found.find(|value| says_something(value)).unwrap_or(first))
}

fn says_something(value: &Value) -> bool {
    !matches!(value, Value::Null) && value.as_str() != Some("")
}

/// The text of that member, also of a number; nothing for a blank one and for the words that stand for nothing.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    let text = match get(value, name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    (!text.is_empty() && !text.eq_ignore_ascii_case("null")).then_some(text)
}

/// What is inside the element that XML answers have around everything.
pub(super) fn inner(value: &Value) -> &Value {
    get(value, "TwilioResponse").unwrap_or(value)
}

/// The items of a list: an array, or the elements of that name, one or many.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| get(item, name).unwrap_or(item))
            .collect(),
        _ => match get(value, name) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(item @ Value::Object(_)) => vec![item],
            _ => Vec::new(),
        },
    }
}

#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Map<String, Value>,
}

impl Element {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn adopt(&mut self, child: Self) {
        let value = if child.children.is_empty() {
            Value::String(child.text)
        } else {
            Value::Object(child.children)
        };
        match self.children.get_mut(&child.name) {
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
            None => {
                self.children.insert(child.name, value);
            }
        }
    }
}

/// Elements become members, repeated ones arrays; attributes, comments and declarations say nothing here.
fn xml(text: &str) -> Option<Value> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                if open.len() > MAX_DEPTH {
                    return None;
                }
                open.push(Element::named(element.name().as_ref()));
            }
            Event::Empty(element) => {
                let element = Element::named(element.name().as_ref());
                open.last_mut()?.adopt(element);
            }
            Event::End(_) => {
                let element = open.pop()?;
                open.last_mut()?.adopt(element);
            }
            Event::Text(text) => open.last_mut()?.text.push_str(&text.into_inner()),
            Event::CData(text) => open.last_mut()?.text.push_str(&text.into_inner()),
            Event::GeneralRef(reference) => {
                let reference = format!("&{};", reference.into_inner());
                let text = quick_xml::escape::unescape(&reference).ok()?;
                open.last_mut()?.text.push_str(&text);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let root = open.pop().filter(|_| open.is_empty())?;
    (!root.children.is_empty()).then_some(Value::Object(root.children))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_and_json_give_the_same_tree() {
        let xml = "<?xml version=\"1.0\"?>\n<TwilioResponse><Call><Sid>a&amp;b&#233;</Sid><To/><Leg>1</Leg>\
            <Leg><![CDATA[<2>]]></Leg><Leg>3</Leg></Call></TwilioResponse>\n";
        let json = r#"{"TwilioResponse":{"Call":{"Sid":"a&bé","To":"","Leg":["1","<2>","3"]}}}"#;
        assert_eq!(parse(xml.as_bytes()), parse(json.as_bytes()));
        assert_eq!(parse(b"\xef\xbb\xbf {\"a\":1} "), parse(b"{\"a\":1}"));
    }

    #[test]
    fn anything_else_is_nothing() {
        for bad in [
            "",
            " ",
            "OK",
            "[1]",
            "{",
            "<",
            "<a>",
            "<a></b>",
            "<!-- -->",
            "<a>&nbsp;</a>",
            "<html><br></html>",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        let deep = |depth| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_some());
        assert!(parse(deep(MAX_DEPTH + 1).as_bytes()).is_none());
        assert!(parse("{\"a\":".repeat(10_000).as_bytes()).is_none());
    }

    #[test]
    fn names_are_found_in_any_case() {
        let value = serde_json::json!({"sid": "", "SID": null, "Sid": " x ", "n": 7, "null": "NULL", "o": {}});
        assert_eq!(text(&value, "sId").as_deref(), Some("x"));
        assert_eq!(text(&value, "N").as_deref(), Some("7"));
        assert_eq!(text(&value, "null"), None);
        assert_eq!(text(&value, "o"), None);
        assert_eq!(text(&Value::Null, "o"), None);
    }
}
