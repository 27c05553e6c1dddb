//! A captured request: from arguments, or from a raw dump.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use telephony::{WebhookKind, WebhookRequest};
use telephony_testkit::engine::UrlParts;

use crate::exit::{Failure, Result};

/// What is known of a request.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) method: Method,
    /// The whole URL, where it is known.
    pub(crate) url: Option<UrlParts>,
    /// Path and query as they came to the app.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What is odd about the capture itself.
    pub(crate) oddities: Vec<String>,
}

impl Captured {
    /// From a method, a URL, headers and a body.
    pub(crate) fn new(
        method: Option<&str>,
        url: &str,
        headers: &[String],
        body: Option<&str>,
    ) -> Result<Self> {
        let parts = UrlParts::parse(url).ok_or_else(|| {
            Failure::usage(format!(
                "{url}: not a whole URL like https://voice.example.com/call"
            ))
        })?;
        let default = if body.is_some() { "POST" } else { "GET" };
        let mut map = HeaderMap::new();
        for header in headers {
            add_header(&mut map, header)?;
        }
        if body.is_some() && !map.contains_key("content-type") {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            map.insert("content-type", form);
        }
        Ok(Self {
            method: read_method(method.unwrap_or(default))?,
            target: parts.path_and_query(),
            url: Some(parts),
            headers: map,
            body: Bytes::from(body.unwrap_or_default().to_owned()),
            oddities: vec![],
        })
    }

    /// From a dump: request line, headers, an empty line, the body. `curl -v`'s marks are taken off.
    pub(crate) fn parse(dump: &[u8]) -> Result<Self> {
        let (head, body) = split(dump);
        let head = String::from_utf8_lossy(head);
        let mut lines = head
            .lines()
            .map(|line| line.strip_prefix("> ").unwrap_or(line).trim_end())
            .skip_while(|line| line.is_empty());
        let first = lines.next().unwrap_or_default();
        let mut words = first.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(Failure::usage(
                "the dump does not begin with a request line like: POST /twilio/call HTTP/1.1",
            ));
        };
        let url = UrlParts::parse(target);
        if url.is_none() && !target.starts_with('/') {
            return Err(Failure::usage(format!(
                "\"{first}\" is no request line like: POST /twilio/call HTTP/1.1"
            )));
        }
        let mut headers = HeaderMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            add_header(&mut headers, line)?;
        }
        let mut captured = Self {
            method: read_method(method)?,
            target: url
                .as_ref()
                .map_or_else(|| target.to_owned(), UrlParts::path_and_query),
            url,
            headers,
            body: Bytes::copy_from_slice(body),
            oddities: vec![],
        };
        captured.fit_body();
        Ok(captured)
    }

    /// Editors add a line end, and logs cut long bodies.
    fn fit_body(&mut self) {
        let Some(length) = self
            .header("content-length")
            .and_then(|value| value.parse().ok())
        else {
            let trimmed = self.body.trim_ascii_end().len();
            self.body.truncate(trimmed);
            return;
        };
        if self.body.len() > length {
            let rest = self.body.split_off(length);
            if !rest.trim_ascii().is_empty() {
                self.oddities.push(format!(
                    "the body is longer than its Content-Length of {length}: the rest is left out"
                ));
            }
        } else if self.body.len() < length {
            self.body.truncate(self.body.trim_ascii_end().len());
            self.oddities.push(format!(
                "the body has {} bytes of the {length} that Content-Length says: it was cut or changed",
                self.body.len()
            ));
        }
    }

    /// A header's value, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.header("upgrade")
            .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
            || self
                .url
                .as_ref()
                .is_some_and(|url| matches!(url.scheme.as_str(), "ws" | "wss"))
    }

    pub(crate) fn is_form(&self) -> bool {
        self.header("content-type").is_some_and(|value| {
            value
                .to_ascii_lowercase()
                .starts_with("application/x-www-form-urlencoded")
        })
    }

    /// Query without the question mark.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The request as the library gets it.
    pub(crate) fn webhook(&self, public_url: &str, received_at: SystemTime) -> WebhookRequest {
        WebhookRequest {
            method: self.method.clone(),
            public_url: public_url.to_owned(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            received_at,
            kind: if self.is_upgrade() {
                WebhookKind::MediaUpgrade
            } else {
                WebhookKind::Event
            },
        }
    }
}

fn split(dump: &[u8]) -> (&[u8], &[u8]) {
    for border in [&b"\r\n\r\n"[..], b"\n\n"] {
        let at = dump
            .windows(border.len())
            .position(|window| window == border);
        if let Some(at) = at {
            return (&dump[..at], &dump[at + border.len()..]);
        }
    }
    (dump, b"")
}

fn add_header(headers: &mut HeaderMap, line: &str) -> Result<()> {
    let wrong = || {
        // The value may be a secret.
        let name: String = line.chars().take_while(|c| *c != ':').take(40).collect();
        Failure::usage(format!("\"{name}\" is no header like Name: value"))
    };
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    headers.append(name, value);
    Ok(())
}

fn read_method(name: &str) -> Result<Method> {
    name.to_ascii_uppercase()
        .parse()
        .map_err(|_| Failure::usage(format!("\"{name}\" is no HTTP method")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_with_either_line_end() {
        for dump in [
            "POST /call?a=1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 7\r\n\r\nDigits=",
            "\n> POST /call?a=1 HTTP/1.1\n> Host: example.com\n> Content-Length: 7\n\nDigits=\n",
        ] {
            let captured = Captured::parse(dump.as_bytes()).unwrap();
            assert_eq!(captured.method, Method::POST);
            assert_eq!(
                (captured.target.as_str(), captured.query()),
                ("/call?a=1", "a=1")
            );
            assert_eq!(captured.header("HOST"), Some("example.com"));
            assert_eq!(&captured.body[..], b"Digits=");
            assert!(captured.oddities.is_empty());
        }
    }

    #[test]
    fn a_body_that_was_cut_is_noticed() {
        let captured = Captured::parse(b"POST / HTTP/1.1\nContent-Length: 9\n\nA=1").unwrap();
        assert!(captured.oddities[0].contains("3 bytes of the 9"));
        for wrong in [
            "",
            "POST",
            "POST call HTTP/1.1",
            "POST / HTTP/1.1\nno header\n\n",
        ] {
            assert!(Captured::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
