//! How much is allocated for each frame, on its way from the socket to the app and back: `cargo test -p telephony-benches
//! --test allocations -- --nocapture` prints it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use telephony::audio::SampleRate;
use telephony::media::{MediaEvent, SocketError, StreamOptions, Streamer, WireMessage};
use telephony_benches::{Carrier, FRAME, Ring, pcm16};

const RATES: [SampleRate; 3] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
];
/// Twenty seconds.
const FRAMES: u64 = 1_000;
/// What a channel or the runtime may allocate now and then, for each frame.
const NOW_AND_THEN: f64 = 0.05;

/// A socket in memory: gives what it is fed, and drops what it is given. Allocates nothing by itself.
#[derive(Clone)]
struct Memory(Arc<Mutex<Fed>>);

#[derive(Default)]
struct Fed {
    message: Option<WireMessage>,
    reader: Option<Waker>,
    sent: u64,
}

impl Memory {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn feed(&self, message: WireMessage) {
        let mut fed = self.0.lock().unwrap();
        assert!(fed.message.replace(message).is_none(), "it was not read");
        if let Some(reader) = fed.reader.take() {
            reader.wake();
        }
    }

    fn sent(&self) -> u64 {
        self.0.lock().unwrap().sent
    }
}

impl Stream for Memory {
    type Item = Result<WireMessage, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut fed = self.0.lock().unwrap();
        match fed.message.take() {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => {
                fed.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Sink<WireMessage> for Memory {
    type Error = SocketError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: WireMessage) -> Result<(), SocketError> {
        self.0.lock().unwrap().sent += 1;
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }
}

/// A running stream of that carrier.
struct Live {
    socket: Memory,
    stream: Box<dyn Streamer>,
    ring: Ring,
}

impl Live {
    async fn start(carrier: Carrier, rate: SampleRate) -> Self {
        let socket = Memory::new();
        let options = StreamOptions::default().with_format(pcm16(rate));
        let ticket = carrier.ticket(options);
        socket.feed(carrier.start());
        let account = carrier.account();
        let stream = account.streamer(Box::new(socket.clone()), ticket);
        let mut stream = stream.await.unwrap();
        assert_eq!(stream.recv().await, Some(MediaEvent::Started));
        let ring = Ring::new(carrier);
        Self {
            socket,
            stream,
            ring,
        }
    }

    /// The next frame of the caller.
    async fn hear(&mut self) -> Bytes {
        // Time stands still, but for this.
        tokio::time::advance(FRAME).await;
        self.socket.feed(self.ring.advance().message.clone());
        loop {
            if let MediaEvent::Audio(frame) = self.stream.recv().await.unwrap() {
                return frame.payload;
            }
        }
    }

    async fn listen(&mut self) {
        for _ in 0..FRAMES {
            self.hear().await;
        }
    }

    async fn echo(&mut self) {
        for _ in 0..FRAMES {
            let audio = self.hear().await;
            self.stream.send(audio).await.unwrap();
            tokio::task::yield_now().await;
        }
    }
}

/// Allocations of each of [`FRAMES`] frames, and the bytes by which memory grew.
fn count(runtime: &tokio::runtime::Runtime, run: impl Future<Output = ()>) -> (f64, i64) {
    let info = allocation_counter::measure(|| runtime.block_on(run));
    (info.count_total as f64 / FRAMES as f64, info.bytes_current)
}

#[test]
fn a_frame_costs_few_allocations_and_none_stays() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    println!("| allocations a frame | received | echoed |\n|---|--:|--:|");
    for carrier in Carrier::ALL {
        for rate in RATES {
            let mut live = runtime.block_on(Live::start(carrier, rate));
            // Buffers grow to what they need.
            runtime.block_on(live.listen());
            let (received, grew) = count(&runtime, live.listen());
            let what = format!("{}, {} kHz", carrier.name(), rate.hz() / 1_000);
            assert!(
                received <= 2.0 + NOW_AND_THEN,
                "{what}: {received} for a received frame"
            );
            assert_eq!(grew, 0, "{what}: memory grows with received frames");
            runtime.block_on(live.echo());
            let before = live.socket.sent();
            let (echoed, grew) = count(&runtime, live.echo());
            assert!(live.socket.sent() - before >= FRAMES - 1, "{what}");
            println!("| {what} | {received:.2} | {echoed:.2} |");
            assert!(
                echoed <= 5.0 + NOW_AND_THEN,
                "{what}: {echoed} for an echoed frame"
            );
            assert!(grew < 4 << 10, "{what}: {grew} bytes more after an echo");
        }
    }
}
