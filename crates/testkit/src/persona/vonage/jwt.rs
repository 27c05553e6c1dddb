//! The token of signed webhooks: HS256 with the account's signature secret.
//!
//! <https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::engine::{clock, random};
use crate::persona::vonage::VonageAccount;

/// The value of `Authorization`. `payload` is what the hash is over; the WebSocket upgrade has none.
pub(crate) fn bearer(account: &VonageAccount, payload: Option<&[u8]>) -> String {
    let mut claims = json!({
        "iat": clock::unix_now(),
        "jti": random::uuid(),
        "iss": "Vonage",
        "api_key": account.api_key,
        "application_id": account.application_id,
    });
    if let Some(payload) = payload {
        claims["payload_hash"] = random::to_hex(&Sha256::digest(payload)).into();
    }
    format!("Bearer {}", sign(&claims, &account.signature_secret))
}

/// What the hash of a GET request is over: its parameters as a JSON object without white space.
pub(crate) fn query_payload(query: &[(String, String)]) -> String {
    let members: Map<String, Value> = query
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    // serde_json sorts the members of a map; the carrier keeps the order of the query.
    let text: Vec<String> = query
        .iter()
        .filter_map(|(name, _)| {
            let value = members.get(name)?;
            Some(format!("{}:{value}", Value::String(name.clone())))
        })
        .collect();
    format!("{{{}}}", text.join(","))
}

fn sign(claims: &Value, secret: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let body = URL_SAFE_NO_PAD.encode(claims.to_string());
    let text = format!("{header}.{body}");
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return text;
    };
    mac.update(text.as_bytes());
    format!(
        "{text}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_hashed_in_its_order() {
        let query = [("to", "1"), ("from", "a\"b")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(query_payload(&query), r#"{"to":"1","from":"a\"b"}"#);
    }

    #[test]
    fn a_token_is_signed_as_another_library_signs_it() {
        let claims = json!({"iss": "Vonage"});
        let token = sign(&claims, "secret");
        let segments: Vec<&str> = token.split('.').collect();
        assert_eq!(segments.len(), 3);
        assert_eq!(segments[0], "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
        assert_eq!(segments[1], "eyJpc3MiOiJWb25hZ2UifQ");
        assert_eq!(segments[2], "W32JR2r4_dVO20a14_nVgSNLgyTDsDEpfeK-ol_mNCE");
    }
}
