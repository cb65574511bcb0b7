//! Functions with more results than there are registers for them, however they are called: by name, in place of a return, and
//! through a reference; compiled before, when they are called, and in the middle of a loop.

use std::fmt::Write;

use wrun_runtime::{Config, Engine, Instance, LazyOptions, Module, Store, Tier};

/// Around the number of registers, and far beyond it.
const COUNTS: [usize; 8] = [0, 1, 2, 8, 9, 10, 16, 40];

fn engines() -> Vec<(&'static str, Engine)> {
    let lazy = |tier, hot_after| {
        let mut options = LazyOptions::default();
        options.first_tier = Some(tier);
        (options.hot_after, options.patience) = (hot_after, hot_after);
        (options.ahead, options.background) = (false, false);
        Engine::new(Config::new().lazy(Some(options))).unwrap()
    };
    vec![
        ("before", Engine::default()),
        ("when called", lazy(Tier::Optimised, 1_000_000)),
        ("cheap", lazy(Tier::Baseline, 1_000_000)),
        ("left at a loop", lazy(Tier::Baseline, 2)),
    ]
}

/// `count` results for each of the types: the bits of 1, 2, 3 and so on.
fn results(types: &[&str], count: usize) -> (String, String) {
    let (mut list, mut values, mut next) = (String::new(), String::new(), 0);
    for _ in 0..count {
        for ty in types {
            next += 1;
            write!(list, "{ty} ").unwrap();
            let value = match *ty {
                "i64" => format!("(i64.const {next})"),
                "f64" => format!("(f64.const {next})"),
                "v128" => format!("(v128.const i64x2 {next} {next})"),
                ty => unreachable!("{ty}"),
            };
            // What is returned depends on an argument, so that it is not known before.
            match *ty {
                "i64" => write!(values, "(i64.mul (local.get 0) {value})").unwrap(),
                _ => values.push_str(&value),
            }
        }
    }
    (list, values)
}

/// Adds up what is on the stack, weighed by position, in front of `rest`: the last result first.
fn sum(types: &[&str], count: usize) -> String {
    let mut text = String::new();
    for place in (1..=count * types.len()).rev() {
        match types[(place - 1) % types.len()] {
            "i64" => {}
            "f64" => text.push_str("i64.trunc_f64_s "),
            _ => text.push_str("i64x2.extract_lane 1 "),
        }
        write!(text, "i64.const {place} i64.mul global.get $sum i64.add global.set $sum ").unwrap();
    }
    text
}

fn module(types: &[&str], count: usize) -> String {
    let (list, values) = results(types, count);
    let sum = sum(types, count);
    format!(
        "(module
            (global $sum (mut i64) (i64.const 0))
            (type $f (func (param i64) (result {list})))
            (table 2 funcref)
            (elem (i32.const 0) func $tail $escaping)
            (func $inner (type $f) {values})
            (func $again (type $f) (return_call $inner (local.get 0)))
            (func $loop (type $f) (local i32)
                (loop
                    (local.set 1 (i32.add (local.get 1) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get 1) (i32.const 20))))
                (call $inner (local.get 0)))
            (func $tail (type $f) (return_call_indirect (type $f) (local.get 0) (i32.const 1)))
            (func $direct (export \"direct\") (result i64)
                (global.set $sum (i64.const 0)) (call $inner (i64.const 1)) {sum} (global.get $sum))
            (func (export \"in place of a return\") (result i64)
                (global.set $sum (i64.const 0)) (call $again (i64.const 1)) {sum} (global.get $sum))
            (func (export \"behind a loop\") (result i64)
                (global.set $sum (i64.const 0)) (call $loop (i64.const 1)) {sum} (global.get $sum))
            (func (export \"by reference\") (result i64)
                (global.set $sum (i64.const 0)) (call_indirect (type $f) (i64.const 1) (i32.const 0)) {sum}
                (global.get $sum))
            (func $escaping (type $f) {values}))"
    )
}

#[test]
fn all_results_arrive() {
    for (name, engine) in engines() {
        for types in [&["i64"] as &[_], &["f64"], &["v128"], &["i64", "f64"]] {
            for count in COUNTS {
                let text = module(types, count);
                let module = Module::new(&engine, &text).expect(&text);
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let total = (count * types.len()) as i64;
                let expected: i64 = (1..=total).map(|place| place * place).sum();
                for way in ["direct", "in place of a return", "behind a loop", "by reference"] {
                    let func = instance.get_typed_func::<(), i64>(&store, way).unwrap();
                    for _ in 0..4 {
                        let found = func.call(&mut store, ()).unwrap();
                        assert_eq!(found, expected, "{name}: {total} of {types:?}, {way}");
                    }
                }
            }
        }
    }
}
