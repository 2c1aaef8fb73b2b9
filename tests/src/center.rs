//! A center for text messages that speaks SMPP (the package `smpp` of npm), and what it was sent.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::certificates::Files;

/// Two doors, in the clear and over TLS, for one user. Logins and texts are a line each. The number 12025550404 is none.
const SERVER: &str = r"
const fs = require('fs'), smpp = require('smpp');
const [port, tlsPort, certificate, key, user, password] = process.argv.slice(1);
let connections = 0;
function serve(session) {
    const connection = ++connections;
    const tell = (what) => console.log(JSON.stringify({ connection, ...what }));
    const refuse = (pdu, command_status) => session.send(pdu.response({ command_status }));
    let isBound = false;
    const bind = (pdu) => {
        isBound = pdu.system_id === user && pdu.password === password;
        tell({ bind: pdu.command, user: pdu.system_id, isBound, version: pdu.interface_version, type: pdu.system_type, range: pdu.address_range });
        if (!isBound) return refuse(pdu, smpp.ESME_RINVPASWD);
        session.send(pdu.response({ system_id: 'center' }));
    };
    session.on('error', () => session.destroy());
    session.on('bind_transmitter', bind);
    session.on('bind_transceiver', bind);
    session.on('submit_sm', (pdu) => {
        if (!isBound) return refuse(pdu, smpp.ESME_RINVBNDSTS);
        if (pdu.destination_addr === '12025550404') return refuse(pdu, smpp.ESME_RINVDSTADR);
        tell({ to: pdu.destination_addr, ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi, from: pdu.source_addr, fromTon: pdu.source_addr_ton,
            service: pdu.service_type, coding: pdu.data_coding, receipt: pdu.registered_delivery, isLong: !!pdu.message_payload,
            text: (pdu.message_payload || pdu.short_message).message });
        session.send(pdu.response({ message_id: 'x' + connection }));
    });
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
}
const files = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
smpp.createServer(serve).listen(Number(port), '127.0.0.1', () => {
    smpp.createServer(files, serve).listen(Number(tlsPort), '127.0.0.1', () => console.log('ready'));
});
";

/// A center. Killed when dropped.
pub struct Center {
    child: Child,
    folder: TempDir,
    /// In the clear.
    pub port: u16,
    /// Over TLS.
    pub tls_port: u16,
}

impl Center {
    /// Starts one for one user, and waits until it serves.
    pub fn start(files: &Files, (user, password): (&str, &str)) -> Self {
        let all = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, tls_port] = all.map(|one| one.local_addr().unwrap().port());
        let folder = tempfile::tempdir().unwrap();
        let said = File::create(folder.path().join("said")).unwrap();
        let packages = crate::target().join("tools/smpp/node_modules");
        assert!(packages.exists(), "{} is not there: run `cargo xtask test`", packages.display());
        let child = Command::new("node")
            .env("NODE_PATH", packages)
            .args(["-e", SERVER, &port.to_string(), &tls_port.to_string()])
            .args([files.certificate.as_str(), &files.key, user, password])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .expect("Node is installed");
        let center = Center {
            child,
            folder,
            port,
            tls_port,
        };
        crate::until("the center serves", || center.said().contains("ready"));
        center
    }

    /// What it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// Who has logged in, or was not let in: `bind`, `user`, `isBound`, `version`, `type`, `range`, `connection`.
    pub fn logins(&self) -> Vec<Json> {
        self.told("bind")
    }

    /// The texts it has taken: `to`, `ton`, `npi`, `from`, `fromTon`, `service`, `coding`, `receipt`, `isLong`, `text`, `connection`.
    pub fn texts(&self) -> Vec<Json> {
        self.told("text")
    }

    fn told(&self, field: &str) -> Vec<Json> {
        let said = self.said();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        lines.filter(|told| told.get(field).is_some()).collect()
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
