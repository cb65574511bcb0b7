//! Each directive, holding and not holding: a runner that passes everything would be noticed here.

use wrun_wast::{Options, ScriptReport, run_script};

fn run(text: &str) -> ScriptReport {
    run_script("test", text, &Options::default())
}

/// Asserts that every directive passes and that there are `count` of them.
#[track_caller]
fn passes(count: usize, text: &str) {
    let report = run(text);
    assert!(report.failures.is_empty() && report.skips.is_empty(), "{report}");
    assert_eq!(report.passed, count, "{report}");
}

/// Asserts that exactly one directive fails, and how.
#[track_caller]
fn fails(position: &str, expected: &str, found: &str, text: &str) {
    let report = run(text);
    let [failure] = &report.failures[..] else { panic!("one failure expected: {report}") };
    assert_eq!(failure.at.to_string(), position, "{report}");
    assert_eq!(failure.expected, expected, "{report}");
    assert!(failure.found.contains(found), "`{found}` expected: {report}");
    assert!(report.skips.is_empty() && !report.panicked, "{report}");
}

/// A module with something of everything.
const MODULE: &str = r#"(module $m
  (global (export "g") i32 (i32.const 42))
  (table 1 funcref)
  (func (export "id") (param i32) (result i32) (local.get 0))
  (func (export "two") (result i32 f32) (i32.const 1) (f32.const nan))
  (func (export "trap") unreachable)
  (func (export "null") (call_indirect (i32.const 0)))
  (func $deep (export "deep") (call $deep)))
"#;

#[test]
fn modules_and_actions_pass() {
    passes(4, &format!("{MODULE} (invoke \"id\" (i32.const 1)) (get \"g\") (get $m \"g\")"));
    passes(1, "(func (export \"f\"))");
    passes(2, "(module binary \"\\00asm\\01\\00\\00\\00\") (module quote \"(func)\")");
}

#[test]
fn modules_that_fail_are_failures() {
    fails("1:1", "a valid module", "type mismatch", "(module (func (result i32)))");
    fails("1:1", "a valid module", "", "(module binary \"\\00asm\")");
    fails("1:1", "a valid module", "unknown func", "(module quote \"(func (call $f))\")");
    fails(
        "1:1",
        "a module that can be instantiated",
        "unknown import",
        "(module (import \"spectest\" \"nothing\" (func)))",
    );
    fails(
        "1:1",
        "a module that can be instantiated",
        "trap `unreachable`",
        "(module (func $f unreachable) (start $f))",
    );
}

#[test]
fn a_module_that_fails_is_not_replaced_by_the_one_before() {
    let report = run(&format!("{MODULE}\n(module (func (result i32)))\n(invoke \"deep\")"));
    let found: Vec<_> = report.failures.iter().map(|it| it.found.as_str()).collect();
    assert_eq!(found.len(), 2, "{report}");
    assert_eq!(found[1], "no current instance");
}

#[test]
fn actions_that_fail_are_failures() {
    let script = |action: &str| format!("{MODULE}{action}");
    let expected = "an action that returns";
    fails("9:1", expected, "trap `unreachable`", &script("(invoke \"trap\")"));
    fails("9:1", expected, "no exported function `none`", &script("(invoke \"none\")"));
    fails("9:1", expected, "no exported global `id`", &script("(get \"id\")"));
    fails("9:1", expected, "no instance called `$n`", &script("(invoke $n \"trap\")"));
    fails("9:1", expected, "", &script("(invoke \"id\")"));
    fails("9:1", expected, "", &script("(invoke \"id\" (i64.const 1))"));
    fails("1:1", expected, "no current instance", "(invoke \"f\")");
}

#[test]
fn assert_return_compares_results() {
    let script = |assertion: &str| format!("{MODULE}\n  {assertion}");
    passes(2, &script("(assert_return (invoke \"id\" (i32.const -1)) (i32.const -1))"));
    passes(2, &script("(assert_return (get \"g\") (either (i32.const 41) (i32.const 42)))"));
    passes(
        2,
        &script("(assert_return (invoke $m \"two\") (i32.const 1) (f32.const nan:canonical))"),
    );
    fails(
        "10:3",
        "(i32.const 2)",
        "(i32.const 1)",
        &script("(assert_return (invoke \"id\" (i32.const 1)) (i32.const 2))"),
    );
    fails(
        "10:3",
        "no results",
        "(i32.const 1)",
        &script("(assert_return (invoke \"id\" (i32.const 1)))"),
    );
    fails(
        "10:3",
        "(i32.const 1)",
        "(i32.const 1) (f32.const nan:0x400000)",
        &script("(assert_return (invoke \"two\") (i32.const 1))"),
    );
    fails(
        "10:3",
        "(i32.const 1)",
        "trap `unreachable`",
        &script("(assert_return (invoke \"trap\") (i32.const 1))"),
    );
    fails(
        "10:3",
        "(i64.const 42)",
        "(i32.const 42)",
        &script("(assert_return (get \"g\") (i64.const 42))"),
    );
}

#[test]
fn assert_trap_wants_this_trap() {
    let script = |assertion: &str| format!("{MODULE}{assertion}");
    passes(2, &script("(assert_trap (invoke \"trap\") \"unreachable\")"));
    passes(2, &script("(assert_trap (invoke \"null\") \"uninitialized element 2\")"));
    let expected = "trap `integer overflow`";
    let trap = |action: &str| script(&format!("(assert_trap {action} \"integer overflow\")"));
    fails("9:1", expected, "trap `unreachable`", &trap("(invoke \"trap\")"));
    fails("9:1", expected, "(i32.const 3)", &trap("(invoke \"id\" (i32.const 3))"));
    fails("9:1", expected, "no exported function", &trap("(invoke \"nothing\")"));
    fails("9:1", expected, "", &trap("(invoke \"id\")"));
}

#[test]
fn modules_may_be_asserted_to_trap() {
    let script = |module: &str| format!("(assert_trap {module} \"unreachable\")");
    let expected = "trap `unreachable`";
    passes(1, &script("(module (func $f unreachable) (start $f))"));
    fails("1:1", expected, "could be instantiated", &script("(module (func))"));
    fails("1:1", expected, "unknown import", &script("(module (import \"a\" \"b\" (func)))"));
    fails("1:1", expected, "type mismatch", &script("(module (func (result i32)))"));
}

#[test]
fn assert_exhaustion_wants_the_stack_used_up() {
    let script = |assertion: &str| format!("{MODULE}{assertion}");
    passes(2, &script("(assert_exhaustion (invoke \"deep\") \"call stack exhausted\")"));
    let expected = "exhaustion `call stack exhausted`";
    let exhaustion =
        |call: &str| script(&format!("(assert_exhaustion {call} \"call stack exhausted\")"));
    fails("9:1", expected, "trap `unreachable`", &exhaustion("(invoke \"trap\")"));
    fails("9:1", expected, "(i32.const 1)", &exhaustion("(invoke \"id\" (i32.const 1))"));
    fails(
        "9:1",
        "exhaustion `unreachable`",
        "trap `unreachable`",
        &script("(assert_exhaustion (invoke \"trap\") \"unreachable\")"),
    );
    fails(
        "9:1",
        "exhaustion `out of memory`",
        "trap `call stack exhausted`",
        &script("(assert_exhaustion (invoke \"deep\") \"out of memory\")"),
    );
}

#[test]
fn invalid_and_malformed_modules_have_to_be_refused() {
    passes(
        6,
        r#"(assert_invalid (module (func (result i32))) "type mismatch")
           (assert_invalid (module quote "(func (result i32))") "type mismatch")
           (assert_malformed (module binary "") "unexpected end")
           (assert_malformed (module binary "\00asm\0d\00\00\00") "unknown binary version")
           (assert_malformed (module quote "(func (call $f))") "unknown function")
           (assert_malformed (module quote "\ff") "malformed UTF-8 encoding")"#,
    );
    fails(
        "1:1",
        "an invalid module, `type mismatch`",
        "a valid module",
        "(assert_invalid (module (func)) \"type mismatch\")",
    );
    fails(
        "1:1",
        "a malformed module, `unexpected end`",
        "a valid module",
        "(assert_malformed (module binary \"\\00asm\\01\\00\\00\\00\") \"unexpected end\")",
    );
    fails(
        "1:1",
        "a malformed module, `unexpected token`",
        "a valid module",
        "(assert_malformed (module quote \"(func)\") \"unexpected token\")",
    );
}

#[test]
fn unlinkable_modules_have_to_be_valid_and_refused() {
    let script = |module: &str| format!("(assert_unlinkable {module} \"unknown import\")");
    let expected = "a module that cannot be linked, `unknown import`";
    passes(1, &script("(module (import \"a\" \"b\" (func)))"));
    passes(1, &script("(module (import \"spectest\" \"print\" (func (param i64))))"));
    fails("1:1", expected, "could be instantiated", &script("(module)"));
    fails("1:1", expected, "type mismatch", &script("(module (func (result i32)))"));
    fails("1:1", expected, "unreachable", &script("(module (func $f unreachable) (start $f))"));
}

#[test]
fn strict_messages_are_compared() {
    let options = Options { strict_messages: true, ..Options::default() };
    let strict = |text: &str| run_script("test", text, &options);
    let good = strict(
        r#"(assert_invalid (module (func (result i32))) "type mismatch")
           (assert_malformed (module quote "(func (i32.nonsense))") "unknown operator")
           (assert_unlinkable (module (import "a" "b" (func))) "unknown import")
           (assert_unlinkable (module (import "spectest" "print" (global i32)))
             "incompatible import type")"#,
    );
    assert_eq!((good.passed, good.failures.len()), (4, 0), "{good}");
    let bad = strict(
        r#"(assert_invalid (module (func (result i32))) "unknown function")
           (assert_malformed (module quote "(func (i32.nonsense))") "unknown label")
           (assert_unlinkable (module (import "a" "b" (func))) "incompatible import type")"#,
    );
    assert_eq!((bad.passed, bad.failures.len()), (0, 3), "{bad}");
}

#[test]
fn definitions_are_instantiated_as_often_as_asked() {
    passes(
        7,
        r#"(module definition $d
             (global $g (mut i32) (i32.const 0))
             (func (export "next") (result i32)
               (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))
           (module instance $a $d)
           (module instance $b $d)
           (assert_return (invoke $a "next") (i32.const 1))
           (assert_return (invoke $a "next") (i32.const 2))
           (assert_return (invoke $b "next") (i32.const 1))
           (assert_return (invoke "next") (i32.const 2))"#,
    );
    // A definition alone is not instantiated: its start function does not run.
    passes(1, "(module definition (func $f unreachable) (start $f))");
    fails("1:1", "a module definition called `$d`", "none", "(module instance $a $d)");
}

#[test]
fn a_name_that_is_registered_again_stands_for_the_new_instance_alone() {
    passes(
        8,
        r#"(module (func (export "f") (result i32) (i32.const 1)) (func (export "old")))
           (register "m")
           (module (import "m" "f" (func (result i32))) (import "m" "old" (func)))
           (module (func (export "f") (result i32) (i32.const 2)))
           (register "m")
           (module (import "m" "f" (func (result i32))) (export "f" (func 0)))
           (assert_return (invoke "f") (i32.const 2))
           (assert_unlinkable (module (import "m" "old" (func))) "unknown import")"#,
    );
    fails("1:1", "an instance", "no current instance", "(register \"m\")");
    fails("1:10", "an instance", "no instance called `$x`", "(module) (register \"m\" $x)");
}

#[test]
fn the_host_module_has_what_the_suite_imports() {
    passes(
        9,
        r#"(module
             (import "spectest" "print" (func))
             (import "spectest" "print_i32" (func (param i32)))
             (import "spectest" "print_i64" (func (param i64)))
             (import "spectest" "print_f32" (func (param f32)))
             (import "spectest" "print_f64" (func (param f64)))
             (import "spectest" "print_i32_f32" (func (param i32 f32)))
             (import "spectest" "print_f64_f64" (func (param f64 f64)))
             (import "spectest" "table" (table 10 20 funcref))
             (import "spectest" "memory" (memory 1 2))
             (import "spectest" "global_i32" (global $a i32))
             (import "spectest" "global_i64" (global $b i64))
             (import "spectest" "global_f32" (global $c f32))
             (import "spectest" "global_f64" (global $d f64))
             (func (export "a") (result i32) (global.get $a))
             (func (export "b") (result i64) (global.get $b))
             (func (export "c") (result f32) (global.get $c))
             (func (export "d") (result f64) (global.get $d))
             (func (export "print") (call 0)))
           (assert_return (invoke "a") (i32.const 666))
           (assert_return (invoke "b") (i64.const 666))
           (assert_return (invoke "c") (f32.const 666.6))
           (assert_return (invoke "d") (f64.const 666.6))
           (invoke "print")
           (assert_unlinkable (module (import "spectest" "table" (table 11 funcref))) "incompat")
           (assert_unlinkable (module (import "spectest" "memory" (memory 1 1))) "incompat")
           (assert_unlinkable (module (import "spectest" "global_i32" (global i64))) "incompat")"#,
    );
}

#[test]
fn references_go_in_and_come_out() {
    let module = r#"(module
      (func (export "id") (param externref) (result externref) (local.get 0))
      (func $f (export "func") (result funcref) (ref.func $f))
      (func (export "null") (result funcref) (ref.null func)))
    "#;
    let script = |assertion: &str| format!("{module}\n{assertion}");
    passes(2, &script("(assert_return (invoke \"id\" (ref.extern 7)) (ref.extern 7))"));
    passes(2, &script("(assert_return (invoke \"id\" (ref.null extern)) (ref.null extern))"));
    passes(2, &script("(assert_return (invoke \"func\") (ref.func))"));
    passes(2, &script("(assert_return (invoke \"null\") (ref.null func))"));
    fails(
        "6:1",
        "(ref.extern 8)",
        "(ref.extern 7)",
        &script("(assert_return (invoke \"id\" (ref.extern 7)) (ref.extern 8))"),
    );
    fails(
        "6:1",
        "(ref.func)",
        "(ref.null func)",
        &script("(assert_return (invoke \"null\") (ref.func))"),
    );
}

#[test]
fn vectors_are_compared_in_the_lanes_of_the_script() {
    let module = r#"(module (func (export "nans") (result v128)
      (v128.const f32x4 nan -nan nan:0x600000 1)))
    "#;
    let script = |lanes: &str| {
        format!("{module}\n(assert_return (invoke \"nans\") (v128.const f32x4 {lanes}))")
    };
    passes(2, &script("nan:canonical nan:canonical nan:arithmetic 1"));
    fails(
        "4:1",
        "(v128.const f32x4 nan:canonical nan:canonical nan:canonical 1.0)",
        "(v128.const f32x4 nan:0x400000 -nan:0x400000 nan:0x600000 1.0)",
        &script("nan:canonical nan:canonical nan:canonical 1"),
    );
}

#[test]
fn what_is_not_run_is_skipped_with_a_reason() {
    let report = run(&format!("{MODULE}(assert_suspension (invoke \"id\" (i32.const 0)) \"\")"));
    assert_eq!((report.passed, report.failures.len()), (1, 0), "{report}");
    let skips: Vec<_> = report.skips.iter().map(|it| format!("{}: {}", it.at, it.reason)).collect();
    assert_eq!(skips, ["9:1: stack switching is not implemented"]);
}

#[test]
fn threads_share_the_memories_of_their_module_and_run_at_the_same_time() {
    let thread = |own: u32, other: u32| {
        format!(
            r#"(thread $t{own} (shared (module $m))
              (register "mem" $m)
              (module
                (memory (import "mem" "a b") 1 1 shared)
                (func (export "meet")
                  (i32.atomic.store (i32.const {own}) (i32.const 1))
                  (loop $again
                    (br_if $again (i32.eqz (i32.atomic.load (i32.const {other})))))))
              (assert_return (invoke "meet")))"#
        )
    };
    let script = format!(
        "(module $m (memory (export \"a b\") 1 1 shared)) {}{}(wait $t4)(wait $t0)",
        thread(0, 4),
        thread(4, 0)
    );
    passes(1 + 2 * 4 + 2, &script);
}

#[test]
fn threads_have_nothing_else_of_the_script() {
    let script = |directive: &str| format!("{MODULE}(thread $t\n{directive})\n(wait $t)");
    fails("10:1", "an action that returns", "no current instance", &script("(invoke \"id\")"));
    fails("10:1", "an instance", "no instance called `$m`", &script("(register \"m\" $m)"));
    fails(
        "9:1",
        "a shared module",
        "no instance called `$x`",
        &format!("{MODULE}(thread $t (shared (module $x)))"),
    );
}

#[test]
fn threads_that_nobody_waits_for_are_waited_for_and_reported() {
    fails("1:12", "a valid module", "type mismatch", "(thread $t (module (func (result i32))))");
    fails("1:1", "a thread called `$t`", "none", "(wait $t)");
    fails("2:1", "a thread called `$t`", "none", "(thread $t) (wait $t)\n(wait $t)");
}

#[test]
fn bad_syntax_is_a_failure_with_a_position() {
    fails("2:2", "a script", "bad syntax", "(module)\n(assert_nonsense)");
    fails("1:22", "a script", "bad syntax", "(module \"unterminated");
    fails("2:1", "a script", "bad syntax", "(module)\n)");
}

#[test]
fn a_panic_is_reported_and_ends_the_script() {
    let options = Options { compile: Box::new(|_, _| panic!("told to")), ..Options::default() };
    let report = run_script(
        "test",
        "(assert_invalid (module quote \"(\") \"\")\n(module)(module)",
        &options,
    );
    assert!(report.panicked);
    assert_eq!((report.passed, report.failures.len()), (1, 1), "{report}");
    assert_eq!(report.failures[0].found, "a panic of the engine: told to");
    assert_eq!(report.failures[0].at.to_string(), "2:1");
}
