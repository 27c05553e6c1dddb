//! Plivo: base64 of HMAC-SHA256 over the URL, the sorted parameters and a nonce. Which URL, and which parameters, is the
//! question.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::Sha256;
use telephony::Provider;
use telephony_testkit::engine::UrlParts;

use crate::carrier;
use crate::exit::Result;
use crate::explain::parameters::{self, Appended, Pairs};
use crate::explain::request::Captured;
use crate::explain::urls::{Variant, as_web, variants};
use crate::explain::{Explanation, verify};
use crate::secrets::Secrets;

/// Each may have several signatures. The second one has those of the main account, where the number is a subaccount's.
const HEADERS: [(&str, &str); 2] = [
    ("x-plivo-signature-v3", "X-Plivo-Signature-V3"),
    ("x-plivo-signature-ma-v3", "X-Plivo-Signature-Ma-V3"),
];
const NONCE: &str = "x-plivo-signature-v3-nonce";
/// What the upgrade of a media socket may be signed with in place of its scheme; which one it is, is not certain.
const UPGRADE_SCHEMES: [&str; 4] = ["wss", "http", "https", "ws"];

/// What the headers say.
struct Given {
    signatures: Vec<String>,
    nonce: String,
}

/// What was signed, and with which of the tokens.
struct Found<'v> {
    variant: &'v Variant,
    signed_url: String,
    difference: Option<&'static str>,
    is_first_token: bool,
}

pub(crate) fn explain(
    captured: &Captured,
    public: Option<&UrlParts>,
    secrets: &Secrets,
) -> Result<Explanation> {
    let tokens = secrets.need(Provider::Plivo, "auth_token")?;
    let mut explanation = Explanation::new(captured);
    let given = given(captured, &mut explanation);
    check_body(captured, &mut explanation);
    let urls = variants(captured, public);
    let appended = appendices(captured);
    let found = given
        .as_ref()
        .and_then(|given| find(given, tokens, captured, &urls, &appended));
    match &found {
        Some(found) => tell(found, captured, &mut explanation),
        None if given.is_some() => {
            nothing_matches(&mut explanation, captured, urls.len() * appended.len());
        }
        None => {}
    }
    let variant = found.map(|found| found.variant).or(urls.first());
    let url = variant.map_or_else(String::new, |variant| as_web(&variant.url));
    let account = carrier::account(Provider::Plivo, secrets, None)?;
    let request = captured.webhook(&url, SystemTime::now());
    explanation.library(verify(&*account, request));
    Ok(explanation)
}

/// Signatures and nonce, if they can be some at all.
fn given(captured: &Captured, explanation: &mut Explanation) -> Option<Given> {
    let signatures = signatures(captured, explanation)?;
    let nonces: Vec<_> = captured.headers.get_all(NONCE).iter().collect();
    let nonce = match nonces.as_slice() {
        [nonce] => nonce.to_str().unwrap_or_default().trim(),
        [] => "",
        _ => {
            explanation.bad("there is more than one X-Plivo-Signature-V3-Nonce header");
            return None;
        }
    };
    if nonce.is_empty() {
        explanation
            .bad("there is no X-Plivo-Signature-V3-Nonce header: nothing can be checked without");
        return None;
    }
    Some(Given {
        signatures,
        nonce: nonce.to_owned(),
    })
}

fn signatures(captured: &Captured, explanation: &mut Explanation) -> Option<Vec<String>> {
    let mut all = vec![];
    for (name, shown) in HEADERS {
        let values: Vec<_> = captured.headers.get_all(name).iter().collect();
        if values.len() > 1 {
            explanation.note(format!(
                "there is more than one {shown} header: none of them counts"
            ));
            continue;
        }
        let values = values.iter().filter_map(|value| value.to_str().ok());
        let signatures = values.flat_map(|value| value.split(',')).map(str::trim);
        all.extend(signatures.filter(|one| !one.is_empty()).map(str::to_owned));
    }
    if all.is_empty() {
        nothing_signed(captured, explanation);
        return None;
    }
    let is_one = |text: &String| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
    if !all.iter().any(is_one) {
        explanation.bad("X-Plivo-Signature-V3 is not base64 of 32 bytes");
        explanation.note("it was cut, or it is hex or SHA-1: Plivo sends base64 of HMAC-SHA256");
        return None;
    }
    all.retain(is_one);
    explanation.good("X-Plivo-Signature-V3 is base64 of 32 bytes, as it must be");
    Some(all)
}

fn nothing_signed(captured: &Captured, explanation: &mut Explanation) {
    explanation.bad("there is no X-Plivo-Signature-V3 header");
    if captured.headers.contains_key("x-plivo-signature-v2") {
        explanation.note("X-Plivo-Signature-V2 is another scheme, which leaves the parameters out: it guards no call");
    } else {
        explanation.note("a proxy may strip it, or the request is not Plivo's");
    }
    if captured.is_upgrade() {
        explanation.note(
            "if Plivo does not sign the media sockets of this account: with PLIVO_REQUIRE_UPGRADE_SIGNATURE=false the library takes them, \
             guarded by the token in their path",
        );
    }
}

/// A form is signed with its parameters, and nothing else has a body.
fn check_body(captured: &Captured, explanation: &mut Explanation) {
    if captured.body.is_empty() || has_form(captured) {
        return;
    }
    if captured.method == Method::POST {
        explanation.bad("the body is no form: Plivo signs no other");
        explanation.note("if it was a form, the Content-Type header got lost or changed");
    } else {
        explanation.bad("the request has a body and is no POST: Plivo signs no such thing");
    }
}

/// A body of which nothing is said is taken for a form.
fn has_form(captured: &Captured) -> bool {
    let is_form = captured.is_form() || !captured.headers.contains_key("content-type");
    captured.method == Method::POST && !captured.body.is_empty() && is_form
}

/// The right way first; of a request without a form only the URL is signed.
fn appendices(captured: &Captured) -> Vec<Appended> {
    if has_form(captured) {
        parameters::appendices(&captured.body, sorted)
    } else {
        vec![(String::new(), None)]
    }
}

fn sorted(mut pairs: Pairs) -> Pairs {
    pairs.sort();
    pairs
}

fn find<'v>(
    given: &Given,
    tokens: &str,
    captured: &Captured,
    urls: &'v [Variant],
    appended: &[Appended],
) -> Option<Found<'v>> {
    for (number, token) in tokens.split(',').map(str::trim).enumerate() {
        let mut best: Option<(usize, Found<'v>)> = None;
        for variant in urls {
            for (text, difference) in appended {
                let cost = variant.differences.len() + usize::from(difference.is_some());
                if best.as_ref().is_some_and(|(known, _)| *known <= cost) {
                    continue;
                }
                let mut ways = as_signed(&variant.url, captured.is_upgrade()).into_iter();
                if let Some(signed_url) = ways.find(|url| given.is_over(token, url, text)) {
                    let found = Found {
                        variant,
                        signed_url,
                        difference: *difference,
                        is_first_token: number == 0,
                    };
                    best = Some((cost, found));
                }
            }
        }
        if let Some((_, found)) = best {
            return Some(found);
        }
    }
    None
}

/// The forms of a URL that are equally right.
fn as_signed(url: &str, is_upgrade: bool) -> Vec<String> {
    match url.split_once("://") {
        Some((_, rest)) if is_upgrade => UPGRADE_SCHEMES
            .map(|scheme| format!("{scheme}://{rest}"))
            .into(),
        _ => vec![url.to_owned()],
    }
}

impl Given {
    fn is_over(&self, token: &str, url: &str, appended: &str) -> bool {
        let expected = sign(token, &content(url, appended), &self.nonce);
        self.signatures.contains(&expected)
    }
}

fn sign(token: &str, content: &str, nonce: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{content}.{nonce}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The URL with its query decoded and sorted, then the parameters of the form, after a `?` even if there is no query.
fn content(url: &str, appended: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let query: Vec<_> = sorted(parameters::pairs(query.as_bytes()))
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = query.join("&");
    match (query.as_str(), appended) {
        ("", "") => path.to_owned(),
        (query, "") => format!("{path}?{query}"),
        ("", form) => format!("{path}?{form}"),
        (query, form) => format!("{path}?{query}.{form}"),
    }
}

fn tell(found: &Found<'_>, captured: &Captured, explanation: &mut Explanation) {
    if !found.is_first_token {
        explanation.note("it is signed with a later one of the auth tokens");
    }
    if captured.is_upgrade() && found.signed_url != found.variant.url {
        let scheme = found.signed_url.split("://").next().unwrap_or_default();
        explanation.note(format!(
            "the upgrade is signed as {scheme}://…, which is right, too: Plivo does not say how"
        ));
    }
    let mut differences = found.variant.differences.clone();
    differences.extend(found.difference.map(str::to_owned));
    explanation.advice = found.variant.advice(captured);
    explanation.matches(&found.signed_url, differences);
}

fn nothing_matches(explanation: &mut Explanation, captured: &Captured, tried: usize) {
    explanation.bad(format!(
        "none of {tried} variants of URL and parameters has this signature"
    ));
    explanation.note(
        "the auth token is the first suspect: a subaccount has its own, and X-Plivo-Signature-Ma-V3 is signed with that of the main account",
    );
    if has_form(captured) {
        explanation.note(format!(
            "or a parameter was added, changed or lost: there are {} here",
            parameters::pairs(&captured.body).len()
        ));
    }
    explanation.note("or the nonce was changed: it is signed, too");
    explanation.note(
        "or the URL is another one altogether: compare it with the console, letter by letter, as --public-url",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    use telephony_testkit::engine::Webhook;
    use telephony_testkit::{PlivoAccount, Simulator};

    const URL: &str = "https://voice.example.com/plivo/call?line=2&at=1";
    const BODY: &str =
        "CallUUID=c%201&From=14155550100&To=14155550199&ForwardedFrom=&CallerName=%2BAda";
    const PUBLIC: &str = "https://voice.example.com";

    /// A request as the simulated carrier signs it, and as it comes to an app behind a proxy.
    fn signed(method: Method, url: &str, body: &str) -> String {
        let account = PlivoAccount::new("MA0", "12345");
        let mut webhook = Webhook::new("signed", method.clone(), url);
        if !body.is_empty() {
            webhook = webhook.with_body("application/x-www-form-urlencoded", body.to_owned());
        }
        let webhook = Simulator::plivo(account).sign(webhook);
        let target = UrlParts::parse(url).unwrap().path_and_query();
        let mut dump = format!("{method} {target} HTTP/1.1\nHost: 10.0.0.7:8080\n");
        for (name, value) in &webhook.headers {
            dump += &format!("{name}: {value}\n");
        }
        if let Some(kind) = &webhook.content_type {
            dump += &format!("Content-Type: {kind}\n");
        }
        if url.starts_with("ws") {
            dump += "Upgrade: websocket\n";
        }
        format!("{dump}\n{body}")
    }

    fn explained(dump: &str, public: &str, tokens: &str) -> Explanation {
        let captured = Captured::parse(dump.as_bytes()).unwrap();
        let secrets = Secrets::of([("PLIVO_AUTH_TOKEN", tokens)]);
        explain(&captured, UrlParts::parse(public).as_ref(), &secrets).unwrap()
    }

    #[test]
    fn what_the_carrier_signs_matches() {
        for dump in [
            signed(Method::POST, URL, BODY),
            signed(Method::POST, "https://voice.example.com/call", BODY),
            signed(Method::POST, URL, ""),
            signed(Method::GET, URL, ""),
            signed(Method::GET, "wss://voice.example.com/media", ""),
        ] {
            let explanation = explained(&dump, PUBLIC, "12345");
            assert!(explanation.is_match(), "{dump}\n{explanation:?}");
            let explanation = explained(&dump, PUBLIC, "another,12345");
            assert!(explanation.is_match(), "{dump}\n{explanation:?}");
            assert!(format!("{explanation:?}").contains("a later one"));
            let explanation = explained(&dump, PUBLIC, "another");
            assert!(!explanation.is_match() && explanation.differences.is_empty());
            assert!(format!("{explanation:?}").contains("auth token is the first suspect"));
        }
    }

    #[test]
    fn a_proxy_is_found_out() {
        let dump = signed(Method::POST, URL, BODY);
        for (dump, public, difference) in [
            (
                dump.clone(),
                "http://voice.example.com",
                "the scheme is https, not http",
            ),
            (
                dump.clone(),
                "https://voice.example.com:8443",
                "the URL has no port",
            ),
            (
                dump.replace("/call?", "/call/?"),
                PUBLIC,
                "no slash at its end",
            ),
            (
                dump.replace("Host: ", "X-Forwarded-Host: voice.example.com\nHost: "),
                "https://10.0.0.7",
                "the host is voice.example.com",
            ),
            (dump.replace("%2B", "+"), PUBLIC, "is a plus sign"),
        ] {
            let explanation = explained(&dump, public, "12345");
            assert!(!explanation.is_match(), "{dump} {public}");
            let shown = explanation.differences.join("; ");
            assert!(shown.contains(difference), "{difference}: {shown}");
        }
        let advice = explained(&dump, "http://voice.example.com", "12345").advice;
        assert!(advice.unwrap().ends_with(PUBLIC));
    }

    #[test]
    fn the_order_of_the_query_makes_no_difference() {
        let dump = signed(Method::POST, URL, BODY).replace("line=2&at=1", "at=1&line=2");
        let explanation = explained(&dump, PUBLIC, "12345");
        assert!(explanation.is_match(), "{explanation:?}");
    }

    #[test]
    fn what_cannot_match_says_why() {
        let dump = signed(Method::POST, URL, BODY);
        let (nonce, v3) = ("X-Plivo-Signature-V3-Nonce: ", "X-Plivo-Signature-V3: ");
        for (dump, why) in [
            (
                dump.replace(nonce, "X-Nonce: "),
                "no X-Plivo-Signature-V3-Nonce",
            ),
            (
                dump.replace(nonce, &format!("{nonce}x")),
                "the nonce was changed",
            ),
            (
                dump.replace("x-www-form-urlencoded", "json"),
                "the body is no form",
            ),
            (dump.replace("CallerName", "Other"), "a parameter was added"),
            (
                dump.replace(v3, &format!("{v3}a\n{v3}"))
                    .replace("Signature-Ma-V3: ", "Other: "),
                "more than one",
            ),
            (
                dump.replace("Signature-V3: ", "Signature-V2: ")
                    .replace("Signature-Ma-V3: ", "Other: "),
                "is another scheme",
            ),
        ] {
            let explanation = explained(&dump, PUBLIC, "12345");
            assert!(!explanation.is_match(), "{dump}");
            assert!(
                format!("{explanation:?}").contains(why),
                "{why}: {explanation:?}"
            );
            assert!(matches!(explanation.library, Some(Err(_))), "{dump}");
        }
    }

    #[test]
    fn the_main_accounts_signature_counts_too() {
        let dump = signed(Method::POST, URL, BODY).replace("Signature-V3: ", "Other: ");
        let explanation = explained(&dump, PUBLIC, "12345");
        assert!(explanation.is_match(), "{explanation:?}");
    }
}
