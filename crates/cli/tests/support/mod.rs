//! What the tests of the command share: the command as a process, and apps to call.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are tests"
)]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub const PUBLIC: &str = "https://voice.example.com";
pub const TWILIO_TOKEN: &str = "twilio-auth-token-of-the-tests";
pub const VONAGE_SECRET: &str = "vonage-signature-secret-of-the-tests";
pub const EXOTEL_SECRET: &str = "exotel-webhook-secret-of-the-tests";
pub const PLIVO_TOKEN: &str = "plivo-auth-token-of-the-tests";
const VARIABLES: [(&str, &str); 12] = [
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
    ("TWILIO_AUTH_TOKEN", TWILIO_TOKEN),
    ("VONAGE_API_KEY", "a1b2c3d4"),
    (
        "VONAGE_APPLICATION_ID",
        "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    ),
    (
        "VONAGE_PRIVATE_KEY",
        "-----BEGIN PRIVATE KEY-----\nunused\n-----END PRIVATE KEY-----\n",
    ),
    ("VONAGE_SIGNATURE_SECRET", VONAGE_SECRET),
    ("EXOTEL_ACCOUNT_SID", "exampleacct1"),
    ("EXOTEL_API_KEY", "example-key"),
    ("EXOTEL_API_TOKEN", "example-token"),
    ("EXOTEL_WEBHOOK_SECRET", EXOTEL_SECRET),
    ("PLIVO_AUTH_ID", "MA00000000000000000001"),
    ("PLIVO_AUTH_TOKEN", PLIVO_TOKEN),
];
/// No command here takes longer, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// The command without any variable.
pub fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telephony"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// The command with the secrets of the tests.
pub fn telephony(arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command.envs(VARIABLES);
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The codes of complaints that are no notes, and of the notes if they are wanted.
    pub fn codes(&self, notes: bool) -> Vec<String> {
        let result = self.json();
        let complaints = result["call"]["complaints"].as_array().unwrap();
        let wanted = complaints
            .iter()
            .filter(|complaint| notes || complaint["severity"] != "note");
        let mut codes: Vec<_> = wanted
            .map(|complaint| complaint["code"].as_str().unwrap().to_owned())
            .collect();
        codes.dedup();
        codes
    }
}

pub async fn run(command: &mut Command) -> Ended {
    let output = tokio::time::timeout(DEADLINE, command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("it hangs").unwrap();
    Ended {
        code: status.code().expect("it was killed"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A process that serves; it is ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    pub child: Child,
}

impl Server {
    /// Starts it, and waits for the line of stdout that has its URL.
    pub async fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = tokio::time::timeout(DEADLINE, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server ended");
                if let Some(at) = line.find("http://127.0.0.1:") {
                    return line[at..].trim().to_owned();
                }
            }
        });
        let url = url.await.expect("the server says nothing");
        // Whoever writes to a closed pipe ends.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, child }
    }
}

/// The library's own example, which says back what it hears.
pub async fn echo() -> Server {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let binary = target
        .join("examples")
        .join(format!("echo{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.is_file(),
        "{} is missing: `cargo test --workspace` builds it, and so does `cargo build --example echo`",
        binary.display()
    );
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(VARIABLES)
        .env("TELEPHONY_LISTEN", "127.0.0.1:0")
        .env("TELEPHONY_PUBLIC_URL", PUBLIC);
    Server::start(&mut command).await
}

/// The app in Python, or nothing where there is no Python with aiohttp and nobody insists.
pub async fn python() -> Option<Server> {
    let python = std::env::var("TELEPHONY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_aiohttp = Command::new(&python)
        .args(["-c", "import aiohttp"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success());
    if !has_aiohttp {
        let insists = std::env::var("TELEPHONY_REQUIRE_PYTHON").is_ok_and(|value| value == "1");
        assert!(
            !insists,
            "there is no Python with aiohttp: TELEPHONY_PYTHON says which to use"
        );
        eprintln!("skipped: there is no Python with aiohttp");
        return None;
    }
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/app/app.py");
    let mut command = Command::new(python);
    command.arg(app).arg("0").envs(VARIABLES);
    Some(Server::start(&mut command).await)
}

/// A directory of one test alone, gone at its end.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("telephony-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
