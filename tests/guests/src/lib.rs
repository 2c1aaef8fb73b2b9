//! Rule nodes that misbehave, each in one way. The host must survive all of them; a test names each.

use pacificsoft_sdk::reads::attributes;
use pacificsoft_sdk::{
    ClearAlarm, Content, Descriptor, Effect, Emission, EntityId, EntityRef, Level, Message, NewMessage, Outcome, RelationChange, RuleNode,
    SaveTimeSeries, Steps, log, metrics, state, timers,
};

macro_rules! evil {
    ($(#[$doc:meta])* $name:ident, $type_name:literal, $class:literal, open: $open:expr, process: $process:expr) => {
        $(#[$doc])*
        pub struct $name(#[allow(dead_code)] String);

        impl RuleNode for $name {
            const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

            fn descriptor() -> Descriptor {
                Descriptor {
                    type_name: $type_name,
                    class_ids: &[$class],
                    title: $type_name,
                    description: "Misbehaves, for tests.",
                    effects: &["save-time-series"],
                    ..Descriptor::new()
                }
            }

            fn open(configuration: &str) -> Result<Self, String> {
                let open: fn(&str) -> Result<(), String> = $open;
                open(configuration)?;
                Ok($name(configuration.to_owned()))
            }

            fn process(&mut self, message: &Message) -> Result<Outcome, String> {
                let process: fn(&str, &Message) -> Result<Outcome, String> = $process;
                process(&self.0, message)
            }
        }
    };
}

fn fine(_: &str) -> Result<(), String> {
    Ok(())
}

fn spin() -> ! {
    let mut number = 0u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn emissions(count: usize, json: &str) -> Outcome {
    let emission = || Emission {
        relation: "Success".to_owned(),
        message: Some(NewMessage::with_json(json)),
    };
    Outcome::Steps(Steps {
        effects: vec![],
        emissions: (0..count).map(|_| emission()).collect(),
    })
}

#[allow(unconditional_recursion, reason = "that is what it is for")]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    recurse(std::hint::black_box(depth + 1)) + frame[3]
}

evil!(/// Behaves.
    Pass, "pass", "test.evil.pass", open: fine, process: |_, _| Ok(Outcome::Forward(0)));
evil!(/// Never returns.
    Loop, "loop", "test.evil.loop", open: fine, process: |_, _| spin());
evil!(/// Never opens.
    LoopInOpen, "loop-in-open", "test.evil.loop-in-open", open: |_| spin(), process: |_, _| Ok(Outcome::Forward(0)));
evil!(/// Takes memory without end.
MemoryBomb, "memory-bomb", "test.evil.memory-bomb", open: fine, process: |_, _| {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1; 1 << 20]));
    }
});
evil!(/// Panics.
    Trap, "trap", "test.evil.trap", open: fine, process: |_, _| panic!("on purpose"));
evil!(/// Panics while opening.
    TrapInOpen, "trap-in-open", "test.evil.trap-in-open", open: |_| panic!("on purpose"), process: |_, _| Ok(Outcome::Forward(0)));
evil!(/// Calls itself without end.
    StackBomb, "stack-bomb", "test.evil.stack-bomb", open: fine, process: |_, _| Err(recurse(0).to_string()));
evil!(/// Answers with megabytes.
HugeOutput, "huge-output", "test.evil.huge-output", open: fine, process: |_, _| {
    let mut json = String::with_capacity(3 << 20);
    json.push('"');
    while json.len() < 3 << 20 {
        json.push_str("xxxxxxxxxxxxxxxx");
    }
    json.push('"');
    Ok(Outcome::emit("Success", NewMessage::with_json(json)))
});
evil!(/// Answers with a hundred thousand messages.
    ManyEmissions, "many-emissions", "test.evil.many-emissions", open: fine, process: |_, _| Ok(emissions(20_000, "1")));
evil!(/// Writes ten thousand log lines for a message.
LogFlood, "log-flood", "test.evil.log-flood", open: fine, process: |_, _| {
    for _ in 0..10_000 {
        log(Level::Error, "flood flood flood flood");
    }
    Ok(Outcome::Forward(0))
});
evil!(/// Names a relation it did not declare.
    UnknownRelation, "unknown-relation", "test.evil.unknown-relation", open: fine, process: |_, _| Ok(Outcome::along("Elsewhere")));
evil!(/// Names a relation by an index beyond its list.
    BadIndex, "bad-index", "test.evil.bad-index", open: fine, process: |_, _| Ok(Outcome::Forward(99)));
evil!(/// Asks for an effect it did not declare.
UndeclaredEffect, "undeclared-effect", "test.evil.undeclared-effect", open: fine, process: |_, _| {
    Ok(Outcome::Effect(Effect::ClearAlarm(ClearAlarm { entity: None, alarm_type: "x".to_owned(), details: None })))
});
evil!(/// Writes to an entity with an id that is none.
BadEntity, "bad-entity", "test.evil.bad-entity", open: fine, process: |_, _| {
    let entity = EntityId { entity_type: "DEVICE".to_owned(), id: "../../etc".to_owned() };
    let save = SaveTimeSeries { entity: Some(entity), ..SaveTimeSeries::new(Content::whole()) };
    Ok(Outcome::Effect(Effect::SaveTimeSeries(save)))
});
evil!(/// Asks for more effects than one message may cause.
EffectFlood, "effect-flood", "test.evil.effect-flood", open: fine, process: |_, _| {
    let save = SaveTimeSeries::new(Content::whole());
    let effects = (0..500).map(|_| Effect::SaveTimeSeries(save.clone())).collect();
    Ok(Outcome::Steps(Steps { effects, emissions: vec![] }))
});
evil!(/// Writes to the entity whose id is its configuration: that of another tenant.
ForeignEntity, "foreign-entity", "test.evil.foreign-entity", open: fine, process: |configuration, _| {
    let json: serde_json::Value = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
    let id = json["id"].as_str().unwrap_or("00000000-0000-0000-0000-000000000000").to_owned();
    let entity = EntityId { entity_type: "DEVICE".to_owned(), id };
    let save = SaveTimeSeries { entity: Some(entity), ..SaveTimeSeries::new(Content::Json("{\"stolen\": 1}".to_owned())) };
    Ok(Outcome::Effect(Effect::SaveTimeSeries(save)))
});
evil!(/// Emits text that is no JSON.
    BadJson, "bad-json", "test.evil.bad-json", open: fine, process: |_, _| Ok(emissions(1, "{not json")));
evil!(/// Is busy for the milliseconds in its configuration.
Slow, "slow", "test.evil.slow", open: fine, process: |configuration, _| {
    let json: serde_json::Value = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
    let until = pacificsoft_sdk::now_ms() + json["ms"].as_i64().unwrap_or(1);
    while pacificsoft_sdk::now_ms() < until {
        std::hint::black_box(());
    }
    Ok(Outcome::Forward(0))
});
evil!(/// Behaves: makes a new message, for measurements.
Transform, "transform", "test.evil.transform", open: fine, process: |_, message| {
    let celsius = message.number("temperature").ok_or("no temperature")?;
    let json = format!("{{\"fahrenheit\":{}}}", celsius * 1.8 + 32.0);
    Ok(Outcome::emit("Success", NewMessage::with_json(json)))
});

/// Behaves: counts what it sees, remembers how many, and tells on a timer. `take back` in the payload: it counts and then refuses;
/// `trap`: it counts and then panics; `timer`: it sets a timer of so many milliseconds; `cancel`: it cancels it.
pub struct Counter;

impl Counter {
    fn counted() -> u64 {
        state::get("count").map_or(0, |bytes| bytes.try_into().map_or(0, u64::from_be_bytes))
    }
}

impl RuleNode for Counter {
    const RELATIONS: &'static [&'static str] = &["Success", "Told", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "counter",
            class_ids: &["test.counter"],
            title: "counter",
            description: "Counts, for tests.",
            state_schema: "counter/1",
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        state::set("written while opening", b"lost")?;
        Ok(Counter)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let count = Counter::counted() + 1;
        state::set("count", &count.to_be_bytes())?;
        if let Some(delay_ms) = message.integer("timer") {
            timers::set("tell", delay_ms.unsigned_abs())?;
        }
        if message.boolean("cancel") == Some(true) {
            timers::cancel("tell");
        }
        if message.boolean("trap") == Some(true) {
            panic!("on purpose");
        }
        if message.boolean("take back") == Some(true) {
            return Err("refused on purpose".to_owned());
        }
        if message.boolean("flood") == Some(true) {
            for number in 0..2_000 {
                state::set(&number.to_string(), b"x")?;
            }
        }
        let keys = state::keys("").len();
        Ok(Outcome::emit(
            "Success",
            NewMessage::with_json(format!("{{\"count\":{count},\"keys\":{keys}}}")),
        ))
    }

    fn on_timer(&mut self, name: &str, _: &Message) -> Result<Outcome, String> {
        if state::get("refuse timers").is_some() {
            return Err("refused on purpose".to_owned());
        }
        let json = format!("{{\"told\":{},\"name\":\"{name}\"}}", Counter::counted());
        Ok(Outcome::emit("Told", NewMessage::with_json(json)))
    }
}
evil!(/// Keeps something although its type declares no state.
UndeclaredState, "undeclared-state", "test.evil.undeclared-state", open: fine, process: |_, _| {
    state::set("a", b"1")?;
    Ok(Outcome::Forward(0))
});
evil!(/// Asks what is kept over and over.
StateFlood, "state-flood", "test.evil.state-flood", open: fine, process: |_, _| {
    loop {
        std::hint::black_box(state::get("a"));
    }
});

evil!(/// Reports figures under ten thousand names.
FigureFlood, "figure-flood", "test.evil.figure-flood", open: fine, process: |_, _| {
    for number in 0..10_000 {
        metrics::add(&format!("n{number}"), 1);
    }
    metrics::set("Not A Name", 1.0);
    Ok(Outcome::Forward(0))
});
evil!(/// Asks for ten thousand attributes at once.
KeyFlood, "key-flood", "test.evil.key-flood", open: fine, process: |_, message| {
    let keys: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    std::hint::black_box(attributes(&message.originator(), "SERVER_SCOPE", &keys));
    Ok(Outcome::Forward(0))
});

/// Asks for effects on entities that make no sense; which one, the configuration says.
pub struct BadRelation(String);

impl RuleNode for BadRelation {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "bad-relation",
            class_ids: &["test.evil.bad-relation"],
            title: "bad relation",
            description: "Misbehaves, for tests.",
            effects: &["create-relation"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let json: serde_json::Value = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        Ok(BadRelation(json["wrong"].as_str().unwrap_or_default().to_owned()))
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        let mut change = RelationChange {
            source: None,
            target: Some(EntityRef::by_name("DEVICE", "D")),
            relation_type: "Contains".to_owned(),
        };
        match self.0.as_str() {
            "type" => change.relation_type = "a\0b".to_owned(),
            "long type" => change.relation_type = "x".repeat(300),
            "kind" => change.target = Some(EntityRef::by_name("SPACESHIP", "D")),
            "name" => change.target = Some(EntityRef::by_name("DEVICE", "")),
            _ => {}
        }
        Ok(Outcome::Effect(Effect::CreateRelation(change)))
    }
}

pacificsoft_sdk::export_nodes!(
    BadRelation,
    FigureFlood,
    KeyFlood,
    Counter,
    UndeclaredState,
    StateFlood,
    Pass,
    Loop,
    LoopInOpen,
    MemoryBomb,
    Trap,
    TrapInOpen,
    StackBomb,
    HugeOutput,
    ManyEmissions,
    LogFlood,
    UnknownRelation,
    BadIndex,
    UndeclaredEffect,
    BadEntity,
    EffectFlood,
    ForeignEntity,
    BadJson,
    Slow,
    Transform
);
