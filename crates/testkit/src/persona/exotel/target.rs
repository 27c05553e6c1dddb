//! The URL of a media stream: what it may look like, and what Exotel makes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::engine::{Upgrade, UrlParts};
use crate::persona::exotel::ExotelAccount;

/// A stream to open.
#[derive(Debug)]
pub(crate) struct Target {
    /// Bare, with user and password turned into a header.
    pub(crate) upgrade: Upgrade,
    /// Samples per second.
    pub(crate) rate: u32,
    /// `custom_parameters`
    pub(crate) parameters: Map<String, Value>,
    /// What there is to say about the URL.
    pub(crate) findings: Vec<Finding>,
}

/// The whole URL is shorter than this (documented for `StreamUrl`).
const LONGEST_URL: usize = 600;
/// So many parameters, `sample-rate` among them, in so many characters altogether.
const MOST_PARAMETERS: usize = 3;
const LONGEST_PARAMETERS: usize = 256;
const DEFAULT_RATE: u32 = 8_000;
const RATES: [u32; 3] = [8_000, 16_000, 24_000];

impl Target {
    /// # Errors
    /// When Exotel cannot open a stream there.
    pub(crate) fn read(url: &str, account: &ExotelAccount, secure: bool) -> Result<Self, Finding> {
        let mut parts = UrlParts::parse(url).ok_or_else(|| {
            Finding::error(
                "bad-stream-url",
                "the stream's URL cannot be read: it must be absolute",
            )
        })?;
        match parts.scheme.as_str() {
            "wss" => {}
            "ws" if !secure => {}
            "ws" => {
                return Err(Finding::error(
                    "insecure-stream-url",
                    "the stream's URL begins with ws:// where the app is known under https: that server speaks TLS",
                ));
            }
            scheme => {
                return Err(Finding::error(
                    "stream-url-scheme",
                    format!(
                        "the stream's URL begins with {scheme}://, and must with wss:// or ws://"
                    ),
                ));
            }
        }
        if url.chars().count() >= LONGEST_URL {
            return Err(Finding::error(
                "stream-url-too-long",
                format!("the stream's URL has {LONGEST_URL} characters or more"),
            ));
        }
        let mut findings = vec![];
        let query = parts.query.clone().unwrap_or_default();
        let (rate, parameters) = read_query(&query, account, &mut findings);
        if !account.keeps_query {
            parts.query = None;
        }
        let userinfo = parts.userinfo.take();
        let mut upgrade = Upgrade::new(parts.to_string());
        if let Some(userinfo) = userinfo {
            let plain: Vec<u8> = percent_decode_str(&userinfo).collect();
            upgrade =
                upgrade.with_header("Authorization", format!("Basic {}", STANDARD.encode(plain)));
        }
        Ok(Self {
            upgrade,
            rate,
            parameters,
            findings,
        })
    }
}

fn read_query(
    query: &str,
    account: &ExotelAccount,
    findings: &mut Vec<Finding>,
) -> (u32, Map<String, Value>) {
    let mut rate = None;
    let mut parameters = Map::new();
    let too_long = query.chars().count() > LONGEST_PARAMETERS;
    if too_long {
        findings.push(Finding::error(
            "parameters-too-long",
            format!("the stream's parameters have more than {LONGEST_PARAMETERS} characters: they are lost"),
        ));
    }
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    if pairs.len() > MOST_PARAMETERS {
        findings.push(Finding::error(
            "too-many-parameters",
            format!(
                "the stream's URL has {} parameters, sample-rate included; {MOST_PARAMETERS} are allowed, the rest is lost",
                pairs.len()
            ),
        ));
    }
    for (name, value) in pairs.into_iter().take(MOST_PARAMETERS) {
        if matches!(name.as_ref(), "sample-rate" | "sample_rate") {
            // The documented spelling wins.
            if rate.is_none() || name == "sample-rate" {
                rate = Some(read_rate(&name, &value, findings));
            }
            if !account.sample_rate_is_parameter {
                continue;
            }
        } else if !is_plain(&name) || !is_plain(&value) || name.is_empty() {
            findings.push(Finding::warning(
                "parameter-characters",
                "a stream parameter has other characters than letters, digits, \"-\" and \"_\": such ones arrived mangled",
            ));
        }
        if !too_long {
            parameters.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }
    (rate.unwrap_or(DEFAULT_RATE), parameters)
}

fn read_rate(name: &str, value: &str, findings: &mut Vec<Finding>) -> u32 {
    if name == "sample_rate" {
        findings.push(Finding::note(
            "sample-rate-spelling",
            "the stream's URL says sample_rate; all pages but one say sample-rate",
        ));
    }
    match value.parse() {
        Ok(rate) if RATES.contains(&rate) => rate,
        _ => {
            findings.push(Finding::error(
                "bad-sample-rate",
                "the sample-rate of the stream's URL is none of 8000, 16000 and 24000: it becomes 8000",
            ));
            DEFAULT_RATE
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(url: &str) -> Result<Target, Finding> {
        Target::read(url, &ExotelAccount::new("exampleacct1"), false)
    }

    fn codes(target: &Target) -> Vec<&str> {
        target
            .findings
            .iter()
            .map(|finding| finding.code.as_ref())
            .collect()
    }

    #[test]
    fn the_query_becomes_parameters_and_stays_at_home() {
        let target = read("wss://voice.example.com/media/x?sample-rate=16000&who=Ada&n=7").unwrap();
        assert_eq!(target.upgrade.url, "wss://voice.example.com/media/x");
        assert_eq!(target.rate, 16_000);
        assert_eq!(
            Value::from(target.parameters.clone()),
            serde_json::json!({"who": "Ada", "n": "7"})
        );
        assert!(target.findings.is_empty() && target.upgrade.headers.is_empty());

        let account = ExotelAccount::new("a")
            .with_query_kept()
            .with_sample_rate_as_parameter();
        let target = Target::read("ws://127.0.0.1:1/x?sample-rate=8000", &account, false).unwrap();
        assert_eq!(target.upgrade.url, "ws://127.0.0.1:1/x?sample-rate=8000");
        assert_eq!(target.parameters["sample-rate"], "8000");
    }

    #[test]
    fn user_and_password_become_a_header() {
        let target = read("wss://ada:p%40ss@voice.example.com/media").unwrap();
        assert_eq!(target.upgrade.url, "wss://voice.example.com/media");
        // printf 'ada:p@ss' | base64
        assert_eq!(
            target.upgrade.headers,
            [("Authorization".to_owned(), "Basic YWRhOnBAc3M=".to_owned())]
        );
    }

    #[test]
    fn what_cannot_be_opened_is_refused() {
        let long = format!("wss://voice.example.com/{}", "x".repeat(600));
        for (url, code) in [
            ("/media", "bad-stream-url"),
            ("https://voice.example.com/media", "stream-url-scheme"),
            (&long, "stream-url-too-long"),
        ] {
            assert_eq!(read(url).unwrap_err().code, code);
        }
        let insecure = Target::read("ws://voice.example.com/", &ExotelAccount::new("a"), true);
        assert_eq!(insecure.unwrap_err().code, "insecure-stream-url");
    }

    #[test]
    fn odd_parameters_are_complained_of() {
        let base = "wss://voice.example.com/media";
        let target = read(&format!("{base}?a=1&b=2&sample-rate=8000&c=3")).unwrap();
        assert_eq!(
            (codes(&target), target.parameters.len()),
            (vec!["too-many-parameters"], 2)
        );
        let target = read(&format!("{base}?a={}", "x".repeat(255))).unwrap();
        assert_eq!(
            (codes(&target), target.parameters.len()),
            (vec!["parameters-too-long"], 0)
        );
        let target = read(&format!("{base}?a={}", "x".repeat(254))).unwrap();
        assert_eq!((codes(&target), target.parameters.len()), (vec![], 1));
        let target = read(&format!("{base}?who=%7B%22a%22%3A1%7D")).unwrap();
        assert_eq!(codes(&target), ["parameter-characters"]);
        let target = read(&format!("{base}?sample_rate=24000")).unwrap();
        assert_eq!(
            (codes(&target), target.rate),
            (vec!["sample-rate-spelling"], 24_000)
        );
        let target = read(&format!("{base}?sample-rate=16kHz")).unwrap();
        assert_eq!(
            (codes(&target), target.rate),
            (vec!["bad-sample-rate"], 8_000)
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(url in ".{0,120}", query in ".{0,80}") {
            let _ = read(&url);
            let _ = read(&format!("wss://h/?{query}"));
        }
    }
}
