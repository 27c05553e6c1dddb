//! Calls that are there: fetch, update, list, delete.

use http::StatusCode;
use serde_json::{Value, json};

use crate::engine::{
    Diversion, LiveCall, NewDocument, RestRequest, RestResponse, Switchboard, clock,
};
use crate::persona::twilio::GoneCall;
use crate::persona::twilio::rest::create::LONGEST_TWIML;
use crate::persona::twilio::rest::parameters::{Form, Refused, refused};
use crate::persona::twilio::rest::{TwilioRest, bad, view};
use crate::persona::twilio::webhooks::pairs;

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1_000;

/// What an update of a call wants.
enum Update {
    Nothing,
    Complete,
    Cancel,
    Divert(Diversion),
}

impl TwilioRest {
    /// A call that is there and was not deleted.
    pub(crate) fn known(&self, desk: &Switchboard, sid: &str) -> Option<LiveCall> {
        desk.call(sid)
            .filter(|call| call.id() == sid && call.noted("deleted").is_none())
    }

    pub(crate) fn fetch(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        sid: &str,
    ) -> RestResponse {
        match self.known(desk, sid) {
            Some(call) => self.show(&call),
            None => self.not_found(request),
        }
    }

    fn show(&self, call: &LiveCall) -> RestResponse {
        RestResponse::json(StatusCode::OK, &view::call(&self.account, call)).about(call)
    }

    pub(crate) fn update(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        sid: &str,
    ) -> RestResponse {
        let Some(call) = self.known(desk, sid) else {
            return self.not_found(request);
        };
        let mut form = Form::of(request);
        let update = match update(&mut form) {
            Ok(update) => update,
            Err(refusal) => return refused(refusal).about(&call),
        };
        let findings = form.finish();
        let response = match update {
            Update::Nothing => self.show(&call),
            Update::Complete if call.hang_up() => self.show(&call),
            Update::Complete => self.gone(request),
            Update::Cancel if call.is_over() => self.gone(request),
            Update::Cancel => {
                // An answered call is not impressed.
                if call.answered().is_none() {
                    call.hang_up();
                }
                self.show(&call)
            }
            Update::Divert(diversion) => {
                if call.answered().is_some() && call.divert(diversion) {
                    self.show(&call)
                } else {
                    bad(21220, "Call is not in-progress. Cannot redirect.")
                }
            }
        };
        response.with_findings(findings).about(&call)
    }

    /// Hanging up a call that is over.
    fn gone(&self, request: &RestRequest) -> RestResponse {
        match self.account.gone_call {
            GoneCall::NotFound => self.not_found(request),
            GoneCall::NotInProgress => bad(21220, "Call is not in-progress. Cannot redirect."),
        }
    }

    pub(crate) fn delete(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        sid: &str,
    ) -> RestResponse {
        match self.known(desk, sid) {
            None => self.not_found(request),
            Some(call) if !call.is_over() => {
                bad(20009, "Cannot delete this resource before it is complete")
            }
            Some(call) => {
                call.note("deleted", true);
                RestResponse::new(StatusCode::NO_CONTENT)
            }
        }
    }

    pub(crate) fn list(&self, request: &RestRequest, desk: &Switchboard) -> RestResponse {
        let query = request.query_pairs();
        let value = |name: &str| {
            let found = query.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let size = match value("PageSize").map(str::parse) {
            None => PAGE,
            Some(Ok(size)) if (1..=LARGEST_PAGE).contains(&size) => size,
            Some(_) => return bad(20007, "Page size too large"),
        };
        let page: usize = value("Page")
            .and_then(|page| page.parse().ok())
            .unwrap_or(0);
        let calls: Vec<Value> = desk
            .calls()
            .into_iter()
            .filter(|call| call.noted("deleted").is_none())
            .filter(|call| query.iter().all(|(name, value)| fits(call, name, value)))
            .map(|call| view::call(&self.account, &call))
            .collect();
        let start = page.saturating_mul(size).min(calls.len());
        let end = (start + size).min(calls.len());
        let uri = |page: usize| {
            let mut pairs: Vec<_> = query
                .iter()
                .filter(|(name, _)| name != "Page" && name != "PageSize" && name != "PageToken")
                .cloned()
                .collect();
            pairs.extend(crate::persona::twilio::webhooks::pairs([
                ("PageSize", size.to_string().as_str()),
                ("Page", &page.to_string()),
            ]));
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            format!("{}?{query}", request.path)
        };
        let next = (end < calls.len()).then(|| {
            let token = calls.get(end - 1).and_then(|call| call["sid"].as_str());
            format!(
                "{}&PageToken=PA{}",
                uri(page + 1),
                token.unwrap_or_default()
            )
        });
        RestResponse::json(
            StatusCode::OK,
            &json!({
                "calls": calls[start..end],
                "start": start,
                "end": end.saturating_sub(1),
                "page": page,
                "page_size": size,
                "uri": uri(page),
                "first_page_uri": uri(0),
                "next_page_uri": next,
                "previous_page_uri": page.checked_sub(1).map(uri),
            }),
        )
    }
}

fn update(form: &mut Form) -> Result<Update, Refused> {
    let status = form.word("Status", &["completed", "canceled"])?;
    let method = form.method("Method")?;
    let url = form.url("Url")?;
    let twiml = form.text("Twiml");
    let fallback = form.url("FallbackUrl")?;
    let fallback_method = form.text("FallbackMethod");
    let callback = form.url("StatusCallback")?;
    let callback_method = form.text("StatusCallbackMethod");
    form.text("TimeLimit");
    match status.as_deref() {
        Some("completed") => return Ok(Update::Complete),
        Some(_) => return Ok(Update::Cancel),
        None => {}
    }
    let document = match (url, twiml) {
        (Some(_), Some(_)) => {
            return Err((20422, "Url and Twiml are mutually exclusive".into()));
        }
        (Some(url), None) => NewDocument::Fetch {
            url,
            method: Some(method),
        },
        (None, Some(twiml)) if twiml.chars().count() > LONGEST_TWIML => {
            return Err((
                32018,
                format!("Twiml size exceeded maximum allowed value of {LONGEST_TWIML} characters"),
            ));
        }
        (None, Some(twiml)) => NewDocument::Inline(twiml),
        // A StatusCallback alone is ignored.
        (None, None) => return Ok(Update::Nothing),
    };
    let mut settings = vec![];
    for (name, value) in [
        ("FallbackUrl", fallback),
        ("FallbackMethod", fallback_method),
        ("StatusCallback", callback),
        ("StatusCallbackMethod", callback_method),
    ] {
        if let Some(value) = value {
            settings.extend(pairs([(name, value.as_str())]));
        }
    }
    Ok(Update::Divert(
        Diversion::new(document).with_settings(settings),
    ))
}

/// Whether a call fits one condition of a list.
fn fits(call: &LiveCall, name: &str, value: &str) -> bool {
    let created = || {
        let created = clock::iso_8601(call.created());
        // Dates and moments are compared as far as they are written.
        let written = value.trim_end_matches('Z').len().min(19);
        (created[..written].to_owned(), value[..written].to_owned())
    };
    let is_moment = value.is_ascii() && value.len() >= 10;
    match name {
        "To" => call.to() == value,
        "From" => call.from() == value,
        "Status" => view::status(call) == value,
        "ParentCallSid" => false,
        "StartTime" if is_moment => {
            let (created, wanted) = created();
            created == wanted
        }
        "StartTime<" if is_moment => {
            let (created, wanted) = created();
            created <= wanted
        }
        "StartTime>" if is_moment => {
            let (created, wanted) = created();
            created >= wanted
        }
        _ => true,
    }
}
