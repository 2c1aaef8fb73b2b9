//! By which way a node's requests and mails go: fields that its configuration shares with others.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Message, Proxy};
use serde::Deserialize;

use crate::address::address;

/// The proxy that the server's operator has named.
const BY_SERVER: &str = "server:proxy";

/// The fields.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProxySettings {
    #[serde(default)]
    enable_proxy: bool,
    #[serde(default)]
    use_system_proxy_properties: bool,
    #[serde(default)]
    proxy_host: Option<String>,
    #[serde(default)]
    proxy_port: Option<Port>,
    /// As the password, it may hold `${secret:name}`.
    #[serde(default)]
    proxy_user: Option<String>,
    #[serde(default)]
    proxy_password: Option<String>,
}

/// A number, which some configurations write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u32),
    Text(String),
}

/// A proxy, and who is logged in there.
pub(crate) struct Way {
    address: String,
    login: Option<(Template, Template)>,
}

impl ProxySettings {
    /// The proxy; none: straight to the server.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn way(self) -> Result<Option<Way>, String> {
        if !self.enable_proxy {
            return Ok(None);
        }
        if self.use_system_proxy_properties {
            return Ok(Some(Way {
                address: BY_SERVER.to_owned(),
                login: None,
            }));
        }
        let host = self.proxy_host.unwrap_or_default();
        let port = match self.proxy_port {
            Some(Port::Number(port)) => port,
            Some(Port::Text(text)) => text.trim().parse().unwrap_or(0),
            None => 0,
        };
        let authority = address(&host, port).map_err(|what| ["the proxy's ", &what].concat())?;
        let user = self.proxy_user.filter(|user| !user.is_empty());
        let password = self.proxy_password.unwrap_or_default();
        Ok(Some(Way {
            address: ["http://", &authority].concat(),
            login: user.map(|user| (Template::parse(&user), Template::parse(&password))),
        }))
    }
}

impl Way {
    pub(crate) fn proxy(&self, message: &Message) -> Proxy {
        let login = self.login.as_ref();
        Proxy {
            address: self.address.clone(),
            basic_auth: login.map(|(user, password)| (user.pieces(message), password.pieces(message))),
        }
    }
}
