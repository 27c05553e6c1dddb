//! Twilio: base64 of HMAC-SHA1 over the URL and the form's parameters. Which URL, and which parameters, is the question.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use telephony::Provider;
use telephony_testkit::engine::UrlParts;

use crate::carrier;
use crate::exit::Result;
use crate::explain::parameters::{self, Appended, Pairs};
use crate::explain::request::Captured;
use crate::explain::urls::{Variant, as_web, variants};
use crate::explain::{Explanation, hex, verify};
use crate::secrets::Secrets;

const HEADER: &str = "x-twilio-signature";

pub(crate) fn explain(
    captured: &Captured,
    public: Option<&UrlParts>,
    secrets: &Secrets,
) -> Result<Explanation> {
    let tokens = secrets.need(Provider::Twilio, "auth_token")?;
    let mut explanation = Explanation::new(captured);
    let Some(given) = signature(captured, &mut explanation) else {
        return Ok(explanation);
    };
    check_body_hash(captured, &mut explanation);
    let urls = variants(captured, public);
    let appended = appendices(captured);
    let found = find(&given, tokens, &urls, &appended);
    let Some((variant, difference, is_first_token)) = found else {
        nothing_matches(&mut explanation, captured, urls.len() * appended.len());
        return Ok(explanation);
    };
    let mut differences = variant.differences.clone();
    differences.extend(difference.map(str::to_owned));
    if !is_first_token {
        explanation.note("it is signed with a later one of the auth tokens");
    }
    explanation.advice = variant.advice(captured);
    explanation.matches(&variant.url, differences);
    let id = parameters::pairs(&captured.body)
        .into_iter()
        .find(|(name, _)| name == "AccountSid");
    let account = carrier::account(
        Provider::Twilio,
        secrets,
        id.as_ref().map(|(_, value)| value.as_str()),
    )?;
    let request = captured.webhook(&as_web(&variant.url), SystemTime::now());
    explanation.library(verify(&*account, request));
    Ok(explanation)
}

/// The signature, if it can be one at all.
fn signature(captured: &Captured, explanation: &mut Explanation) -> Option<String> {
    let values: Vec<_> = captured.headers.get_all(HEADER).iter().collect();
    let given = match values.as_slice() {
        [] => {
            explanation.bad("there is no X-Twilio-Signature header");
            explanation.note("a proxy may strip it, or the request is not Twilio's");
            return None;
        }
        [value] => value.to_str().unwrap_or_default().trim().to_owned(),
        _ => {
            explanation.bad("there is more than one X-Twilio-Signature header");
            return None;
        }
    };
    match STANDARD.decode(&given) {
        Ok(bytes) if bytes.len() == 20 => {
            explanation.good("X-Twilio-Signature is base64 of 20 bytes, as it must be");
            Some(given)
        }
        _ => {
            explanation.bad("X-Twilio-Signature is not base64 of 20 bytes");
            explanation
                .note("it was cut, or it is hex or SHA-256: Twilio sends base64 of HMAC-SHA1");
            None
        }
    }
}

/// Whatever is no form is signed through a hash in the URL.
fn check_body_hash(captured: &Captured, explanation: &mut Explanation) {
    if captured.method != http::Method::POST || captured.is_form() {
        return;
    }
    let query = form_urlencoded::parse(captured.query().as_bytes());
    let given = query.into_owned().find(|(name, _)| name == "bodySHA256");
    match given {
        None if captured.body.is_empty() => {}
        None => {
            explanation
                .bad("the body is no form, and the URL has no bodySHA256: the body is not signed");
            explanation.note("if it was a form, the Content-Type header got lost or changed");
        }
        Some((_, hash)) if hash == hex(&Sha256::digest(&captured.body)) => {
            explanation.good("the body has the hash bodySHA256 of the URL");
        }
        Some(_) => explanation
            .bad("the body has not the hash bodySHA256 of the URL: it was changed on its way"),
    }
}

fn find<'a>(
    given: &str,
    tokens: &str,
    urls: &'a [Variant],
    appended: &[Appended],
) -> Option<(&'a Variant, Option<&'static str>, bool)> {
    for (number, token) in tokens.split(',').map(str::trim).enumerate() {
        let mut best: Option<(usize, &Variant, Option<&'static str>)> = None;
        for variant in urls {
            for (text, difference) in appended {
                let cost = variant.differences.len() + usize::from(difference.is_some());
                if best.is_none_or(|(known, ..)| cost < known)
                    && sign(token, &variant.url, text) == given
                {
                    best = Some((cost, variant, *difference));
                }
            }
        }
        if let Some((_, variant, difference)) = best {
            return Some((variant, difference, number == 0));
        }
    }
    None
}

fn sign(token: &str, url: &str, appended: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else {
        return String::new();
    };
    mac.update(url.as_bytes());
    mac.update(appended.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The right way first, then what apps and frameworks are known to make of it.
fn appendices(captured: &Captured) -> Vec<Appended> {
    if captured.method == http::Method::POST && captured.is_form() {
        return parameters::appendices(&captured.body, sorted_once);
    }
    let query = parameters::pairs(captured.query().as_bytes());
    vec![
        (String::new(), None),
        (
            parameters::joined(sorted_once(query)),
            Some("the parameters of the query are appended as if they were a form's"),
        ),
    ]
}

fn sorted_once(mut pairs: Pairs) -> Pairs {
    pairs.sort();
    pairs.dedup();
    pairs
}

fn nothing_matches(explanation: &mut Explanation, captured: &Captured, tried: usize) {
    explanation.bad(format!(
        "none of {tried} variants of URL and parameters has this signature"
    ));
    explanation.note(
        "the auth token is the first suspect: webhooks are signed with the primary token of the account that owns the \
         number (a subaccount has its own), never with an API key's secret or a test token",
    );
    if captured.is_form() {
        explanation.note(format!(
            "or a parameter was added, changed or lost: there are {} here",
            parameters::pairs(&captured.body).len()
        ));
    }
    explanation.note(
        "or the URL is another one altogether: compare it with the console, letter by letter, as --public-url",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212";

    /// Twilio's own worked example.
    fn example(target: &str, headers: &str, body: &str, public: &str) -> Explanation {
        let dump = format!(
            "POST {target} HTTP/1.1\nX-Twilio-Signature: L/OH5YylLD5NRKLltdqwSvS0BnU=\n\
             Content-Type: application/x-www-form-urlencoded\n{headers}\n\n{body}"
        );
        let captured = Captured::parse(dump.replace("\n\n\n", "\n\n").as_bytes()).unwrap();
        let secrets = Secrets::of([("TWILIO_AUTH_TOKEN", "12345")]);
        explain(&captured, UrlParts::parse(public).as_ref(), &secrets).unwrap()
    }

    #[test]
    fn the_documented_example_matches() {
        let explanation = example("/myapp.php?foo=1&bar=2", "", BODY, "https://example.com");
        assert!(explanation.is_match(), "{explanation:?}");
    }

    #[test]
    fn a_proxy_is_found_out() {
        let host = "Host: 10.0.0.7:8080";
        for (target, body, public, difference) in [
            (
                "/myapp.php?foo=1&bar=2",
                BODY,
                "http://example.com",
                "the scheme is https, not http",
            ),
            (
                "/myapp.php?foo=1&bar=2",
                BODY,
                "https://example.com:8443",
                "the URL has no port",
            ),
            (
                "/myapp.php/?foo=1&bar=2",
                BODY,
                "https://example.com",
                "no slash at its end",
            ),
            ("/myapp.php?bar=2&foo=1", BODY, "https://example.com", ""),
            (
                "/myapp.php?foo=1&bar=2",
                &BODY.replace("%2B", "+"),
                "https://example.com",
                "is a plus sign",
            ),
        ] {
            let explanation = example(target, host, body, public);
            assert!(!explanation.is_match(), "{target} {public}");
            let shown = explanation.differences.join("; ");
            assert!(shown.contains(difference), "{difference}: {shown}");
        }
    }

    #[test]
    fn what_cannot_match_says_why() {
        let explanation = example("/other", "", BODY, "https://example.com");
        assert!(!explanation.is_match() && explanation.differences.is_empty());
        assert!(format!("{explanation:?}").contains("auth token is the first suspect"));
    }
}
