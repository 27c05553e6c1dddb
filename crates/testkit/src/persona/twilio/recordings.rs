//! Recordings: their URLs, their callbacks, their end.

use std::time::Duration;

use crate::engine::{LiveCall, Method, Recording, clock};
use crate::persona::twilio::TwilioAccount;
use crate::persona::twilio::session::Session;
use crate::persona::twilio::webhooks::{Parameters, acknowledged, pairs, webhook};

/// Where the media of a recording is: at the carrier, or at its simulation where one is served.
pub(crate) fn recording_url(account: &TwilioAccount, call: &LiveCall, sid: &str) -> String {
    let base = call.base_url().unwrap_or("https://api.twilio.com");
    format!(
        "{base}/2010-04-01/Accounts/{}/Recordings/{sid}",
        account.account_sid
    )
}

/// Whole seconds, as in every parameter that counts them.
pub(crate) fn seconds(length: Duration) -> u64 {
    length.as_secs_f64().ceil() as u64
}

/// Tells the app what has become of a recording, if it wants to know.
pub(crate) async fn tell(account: &TwilioAccount, call: &LiveCall, recording: &Recording) {
    let Some(url) = recording.setting("RecordingStatusCallback") else {
        return;
    };
    // Several words are one value here, with spaces between.
    let wanted = recording
        .setting("RecordingStatusCallbackEvent")
        .unwrap_or("completed");
    if !wanted.split(' ').any(|event| event == recording.status) {
        return;
    }
    let method = recording
        .setting("RecordingStatusCallbackMethod")
        .and_then(Method::parse)
        .unwrap_or(Method::Post);
    let mut parameters = pairs([
        ("AccountSid", account.account_sid.as_str()),
        ("CallSid", &call.id()),
        ("RecordingSid", &recording.id),
        ("RecordingUrl", &recording_url(account, call, &recording.id)),
        ("RecordingStatus", &recording.status),
        ("RecordingChannels", &channels(recording).to_string()),
        ("RecordingStartTime", &clock::rfc_2822(recording.begun)),
        (
            "RecordingSource",
            recording.setting("Source").unwrap_or_default(),
        ),
        (
            "RecordingTrack",
            recording.setting("RecordingTrack").unwrap_or("both"),
        ),
    ]);
    if let Some(length) = recording.length {
        parameters.push(("RecordingDuration".into(), seconds(length).to_string()));
    }
    let purpose = format!("recording {}", recording.status);
    let webhook = webhook(account, &purpose, method, url, parameters);
    call.callback(webhook, acknowledged()).await;
}

pub(crate) fn channels(recording: &Recording) -> u8 {
    match recording.setting("RecordingChannels") {
        Some("dual") => 2,
        _ => 1,
    }
}

impl Session<'_> {
    /// What still runs ends with the call.
    pub(crate) async fn finish_recordings(&self) {
        let call = self.call.live();
        let finished: Vec<Recording> = call.recordings(|recordings| {
            let running = recordings.iter_mut().filter(|known| known.is_running());
            running
                .map(|recording| {
                    recording.finish(call, "completed");
                    recording.clone()
                })
                .collect()
        });
        for recording in finished {
            tell(self.account, call, &recording).await;
        }
    }

    /// Parameters of the last status callback, when the call was placed with `Record=true`.
    pub(crate) fn recorded_from_the_start(&self) -> Parameters {
        let call = self.call.live();
        call.recordings(|recordings| {
            let recording = recordings
                .iter()
                .find(|recording| recording.setting("Source") == Some("OutboundAPI"))?;
            Some(pairs([
                ("RecordingSid", recording.id.as_str()),
                (
                    "RecordingUrl",
                    &recording_url(self.account, call, &recording.id),
                ),
                (
                    "RecordingDuration",
                    &seconds(recording.length.unwrap_or_default()).to_string(),
                ),
            ]))
        })
        .unwrap_or_default()
    }
}
