//! Rules about who signed a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use telephony_core::{AccountLabel, ErrorKind, Telephony, WebhookKind, WebhookRequest, verify};

use crate::conformance::bench::Bench;
use crate::conformance::subject::Part;
use crate::scripted::ScriptedHttp;

/// Headers that say nothing about who made a request.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "user-agent",
];
/// Longer than any signature is good for.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many places of a body that is no form are changed, evenly spread.
const MOST_PLACES: usize = 64;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn good_requests(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, webhook) in bench.webhooks() {
        let Some(verified) = bench.verified(carrier, message, webhook) else {
            continue;
        };
        let fine = verified.provider() == carrier.provider() && *verified.account() == bench.label;
        bench.ensure(fine, &message.name, || {
            "it is verified for somebody else".into()
        });
    }
}

pub(super) fn mutations(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let is_signed = carrier.capabilities().signed_webhooks;
    for (message, webhook) in bench.webhooks() {
        if webhook.kind() == WebhookKind::MediaUpgrade && !carrier.capabilities().signed_upgrade {
            continue;
        }
        let Some(good) = bench.signed(message, webhook) else {
            continue;
        };
        let mut changed = with_other_secrets(&good, &bench.subject.secrets);
        changed.extend(with_other_headers(&good, carrier));
        if is_signed {
            for part in &bench.subject.covered {
                changed.extend(match part {
                    Part::Path => with_other_path(&good),
                    Part::Query => with_other_query(&good),
                    Part::Body => with_other_body(&good),
                });
            }
        }
        bench.ensure(!changed.is_empty(), &message.name, || {
            "nothing in it shows who made it".into()
        });
        for (how, request) in changed {
            refused(bench, carrier, &message.name, &how, request);
        }
    }
}

pub(super) fn foreign_requests(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, webhook) in bench.webhooks() {
        let name = &message.name;
        let is_upgrade = webhook.kind() == WebhookKind::MediaUpgrade;
        if is_upgrade && !carrier.capabilities().signed_upgrade {
            continue;
        }
        let Some(good) = bench.signed(message, webhook) else {
            continue;
        };
        let mut bare = good.clone();
        bare.headers = credentials(&good).fold(good.headers.clone(), |mut headers, name| {
            headers.remove(name);
            headers
        });
        for secret in &bench.subject.secrets {
            bare.public_url = bare.public_url.replace(secret.as_str(), "");
        }
        refused(bench, carrier, name, "nothing shows who made it", bare);

        let Ok(verified) = verify(&**carrier, good.clone()) else {
            continue; // Another rule.
        };
        if verified.authenticated().signed_at.is_some() {
            let mut late = good.clone();
            late.received_at += DAY;
            refused(bench, carrier, name, "it is a day old", late);
            let mut early = good;
            if let Some(before) = early.received_at.checked_sub(DAY) {
                early.received_at = before;
                refused(bench, carrier, name, "it is of tomorrow", early);
            }
        }
        let Ok(label) = AccountLabel::new("another-account") else {
            continue;
        };
        let Ok(other) = bench.open_as(Some(label), &ScriptedHttp::new()) else {
            return bench.fail(name, "a second account with another label cannot be opened");
        };
        let Some(links) = bench.links() else { return };
        let read = [
            ("accept_call", other.accept_call(&verified).err()),
            ("status_callback", other.status_callback(&verified).err()),
            (
                "catch_all_status_callback",
                other.catch_all_status_callback(&verified).err(),
            ),
            ("reply", other.reply(&verified, None, &links).err()),
        ];
        for (what, error) in read {
            let kind = error.map(|error| error.kind());
            bench.ensure(kind == Some(ErrorKind::Unauthenticated), name, || {
                format!("verified for one account, `{what}` of another takes it: {kind:?}")
            });
        }
    }
}

fn refused(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    how: &str,
    request: WebhookRequest,
) {
    let Some(verdict) = bench.calm(name, "verifying it", || verify(&**carrier, request)) else {
        return;
    };
    match verdict {
        Ok(_) => bench.fail(name, format!("{how}, and it is verified all the same")),
        Err(error) => {
            bench.see_error(name, &error);
            let kind = error.kind();
            bench.ensure(kind == ErrorKind::Unauthenticated, name, || {
                format!("{how}, and the error is {kind:?}, not Unauthenticated")
            });
        }
    }
}

type Changed = Vec<(String, WebhookRequest)>;

/// Headers that may say who made a request.
fn credentials(request: &WebhookRequest) -> impl Iterator<Item = &HeaderName> {
    let names = request.headers.keys();
    names.filter(|name| !PLAIN_HEADERS.contains(&name.as_str()))
}

/// With each character of each header changed without which the request is not verified.
fn with_other_headers(good: &WebhookRequest, carrier: &Arc<dyn Telephony>) -> Changed {
    let mut changed = vec![];
    for name in credentials(good) {
        let mut without = good.clone();
        without.headers.remove(name);
        // One of several that each suffice, or one that says something else.
        if verify(&**carrier, without.clone()).is_ok() {
            continue;
        }
        changed.push((format!("`{name}` was left out"), without));
        let Some(value) = good.header(name.as_str()) else {
            continue;
        };
        for at in 0..value.len() {
            let mut request = good.clone();
            let other = HeaderValue::from_bytes(&with_other_character(value.as_bytes(), at));
            if let Ok(other) = other {
                request.headers.insert(name.clone(), other);
                changed.push((format!("character {at} of `{name}` was changed"), request));
            }
        }
    }
    changed
}

/// With a secret of ours in the URL changed.
fn with_other_secrets(good: &WebhookRequest, secrets: &[String]) -> Changed {
    let mut changed = vec![];
    for secret in secrets {
        if !good.public_url.contains(secret.as_str()) {
            continue;
        }
        let with = |other: &str| {
            let mut request = good.clone();
            request.public_url = good.public_url.replace(secret.as_str(), other);
            request
        };
        changed.push(("the secret was left out".into(), with("")));
        changed.push(("the secret is longer".into(), with(&format!("{secret}x"))));
        for at in 0..secret.len() {
            let other = with_other_character(secret.as_bytes(), at);
            let other = String::from_utf8_lossy(&other).into_owned();
            changed.push((
                format!("character {at} of the secret was changed"),
                with(&other),
            ));
        }
    }
    changed
}

fn with_other_path(good: &WebhookRequest) -> Changed {
    let end = good.public_url.find(['?', '#']);
    let (path, rest) = good
        .public_url
        .split_at(end.unwrap_or(good.public_url.len()));
    let with = |path: String| {
        let mut request = good.clone();
        request.public_url = format!("{path}{rest}");
        request
    };
    let last = path.len().saturating_sub(1);
    let other = with_other_character(path.as_bytes(), last);
    vec![
        ("the path is longer".into(), with(format!("{path}x"))),
        (
            "the end of the path was changed".into(),
            with(String::from_utf8_lossy(&other).into_owned()),
        ),
    ]
}

fn with_other_query(good: &WebhookRequest) -> Changed {
    let (url, fragment) = match good.public_url.split_once('#') {
        Some((url, fragment)) => (url, format!("#{fragment}")),
        None => (good.public_url.as_str(), String::new()),
    };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut changed = vec![];
    for (how, query) in other_pairs(query) {
        let mut request = good.clone();
        let border = if query.is_empty() { "" } else { "?" };
        request.public_url = format!("{path}{border}{query}{fragment}");
        changed.push((format!("in the query {how}"), request));
    }
    changed
}

fn with_other_body(good: &WebhookRequest) -> Changed {
    if good.body.is_empty() {
        return vec![];
    }
    let with = |how: String, body: Vec<u8>| {
        let mut request = good.clone();
        request.body = Bytes::from(body);
        (how, request)
    };
    if good.content_type() == "application/x-www-form-urlencoded" {
        let form = String::from_utf8_lossy(&good.body).into_owned();
        let others = other_pairs(&form).into_iter();
        return others
            .map(|(how, form)| with(format!("in the form {how}"), form.into_bytes()))
            .collect();
    }
    let mut changed = vec![
        with("the body is longer".into(), [&good.body[..], b" "].concat()),
        with(
            "the body is shorter".into(),
            good.body[..good.body.len() - 1].to_vec(),
        ),
    ];
    let apart = good.body.len().div_ceil(MOST_PLACES);
    for at in (0..good.body.len()).step_by(apart) {
        let mut body = good.body.to_vec();
        body[at] ^= 1;
        changed.push(with(format!("byte {at} of the body was changed"), body));
    }
    changed
}

/// A query or form with each pair changed, left out, and with one more.
fn other_pairs(pairs: &str) -> Vec<(String, String)> {
    let all: Vec<&str> = pairs.split('&').filter(|pair| !pair.is_empty()).collect();
    let joined = |pairs: Vec<&str>| pairs.join("&");
    let one_more = [&all[..], &["zzz=1"]].concat();
    let mut others = vec![("something was added".to_owned(), joined(one_more))];
    for (at, pair) in all.iter().enumerate() {
        let name = pair.split('=').next().unwrap_or_default();
        let (before, after) = (&all[..at], &all[at + 1..]);
        others.push((
            format!("`{name}` was left out"),
            joined([before, after].concat()),
        ));
        let other = format!("{pair}x");
        others.push((
            format!("`{name}` was changed"),
            joined([before, &[&other], after].concat()),
        ));
    }
    others
}

/// Another character at that place: in base64 one whose first bit is another, because the last ones may count for nothing.
fn with_other_character(text: &[u8], at: usize) -> Vec<u8> {
    let mut other = text.to_vec();
    if let Some(byte) = other.get_mut(at) {
        let known = ALPHABET.iter().position(|known| known == byte);
        *byte = match known {
            Some(position) => ALPHABET[position ^ 32],
            None => b'x',
        };
    }
    // `+` and `/` cannot be everywhere that a letter can.
    other
}
