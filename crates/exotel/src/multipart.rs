//! `multipart/form-data` (RFC 7578): how Exotel posts its status callbacks unless it is told otherwise.
//!
//! A whole body that is in memory already and holds a dozen short texts: no stream, no files, and nothing to wait for.

/// More fields than that are no callback.
const MAX_PARTS: usize = 512;
/// The longest header block of one part, in bytes.
const MAX_HEADER_BYTES: usize = 4096;
/// The longest boundary (RFC 2046, 5.1.1), in bytes.
const MAX_BOUNDARY_BYTES: usize = 70;

/// The boundary that a `Content-Type` names, if it is one.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let (_, parameters) = content_type.split_once(';')?;
    let boundary = parameter(parameters, "boundary")?;
    let fits = (1..=MAX_BOUNDARY_BYTES).contains(&boundary.len())
        && boundary
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    fits.then_some(boundary)
}

/// The fields of `body` in order, as names and texts. What is not UTF-8 becomes replacement characters.
pub(crate) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, &'static str> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter may stand at the very beginning.
    let (_, mut next) = match body
        .strip_prefix(&delimiter.as_bytes()[2..])
        .and_then(after)
    {
        Some(next) => (&body[..0], next),
        None => split_at_delimiter(body, delimiter.as_bytes()).ok_or("no part begins")?,
    };
    let mut fields = Vec::new();
    while let Next::Part(rest) = next {
        if fields.len() == MAX_PARTS {
            return Err("there are too many parts");
        }
        let (part, after) =
            split_at_delimiter(rest, delimiter.as_bytes()).ok_or("the last part does not end")?;
        fields.push(field(part)?);
        next = after;
    }
    Ok(fields)
}

/// What a delimiter introduces.
enum Next<'a> {
    Part(&'a [u8]),
    End,
}

/// What stands before the next delimiter, and what it introduces. The same letters in front of anything else are text.
fn split_at_delimiter<'a>(text: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], Next<'a>)> {
    let mut from = 0;
    loop {
        let at = from + find(&text[from..], delimiter)?;
        if let Some(next) = after(&text[at + delimiter.len()..]) {
            return Some((&text[..at], next));
        }
        from = at + 1;
    }
}

/// What follows the letters of a delimiter: two dashes, or blanks and a line end; else it was none.
fn after(rest: &[u8]) -> Option<Next<'_>> {
    if rest.starts_with(b"--") {
        return Some(Next::End);
    }
    let blanks = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    rest[blanks..].strip_prefix(b"\r\n").map(Next::Part)
}

fn field(part: &[u8]) -> Result<(String, String), &'static str> {
    // A part without any header begins with the empty line.
    let (headers, value) = match part.strip_prefix(b"\r\n") {
        Some(value) => (&part[..0], value),
        None => {
            let end = find(part, b"\r\n\r\n").ok_or("the headers of a part do not end")?;
            (&part[..end], &part[end + 4..])
        }
    };
    if headers.len() > MAX_HEADER_BYTES {
        return Err("the headers of a part are too long");
    }
    let headers = String::from_utf8_lossy(headers);
    let name = headers.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        let (disposition, parameters) = value.split_once(';')?;
        let is_field = header.trim().eq_ignore_ascii_case("content-disposition")
            && disposition.trim().eq_ignore_ascii_case("form-data");
        is_field.then(|| parameter(parameters, "name")).flatten()
    });
    let name = name.ok_or("a part has no name")?;
    Ok((name, String::from_utf8_lossy(value).into_owned()))
}

/// The value of one parameter out of `a=b; c="d"`.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        let (key, tail) = rest.split_once('=')?;
        let tail = tail.trim_start();
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = tail.find(';').unwrap_or(tail.len());
                (tail[..end].trim().to_owned(), &tail[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The text up to the closing quote, and what follows it. Browsers write a quote inside as `%22`, mail programs as `\"`.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value.replace("%22", "\""), &text[at + 1..])),
            '\\' if text[at + 1..].starts_with(['"', '\\']) => {
                value.extend(chars.next().map(|(_, c)| c))
            }
            c => value.push(c),
        }
    }
    None
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn boundaries_are_found_in_any_dress() {
        for (content_type, wanted) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "multipart/form-data;BOUNDARY=\"a b\"; charset=x",
                Some("a b"),
            ),
            (
                "multipart/form-data; charset=utf-8; boundary=abc ",
                Some("abc"),
            ),
            ("multipart/form-data; xboundary=abc", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"open", None),
            ("multipart/form-data", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), wanted, "{content_type}");
        }
        assert_eq!(
            boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))),
            None
        );
    }

    #[test]
    fn values_are_taken_byte_for_byte() {
        let body = b"preamble\r\n--B\r\nContent-Disposition: form-data; name=\"a\\\"b%22\"\r\n\r\n--Bx\r\n\r\n--B \t\r\n\
            content-type: text/plain\r\nCONTENT-DISPOSITION:form-data;name=Legs[0][Status]\r\n\r\ncompleted\r\n--B--\r\nepilogue";
        assert_eq!(
            fields(body, "B").unwrap(),
            [
                ("a\"b\"".to_owned(), "--Bx\r\n".to_owned()),
                ("Legs[0][Status]".to_owned(), "completed".to_owned())
            ]
        );
        assert_eq!(fields(b"--B--", "B").unwrap(), []);
    }

    #[test]
    fn what_is_broken_is_refused() {
        for body in [
            &b""[..],
            b"CallSid=1",
            b"--B",
            b"--Bx\r\n\r\n\r\n",
            b"--B\r\n\r\nno name\r\n--B--",
            b"--B\r\nContent-Disposition: form-data\r\n\r\nv\r\n--B--",
            b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut off",
            b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n--B--",
        ] {
            assert!(
                fields(body, "B").is_err(),
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
        let many = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(600);
        assert_eq!(
            fields(format!("{many}--B--").as_bytes(), "B"),
            Err("there are too many parts")
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            wanted in proptest::collection::vec(("[A-Za-z0-9\\[\\]]{1,20}", "[^-]{0,40}"), 0..20)
        ) {
            let mut body = String::new();
            for (name, value) in &wanted {
                body += &format!("--=_b1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            }
            body += "--=_b1--\r\n";
            prop_assert_eq!(fields(body.as_bytes(), "=_b1").unwrap(), wanted);
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
            let _ = fields(&body, "B");
            let _ = fields([b"--B\r\n", &body[..], b"\r\n--B--"].concat().as_slice(), "B");
            let _ = fields(text.as_bytes(), &text);
            let _ = boundary(&format!("multipart/form-data; {text}"));
        }
    }
}
