//! Which server components go to, and who sends them: flags, then the environment, then what `plugin login` saved. Choosing is pure.
//!
//! A password is never saved and never taken from the command line, where others on the machine could read it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::client::{Client, Tokens};
use crate::profile::Profile;

const HERE: &str = "http://127.0.0.1:8080";

/// A server, and a user of it.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerOptions {
    /// Address of the server [default: that of `plugin login`, else http://127.0.0.1:8080]
    #[arg(long, env = "PACIFICSOFT_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// E-mail address to log in with; the password is that in PACIFICSOFT_PASSWORD, or asked for [default: who did `plugin login`]
    #[arg(long, env = "PACIFICSOFT_USER", value_name = "EMAIL")]
    pub user: Option<String>,
    /// Certificates (PEM) of the only authorities to trust
    #[arg(long, env = "PACIFICSOFT_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    Password { user: String, password: String },
    Ask { user: String },
    Refresh { token: String },
}

/// A way to a server, as often as it is needed.
#[derive(Debug)]
pub struct Access {
    server: String,
    ca: Option<PathBuf>,
    login: Login,
    /// What tokens are saved to when they came from there.
    profile: Option<Profile>,
}

impl Access {
    /// Chooses, and asks for a password where one is missing and somebody is there to ask.
    ///
    /// # Errors
    /// When nothing says who is to log in, or the profile cannot be read.
    pub fn new(options: &ServerOptions) -> Result<Self> {
        let profile = Profile::load()?;
        let password = std::env::var("PACIFICSOFT_PASSWORD").ok();
        let (server, login) = choose(options, password, profile.as_ref())?;
        let login = match login {
            Login::Ask { user } => Login::Password {
                password: ask_password(&server, &user)?,
                user,
            },
            known => known,
        };
        let of_profile = profile.as_ref().and_then(|profile| profile.ca.clone());
        Ok(Access {
            server,
            ca: options.ca.clone().or(of_profile),
            profile: profile.filter(|_| matches!(login, Login::Refresh { .. })),
            login,
        })
    }

    /// Logs in.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub fn connect(&mut self) -> Result<Client> {
        self.tokens().map(|(client, _)| client)
    }

    fn tokens(&mut self) -> Result<(Client, Tokens)> {
        let ca = self.ca.as_deref();
        match &mut self.login {
            Login::Password { user, password } => Client::log_in(&self.server, ca, user, password),
            Login::Ask { .. } => bail!("there is no password"),
            Login::Refresh { token } => {
                let (client, tokens) = Client::refresh(&self.server, ca, token)
                    .with_context(|| format!("log in again with `pacificsoft plugin login --server {}`", self.server))?;
                token.clone_from(&tokens.refresh_token);
                if let Some(profile) = &mut self.profile {
                    profile.refresh_token.clone_from(&tokens.refresh_token);
                    profile.save()?;
                }
                Ok((client, tokens))
            }
        }
    }
}

/// Logs in and saves that, without the password.
///
/// # Errors
/// When the server refuses, or the profile cannot be written.
pub fn log_in(options: &ServerOptions) -> Result<()> {
    let user = match &options.user {
        Some(user) => user.clone(),
        None => bail!("say who you are: pacificsoft plugin login --user EMAIL"),
    };
    let mut access = Access::new(options)?;
    let (_, tokens) = access.tokens()?;
    let profile = Profile {
        server: access.server.clone(),
        user: user.clone(),
        refresh_token: tokens.refresh_token,
        ca: options.ca.as_deref().map(Path::canonicalize).transpose()?,
    };
    let path = profile.save()?;
    println!(
        "{user} is logged in at {}; saved to {}, for a week after the last use",
        access.server,
        path.display()
    );
    Ok(())
}

fn choose(options: &ServerOptions, password: Option<String>, profile: Option<&Profile>) -> Result<(String, Login)> {
    let saved = profile.map(|profile| profile.server.as_str());
    let server = options.server.as_deref().or(saved).unwrap_or(HERE).trim_end_matches('/');
    if !server.starts_with("http://") && !server.starts_with("https://") {
        bail!("{server:?} is no address of a server: it looks like https://iot.example.org");
    }
    let login = match (&options.user, password, profile) {
        (Some(user), Some(password), _) => Login::Password {
            user: user.clone(),
            password,
        },
        (Some(user), None, _) => Login::Ask { user: user.clone() },
        (None, _, Some(profile)) if profile.server == server => Login::Refresh {
            token: profile.refresh_token.clone(),
        },
        (None, ..) => bail!("nobody is logged in at {server}: pacificsoft plugin login --server {server} --user EMAIL"),
    };
    Ok((server.to_owned(), login))
}

fn ask_password(server: &str, user: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no password for {user}: put it into PACIFICSOFT_PASSWORD");
    }
    if server.starts_with("http://") && !is_here(server) {
        eprintln!("beware: the password goes to {server} in plain text; https:// would hide it");
    }
    rpassword::prompt_password(format!("password of {user} at {server}: ")).context("no password was read")
}

fn is_here(server: &str) -> bool {
    let host = server.trim_start_matches("http://");
    ["127.", "localhost", "[::1]"].iter().any(|here| host.starts_with(here))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn password(user: &str) -> Login {
        Login::Password {
            user: user.to_owned(),
            password: "secret".to_owned(),
        }
    }

    #[test]
    fn flags_go_before_the_profile() {
        let profile = Profile {
            server: "https://saved".to_owned(),
            user: "saved@example.org".to_owned(),
            refresh_token: "TOKEN".to_owned(),
            ca: None,
        };
        let refresh = Login::Refresh { token: "TOKEN".to_owned() };
        let ask = Login::Ask { user: "a".to_owned() };
        type Chosen = Option<(&'static str, Login)>;
        /// Server, user, whether there is a password, whether there is a profile; what is chosen.
        type Case = (Option<&'static str>, Option<&'static str>, bool, bool, Chosen);
        let cases: [Case; 8] = [
            (None, None, false, false, None),
            (None, None, false, true, Some(("https://saved", refresh.clone()))),
            (Some("https://saved/"), None, true, true, Some(("https://saved", refresh))),
            (Some("https://other"), None, true, true, None),
            (None, Some("a"), true, true, Some(("https://saved", password("a")))),
            (None, Some("a"), true, false, Some((HERE, password("a")))),
            (Some("http://other"), Some("a"), false, true, Some(("http://other", ask))),
            (Some("other:8080"), Some("a"), true, false, None),
        ];
        for (number, (server, user, has_password, saved, wanted)) in cases.into_iter().enumerate() {
            let options = ServerOptions {
                server: server.map(str::to_owned),
                user: user.map(str::to_owned),
                ca: None,
            };
            let chosen = choose(&options, has_password.then(|| "secret".to_owned()), saved.then_some(&profile));
            let wanted = wanted.map(|(server, login)| (server.to_owned(), login));
            assert_eq!(chosen.ok(), wanted, "case {number}");
        }
    }

    #[test]
    fn only_this_machine_is_here() {
        assert!(is_here("http://127.0.0.1:8080") && is_here("http://localhost") && is_here("http://[::1]:1"));
        assert!(!is_here("http://192.0.2.1"));
    }
}
