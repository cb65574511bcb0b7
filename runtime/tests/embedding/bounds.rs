//! Every load and store at the ends of memories: what is inside must work, what is not must trap and write nothing.
//! Memories of 64-bit addresses and of small pages are in `bounds_wide`.

use wrun_runtime::{Config, Engine, Error, Instance, Memory, MemoryStyle, Module, Store, TrapCode};

/// A load or a store: its name, bytes it touches, and what stands behind the immediate offset.
pub(crate) struct Access {
    pub(crate) name: &'static str,
    pub(crate) size: u64,
    lane: bool,
    /// The value that a store is given.
    value: Option<&'static str>,
}

const ONES: &str = "(v128.const i64x2 -1 -1)";

/// All opcodes that access a memory with an immediate offset.
pub(crate) fn accesses() -> Vec<Access> {
    let load = |name, size| Access { name, size, lane: false, value: None };
    let store = |name, size, value| Access { name, size, lane: false, value: Some(value) };
    let lane = |name, size, value| Access { name, size, lane: true, value };
    let (i32, i64) = ("(i32.const -1)", "(i64.const -1)");
    vec![
        load("i32.load", 4),
        load("i64.load", 8),
        load("f32.load", 4),
        load("f64.load", 8),
        load("i32.load8_s", 1),
        load("i32.load8_u", 1),
        load("i32.load16_s", 2),
        load("i32.load16_u", 2),
        load("i64.load8_s", 1),
        load("i64.load8_u", 1),
        load("i64.load16_s", 2),
        load("i64.load16_u", 2),
        load("i64.load32_s", 4),
        load("i64.load32_u", 4),
        load("v128.load", 16),
        load("v128.load8x8_s", 8),
        load("v128.load8x8_u", 8),
        load("v128.load16x4_s", 8),
        load("v128.load16x4_u", 8),
        load("v128.load32x2_s", 8),
        load("v128.load32x2_u", 8),
        load("v128.load8_splat", 1),
        load("v128.load16_splat", 2),
        load("v128.load32_splat", 4),
        load("v128.load64_splat", 8),
        load("v128.load32_zero", 4),
        load("v128.load64_zero", 8),
        lane("v128.load8_lane", 1, None),
        lane("v128.load16_lane", 2, None),
        lane("v128.load32_lane", 4, None),
        lane("v128.load64_lane", 8, None),
        store("i32.store", 4, i32),
        store("i64.store", 8, i64),
        store("f32.store", 4, "(f32.reinterpret_i32 (i32.const -1))"),
        store("f64.store", 8, "(f64.reinterpret_i64 (i64.const -1))"),
        store("i32.store8", 1, i32),
        store("i32.store16", 2, i32),
        store("i64.store8", 1, i64),
        store("i64.store16", 2, i64),
        store("i64.store32", 4, i64),
        store("v128.store", 16, ONES),
        lane("v128.store8_lane", 1, Some(ONES)),
        lane("v128.store16_lane", 2, Some(ONES)),
        lane("v128.store32_lane", 4, Some(ONES)),
        lane("v128.store64_lane", 8, Some(ONES)),
    ]
}

impl Access {
    /// The instruction, at an index that is an expression.
    pub(crate) fn text(&self, offset: u64, index: &str) -> String {
        let Access { name, lane, value, .. } = self;
        let lane = if *lane { "0 " } else { "" };
        match value {
            Some(value) => format!("({name} offset={offset} {lane}{index} {value})"),
            // What is loaded is of no use, and yet the load has to trap.
            None if !lane.is_empty() => {
                format!("(drop ({name} offset={offset} {lane}{index} {ONES}))")
            }
            None => format!("(drop ({name} offset={offset} {index}))"),
        }
    }

    /// Indices around which the access leaves a memory of `len` bytes, and the least and largest there are.
    fn indices(&self, offset: u64, len: u64) -> Vec<u32> {
        let last = len.wrapping_sub(offset).wrapping_sub(self.size);
        let around = [-16, -1, 0, 1, 2, 15, 16].map(|delta| last.wrapping_add_signed(delta));
        let ends = [0, 1, len, len - 1, u32::MAX.into(), u64::from(u32::MAX) - self.size + 1];
        let mut indices: Vec<u32> =
            around.into_iter().chain(ends).filter_map(|index| u32::try_from(index).ok()).collect();
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

/// Immediate offsets: small, around where they no longer fit into 31 bits, and the largest.
const OFFSETS: [u64; 9] = [
    0,
    1,
    65535,
    0x7fff_fff0,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff - 16,
    0xffff_ffff - 15,
    0xffff_ffff,
];

/// Sizes in pages: small, more than a signed index reaches, and the largest.
const PAGES: [u64; 3] = [2, 32769, 65536];

pub(crate) struct Tested {
    pub(crate) store: Store<()>,
    pub(crate) instance: Instance,
    pub(crate) memory: Memory,
    len: u64,
}

impl Tested {
    pub(crate) fn new(style: MemoryStyle, text: &str) -> Self {
        let features = "custom-page-sizes".parse().unwrap();
        let engine = Engine::new(Config::new().memory_style(style).features(features)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&store, "memory").unwrap();
        let len = memory.data_size(&store) as u64;
        Self { store, instance, memory, len }
    }

    /// Grows the memory to so many pages.
    pub(crate) fn grow_to(&mut self, pages: u64) {
        let delta = pages - self.memory.size(&self.store);
        self.memory.grow(&mut self.store, delta).unwrap();
        self.len = self.memory.data_size(&self.store) as u64;
    }

    /// Calls a function whose body is the access, at an index of 32 bits, and looks at what it did.
    fn check(&mut self, func: &str, access: &Access, offset: u64, index: u32, what: &str) {
        let run = self.instance.get_typed_func::<u32, ()>(&self.store, func).unwrap();
        let outcome = run.call(&mut self.store, index);
        self.judge(outcome, access, offset, index.into(), what);
    }

    /// Calls a function whose body is the access, at an index of 64 bits, and looks at what it did.
    pub(crate) fn check_wide(
        &mut self,
        func: &str,
        access: &Access,
        offset: u64,
        index: u64,
        what: &str,
    ) {
        let run = self.instance.get_typed_func::<u64, ()>(&self.store, func).unwrap();
        let outcome = run.call(&mut self.store, index);
        self.judge(outcome, access, offset, index, what);
    }

    fn judge(
        &mut self,
        outcome: Result<(), Error>,
        access: &Access,
        offset: u64,
        index: u64,
        what: &str,
    ) {
        let trap = outcome.err().map(|error| error.trap().unwrap().code());
        let what = format!("{} offset={offset:#x} at {index:#x} of {what}", access.name);
        let len = self.len;
        // What is past the end of all numbers is past the end of the memory.
        let start = index.saturating_add(offset);
        let inside = start.checked_add(access.size).is_some_and(|end| end <= len);
        assert_eq!(trap, (!inside).then_some(TrapCode::MemoryOutOfBounds), "{what}");
        if access.value.is_none() {
            return;
        }
        // The neighbourhood of the access, and the ends: all zero but for what was stored.
        for place in [start.saturating_sub(32), 0, len - 32] {
            let place = place.min(len - 64);
            let data = &mut self.memory.data_mut(&mut self.store)[place as usize..][..64];
            for (position, byte) in (place..).zip(&mut *data) {
                let stored = inside && position >= start && position - start < access.size;
                assert_eq!(*byte, if stored { 0xff } else { 0 }, "{what}: at {position:#x}");
            }
        }
        if inside {
            let place = start as usize..(start + access.size) as usize;
            self.memory.data_mut(&mut self.store)[place].fill(0);
        }
    }
}

fn every_access(style: MemoryStyle) {
    let accesses = accesses();
    // A memory that cannot grow has a length that is known when it is compiled.
    for (pages, limits) in PAGES
        .iter()
        .flat_map(|&pages| [(pages, format!("{pages}")), (pages, format!("{pages} {pages}"))])
    {
        let len = pages << 16;
        for offset in OFFSETS {
            let mut funcs = String::new();
            for access in &accesses {
                let (name, body) = (access.name, access.text(offset, "(local.get 0)"));
                funcs += &format!("(func (export \"{name}\") (param i32) {body})");
            }
            let text = format!("(module (memory (export \"memory\") {limits}) {funcs})");
            let mut tested = Tested::new(style, &text);
            for access in &accesses {
                for index in access.indices(offset, len) {
                    let what = format!("(memory {limits}), {style:?}");
                    tested.check(access.name, access, offset, index, &what);
                }
            }
        }
    }
}

#[test]
fn every_access_to_a_reserved_memory_is_held_to_its_bounds() {
    every_access(MemoryStyle::Reserved);
}

#[test]
fn every_access_to_a_checked_memory_is_held_to_its_bounds() {
    every_access(MemoryStyle::Checked);
}

#[test]
fn indices_known_to_the_compiler_are_held_to_the_bounds_too() {
    let named = ["i32.load8_u", "i64.load", "v128.load", "i32.store8", "i64.store", "v128.store"];
    for style in [MemoryStyle::Reserved, MemoryStyle::Checked] {
        for limits in ["2", "2 2", "65536"] {
            let pages: u64 = limits.split(' ').next().unwrap().parse().unwrap();
            for offset in OFFSETS {
                let mut funcs = String::new();
                let mut cases = Vec::new();
                for access in accesses().into_iter().filter(|access| named.contains(&access.name)) {
                    for index in access.indices(offset, pages << 16) {
                        let body = access.text(offset, &format!("(i32.const {})", index as i32));
                        let name = format!("{} {index}", access.name);
                        funcs += &format!("(func (export \"{name}\") (param i32) {body})");
                        cases.push((name, index));
                    }
                }
                let text = format!("(module (memory (export \"memory\") {limits}) {funcs})");
                let mut tested = Tested::new(style, &text);
                for (name, index) in cases {
                    let access = accesses().into_iter().find(|access| {
                        name.strip_prefix(access.name).is_some_and(|rest| rest.starts_with(' '))
                    });
                    let what = format!("(memory {limits}), {style:?}, constant");
                    tested.check(&name, &access.unwrap(), offset, index, &what);
                }
            }
        }
    }
}

#[test]
fn a_memory_that_a_callee_moves_is_found_where_it_went() {
    let engine = Engine::new(Config::new().memory_style(MemoryStyle::Checked)).unwrap();
    let mut store = Store::new(&engine, ());
    let owner = r#"(module (memory (export "memory") 1)
        (func (export "grow") (drop (memory.grow (i32.const 50)))))"#;
    let owner = Instance::new(&mut store, &Module::new(&engine, owner).unwrap(), &[]).unwrap();
    // Two names for the one memory, looked at before and after another instance has moved it.
    let user = r#"(module (import "" "a" (memory $a 1)) (import "" "b" (memory $b 1))
        (import "" "grow" (func $grow))
        (func (export "run") (param i32) (result i32)
            (i32.store $a (i32.const 8) (i32.const 1))
            (i32.store $b (i32.const 8) (i32.add (i32.load $a (i32.const 8)) (i32.const 1)))
            (call $grow)
            (i32.store $a (local.get 0) (i32.const 40))
            (i32.add (i32.load $b (local.get 0)) (i32.load $a (i32.const 8)))))"#;
    let memory = owner.get_memory(&store, "memory").unwrap();
    let grow = owner.get_func(&store, "grow").unwrap();
    let imports = [memory.into(), memory.into(), grow.into()];
    let user = Instance::new(&mut store, &Module::new(&engine, user).unwrap(), &imports).unwrap();
    let run = user.get_typed_func::<u32, u32>(&store, "run").unwrap();
    let before = memory.data(&store).as_ptr();
    assert_eq!(run.call(&mut store, 51 * 65536 - 4).unwrap(), 42);
    assert_ne!(memory.data(&store).as_ptr(), before, "the memory moved");
    for _ in 0..20 {
        let end = memory.data_size(&store) as u32;
        assert!(run.call(&mut store, end + 50 * 65536 - 3).is_err());
        assert_eq!(run.call(&mut store, end + 100 * 65536 - 4).unwrap(), 42);
    }
}
