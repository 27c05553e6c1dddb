//! Signed requests, the parameters that they all have, and status callbacks.

use std::sync::Arc;

use crate::complaint::Finding;
use crate::engine::{Method, ReplyCheck, Webhook, clock, random};
use crate::persona::twilio::TwilioAccount;
use crate::persona::twilio::session::Session;
use crate::persona::twilio::sign::signature;

/// Form parameters, in the order in which they are sent.
pub(crate) type Parameters = Vec<(String, String)>;

/// Where status callbacks go, and which.
#[derive(Clone, PartialEq)]
pub(crate) struct StatusCallback {
    pub(crate) url: String,
    pub(crate) method: Method,
    /// In the words of `statusCallbackEvent`.
    pub(crate) events: Vec<String>,
}

impl Session<'_> {
    /// A signed request.
    pub(crate) fn webhook(
        &self,
        purpose: &str,
        method: Method,
        url: &str,
        parameters: Parameters,
    ) -> Webhook {
        webhook(self.account, purpose, method, url, parameters)
    }

    /// The parameters that every request has, and more.
    pub(crate) fn parameters(&self, extra: &[(String, String)]) -> Parameters {
        let (from, to) = (self.call.from(), self.call.to());
        let mut parameters = pairs([
            ("AccountSid", self.account.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.call_sid),
            ("CallStatus", self.status),
            ("Called", to),
            ("CalledCity", ""),
            ("CalledCountry", "US"),
            ("CalledState", "CA"),
            ("CalledZip", ""),
            ("Caller", from),
            ("CallerCity", ""),
            ("CallerCountry", "US"),
            ("CallerState", "CA"),
            ("CallerZip", "94105"),
            ("Direction", self.direction),
            ("From", from),
            ("FromCity", ""),
            ("FromCountry", "US"),
            ("FromState", "CA"),
            ("FromZip", "94105"),
            ("To", to),
            ("ToCity", ""),
            ("ToCountry", "US"),
            ("ToState", "CA"),
            ("ToZip", ""),
        ]);
        if self.direction == "inbound" {
            parameters.extend(pairs([("StirVerstat", "TN-Validation-Passed-A")]));
        }
        if let Some(answered_by) = self.answered_by {
            parameters.extend(pairs([("AnsweredBy", answered_by)]));
        }
        parameters.extend_from_slice(extra);
        parameters
    }

    /// A new status of the call, with its callback if the account wants that event.
    pub(crate) async fn enter(&mut self, status: &'static str, event: &str) {
        self.status = status;
        self.call.status(status);
        let Some(callback) = self.callback.clone() else {
            return;
        };
        if !callback.events.iter().any(|wanted| wanted == event) {
            return;
        }
        let mut extra = pairs([
            ("Timestamp", clock::rfc_2822_now().as_str()),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", &self.sequence.to_string()),
        ]);
        self.sequence += 1;
        if event == "completed" {
            let seconds = self
                .answered
                .map(|since| self.call.tempo().call(since.elapsed()).as_secs_f64().ceil() as u64)
                .unwrap_or_default();
            extra.push(("CallDuration".into(), seconds.to_string()));
            // Billed minutes.
            extra.push(("Duration".into(), seconds.div_ceil(60).to_string()));
            extra.push(("SipResponseCode".into(), sip_code(status).into()));
            extra.extend(self.recorded_from_the_start());
        }
        let webhook = self.webhook(
            &format!("status {status}"),
            callback.method,
            &callback.url,
            self.parameters(&extra),
        );
        self.call.callback(webhook, acknowledged()).await;
    }
}

/// A signed request of an account.
pub(crate) fn webhook(
    account: &TwilioAccount,
    purpose: &str,
    method: Method,
    url: &str,
    parameters: Parameters,
) -> Webhook {
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&parameters)
        .finish();
    let token = &account.auth_token;
    let webhook = match method {
        Method::Post => Webhook::new(purpose, method.into(), url)
            .with_header("X-Twilio-Signature", signature(token, url, &parameters))
            .with_body("application/x-www-form-urlencoded; charset=UTF-8", encoded),
        Method::Get => {
            let (url, fragment) = match url.split_once('#') {
                Some((url, fragment)) => (url, format!("#{fragment}")),
                None => (url, String::new()),
            };
            let border = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{border}{encoded}{fragment}");
            let signature = signature(token, &url, &[]);
            Webhook::new(purpose, method.into(), url).with_header("X-Twilio-Signature", signature)
        }
    };
    webhook
        .with_header("I-Twilio-Idempotency-Token", random::uuid())
        .with_header("User-Agent", "TwilioProxy/1.1")
        .with_header("Accept", "*/*")
}

fn sip_code(status: &str) -> &'static str {
    match status {
        "busy" => "486",
        "no-answer" | "canceled" => "487",
        "failed" => "404",
        _ => "200",
    }
}

/// Checks the reply to a callback that steers nothing: 204, or 200 with an empty `<Response/>`.
pub(crate) fn acknowledged() -> ReplyCheck {
    Arc::new(|result| match result {
        Ok(reply) if !reply.status.is_success() => vec![Finding::warning(
            "15003",
            format!(
                "a status callback was answered with {}",
                reply.status.as_u16()
            ),
        )],
        Ok(reply)
            if !reply.body.is_empty()
                && !matches!(reply.media_type().as_str(), "text/xml" | "application/xml") =>
        {
            vec![Finding::warning(
                "15003",
                "a status callback was answered with a body that is not XML: answer 204",
            )]
        }
        Ok(_) => vec![],
        Err(failure) => vec![Finding::warning(
            "15003",
            format!("a status callback failed: {failure}"),
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
