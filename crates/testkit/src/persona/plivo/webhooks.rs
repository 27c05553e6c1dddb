//! Signed requests, the parameters that they all have, and callbacks.

use std::sync::Arc;

use crate::complaint::Finding;
use crate::engine::{Call, CallDirection, Method, ReplyCheck, Webhook};
use crate::persona::plivo::PlivoAccount;
use crate::persona::plivo::session::Session;
use crate::persona::plivo::sign::signed;

/// Form parameters, in the order in which they are sent.
pub(crate) type Parameters = Vec<(String, String)>;

/// A signed request.
pub(crate) fn webhook(
    account: &PlivoAccount,
    purpose: &str,
    method: Method,
    url: &str,
    parameters: Parameters,
) -> Webhook {
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&parameters)
        .finish();
    let webhook = match method {
        Method::Post => {
            let webhook = Webhook::new(purpose, method.into(), url)
                .with_body("application/x-www-form-urlencoded", encoded);
            signed(account, webhook, &parameters)
        }
        Method::Get => {
            let border = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{border}{encoded}");
            signed(account, Webhook::new(purpose, method.into(), url), &[])
        }
    };
    webhook
        .with_header("User-Agent", "plivo")
        .with_header("Accept", "*/*")
}

/// The parameters that every request about a call has.
pub(crate) fn about(call: &Call, uuid: &str, status: &str, event: &str) -> Parameters {
    let is_outbound = call.live().direction() == CallDirection::Outbound;
    let mut parameters = pairs([
        ("CallUUID", uuid),
        ("From", without_plus(call.from())),
        ("To", without_plus(call.to())),
        ("CallStatus", status),
        (
            "Direction",
            if is_outbound { "outbound" } else { "inbound" },
        ),
        ("Event", event),
    ]);
    if is_outbound {
        parameters.extend(pairs([
            ("RequestUUID", uuid),
            ("ALegUUID", uuid),
            ("ALegRequestUUID", uuid),
        ]));
    }
    parameters
}

impl Session<'_> {
    /// A signed request about this call.
    pub(crate) fn webhook(
        &self,
        purpose: &str,
        method: Method,
        url: &str,
        event: &str,
        extra: &[(String, String)],
    ) -> Webhook {
        let mut parameters = about(self.call, &self.uuid, self.status, event);
        if let Some(verdict) = self.machine {
            parameters.extend(pairs([("Machine", verdict)]));
        }
        parameters.extend_from_slice(extra);
        webhook(self.account, purpose, method, url, parameters)
    }
}

/// Numbers carry no `+`.
pub(crate) fn without_plus(address: &str) -> &str {
    address.strip_prefix('+').unwrap_or(address)
}

/// Checks the reply to a callback that steers nothing: 200.
pub(crate) fn acknowledged() -> ReplyCheck {
    Arc::new(|result| match result {
        Ok(reply) if reply.status.is_success() => vec![],
        Ok(reply) => vec![Finding::warning(
            "callback-refused",
            format!("a callback was answered with {}", reply.status.as_u16()),
        )],
        Err(failure) => vec![Finding::warning(
            "callback-failed",
            format!("a callback failed: {failure}"),
        )],
    })
}

/// Parameters from pairs.
pub(crate) fn pairs<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Parameters {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
