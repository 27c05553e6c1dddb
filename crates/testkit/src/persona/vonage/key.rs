//! The application's token: RS256, checked with its public key where the test has one.
//!
//! <https://developer.vonage.com/en/getting-started/concepts/authentication>

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

/// A token lives so long unless it says otherwise, and at most (seconds).
const LIFE: u64 = 15 * 60;
const SHORTEST_LIFE: u64 = 30;
const LONGEST_LIFE: u64 = 24 * 3_600;
/// Clocks differ so much (seconds).
const LEEWAY: u64 = 30;

/// Who may use the API.
pub(crate) struct Gate {
    application_id: String,
    key: Key,
}

enum Key {
    /// Signatures are not checked.
    None,
    Unreadable,
    Public(Vec<u8>),
}

impl Gate {
    pub(crate) fn new(application_id: &str, public_key: Option<&str>) -> Self {
        let key = match public_key {
            None => Key::None,
            Some(pem) => public_key_of(pem).map_or(Key::Unreadable, Key::Public),
        };
        Self {
            application_id: application_id.to_owned(),
            key,
        }
    }

    /// # Errors
    /// What is wrong with the token, for people.
    pub(crate) fn check(&self, token: Option<&str>, now: u64) -> Result<(), &'static str> {
        let token = token.ok_or("there is no bearer token")?;
        let segments: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = segments.as_slice() else {
            return Err("the token has not three segments");
        };
        let head = object(header).ok_or("the token's header is no JSON object")?;
        if head["alg"] != "RS256" {
            return Err("the token's algorithm is not RS256");
        }
        if head.get("typ").is_some_and(|kind| kind != "JWT") {
            return Err("the token's type is not JWT");
        }
        let claims_of = object(claims).ok_or("the token's claims are no JSON object")?;
        self.check_claims(&claims_of, now)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| "the token's signature is no base64url")?;
        if signature.is_empty() {
            return Err("the token is not signed");
        }
        match &self.key {
            Key::None => Ok(()),
            Key::Unreadable => Err("the public key of the simulated application cannot be read"),
            Key::Public(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
                .verify(
                    &token.as_bytes()[..header.len() + 1 + claims.len()],
                    &signature,
                )
                .map_err(|_| "the token's signature is not by the application's key"),
        }
    }

    fn check_claims(&self, claims: &Value, now: u64) -> Result<(), &'static str> {
        if claims["application_id"] != self.application_id.as_str() {
            return Err("the token's application_id is not this application's");
        }
        if claims["jti"].as_str().is_none_or(str::is_empty) {
            return Err("the token has no jti");
        }
        let iat = claims["iat"]
            .as_u64()
            .ok_or("the token has no iat in whole seconds")?;
        if iat > now + LEEWAY {
            return Err("the token was issued in the future");
        }
        let end = match claims.get("exp") {
            None => iat + LIFE,
            Some(exp) => {
                let exp = exp.as_u64().ok_or("the token's exp is no whole number")?;
                match exp.checked_sub(iat) {
                    Some(SHORTEST_LIFE..=LONGEST_LIFE) => exp,
                    _ => return Err("the token lives less than 30 seconds or more than 24 hours"),
                }
            }
        };
        if end <= now {
            return Err("the token has expired");
        }
        match claims.get("nbf").map(Value::as_u64) {
            Some(None) => Err("the token's nbf is no whole number"),
            Some(Some(nbf)) if nbf > now + LEEWAY => Err("the token is not valid yet"),
            _ => Ok(()),
        }
    }
}

fn object(segment: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// The two numbers of an RSA key as PKCS #1 has them, out of either kind of PEM.
fn public_key_of(pem: &str) -> Option<Vec<u8>> {
    let pem = pem.replace("\\n", "\n");
    let body = |name: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {name}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {name}-----"))?;
        let text: String = body.split_whitespace().collect();
        STANDARD.decode(text).ok()
    };
    if let Some(key) = body("RSA PUBLIC KEY") {
        return Some(key);
    }
    // SEQUENCE { SEQUENCE { algorithm }, BIT STRING { no unused bits, key } }
    let whole = body("PUBLIC KEY")?;
    let (inside, _) = element(&whole, 0x30)?;
    let (_, rest) = element(inside, 0x30)?;
    let (bits, _) = element(rest, 0x03)?;
    let (unused, key) = bits.split_first()?;
    (*unused == 0).then(|| key.to_vec())
}

/// The content of a DER element, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    if first != tag {
        return None;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn token(header: &Value, claims: &Value, signature: &str) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", encode(header), encode(claims))
    }

    fn check(claims: Value) -> Result<(), &'static str> {
        let mut whole = json!({"application_id": "app", "jti": "1", "iat": NOW});
        for (name, value) in claims.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let token = token(&json!({"alg": "RS256", "typ": "JWT"}), &whole, "c2ln");
        Gate::new("app", None).check(Some(&token), NOW)
    }

    #[test]
    fn claims_are_checked() {
        for good in [
            json!({}),
            json!({"exp": NOW + 30}),
            json!({"exp": NOW + 86_400, "nbf": NOW}),
            json!({"iat": NOW - 899}),
        ] {
            assert_eq!(check(good.clone()), Ok(()), "{good}");
        }
        for bad in [
            json!({"application_id": "other"}),
            json!({"jti": ""}),
            json!({"jti": 7}),
            json!({"iat": "soon"}),
            json!({"iat": NOW + 60}),
            json!({"iat": NOW - 900}),
            json!({"exp": NOW + 29}),
            json!({"exp": NOW + 86_401}),
            json!({"iat": NOW - 60, "exp": NOW - 1}),
            json!({"nbf": NOW + 60}),
        ] {
            assert!(check(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_structure_is_checked() {
        let gate = Gate::new("app", None);
        let claims = json!({"application_id": "app", "jti": "1", "iat": NOW});
        for bad in [
            None,
            Some(String::new()),
            Some("a.b".into()),
            Some("a.b.c.d".into()),
            Some(token(&json!({"alg": "none"}), &claims, "c2ln")),
            Some(token(&json!({"alg": "HS256"}), &claims, "c2ln")),
            Some(token(&json!({"alg": "RS256"}), &claims, "")),
            Some(token(&json!({"alg": "RS256"}), &json!([]), "c2ln")),
        ] {
            assert!(gate.check(bad.as_deref(), NOW).is_err(), "{bad:?}");
        }
        let good = token(&json!({"alg": "RS256"}), &claims, "c2ln");
        assert!(gate.check(Some(&good), NOW).is_ok());
        assert!(
            Gate::new("app", Some("no key"))
                .check(Some(&good), NOW)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(token in ".{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let gate = Gate::new("app", None);
            let _ = gate.check(Some(&token), NOW);
            let _ = element(&bytes, 0x30);
            let _ = public_key_of(&format!(
                "-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----",
                STANDARD.encode(&bytes)
            ));
        }
    }
}
