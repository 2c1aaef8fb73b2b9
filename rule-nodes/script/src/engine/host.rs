//! What the interpreter finds outside: the host's clock, and chance. There are no modules, no tasks and no text that becomes code.

use std::cell::Cell;
use std::rc::Rc;

use boa_engine::context::time::{Clock, JsInstant};
use boa_engine::context::{ContextBuilder, HostHooks};
use boa_engine::job::IdleJobExecutor;
use boa_engine::module::IdleModuleLoader;
use boa_engine::realm::Realm;
use boa_engine::{Context, JsNativeError, JsResult, JsString, JsValue, NativeFunction};

/// Rounds of all loops in one function's call at most. Where they do next to nothing, that is a quarter of a message's time: what loops for ever
/// hears so, and keeps its instance.
pub(super) const ROUNDS_MAX: u64 = 200_000;
/// Calls inside each other at most.
pub(super) const DEPTH_MAX: usize = 200;
/// Bytes of an array buffer at most.
const BUFFER_BYTES_MAX: u64 = 1 << 20;

/// An interpreter.
pub(super) fn context() -> JsResult<Context> {
    let mut context = ContextBuilder::new()
        .clock(Rc::new(HostClock))
        .host_hooks(Rc::new(Hooks))
        .job_executor(Rc::new(IdleJobExecutor))
        .module_loader(Rc::new(IdleModuleLoader))
        .can_block(false)
        .build()?;
    let limits = context.runtime_limits_mut();
    limits.set_loop_iteration_limit(ROUNDS_MAX);
    limits.set_recursion_limit(DEPTH_MAX);
    limits.set_backtrace_limit(8);
    Ok(context)
}

/// The functions that `realm.js` takes, in its order.
pub(super) fn functions(context: &mut Context) -> [JsValue; 2] {
    [parse, random].map(|function| NativeFunction::from_fn_ptr(function).to_js_function(context.realm()).into())
}

struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> JsInstant {
        let now_ms = u64::try_from(pacificsoft_sdk::now_ms()).unwrap_or(0);
        let nanoseconds = u32::try_from(now_ms % 1_000).unwrap_or(0) * 1_000_000;
        JsInstant::new(now_ms / 1_000, nanoseconds)
    }
}

struct Hooks;

impl HostHooks for Hooks {
    /// Code made of text would stay in memory after its message, and its variables in the realm.
    fn ensure_can_compile_strings(&self, _: Realm, _: &[JsString], _: &JsString, _: bool, _: &mut Context) -> JsResult<()> {
        Err(JsNativeError::eval()
            .with_message("eval and new Function are not offered: write the code into the script")
            .into())
    }

    /// UTC, on every server.
    fn local_timezone_offset_seconds(&self, _: i64) -> i32 {
        0
    }

    fn max_buffer_size(&self, _: &mut Context) -> u64 {
        BUFFER_BYTES_MAX
    }
}

/// JSON becomes a value. The interpreter's own way compiles the text and keeps every string of it for good.
fn parse(_: &JsValue, arguments: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = arguments.first().cloned().unwrap_or_default().to_string(context)?;
    let syntax = |reason: String| JsNativeError::syntax().with_message(reason);
    let text = text.to_std_string().map_err(|error| syntax(error.to_string()))?;
    let json = serde_json::from_str(&text).map_err(|error| syntax(error.to_string()))?;
    JsValue::from_json(&json, context)
}

thread_local! {
    static CHANCE: Cell<u64> = const { Cell::new(0) };
}

/// A number from 0 up to 1, by SplitMix64 from the time of the first call: good for simulations, no secret.
#[allow(clippy::unnecessary_wraps, reason = "the form of a native function")]
fn random(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    let state = match CHANCE.get() {
        0 => pacificsoft_sdk::now_ms().unsigned_abs(),
        state => state,
    };
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    CHANCE.set(state);
    let mut bits = state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let fraction = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    Ok(JsValue::from(fraction))
}
