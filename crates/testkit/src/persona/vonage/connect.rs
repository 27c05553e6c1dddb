//! `connect` to a websocket: a leg of its own.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::complaint::Finding;
use crate::engine::{Ended, StreamEnd, Upgrade, UrlParts, random};
use crate::persona::vonage::events::{EventTarget, Leg, ending};
use crate::persona::vonage::jwt::bearer;
use crate::persona::vonage::ncco::Action;
use crate::persona::vonage::session::{Next, Session};
use crate::persona::vonage::wire::VonageWire;

/// Headers of an endpoint have at most so many bytes.
const MOST_HEADERS: usize = 512;
/// The rate that is used when the document does not name one.
const DEFAULT_RATE: u32 = 16_000;

/// What came of a socket.
struct SocketOver {
    next: Next,
    closed_by_app: bool,
}

impl Session<'_> {
    /// Opens the socket; `rest` runs while it is up. The flow goes on when both are over.
    pub(crate) async fn connect_socket(
        &mut self,
        action: &Action,
        rest: Vec<Action>,
    ) -> Result<Next, Ended> {
        let Some(endpoint) = action.endpoint() else {
            return Ok(self.broken("connect has not exactly one endpoint").await);
        };
        let (upgrade, rate) = match self.endpoint(endpoint) {
            Ok(endpoint) => endpoint,
            Err(finding) => {
                self.error_event(&finding.text).await;
                self.call.complain(finding);
                return Ok(Next::Replace(vec![]));
            }
        };
        let headers = self.headers(endpoint);
        let leg = Leg {
            uuid: random::uuid(),
            from: self.leg.from.clone(),
            to: upgrade.url.clone(),
            direction: "outbound",
            headers: Value::Object(headers.clone()),
        };
        let target = self.target(action);
        self.tell(
            target.clone(),
            "started",
            self.status_members(&leg, "started"),
        )
        .await;
        let socket = match self.call.open_socket(&upgrade).await {
            Ok(socket) => socket,
            Err(failure) => {
                self.call.complain(Finding::error(
                    "websocket-not-opened",
                    format!("the media socket did not open: {failure}"),
                ));
                return Ok(self.not_opened(action, target, &leg, rest).await);
            }
        };
        self.tell(
            target.clone(),
            "answered",
            self.status_members(&leg, "answered"),
        )
        .await;
        let wire = VonageWire::new(rate, headers, self.account.notifies_on_clear);
        let call = self.call;
        let twin = self.clone();
        let streaming = async {
            let begun = tokio::time::Instant::now();
            let end = call.stream_as_leg(&leg.uuid, socket, Box::new(wire)).await;
            let talked = call.tempo().call(begun.elapsed());
            twin.socket_over(end, talked, target, &leg).await
        };
        let mut streaming = std::pin::pin!(streaming);
        let mut following = Box::pin(self.follow(rest));
        let over = tokio::select! {
            over = &mut streaming => match over.next {
                // A new document replaces what is left of the old one, also what is running.
                Next::Replace(_) => over,
                Next::Action => {
                    following.as_mut().await?;
                    over
                }
            },
            followed = &mut following => {
                let over = streaming.await;
                followed?;
                over
            }
        };
        drop(following);
        self.closed_by_app = over.closed_by_app;
        call.check()?;
        Ok(over.next)
    }

    async fn socket_over(
        &self,
        end: StreamEnd,
        talked: Duration,
        target: Option<EventTarget>,
        leg: &Leg,
    ) -> SocketOver {
        let mut over = SocketOver {
            next: Next::Action,
            closed_by_app: matches!(
                end,
                StreamEnd::AppClosed(_) | StreamEnd::AppVanished | StreamEnd::Stopped
            ),
        };
        match end {
            StreamEnd::AppVanished => self.call.complain(Finding::warning(
                "socket-vanished",
                "the connection of the app broke without a close",
            )),
            StreamEnd::AppClosed(1000 | 1001 | 1005)
            | StreamEnd::CallEnded
            | StreamEnd::Stopped
            | StreamEnd::Dropped => {}
            StreamEnd::AppClosed(code) => self.call.complain(Finding::warning(
                "odd-close-code",
                format!("the app closed its socket with code {code}; a deliberate end is 1000"),
            )),
        }
        // A leg that was hung up is no surprise.
        let planned = matches!(end, StreamEnd::CallEnded | StreamEnd::Stopped);
        if !planned {
            let members = self.status_members(leg, "disconnected");
            if let Some(actions) = self.consult(target.clone(), "disconnected", members).await {
                over.next = Next::Replace(actions);
            }
        }
        let by = if planned { "platform" } else { "user" };
        let mut members = self.status_members(leg, "completed");
        members.extend(ending(talked.as_secs_f64().ceil() as u64, by));
        self.tell(target, "completed", members).await;
        over
    }

    /// Only a synchronous connect asks the app what to do now.
    async fn not_opened(
        &self,
        action: &Action,
        target: Option<EventTarget>,
        leg: &Leg,
        rest: Vec<Action>,
    ) -> Next {
        let members = self.status_members(leg, "failed");
        if action.is_synchronous() {
            if let Some(actions) = self.consult(target, "failed", members).await {
                return Next::Replace(actions);
            }
        } else {
            self.tell(target, "failed", members).await;
        }
        Next::Replace(rest)
    }

    fn endpoint(&self, endpoint: &Map<String, Value>) -> Result<(Upgrade, u32), Finding> {
        let bad = |what: &str| {
            Finding::error(
                "websocket-endpoint",
                format!("the websocket endpoint {what}"),
            )
        };
        let uri = endpoint
            .get("uri")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let parts = UrlParts::parse(uri).ok_or_else(|| bad("has no uri that can be read"))?;
        if !matches!(parts.scheme.as_str(), "ws" | "wss") {
            return Err(bad("has a uri that is neither ws nor wss"));
        }
        let rate = self.rate(endpoint)?;
        let upgrade = Upgrade::new(uri);
        let upgrade = match endpoint.get("authorization") {
            None => upgrade,
            Some(authorization) => {
                let value = match authorization
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or("vonage")
                {
                    "vonage" => bearer(self.account, None),
                    "custom" => authorization
                        .get("value")
                        .and_then(Value::as_str)
                        .filter(|value| (1..=8_191).contains(&value.len()))
                        .filter(|value| value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)))
                        .ok_or_else(|| bad("has a custom authorization without a printable value"))?
                        .to_owned(),
                    _ => {
                        return Err(bad(
                            "has an authorization that is neither vonage nor custom",
                        ));
                    }
                };
                upgrade.with_header("Authorization", value)
            }
        };
        if let Some(unknown) = endpoint.keys().find(|name| {
            ![
                "type",
                "uri",
                "content-type",
                "contentType",
                "headers",
                "authorization",
            ]
            .contains(&name.as_str())
        }) {
            self.call.complain(Finding::warning(
                "ncco-unknown-member",
                format!(
                    "the websocket endpoint has the unknown member \"{}\"",
                    unknown.chars().take(40).collect::<String>()
                ),
            ));
        }
        Ok((upgrade, rate))
    }

    fn rate(&self, endpoint: &Map<String, Value>) -> Result<u32, Finding> {
        match endpoint.get("content-type").and_then(Value::as_str) {
            Some("audio/l16;rate=8000") => Ok(8_000),
            Some("audio/l16;rate=16000") => Ok(16_000),
            Some("audio/l16;rate=24000") => Ok(24_000),
            Some(_) => Err(Finding::error(
                "websocket-content-type",
                "the content-type is not audio/l16;rate=8000, 16000 or 24000",
            )),
            None => {
                self.call.complain(Finding::warning(
                    "websocket-content-type",
                    "the endpoint has no content-type (with a hyphen): 16000 samples per second are used",
                ));
                Ok(DEFAULT_RATE)
            }
        }
    }

    fn headers(&self, endpoint: &Map<String, Value>) -> Map<String, Value> {
        let Some(Value::Object(headers)) = endpoint.get("headers") else {
            if endpoint.contains_key("headers") {
                self.call.complain(Finding::warning(
                    "websocket-headers",
                    "the headers of the endpoint are no object",
                ));
            }
            return Map::new();
        };
        let size = Value::Object(headers.clone()).to_string().len();
        if size > MOST_HEADERS {
            self.call.complain(Finding::error(
                "websocket-headers",
                format!(
                    "the headers of the endpoint have {size} bytes; {MOST_HEADERS} are allowed"
                ),
            ));
        }
        if headers.contains_key("event") || headers.contains_key("content-type") {
            self.call.complain(Finding::warning(
                "websocket-headers",
                "headers named \"event\" and \"content-type\" are overwritten",
            ));
        }
        headers.clone()
    }
}
