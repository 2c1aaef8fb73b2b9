//! Signing a request for Amazon's services: Signature Version 4, in the header `Authorization`. Pure.

use sha2::{Digest, Sha256};

use super::super::signing::{encoded, keyed};
use crate::calendar::utc;

const METHOD: &str = "AWS4-HMAC-SHA256";

/// What is signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As it is sent, with what has to be encoded encoded.
    pub(super) path: &'a str,
    /// Without `?`, its parts in their order.
    pub(super) query: &'a str,
    /// Names in lower case, in their order.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Who signs, where and for what.
pub(super) struct Signer<'a> {
    pub(super) key_id: &'a str,
    pub(super) secret: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// A time as signatures have it: `20150830T123600Z`.
pub(super) fn stamp(at_ms: i64) -> String {
    let at = utc(at_ms);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

impl Signer<'_> {
    /// The value of `Authorization`. `stamp` is the header `x-amz-date`, which is among those that are signed.
    pub(super) fn sign(&self, stamp: &str, signed: &Signed<'_>) -> String {
        let (day, _) = stamp.split_once('T').unwrap_or((stamp, ""));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let headers: String = signed
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        // All services but one want the path encoded twice.
        let path: Vec<String> = signed.path.split('/').map(encoded).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{names}\n{}",
            signed.method,
            path.join("/"),
            signed.query,
            hex(&Sha256::digest(signed.body))
        );
        let text = format!("{METHOD}\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let mut key = keyed(format!("AWS4{}", self.secret).as_bytes(), day.as_bytes());
        for part in [self.region, self.service, "aws4_request"] {
            key = keyed(&key, part.as_bytes());
        }
        let signature = hex(&keyed(&key, text.as_bytes()));
        format!(
            "{METHOD} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.key_id
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: Signer<'_> = Signer {
        key_id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "iam",
    };

    /// The example of Amazon's own description.
    #[test]
    fn the_example_of_the_description_is_followed() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let signed = Signed {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &headers,
            body: b"",
        };
        assert_eq!(
            SIGNER.sign("20150830T123600Z", &signed),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn times_are_written_without_anything_between() {
        assert_eq!(stamp(1_440_938_160_000), "20150830T123600Z");
        assert_eq!(stamp(0), "19700101T000000Z");
    }
}
