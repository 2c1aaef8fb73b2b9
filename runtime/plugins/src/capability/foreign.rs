//! What other toolchains' components import by habit: interfaces of WASI. They get time and random numbers, and otherwise an empty world: no
//! environment, no arguments, no folders, output that nobody reads. Everything else traps by name when it is called.
//!
//! Answers are made as dynamic values: the functions differ by version, and none of them is called often.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Clock;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{Engine, Result, StoreContextMut};

use crate::guest::Guest;

/// Bytes of random numbers in one call at most.
const RANDOM_BYTES_MAX: u64 = 4 << 10;
/// Bytes a guest may write at once to an output that nobody reads.
const WRITE_BYTES_MAX: u64 = 64 << 10;

/// Stands for every resource of these interfaces. There is nothing behind one.
struct Nothing;

/// Whether a component imports anything of WASI.
pub(crate) fn is_foreign(engine: &Engine, component: &Component) -> bool {
    component.component_type().imports(engine).any(|(name, _)| is_wasi(name))
}

/// A linker that also has what the component imports of WASI.
pub(crate) fn with_stubs(linker: &Linker<Guest>, engine: &Engine, component: &Component) -> Result<Linker<Guest>> {
    let mut linker = linker.clone();
    for (name, item) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(interface) = item.ty
            && is_wasi(name)
        {
            stub(&mut linker.instance(name)?, engine, name, &interface)?;
        }
    }
    Ok(linker)
}

fn is_wasi(name: &str) -> bool {
    name.starts_with("wasi:")
}

fn stub(linker: &mut LinkerInstance<'_, Guest>, engine: &Engine, name: &str, interface: &ComponentInstance) -> Result<()> {
    let unversioned = name.split('@').next().unwrap_or(name).to_owned();
    for (function, item) in interface.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) => linker.resource(function, ResourceType::host::<Nothing>(), |_, _| Ok(()))?,
            ComponentItem::ComponentFunc(_) => {
                let called = format!("{unversioned} {function}");
                linker.func_new(function, move |mut store, _, parameters, results| {
                    // Handles lent to the host are given back by the host.
                    for parameter in parameters {
                        if let Val::Resource(resource) = parameter {
                            resource.resource_drop(&mut store)?;
                        }
                    }
                    let answer = answer(&called, store, parameters)?;
                    if let (Some(place), Some(answer)) = (results.first_mut(), answer) {
                        *place = answer;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a function answers; none where it answers nothing.
fn answer(called: &str, mut store: StoreContextMut<'_, Guest>, parameters: &[Val]) -> Result<Option<Val>> {
    let answer = match called {
        "wasi:random/random get-random-u64" | "wasi:random/insecure get-insecure-random-u64" => Val::U64(rand::random()),
        "wasi:random/random get-random-bytes" | "wasi:random/insecure get-insecure-random-bytes" => random_bytes(parameters)?,
        "wasi:random/insecure-seed insecure-seed" | "wasi:random/insecure-seed get-insecure-seed" => {
            Val::Tuple(vec![Val::U64(rand::random()), Val::U64(rand::random())])
        }
        "wasi:clocks/monotonic-clock now" => Val::U64(since_epoch_ns()),
        "wasi:clocks/wall-clock now" => date_time(store.data().clock.as_ref()),
        "wasi:clocks/monotonic-clock resolution" => Val::U64(1_000_000),
        "wasi:cli/environment get-environment" | "wasi:cli/environment get-arguments" | "wasi:filesystem/preopens get-directories" => {
            Val::List(Vec::new())
        }
        "wasi:cli/environment initial-cwd"
        | "wasi:cli/terminal-stdin get-terminal-stdin"
        | "wasi:cli/terminal-stdout get-terminal-stdout"
        | "wasi:cli/terminal-stderr get-terminal-stderr" => Val::Option(None),
        "wasi:cli/stdin get-stdin"
        | "wasi:cli/stdout get-stdout"
        | "wasi:cli/stderr get-stderr"
        | "wasi:io/streams [method]output-stream.subscribe"
        | "wasi:io/streams [method]input-stream.subscribe" => {
            Val::Resource(Resource::<Nothing>::new_own(0).try_into_resource_any(&mut store)?)
        }
        "wasi:io/streams [method]output-stream.check-write" => Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES_MAX))))),
        "wasi:io/streams [method]output-stream.write"
        | "wasi:io/streams [method]output-stream.flush"
        | "wasi:io/streams [method]output-stream.blocking-flush"
        | "wasi:io/streams [method]output-stream.blocking-write-and-flush" => Val::Result(Ok(None)),
        "wasi:io/streams [method]input-stream.read" | "wasi:io/streams [method]input-stream.blocking-read" => {
            Val::Result(Err(Some(Box::new(Val::Variant("closed".to_owned(), None)))))
        }
        "wasi:io/poll [method]pollable.ready" => Val::Bool(true),
        "wasi:io/poll [method]pollable.block" => return Ok(None),
        other => {
            return Err(wasmtime::Error::msg(format!(
                "the component called {other}, which is not offered: components have no files, sockets or processes"
            )));
        }
    };
    Ok(Some(answer))
}

fn random_bytes(parameters: &[Val]) -> Result<Val> {
    match parameters {
        [Val::U64(len)] if *len <= RANDOM_BYTES_MAX => Ok(Val::List((0..*len).map(|_| Val::U8(rand::random())).collect())),
        _ => Err(wasmtime::Error::msg(format!(
            "the component wanted more than {RANDOM_BYTES_MAX} random bytes at once"
        ))),
    }
}

fn since_epoch_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn date_time(clock: &dyn Clock) -> Val {
    let ms = u64::try_from(clock.now_ms()).unwrap_or_default();
    let nanoseconds = u32::try_from(ms % 1000).unwrap_or_default() * 1_000_000;
    Val::Record(vec![
        ("seconds".to_owned(), Val::U64(ms / 1000)),
        ("nanoseconds".to_owned(), Val::U32(nanoseconds)),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::budget::allow;
    use crate::guest::store;
    use crate::{Host, HostConfig};

    const GUEST: &str = r#"(component
        (import "wasi:random/random@0.2.3" (instance $random (export "get-random-u64" (func (result u64)))))
        (import "wasi:cli/environment@0.2.0" (instance $environment (export "get-arguments" (func (result (list string))))))
        (import "wasi:sockets/network@0.2.0" (instance $network (export "open" (func (result u32)))))
        (core func $draw (canon lower (func $random "get-random-u64")))
        (core func $open (canon lower (func $network "open")))
        (core module $m
            (import "" "draw" (func $draw (result i64)))
            (import "" "open" (func $open (result i32)))
            (func (export "draw") (result i64) call $draw)
            (func (export "open") (result i32) call $open))
        (core instance $i (instantiate $m (with "" (instance (export "draw" (func $draw)) (export "open" (func $open))))))
        (func (export "draw") (result u64) (canon lift (core func $i "draw")))
        (func (export "open") (result u32) (canon lift (core func $i "open"))))"#;

    #[test]
    fn foreign_components_get_random_numbers_and_no_sockets() {
        let host = Host::new(HostConfig::default()).unwrap();
        let engine = &host.0.engine;
        let component = Component::new(engine, wat::parse_str(GUEST).unwrap()).unwrap();
        assert!(is_foreign(engine, &component));
        let linker = with_stubs(&host.0.rule_linker, engine, &component).unwrap();
        let mut store = store(engine, host.anonymous(), host.limits());
        allow(&mut store, 100);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let draw = instance.get_typed_func::<(), (u64,)>(&mut store, "draw").unwrap();
        let mut drawn = || draw.call(&mut store, ()).unwrap().0;
        assert_ne!(drawn(), drawn());
        let open = instance.get_typed_func::<(), (u32,)>(&mut store, "open").unwrap();
        let refused = open.call(&mut store, ()).unwrap_err().root_cause().to_string();
        assert!(
            refused.contains("wasi:sockets/network open") && refused.contains("not offered"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_answered_grants_nothing() {
        let host = Host::new(HostConfig::default()).unwrap();
        let mut store = store(&host.0.engine, host.anonymous(), host.limits());
        let mut ask = |called: &str, parameters: &[Val]| answer(called, wasmtime::AsContextMut::as_context_mut(&mut store), parameters);
        for empty in ["wasi:cli/environment get-environment", "wasi:filesystem/preopens get-directories"] {
            assert_eq!(ask(empty, &[]).unwrap(), Some(Val::List(Vec::new())));
        }
        assert!(ask("wasi:random/random get-random-bytes", &[Val::U64(16)]).is_ok());
        for refused in [
            "wasi:random/random get-random-bytes",
            "wasi:filesystem/types [method]descriptor.open-at",
            "wasi:cli/exit exit",
        ] {
            assert!(ask(refused, &[Val::U64(1 << 40)]).is_err(), "{refused}");
        }
    }
}
