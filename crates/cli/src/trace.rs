//! Trace files: a line about the call, then one line for each message, both ways.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telephony_testkit::{TraceEntry, TraceKind};

use crate::exit::{Failure, Result};
use crate::secrets::Secrets;

/// The first line of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Always `call`.
    pub(crate) kind: String,
    pub(crate) carrier: String,
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
}

/// Any other line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Message {
    pub(crate) at_ms: f64,
    pub(crate) way: String,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) head: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) bytes: usize,
}

impl Message {
    pub(crate) fn at(&self) -> Duration {
        Duration::try_from_secs_f64(self.at_ms / 1_000.0).unwrap_or_default()
    }

    pub(crate) fn is_to_app(&self) -> bool {
        self.way == "to-app"
    }
}

/// Writes a file as the call goes on. Secrets are blotted out.
#[derive(Debug)]
pub(crate) struct TraceWriter {
    file: BufWriter<File>,
    secrets: Secrets,
}

impl TraceWriter {
    pub(crate) fn create(path: &Path, head: &Head, secrets: &Secrets) -> Result<Self> {
        let fail = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
        let mut writer = Self {
            file: BufWriter::new(File::create(path).map_err(fail)?),
            secrets: secrets.clone(),
        };
        let line = serde_json::to_string(head).unwrap_or_default();
        writer.line(&line).map_err(fail)?;
        Ok(writer)
    }

    pub(crate) fn entry(&mut self, entry: &TraceEntry) -> io::Result<()> {
        self.line(&entry.json_line())?;
        match entry.kind {
            TraceKind::Text | TraceKind::Binary => Ok(()),
            // Whoever follows the file sees what matters at once.
            _ => self.file.flush(),
        }
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.file, "{}", self.secrets.mask(line))
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<(Head, Vec<Message>)> {
    let fail = |what: String| Failure::usage(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| fail(error.to_string()))?;
    let mut head = None;
    let mut messages = vec![];
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| fail(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let unreadable = |_| fail(format!("line {} is no line of a trace", number + 1));
        if head.is_none() {
            let first: Head = serde_json::from_str(&line).map_err(unreadable)?;
            head = Some(first);
        } else {
            messages.push(serde_json::from_str(&line).map_err(unreadable)?);
        }
    }
    let head = head.filter(|head| head.kind == "call").ok_or_else(|| {
        fail(
            "the first line does not say which call it is: record it with `telephony call --trace`"
                .into(),
        )
    })?;
    Ok((head, messages))
}
