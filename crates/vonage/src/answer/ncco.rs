//! The actions that we write, as Vonage's NCCO reference has them. Numbers and flags are real ones.

use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One action. Optional members that are not there mean Vonage's default.
#[derive(Debug, Serialize)]
#[serde(
    tag = "action",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Action<'a> {
    Talk {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        language: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<u16>,
        #[serde(skip_serializing_if = "is_false")]
        barge_in: bool,
    },
    Stream {
        stream_url: [&'a str; 1],
        #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
        #[serde(skip_serializing_if = "is_false")]
        barge_in: bool,
    },
    Input {
        #[serde(rename = "type")]
        kinds: Vec<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        dtmf: Option<Keys>,
        #[serde(skip_serializing_if = "Option::is_none")]
        speech: Option<Speech<'a>>,
        #[serde(flatten)]
        callback: Callback<'a>,
    },
    Connect {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<&'a str>,
        endpoint: [Endpoint<'a>; 1],
        /// `synchronous`: failures are told, and may be answered with an NCCO.
        event_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        #[serde(flatten)]
        callback: Callback<'a>,
    },
    Notify {
        payload: Payload,
        #[serde(flatten)]
        callback: Callback<'a>,
    },
    Wait {
        /// Seconds.
        timeout: f64,
    },
}

/// Where an action reports. POST is said, because a GET has no body that a signature could protect.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Callback<'a> {
    event_url: [Cow<'a, str>; 1],
    event_method: &'static str,
}

impl<'a> Callback<'a> {
    pub(super) fn to(url: impl Into<Cow<'a, str>>) -> Self {
        Self {
            event_url: [url.into()],
            event_method: "POST",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Keys {
    /// Whole seconds.
    pub(super) time_out: u64,
    pub(super) max_digits: u8,
    pub(super) submit_on_hash: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Speech<'a> {
    /// Whole seconds until the first word.
    pub(super) start_timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) context: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Endpoint<'a> {
    Phone {
        number: &'a str,
    },
    Sip {
        uri: &'a str,
    },
    App {
        user: &'a str,
    },
    Vbc {
        extension: &'a str,
    },
    Websocket {
        uri: String,
        /// Spelt otherwise, the platform silently takes 16000 Hz.
        #[serde(rename = "content-type")]
        content_type: String,
        headers: BTreeMap<&'a str, &'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        authorization: Option<Authorization>,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Authorization {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Payload {
    pub(super) reason: &'static str,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
fn is_false(flag: &bool) -> bool {
    !*flag
}
