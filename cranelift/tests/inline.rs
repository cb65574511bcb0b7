//! Functions that are inlined, by what their images hold.

use wrun_cranelift::CraneliftCompiler;
use wrun_module::{
    CompileOptions, Compiler, Features, OptLevel,
    image::{Image, tables::AddressMap},
    parse,
};

fn image(text: &str, options: CompileOptions) -> Vec<u8> {
    let bytes = wat::parse_str(text).expect("valid text");
    let module = parse(&bytes, Features::default()).expect("valid module");
    let compiler = CraneliftCompiler::new(None, options).expect("a target with code");
    compiler.compile(&module, &|_| {}).expect("a module that can be compiled")
}

/// The functions that are inlined somewhere in a module, as far as its address map shows it: each of them may trap in one place.
fn inlined(text: &str, opt_level: OptLevel) -> Vec<u32> {
    let image = image(text, CompileOptions { opt_level, ..CompileOptions::default() });
    let map: AddressMap<'_> = Image::parse(&image).expect("an image").addresses(&image);
    let code = 0..image.len() as u32;
    // Apart by their calls.
    let mut places: Vec<_> = code.map(|at| (map.inlined_at(at), map.find(at))).collect();
    places.dedup();
    places.into_iter().filter_map(|(inlined, _)| Some(inlined?.func)).collect()
}

/// A module of a function that is called and one that calls it, of which `callee` and `caller` are the bodies. The pointer to
/// the stack is the first global.
fn pair(callee: &str, caller: &str) -> String {
    format!(
        r#"(module
            (memory 1) (tag $tag) (table 1 funcref)
            (global $sp (mut i32) (i32.const 1024)) (global $constant i32 (i32.const 8))
            (type $struct (struct (field i32))) (global $vector (mut v128) (v128.const i64x2 0 0))
            (func $callee (param i32) (result i32) {callee})
            (func (export "caller") (param i32) (result i32) (local anyref) {caller}))"#
    )
}

/// The body of a callee as compilers have it that do not optimise.
const LEAF: &str = "global.get $sp local.get 0 i32.sub i32.load";

const CALL: &str = "(call $callee (local.get 0))";

#[test]
fn small_functions_of_code_that_is_not_optimised_are_inlined_in_optimised_code() {
    let text = pair(LEAF, CALL);
    for level in [OptLevel::Speed, OptLevel::Fast] {
        assert_eq!(inlined(&text, level), [0], "{level:?}");
    }
    for level in [OptLevel::None, OptLevel::SpeedAndSize] {
        assert_eq!(inlined(&text, level), [], "{level:?}");
    }
}

#[test]
fn other_functions_are_called() {
    let long = format!("{LEAF} {}", "nop ".repeat(64));
    let blocks = format!("{LEAF} {}", "(if (i32.eqz (local.get 0)) (then unreachable)) ".repeat(5));
    let object = format!("{LEAF} drop (struct.get $struct 0 (ref.null $struct))");
    for callee in [
        // The same without the stack, and with what might look like it.
        "local.get 0 i32.load",
        "global.get $constant local.get 0 i32.sub i32.load",
        "global.get $vector i32x4.extract_lane 0 i32.load",
        &long,
        &blocks,
        // It calls.
        "(i32.sub (global.get $sp) (call $callee (i32.load (local.get 0))))",
        "(i32.sub (global.get $sp) (call_indirect (param i32) (result i32) (local.get 0) (i32.load (local.get 0))))",
        "(i32.sub (global.get $sp) (memory.grow (i32.load (local.get 0))))",
        "(return_call $callee (i32.sub (global.get $sp) (i32.load (local.get 0))))",
        "(i32.load (global.get $sp)) (throw $tag)",
        &object,
    ] {
        assert_eq!(inlined(&pair(callee, CALL), OptLevel::Speed), [], "{callee}");
    }
}

#[test]
fn calls_with_more_to_them_stay() {
    for (caller, expected) in [
        // Its exceptions are caught; a reference lives on over it.
        (format!("(block (try_table (catch $tag 0) (drop {CALL}))) (i32.const 0)"), &[][..]),
        (
            format!(
                "(local.set 1 (struct.new $struct (i32.const 0))) {CALL} (ref.is_null (local.get 1)) i32.add"
            ),
            &[],
        ),
        (format!("(return_call $callee (i32.add {CALL} (i32.const 1)))"), &[0]),
        // Where there are loops, the calls outside of them stay.
        (format!("{CALL} (loop (br_if 0 (i32.eqz (local.get 0)))) "), &[]),
        (format!("{CALL} (loop (br_if 0 {CALL})) "), &[0]),
        (format!("{CALL} call $callee call $callee"), &[0, 0, 0]),
    ] {
        assert_eq!(inlined(&pair(LEAF, &caller), OptLevel::Speed), expected, "{caller}");
    }
}

#[test]
fn a_function_grows_by_so_much_only() {
    let text = pair(LEAF, &format!("{CALL} {}", "call $callee ".repeat(999)));
    let count = inlined(&text, OptLevel::Speed).len();
    assert!((100..400).contains(&count), "{count}");
}

#[test]
fn images_do_not_depend_on_which_thread_compiles_what() {
    // Enough for several threads, and more callees than one of them keeps.
    let funcs: String = (0..530)
        .map(|n| {
            let callee = format!("(func $callee{n} (param i32) (result i32) {LEAF})");
            let call = format!("(call $callee{n} (call $callee{} (local.get 0)))", n / 3);
            let body = format!("(loop (br_if 0 (i32.gt_u {call} (i32.const {n}))))");
            format!("{callee} (func (export \"caller{n}\") (param i32) {body})")
        })
        .collect();
    let text = format!("(module (memory 1) (global $sp (mut i32) (i32.const 1024)) {funcs})");
    let [first, second] = [(); 2].map(|()| image(&text, CompileOptions::default()));
    assert!(first == second);
}
