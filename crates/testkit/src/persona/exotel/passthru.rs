//! The Passthru applet: how far the call got, and which way it goes on.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::engine::{ReplyCheck, WebhookReply};
use crate::persona::exotel::session::{Parameters, Session};

/// How a Passthru applet tells of the stream before it. Exotel documents both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamParameters {
    /// `Stream[Status]=completed&Stream[Duration]=28&…`
    #[default]
    Flat,
    /// `Stream={"Status":"completed","Duration":"28",…}`
    Json,
}

/// Where the flow goes on behind a Passthru applet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    /// At the next applet.
    A,
    /// Elsewhere.
    B,
}

/// What there is to say of a stream that is over, or never was.
#[derive(Clone)]
pub(crate) struct StreamReport {
    sid: String,
    status: &'static str,
    disconnected_by: &'static str,
    /// As the app gave it; empty when there is none.
    pub(crate) url: String,
    pub(crate) seconds: u64,
    pub(crate) error: Option<String>,
}

impl StreamReport {
    /// A stream that has not come about.
    pub(crate) fn new(sid: String) -> Self {
        Self {
            sid,
            status: "failed",
            disconnected_by: "NA",
            url: String::new(),
            seconds: 0,
            error: None,
        }
    }

    pub(crate) fn sid(&self) -> &str {
        &self.sid
    }

    pub(crate) fn ended(&mut self, status: &'static str, by: &'static str) {
        self.status = status;
        self.disconnected_by = by;
    }

    fn parameters(&self, shape: StreamParameters) -> Parameters {
        let seconds = self.seconds.to_string();
        let facts = [
            ("StreamSID", Some(self.sid.as_str())),
            ("Status", Some(self.status)),
            ("Duration", Some(&seconds)),
            (
                "StreamUrl",
                Some(self.url.as_str()).filter(|url| !url.is_empty()),
            ),
            ("DisconnectedBy", Some(self.disconnected_by)),
            ("Error", self.error.as_deref()),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        match shape {
            StreamParameters::Flat => facts
                .map(|(name, value)| (format!("Stream[{name}]"), value.to_owned()))
                .collect(),
            StreamParameters::Json => {
                let members: Map<String, Value> = facts
                    .map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())))
                    .collect();
                vec![("Stream".into(), Value::Object(members).to_string())]
            }
        }
    }
}

impl fmt::Debug for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReport")
            .field("status", &self.status)
            .field("disconnected_by", &self.disconnected_by)
            .finish_non_exhaustive()
    }
}

impl Session<'_> {
    /// Tells the app how far the call got. What is no answer leads to the next applet.
    pub(crate) async fn passthru(&mut self, url: Option<&str>, asynchronous: bool) -> Branch {
        let Some(url) = url else {
            return Branch::A;
        };
        let url = match self.url(url) {
            Ok(url) => url,
            Err(finding) => {
                self.fail(finding);
                return Branch::A;
            }
        };
        let mut parameters = self.flow_parameters();
        if let Some(stream) = &self.stream {
            parameters.extend(stream.parameters(self.account.stream_parameters));
        }
        let webhook = self.get("passthru", &url, &parameters);
        if asynchronous {
            self.call.callback(webhook, acknowledged()).await;
            return Branch::A;
        }
        match self
            .request(&webhook)
            .await
            .and_then(|reply| read_branch(&reply))
        {
            Ok(branch) => branch,
            Err(finding) => {
                self.call.complain(finding);
                Branch::A
            }
        }
    }
}

fn read_branch(reply: &WebhookReply) -> Result<Branch, Finding> {
    match reply.status.as_u16() {
        200 => Ok(Branch::A),
        302 => Ok(Branch::B),
        status => Err(Finding::error(
            "passthru-status",
            format!("a Passthru was answered with {status}; 200 is branch A and 302 branch B"),
        )),
    }
}

/// Checks the reply to something that steers nothing.
pub(crate) fn acknowledged() -> ReplyCheck {
    Arc::new(|result| match result {
        Ok(reply) if reply.status.is_success() => vec![],
        Ok(reply) => vec![Finding::warning(
            "callback-status",
            format!(
                "a callback was answered with {}; 200 is wanted",
                reply.status.as_u16()
            ),
        )],
        Err(failure) => vec![Finding::warning(
            "callback-failed",
            format!("a callback failed: {failure}"),
        )],
    })
}
