//! `wrun wast`.

#![cfg(feature = "cranelift")]

mod harness;

use harness::World;

const GOOD: &str = r#"(module (func (export "f") (param i32) (result i32) (i32.div_u (i32.const 6) (local.get 0))))
(assert_return (invoke "f" (i32.const 2)) (i32.const 3))
(assert_trap (invoke "f" (i32.const 0)) "integer divide by zero")
(assert_invalid (module (func (result i32))) "type mismatch")
"#;

const BAD: &str = r#"(module (func (export "f") (result i32) (i32.const 1)))
(assert_return (invoke "f") (i32.const 1))
  (assert_return (invoke "f") (i32.const 2))
"#;

#[test]
fn a_script_that_holds_passes() {
    let outcome =
        World::with("good.wast", GOOD).wrun(["wast", "good.wast"]).run().exits(0).stderr_is("");
    outcome.stdout_has("good.wast").stdout_has("4 passed, 0 failed, 0 skipped\n");
}

#[test]
fn a_directive_that_fails_is_named() {
    let world = World::with("good.wast", GOOD).file("bad.wast", BAD);
    let outcome = world.wrun(["wast", "good.wast", "bad.wast"]).run().exits(1);
    outcome
        .stdout_has("bad.wast:3:")
        .stdout_has("expected")
        .stdout_has("6 passed, 1 failed, 0 skipped\n");
}

#[test]
fn a_script_with_a_mistake_fails() {
    let world = World::with("a.wast", "(assert_retrun)\n");
    world.wrun(["wast", "a.wast"]).run().ends_in_order().exits(1).stdout_has("a.wast:1:");
}

#[test]
fn messages_are_compared_on_demand() {
    let script = "(assert_invalid (module (func (result i32))) \"some other message\")\n";
    let world = World::with("a.wast", script);
    world.wrun(["wast", "a.wast"]).run().exits(0);
    world
        .wrun(["wast", "--strict-messages", "a.wast"])
        .run()
        .exits(1)
        .stdout_has("some other message");
}

#[test]
fn options_reach_the_scripts() {
    let world = World::with("a.wast", "(module (memory 1) (memory 1))\n");
    world.wrun(["wast", "-O0", "a.wast"]).run().exits(0);
    world.wrun(["wast", "--wasm", "multi-memory=off", "a.wast"]).run().exits(1);
}

#[test]
fn a_missing_script_is_127() {
    World::new().wrun(["wast", "no.wast"]).run().exits(127).stderr_has("`no.wast`");
}
