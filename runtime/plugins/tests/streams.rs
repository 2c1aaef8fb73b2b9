//! Stream adapters in the host: an honest one, and one that misbehaves. Needs what `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use model::{SystemClock, TenantId, Uplink};
use plugins::{
    Carrier, Fault, Host, HostConfig, Limits, LoadedComponent, LogLevel, LogSink, StreamAction, StreamComponent, StreamContext,
    StreamError, StreamEvent, StreamInstance,
};
use serde_json::json;

struct Silent;

impl LogSink for Silent {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

fn component(name: &str) -> StreamComponent {
    static HOST: OnceLock<Host> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        // Patient: a machine that is busy with other tests must not make a good adapter late.
        let limits = Limits {
            process_ms: 2_000,
            open_ms: 10_000,
            ..Limits::default()
        };
        let instances_max = 64;
        Host::new(HostConfig {
            limits,
            instances_max,
            ..HostConfig::default()
        })
        .unwrap()
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components").join(name);
    match host
        .load(&std::fs::read(path).expect("components are built by `cargo xtask guests`"))
        .unwrap()
    {
        LoadedComponent::Stream(component) => component,
        other => panic!("{other:?}"),
    }
}

fn evil() -> &'static StreamComponent {
    static EVIL: OnceLock<StreamComponent> = OnceLock::new();
    EVIL.get_or_init(|| component("test/evil-stream.wasm"))
}

/// An instance with a peer.
fn open(component: &StreamComponent) -> StreamInstance {
    let context = StreamContext {
        tenant: TenantId::generate(),
        name: "under test".into(),
        log: Arc::new(Silent),
        clock: Arc::new(SystemClock),
    };
    let mut instance = StreamInstance::open(component, context).unwrap();
    let opened = StreamEvent::Opened {
        carrier: Carrier::Tcp,
        address: "192.0.2.1:5",
    };
    assert_eq!(instance.handle(0, &opened), Ok(vec![]));
    instance
}

fn say(instance: &mut StreamInstance, line: &str) -> Result<Vec<StreamAction>, StreamError> {
    instance.handle(0, &StreamEvent::Received(line.as_bytes()))
}

#[test]
fn an_adapter_describes_itself_and_acts_in_order() {
    assert_eq!(component("examples/gps-tracker.wasm").descriptor().name, "gps-tracker");
    let mut instance = open(evil());
    let login = StreamAction::Authenticate {
        device: 1,
        access_token: "TOKEN".to_owned(),
    };
    assert_eq!(say(&mut instance, "login TOK"), Ok(vec![]), "the adapter keeps what is incomplete");
    assert_eq!(say(&mut instance, "EN\n"), Ok(vec![login]));
    assert_eq!(
        instance.handle(0, &StreamEvent::Authenticated(1, None)),
        Ok(vec![StreamAction::Send("accepted 1\n".into())])
    );
    let said = say(&mut instance, "say {\"a\": 1}\n").unwrap();
    let [
        StreamAction::Uplinks {
            device: 1,
            ticket: 7,
            uplinks,
        },
    ] = &*said
    else {
        panic!("{said:?}")
    };
    assert!(matches!(&uplinks[..], [Uplink::Telemetry { ts_ms: None, values }] if *values.json() == json!({"a": 1})));
    let settled = instance.handle(0, &StreamEvent::Settled(&[(7, true), (7, false)]));
    let sent = |text: &'static str| StreamAction::Send(text.into());
    assert_eq!(settled, Ok(vec![sent("durable 7\n"), sent("lost 7\n")]));
    let timer = StreamAction::SetTimer { timer: 3, after_ms: 20 };
    assert_eq!(say(&mut instance, "timer\n"), Ok(vec![timer]));
    assert_eq!(instance.handle(0, &StreamEvent::Timer(3)), Ok(vec![sent("timer 3\n")]));
}

#[test]
fn answers_that_make_no_sense_are_refused_and_the_instance_goes_on() {
    let mut instance = open(evil());
    for (line, says) in [
        ("refuse\n", "refused"),
        ("flood\n", "819200 bytes"),
        ("many\n", "5000 actions"),
        ("no-json\n", "no JSON"),
    ] {
        match say(&mut instance, line) {
            Err(StreamError::Rejected(reason)) => assert!(reason.contains(says), "{line}: {reason}"),
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(say(&mut instance, "nothing\n"), Ok(vec![]), "after {line}");
    }
}

#[test]
fn faults_cost_the_instance() {
    for (line, expected) in [
        ("trap\n", "trapped"),
        ("loop\n", "more than its 2000 ms"),
        ("memory\n", "bytes of memory"),
        ("huge\n", "bytes at once"),
    ] {
        match say(&mut open(evil()), line) {
            Err(StreamError::Broken(fault)) => assert!(fault.to_string().contains(expected), "{line}: {fault}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    assert!(matches!(
        say(&mut open(evil()), "loop\n"),
        Err(StreamError::Broken(Fault::Time { .. }))
    ));
}

#[test]
fn mutated_frames_are_survived() {
    let component = component("examples/gps-tracker.wasm");
    let mut instance = open(&component);
    let frame = [0x50, 0x54, 0, 9, 1, 0, 1, 1, b'T', b'O', b'K', b'E', b'N', 0, 0];
    let mut noise: u32 = 7;
    for round in 0..5_000 {
        let mut bytes = frame;
        for _ in 0..=round % 4 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [value, at, ..] = noise.to_be_bytes();
            bytes[usize::from(at) % frame.len()] = value;
        }
        match instance.handle(0, &StreamEvent::Received(&bytes)) {
            Ok(_) => {}
            // Too much of it belonged to no frame: the peer would be ended here.
            Err(StreamError::Rejected(_)) => instance = open(&component),
            Err(broken) => panic!("{bytes:02x?}: {broken}"),
        }
    }
}
