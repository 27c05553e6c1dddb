//! The end of a stream: the carrier's goodbye, the app's, and the account of it all.

use futures_util::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::complaint::Finding;
use crate::engine::media::sending::WRITE_DEADLINE;
use crate::engine::media::{Reader, Stream, StreamEnd, TICK};
use crate::engine::wire::StopReason;
use crate::speech::duration_of;
use crate::trace::Way;

impl Stream<'_> {
    /// Says goodbye as the carrier does, and watches whether the app lets go.
    pub(super) async fn close(mut self, end: StreamEnd, reader: &mut Reader) {
        self.call.line.fall_silent();
        self.call.line.notice(|ear| ear.keys_wanted = false);
        match end {
            StreamEnd::CallEnded | StreamEnd::Stopped => {
                let reason = match end {
                    StreamEnd::Stopped => StopReason::Stopped,
                    _ => StopReason::CallEnded,
                };
                for message in self.wire.stop(reason) {
                    self.send(message).await;
                }
                self.trace_close(Way::ToApp, 1000);
                let goodbye = Message::Close(Some(CloseFrame {
                    code: CloseCode::Normal,
                    reason: "".into(),
                }));
                let _ = timeout(WRITE_DEADLINE, self.outbox.send(goodbye)).await;
                self.await_farewell(reader).await;
            }
            StreamEnd::AppClosed(code) => {
                self.summary.closed_by_app = Some(code);
                // Reading on is what sends the reply to the app's close.
                let _ = timeout(self.call.linger(), async {
                    while let Some(Ok(_)) = reader.next().await {}
                })
                .await;
            }
            StreamEnd::AppVanished => self.summary.closed_by_app = Some(1006),
            StreamEnd::Dropped => {}
        }
        self.finish();
    }

    async fn await_farewell(&mut self, reader: &mut Reader) {
        let deadline = Instant::now() + self.call.linger();
        loop {
            match timeout_at(deadline, reader.next()).await {
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Ok(Some(Ok(_))) => {}
                Err(_) => {
                    self.call.complain(Finding::error(
                        "socket-left-open",
                        format!(
                            "{} ms after the end of the stream the app has not closed its socket",
                            self.call.linger().as_millis()
                        ),
                    ));
                    return;
                }
            }
        }
    }

    fn finish(&mut self) {
        let rate = self.wire.rate();
        let mut summary = std::mem::take(&mut self.summary);
        summary.played = duration_of(self.played, rate);
        summary.cleared = duration_of(self.cleared, rate);
        summary.overflowed = duration_of(self.overflowed, rate);
        summary.unplayed = duration_of(self.playout.waiting(), rate);
        summary.replies = std::mem::take(&mut self.meter.replies);
        summary.late_frames = self.meter.late;
        summary.carrier_lag = self.meter.lag;
        if summary.closed_by_app.is_some() && summary.unplayed > TICK {
            self.call.complain(Finding::note(
                "audio-lost",
                format!(
                    "the app closed its socket before {} ms of its audio were played",
                    summary.unplayed.as_millis()
                ),
            ));
        }
        self.call
            .recorder
            .write(|record| record.streams.push(summary));
    }
}
