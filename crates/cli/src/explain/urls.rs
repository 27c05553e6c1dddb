//! The URLs that a carrier may have signed, where proxies have changed what the app sees. Those that differ least come first.

use telephony_testkit::engine::UrlParts;

use crate::explain::request::Captured;

/// One way to write a URL, and how it differs from the one that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) url: String,
    pub(crate) differences: Vec<String>,
}

impl Variant {
    /// What the app must believe for this URL to be the expected one, if a base alone does it.
    pub(crate) fn advice(&self, captured: &Captured) -> Option<String> {
        if self.differences.is_empty() {
            return None;
        }
        let base = self.url.strip_suffix(captured.target.as_str())?;
        base.contains("://").then(|| {
            format!(
                "the app must believe that its public URL is {}",
                as_web(base)
            )
        })
    }
}

/// The library takes the web URL of a socket.
pub(crate) fn as_web(url: &str) -> String {
    match url.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        _ => url.to_owned(),
    }
}

/// One part of a URL.
type Choice = (String, Option<String>);

/// The variants of a request's URL, the expected one first. `public` is the base that the app believes in.
pub(crate) fn variants(captured: &Captured, public: Option<&UrlParts>) -> Vec<Variant> {
    let expected = expected(captured, public);
    let mut variants = vec![];
    for (scheme, scheme_differs) in schemes(captured, &expected) {
        for (host, host_differs) in hosts(captured, &expected) {
            for (port, port_differs) in ports(captured, &expected, &scheme) {
                for (path, path_differs) in paths(captured, public, &expected) {
                    for (query, query_differs) in queries(&expected) {
                        let differences = [
                            &scheme_differs,
                            &host_differs,
                            &port_differs,
                            &path_differs,
                            &query_differs,
                        ];
                        variants.push(Variant {
                            url: format!("{scheme}://{host}{port}{path}{query}"),
                            differences: differences.into_iter().flatten().cloned().collect(),
                        });
                    }
                }
            }
        }
    }
    variants.sort_by_key(|variant| variant.differences.len());
    let mut seen = std::collections::HashSet::new();
    variants.retain(|variant| seen.insert(variant.url.clone()));
    variants
}

/// What an app that is set up right takes the URL for.
fn expected(captured: &Captured, public: Option<&UrlParts>) -> UrlParts {
    let (path, query) = match captured.target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (captured.target.clone(), None),
    };
    let host = captured.header("host").unwrap_or("localhost");
    let base = public
        .or(captured.url.as_ref())
        .cloned()
        .or_else(|| UrlParts::parse(&format!("https://{host}")));
    let mut expected = match base {
        Some(base) => base,
        None => UrlParts {
            scheme: "https".into(),
            userinfo: None,
            host: host.to_owned(),
            port: None,
            path: String::new(),
            query: None,
            fragment: None,
        },
    };
    let prefix = public.map_or("", |public| public.path.trim_end_matches('/'));
    expected.path = format!("{prefix}{path}");
    expected.query = query;
    expected.userinfo = None;
    expected.fragment = None;
    if captured.is_upgrade() {
        expected.scheme = as_socket(&expected.scheme);
    }
    expected
}

fn as_socket(scheme: &str) -> String {
    match scheme {
        "http" | "ws" => "ws",
        _ => "wss",
    }
    .to_owned()
}

fn schemes(captured: &Captured, expected: &UrlParts) -> Vec<Choice> {
    let all = if captured.is_upgrade() {
        ["wss", "ws", "https", "http"]
    } else {
        ["https", "http", "wss", "ws"]
    };
    let mut choices = vec![(expected.scheme.clone(), None)];
    for scheme in all.into_iter().filter(|scheme| *scheme != expected.scheme) {
        let said = if captured.header("x-forwarded-proto") == Some(scheme) {
            ", as X-Forwarded-Proto says"
        } else {
            ""
        };
        choices.push((
            scheme.to_owned(),
            Some(format!(
                "the scheme is {scheme}, not {}{said}",
                expected.scheme
            )),
        ));
    }
    choices
}

fn hosts(captured: &Captured, expected: &UrlParts) -> Vec<Choice> {
    let mut choices = vec![(expected.host.clone(), None)];
    let sources = ["x-forwarded-host", "x-original-host", "host"];
    for name in sources {
        let Some(value) = captured.header(name) else {
            continue;
        };
        let host = value.split(',').next().unwrap_or_default().trim();
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        if !bare.is_empty() && choices.iter().all(|(known, _)| known != bare) {
            choices.push((
                bare.to_owned(),
                Some(format!(
                    "the host is {bare} (of the header {name}), not {}",
                    expected.host
                )),
            ));
        }
    }
    let lower = expected.host.to_ascii_lowercase();
    if choices.iter().all(|(known, _)| *known != lower) {
        choices.push((lower, Some("the host is in lower case".into())));
    }
    choices
}

fn ports(captured: &Captured, expected: &UrlParts, scheme: &str) -> Vec<Choice> {
    let shown = |port: Option<u16>| port.map(|port| format!(":{port}")).unwrap_or_default();
    let mut choices = vec![(shown(expected.port), None)];
    let default = if matches!(scheme, "https" | "wss") {
        443
    } else {
        80
    };
    let of_host = captured
        .header("host")
        .and_then(|host| host.rsplit_once(':')?.1.parse().ok());
    let forwarded = captured
        .header("x-forwarded-port")
        .and_then(|port| port.parse().ok());
    for port in [None, of_host, forwarded, Some(default)] {
        let text = shown(port);
        if choices.iter().any(|(known, _)| *known == text) {
            continue;
        }
        let difference = match port {
            None => "the URL has no port".to_owned(),
            Some(port) => format!("the URL has the port {port}"),
        };
        choices.push((text, Some(difference)));
    }
    choices
}

fn paths(captured: &Captured, public: Option<&UrlParts>, expected: &UrlParts) -> Vec<Choice> {
    let path = &expected.path;
    let mut choices: Vec<Choice> = vec![(path.clone(), None)];
    let mut add = |path: String, difference: &str| {
        if choices.iter().all(|(known, _)| *known != path) {
            choices.push((path, Some(difference.to_owned())));
        }
    };
    match path.strip_suffix('/') {
        Some(bare) => add(bare.to_owned(), "the path has no slash at its end"),
        None => add(format!("{path}/"), "the path has a slash at its end"),
    }
    let prefix = public.map_or("", |public| public.path.trim_end_matches('/'));
    if !prefix.is_empty() {
        if let Some(rest) = path.strip_prefix(prefix) {
            add(
                rest.to_owned(),
                "the path has not the prefix of the public URL",
            );
        }
        // The proxy leaves the prefix where it is, so it must not be added once more.
        if let Some(rest) = path.strip_prefix(&format!("{prefix}{prefix}")) {
            let twice = format!("{prefix}{rest}");
            add(twice, "the prefix of the public URL is in the path already");
        }
    }
    if let Some(prefix) = captured.header("x-forwarded-prefix") {
        let prefix = prefix.trim_end_matches('/');
        add(
            format!("{prefix}{path}"),
            "the path has the prefix that X-Forwarded-Prefix names",
        );
    }
    for name in [
        "x-original-url",
        "x-rewrite-url",
        "x-envoy-original-path",
        "x-original-uri",
    ] {
        if let Some(original) = captured.header(name) {
            let original = original.split('?').next().unwrap_or_default();
            add(
                original.to_owned(),
                &format!("the path is {original}, as {name} says: a proxy rewrites it"),
            );
        }
    }
    let collapsed = path.replace("//", "/");
    add(collapsed, "the path has one slash where there are two");
    choices
}

fn queries(expected: &UrlParts) -> Vec<Choice> {
    let Some(query) = &expected.query else {
        return vec![(String::new(), None)];
    };
    let mut choices: Vec<Choice> = vec![(format!("?{query}"), None)];
    let mut add = |query: String, difference: &str| {
        let query = if query.is_empty() {
            query
        } else {
            format!("?{query}")
        };
        if choices.iter().all(|(known, _)| *known != query) {
            choices.push((query, Some(difference.to_owned())));
        }
    };
    add(
        query.replace('+', "%20"),
        "spaces in the query are %20, not +",
    );
    add(
        query.replace("%20", "+"),
        "spaces in the query are +, not %20",
    );
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let plain: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    add(plain.join("&"), "the query is not percent-encoded");
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&pairs)
        .finish();
    add(encoded, "the query is percent-encoded in another way");
    let mut sorted = pairs;
    sorted.sort();
    let sorted = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&sorted)
        .finish();
    add(sorted, "the parameters of the query are in another order");
    add(String::new(), "the query is left out");
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(dump: &str) -> Captured {
        Captured::parse(dump.as_bytes()).unwrap()
    }

    fn differences(variants: &[Variant], url: &str) -> Vec<String> {
        let variant = variants.iter().find(|variant| variant.url == url);
        variant
            .unwrap_or_else(|| panic!("{url} is missing"))
            .differences
            .clone()
    }

    #[test]
    fn the_expected_url_comes_first_and_small_differences_before_large_ones() {
        let dump =
            "POST /twilio/call?a=1 HTTP/1.1\nHost: 10.0.0.7:8080\nX-Forwarded-Proto: http\n\n";
        let public = UrlParts::parse("https://voice.example.com").unwrap();
        let variants = variants(&captured(dump), Some(&public));
        assert_eq!(variants[0].url, "https://voice.example.com/twilio/call?a=1");
        assert!(variants[0].differences.is_empty());
        let of = |url| differences(&variants, url);
        assert_eq!(
            of("http://voice.example.com/twilio/call?a=1"),
            ["the scheme is http, not https, as X-Forwarded-Proto says"]
        );
        assert_eq!(of("https://10.0.0.7:8080/twilio/call?a=1").len(), 2);
        assert_eq!(of("https://voice.example.com:443/twilio/call/").len(), 3);
    }

    #[test]
    fn prefixes_and_rewritten_paths_are_tried() {
        let dump = "POST /call HTTP/1.1\nHost: h\nX-Forwarded-Prefix: /voice\nX-Original-URL: /old?x=1\n\n";
        let variants = variants(&captured(dump), None);
        for url in [
            "https://h/call",
            "https://h/voice/call",
            "https://h/old",
            "https://h/call/",
        ] {
            assert!(differences(&variants, url).len() <= 1);
        }
    }
}
