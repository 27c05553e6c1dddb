//! The example `soak` as a user runs it, for a moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

fn soak(arguments: &[&str]) -> (i32, String, String) {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let name = format!("soak{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(target.join("examples").join(name));
    let Output {
        status,
        stdout,
        stderr,
    } = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn calls_come_and_go_and_nothing_is_left() {
    let (code, out, err) = soak(&["--minutes", "0.1", "--rate", "5"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let calls = out
        .lines()
        .find(|line| line.starts_with("calls: "))
        .unwrap();
    assert!(calls.ends_with("failed: 0"), "{calls}");
    assert!(out.contains("after it: 0 live streams"), "{out}");
    assert!(out.ends_with("nothing grows, nothing is left\n"), "{out}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for arguments in [&["--minutes"][..], &["--rate", "0"], &["--colour", "red"]] {
        let (code, _, err) = soak(arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains("--help"), "{err}");
    }
    let (code, out, _) = soak(&["--help"]);
    assert!(code == 0 && out.contains("usage: soak"), "{out}");
}
