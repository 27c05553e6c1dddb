//! Bytes that nobody documents, the same in every run.

use serde_json::{Map, Value};

/// A generator of numbers (xorshift64*), from a fixed seed.
#[derive(Clone, Debug)]
pub(super) struct Noise(u64);

/// What parsers stumble over.
const BYTES: &[u8] = &[
    0, b'\n', b'"', b'%', b'&', b'+', b'-', b'/', b'0', b'9', b'<', b'=', b'[', b'\\', b'{', 0x7f,
    0x80, 0xc3, 0xff,
];
const TEXTS: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "NaN",
    "18446744073709551616",
    "null",
    "true",
    "%00",
    "\u{0}",
    "\u{feff}",
    "\u{1f4de}",
    "<a&b>\"'",
    "{}",
    "[[",
    "../../..",
    "+",
    "sip:",
    "client:",
];

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            bound => (self.next() >> 33) as usize % bound,
        }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// A text that parsers stumble over, or a very long one.
    pub(super) fn text(&mut self) -> String {
        match self.below(TEXTS.len() + 2) {
            at if at < TEXTS.len() => TEXTS[at].to_owned(),
            at if at == TEXTS.len() => "9".repeat(40),
            _ => "x".repeat(5_000),
        }
    }

    /// `bytes` with some of them changed, left out, doubled or put in.
    pub(super) fn spoil(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut spoilt = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(spoilt.len());
            match self.below(5) {
                0 if !spoilt.is_empty() => spoilt[at] ^= 1 << self.below(8),
                1 if !spoilt.is_empty() => spoilt[at] = BYTES[self.below(BYTES.len())],
                2 => spoilt.truncate(at),
                3 => {
                    let more = self.below(9);
                    let more = self.bytes(more);
                    spoilt.splice(at..at, more);
                }
                _ => {
                    let end = at + self.below(spoilt.len() - at);
                    let doubled = spoilt[at..end].to_vec();
                    spoilt.splice(at..at, doubled);
                }
            }
        }
        spoilt
    }

    /// A JSON value in which one thing is of another kind, left out or put in.
    pub(super) fn spoil_json(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() && self.below(8) > 0 => {
                let at = self.below(fields.len());
                let Some(name) = fields.keys().nth(at).cloned() else {
                    return;
                };
                match self.below(8) {
                    0 => drop(fields.remove(&name)),
                    1 => {
                        let (new, other) = (self.text(), self.any());
                        fields.insert(new, other);
                    }
                    _ => {
                        if let Some(field) = fields.get_mut(&name) {
                            self.spoil_json(field);
                        }
                    }
                }
            }
            Value::Array(items) if !items.is_empty() && self.below(4) > 0 => {
                let at = self.below(items.len());
                self.spoil_json(&mut items[at]);
            }
            other => *other = self.any(),
        }
    }

    fn any(&mut self) -> Value {
        match self.below(8) {
            0 => Value::Null,
            1 => Value::from(true),
            2 => Value::from(-1),
            3 => Value::from(u64::MAX),
            4 => Value::from(1e308),
            5 => Value::Array(vec![Value::Null, Value::from("x")]),
            6 => Value::Object(Map::new()),
            _ => Value::from(self.text()),
        }
    }
}
