//! A mail server of one's own (aiosmtpd), and what lies in its mailbox.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::certificates::Files;

/// Three doors: open to everybody in the clear; for one user after STARTTLS; for the same over TLS. Each mail is a line.
const SERVER: &str = r#"
import email, email.policy, json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
ports, certificate, key, user, password = sys.argv[1].split(','), *sys.argv[2:6]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('nobody@'): return '550 there is nobody of that name'
        envelope.rcpt_tos.append(address)
        return '250 OK'
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'peer': session.peer[1], 'user': str(session.authenticated),
            'head': {name.lower(): str(value) for name, value in mail.items()}, 'type': mail.get_content_type(), 'body': mail.get_content()}), flush=True)
        return '250 taken'
def known(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()), handled=False)
def door(port, **more):
    Controller(Mailbox(), hostname='127.0.0.1', port=int(port), **more).start()
door(ports[0])
door(ports[1], tls_context=context, require_starttls=True, auth_required=True, authenticator=known)
door(ports[2], ssl_context=context, server_hostname='127.0.0.1', auth_required=True, auth_require_tls=False, authenticator=known)
print('ready', flush=True)
while True: time.sleep(60)
"#;

/// A server. Killed when dropped.
pub struct Mailbox {
    child: Child,
    folder: TempDir,
    /// Open to everybody.
    pub port: u16,
    /// For one user, after STARTTLS.
    pub start_tls_port: u16,
    /// For one user, over TLS.
    pub tls_port: u16,
}

impl Mailbox {
    /// Starts one and waits until it serves.
    pub fn start(files: &Files, (user, password): (&str, &str)) -> Self {
        let all = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = all.map(|one| one.local_addr().unwrap().port());
        let folder = tempfile::tempdir().unwrap();
        let said = File::create(folder.path().join("said")).unwrap();
        let child = Command::new(crate::target().join("tools/venv/bin/python"))
            .args(["-c", SERVER, &ports.map(|port| port.to_string()).join(",")])
            .args([files.certificate.as_str(), &files.key, user, password])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let [port, start_tls_port, tls_port] = ports;
        let mailbox = Mailbox {
            child,
            folder,
            port,
            start_tls_port,
            tls_port,
        };
        crate::until("the mail server serves", || mailbox.said().contains("ready"));
        mailbox
    }

    /// What it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// The mails it has taken.
    pub fn mails(&self) -> Vec<Json> {
        let said = self.said();
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
