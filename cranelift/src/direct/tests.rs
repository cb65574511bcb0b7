//! What is written here and what is left to Cranelift; that the tables beside the code say what they should. What the code does
//! is tested by the official suite, all of whose functions go through it (`spec-testsuite/tests/suite.rs`).

use wrun_module::{
    CompileOptions, CompiledFunc, Features, MemoryStyle, OwnedModule, TrapCode,
    image::tables::AddressMap,
};

use super::{Code, Support, compile};
use crate::{env::ModuleEnv, target};

/// The first function of a module, when it is written here.
fn direct_with(text: &str, options: CompileOptions) -> Option<CompiledFunc> {
    let (isa, _) = target::lookup(Some("x86_64-unknown-linux-gnu"), options).unwrap();
    let bytes = wat::parse_str(text).unwrap();
    let module = OwnedModule::parse(bytes.into(), Features::default()).unwrap();
    let env = ModuleEnv::new(&*isa, options, module.get());
    compile(Support::new(&*isa)?, &*isa, &env, 0, &mut Code::default())
}

fn direct(text: &str) -> Option<CompiledFunc> {
    direct_with(text, CompileOptions::default())
}

#[test]
fn functions_of_usual_programs_are_written_here() {
    let func = direct(
        "(module
            (import \"m\" \"f\" (func $f (param i32 f64) (result i64)))
            (memory 1) (table 2 funcref) (global $g (mut i32) (i32.const 0))
            (func (param i32 i64 f32 f64) (result i32) (local i32 f64)
                (loop $again
                    (local.set 4 (i32.add (local.get 0) (i32.load8_u offset=4 (local.get 4))))
                    (br_if $again (i32.lt_s (local.get 4) (i32.const 10))))
                (drop (call $f (local.get 4) (local.get 3)))
                (call_indirect (param f32) (local.get 2) (local.get 0))
                (memory.copy (local.get 0) (local.get 4) (i32.const 100))
                (global.set $g (memory.grow (i32.const 1)))
                (block $a (block $b (block $c (block $d
                    (br_table $a $b $c $d $a (local.get 0))))))
                (select (i32.trunc_sat_f64_u (local.get 3)) (i32.div_s (local.get 0) (i32.const 3))
                    (f64.gt (local.get 3) (local.get 5)))))",
    )
    .expect("all of it is usual");
    assert!(func.traps.iter().any(|trap| trap.1 == TrapCode::MemoryOutOfBounds));
    assert!(func.traps.iter().any(|trap| trap.1 == TrapCode::IndirectCallTypeMismatch));
    assert!(func.traps.is_sorted_by(|a, b| a.0 < b.0));
    assert!(func.addresses.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(func.addresses[0], (0, AddressMap::NONE));
    assert!(func.traps.iter().all(|trap| (trap.0 as usize) < func.code.len()));
}

#[test]
fn what_is_rare_is_left_to_cranelift() {
    for text in [
        "(module (func (param v128)))",
        "(module (func (local externref)))",
        "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))",
        "(module (func (call 1) (drop) (drop)) (func (result i32 i32) unreachable))",
        "(module (func (drop (ref.null func))))",
        "(module (func (return_call 0)))",
        "(module (memory i64 1) (func (drop (i32.load (i64.const 0)))))",
        "(module (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0)))))",
        "(module (type $t (sub (func))) (table 1 funcref)
            (func (call_indirect (type $t) (i32.const 0))))",
        "(module (tag $e) (func (throw $e)))",
        "(module (func (block (result v128) unreachable) (drop)))",
    ] {
        assert!(direct(text).is_none(), "{text}");
    }
}

#[test]
fn options_that_change_code_are_left_to_cranelift() {
    let text = "(module (memory 1) (func (drop (i32.load (i32.const 0)))))";
    assert!(direct(text).is_some());
    let checked = CompileOptions { memory_style: MemoryStyle::Checked, ..Default::default() };
    assert!(direct_with(text, checked).is_none());
    let deterministic = CompileOptions { deterministic: true, ..Default::default() };
    assert!(direct_with(text, deterministic).is_none());
}

#[test]
fn frames_too_large_are_left_to_cranelift() {
    let text = |locals: usize| format!("(module (func (local {})))", "i64 ".repeat(locals));
    assert!(direct(&text(1000)).is_some());
    assert!(direct(&text(1001)).is_none());
    let text = |operands: usize| {
        let (push, drop) = ("(i32.load (i32.const 0))".repeat(operands), "drop ".repeat(operands));
        format!("(module (memory 1) (func {push} (block) {drop}))")
    };
    assert!(direct(&text(1000)).is_some());
    assert!(direct(&text(5000)).is_none());
}

#[test]
fn a_position_is_known_for_every_trap() {
    let text = "(module (func (param i32 i32) (result i32)
        (i32.div_u (i32.rem_u (local.get 0) (local.get 1)) (local.get 1))))";
    let func = direct(text).unwrap();
    let map = AddressMap::encode(&func.addresses);
    let map = AddressMap::new(&map).unwrap();
    let traps = func.traps.iter().filter(|trap| trap.1 == TrapCode::IntegerDivideByZero);
    let positions: Vec<_> = traps.map(|trap| map.find(trap.0)).collect();
    // Two divisions, and two places behind the code where their checks lead.
    assert_eq!(positions.len(), 4);
    assert!(positions.iter().all(|position| position.is_some()));
    assert_eq!(positions[0], positions[2]);
    assert_eq!(positions[1], positions[3]);
    assert_ne!(positions[0], positions[1]);
}

#[test]
fn values_of_many_branches_do_not_take_much_room() {
    let text = |values: usize| {
        let (types, zeros) = ("i32 ".repeat(values), "(i32.const 0)".repeat(values));
        let (sets, branches) = ("drop ".repeat(values), "(br_if 0 (local.get 0))".repeat(100));
        format!(
            "(module (func (param i32)
                (block (result {types}) (i32.const 1) {zeros} {branches} br 0) {sets}))"
        )
    };
    assert!(direct(&text(16)).is_some());
    assert!(direct(&text(17)).is_none());
}

#[test]
fn labels_of_a_table_that_lead_to_one_block_share_the_way() {
    let (depth, labels) = (2_000, 20_000);
    let (blocks, ends) = ("(block (result i32) ".repeat(depth), ")".repeat(depth));
    let labels: String = (0..labels).map(|label| format!("{} ", label % depth)).collect();
    let table = format!("(br_table {labels} (i32.const 5) (i32.const 7) (local.get 0))");
    let text = format!("(module (func (param i32) (result i32) {blocks} {table} {ends}))");
    let func = direct(&text).unwrap();
    // Four bytes a label, and a way of two moves and a jump for each block.
    assert!(func.code.len() < 20_000 * 4 + depth * 40, "{} bytes", func.code.len());
}

#[test]
fn operands_at_many_loops_do_not_take_quadratic_room() {
    let depth = 500;
    let push = "(i32.load (i32.const 0))".repeat(depth);
    let (loops, ends) = ("loop ".repeat(depth), "end ".repeat(depth));
    let drops = "drop ".repeat(depth);
    let text = format!("(module (memory 1) (func {push} {loops} {ends} {drops}))");
    assert!(direct(&text).is_none());
}
