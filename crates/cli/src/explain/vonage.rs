//! Vonage: a token (HS256) with a hash of the body in it. The URL is not signed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use telephony::Provider;

use crate::carrier;
use crate::exit::Result;
use crate::explain::request::Captured;
use crate::explain::{Explanation, hex, verify};
use crate::secrets::Secrets;
use crate::units;

/// How old a token may be, and how far ahead: the library's defaults.
const MAX_AGE: u64 = 300;
const MAX_AHEAD: u64 = 30;

pub(crate) fn explain(
    captured: &Captured,
    url: &str,
    secrets: &Secrets,
    now: SystemTime,
) -> Result<Explanation> {
    let given = secrets.need(Provider::Vonage, "signature_secret")?;
    let mut explanation = Explanation::new(captured);
    let Some(token) = Token::read(captured, &mut explanation) else {
        return Ok(explanation);
    };
    let mut differences = vec![];
    if let Some(difference) = token.check_signature(given, &mut explanation) {
        differences.push(difference);
    }
    check_claims(&token.claims, secrets, &mut explanation);
    check_age(&token.claims, now, &mut explanation);
    if let Some(difference) = check_body(captured, &token.claims, &mut explanation) {
        differences.push(difference);
    }
    if explanation.is_good() || !differences.is_empty() {
        explanation.matches("", differences);
    }
    let account = carrier::account(Provider::Vonage, secrets, None)?;
    explanation.library(verify(&*account, captured.webhook(url, now)));
    Ok(explanation)
}

struct Token {
    signed: String,
    signature: Vec<u8>,
    claims: Value,
}

impl Token {
    fn read(captured: &Captured, explanation: &mut Explanation) -> Option<Self> {
        let Some(value) = captured.header("authorization") else {
            explanation.bad("there is no Authorization header: the webhook is not signed");
            explanation.note("switch signed webhooks on in the application, and see that no proxy takes the header away");
            return None;
        };
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                explanation.bad("the Authorization header is no bearer token");
                return None;
            }
        };
        let segments: Vec<_> = token.split('.').collect();
        let [head, claims, signature] = segments.as_slice() else {
            explanation.bad(format!(
                "the token has {} segments, not three",
                segments.len()
            ));
            return None;
        };
        let object = |segment: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
        };
        let (Some(head_of), Some(claims_of), Ok(signature)) = (
            object(head),
            object(claims),
            URL_SAFE_NO_PAD.decode(signature),
        ) else {
            explanation.bad("the token is no JSON Web Token: it was cut or changed");
            return None;
        };
        if head_of["alg"] != "HS256" {
            explanation.bad(format!(
                "the token is signed with {}, not HS256",
                head_of["alg"]
            ));
            explanation.note("RS256 is for requests to Vonage's REST API, not for its webhooks");
            return None;
        }
        Some(Self {
            signed: format!("{head}.{claims}"),
            signature,
            claims: claims_of,
        })
    }

    /// A difference that makes the signature match.
    fn check_signature(&self, given: &str, explanation: &mut Explanation) -> Option<String> {
        let mut secrets = given.split(',').map(str::trim);
        if secrets.any(|secret| self.is_signed_with(secret.as_bytes())) {
            explanation.good("the signature is made with the signature secret");
            return None;
        }
        let decoded = STANDARD.decode(given.trim()).unwrap_or_default();
        let variants = [
            (
                given.as_bytes(),
                "the secret has a comma in it, which the library takes for two secrets",
            ),
            (&decoded, "the secret is used base64-decoded"),
            (
                given.trim_matches(['"', '\'']).as_bytes(),
                "the secret is used without its quotes",
            ),
        ];
        let found = variants
            .into_iter()
            .find(|(secret, _)| self.is_signed_with(secret));
        explanation.bad("the signature is not made with the signature secret");
        if found.is_none() {
            explanation.note(
                "the secret is that of the account's settings (\"signature secret\"), not the API secret and not the private key",
            );
        }
        found.map(|(_, difference)| difference.to_owned())
    }

    fn is_signed_with(&self, secret: &[u8]) -> bool {
        Hmac::<Sha256>::new_from_slice(secret).is_ok_and(|mac| {
            mac.chain_update(self.signed.as_bytes())
                .verify_slice(&self.signature)
                .is_ok()
        })
    }
}

fn check_claims(claims: &Value, secrets: &Secrets, explanation: &mut Explanation) {
    if claims["iss"] == "Vonage" {
        explanation.good("iss is Vonage");
    } else {
        explanation.bad(format!("iss is {}, not \"Vonage\"", claims["iss"]));
    }
    for (claim, key) in [("api_key", "api_key"), ("application_id", "application_id")] {
        let told = claims[claim].as_str();
        match (told, secrets.get(Provider::Vonage, key)) {
            (Some(told), Some(known)) if told == known => {
                explanation.good(format!("{claim} is the one that is set"));
            }
            (Some(told), Some(_)) => explanation.bad(format!(
                "{claim} is {told}, and another one is set: a webhook of another account or application"
            )),
            (None, _) if claim == "api_key" => explanation.bad("there is no claim api_key"),
            (Some(told), None) => explanation.note(format!("{claim} is {told}; none is set to compare it with")),
            (None, _) => {}
        }
    }
    if claims["jti"].as_str().is_none_or(str::is_empty) {
        explanation.bad("there is no claim jti");
    }
}

fn check_age(claims: &Value, now: SystemTime, explanation: &mut Explanation) {
    let Some(iat) = claims["iat"].as_u64() else {
        explanation.bad("there is no claim iat in whole seconds");
        return;
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now > iat + MAX_AGE {
        let age = units::shown(Duration::from_secs(now - iat));
        explanation.bad(format!("the token is {age} old; five minutes are allowed"));
        explanation.note(
            "a capture gets too old by itself; --at judges it at the time of the token: --at token",
        );
    } else if iat > now + MAX_AHEAD {
        let ahead = units::shown(Duration::from_secs(iat - now));
        explanation.bad(format!(
            "the token is from the future, by {ahead}: compare the clocks"
        ));
    } else {
        explanation.good("the token is fresh");
    }
}

/// A difference that makes the hash match.
fn check_body(
    captured: &Captured,
    claims: &Value,
    explanation: &mut Explanation,
) -> Option<String> {
    if captured.is_upgrade() {
        return None;
    }
    if captured.method == http::Method::GET {
        explanation.note("the hash of a GET is over its query as JSON; the library looks at it only if it is told to");
        return None;
    }
    let Some(hash) = claims["payload_hash"].as_str() else {
        explanation.bad("there is no claim payload_hash");
        return None;
    };
    let is_hash = |body: &[u8]| hex(&Sha256::digest(body)).eq_ignore_ascii_case(hash);
    if is_hash(&captured.body) {
        explanation.good("the body has the hash payload_hash");
        return None;
    }
    explanation
        .bad("the body has not the hash payload_hash: it is not byte for byte what was signed");
    let text = String::from_utf8_lossy(&captured.body).into_owned();
    let compact = serde_json::from_str::<Value>(&text).map(|value| value.to_string());
    let variants = [
        (
            format!("{text}\n"),
            "the body ends in a line end that was cut off",
        ),
        (
            text.trim().to_owned(),
            "the body has white space around it that was added",
        ),
        (
            text.replace("\r\n", "\n"),
            "line ends in the body were changed",
        ),
        (
            text.replace(": ", ":").replace(", ", ","),
            "the body was written anew, with spaces: hash the raw bytes, not parsed JSON",
        ),
        (
            compact.unwrap_or_default(),
            "the body was parsed and written anew: hash the raw bytes, not parsed JSON",
        ),
    ];
    let found = variants
        .into_iter()
        .find(|(body, _)| is_hash(body.as_bytes()));
    if found.is_none() {
        explanation.note(
            "a body parser that comes before the check is the first suspect: hash the raw bytes",
        );
    }
    found.map(|(_, difference)| difference.to_owned())
}

/// When the token was made, for judging an old capture.
pub(crate) fn issued_at(captured: &Captured) -> Option<SystemTime> {
    let token = captured.header("authorization")?.split_once(' ')?.1;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(claims["iat"].as_u64()?))
}
