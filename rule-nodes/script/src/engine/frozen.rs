//! A realm in which scripts leave nothing: everything that is built in is frozen.

use std::collections::HashSet;

use boa_engine::object::{IntegrityLevel, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsValue, Source, js_string};

use super::host;

/// Gives the realm the host's functions, and makes its objects ready.
const REALM: &str = include_str!("realm.js");

/// Freezes everything that the global object, or some way that has no name, leads to. The global object itself takes variables that a
/// script does not declare.
pub(super) fn freeze(context: &mut Context) -> JsResult<()> {
    let global = context.global_object();
    let prepare = context.eval(Source::from_bytes(REALM))?.to_object(context)?;
    let hidden = prepare.call(&JsValue::undefined(), &host::functions(context), context)?;
    let built_in = reached(vec![global.clone(), hidden.to_object(context)?], context)?;
    for object in built_in.iter().filter(|object| !JsObject::equals(object, &global)) {
        object.set_integrity_level(IntegrityLevel::Frozen, context)?;
    }
    for key in global.own_property_keys(context)? {
        let mut own = PropertyDescriptor::builder().configurable(false);
        let is_value = global.borrow().properties().get(&key).is_some_and(|own| own.is_data_descriptor());
        if is_value {
            own = own.writable(false);
        }
        global.define_property_or_throw(key, own, context)?;
    }
    Ok(())
}

/// The same for a script's function, which could keep something, too.
pub(super) fn freeze_function(function: &JsObject, context: &mut Context) -> JsResult<()> {
    let prototype = function.get(js_string!("prototype"), context)?.to_object(context)?;
    prototype.set_integrity_level(IntegrityLevel::Frozen, context)?;
    function.set_integrity_level(IntegrityLevel::Frozen, context)?;
    Ok(())
}

fn reached(mut open: Vec<JsObject>, context: &mut Context) -> JsResult<HashSet<JsObject>> {
    let mut found = HashSet::new();
    while let Some(object) = open.pop() {
        if !found.insert(object.clone()) {
            continue;
        }
        open.extend(object.prototype());
        for key in object.own_property_keys(context)? {
            let Some(own) = object.borrow().properties().get(&key) else {
                continue;
            };
            let ends = [own.value(), own.get(), own.set()];
            open.extend(ends.into_iter().flatten().filter_map(JsValue::as_object));
        }
    }
    Ok(found)
}
