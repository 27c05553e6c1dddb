//! `<Stream>`: the two-way media stream.

use tokio::time::Instant;

use crate::complaint::Finding;
use crate::engine::{Ended, StreamEnd, UrlParts, clock, random};
use crate::persona::plivo::elements::method_of;
use crate::persona::plivo::session::{Next, Session};
use crate::persona::plivo::sign::signed_upgrade;
use crate::persona::plivo::webhooks::{acknowledged, pairs, webhook, without_plus};
use crate::persona::plivo::wire::PlivoWire;
use crate::persona::xml::Element;

/// What REST looks at: a transfer waits while it is there.
pub(crate) const STREAMING: &str = "streaming";
const FORMAT: &str = "audio/x-mulaw;rate=8000";
const LONGEST_HEADERS: usize = 512;

impl Session<'_> {
    pub(crate) async fn stream(&mut self, element: &Element) -> Result<Next, Ended> {
        if let Err(finding) = check(element) {
            self.call.complain(finding);
            return Ok(Next::Element);
        }
        self.call.live().note(STREAMING, true);
        self.closed_by_app = self.run_stream(element).await;
        self.call.live().note(STREAMING, false);
        self.call.check()?;
        Ok(Next::Element)
    }

    /// Whether the app was the one who closed.
    async fn run_stream(&mut self, element: &Element) -> bool {
        let stream = random::uuid();
        let url = match self.url(element) {
            Ok(url) => url,
            Err(finding) => {
                self.call.complain(finding);
                return false;
            }
        };
        let headers = element.attribute("extraHeaders").unwrap_or_default();
        let socket = match self
            .call
            .open_socket(&signed_upgrade(self.account, &url))
            .await
        {
            Ok(socket) => socket,
            Err(failure) => {
                let text = format!("the media socket did not open: {failure}");
                self.stream_event(element, &stream, "DroppedStream", 0)
                    .await;
                self.call
                    .complain(Finding::error("connection_failed", text));
                return false;
            }
        };
        self.stream_event(element, &stream, "StartStream", 0).await;
        let began = Instant::now();
        let wire = PlivoWire::new(&self.account.auth_id, &self.uuid, &stream, headers);
        let end = self.call.stream(socket, Box::new(wire)).await;
        let event = match end {
            StreamEnd::AppVanished | StreamEnd::Dropped => "DroppedStream",
            _ => "StopStream",
        };
        if end == StreamEnd::AppVanished {
            self.call.complain(Finding::warning(
                "connection-broken",
                "the connection of the app broke without a close",
            ));
        }
        let seconds = self.call.tempo().call(began.elapsed()).as_secs();
        self.stream_event(element, &stream, event, seconds).await;
        matches!(end, StreamEnd::AppClosed(_) | StreamEnd::AppVanished)
    }

    fn url(&self, element: &Element) -> Result<String, Finding> {
        let url = element.text.trim();
        let parts = UrlParts::parse(url)
            .ok_or_else(|| Finding::error("stream-url", "the URL of <Stream> cannot be read"))?;
        // On loopback there are no certificates: the simulator allows what the carrier would not.
        let excused = parts.scheme == "ws" && parts.is_loopback() && !self.call.is_secure();
        if parts.scheme != "wss" && !excused {
            let text = format!(
                "the URL of <Stream> begins with {}://, not wss://",
                parts.scheme
            );
            return Err(Finding::error("stream-url", text));
        }
        Ok(url.to_owned())
    }

    async fn stream_event(&self, element: &Element, stream: &str, event: &str, seconds: u64) {
        let url = element.attribute("statusCallbackUrl").unwrap_or_default();
        if url.is_empty() {
            return;
        }
        let Some(url) = self.absolute(url, element) else {
            return;
        };
        let parameters = pairs([
            ("CallUUID", self.uuid.as_str()),
            ("Event", event),
            ("StreamID", stream),
            ("Timestamp", &clock::iso_8601_now()),
            ("From", without_plus(self.call.from())),
            ("To", without_plus(self.call.to())),
            ("Duration", &seconds.to_string()),
        ]);
        let method = method_of(element, "statusCallbackMethod");
        let webhook = webhook(self.account, event, method, &url, parameters);
        self.call.callback(webhook, acknowledged()).await;
    }
}

/// Without these the caller would hear nothing, or not for long.
fn check(element: &Element) -> Result<(), Finding> {
    let is_on = |name: &str| element.attribute(name) == Some("true");
    if !is_on("bidirectional") {
        let text = "a <Stream> is not bidirectional: the caller hears nothing from the app";
        return Err(Finding::error("one-way-stream", text));
    }
    if !is_on("keepCallAlive") {
        let text = "a <Stream> has no keepCallAlive: what comes after it runs at once";
        return Err(Finding::error("keep-call-alive", text));
    }
    if element.attribute("contentType") != Some(FORMAT) {
        let text =
            format!("the contentType of a <Stream> is not {FORMAT}, which alone is simulated");
        return Err(Finding::error("content-type", text));
    }
    let headers = element.attribute("extraHeaders").unwrap_or_default();
    if headers.len() > LONGEST_HEADERS {
        let text = format!("the extraHeaders of a <Stream> have more than {LONGEST_HEADERS} bytes");
        return Err(Finding::error("extra-headers", text));
    }
    let is_pair = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, _)| !name.is_empty())
    };
    if !headers.is_empty() && !headers.split(',').all(is_pair) {
        let text = "the extraHeaders of a <Stream> are not name=value,name=value";
        return Err(Finding::error("extra-headers", text));
    }
    Ok(())
}
