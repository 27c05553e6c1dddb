//! Signed webhooks: a JSON Web Token in `Authorization: Bearer …`, HS256 with the account's signature secret.
//!
//! The claims are `iat`, `jti`, `iss` (`Vonage`), `payload_hash`, `api_key` and, not always, `application_id`; there is
//! neither `exp` nor `nbf` (Vonage's guide on signed webhooks), but where a token has them they count.

use crate::config::{GetPayloadHash, VonageConfig};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subtle::{Choice, ConstantTimeEq as _};
use telephony_core::{
    Authenticated, Error, Parameters, Result, Secret, WebhookKind, WebhookRequest,
};

/// A genuine token has about 500 bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Who signed `request`: a webhook, or the upgrade of a media socket.
pub(crate) fn authenticate(
    config: &VonageConfig,
    request: &WebhookRequest,
) -> Result<Authenticated> {
    if request.kind == WebhookKind::MediaUpgrade {
        return authenticate_upgrade(config, request);
    }
    match request.method {
        Method::POST => {
            let claims = claims_of(config, request)?;
            let hash = claims.payload_hash()?;
            if !bool::from(hash.ct_eq(&sha256(&request.body))) {
                return refuse("the body is not the one that was signed");
            }
            Ok(claims.authenticated(&request.body))
        }
        Method::GET if config.allow_get => {
            let claims = claims_of(config, request)?;
            if config.get_payload_hash == GetPayloadHash::Check {
                let hash = claims.payload_hash()?;
                if !is_hash_of_query(&hash, &request.query()) {
                    return refuse("the query is not the one that was signed");
                }
            }
            Ok(claims.authenticated(request.raw_query().as_bytes()))
        }
        Method::GET => refuse(
            "webhooks by GET are not taken: have the application use POST, or set `allow_get`",
        ),
        _ => refuse("a webhook comes by POST or GET"),
    }
}

/// The token in the URL guards the socket, so a signature may be missing; one that is there must be right. What its payload
/// hash would be of is not published.
fn authenticate_upgrade(config: &VonageConfig, request: &WebhookRequest) -> Result<Authenticated> {
    // Two headers are not none: looked up by name, not through what is the only one.
    if !request.headers.contains_key(header::AUTHORIZATION) && !config.require_upgrade_token {
        return Ok(Authenticated::new());
    }
    let claims = claims_of(config, request)?;
    Ok(claims.authenticated(request.public_url.as_bytes()))
}

fn claims_of(config: &VonageConfig, request: &WebhookRequest) -> Result<Claims> {
    let claims = verified_claims(bearer_token(request)?, &config.signature_secrets)?;
    claims.check(config, request.received_at)?;
    Ok(claims)
}

fn bearer_token(request: &WebhookRequest) -> Result<&str> {
    if !request.headers.contains_key(header::AUTHORIZATION) {
        return refuse("it is not signed: there is no `Authorization` header");
    }
    let value = request
        .header(header::AUTHORIZATION.as_str())
        .unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => refuse("the `Authorization` header is not one bearer token"),
    }
}

/// The claims of a token that one of `secrets` signed.
fn verified_claims(token: &str, secrets: &[Secret]) -> Result<Claims> {
    let (Some((signed, signature)), true) =
        (token.rsplit_once('.'), token.len() <= MAX_TOKEN_BYTES)
    else {
        return refuse("the token is not a JSON Web Token");
    };
    let (Some((head, payload)), Some(signature)) = (signed.split_once('.'), decode(signature))
    else {
        return refuse("the token is not a JSON Web Token");
    };
    let head: Option<Head> = decode(head).and_then(|json| serde_json::from_slice(&json).ok());
    if !head.is_some_and(|head| head.alg == "HS256" && head.crit.is_none()) {
        return refuse("the token is not signed with HS256");
    }
    let is_signed_with = |secret: &Secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).is_ok_and(|mac| {
            mac.chain_update(signed.as_bytes())
                .verify_slice(&signature)
                .is_ok()
        })
    };
    if !secrets.iter().any(is_signed_with) {
        return refuse("the signature is not made with the signature secret");
    }
    // A payload with a dot in it does not decode: exactly three segments.
    let claims = decode(payload).and_then(|json| serde_json::from_slice(&json).ok());
    claims.map_or_else(
        || refuse("the claims of the token cannot be read, or one of `iat`, `jti`, `iss` and `api_key` is missing"),
        Ok,
    )
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    /// Extensions that must be understood. We know none.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    jti: String,
    iss: String,
    api_key: String,
    application_id: Option<String>,
    payload_hash: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

impl Claims {
    fn check(&self, config: &VonageConfig, now: SystemTime) -> Result<()> {
        if self.iss != "Vonage" {
            return refuse("the claim `iss` is not `Vonage`");
        }
        if self.api_key != config.api_key {
            return refuse("the claim `api_key` is of another account");
        }
        if self
            .application_id
            .as_ref()
            .is_some_and(|id| *id != config.application_id)
        {
            return refuse("the claim `application_id` is of another application");
        }
        if self.jti.trim().is_empty() {
            return refuse("the claim `jti` is empty");
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let signed_at = Duration::from_secs(self.iat);
        if now.saturating_sub(signed_at) > config.max_age {
            return refuse("the token is too old");
        }
        if signed_at.saturating_sub(now) > config.max_ahead {
            return refuse("the token is from the future: compare the clocks");
        }
        let (now, ahead) = (now.as_secs_f64(), config.max_ahead.as_secs_f64());
        if self.exp.is_some_and(|exp| now > exp + ahead) {
            return refuse("the token has expired");
        }
        if self.nbf.is_some_and(|nbf| nbf > now + ahead) {
            return refuse("the token is not valid yet");
        }
        Ok(())
    }

    fn payload_hash(&self) -> Result<[u8; 32]> {
        self.payload_hash.as_deref().and_then(from_hex).map_or_else(
            || refuse("the claim `payload_hash` is no SHA-256 in hex"),
            Ok,
        )
    }

    /// Whether a repeated webhook has a new `jti` is not known, and the same `jti` with another body is no repeat.
    fn authenticated(&self, payload: &[u8]) -> Authenticated {
        let key = format!("{}:{}", self.jti, to_hex(&sha256(payload)));
        let authenticated = Authenticated::new().with_replay_key(key);
        match UNIX_EPOCH.checked_add(Duration::from_secs(self.iat)) {
            Some(signed_at) => authenticated.with_signed_at(signed_at),
            None => authenticated,
        }
    }
}

/// Whether `hash` is of one of the ways to write the query as the JSON object that Vonage hashes: members in the order
/// received, no white space (Vonage support, 19033783342876). Whether numbers and nested values are texts there, and
/// whether characters outside ASCII are escaped, is not published.
fn is_hash_of_query(hash: &[u8; 32], query: &Parameters) -> bool {
    let mut found = Choice::from(0);
    for typing in [Typing::Texts, Typing::Nested, Typing::NestedAndScalars] {
        let json = query_as_json(query, typing);
        found |= hash.ct_eq(&sha256(json.as_bytes()));
        found |= hash.ct_eq(&sha256(escape_non_ascii(&json).as_bytes()));
    }
    found.into()
}

#[derive(Clone, Copy, PartialEq)]
enum Typing {
    /// Every value is a text.
    Texts,
    /// Values that are JSON objects and arrays are those.
    Nested,
    /// Values that are JSON of any kind are that.
    NestedAndScalars,
}

fn query_as_json(query: &Parameters, typing: Typing) -> String {
    let mut json = String::from("{");
    for (name, value) in query.iter() {
        if json.len() > 1 {
            json.push(',');
        }
        let nested = value.starts_with(['{', '[']);
        let raw = match typing {
            Typing::Texts => false,
            Typing::Nested => nested,
            Typing::NestedAndScalars => nested || !value.starts_with('"'),
        };
        json.push_str(&json_text(name));
        json.push(':');
        if raw && serde_json::from_str::<&RawValue>(value).is_ok() {
            json.push_str(value);
        } else {
            json.push_str(&json_text(value));
        }
    }
    json.push('}');
    json
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn escape_non_ascii(json: &str) -> Cow<'_, str> {
    if json.is_ascii() {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() * 2);
    for c in json.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(escaped)
}

fn decode(segment: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(segment).ok()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = (nibble(pair[0])? * 16 + nibble(pair[1])?) as u8;
    }
    Some(bytes)
}

fn refuse<T>(detail: &str) -> Result<T> {
    Err(Error::unauthenticated(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_in_its_order_and_in_each_typing() {
        let query = Parameters::from_form("to=44&dtmf={\"digits\":\"3\"}&name=Zo%C3%AB".as_bytes());
        let written = |typing| query_as_json(&query, typing);
        assert_eq!(
            written(Typing::Texts),
            r#"{"to":"44","dtmf":"{\"digits\":\"3\"}","name":"Zoë"}"#
        );
        assert_eq!(
            written(Typing::Nested),
            r#"{"to":"44","dtmf":{"digits":"3"},"name":"Zoë"}"#
        );
        assert_eq!(
            written(Typing::NestedAndScalars),
            r#"{"to":44,"dtmf":{"digits":"3"},"name":"Zoë"}"#
        );
        assert_eq!(escape_non_ascii("\"Zoë 😀\""), r#""Zo\u00eb \ud83d\ude00""#);
        assert_eq!(query_as_json(&Parameters::default(), Typing::Texts), "{}");
    }

    #[test]
    fn hex_is_read_in_both_cases_and_nothing_else_is() {
        let hash = sha256(b"");
        assert_eq!(
            to_hex(&hash),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(from_hex(&to_hex(&hash)), Some(hash));
        assert_eq!(from_hex(&to_hex(&hash).to_uppercase()), Some(hash));
        for bad in ["", "e3", &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
