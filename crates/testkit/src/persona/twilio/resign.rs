//! Signs any request as this carrier does, for requests that are no part of a simulated call.

use http::Method;
use sha2::{Digest, Sha256};

use crate::engine::{Webhook, random};
use crate::persona::twilio::TwilioAccount;
use crate::persona::twilio::sign::signature;

const HEADER: &str = "X-Twilio-Signature";
const BODY_HASH: &str = "bodySHA256";

/// The request with a signature in place of the one that it had. A body that is no form gets its hash into the URL.
pub(crate) fn signed(account: &TwilioAccount, mut webhook: Webhook) -> Webhook {
    webhook
        .headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case(HEADER));
    let is_form = webhook.content_type.as_deref().is_some_and(|value| {
        value
            .to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    });
    let form: Vec<_> = if webhook.method == Method::POST && is_form {
        form_urlencoded::parse(&webhook.body).into_owned().collect()
    } else {
        vec![]
    };
    if webhook.method == Method::POST && !is_form && !webhook.url.contains(BODY_HASH) {
        let hash = random::to_hex(&Sha256::digest(&webhook.body));
        let (url, fragment) = match webhook.url.split_once('#') {
            Some((url, fragment)) => (url, format!("#{fragment}")),
            None => (webhook.url.as_str(), String::new()),
        };
        let border = if url.contains('?') { '&' } else { '?' };
        webhook.url = format!("{url}{border}{BODY_HASH}={hash}{fragment}");
    }
    let signature = signature(&account.auth_token, &webhook.url, &form);
    webhook.with_header(HEADER, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> TwilioAccount {
        TwilioAccount::new("AC1", "12345")
    }

    #[test]
    fn a_form_is_signed_with_its_parameters_and_once() {
        let url = "https://example.com/myapp.php?foo=1&bar=2";
        let webhook = Webhook::new("answer", Method::POST, url)
            .with_header("x-twilio-signature", "old")
            .with_body(
                "application/x-www-form-urlencoded",
                "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212",
            );
        let signed = signed(&account(), webhook);
        assert_eq!(
            signed.headers,
            [(HEADER.to_owned(), "L/OH5YylLD5NRKLltdqwSvS0BnU=".to_owned())]
        );
        assert_eq!(signed.url, url);
    }

    #[test]
    fn another_body_is_hashed_in_the_url() {
        let webhook = Webhook::new("event", Method::POST, "https://example.com/a?b=c#rc=2")
            .with_body("application/json", "{}");
        let signed = signed(&account(), webhook);
        assert_eq!(
            signed.url,
            "https://example.com/a?b=c&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a#rc=2"
        );
    }
}
