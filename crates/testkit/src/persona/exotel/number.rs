//! Numbers as Exotel writes them.

/// Indian numbers as they were seen on the wire, with a zero and ten digits; all others as they are.
pub(crate) fn written(number: &str) -> String {
    match number.strip_prefix("+91") {
        Some(national)
            if national.len() == 10 && national.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("0{national}")
        }
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_indian_numbers_are_national() {
        for (number, expected) in [
            ("+919990000105", "09990000105"),
            ("+914440002319", "04440002319"),
            ("+14155550100", "+14155550100"),
            ("+9199900001", "+9199900001"),
            ("+9199900001é", "+9199900001é"),
            ("sip:ada@example.com", "sip:ada@example.com"),
            ("", ""),
        ] {
            assert_eq!(written(number), expected);
        }
    }
}
