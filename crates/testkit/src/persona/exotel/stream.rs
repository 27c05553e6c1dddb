//! The Voicebot applet: where to, the handshake, the stream.

use tokio::time::Instant;

use crate::complaint::Finding;
use crate::document::Instruction;
use crate::engine::{Ended, MediaSocket, StreamEnd, UpgradeFailure, WebhookReply};
use crate::outcome::EndedBy;
use crate::persona::exotel::fetch::json_object;
use crate::persona::exotel::members::Members;
use crate::persona::exotel::passthru::StreamReport;
use crate::persona::exotel::session::Session;
use crate::persona::exotel::target::Target;
use crate::persona::exotel::wire::ExotelWire;

impl Session<'_> {
    pub(crate) async fn voicebot(&mut self) -> Result<(), Ended> {
        let mut report = StreamReport::new(self.new_id());
        if let Err(finding) = self.run_stream(&mut report).await {
            self.fail(finding);
        }
        self.stream = Some(report);
        self.call.check()
    }

    async fn run_stream(&mut self, report: &mut StreamReport) -> Result<(), Finding> {
        let url = self.stream_url().await?;
        report.url = url.clone();
        let target = Target::read(&url, self.account, self.call.is_secure())?;
        self.call.complain_all(target.findings.iter().cloned());
        let socket = self.handshake(&target).await.map_err(|failure| {
            report.error = Some(format!(
                "3009 failed to establish ws conn {}",
                dial_error(&failure)
            ));
            Finding::error("3009", format!("the media socket did not open: {failure}"))
        })?;
        self.answer().await;
        let begun = Instant::now();
        let wire = ExotelWire::new(
            self.account,
            &self.parties,
            &self.call_sid,
            report.sid(),
            target,
        );
        let end = self.call.stream(socket, Box::new(wire)).await;
        report.seconds = self.seconds_since(begun);
        self.note_end(end, report);
        Ok(())
    }

    /// Where the stream is to be opened.
    async fn stream_url(&self) -> Result<String, Finding> {
        if let Some(url) = self
            .stream_url
            .as_ref()
            .or(self.account.static_url.as_ref())
        {
            return Ok(url.clone());
        }
        let url = self.call.answer_url();
        self.fetch(
            "answer",
            &url,
            |purpose, url| self.ask_for_stream(purpose, url),
            |purpose, reply| self.read_stream_url(purpose, reply),
        )
        .await
    }

    fn read_stream_url(&self, purpose: &str, reply: &WebhookReply) -> Result<String, Finding> {
        let result = json_object(purpose, reply).and_then(|members| {
            let mut members = Members::of(members);
            let url = members.text("url").filter(|url| !url.trim().is_empty());
            self.call
                .complain_all(members.finish("the answer of a Voicebot URL"));
            url.ok_or_else(|| {
                Finding::error(
                    "no-stream-url",
                    "the answer has no \"url\" with a text in it",
                )
            })
        });
        self.keep(
            purpose,
            reply,
            result.is_ok().then_some(Instruction::Stream),
        );
        result
    }

    /// Exotel tries twice.
    async fn handshake(&self, target: &Target) -> Result<MediaSocket, UpgradeFailure> {
        match self.call.open_socket(&target.upgrade).await {
            Err(UpgradeFailure::Url(what)) => Err(UpgradeFailure::Url(what)),
            Err(failure) => {
                let socket = self.call.open_socket(&target.upgrade).await?;
                self.call.complain(Finding::warning(
                    "handshake-retried",
                    format!("the media socket opened at the second try only: {failure}"),
                ));
                Ok(socket)
            }
            Ok(socket) => Ok(socket),
        }
    }

    fn note_end(&mut self, end: StreamEnd, report: &mut StreamReport) {
        match end {
            StreamEnd::AppClosed(1000 | 1001 | 1005) => {
                report.ended("completed", "bot");
                self.ended_by = EndedBy::App;
            }
            StreamEnd::AppClosed(code) => {
                self.call.complain(Finding::warning(
                    "close-code",
                    format!("the app closed its socket with code {code}; a deliberate end is 1000"),
                ));
                report.ended("failed", "bot");
                report.error = Some(format!("websocket: close {code}"));
                self.ended_by = EndedBy::App;
            }
            StreamEnd::AppVanished => {
                self.call.complain(Finding::warning(
                    "connection-broken",
                    "the connection of the app broke without a close",
                ));
                report.ended("failed", "bot");
                report.error = Some("websocket: close 1006 (abnormal closure)".into());
                self.ended_by = EndedBy::App;
            }
            StreamEnd::CallEnded if self.call.ended_by().is_some_and(EndedBy::is_person) => {
                report.ended("cancelled", "user");
            }
            StreamEnd::CallEnded | StreamEnd::Stopped | StreamEnd::Dropped => {
                report.ended("cancelled", "NA");
            }
        }
    }
}

/// What Exotel's client says; apps must not read it.
fn dial_error(failure: &UpgradeFailure) -> &'static str {
    match failure {
        UpgradeFailure::Url(_) => "dial tcp: lookup: no such host",
        UpgradeFailure::Refused => "dial tcp: connect: connection refused",
        UpgradeFailure::Timeout => "dial tcp: i/o timeout",
        UpgradeFailure::Status(_) | UpgradeFailure::Handshake(_) => "websocket: bad handshake",
    }
}
