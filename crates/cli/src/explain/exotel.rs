//! Exotel: nothing is signed. A secret of ours is in the URL.

use std::time::SystemTime;

use telephony::Provider;

use crate::carrier;
use crate::exit::Result;
use crate::explain::request::Captured;
use crate::explain::{Explanation, verify};
use crate::secrets::Secrets;

pub(crate) fn explain(captured: &Captured, url: &str, secrets: &Secrets) -> Result<Explanation> {
    let secret = secrets.need(Provider::Exotel, "webhook_secret")?;
    let mut explanation = Explanation::new(captured);
    if captured.is_upgrade() {
        explanation.note("a media socket of Exotel's has no query: the token in its path, or Basic authentication, guards it");
    } else {
        let keys: Vec<String> = form_urlencoded::parse(captured.query().as_bytes())
            .filter(|(name, _)| name == "key")
            .map(|(_, value)| value.into_owned())
            .collect();
        let known: Vec<_> = secret.split(',').map(str::trim).collect();
        let difference = match keys.as_slice() {
            [] => {
                explanation.bad("the URL has no key: Exotel sends none of its own, it is part of the URL in the applet");
                None
            }
            [key] => check(key, &known, &mut explanation),
            keys => {
                explanation.bad(format!(
                    "the URL has {} keys; exactly one is allowed",
                    keys.len()
                ));
                None
            }
        };
        if explanation.is_good() || difference.is_some() {
            explanation.matches("", difference.into_iter().collect());
        }
    }
    let account = carrier::account(Provider::Exotel, secrets, None)?;
    explanation.library(verify(&*account, captured.webhook(url, SystemTime::now())));
    Ok(explanation)
}

/// A difference that makes the key match.
fn check(key: &str, known: &[&str], explanation: &mut Explanation) -> Option<String> {
    if known.contains(&key) {
        explanation.good("the key of the URL is the webhook secret");
        return None;
    }
    explanation.bad("the key of the URL is not the webhook secret");
    let variants = [
        (key.trim().to_owned(), "there is white space around the key"),
        (
            key.replace(' ', "+"),
            "a + in the key must be written %2B in the URL",
        ),
        (
            key.trim_end_matches('/').to_owned(),
            "there is a slash behind the key",
        ),
        (
            key.to_ascii_lowercase(),
            "the key is written with other capitals",
        ),
    ];
    variants
        .into_iter()
        .find(|(variant, _)| {
            known
                .iter()
                .any(|known| known == variant || known.to_ascii_lowercase() == *variant)
        })
        .map(|(_, difference)| difference.to_owned())
}
