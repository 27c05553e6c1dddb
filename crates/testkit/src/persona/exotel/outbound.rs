//! A call that the app has placed through the REST API.

use std::time::Duration;

use async_trait::async_trait;

use crate::complaint::Finding;
use crate::engine::{Call, Ended, Flow, OnDial, Recording, beside};
use crate::outcome::EndedBy;
use crate::persona::exotel::ExotelAccount;
use crate::persona::exotel::connect::Order;
use crate::persona::exotel::session::{Callback, Parties, Session};

/// What the app asked for.
pub(crate) struct CallOrder {
    pub(crate) mode: Mode,
    pub(crate) callback: Option<Callback>,
    pub(crate) custom_field: Option<String>,
    /// It rings so long at most.
    pub(crate) ring: Duration,
    /// It lasts so long at most.
    pub(crate) limit: Duration,
    pub(crate) record: bool,
}

/// What happens when somebody has answered.
pub(crate) enum Mode {
    /// Another number is rung, and the two are connected.
    TwoNumbers(String),
    /// The account's flow. Without one that can be found, nothing happens.
    Flow { known: bool },
    /// This stream, and nothing else.
    Stream(String),
}

pub(crate) struct Outbound {
    pub(crate) account: ExotelAccount,
    pub(crate) sid: String,
    pub(crate) parties: Parties,
    pub(crate) order: CallOrder,
}

#[async_trait]
impl Flow for Outbound {
    async fn run(&self, call: &Call) {
        let order = &self.order;
        let mut session = Session::new(&self.account, call, self.sid.clone(), self.parties.clone());
        session.callback = order.callback.clone();
        session.custom_field = order.custom_field.clone();
        session.ended_by = EndedBy::Carrier;
        match session.ring(order).await {
            Ok(None) => {}
            Ok(Some(status)) => return session.finish(status).await,
            Err(Ended) => return session.finish("canceled").await,
        }
        session.ended_by = EndedBy::Document;
        let limit = async {
            call.live().pass(order.limit).await;
            call.end(EndedBy::Carrier);
        };
        // Whoever ended it has said so.
        let _ = beside(session.converse(order), limit).await;
        session.finish("completed").await;
    }
}

impl Session<'_> {
    async fn ring(&mut self, order: &CallOrder) -> Result<Option<&'static str>, Ended> {
        if let Mode::Flow { known: false } = order.mode {
            self.call.complain(Finding::error(
                "flow-url",
                "Url is not a flow of this account (http://my.exotel.com/{account}/exoml/start_voice/{flow}): \
                 other URLs are not supported, and the call fails",
            ));
            self.call.pass(self.call.prompt()).await?;
            return Ok(Some("failed"));
        }
        self.enter("ringing", "ringing").await;
        let on_dial = self.call.on_dial();
        match on_dial {
            OnDial::Busy => {
                self.ended_by = EndedBy::Callee;
                self.call.pass(self.call.prompt()).await?;
                return Ok(Some("busy"));
            }
            OnDial::Failed => {
                self.call.pass(self.call.prompt()).await?;
                return Ok(Some("failed"));
            }
            _ => {}
        }
        match on_dial.answers_after().filter(|after| *after < order.ring) {
            Some(after) => {
                self.call.pass(after).await?;
                Ok(None)
            }
            None => {
                self.call.pass(order.ring).await?;
                Ok(Some("no-answer"))
            }
        }
    }

    /// From the answer to the end.
    async fn converse(&mut self, order: &CallOrder) -> Result<(), Ended> {
        self.answered_by = Some(match self.call.on_dial() {
            OnDial::Machine { .. } => "Machine",
            _ => "Human",
        });
        self.answer().await;
        if order.record {
            let call = self.call.live();
            let recording = Recording::begin(call, &self.call_sid, "in-progress");
            call.recordings(|recordings| recordings.push(recording));
        }
        match &order.mode {
            Mode::Flow { .. } => self.follow().await,
            Mode::Stream(url) => {
                self.stream_url = Some(url.clone());
                self.voicebot().await
            }
            Mode::TwoNumbers(number) => {
                let order = Order {
                    targets: vec![number.clone()],
                    parallel: false,
                    ask_again: false,
                    longest_talk: None,
                    events: None,
                    shown_number: Some(self.parties.call_from.clone()),
                };
                self.dial(&order).await.map(|_| ())
            }
        }
    }
}
