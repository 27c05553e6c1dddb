//! Signs any request as this carrier does, for requests that are no part of a simulated call.

use http::Method;

use crate::engine::Webhook;
use crate::persona::plivo::PlivoAccount;
use crate::persona::plivo::sign::{signed as with_signature, signed_upgrade};

const FORM: &str = "application/x-www-form-urlencoded";

/// The request with a new nonce and new signatures in place of those that it had. Of a body that is no form only the URL is
/// signed.
pub(crate) fn signed(account: &PlivoAccount, mut webhook: Webhook) -> Webhook {
    let is_ours = |name: &str| name.to_ascii_lowercase().starts_with("x-plivo-signature-");
    webhook.headers.retain(|(name, _)| !is_ours(name));
    if webhook.url.starts_with("ws") {
        let upgrade = signed_upgrade(account, &webhook.url);
        webhook.headers.extend(upgrade.headers);
        return webhook;
    }
    let is_form = webhook
        .content_type
        .as_deref()
        .is_some_and(|value| value.to_ascii_lowercase().starts_with(FORM));
    let form: Vec<_> = if webhook.method == Method::POST && is_form {
        form_urlencoded::parse(&webhook.body).into_owned().collect()
    } else {
        vec![]
    };
    with_signature(account, webhook, &form)
}

#[cfg(test)]
mod tests {
    use super::*;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::Sha256;

    use crate::persona::plivo::UpgradeSignature;

    fn account() -> PlivoAccount {
        PlivoAccount::new("MA0", "12345")
    }

    fn header<'w>(webhook: &'w Webhook, name: &str) -> Vec<&'w str> {
        let all = webhook.headers.iter();
        all.filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Whether this text was signed, the nonce aside.
    fn is_over(webhook: &Webhook, text: &str) -> bool {
        let nonce = header(webhook, "X-Plivo-Signature-V3-Nonce")[0];
        let mac = Hmac::<Sha256>::new_from_slice(b"12345").unwrap();
        let tag = mac.chain_update(format!("{text}.{nonce}")).finalize();
        let ours = STANDARD.encode(tag.into_bytes());
        let given = header(webhook, "X-Plivo-Signature-V3");
        given.len() == 1 && given[0].split(',').any(|signature| signature == ours)
    }

    #[test]
    fn a_form_is_signed_with_its_parameters_and_once() {
        let webhook = Webhook::new("answer", Method::POST, "https://example.com/a?z=1#rc")
            .with_header("x-plivo-signature-v3", "old")
            .with_header("X-Plivo-Signature-V3-Nonce", "old")
            .with_header("Accept", "*/*")
            .with_body(FORM, "To=2&CallUUID=x+y&From=%2B1");
        let signed = signed(&account(), webhook);
        assert!(is_over(
            &signed,
            "https://example.com/a?z=1.CallUUIDx yFrom+1To2"
        ));
        assert_eq!(header(&signed, "X-Plivo-Signature-V3-Nonce").len(), 1);
        assert_eq!(header(&signed, "accept"), ["*/*"]);
    }

    #[test]
    fn of_anything_else_the_url_is_signed() {
        let url = "https://example.com/a?b=2&a=1";
        let get = Webhook::new("event", Method::GET, url);
        let json = Webhook::new("event", Method::POST, url).with_body("application/json", "{}");
        for webhook in [get, json] {
            let signed = signed(&account(), webhook);
            assert!(is_over(&signed, "https://example.com/a?a=1&b=2"));
        }
    }

    #[test]
    fn the_upgrade_of_a_media_socket_is_signed_as_in_a_call() {
        let upgrade = || Webhook::new("media", Method::GET, "wss://example.com/media");
        let signed_one = signed(&account(), upgrade());
        assert_eq!(signed_one.url, "wss://example.com/media");
        assert!(is_over(&signed_one, "http://example.com/media"));
        let bare = account().with_upgrade_signature(UpgradeSignature::Missing);
        let upgrade = upgrade().with_header("X-Plivo-Signature-V3", "old");
        assert!(signed(&bare, upgrade).headers.is_empty());
    }
}
