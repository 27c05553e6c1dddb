//! Vonage Voice (once Nexmo) for the telephony crates.
//!
//! A signed webhook is verified, read and answered with an NCCO, without any network:
//!
//! ```
//! # fn main() -> telephony_core::Result<()> {
//! # use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
//! # use hmac::{Hmac, KeyInit as _, Mac as _};
//! # use sha2::{Digest as _, Sha256};
//! # use std::time::{Duration, UNIX_EPOCH};
//! # let body = r#"{"from":"447700900000","to":"442079460000","uuid":"63f61863","conversation_uuid":"CON-1"}"#;
//! # let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
//! # let claims = format!(r#"{{"iat":1767225600,"jti":"1","iss":"Vonage","api_key":"a1b2c3d","payload_hash":"{hash}"}}"#);
//! # let signed = [r#"{"alg":"HS256","typ":"JWT"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
//! # let mac = Hmac::<Sha256>::new_from_slice(b"the signature secret").unwrap().chain_update(&signed).finalize();
//! # let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()));
//! # let mut headers = http::HeaderMap::new();
//! # headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
//! # let request = telephony_core::WebhookRequest {
//! #     method: http::Method::POST,
//! #     public_url: "https://voice.example.com/vonage/call".into(),
//! #     headers,
//! #     body: body.into(),
//! #     received_at: UNIX_EPOCH + Duration::from_secs(1767225601),
//! #     kind: telephony_core::WebhookKind::IncomingCall,
//! # };
//! use telephony_core::{Answer, CallKey, CallLinks, MediaToken, OsRandom, Ports, PublicUrl, Telephony, verify};
//! use telephony_vonage::{Vonage, VonageConfig};
//!
//! # let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg==\n-----END PRIVATE KEY-----\n";
//! let config = VonageConfig::new("a1b2c3d", "78d335fa-323d-0114-9c3d-d6f0d48968cf", key, "the signature secret");
//! let vonage = Vonage::new("vonage".parse()?, config, &Ports::default())?;
//!
//! let request = verify(&vonage, request)?; // an error here is a 403
//! let call = vonage.accept_call(&request)?;
//! assert_eq!(call.from().e164(), Some("+447700900000"));
//!
//! let base = PublicUrl::new("https://voice.example.com")?;
//! let links = CallLinks::new(base, vonage.account().clone(), CallKey::random(&OsRandom)?)
//!     .with_media(MediaToken::random(&OsRandom)?);
//! let answered = vonage.incoming_call(&call, &Answer::stream(), &links)?;
//! assert!(answered.response.body().starts_with(br#"[{"action":"connect","#));
//! # Ok(()) }
//! ```
