//! Shared memories: the same bytes in several stores, on several threads.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use wrun_runtime::{
    Caller, Config, Engine, ErrorKind, Instance, Limits, Linker, Memory, MemoryStyle, MemoryType,
    Module, SharedMemory, Store, StoreLimits, TrapCode, WaitResult,
};

const STYLES: [MemoryStyle; 2] = [MemoryStyle::Reserved, MemoryStyle::Checked];

fn engine(style: MemoryStyle) -> Engine {
    Engine::new(Config::new().memory_style(style)).unwrap()
}

fn ty(min: u64, max: u64) -> MemoryType {
    MemoryType { shared: true, ..MemoryType::new(Limits { min, max: Some(max) }) }
}

/// An instance in a store of its own, with the memory as its import `m` `m`.
fn instance(memory: &SharedMemory, engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let module = Module::new(engine, text).expect("a valid module");
    let mut linker = Linker::new(engine);
    linker.define_shared_memory("m", "m", memory).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).expect("instantiates");
    (store, instance)
}

#[test]
fn two_threads_count_without_losing_anything() {
    const COUNT: u32 = 1_000_000;
    let text = r#"(module (import "m" "m" (memory 1 1 shared))
        (func (export "run") (param $n i32)
            (loop $again
                (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))
                (drop (i64.atomic.rmw16.sub_u offset=8 (i32.const 8) (i64.const 3)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    for style in STYLES {
        let engine = engine(style);
        let memory = SharedMemory::new(&engine, ty(1, 1)).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (mut store, instance) = instance(&memory, &engine, text);
                    let run = instance.get_typed_func::<u32, ()>(&store, "run").unwrap();
                    run.call(&mut store, COUNT).unwrap();
                });
            }
        });
        let mut bytes = [0; 12];
        memory.read(8, &mut bytes).unwrap();
        assert_eq!(bytes[..4], (2 * COUNT).to_le_bytes());
        assert_eq!(bytes[8..10], (0_u16.wrapping_sub((6 * COUNT) as u16)).to_le_bytes());
        assert_eq!(bytes[10..], [0, 0]);
    }
}

#[test]
fn threads_take_turns_by_waiting_and_notifying() {
    // Turn `own` is this thread's; it then gives the turn to `1 - own`.
    let text = r#"(module (import "m" "m" (memory 1 1 shared))
        (func (export "play") (param $own i32) (param $rounds i32) (result i32) (local $waited i32)
            (loop $round
                (loop $again
                    (if (i32.ne (i32.atomic.load (i32.const 0)) (local.get $own)) (then
                        (drop (memory.atomic.wait32
                            (i32.const 0) (i32.sub (i32.const 1) (local.get $own)) (i64.const -1)))
                        (local.set $waited (i32.add (local.get $waited) (i32.const 1)))
                        (br $again))))
                (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
                (i32.atomic.store (i32.const 0) (i32.sub (i32.const 1) (local.get $own)))
                (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
                (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
            (local.get $waited)))"#;
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, ty(1, 1)).unwrap();
    let play = |own| {
        let (mut store, instance) = instance(&memory, &engine, text);
        let play = instance.get_typed_func::<(u32, u32), u32>(&store, "play").unwrap();
        play.call(&mut store, (own, 1000)).unwrap()
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| play(1));
        play(0);
        other.join().unwrap();
    });
    let mut plays = [0; 4];
    memory.read(4, &mut plays).unwrap();
    assert_eq!(u32::from_le_bytes(plays), 2000, "plain accesses between turns are ordered by them");
}

#[test]
fn the_host_waits_and_notifies_like_the_guest() {
    let text = r#"(module (import "m" "m" (memory 1 1 shared))
        (func (export "wait") (result i32)
            (memory.atomic.wait64 offset=8 (i32.const 8) (i64.const 7) (i64.const -1)))
        (func (export "notify") (param i32) (result i32)
            (memory.atomic.notify offset=12 (i32.const 4) (local.get 0))))"#;
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, ty(1, 1)).unwrap();
    memory.data()[16].store(7, Ordering::SeqCst);
    thread::scope(|scope| {
        let guest = scope.spawn(|| {
            let (mut store, instance) = instance(&memory, &engine, text);
            instance
                .get_typed_func::<(), u32>(&store, "wait")
                .unwrap()
                .call(&mut store, ())
                .unwrap()
        });
        while memory.atomic_notify(16, 1).unwrap() == 0 {
            thread::yield_now();
        }
        assert_eq!(guest.join().unwrap(), 0, "woken");

        let host = scope.spawn(|| memory.atomic_wait32(16, 7, None).unwrap());
        let (mut store, instance) = instance(&memory, &engine, text);
        let notify = instance.get_typed_func::<u32, u32>(&store, "notify").unwrap();
        assert_eq!(notify.call(&mut store, 0).unwrap(), 0);
        while notify.call(&mut store, u32::MAX).unwrap() == 0 {
            thread::yield_now();
        }
        assert_eq!(host.join().unwrap(), WaitResult::Ok);
    });
    assert_eq!(memory.atomic_wait64(16, 8, None).unwrap(), WaitResult::Mismatch);
    let error = memory.atomic_wait32(18, 0, None).unwrap_err();
    assert_eq!(error.trap().unwrap().code(), TrapCode::UnalignedAtomic);
}

#[test]
fn waiting_ends_when_the_time_is_over_or_the_value_is_another() {
    let text = r#"(module (import "m" "m" (memory 1 1 shared))
        (func (export "wait32") (param i32 i64) (result i32)
            (memory.atomic.wait32 (i32.const 0) (local.get 0) (local.get 1)))
        (func (export "wait64") (param i64 i64) (result i32)
            (memory.atomic.wait64 (i32.const 0) (local.get 0) (local.get 1))))"#;
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, ty(1, 1)).unwrap();
    memory.write(0, &[0xff; 8]).unwrap();
    let (mut store, instance) = instance(&memory, &engine, text);
    let wait32 = instance.get_typed_func::<(i32, i64), u32>(&store, "wait32").unwrap();
    let wait64 = instance.get_typed_func::<(i64, i64), u32>(&store, "wait64").unwrap();
    assert_eq!(wait32.call(&mut store, (0, -1)).unwrap(), 1);
    assert_eq!(wait64.call(&mut store, (0xffff_ffff, -1)).unwrap(), 1);
    assert_eq!(wait32.call(&mut store, (-1, 0)).unwrap(), 2);
    let start = Instant::now();
    assert_eq!(wait64.call(&mut store, (-1, 20_000_000)).unwrap(), 2);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn what_one_thread_grows_the_others_can_use() {
    let text = r#"(module (import "m" "m" (memory 1 3 shared))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "size") (result i32) (memory.size))
        (func (export "wait for") (param $pages i32) (result i32)
            (loop $again (br_if $again (i32.lt_u (memory.size) (local.get $pages))))
            (i32.store (i32.const 0x1fffc) (i32.const 5))
            (i32.load (i32.const 0x1fffc)))
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))"#;
    for style in STYLES {
        let engine = engine(style);
        let memory = SharedMemory::new(&engine, ty(1, 3)).unwrap();
        let (mut store, here) = instance(&memory, &engine, text);
        let grow = here.get_typed_func::<u32, i32>(&store, "grow").unwrap();
        let load = here.get_typed_func::<u32, u32>(&store, "load").unwrap();
        let mut traps = |at| load.call(&mut store, at).err().map(|it| it.trap().unwrap().code());
        assert_eq!(traps(0x1_fffc), Some(TrapCode::MemoryOutOfBounds));
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let (mut store, there) = instance(&memory, &engine, text);
                let wait = there.get_typed_func::<u32, u32>(&store, "wait for").unwrap();
                wait.call(&mut store, 2).unwrap()
            });
            assert_eq!(grow.call(&mut store, 1).unwrap(), 1);
            assert_eq!(other.join().unwrap(), 5);
        });
        assert_eq!(load.call(&mut store, 0x1_fffc).unwrap(), 5);
        assert_eq!(memory.grow(1).unwrap(), 2, "the host grows it too");
        assert_eq!(memory.size(), 3);
        assert_eq!(load.call(&mut store, 0x2_fffc).unwrap(), 0);
        let trap = load.call(&mut store, 0x2_fffd).unwrap_err();
        assert_eq!(trap.trap().unwrap().code(), TrapCode::MemoryOutOfBounds);
        assert_eq!(grow.call(&mut store, 1).unwrap(), -1, "the maximum");
        assert!(memory.grow(1).is_err());
    }
}

/// Every atomic access: name, bytes it touches, and the operands behind the index.
fn accesses() -> Vec<(String, u64, String)> {
    let mut accesses = Vec::new();
    let widths = [("i32", 4), ("i64", 8)];
    for (ty, full) in widths {
        let value = format!(" ({ty}.const -1)");
        let narrow = [(1, "8"), (2, "16"), (4, "32")].into_iter().filter(|it| it.0 < full);
        for (size, bits) in narrow.chain([(full, "")]) {
            let unsigned = if bits.is_empty() { "" } else { "_u" };
            accesses.push((format!("{ty}.atomic.load{bits}{unsigned}"), size, String::new()));
            accesses.push((format!("{ty}.atomic.store{bits}"), size, value.clone()));
            for op in ["add", "sub", "and", "or", "xor", "xchg"] {
                let name = format!("{ty}.atomic.rmw{bits}.{op}{unsigned}");
                accesses.push((name, size, value.clone()));
            }
            let name = format!("{ty}.atomic.rmw{bits}.cmpxchg{unsigned}");
            accesses.push((name, size, format!(" ({ty}.const 0){value}")));
        }
    }
    accesses.push(("memory.atomic.notify".into(), 4, " (i32.const 1)".into()));
    accesses.push(("memory.atomic.wait32".into(), 4, " (i32.const 1) (i64.const 0)".into()));
    accesses.push(("memory.atomic.wait64".into(), 8, " (i64.const 1) (i64.const 0)".into()));
    accesses
}

#[test]
fn every_atomic_access_is_held_to_its_alignment_and_bounds() {
    assert_eq!(accesses().len(), 66);
    for (style, limits) in
        STYLES.into_iter().flat_map(|style| ["1 2 shared", "1 1 shared", "1"].map(|it| (style, it)))
    {
        for offset in [0_u64, 1, 2, 4, 8, 65528, 65536, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8] {
            let mut funcs = String::new();
            for (name, size, operands) in accesses() {
                let align = if offset == 8 { format!(" align={size}") } else { String::new() };
                let text = format!("({name} offset={offset}{align} (local.get 0){operands})");
                let body = if name.contains(".store") { text } else { format!("(drop {text})") };
                funcs += &format!("(func (export \"{name}\") (param i32) {body})");
            }
            let engine = engine(style);
            let module = format!("(module (memory (export \"memory\") {limits}) {funcs})");
            let module = Module::new(&engine, module).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let memory = instance.get_memory(&store, "memory").unwrap();
            for (name, size, _) in accesses() {
                let run = instance.get_typed_func::<u32, ()>(&store, &name).unwrap();
                let last = 65536_u64.wrapping_sub(offset).wrapping_sub(size);
                let around = [-8, -4, -2, -1, 0, 1, 2, 4, 8].map(|by| last.wrapping_add_signed(by));
                let ends = [0, 1, 2, 4, 65536, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];
                for index in around.into_iter().chain(ends).filter_map(|it| u32::try_from(it).ok())
                {
                    let start = u64::from(index) + offset;
                    let inside = start + size <= 65536;
                    let expected = if start % size != 0 {
                        Some(TrapCode::UnalignedAtomic)
                    } else if !inside {
                        Some(TrapCode::MemoryOutOfBounds)
                    } else if name.contains("wait") && limits == "1" {
                        Some(TrapCode::ExpectedSharedMemory)
                    } else {
                        None
                    };
                    let found = run.call(&mut store, index).err();
                    let found = found.map(|error| error.trap().expect("a trap").code());
                    let what =
                        format!("{name} offset={offset:#x} at {index:#x}, {limits}, {style:?}");
                    assert_eq!(found, expected, "{what}");
                    // Only an access without a trap has written, and only its own bytes.
                    let mut bytes = vec![0; 65536];
                    let near = start.min(65536 - 32).saturating_sub(16);
                    let bytes = &mut bytes[..32];
                    memory.read(&store, near, bytes).unwrap();
                    for (at, byte) in (near..).zip(&*bytes) {
                        let own = found.is_none() && (start..start + size).contains(&at);
                        assert!(own || *byte == 0, "{what}: {byte} at {at:#x}");
                    }
                    if found.is_none() {
                        memory.write(&mut store, start, &vec![0; size as usize]).unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn narrow_accesses_take_the_low_part_and_extend_with_zeros() {
    let text = r#"(module (memory (export "memory") 1 1 shared)
        (data (i32.const 0) "\ff\fe\fd\fc\fb\fa\f9\f8")
        (func (export "load") (result i64) (i64.atomic.load16_u (i32.const 0)))
        (func (export "exchange") (result i32)
            (i32.atomic.rmw8.cmpxchg_u (i32.const 0) (i32.const 0x1234ff) (i32.const 0x7711)))
        (func (export "swap") (result i64)
            (i64.atomic.rmw32.xchg_u (i32.const 4) (i64.const 0x1_2222_3333))))"#;
    let (mut store, instance) = crate::instantiate(text);
    let mut call = |name| {
        let func = instance.get_func(&store, name).unwrap();
        let mut results = [wrun_runtime::Val::I32(0)];
        func.call(&mut store, &[], &mut results).unwrap();
        match results[0] {
            wrun_runtime::Val::I32(value) => i64::from(value),
            wrun_runtime::Val::I64(value) => value,
            _ => unreachable!("integers"),
        }
    };
    assert_eq!(call("load"), 0xfeff);
    assert_eq!(call("exchange"), 0xff);
    assert_eq!(call("load"), 0xfe11);
    assert_eq!(call("swap"), 0xf8f9_fafb);
    assert_eq!(call("swap"), 0x2222_3333);
}

#[test]
fn bulk_instructions_work_on_shared_memories() {
    let text = r#"(module (memory (export "memory") 1 1 shared) (memory $own 1)
        (data $d "abcdefgh") (data (i32.const 4) "mapped")
        (func (export "init") (param i32 i32 i32)
            (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
        (func (export "fill") (param i32 i32 i32)
            (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export "copy") (param i32 i32 i32)
            (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export "out") (param i32 i32 i32)
            (memory.copy $own 0 (local.get 0) (local.get 1) (local.get 2))
            (memory.copy 0 $own (i32.const 100) (local.get 0) (local.get 2))))"#;
    let (mut store, instance) = crate::instantiate(text);
    let memory = instance.get_memory(&store, "memory").unwrap();
    assert!(memory.data(&store).is_empty() && memory.data_mut(&mut store).is_empty());
    assert_eq!(memory.data_size(&store), 65536);
    let shared = memory.to_shared(&store).unwrap();
    let text_at = |offset, len| {
        let mut bytes = vec![0; len];
        shared.read(offset, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let mut call = |name, args: (u32, u32, u32)| {
        let func = instance.get_typed_func::<(u32, u32, u32), ()>(&store, name).unwrap();
        func.call(&mut store, args).err().map(|error| error.trap().unwrap().code())
    };
    assert_eq!(text_at(4, 6), "mapped");
    assert_eq!(call("init", (20, 1, 7)), None);
    assert_eq!(text_at(20, 7), "bcdefgh");
    assert_eq!(call("copy", (21, 20, 7)), None);
    assert_eq!(text_at(20, 8), "bbcdefgh");
    assert_eq!(call("copy", (20, 21, 7)), None);
    assert_eq!(text_at(20, 8), "bcdefghh");
    assert_eq!(call("fill", (22, 0x178, 3)), None);
    assert_eq!(text_at(20, 8), "bcxxxghh");
    assert_eq!(call("out", (0, 20, 8)), None);
    assert_eq!(text_at(100, 8), "bcxxxghh");
    let outside = Some(TrapCode::MemoryOutOfBounds);
    assert_eq!(call("fill", (65530, 1, 7)), outside);
    assert_eq!(call("fill", (65536, 1, 0)), None);
    assert_eq!(call("copy", (65530, 0, 7)), outside);
    assert_eq!(call("copy", (0, 65530, 7)), outside);
    assert_eq!(call("init", (65530, 0, 7)), outside);
    assert_eq!(text_at(65530, 6), "\0\0\0\0\0\0");
    assert!(memory.write(&mut store, 65535, b"no").is_err());
}

#[test]
fn a_shared_memory_belongs_to_its_engine_and_counts_in_each_store() {
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, ty(2, 4)).unwrap();
    let mut store = Store::new(&engine, ());
    store.set_limits(StoreLimits { memory_bytes: Some(3 << 16), ..StoreLimits::default() });
    let handle = Memory::from_shared(&mut store, &memory).unwrap();
    assert_eq!(Memory::from_shared(&mut store, &memory).unwrap(), handle, "one memory");
    assert!(handle.ty(&store).shared);
    assert_eq!(handle.grow(&mut store, 1).unwrap(), 2);
    assert!(handle.grow(&mut store, 1).is_err(), "the limit of the store");
    assert_eq!(memory.size(), 3);
    let mut small = Store::new(&engine, ());
    small.set_limits(StoreLimits { memory_bytes: Some(2 << 16), ..StoreLimits::default() });
    assert!(Memory::from_shared(&mut small, &memory).is_err());

    let mut stranger = Store::new(&Engine::default(), ());
    assert!(Memory::from_shared(&mut stranger, &memory).is_err());
    let own = MemoryType { shared: false, ..ty(1, 2) };
    assert!(SharedMemory::new(&engine, own).is_err());
    let endless = MemoryType { shared: true, ..MemoryType::new(Limits { min: 1, max: None }) };
    assert!(SharedMemory::new(&engine, endless).is_err());
    assert!(Memory::new(&mut store, endless).is_err());
}

#[test]
fn shared_and_own_memories_are_not_imported_as_one_another() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    for shared in [false, true] {
        let memory = Memory::new(&mut store, MemoryType { shared, ..ty(1, 2) }).unwrap();
        assert_eq!(memory.to_shared(&store).is_some(), shared);
        for (asked, text) in [(false, "1 2"), (true, "1 2 shared")] {
            let text = format!("(module (import \"m\" \"m\" (memory {text})))");
            let module = Module::new(&engine, text).unwrap();
            let linked = Instance::new(&mut store, &module, &[memory.into()]);
            assert_eq!(linked.is_ok(), asked == shared);
        }
    }
}

#[test]
fn a_huge_maximum_takes_no_more_addresses_than_others_do() {
    for engine in STYLES.map(engine) {
        // 128 TiB: all the addresses of a process.
        let huge = MemoryType { memory64: true, ..ty(1, 1 << 31) };
        let memories: Vec<_> =
            (0..8).map(|_| SharedMemory::new(&engine, huge).expect("has room")).collect();
        assert_eq!(memories[0].grow(1).unwrap(), 1);
        assert!(memories[0].grow(1 << 30).is_err());
        assert_eq!(memories[0].size(), 2);
    }
}

#[test]
fn a_host_function_finds_the_shared_memory_of_its_caller() {
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, ty(1, 1)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define_shared_memory("m", "m", &memory).unwrap();
    let peek = |caller: Caller<'_, ()>| -> i32 {
        match caller.shared_memory() {
            Some(found) => found.data().len() as i32,
            None => -1,
        }
    };
    linker.func_wrap("host", "peek", peek).unwrap();
    for (memory, found) in [
        (r#"(import "m" "m" (memory 1 1 shared)) (export "memory" (memory 0))"#, 65536),
        (r#"(import "m" "m" (memory 1 1 shared)) (export "other" (memory 0))"#, -1),
        (r#"(memory (export "memory") 1)"#, -1),
    ] {
        let text = format!(
            r#"(module (import "host" "peek" (func $peek (result i32))) {memory}
                (func (export "run") (result i32) (call $peek)))"#
        );
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), found, "{memory}");
    }
}

#[test]
fn a_thread_is_prepared_or_told_that_there_is_no_room() {
    Engine::default().prepare_thread().expect("there is room");
    let too_much = Engine::new(Config::new().max_stack(1 << 47)).unwrap();
    let error = too_much.prepare_thread().expect_err("more than there are addresses");
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error:?}");
}
