//! The answers that say that it went well.

use super::body::{get, inner, text};
use super::{CallState, FETCH, PLACE, Rest, STREAMS, place};
use bytes::Bytes;
use http::Response;
use std::time::SystemTime;
use telephony_core::{CallLinks, CarrierCall, OutboundCall, PlacedCall, Report, Result};

/// How many media streams an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveStreams {
    /// Streams that run.
    pub active: u64,
    /// How many may run at once; one more is throttled.
    pub limit: Option<u64>,
}

impl Rest<'_> {
    /// What Exotel said when it was to place `call`. That it took the call does not mean that it dialled, far less that
    /// somebody answered.
    ///
    /// # Errors
    /// What Exotel says; [`Retry::OutcomeUnknown`](telephony_core::Retry) if the answer does not tell whether it took the
    /// call.
    pub fn read_placed_call(
        &self,
        call: &OutboundCall,
        links: &CallLinks,
        response: &Response<Bytes>,
        now: SystemTime,
    ) -> Result<PlacedCall> {
        let state = self.state(PLACE, response, now)?;
        let status = state.placed_status();
        let report = Report::placed(
            &crate::PROVIDER,
            &call.from,
            &call.to,
            &state.id,
            status,
            response.body().clone(),
        );
        let key = links.call_key().clone();
        let placed = CarrierCall::new(state.id).at(place::home(call));
        Ok(PlacedCall::new(key, placed, status, report).with_handover(place::handover(call)))
    }

    /// What Exotel says about a call.
    ///
    /// # Errors
    /// What Exotel says; [`ErrorKind::NotFound`](telephony_core::ErrorKind) if it knows no such call.
    pub fn read_call(&self, response: &Response<Bytes>, now: SystemTime) -> Result<CallState> {
        self.state(FETCH, response, now)
    }

    /// How many media streams the account has.
    ///
    /// # Errors
    /// What Exotel says.
    pub fn read_active_streams(
        &self,
        response: &Response<Bytes>,
        now: SystemTime,
    ) -> Result<ActiveStreams> {
        let tree = self.accepted(STREAMS, response, now)?;
        let tree = inner(&tree);
        let streams = get(tree, "Stream").unwrap_or(tree);
        let count = |names: [&str; 2]| {
            let text = names.into_iter().find_map(|name| text(streams, name))?;
            text.parse().ok()
        };
        let active = count(["ActiveStreamCount", "active_streams"])
            .ok_or_else(|| self.incomplete(STREAMS, response, "number of streams"))?;
        Ok(ActiveStreams {
            active,
            limit: count(["ThrottleLimit", "max_allowed_streams"]),
        })
    }

    fn state(
        &self,
        operation: &'static str,
        response: &Response<Bytes>,
        now: SystemTime,
    ) -> Result<CallState> {
        let tree = self.accepted(operation, response, now)?;
        let tree = inner(&tree);
        CallState::read(get(tree, "Call").unwrap_or(tree))
            .ok_or_else(|| self.incomplete(operation, response, "id of the call"))
    }
}
