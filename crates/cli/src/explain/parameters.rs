//! The parameters of a form as they are appended to what is signed, and what apps and frameworks make of them.

/// Names and values, decoded.
pub(crate) type Pairs = Vec<(String, String)>;

/// One way to append the parameters, and what is wrong with it.
pub(crate) type Appended = (String, Option<&'static str>);

/// The pairs of a form or a query.
pub(crate) fn pairs(form: &[u8]) -> Pairs {
    form_urlencoded::parse(form).into_owned().collect()
}

/// Each name with its value, and nothing between them.
pub(crate) fn joined(pairs: Pairs) -> String {
    pairs
        .into_iter()
        .map(|(name, value)| name + &value)
        .collect()
}

/// The right way first, then the wrong ones that are known. `sorted` is the carrier's order.
pub(crate) fn appendices(form: &[u8], sorted: fn(Pairs) -> Pairs) -> Vec<Appended> {
    let pairs = pairs(form);
    let in_order = |pairs| joined(sorted(pairs));
    vec![
        (in_order(pairs.clone()), None),
        (
            in_order(with_literal_plus(form)),
            Some(
                "a + in the body is a plus sign: the body was written down decoded, or its numbers are not encoded",
            ),
        ),
        (
            in_order(undecoded(form)),
            Some("the values are not percent-decoded: sign over the decoded ones"),
        ),
        (
            in_order(filled(&pairs)),
            Some("parameters without a value are left out: the carrier signs them, too"),
        ),
        (
            in_order(trimmed(&pairs)),
            Some("white space around the values is cut off"),
        ),
        (
            joined(pairs),
            Some("the parameters are not sorted by their names"),
        ),
        (
            String::new(),
            Some("the parameters of the body are left out"),
        ),
        (
            String::from_utf8_lossy(form).into_owned(),
            Some("the raw body is appended, not its sorted parameters"),
        ),
    ]
}

fn with_literal_plus(form: &[u8]) -> Pairs {
    let form = String::from_utf8_lossy(form).replace('+', "%2B");
    pairs(form.as_bytes())
}

fn undecoded(form: &[u8]) -> Pairs {
    String::from_utf8_lossy(form)
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn filled(pairs: &Pairs) -> Pairs {
    let has_value = |pair: &&(String, String)| !pair.1.is_empty();
    pairs.iter().filter(has_value).cloned().collect()
}

fn trimmed(pairs: &Pairs) -> Pairs {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.trim().to_owned()))
        .collect()
}
