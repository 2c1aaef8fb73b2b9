//! How a configuration says who is logged in outside: as ThingsBoard's nodes have it.

use pacificsoft_sdk::template::Template;
use serde::Deserialize;

/// Field `credentials`.
#[derive(Deserialize)]
#[serde(tag = "type")]
pub enum Credentials {
    /// Nobody.
    #[serde(rename = "anonymous")]
    Anonymous,
    /// User name and password.
    #[serde(rename = "basic")]
    Basic {
        /// May hold `${secret:name}`, as the password may.
        #[serde(default)]
        username: String,
        /// Goes with it.
        #[serde(default)]
        password: String,
    },
    /// A certificate of the client's own, or of authorities.
    #[serde(rename = "cert.PEM")]
    Certificate,
}

impl Credentials {
    /// User name and password; none: nobody is logged in.
    pub fn login(given: Option<Self>) -> Result<Option<(Template, Template)>, String> {
        match given {
            None | Some(Credentials::Anonymous) => Ok(None),
            Some(Credentials::Basic { username, password }) => Ok(Some((Template::parse(&username), Template::parse(&password)))),
            Some(Credentials::Certificate) => Err("credentials: certificates of clients are not offered, there is basic".to_owned()),
        }
    }
}
