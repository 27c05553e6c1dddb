//! The scripts. Each is one atomic step on keys of one slot.

use redis::Script;
use std::sync::LazyLock;

/// A script about one call.
macro_rules! on_call {
    ($($name:ident = $file:literal,)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/call.lua"), include_str!($file)))
        });)*
    };
}

/// A script that needs the time only.
macro_rules! on_time {
    ($($name:ident = $file:literal,)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/time.lua"), include_str!($file)))
        });)*
    };
}

on_call! {
    OPEN = "scripts/open.lua",
    DROP = "scripts/drop.lua",
    ATTACH = "scripts/attach.lua",
    DATA = "scripts/data.lua",
    MINT = "scripts/mint.lua",
    CLAIM = "scripts/claim.lua",
    LEAVE = "scripts/leave.lua",
    WATCH = "scripts/watch.lua",
    STOP = "scripts/stop.lua",
    NEXT = "scripts/next.lua",
    TAKE = "scripts/take.lua",
    BEGIN_TRANSFER = "scripts/begin_transfer.lua",
    END_TRANSFER = "scripts/end_transfer.lua",
    STATUS = "scripts/status.lua",
    END = "scripts/end.lua",
    EXAMINE = "scripts/examine.lua",
    ASK = "scripts/ask.lua",
    ORPHAN = "scripts/orphan.lua",
}

on_time! {
    DUE = "scripts/due.lua",
    ADMIT = "scripts/admit.lua",
    COUNT = "scripts/count.lua",
    RENEW = "scripts/renew.lua",
    LOST = "scripts/lost.lua",
    BURY = "scripts/bury.lua",
    BEGIN = "scripts/begin.lua",
    KEEP = "scripts/keep.lua",
}

pub(crate) static OWN_ID: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/own_id.lua")));
pub(crate) static FREE_ID: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/free_id.lua")));
