//! Twilio's codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use telephony_core::ErrorKind;
use telephony_twilio::error::{kind_of_code, meaning_of_code};

#[test]
fn kinds_of_codes() {
    for (kind, codes) in [
        (ErrorKind::Configuration, &[20003, 20426][..]),
        (
            ErrorKind::Refused,
            &[
                10001, 20005, 13225, 13227, 21210, 21214, 21215, 21216, 21219,
            ][..],
        ),
        (ErrorKind::RateLimited, &[20429, 10004][..]),
        (ErrorKind::NotFound, &[20404][..]),
        (ErrorKind::Closed, &[21220][..]),
        (
            ErrorKind::InvalidArgument,
            &[
                11100, 11750, 11770, 12100, 12102, 12200, 12300, 13214, 13223, 13520, 20001, 21201,
                21205, 21206, 21211, 21212, 21213, 21217, 21218, 21262, 21263, 21626, 31922, 31941,
                31950, 31951, 64101,
            ][..],
        ),
        (
            ErrorKind::Transport,
            &[
                11200, 11205, 11210, 11220, 11237, 31901, 31920, 31924, 64105,
            ][..],
        ),
        (ErrorKind::Timeout, &[15002, 32014, 32015, 32016][..]),
        (
            ErrorKind::Carrier,
            &[0, 20500, 20503, 31900, 99999, u32::MAX][..],
        ),
    ] {
        for code in codes {
            assert_eq!(kind_of_code(*code), kind, "{code}");
        }
    }
}

#[test]
fn meanings_are_one_line_and_not_there_for_unknown_codes() {
    assert_eq!(meaning_of_code(1), None);
    let known: Vec<_> = (10_000..70_000).filter_map(meaning_of_code).collect();
    assert!(known.len() > 50);
    for meaning in known {
        assert!(
            !meaning.contains('\n') && !meaning.ends_with('.'),
            "{meaning}"
        );
    }
}
