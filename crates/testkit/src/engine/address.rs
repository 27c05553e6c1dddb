//! URLs: as the carrier knows them, and where they really lead.

use std::net::IpAddr;

/// The two names of the app's server: what the carrier calls it, and where it listens in this test.
#[derive(Clone, Debug)]
pub(crate) struct AddressBook {
    names: Option<Names>,
}

#[derive(Clone, Debug)]
struct Names {
    /// `http://127.0.0.1:8080`
    real: String,
    /// `https://voice.example.com`, perhaps with a path; without a slash at the end.
    public: String,
}

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Host and port to connect to.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query as they go on the request line.
    pub(crate) path: String,
    /// What the carrier writes into `Host`.
    pub(crate) host_header: String,
    /// User and password of the URL, decoded.
    pub(crate) userinfo: Option<String>,
}

/// Why a URL leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("the URL is not absolute or cannot be read")]
    Malformed,
    #[error(
        "the URL leads away from the server under test, and the simulator does not follow it there"
    )]
    Elsewhere,
}

impl AddressBook {
    /// `answer_url` is where the first request really goes; `public` what the carrier believes the base to be.
    pub(crate) fn new(answer_url: &str, public: Option<&str>) -> Option<Self> {
        let parts = UrlParts::parse(answer_url)?;
        let real = format!("{}://{}", parts.scheme, parts.authority());
        let public = match public {
            Some(public) => {
                UrlParts::parse(public)?;
                public.trim_end_matches('/').to_owned()
            }
            None => real.clone(),
        };
        Some(Self {
            names: Some(Names { real, public }),
        })
    }

    /// No server is known by name: URLs lead to loopback or nowhere.
    pub(crate) fn loopback() -> Self {
        Self { names: None }
    }

    /// The public name of a URL on the real server. Others are as they are.
    pub(crate) fn public_url(&self, url: &str) -> String {
        let known = self.names.as_ref().and_then(|names| {
            strip_base(url, &names.real).map(|rest| format!("{}{rest}", names.public))
        });
        known.unwrap_or_else(|| url.to_owned())
    }

    /// Whether the carrier believes that it speaks TLS with the app.
    pub(crate) fn is_secure(&self) -> bool {
        self.names
            .as_ref()
            .is_some_and(|names| names.public.starts_with("https:"))
    }

    /// Where a URL (http, https, ws, wss) really leads: under the public base to the real server; on loopback as it
    /// says; anywhere else not at all.
    pub(crate) fn target(&self, url: &str) -> Result<Target, AddressError> {
        let parts = UrlParts::parse(url).ok_or(AddressError::Malformed)?;
        let web = parts.without_userinfo().as_http();
        let host_header = parts.host_and_port();
        let userinfo = parts.userinfo.as_deref().map(|userinfo| {
            percent_encoding::percent_decode_str(userinfo)
                .decode_utf8_lossy()
                .into_owned()
        });
        let known = self.names.as_ref().and_then(|names| {
            let public = UrlParts::parse(&names.public)?.as_http();
            strip_base(&web, &public).map(|rest| format!("{}{rest}", names.real))
        });
        let real = match known {
            Some(real) => real,
            None if parts.is_loopback() && !parts.is_secure() => web,
            None => return Err(AddressError::Elsewhere),
        };
        let real = UrlParts::parse(&real).ok_or(AddressError::Malformed)?;
        if real.is_secure() {
            // The testkit speaks no TLS: the server under test is on loopback.
            return Err(AddressError::Elsewhere);
        }
        Ok(Target {
            path: real.path_and_query(),
            port: real.port.unwrap_or(80),
            host: real.host,
            host_header,
            userinfo,
        })
    }
}

/// What follows `base` in `url`, when it ends at a border.
fn strip_base<'a>(url: &'a str, base: &str) -> Option<&'a str> {
    let rest = url.strip_prefix(base)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

/// A URL taken apart; nothing is decoded or normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlParts {
    /// Scheme in lower case, such as `https`.
    pub scheme: String,
    /// `user:password`, as written.
    pub userinfo: Option<String>,
    /// Host; an IPv6 address with its brackets.
    pub host: String,
    /// Port, when written.
    pub port: Option<u16>,
    /// Path as written, perhaps empty.
    pub path: String,
    /// Query without the question mark.
    pub query: Option<String>,
    /// Fragment without the hash.
    pub fragment: Option<String>,
}

impl UrlParts {
    /// Takes an absolute URL apart.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return None;
        }
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (userinfo, host_and_port) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo.to_owned()), host),
            None => (None, authority),
        };
        let (host, port) = match host_and_port.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
            _ => (host_and_port, None),
        };
        if host.is_empty() {
            return None;
        }
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            userinfo,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            query,
            fragment,
        })
    }

    /// `host` or `host:port`, as written.
    pub fn host_and_port(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Path and query as on a request line.
    pub fn path_and_query(&self) -> String {
        let path = if self.path.is_empty() {
            "/"
        } else {
            &self.path
        };
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// Whether the scheme means TLS.
    pub fn is_secure(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "wss")
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host.eq_ignore_ascii_case("localhost")
            || bare
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// The same URL without user and password.
    pub fn without_userinfo(&self) -> Self {
        Self {
            userinfo: None,
            ..self.clone()
        }
    }

    fn authority(&self) -> String {
        match &self.userinfo {
            Some(userinfo) => format!("{userinfo}@{}", self.host_and_port()),
            None => self.host_and_port(),
        }
    }

    /// With `ws` as `http` and `wss` as `https`, without the fragment.
    fn as_http(&self) -> String {
        let scheme = match self.scheme.as_str() {
            "ws" => "http",
            "wss" => "https",
            other => other,
        };
        let query = self
            .query
            .as_ref()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        format!("{scheme}://{}{}{query}", self.host_and_port(), self.path)
    }
}

impl std::fmt::Display for UrlParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}

/// A reference in a document, relative to the document's own URL.
pub fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.trim();
    if reference.contains("://") {
        return UrlParts::parse(reference).map(|_| reference.to_owned());
    }
    let base = UrlParts::parse(base)?;
    let origin = format!("{}://{}", base.scheme, base.authority());
    let url = if reference.is_empty() {
        let mut same = base;
        same.fragment = None;
        same.to_string()
    } else if let Some(rest) = reference.strip_prefix("//") {
        format!("{}://{rest}", base.scheme)
    } else if reference.starts_with('/') {
        format!("{origin}{reference}")
    } else if reference.starts_with('?') {
        format!("{origin}{}{reference}", base.path)
    } else {
        let folder = base.path.rfind('/').map_or("/", |at| &base.path[..=at]);
        format!("{origin}{}", without_dots(&format!("{folder}{reference}")))
    };
    UrlParts::parse(&url).map(|_| url)
}

/// Takes `.` and `..` out of a path; the query stays as it is.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.find('?') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    let mut segments: Vec<&str> = vec![];
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                if segments.len() > 1 {
                    segments.pop();
                }
            }
            segment => segments.push(segment),
        }
    }
    format!("{}{query}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls_lead_to_the_real_server() {
        let book = AddressBook::new(
            "http://127.0.0.1:8080/twilio/call?a=1",
            Some("https://voice.example.com/"),
        )
        .unwrap();
        assert_eq!(
            book.public_url("http://127.0.0.1:8080/twilio/call?a=1"),
            "https://voice.example.com/twilio/call?a=1"
        );
        let target = book.target("wss://voice.example.com/media/x").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.path.as_str()),
            ("127.0.0.1", 8080, "/media/x")
        );
        assert_eq!(target.host_header, "voice.example.com");
        assert_eq!(
            book.target("https://voice.example.community/"),
            Err(AddressError::Elsewhere)
        );
        assert_eq!(
            book.target("https://10.0.0.1/x"),
            Err(AddressError::Elsewhere)
        );
        assert_eq!(book.target("/x"), Err(AddressError::Malformed));
        assert_eq!(book.target("ws://localhost:9/x").unwrap().port, 9);
        assert!(book.target("wss://localhost:9/x").is_err(), "no TLS here");
    }

    #[test]
    fn a_public_base_may_have_a_path_and_users() {
        let book = AddressBook::new(
            "http://127.0.0.1:8080/call",
            Some("https://example.com/tunnel"),
        )
        .unwrap();
        assert_eq!(
            book.public_url("http://127.0.0.1:8080/call"),
            "https://example.com/tunnel/call"
        );
        let target = book
            .target("https://user:p%40ss@example.com/tunnel/next?x=1")
            .unwrap();
        assert_eq!(
            (target.path.as_str(), target.userinfo.as_deref()),
            ("/next?x=1", Some("user:p@ss"))
        );
        assert_eq!(
            book.target("https://example.com/other"),
            Err(AddressError::Elsewhere)
        );
    }

    #[test]
    fn references_resolve_against_the_document() {
        let base = "https://example.com/voice/answer?x=1";
        for (reference, expected) in [
            ("https://other.example/a", "https://other.example/a"),
            ("/a?b=c", "https://example.com/a?b=c"),
            ("next", "https://example.com/voice/next"),
            ("../next?y=..", "https://example.com/next?y=.."),
            ("?z=2", "https://example.com/voice/answer?z=2"),
            ("", "https://example.com/voice/answer?x=1"),
            ("//cdn.example/a", "https://cdn.example/a"),
        ] {
            assert_eq!(
                resolve(base, reference).as_deref(),
                Some(expected),
                "{reference}"
            );
        }
        assert_eq!(resolve(base, "a b"), None);
    }
}
