//! Messages to the app, which may be slow or not read at all.

use std::time::Duration;

use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::complaint::Finding;
use crate::engine::media::Stream;
use crate::engine::wire::WireMessage;
use crate::trace::Way;

/// Messages that wait for an app that does not read; what comes on top is dropped.
pub(super) const OUTBOX: usize = 512;
/// A single write that takes longer than this will never be done.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(10);

impl Stream<'_> {
    /// A message that must arrive: waits for room, but not for ever.
    pub(super) async fn send(&mut self, message: WireMessage) {
        self.count_sent(&message);
        if timeout(WRITE_DEADLINE, self.outbox.send(into_frame(message)))
            .await
            .is_err()
        {
            self.complain_of_congestion();
        }
    }

    /// Audio does not wait: an app that does not read loses it.
    pub(super) fn send_audio(&mut self, message: WireMessage) {
        self.count_sent(&message);
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.try_send(into_frame(message)) {
            self.complain_of_congestion();
        }
    }

    fn count_sent(&mut self, message: &WireMessage) {
        self.summary.to_app.messages += 1;
        self.summary.to_app.bytes += message.size();
        match message {
            WireMessage::Text(text) => self.call.recorder.trace_text(Way::ToApp, text),
            WireMessage::Binary(bytes) => self.call.recorder.trace_binary(Way::ToApp, bytes),
        }
    }

    fn complain_of_congestion(&self) {
        self.call.complain(Finding::warning(
            self.wire.congestion_code(),
            "the app does not read its socket: audio of the caller is thrown away",
        ));
    }
}

/// Writes what is in the outbox, so that a slow app never keeps the carrier from reading.
pub(super) async fn write(
    mut sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    mut waiting: mpsc::Receiver<Message>,
) {
    while let Some(message) = waiting.recv().await {
        match timeout(WRITE_DEADLINE, sink.send(message)).await {
            Ok(Ok(())) => {}
            // The reader hears of it, too.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

fn into_frame(message: WireMessage) -> Message {
    match message {
        WireMessage::Text(text) => Message::text(text),
        WireMessage::Binary(bytes) => Message::binary(bytes),
    }
}
