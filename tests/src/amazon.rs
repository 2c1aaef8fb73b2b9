//! Amazon's services as moto plays them, with every signature checked.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::clients::python;

/// What is set up before signatures are checked: each call counts. Prints the key, the secret one, the queue and the topic.
const SETUP: &str = r"
import boto3, io, json, sys, urllib.request, zipfile
place = 'http://127.0.0.1:' + sys.argv[1]
def client(name):
    return boto3.client(name, endpoint_url=place, region_name='eu-west-1', aws_access_key_id='x', aws_secret_access_key='x')
def tell(path, body):
    told = urllib.request.Request(place + path, data=json.dumps(body).encode(), headers={'Content-Type': 'application/json'})
    assert urllib.request.urlopen(told).status == 201
# Functions run nowhere: what they answer is told.
tell('/moto-api/config', {'lambda': {'use_docker': False}})
tell('/moto-api/static/lambda-simple/response', {'results': [json.dumps({'fahrenheit': 70})], 'region': 'eu-west-1'})
iam, sqs, sns = client('iam'), client('sqs'), client('sns')
iam.create_user(UserName='platform')
allowed = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}]}
iam.put_user_policy(UserName='platform', PolicyName='all', PolicyDocument=json.dumps(allowed))
key = iam.create_access_key(UserName='platform')['AccessKey']
queue = sqs.create_queue(QueueName='readings')['QueueUrl']
fifo = sqs.create_queue(QueueName='readings.fifo', Attributes={'FifoQueue': 'true'})['QueueUrl']
topic = sns.create_topic(Name='readings')['TopicArn']
sns.subscribe(TopicArn=topic, Protocol='sqs', Endpoint='arn:aws:sqs:eu-west-1:123456789012:readings')
role = iam.create_role(RoleName='runs', AssumeRolePolicyDocument='{}')['Role']['Arn']
code = io.BytesIO()
with zipfile.ZipFile(code, 'w') as files: files.writestr('app.py', '')
client('lambda').create_function(FunctionName='convert', Runtime='python3.12', Role=role, Handler='app.run', Code={'ZipFile': code.getvalue()})
print(json.dumps({'key': key['AccessKeyId'], 'secret': key['SecretAccessKey'], 'queue': queue, 'fifo': fifo, 'topic': topic}))
";
/// Calls of the setup.
const CALLS: u32 = 9;

/// What lies in a queue: bodies and attributes.
const TAKEN: &str = r"
import boto3, json, sys
sqs = boto3.client('sqs', endpoint_url='http://127.0.0.1:' + sys.argv[1], region_name='eu-west-1', aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3])
while True:
    got = sqs.receive_message(QueueUrl=sys.argv[4], MaxNumberOfMessages=10, MessageAttributeNames=['All'], AttributeNames=['All']).get('Messages', [])
    if not got: break
    for one in got:
        print(json.dumps(one))
        sqs.delete_message(QueueUrl=sys.argv[4], ReceiptHandle=one['ReceiptHandle'])
";

/// The services. Killed when dropped.
pub struct Amazon {
    child: Child,
    pub port: u16,
    /// `key`, `secret`, `queue`, `fifo`, `topic`.
    pub made: Json,
    _folder: TempDir,
}

impl Amazon {
    /// Starts them with one user, two queues, a topic that the first queue listens to, and the function `convert`.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(crate::target().join("tools/venv/bin/python"))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", CALLS.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut amazon = Amazon {
            child,
            port,
            made: Json::Null,
            _folder: folder,
        };
        crate::until("the services are there", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let said = python(SETUP, &[&port.to_string()]);
        amazon.made = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        amazon
    }

    /// One of what was made.
    pub fn made(&self, name: &str) -> &str {
        self.made[name].as_str().unwrap()
    }

    /// Takes all that is in a queue.
    pub fn taken(&self, queue: &str) -> Vec<Json> {
        let port = self.port.to_string();
        let arguments = [port.as_str(), self.made("key"), self.made("secret"), self.made(queue)];
        let said = python(TAKEN, &arguments);
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Amazon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
