//! The ends of memories with 64-bit addresses or small pages, and of 64-bit tables, where sums of addresses wrap around.

use wrun_runtime::{Instance, MemoryStyle, TrapCode, WasmParams};

use crate::bounds::{Access, Tested, accesses};

const STYLES: [MemoryStyle; 2] = [MemoryStyle::Reserved, MemoryStyle::Checked];

/// Numbers at which something could go wrong for its own sake.
const EDGES: [u64; 10] = [
    0,
    1,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    (1 << 61) + 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 15,
    u64::MAX,
];

/// Indices around which an access leaves a memory of `len` bytes, or wraps around to be in it again.
fn indices(access: &Access, offset: u64, len: u64) -> Vec<u64> {
    let size = access.size;
    let last = len.wrapping_sub(offset).wrapping_sub(size);
    let wraps = [0, len, 0_u64.wrapping_sub(size)].map(|place: u64| place.wrapping_sub(offset));
    let mut indices: Vec<u64> = [-16, -1, 0, 1, 15]
        .map(|delta| last.wrapping_add_signed(delta))
        .into_iter()
        .chain(wraps)
        .chain(EDGES)
        .chain([len - 1, len, size.wrapping_neg().wrapping_add(1)])
        .collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

/// Every access with every offset to a memory of this type, grown to so many pages before. Indices that do not fit are left
/// out when addresses have 32 bits.
fn every_access(style: MemoryStyle, ty: &str, pages: u64, offsets: &[u64], accesses: &[Access]) {
    let wide = ty.contains("i64");
    for &offset in offsets {
        let mut funcs = String::new();
        let index = if wide { "(local.get 0)" } else { "(i32.wrap_i64 (local.get 0))" };
        for access in accesses {
            let (name, body) = (access.name, access.text(offset, index));
            funcs += &format!("(func (export \"{name}\") (param i64) {body})");
        }
        let text = format!("(module (memory (export \"memory\") {ty}) {funcs})");
        let mut tested = Tested::new(style, &text);
        tested.grow_to(pages);
        let len = tested.memory.data_size(&tested.store) as u64;
        for access in accesses {
            for index in indices(access, offset, len) {
                if wide || u32::try_from(index).is_ok() {
                    let what = format!("(memory {ty}), {style:?}, {pages} pages");
                    tested.check_wide(access.name, access, offset, index, &what);
                }
            }
        }
    }
}

#[test]
fn every_access_to_a_64_bit_memory_is_held_to_its_bounds() {
    // Offsets up to the least size take one comparison and larger ones two; a memory that cannot grow has a known length.
    let offsets = [
        0,
        1,
        65520,
        65535,
        131_057,
        0xffff_ffff,
        1 << 32,
        1 << 63,
        u64::MAX - 16,
        u64::MAX - 15,
        u64::MAX,
    ];
    for style in STYLES {
        for (ty, pages) in [("i64 0", 2), ("i64 2", 2), ("i64 2 2", 2)] {
            every_access(style, ty, pages, &offsets, &accesses());
        }
    }
}

#[test]
fn a_64_bit_memory_is_usable_above_4_gib() {
    let named = ["i32.load8_u", "i64.load", "v128.load", "i32.store8", "i64.store", "v128.store"];
    let accesses: Vec<_> = accesses().into_iter().filter(|it| named.contains(&it.name)).collect();
    for style in STYLES {
        for ty in ["i64 0", "i64 65537", "i64 65537 65537"] {
            every_access(
                style,
                ty,
                65537,
                &[0, 0xffff_ffff, 1 << 32, 0x1_0000_fff8, 1 << 63],
                &accesses,
            );
        }
    }
}

#[test]
fn every_access_to_a_memory_of_single_bytes_is_held_to_its_bounds() {
    for style in STYLES {
        for (ty, pages) in [
            ("100 (pagesize 1)", 100),
            ("0 (pagesize 1)", 4097),
            ("4095 4095 (pagesize 1)", 4095),
            ("i64 100 (pagesize 1)", 65537),
            ("i64 99 99 (pagesize 1)", 99),
        ] {
            every_access(style, ty, pages, &[0, 1, 84, 100, 4080, 65535, 0xffff_ffff], &accesses());
        }
    }
}

#[test]
fn indices_of_64_bits_known_to_the_compiler_are_held_to_the_bounds_too() {
    let named = ["i32.load8_u", "i64.load", "v128.load", "i32.store8", "i64.store", "v128.store"];
    let accesses: Vec<_> = accesses().into_iter().filter(|it| named.contains(&it.name)).collect();
    for (ty, offset) in ["i64 0", "i64 2", "i64 2 2"]
        .into_iter()
        .flat_map(|ty| [0, 65536, 1 << 32, u64::MAX - 7].map(|offset| (ty, offset)))
    {
        let mut funcs = String::new();
        let mut cases = Vec::new();
        for access in &accesses {
            for index in indices(access, offset, 131_072) {
                let name = format!("{} {index}", access.name);
                let body = access.text(offset, &format!("(i64.const {})", index as i64));
                funcs += &format!("(func (export \"{name}\") (param i64) {body})");
                cases.push((name, access, index));
            }
        }
        let text = format!("(module (memory (export \"memory\") {ty}) {funcs})");
        let mut tested = Tested::new(MemoryStyle::Reserved, &text);
        tested.grow_to(2);
        for (name, access, index) in cases {
            tested.check_wide(&name, access, offset, index, &format!("(memory {ty}), constant"));
        }
    }
}

#[test]
fn a_64_bit_memory_that_a_callee_moves_is_found_where_it_went() {
    let text = r#"(module (memory (export "memory") i64 1)
        (func $grow (export "grow") (result i64) (memory.grow (i64.const 50)))
        (func (export "run") (param i64) (result i32)
            (i32.store (i64.const 8) (i32.const 2))
            (drop (call $grow))
            (i32.store (local.get 0) (i32.const 40))
            (i32.add (i32.load (i64.const 8)) (i32.load (local.get 0)))))"#;
    let mut tested = Tested::new(MemoryStyle::Checked, text);
    let run = tested.instance.get_typed_func::<u64, u32>(&tested.store, "run").unwrap();
    let before = tested.memory.data(&tested.store).as_ptr();
    assert_eq!(run.call(&mut tested.store, 51 * 65536 - 4).unwrap(), 42);
    assert_ne!(tested.memory.data(&tested.store).as_ptr(), before, "the memory moved");
    for _ in 0..20 {
        let end = tested.memory.data_size(&tested.store) as u64;
        assert!(run.call(&mut tested.store, end + 50 * 65536 - 3).is_err());
        assert_eq!(run.call(&mut tested.store, end + 100 * 65536 - 4).unwrap(), 42);
    }
}

/// Whether `start..start + len` is inside `0..size`.
fn inside(start: u64, len: u64, size: u64) -> bool {
    u128::from(start) + u128::from(len) <= u128::from(size)
}

/// Calls an exported function; the trap, if there is one.
fn trap_of<P: WasmParams>(tested: &mut Tested, name: &str, params: P) -> Option<TrapCode> {
    let run = tested.instance.get_typed_func::<P, ()>(&tested.store, name).unwrap();
    run.call(&mut tested.store, params).err().map(|error| error.trap().unwrap().code())
}

#[test]
fn ranges_of_64_bit_memories_are_held_to_their_bounds() {
    let text = r#"(module (memory $a (export "memory") i64 1) (memory $b 2) (memory $c i64 7 (pagesize 1))
        (data $d "0123456789")
        (func (export "fill") (param i64 i64) (memory.fill $a (local.get 0) (i32.const 0) (local.get 1)))
        (func (export "within") (param i64 i64 i64)
            (memory.copy $a $a (local.get 0) (local.get 1) (local.get 2)))
        (func (export "to 32") (param i32 i64 i32)
            (memory.copy $b $a (local.get 0) (local.get 1) (local.get 2)))
        (func (export "from 32") (param i64 i32 i32)
            (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2)))
        (func (export "small") (param i64 i64 i64)
            (memory.copy $c $a (local.get 0) (local.get 1) (local.get 2)))
        (func (export "init") (param i64 i32 i32)
            (memory.init $a $d (local.get 0) (local.get 1) (local.get 2))))"#;
    let sizes = [0, 1, 7, 8, 10, 65535, 65536, 65537, 131_072, 131_073];
    let numbers: Vec<u64> = sizes.into_iter().chain(EDGES).collect();
    let narrow: Vec<u32> = numbers.iter().filter_map(|&it| u32::try_from(it).ok()).collect();
    let (a, b, c) = (65536, 131_072, 7);
    let expect = |fits: bool| (!fits).then_some(TrapCode::MemoryOutOfBounds);
    for style in STYLES {
        let mut tested = Tested::new(style, text);
        for (&x, &y) in numbers.iter().flat_map(|x| numbers.iter().map(move |y| (x, y))) {
            assert_eq!(trap_of(&mut tested, "fill", (x, y)), expect(inside(x, y, a)), "{x} {y}");
            for &len in &numbers {
                let fits = inside(x, len, a) && inside(y, len, a);
                let what = format!("{x} {y} {len}");
                assert_eq!(trap_of(&mut tested, "within", (x, y, len)), expect(fits), "{what}");
                let fits = inside(x, len, c) && inside(y, len, a);
                assert_eq!(trap_of(&mut tested, "small", (x, y, len)), expect(fits), "{what}");
            }
        }
        for (&wide, &x) in numbers.iter().flat_map(|x| narrow.iter().map(move |y| (x, y))) {
            for &len in &narrow {
                let what = format!("{wide} {x} {len}");
                let (x64, len64) = (u64::from(x), u64::from(len));
                let fits = expect(inside(x64, len64, b) && inside(wide, len64, a));
                assert_eq!(trap_of(&mut tested, "to 32", (x, wide, len)), fits, "{what}");
                assert_eq!(trap_of(&mut tested, "from 32", (wide, x, len)), fits, "{what}");
                let fits = expect(inside(x64, len64, 10) && inside(wide, len64, a));
                assert_eq!(trap_of(&mut tested, "init", (wide, x, len)), fits, "{what}");
            }
        }
    }
}

#[test]
fn elements_of_64_bit_tables_are_held_to_their_bounds() {
    for limits in ["10", "10 10"] {
        let text = format!(
            r#"(module (memory (export "memory") 1) (table $t i64 {limits} funcref) (table $u 20 funcref)
            (func $f) (elem (table $t) (i64.const 0) func $f $f $f $f $f $f $f $f $f $f)
            (elem $e func $f $f $f)
            (func (export "get") (param i64) (drop (table.get $t (local.get 0))))
            (func (export "set") (param i64) (table.set $t (local.get 0) (ref.func $f)))
            (func (export "call") (param i64) (call_indirect $t (local.get 0)))
            (func (export "fill") (param i64 i64)
                (table.fill $t (local.get 0) (ref.func $f) (local.get 1)))
            (func (export "copy") (param i64 i64 i64)
                (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
            (func (export "to 32") (param i32 i64 i32)
                (table.copy $u $t (local.get 0) (local.get 1) (local.get 2)))
            (func (export "init") (param i64 i32 i32)
                (table.init $t $e (local.get 0) (local.get 1) (local.get 2))))"#
        );
        let mut tested = Tested::new(MemoryStyle::Reserved, &text);
        let numbers: Vec<u64> = [3, 4, 9, 10, 11, 20, 21].into_iter().chain(EDGES).collect();
        let narrow: Vec<u32> = numbers.iter().filter_map(|&it| u32::try_from(it).ok()).collect();
        let expect = |fits: bool| (!fits).then_some(TrapCode::TableOutOfBounds);
        for &x in &numbers {
            assert_eq!(trap_of(&mut tested, "get", x), expect(x < 10), "{x}");
            assert_eq!(trap_of(&mut tested, "set", x), expect(x < 10), "{x}");
            let undefined = (x >= 10).then_some(TrapCode::UndefinedElement);
            assert_eq!(trap_of(&mut tested, "call", x), undefined, "{x}");
            for &y in &numbers {
                assert_eq!(
                    trap_of(&mut tested, "fill", (x, y)),
                    expect(inside(x, y, 10)),
                    "{x} {y}"
                );
                for &len in &numbers {
                    let fits = inside(x, len, 10) && inside(y, len, 10);
                    assert_eq!(
                        trap_of(&mut tested, "copy", (x, y, len)),
                        expect(fits),
                        "{x} {y} {len}"
                    );
                }
            }
            for (&y, &len) in narrow.iter().flat_map(|y| narrow.iter().map(move |len| (y, len))) {
                let (y64, len64) = (u64::from(y), u64::from(len));
                let fits = inside(y64, len64, 20) && inside(x, len64, 10);
                assert_eq!(
                    trap_of(&mut tested, "to 32", (y, x, len)),
                    expect(fits),
                    "{x} {y} {len}"
                );
                let fits = inside(y64, len64, 3) && inside(x, len64, 10);
                assert_eq!(
                    trap_of(&mut tested, "init", (x, y, len)),
                    expect(fits),
                    "{x} {y} {len}"
                );
            }
        }
    }
}

#[test]
fn sizes_of_64_bit_memories_and_tables_have_64_bits() {
    let Tested { mut store, instance, .. } = Tested::new(
        MemoryStyle::Reserved,
        r#"(module (memory $m (export "memory") i64 1 3) (memory $b 1 (pagesize 1)) (table $t i64 1 3 externref)
            (func (export "grow memory") (param i64) (result i64) (memory.grow $m (local.get 0)))
            (func (export "grow table") (param i64) (result i64)
                (table.grow $t (ref.null extern) (local.get 0)))
            (func (export "bytes") (param i32) (result i32) (memory.grow $b (local.get 0)))
            (func (export "sizes") (result i64 i32 i64)
                (memory.size $m) (memory.size $b) (table.size $t)))"#,
    );
    let grow = |store: &mut _, instance: &Instance, name, delta| {
        instance.get_typed_func::<u64, i64>(&*store, name).unwrap().call(store, delta).unwrap()
    };
    for name in ["grow memory", "grow table"] {
        for delta in [3, 1 << 32, (1 << 32) + 1, 1 << 48, 1 << 63, u64::MAX - 1, u64::MAX] {
            assert_eq!(grow(&mut store, &instance, name, delta), -1, "{name} by {delta}");
        }
        assert_eq!(grow(&mut store, &instance, name, 1), 1);
        assert_eq!(grow(&mut store, &instance, name, 1), 2);
        assert_eq!(grow(&mut store, &instance, name, 0), 3);
    }
    let bytes = instance.get_typed_func::<u32, i32>(&store, "bytes").unwrap();
    assert_eq!(bytes.call(&mut store, 99_999).unwrap(), 1);
    assert_eq!(bytes.call(&mut store, u32::MAX).unwrap(), -1);
    assert_eq!(bytes.call(&mut store, u32::MAX - 99_999).unwrap(), -1);
    let sizes = instance.get_typed_func::<(), (i64, i32, i64)>(&store, "sizes").unwrap();
    assert_eq!(sizes.call(&mut store, ()).unwrap(), (3, 100_000, 3));
}
