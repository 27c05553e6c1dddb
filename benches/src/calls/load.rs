//! The callers: light, so that they leave the machine to the server.

use crate::serve::{ACCOUNT, TOKEN};
use crate::{Kind, proc};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use telephony::audio::AudioFormat;
use telephony_benches::{FRAME, sound};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How many calls are set up at once.
const AT_ONCE: usize = 20;
/// What so many calls need was needed once for all: code, tables, the allocator's stock. Memory is counted from there.
const FIRST: usize = 40;
/// Buffers and the machine's caches settle.
const WARM_UP: Duration = Duration::from_secs(2);
/// How messages with audio begin, from every server.
const MEDIA: &[u8] = br#"{"event":"media""#;

/// What one run showed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Result {
    /// Processor time of the server for each frame that came and went back, in ns.
    pub(crate) cpu: f64,
    /// Resident memory of the server for one more call, in KiB.
    pub(crate) memory: f64,
    /// How long a frame took to come back, in µs: half of them, 99 %, 99.9 %.
    pub(crate) latency: [f64; 3],
    /// How many came back for each that was sent.
    pub(crate) returned: f64,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// What all calls share.
struct Load {
    kind: Kind,
    address: SocketAddr,
    /// Few are set up at once.
    setup: Semaphore,
    up: AtomicUsize,
    is_measuring: AtomicBool,
    is_over: AtomicBool,
}

/// What one call saw while it was measured.
#[derive(Default)]
struct Seen {
    sent: usize,
    micros: Vec<u32>,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(
    kind: Kind,
    address: SocketAddr,
    server: u32,
    calls: usize,
    window: Duration,
) -> Result {
    let load = Arc::new(Load {
        kind,
        address,
        setup: Semaphore::new(AT_ONCE),
        up: AtomicUsize::new(0),
        is_measuring: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let mut tasks = JoinSet::new();
    let first = FIRST.min(calls / 2);
    set_up(&load, &mut tasks, 0..first).await;
    let resident_at_first = proc::resident_kib(server);
    set_up(&load, &mut tasks, first..calls).await;
    sleep(WARM_UP).await;
    let before = proc::cpu(server);
    load.is_measuring.store(true, Ordering::Relaxed);
    sleep(window).await;
    load.is_measuring.store(false, Ordering::Relaxed);
    let cpu = proc::cpu(server) - before;
    let grown = proc::resident_kib(server).saturating_sub(resident_at_first);
    load.is_over.store(true, Ordering::Relaxed);
    let all = tasks.join_all().await;
    let sent: usize = all.iter().map(|seen| seen.sent).sum();
    let mut micros: Vec<u32> = all.into_iter().flat_map(|seen| seen.micros).collect();
    micros.sort_unstable();
    let quantile = |part: f64| f64::from(micros[(micros.len() as f64 * part) as usize]);
    Result {
        cpu: cpu.as_nanos() as f64 / micros.len() as f64,
        memory: grown as f64 / (calls - first) as f64,
        latency: [0.5, 0.99, 0.999].map(quantile),
        returned: micros.len() as f64 / sent as f64,
    }
}

async fn set_up(load: &Arc<Load>, tasks: &mut JoinSet<Seen>, numbers: Range<usize>) {
    let end = numbers.end;
    for number in numbers {
        tasks.spawn(call(Arc::clone(load), number));
    }
    while load.up.load(Ordering::Relaxed) < end {
        sleep(Duration::from_millis(50)).await;
    }
    sleep(WARM_UP / 4).await;
}

/// Sends a frame every 20 ms and notes when each comes back.
async fn call(load: Arc<Load>, number: usize) -> Seen {
    let mut line = {
        let _turn = load.setup.acquire().await.unwrap();
        Line::open(&load, number).await
    };
    load.up.fetch_add(1, Ordering::Relaxed);
    // Calls do not speak all at the same moment.
    let phase = FRAME.mul_f64(number as f64 * 0.618 % 1.0);
    let mut due = Instant::now() + phase;
    let mut under_way: VecDeque<Instant> = VecDeque::new();
    let mut seen = Seen::default();
    while !load.is_over.load(Ordering::Relaxed) {
        let is_measuring = load.is_measuring.load(Ordering::Relaxed);
        tokio::select! {
            () = sleep_until(due) => {
                under_way.push_back(Instant::now());
                line.speak().await;
                due += FRAME;
                seen.sent += usize::from(is_measuring);
            }
            came = line.hear() => for _ in 0..came {
                let sent = under_way.pop_front().expect("what comes back was sent");
                if is_measuring {
                    let micros = sent.elapsed().as_micros();
                    seen.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
            },
        }
    }
    seen
}

/// One call's WebSocket. Written by hand because a library would do more than is needed.
struct Line {
    stream: TcpStream,
    /// What was read and is no whole message yet.
    read: Vec<u8>,
    message: Vec<u8>,
    payload: String,
    frames: usize,
}

impl Line {
    async fn open(load: &Load, number: usize) -> Self {
        let path = if load.kind.is_whole() {
            webhook(load.address, number).await
        } else {
            "/".to_owned()
        };
        let signature = sign(&format!("ws://{}{path}", load.address));
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-twilio-signature: {signature}\r\n\r\n",
            load.address
        );
        let mut stream = TcpStream::connect(load.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let end = loop {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "refused");
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        assert!(
            read.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&read)
        );
        read.drain(..end);
        let mut line = Self {
            stream,
            read,
            message: Vec::new(),
            payload: STANDARD.encode(sound(AudioFormat::MULAW_8000)),
            frames: 0,
        };
        line.say(&start(number)).await;
        line
    }

    async fn speak(&mut self) {
        let (chunk, ms) = (self.frames + 1, self.frames as u128 * FRAME.as_millis());
        let text = format!(
            r#"{{"event":"media","sequenceNumber":"{}","media":{{"track":"inbound","chunk":"{chunk}","timestamp":"{ms}","payload":"{}"}},"streamSid":"MZ00000000000000000000000000000001"}}"#,
            chunk + 1,
            self.payload,
        );
        self.frames += 1;
        self.say(&text).await;
    }

    /// A text message, masked with zeros: what comes and goes stays readable.
    async fn say(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap();
        assert!(length > 125, "a message of two length bytes");
        self.message.clear();
        self.message.extend([0x81, 0x80 | 126]);
        self.message.extend(length.to_be_bytes());
        self.message.extend([0; 4]);
        self.message.extend(text.as_bytes());
        self.stream.write_all(&self.message).await.unwrap();
    }

    /// How many frames came.
    async fn hear(&mut self) -> usize {
        self.stream.readable().await.unwrap();
        let mut bytes = [0; 4096];
        match self.stream.try_read(&mut bytes) {
            Ok(0) => panic!("the server hung up"),
            Ok(length) => self.read.extend(&bytes[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return 0,
            Err(error) => panic!("{error}"),
        }
        let (mut at, mut frames) = (0, 0);
        while let Some((head, length)) = message(&self.read[at..]) {
            frames += usize::from(self.read[at + head..].starts_with(MEDIA));
            at += head + length;
        }
        self.read.drain(..at);
        frames
    }
}

/// The lengths of a message's head and of the rest, if it is all there.
fn message(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, length) = match *bytes {
        [0x81 | 0x89, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        [0x81 | 0x89, length @ ..=125, ..] => (2, usize::from(length)),
        [] | [_] | [_, 126, ..] => return None,
        [first, second, ..] => panic!("not a message that we expect: {first:#x} {second:#x}"),
    };
    (bytes.len() >= head + length).then_some((head, length))
}

fn start(number: usize) -> String {
    let call = call_sid(number);
    format!(
        r#"{{"event":"start","sequenceNumber":"1","start":{{"accountSid":"{ACCOUNT}","streamSid":"MZ00000000000000000000000000000001","callSid":"{call}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{}}}},"streamSid":"MZ00000000000000000000000000000001"}}"#
    )
}

fn call_sid(number: usize) -> String {
    format!("CA{number:032x}")
}

/// Says that a call comes in; gives the path of its media socket.
async fn webhook(address: SocketAddr, number: usize) -> String {
    let call = call_sid(number);
    let form = [
        ("AccountSid", ACCOUNT),
        ("CallSid", call.as_str()),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", "client:caller"),
        ("To", "client:bot"),
    ];
    let url = format!("http://{address}/twilio/call");
    let signed = form
        .iter()
        .fold(url, |text, (name, value)| text + name + value);
    let body = form
        .map(|(name, value)| format!("{name}={value}"))
        .join("&");
    let request = format!(
        "POST /twilio/call HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         x-twilio-signature: {}\r\ncontent-length: {}\r\n\r\n{body}",
        sign(&signed),
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let begin = format!("ws://{address}");
    let path = answer
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once('"'));
    path.unwrap_or_else(|| panic!("no stream in {answer}"))
        .0
        .to_owned()
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
