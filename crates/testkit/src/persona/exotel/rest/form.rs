//! Parameters of a request, of either kind of form.

use crate::complaint::Finding;
use crate::engine::{RestRequest, UrlParts};

/// Parameters that are taken out as they are read: what is left is unknown.
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
    pub(crate) findings: Vec<Finding>,
}

impl Form {
    pub(crate) fn of(request: &RestRequest) -> Self {
        let mut findings = vec![];
        let pairs = match request.media_type().as_str() {
            "multipart/form-data" => multipart(request.header("content-type"), &request.body),
            "application/x-www-form-urlencoded" => Some(request.form()),
            _ => None,
        };
        if pairs.is_none() {
            findings.push(Finding::error(
                "not-a-form",
                "the body of the request is no form that can be read: it has no parameters",
            ));
        }
        Self {
            pairs: pairs.unwrap_or_default(),
            findings,
        }
    }

    /// The last value of a name that is there and not empty.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let mut found = None;
        self.pairs.retain_mut(|(known, value)| {
            if known != name {
                return true;
            }
            if !value.is_empty() {
                found = Some(std::mem::take(value));
            }
            false
        });
        found
    }

    /// All values of `name[]`, `name[0]`, `name[1]` and so on.
    pub(crate) fn list(&mut self, name: &str) -> Vec<String> {
        let mut values = vec![];
        self.pairs.retain_mut(|(known, value)| {
            let index = known
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
            let belongs =
                index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()));
            if belongs {
                values.push(std::mem::take(value));
            }
            !belongs
        });
        values
    }

    pub(crate) fn seconds(&mut self, name: &str, most: u64) -> Result<Option<u64>, String> {
        match self.text(name).map(|text| text.parse()) {
            None => Ok(None),
            Some(Ok(seconds)) if (1..=most).contains(&seconds) => Ok(Some(seconds)),
            Some(_) => Err(format!("{name} must be between 1 and {most}")),
        }
    }

    pub(crate) fn word(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, String> {
        match self.text(name) {
            Some(word) if !words.contains(&word.as_str()) => {
                Err(format!("{name} must be one of {}", words.join(", ")))
            }
            word => Ok(word),
        }
    }

    pub(crate) fn url(&mut self, name: &str, schemes: &[&str]) -> Result<Option<String>, String> {
        match self.text(name) {
            Some(url)
                if UrlParts::parse(&url)
                    .is_none_or(|parts| !schemes.contains(&parts.scheme.as_str())) =>
            {
                Err(format!("{name} must begin with {}", schemes.join(" or ")))
            }
            url => Ok(url),
        }
    }

    /// Complains of what belongs to other modes.
    pub(crate) fn foreign(&mut self, names: &[&str]) {
        for name in names {
            if self.text(name).is_some() {
                self.findings.push(Finding::warning(
                    "foreign-parameter",
                    format!("{name} does not belong to this kind of call: it is ignored"),
                ));
            }
        }
    }

    /// Complains of what nobody has read.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        let mut names: Vec<String> = self.pairs.into_iter().map(|(name, _)| name).collect();
        names.dedup();
        for name in names {
            let shown: String = name.chars().take(40).collect();
            self.findings.push(Finding::warning(
                "unknown-parameter",
                format!(
                    "the parameter \"{shown}\" is unknown (names are PascalCase): it is ignored"
                ),
            ));
        }
        self.findings
    }
}

/// The texts of a multipart form; nothing when it cannot be read.
fn multipart(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    if boundary.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let border = format!("--{boundary}");
    let mut pairs = vec![];
    let mut parts = text.split(border.as_str());
    parts.next()?;
    for part in parts {
        if part.starts_with("--") {
            return Some(pairs);
        }
        let (head, content) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once("name=\"")?;
        let (name, _) = name.split_once('"')?;
        let content = content.strip_suffix("\r\n")?;
        pairs.push((name.to_owned(), content.to_owned()));
    }
    // The last border was missing.
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_multipart_form_is_read() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"From\"\r\n\r\n+91\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"To\"\r\n\r\n\r\n--x--\r\n";
        assert_eq!(
            multipart("multipart/form-data; boundary=\"x\"", body.as_bytes()),
            Some(vec![
                ("From".into(), "+91".into()),
                ("To".into(), String::new())
            ])
        );
        for (content_type, body) in [
            ("multipart/form-data", body),
            ("multipart/form-data; boundary=y", body),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nname=\"a\"\r\n\r\nb\r\n",
            ),
        ] {
            assert_eq!(
                multipart(content_type, body.as_bytes()),
                None,
                "{content_type}"
            );
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(head in ".{0,40}", body in "[-x\r\n\"=a-z;: ]{0,120}") {
            let _ = multipart(&head, body.as_bytes());
            let _ = multipart("multipart/form-data; boundary=x", body.as_bytes());
        }
    }
}
