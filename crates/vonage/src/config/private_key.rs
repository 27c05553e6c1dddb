//! The application's private key, from PEM text or from a file.

use std::fs::File;
use std::io::Read as _;
use telephony_core::{Error, Result, Secret};

/// A key has less than 4 KiB; nobody means a file over this.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The PEM text of a private key that was configured as text or as the path to a file.
///
/// Environment variables often hold `\n` in the place of line breaks.
pub(super) fn read(configured: &Secret) -> Result<Secret> {
    let text = configured.expose().trim();
    if text.contains("-----BEGIN") {
        return checked(with_line_breaks(text).trim(), "`private_key`");
    }
    // The error does not repeat the path: it may be a key that was pasted without its first line.
    let mut content = String::new();
    File::open(text)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut content))
        .map_err(|error| {
            let detail =
                "`private_key` is neither PEM text nor the path of a file that can be read";
            Error::configuration(detail).with_source(std::io::Error::from(error.kind()))
        })?;
    checked(content.trim(), "the file that `private_key` names")
}

fn checked(pem: &str, what: &str) -> Result<Secret> {
    if is_private_key(pem) {
        Ok(Secret::new(format!("{pem}\n")))
    } else {
        Err(Error::configuration(format!(
            "{what} is not an unencrypted private key in PEM: it has `-----BEGIN PRIVATE KEY-----`, base64 and \
             `-----END PRIVATE KEY-----`"
        )))
    }
}

fn is_private_key(pem: &str) -> bool {
    Body::of(pem).is_some()
}

/// What is between the lines of a private key in PEM: PKCS#8, as Vonage gives it out, or PKCS#1.
pub(crate) struct Body {
    pub(crate) is_pkcs1: bool,
    /// Without blanks and line breaks.
    pub(crate) base64: String,
}

impl Body {
    pub(crate) fn of(pem: &str) -> Option<Self> {
        [("PRIVATE KEY", false), ("RSA PRIVATE KEY", true)]
            .iter()
            .find_map(|(label, is_pkcs1)| {
                let body = pem
                    .strip_prefix(&format!("-----BEGIN {label}-----"))?
                    .strip_suffix(&format!("-----END {label}-----"))?;
                let base64: String = body.split_ascii_whitespace().collect();
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
                (!base64.is_empty() && base64.bytes().all(fits)).then_some(Self {
                    is_pkcs1: *is_pkcs1,
                    base64,
                })
            })
    }
}

/// Real line breaks where `\n` was written for them.
pub(crate) fn with_line_breaks(text: &str) -> String {
    text.replace("\\r", "").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQ+/==\n-----END PRIVATE KEY-----\n";

    fn read_text(text: &str) -> Result<Secret> {
        read(&Secret::new(text))
    }

    #[test]
    fn text_is_taken_with_real_and_written_line_breaks() {
        for text in [
            PEM.to_owned(),
            PEM.replace('\n', "\\n"),
            PEM.replace('\n', "\\r\\n"),
            format!("  {PEM}"),
        ] {
            assert_eq!(read_text(&text).unwrap().expose(), PEM);
        }
        let rsa = PEM.replace("PRIVATE", "RSA PRIVATE");
        assert_eq!(read_text(&rsa).unwrap().expose(), rsa);
    }

    #[test]
    fn a_path_is_read() {
        let path = std::env::temp_dir().join(format!("vonage-key-{}.pem", std::process::id()));
        std::fs::write(&path, PEM).unwrap();
        let read = read_text(path.to_str().unwrap());
        std::fs::write(&path, "hunter2").unwrap();
        let wrong = read_text(path.to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap().expose(), PEM);
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("the file that `private_key` names")
        );
    }

    #[test]
    fn anything_else_is_refused_without_showing_it() {
        for text in [
            "hunter2",
            "/there/is/no/hunter2.pem",
            "-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nhunter2",
            "-----BEGIN PRIVATE KEY-----\n!hunter2!\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.to_string().contains("`private_key`"), "{error}");
            assert!(
                !format!("{error}{error:?}").contains("hunter2"),
                "{error:?}"
            );
        }
    }
}
