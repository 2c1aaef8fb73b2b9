//! A payload for a broker outside, as a node hands it over: checked in form. Whether it may be published is not known here.

use super::request::{login, proxy, secrets_in, tls};
use super::{Checker, Piece, Proxy, RequestBody, Tls};
use crate::bindings::outcome as wit;

/// Options at most: a header of the payload is one.
const OPTIONS_MAX: usize = 256;
/// Bytes of a text at most.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all options together.
const OPTIONS_BYTES_MAX: usize = 256 * 1024;

/// A payload for a broker outside. The fields are those of the contract in wit/outcome.wit.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see there")]
pub struct Publish {
    pub broker: String,
    pub topic: String,
    pub payload: RequestBody,
    pub basic_auth: Option<(Vec<Piece>, Vec<Piece>)>,
    pub options: Vec<(String, String)>,
    pub timeout_ms: u32,
    pub tls: Option<Tls>,
    pub proxy: Option<Proxy>,
}

impl Publish {
    /// Names of the secrets it is to use.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let basic = self.basic_auth.iter().flat_map(|(user, password)| [user, password]);
        let tls = self.tls.iter().flat_map(Tls::pieces);
        let proxy = self.proxy.iter().flat_map(Proxy::pieces);
        secrets_in(basic.chain(self.payload.pieces()).chain(tls).chain(proxy))
    }
}

impl Checker<'_> {
    pub(super) fn publish(&self, told: wit::Publish) -> Result<Publish, String> {
        if told.options.len() > OPTIONS_MAX {
            return Err(format!("{} options are more than the {OPTIONS_MAX} allowed", told.options.len()));
        }
        let bytes: usize = told.options.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > OPTIONS_BYTES_MAX {
            return Err(format!("options of {bytes} bytes are more than the {OPTIONS_BYTES_MAX} allowed"));
        }
        let options = told.options.iter().flat_map(|(name, value)| [name, value]);
        if let Some(long) = options.chain([&told.broker, &told.topic]).find(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(format!(
                "a text of {} bytes for a broker is longer than the {TEXT_BYTES_MAX} allowed",
                long.len()
            ));
        }
        Ok(Publish {
            broker: told.broker,
            topic: told.topic,
            payload: self.body(told.payload)?,
            basic_auth: told.basic_auth.map(login).transpose()?,
            options: told.options,
            timeout_ms: told.timeout_ms,
            tls: told.tls.map(tls).transpose()?,
            proxy: told.proxy.map(proxy).transpose()?,
        })
    }
}
