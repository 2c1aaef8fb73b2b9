//! Services of clouds: an Azure IoT Hub, which is a Mosquitto behind a door where tokens are checked by Microsoft's own package, and Google
//! Pub/Sub as its API answers, behind PyJWT.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::certificates::Files;

/// Lets in who shows a token that the device's key has signed; what is said from there on is between the client and the broker. Each login
/// is a line.
const HUB: &str = r"
import json, select, socket, ssl, struct, sys, threading, time
from azure.iot.device.common.auth.sastoken import NonRenewableSasToken, RenewableSasToken
from azure.iot.device.common.auth.signing_mechanism import SymmetricKeySigningMechanism
port, broker, certificate, key, name, device, secret = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:8]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
def take(stream, size):
    got = b''
    while len(got) < size:
        some = stream.recv(size - len(got))
        if not some: raise ConnectionError('it has gone')
        got += some
    return got
def login(stream):
    raw, length, shift = take(stream, 1), 0, 0
    while True:
        byte = take(stream, 1)
        raw, length, shift = raw + byte, length | (byte[0] & 127) << shift, shift + 7
        if byte[0] < 128: break
    body, texts, at = take(stream, length), [], 10
    while at < len(body):
        size = struct.unpack_from('>H', body, at)[0]
        texts.append(body[at + 2:at + 2 + size].decode())
        at += 2 + size
    return raw + body, texts
def refusal(client, user, password):
    if client != device: return 'another device'
    if user != f'{name}/{device}/?api-version=2018-06-30': return 'another user'
    token = NonRenewableSasToken(password)
    if not time.time() < token.expiry_time <= time.time() + 3600: return 'not for an hour'
    # Microsoft's own token with the same end.
    own = RenewableSasToken(f'{name}/devices/{device}', SymmetricKeySigningMechanism(secret), ttl=token.expiry_time + 0.5 - time.time())
    return None if str(own) == password else 'not signed with the key'
def serve(stream):
    raw, texts = login(stream)
    why = refusal(*texts)
    print(json.dumps({'client': texts[0], 'refused': why}), flush=True)
    if why: return stream.sendall(bytes([0x20, 2, 0, 5]))
    inside = socket.create_connection(('127.0.0.1', broker))
    inside.sendall(raw)
    while True:
        for one in [stream] if stream.pending() else select.select([stream, inside], [], [])[0]:
            some = one.recv(65536)
            if not some: return
            (inside if one is stream else stream).sendall(some)
def entered(stream):
    with context.wrap_socket(stream, server_side=True) as stream: serve(stream)
door = socket.create_server(('127.0.0.1', port))
print('ready', flush=True)
while True:
    threading.Thread(target=entered, args=(door.accept()[0],), daemon=True).start()
";

/// Takes messages for one topic from whoever shows a token that its service account has signed. The first line is the account's key file, then
/// each message is a line.
const PUBSUB: &str = r"
import base64, http.server, itertools, json, jwt, sys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
who, kid, ids = 'platform@a-project.iam.gserviceaccount.com', '3f2a', itertools.count(19916711285)
class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self, status, json_):
        body = json.dumps(json_).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json; charset=UTF-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def refuse(self, status, name, message):
        self.answer(status, {'error': {'code': status, 'message': message, 'status': name}})
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        kind, token = self.headers['authorization'].split(' ')
        try:
            claims = jwt.decode(token, key.public_key(), algorithms=['RS256'], audience='https://pubsub.googleapis.com/', issuer=who,
                options={'require': ['aud', 'exp', 'iat', 'iss', 'sub']})
            if jwt.get_unverified_header(token)['kid'] != kid: raise jwt.InvalidTokenError('another key')
            if (kind, claims['sub']) != ('Bearer', who): raise jwt.InvalidTokenError('another subject')
            if claims['exp'] - claims['iat'] > 3600: raise jwt.InvalidTokenError('good for too long')
        except jwt.InvalidTokenError as error:
            return self.refuse(401, 'UNAUTHENTICATED', f'Request had invalid authentication credentials: {error}')
        if self.path != '/v1/projects/a-project/topics/readings:publish':
            return self.refuse(404, 'NOT_FOUND', 'Resource not found (resource=readings).')
        messages = json.loads(body)['messages']
        answer = [str(next(ids)) for _ in messages]
        for id, one in zip(answer, messages):
            print(json.dumps({'id': id, 'data': base64.b64decode(one['data'], validate=True).decode(), 'attributes': one.get('attributes')}), flush=True)
        self.answer(200, {'messageIds': answer})
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Api)
print(json.dumps({'type': 'service_account', 'project_id': 'a-project', 'private_key_id': kid, 'private_key': pem, 'client_email': who,
    'token_uri': 'https://oauth2.googleapis.com/token'}), flush=True)
server.serve_forever()
";

/// A program, and what it has said. Killed when dropped.
struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Runs it in one of the environments of Python.
    fn start(environment: &str, text: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let said = File::create(folder.path().join("said")).unwrap();
        let child = Command::new(crate::target().join("tools").join(environment).join("bin/python"))
            .args(["-c", text])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        Program { child, folder }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// The lines that are JSON.
    fn told(&self) -> Vec<Json> {
        let said = self.said();
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A hub on this machine, by the name of `localhost`.
pub struct Hub {
    door: Program,
    pub port: u16,
    /// What is behind the door.
    pub broker: Broker,
}

impl Hub {
    /// Starts one that knows one device by its key.
    pub fn start(files: &Files, device: &str, key: &str) -> Self {
        let (broker, port) = (Broker::start(Default::default(), None), free_port());
        let (outer, inner) = (port.to_string(), broker.port.to_string());
        let arguments = [&outer, &inner, &files.certificate, &files.key, "localhost", device, key];
        let door = Program::start("azure/venv", HUB, &arguments);
        crate::until("the hub's door opens", || door.said().contains("ready"));
        Hub { door, port, broker }
    }

    /// Who has come, and why he was refused: `client`, `refused`.
    pub fn logins(&self) -> Vec<Json> {
        self.door.told()
    }
}

/// The API of Pub/Sub on this machine, with the topic `readings` of `a-project`.
pub struct PubSub {
    program: Program,
    pub port: u16,
}

impl PubSub {
    /// Starts it.
    pub fn start() -> Self {
        let port = free_port();
        let program = Program::start("venv", PUBSUB, &[&port.to_string()]);
        crate::until("the API is there", || program.told().len() == 1);
        PubSub { program, port }
    }

    /// The key file of the account that may publish.
    pub fn key(&self) -> String {
        self.program.told()[0].to_string()
    }

    /// What was published: `id`, `data`, `attributes`.
    pub fn messages(&self) -> Vec<Json> {
        self.program.told().split_off(1)
    }
}
