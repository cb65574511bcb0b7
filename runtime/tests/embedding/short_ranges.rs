//! `memory.copy` and `memory.fill` of short ranges: of constant lengths, which are short enough to be done in place or just not,
//! and of lengths that only show when they run. Every length copies and fills what it should, overlapping or not, up to the
//! last byte of the memory and not one further.

use std::fmt::Write;

use wrun_runtime::{
    Config, Engine, Instance, Memory, MemoryStyle, Module, Store, TrapCode, TypedFunc,
};

use crate::instantiate;

const SIZE: usize = 64 << 10;
const LENGTHS: std::ops::RangeInclusive<usize> = 0..=67;

struct Guest {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    fn new(style: MemoryStyle, index: &str) -> Self {
        let mut text = format!(
            "(module (memory (export \"memory\") {index} 1) (global $len (mut {index}) ({index}.const 0))
                (func (export \"set\") (param {index}) (global.set $len (local.get 0)))
                (func (export \"copy\") (param {index} {index}) (memory.copy
                    (local.get 0) (local.get 1) (global.get $len)))
                (func (export \"fill\") (param {index} i32) (memory.fill
                    (local.get 0) (local.get 1) (global.get $len)))"
        );
        for len in LENGTHS {
            write!(
                text,
                "(func (export \"copy{len}\") (param {index} {index}) (memory.copy
                    (local.get 0) (local.get 1) ({index}.const {len})))
                (func (export \"fill{len}\") (param {index} i32) (memory.fill
                    (local.get 0) (local.get 1) ({index}.const {len})))"
            )
            .unwrap();
        }
        text.push(')');
        let engine = Engine::new(Config::new().memory_style(style)).unwrap();
        let module = Module::new(&engine, &text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&store, "memory").unwrap();
        Self { store, instance, memory }
    }

    /// Fills the memory with bytes that differ from their neighbours, and gives them.
    fn reset(&mut self) -> Vec<u8> {
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 + at / 256) as u8).collect();
        self.memory.write(&mut self.store, 0, &bytes).unwrap();
        bytes
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        self.memory.read(&self.store, 0, &mut bytes).unwrap();
        bytes
    }

    /// Does the same to the memory and to the bytes it should have, and compares them.
    fn check(&mut self, outcome: Result<(), TrapCode>, expected: &[u8], fits: bool, what: &str) {
        match outcome {
            Ok(()) => assert!(fits, "{what} has to trap"),
            Err(trap) => {
                assert!(!fits, "{what}: {trap}");
                assert_eq!(trap, TrapCode::MemoryOutOfBounds, "{what}");
            }
        }
        assert!(self.bytes() == expected, "{what}");
    }
}

fn check_all<I: wrun_runtime::WasmTy + Copy + From<u32>>(style: MemoryStyle, index: &str)
where
    (I, I): wrun_runtime::WasmParams,
    (I, i32): wrun_runtime::WasmParams,
    (I,): wrun_runtime::WasmParams,
{
    let mut guest = Guest::new(style, index);
    let set: TypedFunc<(I,), ()> = guest.instance.get_typed_func(&guest.store, "set").unwrap();
    let constant = LENGTHS.map(|len| (len, format!("copy{len}"), format!("fill{len}")));
    let variable = (0..=130).map(|len| (len, "copy".to_owned(), "fill".to_owned()));
    for (len, copy, fill) in constant.chain(variable) {
        set.call(&mut guest.store, (I::from(len as u32),)).unwrap();
        let copy: TypedFunc<(I, I), ()> =
            guest.instance.get_typed_func(&guest.store, &copy).unwrap();
        let fill: TypedFunc<(I, i32), ()> =
            guest.instance.get_typed_func(&guest.store, &fill).unwrap();
        let last = SIZE - len;
        let apart = [(0, 1000), (last, 5), (5, last)];
        let overlapping = [(100, 101), (101, 100), (100, 100), (200, 208), (216, 200)];
        let outside = [(last + 1, 0), (0, last + 1)];
        for (dst, src) in apart.into_iter().chain(overlapping).chain(outside) {
            let mut expected = guest.reset();
            let fits = dst.max(src) + len <= SIZE;
            if fits {
                expected.copy_within(src..src + len, dst);
            }
            let outcome = copy.call(&mut guest.store, (I::from(dst as u32), I::from(src as u32)));
            let outcome = outcome.map_err(|error| error.trap().unwrap().code());
            guest.check(outcome, &expected, fits, &format!("copy of {len} from {src} to {dst}"));
        }
        for dst in [0, 333, last, last + 1] {
            let mut expected = guest.reset();
            let fits = dst + len <= SIZE;
            if fits {
                expected[dst..dst + len].fill(0xa5);
            }
            let outcome = fill.call(&mut guest.store, (I::from(dst as u32), 0x7fff_ffa5));
            let outcome = outcome.map_err(|error| error.trap().unwrap().code());
            guest.check(outcome, &expected, fits, &format!("fill of {len} at {dst}"));
        }
    }
}

#[test]
fn short_ranges_of_reserved_memories() {
    check_all::<u32>(MemoryStyle::Reserved, "i32");
}

#[test]
fn short_ranges_of_checked_memories() {
    check_all::<u32>(MemoryStyle::Checked, "i32");
}

#[test]
fn short_ranges_of_memories_with_wide_addresses() {
    check_all::<u64>(MemoryStyle::Reserved, "i64");
}

#[test]
fn ranges_that_are_not_short_leave_the_host_its_stack() {
    let text = r#"(module
        (memory 1)
        (global $depth (mut i64) (i64.const 0))
        (func $deeper (global.set $depth (i64.add (global.get $depth) (i64.const 1))))
        (func (export "depth") (result i64)
            (global.get $depth)
            (global.set $depth (i64.const 0)))
        (func $copy (export "copy") (param i32)
            (memory.copy (i32.const 0) (i32.const 1000) (local.get 0))
            (call $deeper)
            (call $copy (local.get 0)))
        (func $fill (export "fill") (param i32)
            (memory.fill (i32.const 0) (i32.const 1) (local.get 0))
            (call $deeper)
            (call $fill (local.get 0))))"#;
    let (mut store, instance) = instantiate(text);
    let depth: TypedFunc<(), i64> = instance.get_typed_func(&store, "depth").unwrap();
    for name in ["copy", "fill"] {
        let func: TypedFunc<(i32,), ()> = instance.get_typed_func(&store, name).unwrap();
        let [short, long] = [64, 65].map(|len| {
            let error = func.call(&mut store, (len,)).unwrap_err();
            assert_eq!(error.trap().unwrap().code(), TrapCode::StackExhausted, "{name} of {len}");
            depth.call(&mut store, ()).unwrap()
        });
        // Short ranges take what is reserved for the host too; frames have less than 128 bytes.
        assert!(long + 256 < short, "{name}: {long} and {short} deep");
    }
}
