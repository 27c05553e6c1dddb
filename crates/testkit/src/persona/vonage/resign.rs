//! Signs any request as this carrier does, for requests that are no part of a simulated call.

use http::Method;

use crate::engine::Webhook;
use crate::persona::vonage::VonageAccount;
use crate::persona::vonage::jwt::{bearer, query_payload};

/// The request with a new token in place of the one that it had. The upgrade of a media socket has no hash in it.
pub(crate) fn signed(account: &VonageAccount, mut webhook: Webhook) -> Webhook {
    webhook
        .headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    let token = if webhook.url.starts_with("ws") {
        bearer(account, None)
    } else if webhook.method == Method::GET {
        let url = webhook.url.split('#').next().unwrap_or_default();
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        bearer(account, Some(query_payload(&pairs).as_bytes()))
    } else {
        bearer(account, Some(&webhook.body))
    };
    webhook.with_header("Authorization", token)
}
