//! Bodies of functions, in WebAssembly text. Those that do not end, or trap, fit wherever a function is.

/// Never ends.
pub const LOOP: &str = "(loop $again (br $again)) unreachable";
/// Traps.
pub const TRAP: &str = "unreachable";
/// Calls itself until the stack is used up. With [`DEEP`].
pub const RECURSE: &str = "(call $deep) unreachable";
/// Belongs to [`RECURSE`].
pub const DEEP: &str = "(func $deep (call $deep) (call $deep))";
/// Takes memory until none is given, and breaks.
pub const GROW: &str = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
/// Takes places in a table until none are given, and breaks. With [`TABLE`].
pub const GROW_TABLE: &str =
    "(loop $again (br_if $again (i32.ne (table.grow $places (ref.null func) (i32.const 500)) (i32.const -1)))) unreachable";
/// Belongs to [`GROW_TABLE`].
pub const TABLE: &str = "(table $places 1 funcref)";
/// An honest allocator that never takes anything back.
pub const ALLOCATE: &str = "(local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16))) \
     (global.set $heap (i32.add (local.get $at) (local.get 3))) \
     (loop $more (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))) \
       (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (br $more)))) \
     (local.get $at)";

/// Answers with what lies at a place.
pub fn answer(at: u32) -> String {
    format!("(i32.const {at})")
}
