//! A tenant whose messages go through one node that speaks to something outside, and what came of it.

use serde_json::{Value as Json, json};

use crate::rest::{Rest, exchange};
use crate::server::{Options, Server};

const TELLS: &str = "test.egress.tells";
const SAVE: &str = "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode";

/// This machine plays the outside.
pub const LENIENT: [&str; 2] = ["--egress-networks", "127.0.0.1/32"];

fn node(name: &str, class: &str, configuration: Json) -> Json {
    json!({"type": class, "name": name, "configuration": configuration, "debugSettings": null, "singletonMode": false, "configurationVersion": 0})
}

/// A tenant whose messages all go through one node; what leaves it is told by an attribute of the device.
pub struct Scene<'a> {
    server: &'a Server,
    tenant: &'a Rest,
    pub device: String,
    round: std::cell::Cell<u32>,
}

impl<'a> Scene<'a> {
    pub fn new(server: &'a Server, tenant: &'a Rest) -> Self {
        let device = tenant.device("Demo device");
        Scene {
            server,
            tenant,
            device,
            round: std::cell::Cell::new(0),
        }
    }

    pub fn allow(&self, rules: &[&str]) {
        self.tenant.post("/api/plugins/egress", &json!({ "allowed": rules }));
    }

    /// Puts the node into the root chain.
    pub fn place(&self, class: &str, configuration: &Json) -> u32 {
        self.place_all(&[(class, configuration)])
    }

    /// Puts nodes into the root chain: what leaves one along `Success` goes to the next one.
    pub fn place_all(&self, all: &[(&str, &Json)]) -> u32 {
        let round = self.round.get() + 1;
        self.round.set(round);
        let mut metadata = self.tenant.root_metadata();
        let mut nodes: Vec<Json> = all
            .iter()
            .enumerate()
            .map(|(index, (class, configuration))| node(&format!("asks {index}"), class, (*configuration).clone()))
            .collect();
        let well = nodes.len();
        nodes.extend([
            node("well", TELLS, json!({"round": format!("{round} Success")})),
            node("badly", TELLS, json!({"round": format!("{round} Failure")})),
            node(
                "save",
                SAVE,
                json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "updateAttributesOnlyOnValueChange": false}),
            ),
        ]);
        let line = |from: usize, to: usize, kind: &str| json!({"fromIndex": from, "toIndex": to, "type": kind});
        let mut connections: Vec<Json> = (0..well)
            .flat_map(|index| [line(index, index + 1, "Success"), line(index, well + 1, "Failure")])
            .collect();
        connections.extend([line(well, well + 2, "Success"), line(well + 1, well + 2, "Success")]);
        metadata["nodes"] = json!(nodes);
        metadata["connections"] = json!(connections);
        metadata["firstNodeIndex"] = json!(0);
        metadata["ruleChainConnections"] = Json::Null;
        self.tenant.post("/api/ruleChain/metadata", &metadata);
        round
    }

    /// Lets the device send something. Answered when everything it caused is done.
    pub fn report(&self, body: &str) {
        let url = format!("{}/api/v1/A1_TEST_TOKEN/telemetry", self.server.http);
        // In a file: an argument may have 128 KiB.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), body).unwrap();
        let (status, reason) = exchange(&["--data-binary", &format!("@{}", file.path().display()), &url]);
        assert_eq!(status, 200, "{reason}");
    }

    /// What was told of the present round: the relation, the metadata, the data.
    pub fn told(&self) -> (String, Json, Json) {
        let mut found = None;
        crate::until("the outcome was told", || {
            let attributes = self.tenant.attributes(&self.device, "SERVER_SCOPE");
            let told = attributes.as_array().unwrap().iter().find(|one| one["key"] == "told");
            let told: Option<Json> = told.and_then(|one| serde_json::from_str(one["value"].as_str()?).ok());
            found = told.filter(|told| {
                told["round"]
                    .as_str()
                    .is_some_and(|round| round.starts_with(&format!("{} ", self.round.get())))
            });
            found.is_some()
        });
        let told = found.unwrap();
        let relation = told["round"].as_str().unwrap().split(' ').nth(1).unwrap().to_owned();
        let payload = serde_json::from_str(told["payload"].as_str().unwrap()).unwrap();
        (relation, told["metadata"].clone(), payload)
    }

    pub fn ask(&self, class: &str, configuration: &Json) -> (String, Json, Json) {
        self.ask_all(&[(class, configuration)])
    }

    pub fn ask_all(&self, all: &[(&str, &Json)]) -> (String, Json, Json) {
        self.place_all(all);
        self.report(r#"{"temperature": 21, "path": "json"}"#);
        self.told()
    }
}

/// A server that has the component under test, and for which this machine plays the outside. The folder is the component's.
pub fn lenient(more: &[&str]) -> (Server, tempfile::TempDir) {
    let folder = components();
    let server = Server::start(
        Options::demo()
            .with(&["--components", folder.path().to_str().unwrap()])
            .with(more)
            .with(&LENIENT),
    );
    (server, folder)
}

/// Uploads the component under test; answers its path in the API, and what names the version.
pub fn uploaded(tenant: &Rest, name: &str) -> (String, Json) {
    let (status, body) = tenant.upload(name, &component());
    assert_eq!(status, 200, "{body}");
    let uploaded: Json = serde_json::from_str(&body).unwrap();
    let version = json!({"version": uploaded["uploaded"]["version"]});
    (format!("/api/plugins/components/{name}"), version)
}

/// The log at its most talkative.
pub const TALKATIVE: [&str; 2] = [
    "--log",
    "debug,cranelift_codegen=info,wasmtime=info,hyper=trace,rustls=trace,egress=trace,effects=trace,rules=trace",
];

/// The component under test, in a folder of its own.
pub fn components() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("egress-guest.wasm"), component()).unwrap();
    folder
}

pub fn component() -> Vec<u8> {
    std::fs::read(crate::root().join("target/components/test/egress-guest.wasm")).expect("components are built by `cargo xtask guests`")
}
