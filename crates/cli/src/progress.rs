//! What is written while a call goes on: progress for people, the trace file for later.
//!
//! The simulator must not wait for a disk or a terminal, so a thread of its own writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use telephony_testkit::{TraceEntry, TraceKind, Way};

use crate::secrets::Secrets;
use crate::terminal::{self, Paint};
use crate::trace::TraceWriter;

/// Messages that wait for the disk: some minutes of a call.
const WAITING: usize = 32_768;
/// How often the line that counts audio is written.
const REFRESH: Duration = Duration::from_millis(200);
/// No URL or message is shown any longer than this.
const WIDEST: usize = 110;

enum Item {
    Entry(Box<TraceEntry>),
    End,
}

/// Owns the thread that writes.
#[derive(Debug)]
pub(crate) struct Journal {
    sender: SyncSender<Item>,
    lost: Arc<AtomicUsize>,
    thread: JoinHandle<io::Result<()>>,
}

impl Journal {
    pub(crate) fn start(trace: Option<TraceWriter>, progress: Option<Progress>) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        Self {
            sender,
            lost: Arc::default(),
            thread: std::thread::spawn(move || write(&receiver, trace, progress)),
        }
    }

    /// To be told of every message.
    pub(crate) fn observer(&self) -> impl Fn(&TraceEntry) + Send + Sync + 'static {
        let (sender, lost) = (self.sender.clone(), Arc::clone(&self.lost));
        move |entry| {
            if sender
                .try_send(Item::Entry(Box::new(entry.clone())))
                .is_err()
            {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until everything is written: what went wrong, for people.
    pub(crate) fn finish(self) -> Option<String> {
        let _ = self.sender.send(Item::End);
        match self.thread.join() {
            Ok(Ok(())) => match self.lost.load(Ordering::Relaxed) {
                0 => None,
                lost => Some(format!("{lost} messages are missing: the disk is too slow")),
            },
            Ok(Err(error)) => Some(format!("the trace is not complete: {error}")),
            Err(_) => Some("the trace is not complete".to_owned()),
        }
    }
}

fn write(
    items: &Receiver<Item>,
    mut trace: Option<TraceWriter>,
    mut progress: Option<Progress>,
) -> io::Result<()> {
    while let Ok(Item::Entry(entry)) = items.recv() {
        if let Some(progress) = &mut progress {
            progress.entry(&entry);
        }
        if let Some(trace) = &mut trace {
            trace.entry(&entry)?;
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    trace.map_or(Ok(()), TraceWriter::finish)
}

/// Shows a call on stderr: each message in a line, audio as a count.
#[derive(Debug)]
pub(crate) struct Progress {
    paint: Paint,
    secrets: Secrets,
    to_app: usize,
    from_app: usize,
    shown: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self {
            paint: Paint::stderr(),
            secrets,
            to_app: 0,
            from_app: 0,
            shown: None,
        }
    }

    fn entry(&mut self, entry: &TraceEntry) {
        let count = match entry.way {
            Way::ToApp => &mut self.to_app,
            Way::FromApp => &mut self.from_app,
        };
        if is_audio(entry) {
            *count += 1;
            if *count == 1 {
                self.line(entry, "audio");
            }
            self.refresh(entry.at);
            return;
        }
        let what = describe(entry);
        self.line(entry, &what);
    }

    fn line(&self, entry: &TraceEntry, what: &str) {
        let arrow = match entry.way {
            Way::ToApp => "→",
            Way::FromApp => "←",
        };
        let what = shorten(&self.secrets.mask(what));
        let at = self.paint.dim(format!("{:8.3}", entry.at.as_secs_f64()));
        terminal::status("");
        terminal::tell(format!("{at} {arrow} {what}"));
    }

    fn refresh(&mut self, at: Duration) {
        if self.shown.is_some_and(|shown| shown.elapsed() < REFRESH) {
            return;
        }
        self.shown = Some(Instant::now());
        terminal::status(&format!(
            "{:8.1}   audio → {} ← {}",
            at.as_secs_f64(),
            self.to_app,
            self.from_app
        ));
    }

    fn finish(self) {
        terminal::status("");
    }
}

/// Whether it is one of the fifty messages a second that nobody wants to read.
pub(crate) fn is_audio(entry: &TraceEntry) -> bool {
    match entry.kind {
        TraceKind::Binary => true,
        TraceKind::Text => matches!(word(&entry.text).as_deref(), Some("media" | "playAudio")),
        _ => false,
    }
}

/// What a message on a media socket is called: its `event` or `action`, or where it has neither its first member.
fn word(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    let of = |name: &str| message.get(name)?.as_str().map(str::to_owned);
    of("event")
        .or_else(|| of("action"))
        .or_else(|| Some(message.as_object()?.keys().next()?.clone()))
}

fn describe(entry: &TraceEntry) -> String {
    match entry.kind {
        TraceKind::Request => entry.head.clone(),
        TraceKind::Response if entry.bytes == 0 => entry.head.clone(),
        TraceKind::Response => {
            let kind = entry
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
                .map_or("no content type", |(_, value)| value.as_str());
            format!("{}, {kind}, {} bytes", entry.head, entry.bytes)
        }
        TraceKind::Handshake => format!("socket {}", entry.head),
        TraceKind::Close => format!("close {}", entry.head),
        _ => word(&entry.text).unwrap_or_else(|| format!("a message of {} bytes", entry.bytes)),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= WIDEST {
        return text.to_owned();
    }
    let short: String = text.chars().take(WIDEST).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_names() {
        for (text, name) in [
            (r#"{"event":"media","media":{}}"#, "media"),
            (r#"{"action":"clear"}"#, "clear"),
            (r#"{"digit":"1"}"#, "digit"),
        ] {
            assert_eq!(word(text).as_deref(), Some(name));
        }
        assert_eq!(word("no JSON"), None);
        assert_eq!(shorten(&"ä".repeat(200)).chars().count(), WIDEST + 1);
    }
}
