//! A server that speaks as the providers of AI models do (the package `@copilotkit/aimock` of npm), and what it was asked.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::rest::curl;

/// Says something to some words, and refuses whoever has not the key.
const SERVER: &str = "
const { LLMock } = require('@copilotkit/aimock');
const [port, key] = process.argv.slice(1);
const mock = new LLMock({ port: Number(port), host: '127.0.0.1', auth: { apiKeys: [key] } });
mock.onMessage('hot', { content: '{\"hot\": true, \"why\": [1]}' });
mock.onMessage('poem', { content: 'Roses are red' });
mock.onMessage('much', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 });
mock.onMessage('slow', () => new Promise((done) => setTimeout(() => done({ content: 'at last' }), 30000)));
mock.start().then(() => console.log('ready'), (error) => console.log(error));
";

/// The server. Killed when dropped.
pub struct Models {
    child: Child,
    /// Where it is.
    pub port: u16,
    key: String,
    _folder: TempDir,
}

impl Models {
    /// Starts one for whoever has a key, and waits until it serves.
    pub fn start(key: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("said");
        let output = File::create(&said).unwrap();
        let packages = crate::target().join("tools/models/node_modules");
        assert!(packages.exists(), "{} is not there: run `cargo xtask test`", packages.display());
        let child = Command::new("node")
            .env("NODE_PATH", packages)
            .args(["-e", SERVER, &port.to_string(), key])
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("Node is installed");
        let models = Models {
            child,
            port,
            key: key.to_owned(),
            _folder: folder,
        };
        crate::until("the models serve", || {
            std::fs::read_to_string(&said).unwrap_or_default().contains("ready")
        });
        models
    }

    /// What it was asked, the first question first: `path`, `headers`, `body` in the form of chat completions, `response`.
    pub fn asked(&self) -> Vec<Json> {
        let url = format!("http://127.0.0.1:{}/__aimock/journal", self.port);
        let journal = curl(&["-H", &format!("Authorization: Bearer {}", self.key), &url]);
        serde_json::from_str(&journal).unwrap_or_else(|error| panic!("{journal}: {error}"))
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
