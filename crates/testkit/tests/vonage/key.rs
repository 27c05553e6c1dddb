//! A key pair that was made for these tests and guards nothing, and tokens signed with it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

pub(crate) const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvDULJqeclfWOwaMWEmT9
QPgR5n3IUe4t+UXkehdjfgJCQ44SFd1cWtk7nFVt3a8adbER+MuP25PpWdEEFsaF
CWtBQGk3V8CgZrgrQYcdDzk4C5w0wbpp52QAqLnlpRs/x/xuXMwW+rCbyImnKhnT
py1ewB644n0bWJDV6V9jjW5XnyIpnAUZ09cthLQ+dN71UZwr2+HrPFcQc1elVMDX
zgn8Eyd9UcR93rZc4An04r3xZWESuFvC6SU6cY4S7TTxqC6xulkrN0//sh81VRYS
h38XZQjP6C7efKmMk7bWEjVfcotL4d3ChHcIiTeGhS5WMiol18SKTI7vteasTqjO
bwIDAQAB
-----END PUBLIC KEY-----";

pub(crate) const PUBLIC_OF_THE_OLD_KIND: &str = "-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAvDULJqeclfWOwaMWEmT9QPgR5n3IUe4t+UXkehdjfgJCQ44SFd1c
Wtk7nFVt3a8adbER+MuP25PpWdEEFsaFCWtBQGk3V8CgZrgrQYcdDzk4C5w0wbpp
52QAqLnlpRs/x/xuXMwW+rCbyImnKhnTpy1ewB644n0bWJDV6V9jjW5XnyIpnAUZ
09cthLQ+dN71UZwr2+HrPFcQc1elVMDXzgn8Eyd9UcR93rZc4An04r3xZWESuFvC
6SU6cY4S7TTxqC6xulkrN0//sh81VRYSh38XZQjP6C7efKmMk7bWEjVfcotL4d3C
hHcIiTeGhS5WMiol18SKTI7vteasTqjObwIDAQAB
-----END RSA PUBLIC KEY-----";

const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQC8NQsmp5yV9Y7B
oxYSZP1A+BHmfchR7i35ReR6F2N+AkJDjhIV3Vxa2TucVW3drxp1sRH4y4/bk+lZ
0QQWxoUJa0FAaTdXwKBmuCtBhx0POTgLnDTBumnnZACoueWlGz/H/G5czBb6sJvI
iacqGdOnLV7AHrjifRtYkNXpX2ONblefIimcBRnT1y2EtD503vVRnCvb4es8VxBz
V6VUwNfOCfwTJ31RxH3etlzgCfTivfFlYRK4W8LpJTpxjhLtNPGoLrG6WSs3T/+y
HzVVFhKHfxdlCM/oLt58qYyTttYSNV9yi0vh3cKEdwiJN4aFLlYyKiXXxIpMju+1
5qxOqM5vAgMBAAECggEAB/SsulSUKkP4EI1mox5rv4b8/WOhx9IsAAE0AvPhe8ki
qJ0P0fwf1E33LB5HB6ZIQGNczB88FInFxSCFw2S0Pk1aCRv+1Tx09gKg/s3JrQQR
L28fTR/RLDvY9J5Ea9yhWesnddAWxJVvRbnekXQICLrClO0iNEjE6CiEh69Fk7aH
eaRuKLBG4NyRm8T8CtAJoYlU0P3rzFTgMVlt1ILDkQNYlHg5yzRkE+78exyBdRGC
jrKW0MZtt0uur2RTsgeFbT8wx77cEE1YMU2VKnTJKZHn1SR45TUjU8vPI7J57iVw
E5a12eZmqTM1eAIkC8JDRkzdyeHD0j6CO0VYX98aUQKBgQDfI1gF8X1xD1Vv1jWy
P+8kdqUC9dyd7cnAoKQQN2ci1r+Qxowf5vmjLdbGzwbSwLZLaSgLI20rDttMINhz
Ks4E+94PqfJqFsOqR3fhCXyYot01YTEAr6Mkkt2K016nq4Xc9PP9qZU4ObyqulcI
dnjaFDDZQ9BfiF0qLA49hOLmxwKBgQDX7MBU6I6JlScbcbJn4OZpLriZFRSZdU0K
QAYd4i94Lq6Iw3YJ5whnBzT+gkZC2pIr1X2MdguYN42LVv34n2Ps4R13r4ejayUh
VM35VO/pnKP4lr41g9L8FU7sc2eGSO1XNecDQGw4JcbnIvkhIqvXLdL4+Od5GK+m
BFsBuiSTGQKBgQDFSSKSXqliRQRtFR/0scJmot/Sdj7RA2TWAzILhHCTxPsqreFG
c5lURTsYHAMUY37JvffBoVjsMP6DmKbHbJkqnuX/Q2spkWb+LqI3PYQEEDs07vG8
gY3k0FVAYRHXfTel3I29QSrFw4akDIzW1qiTaDaoYeTiElcM6lbM3akgEQKBgQCh
R2YVRasJms2eExt1uaeAUvRw6yz6voHvsQigk4xvUTbuUki9dsJw6hIsM7Q1RTq+
4PSo0Jcyd/QSasTCSpOBoFe5SPOgHWyba9N5c3bLYEOdb0Ldh/w0a9oKhNyDkb8t
T8agSCNNAPKDPD0nAdWmoMSfUJLcgZLZBxHOxXGCKQKBgQDIDX2wwKCGkY/r0FV4
TVufn6BxoSQSBNdNCIbIN4VqCT1NzD3I8RxtBVh1VZUPbXGKbz0v8CtanY2qp+Bi
ckzf+Rom8PKsPgv9bl0AOsMMX8IZnDjifhmxtW/8cEUaezw2L0CX9/Qj7Cj+ROmj
FIC20dwvCBNEYPNnoBWUiT/35g==
-----END PRIVATE KEY-----";

/// A token of an application with these claims beside the usual ones.
pub(crate) fn token(application: &str, more: Value) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut claims = json!({"application_id": application, "iat": now, "jti": format!("{now}-1")});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let text = [json!({"alg": "RS256", "typ": "JWT"}), claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let der: String = PRIVATE
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
