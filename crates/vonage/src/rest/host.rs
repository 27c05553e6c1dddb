//! Which hosts may see the account's token.

use http::Uri;
use std::fmt;
use std::net::Ipv6Addr;

/// The domains whose hosts are Vonage's.
const DOMAINS: [&str; 2] = ["nexmo.com", "vonage.com"];

/// Scheme, host and port of a URL, as a URL parser reads them. Vonage's SDK for Python looks for the domain anywhere in the
/// text, which `https://evil.example/?vonage.com` passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    is_https: bool,
    /// In lower case.
    host: String,
    port: u16,
}

impl Origin {
    /// [`None`] if it is not an absolute URL with `http` or `https` and a plain host, or if it names a user.
    pub(super) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.trim().parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().to_ascii_lowercase();
        // The port is read by hand too, so that `host:` and `host:99999` are not taken for a host without one.
        let written = authority.as_str().get(authority.host().len()..)?;
        let port = match written.strip_prefix(':') {
            None if written.is_empty() => {
                if is_https {
                    443
                } else {
                    80
                }
            }
            None => return None,
            Some(_) => authority.port_u16()?,
        };
        let is_plain = !authority.as_str().contains('@') && (is_name(&host) || is_ipv6(&host));
        is_plain.then_some(Self {
            is_https,
            host,
            port,
        })
    }

    /// Whether it is one of Vonage's own hosts, by HTTPS.
    pub(super) fn is_vonages(&self) -> bool {
        let under = |domain: &&str| {
            self.host == **domain
                || self
                    .host
                    .strip_suffix(*domain)
                    .is_some_and(|rest| rest.ends_with('.'))
        };
        self.is_https && self.port == 443 && DOMAINS.iter().any(under)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.is_https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// Letters, digits and hyphens between dots: what every URL parser reads in the same way.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label)
}

fn is_ipv6(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_vonages(url: &str) -> bool {
        Origin::of(url).is_some_and(|origin| origin.is_vonages())
    }

    #[test]
    fn only_vonages_hosts_are_vonages() {
        for good in [
            "https://api.nexmo.com",
            "https://api-us-3.vonage.com/v1/files/a?b=c#d",
            "HTTPS://API.NEXMO.COM:443/",
            "https://vonage.com",
        ] {
            assert!(is_vonages(good), "{good}");
        }
        for bad in [
            "",
            "api.nexmo.com",
            "//api.nexmo.com/x",
            "/v1/files/a",
            "http://api.nexmo.com",
            "ftp://api.nexmo.com",
            "https://api.nexmo.com:8443",
            "https://api.nexmo.com:",
            "https://api.nexmo.com:99999",
            "https://api.nexmo.com.",
            "https://.nexmo.com",
            "https://evilnexmo.com",
            "https://nexmo.com.evil.example",
            "https://evil.example/?vonage.com",
            "https://evil.example/.vonage.com",
            "https://evil.example#.vonage.com",
            "https://evil.example\\.vonage.com",
            "https://evil.example%2f.vonage.com",
            "https://evil.example%00.vonage.com",
            "https://api.nexmo.com@evil.example",
            "https://api.nexmo.com:443@evil.example",
            "https://user@api.nexmo.com",
            "https://evil.example@api.nexmo.com",
            "https://api.nexmo.com\t.evil.example",
            "https://evil.example\n.nexmo.com",
            "https:///api.nexmo.com",
            "https:api.nexmo.com",
            "https://[::1].nexmo.com",
            "https://xn--nexmo.com\u{3002}nexmo.com",
        ] {
            assert!(!is_vonages(bad), "{bad}");
        }
    }

    #[test]
    fn ports_that_are_not_said_are_the_usual_ones() {
        for (one, other) in [
            (
                "https://Voice.example.com",
                "https://voice.example.com:443/x",
            ),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8080/a", "http://[::1]:8080"),
        ] {
            assert_eq!(Origin::of(one), Origin::of(other));
            assert!(Origin::of(one).is_some());
        }
        assert_ne!(
            Origin::of("http://a.example"),
            Origin::of("https://a.example")
        );
        assert_eq!(
            Origin::of("http://[::1]:8080/a").unwrap().to_string(),
            "http://[::1]:8080"
        );
    }
}
