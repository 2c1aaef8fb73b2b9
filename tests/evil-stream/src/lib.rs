//! A stream adapter that misbehaves when its peer says so, each line in one way. The host must survive all of them; a test names each.

use pacificsoft_sdk::adapter::{Downlink, Telemetry, Uplink};
use pacificsoft_sdk::stream::{Actions, Arrival, Denial, Ending, StreamDescriptor};
use pacificsoft_sdk::{Content, StreamAdapter};

/// Lines of text: a word, a space, and what belongs to it.
pub struct EvilStream(Vec<u8>);

impl StreamAdapter for EvilStream {
    fn descriptor() -> StreamDescriptor {
        StreamDescriptor {
            name: "evil-stream",
            title: "Evil stream",
            description: "Misbehaves, for tests.",
        }
    }

    fn opened(_: &Arrival, _: &mut Actions) -> Result<Self, String> {
        Ok(EvilStream(Vec::new()))
    }

    fn received(&mut self, bytes: &[u8], actions: &mut Actions) -> Result<(), String> {
        self.0.extend(bytes);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            act(word, rest, actions)?;
        }
        Ok(())
    }

    fn authenticated(&mut self, device: u32, denied: Option<Denial>, actions: &mut Actions) -> Result<(), String> {
        actions.send(match denied {
            None => format!("accepted {device}\n"),
            Some(Denial::Unknown) => format!("unknown {device}\n"),
            Some(Denial::TooMany) => format!("too-many {device}\n"),
            Some(Denial::Unavailable) => format!("unavailable {device}\n"),
        });
        Ok(())
    }

    fn settled(&mut self, ticket: u32, durable: bool, actions: &mut Actions) -> Result<(), String> {
        actions.send(format!("{} {ticket}\n", if durable { "durable" } else { "lost" }));
        Ok(())
    }

    fn downlink(&mut self, _: u32, _: Downlink, _: &mut Actions) -> Result<(), String> {
        panic!("on purpose")
    }

    fn detached(&mut self, device: u32, _: Ending, actions: &mut Actions) -> Result<(), String> {
        actions.send(format!("gone {device}\n"));
        Ok(())
    }

    fn timer(&mut self, timer: u32, actions: &mut Actions) -> Result<(), String> {
        actions.send(format!("timer {timer}\n"));
        Ok(())
    }
}

fn act(word: &str, rest: &str, actions: &mut Actions) -> Result<(), String> {
    match word {
        // Behaves.
        "login" => actions.authenticate(1, rest),
        "say" => actions.uplinks(1, 7, vec![telemetry(rest)]),
        "twice" => (0..2).for_each(|_| actions.authenticate(5, rest)),
        "timer" => actions.set_timer(3, 20),
        "close" => {
            actions.send("bye\n");
            actions.close("asked for");
            actions.send("never\n");
        }
        "refuse" => return Err("refused".to_owned()),
        // Does not.
        "trap" => panic!("on purpose"),
        "loop" => loop {
            std::hint::black_box(());
        },
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        "flood" => (0..200).for_each(|_| actions.send(vec![b'x'; 4096])),
        "huge" => actions.send(vec![b'x'; 3 << 20]),
        "many" => (0..5000).for_each(|number| actions.cancel_timer(number)),
        "timers" => (0..100).for_each(|number| actions.set_timer(number, 1000)),
        "guess" => (10..30).for_each(|number| actions.authenticate(number, "guessed")),
        "fleet" => (1000..1020).for_each(|number| actions.authenticate(number, rest)),
        "foreign" => actions.uplinks(99, 0, vec![telemetry("{}")]),
        "no-json" => actions.uplinks(1, 0, vec![telemetry("{")]),
        _ => {}
    }
    Ok(())
}

fn telemetry(json: &str) -> Uplink {
    Uplink::Telemetry(Telemetry {
        timestamp: None,
        values: Content::Json(json.to_owned()),
    })
}

pacificsoft_sdk::export_stream!(EvilStream);
