//! Recordings: start, pause, stop, fetch.

use http::StatusCode;
use serde_json::{Value, json};

use crate::engine::{LiveCall, Recording, RestRequest, RestResponse, Switchboard, random};
use crate::persona::twilio::recordings::tell;
use crate::persona::twilio::rest::create::recording_settings;
use crate::persona::twilio::rest::parameters::{Form, refused};
use crate::persona::twilio::rest::{TwilioRest, bad, view};

impl TwilioRest {
    pub(crate) async fn start_recording(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        sid: &str,
    ) -> RestResponse {
        let Some(call) = self.known(desk, sid) else {
            return self.not_found(request);
        };
        let mut form = Form::of(request);
        let settings = match recording_settings(&mut form, "StartCallRecordingAPI") {
            Ok(settings) => settings,
            Err(refusal) => return refused(refusal).about(&call),
        };
        if call.is_over() || call.answered().is_none() {
            return bad(21220, "Requested resource is not eligible for recording").about(&call);
        }
        let id = format!("RE{}", random::hex::<16>());
        let recording = Recording::begin(&call, id, "in-progress").with_settings(settings);
        call.recordings(|recordings| recordings.push(recording.clone()));
        tell(&self.account, &call, &recording).await;
        self.show_recording(StatusCode::CREATED, &call, &recording)
            .with_findings(form.finish())
    }

    pub(crate) async fn update_recording(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        sid: &str,
        recording: &str,
    ) -> RestResponse {
        let Some(call) = self.known(desk, sid) else {
            return self.not_found(request);
        };
        let mut form = Form::of(request);
        let status = match form.word("Status", &["paused", "in-progress", "stopped"]) {
            Ok(Some(status)) => status,
            Ok(None) => return bad(20001, "Status is required").about(&call),
            Err(refusal) => return refused(refusal).about(&call),
        };
        if let Err(refusal) = form.word("PauseBehavior", &["skip", "silence"]) {
            return refused(refusal).about(&call);
        }
        let changed = call.recordings(|recordings| {
            let mut running = recordings
                .iter_mut()
                .filter(|known| known.is_running())
                .filter(|known| recording == "Twilio.CURRENT" || known.id == recording);
            let found = running.next()?;
            if running.next().is_some() {
                return None;
            }
            match status.as_str() {
                "stopped" => found.finish(&call, "completed"),
                status => found.status = status.to_owned(),
            }
            Some(found.clone())
        });
        let Some(mut changed) = changed else {
            return self.not_found(request);
        };
        if status == "stopped" {
            tell(&self.account, &call, &changed).await;
            // The response says what was done; the file is completed a moment later.
            changed.status = status;
        }
        self.show_recording(StatusCode::OK, &call, &changed)
            .with_findings(form.finish())
    }

    pub(crate) fn list_recordings(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        of: Option<&str>,
    ) -> RestResponse {
        let wanted = request.query_pairs();
        let of = of.or_else(|| {
            let wanted = wanted.iter().find(|(name, _)| name == "CallSid");
            wanted.map(|(_, sid)| sid.as_str())
        });
        let mut found: Vec<Value> = vec![];
        for call in desk.calls() {
            if of.is_none_or(|sid| call.id() == sid) {
                found.extend(call.recordings(|recordings| {
                    let kept = recordings.iter().filter(|known| known.status != "deleted");
                    kept.map(|recording| view::recording(&self.account, &call, recording))
                        .collect::<Vec<_>>()
                }));
            }
        }
        RestResponse::json(
            StatusCode::OK,
            &json!({
                "recordings": found,
                "page": 0,
                "page_size": 50,
                "start": 0,
                "end": found.len().saturating_sub(1),
                "uri": request.path,
                "first_page_uri": request.path,
                "next_page_uri": null,
                "previous_page_uri": null,
            }),
        )
    }

    pub(crate) fn fetch_recording(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        id: &str,
        extension: Option<&str>,
    ) -> RestResponse {
        let Some((call, recording)) = find(desk, id) else {
            return self.not_found(request);
        };
        match extension {
            Some("json") => self.show_recording(StatusCode::OK, &call, &recording),
            // There is no file before the end.
            _ if recording.status != "completed" => self.not_found(request).about(&call),
            None | Some("wav") => RestResponse::new(StatusCode::OK)
                .with_body("audio/x-wav", recording.wav())
                .about(&call),
            Some("mp3") => RestResponse::new(StatusCode::OK)
                .with_body("audio/mpeg", recording.silent_mp3())
                .about(&call),
            Some(_) => self.not_found(request).about(&call),
        }
    }

    pub(crate) fn delete_recording(
        &self,
        request: &RestRequest,
        desk: &Switchboard,
        id: &str,
    ) -> RestResponse {
        let Some((call, _)) = find(desk, id) else {
            return self.not_found(request);
        };
        call.recordings(|recordings| {
            for recording in recordings.iter_mut().filter(|known| known.id == id) {
                recording.status = "deleted".into();
            }
        });
        RestResponse::new(StatusCode::NO_CONTENT).about(&call)
    }

    fn show_recording(
        &self,
        status: StatusCode,
        call: &LiveCall,
        recording: &Recording,
    ) -> RestResponse {
        RestResponse::json(status, &view::recording(&self.account, call, recording)).about(call)
    }
}

fn find(desk: &Switchboard, id: &str) -> Option<(LiveCall, Recording)> {
    desk.calls().into_iter().find_map(|call| {
        let found = call.recordings(|recordings| {
            let mut kept = recordings.iter().filter(|known| known.status != "deleted");
            kept.find(|known| known.id == id).cloned()
        })?;
        Some((call, found))
    })
}
