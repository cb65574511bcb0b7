//! Modules made to do harm, and failures at bad moments: nothing may be broken, and nothing may cost more than it should.

use wrun_runtime::{
    Caller, Engine, Error, ErrorKind, Extern, HeapType, Instance, Limits, Memory, MemoryType,
    Module, Ref, RefType, Store, Table, TableType, TrapCode, TypedFunc, V128,
};

use crate::link;

fn one_funcref(store: &mut Store<()>) -> Table {
    let ty = TableType::new(RefType::FUNCREF, Limits { min: 1, max: Some(1) });
    Table::new(store, ty, Ref::null(HeapType::Func)).unwrap()
}

/// Instantiates a module, which fails, and gives what the function does that it left in `table`.
fn outlive(
    store: &mut Store<()>,
    text: &str,
    imports: &[Extern],
    table: Table,
) -> Result<i32, TrapCode> {
    let module = Module::new(store.engine(), text).unwrap();
    assert!(Instance::new(&mut *store, &module, imports).unwrap_err().trap().is_some());
    let Some(Ref::Func(Some(left))) = table.get(&mut *store, 0) else { panic!("a function") };
    let left = left.typed::<(), i32>(&*store).unwrap();
    left.call(&mut *store, ()).map_err(|error| error.trap().unwrap().code())
}

#[test]
fn a_failed_instantiation_writes_no_data_behind_the_failure() {
    let mut store = Store::new(&Engine::default(), ());
    let table = one_funcref(&mut store);
    let ty = MemoryType::new(Limits { min: 1, max: None });
    let memory = Memory::new(&mut store, ty).unwrap();
    let text = r#"(module (import "" "t" (table $t 1 1 funcref)) (import "" "m" (memory $m 1))
        (memory $own 1)
        (elem (table $t) (i32.const 0) func $read)
        (data (memory $own) (i32.const 0) "\01")
        (data (memory $m) (i32.const 65536) "x")
        (data (memory $own) (i32.const 1) "\01")
        (func $read (result i32) (i32.load16_u $own (i32.const 0))))"#;
    assert_eq!(outlive(&mut store, text, &[table.into(), memory.into()], table), Ok(1));
}

#[test]
fn a_failed_instantiation_keeps_its_passive_segments() {
    let mut store = Store::new(&Engine::default(), ());
    let table = one_funcref(&mut store);
    let text = r#"(module (import "" "t" (table $t 1 1 funcref)) (table $own 1 funcref)
        (elem (table $t) (i32.const 0) func $init)
        (elem (table $t) (i32.const 1) func $init)
        (elem $passive func $init)
        (func $init (result i32)
            (table.init $own $passive (i32.const 0) (i32.const 0) (i32.const 1))
            (ref.is_null (table.get $own (i32.const 0)))))"#;
    assert_eq!(outlive(&mut store, text, &[table.into()], table), Ok(0));
}

#[test]
fn scattered_data_costs_what_it_holds() {
    // A byte in every second block of 64 KiB.
    let places: Vec<u32> = (0..1000).map(|number| number * 2 * 65536 + 7).collect();
    let segments: String =
        places.iter().map(|place| format!("(data (i32.const {place}) \"x\")")).collect();
    let text = format!("(module (memory (export \"memory\") 2000) {segments})");
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let size = module.serialize().unwrap().len();
    assert!(size < 4 << 20, "the image has {size} bytes");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let memory = instance.get_memory(&store, "memory").unwrap();
    let data = memory.data(&store);
    assert!(places.iter().all(|&place| data[place as usize - 1..][..3] == *b"\0x\0"));
}

#[test]
fn names_of_custom_sections_may_be_anything() {
    let many: String =
        (0..70_000).map(|number| format!("(@custom \".debug_{number}\" \"\")")).collect();
    let text = format!(
        r#"(module (@custom ".debug_\00x" "y") (@custom ".debug_str" "z") {many}
            (func (export "run")))"#
    );
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    Instance::new(&mut store, &module, &[]).unwrap();
}

#[test]
fn the_number_of_tables_is_bounded() {
    // Each takes two entries of the system's list of mappings, which it bounds for the whole process.
    let text = format!("(module {})", "(table 1 funcref)".repeat(10_001));
    let engine = Engine::default();
    let module = Module::new(&engine, text).unwrap();
    let error = Instance::new(Store::new(&engine, ()), &module, &[]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
    assert!(error.to_string().contains("10000 tables"), "{error}");
}

#[test]
fn results_in_memory_are_aligned_whatever_is_on_the_stack() {
    // The host stores vectors with instructions that fault when they are not aligned.
    let mut funcs = String::new();
    let mut calls = String::new();
    for params in 0..20 {
        let (types, zeros) = ("i64 ".repeat(params), "(i64.const 0) ".repeat(params));
        for (kind, export) in
            [("inner", String::new()), ("outer", format!("(export \"{params}\")"))]
        {
            funcs += &format!(
                "(func ${kind}{params} {export} (param {types}) (result i32 v128 v128)
                    (call $host (i32.const {params})))"
            );
            calls += &format!(
                "(call ${kind}{params} {zeros}) (local.set $b) (local.set $a)
                (v128.store (i32.const 0) (local.get $a)) (v128.store (i32.const 16) (local.get $b))
                (i32.add (local.get $sum)) (local.set $sum)
                (local.set $sum (i32.add (local.get $sum) (i32.load (i32.const 0))))
                (local.set $sum (i32.add (local.get $sum) (i32.load (i32.const 28))))"
            );
        }
    }
    let text = format!(
        r#"(module (import "" "host" (func $host (param i32) (result i32 v128 v128))) (memory 1)
            {funcs}
            (func (export "run") (result i32) (local $sum i32) (local $a v128) (local $b v128)
                {calls} (local.get $sum)))"#
    );
    let (mut store, instance) = link(&text, (), |linker| {
        linker.func_wrap("", "host", |number: i32| {
            (number, V128::from(1000), V128::from(1_000_000_u128 << 96))
        })?;
        Ok(())
    });
    let run = instance.get_typed_func::<(), i32>(&store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 2 * (190 + 20 * 1_001_000));
}

/// A module that traps, whose DWARF says that so many functions are inlined into one another there.
fn with_inlined(depth: usize) -> String {
    let bytes =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
    // Three kinds of entries with children: the unit and a function, with their code's start and length, and an inlined
    // function; then their names and the lines.
    let abbreviations = [
        [1, 0x11, 1, 0x11, 0x01, 0x12, 0x06, 0, 0].as_slice(),
        &[2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0],
        &[3, 0x1d, 1, 0x11, 0x01, 0x12, 0x06, 0, 0, 0],
    ]
    .concat();
    let place = [0, 0, 0, 0, 0xff, 0xff, 0, 0];
    // Version 4, abbreviations at 0, addresses of 4 bytes.
    let mut info = vec![4, 0, 0, 0, 0, 0, 4];
    info.extend([[1].as_slice(), &place, &[2], b"outer\0", &place].concat());
    (0..depth).for_each(|_| info.extend([[3].as_slice(), &place].concat()));
    info.extend(vec![0; depth + 2]);
    let len = (info.len() as u32).to_le_bytes();
    format!(
        r#"(module (func (export "run") unreachable) (@custom ".debug_abbrev" "{}")
            (@custom ".debug_info" "{}{}"))"#,
        bytes(&abbreviations),
        bytes(&len),
        bytes(&info)
    )
}

#[test]
fn functions_inlined_without_end_do_not_use_up_the_stack() {
    for (depth, known) in [(0, true), (20, true), (200_000, false)] {
        let (mut store, instance) = crate::instantiate(&with_inlined(depth));
        let run = instance.get_typed_func::<(), ()>(&store, "run").unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        let symbols = error.backtrace().unwrap().frames()[0].symbols();
        let outermost = symbols.last().and_then(|symbol| symbol.name.as_deref());
        assert_eq!(outermost, known.then_some("outer"), "{depth}");
        assert_eq!(symbols.len(), if known { depth + 1 } else { 0 });
    }
}

/// Set in the child of the next test.
const CHILD: &str = "WRUN_TEST_SENT_SIGNAL";

#[test]
fn a_signal_that_somebody_sends_is_no_trap() {
    use std::{os::unix::process::ExitStatusExt, process::Command, time::Duration};
    if std::env::var_os(CHILD).is_some() {
        // Loads, which may trap, and nothing else: the signal comes at one of them.
        let loads = "(local.set $x (i32.load (local.get $x)))".repeat(256);
        let text = format!(
            r#"(module (memory 1)
                (func (export "run") (local $x i32) (loop $again {loads} (br $again))))"#
        );
        let (mut store, instance) = crate::instantiate(&text);
        // SAFETY: asks only.
        let thread = unsafe { libc::pthread_self() };
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            // SAFETY: the thread runs the endless loop.
            unsafe { libc::pthread_kill(thread, libc::SIGFPE) };
        });
        let _ = instance.get_typed_func::<(), ()>(&store, "run").unwrap().call(&mut store, ());
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::a_signal_that_somebody_sends_is_no_trap", "--nocapture"])
        .env(CHILD, "1")
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(libc::SIGFPE), "{status}");
}

#[test]
fn the_host_has_its_reserve_wherever_a_program_calls_it() {
    // At every depth, down to the last frame, a function of the host that needs much stack is called.
    let text = r#"(module (import "host" "deep" (func $deep (param i32) (result i32)))
        (func $down (export "run") (param i32) (result i32)
            (drop (call $deep (local.get 0)))
            (call $down (i32.add (local.get 0) (i32.const 1)))))"#;
    // The depth that was reached, and from which on the host uses much of the stack.
    let (mut store, instance) = link(text, (0, u32::MAX), |linker| {
        linker.func_wrap("host", "deep", |mut caller: Caller<'_, (u32, u32)>, depth: u32| {
            caller.data_mut().0 = depth;
            if depth >= caller.data().1 {
                // Up to three copies of the block, as much as the host may use.
                let block = std::hint::black_box([depth as u8; 96 << 10]);
                return u32::from(block[block.len() / 2]);
            }
            0
        })?;
        Ok(())
    });
    let run = instance.get_typed_func::<u32, u32>(&store, "run").unwrap();
    for _ in 0..2 {
        let error = run.call(&mut store, 0).unwrap_err();
        assert_eq!(error.trap().unwrap().code(), TrapCode::StackExhausted);
        let backtrace = error.backtrace().unwrap();
        let deepest = store.data().0;
        let frames = backtrace.frames().len() + backtrace.omitted();
        assert_eq!(frames, deepest as usize + 2, "as deep as it went");
        store.data_mut().1 = deepest - 1000;
    }
}

/// What the second store of the next test is for the first.
struct Other {
    store: Store<()>,
    run: TypedFunc<u32, u32>,
}

#[test]
fn every_way_out_of_nested_calls_leaves_both_stores_as_they_were() {
    // Goes down through the host, at each level by way of another store, and fails at the bottom in its own way.
    let text = r#"(module (import "host" "next" (func $next (param i32 i32) (result i32)))
        (func $frame (param i32 i32) (result i32)
            (i32.add (call $next (local.get 0) (local.get 1)) (i32.const 1)))
        (func (export "run") (param i32 i32) (result i32)
            (if (i32.eqz (local.get 0)) (then
                (if (i32.eq (local.get 1) (i32.const 1)) (then unreachable))
                (if (i32.eq (local.get 1) (i32.const 2)) (then
                    (drop (i32.div_u (i32.const 1) (i32.const 0)))))))
            (call $frame (local.get 0) (local.get 1))))"#;
    let other = r#"(module (func $down (export "run") (param i32) (result i32)
        (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (return (call $down (local.get 0)))))
        (local.get 0)))"#;
    let (mut other_store, other) = crate::instantiate(other);
    let other_run = other.get_typed_func::<u32, u32>(&other_store, "run").unwrap();
    assert_eq!(other_run.call(&mut other_store, 0).unwrap(), 0);
    let other = Other { store: other_store, run: other_run };
    let (mut store, instance) = link(text, other, |linker| {
        linker.func_wrap(
            "host",
            "next",
            |mut caller: Caller<'_, Other>, level: u32, way: u32| -> Result<u32, Error> {
                let frames = |caller: &Caller<'_, Other>| caller.backtrace().frames().len();
                let before = frames(&caller);
                // The other store comes back by a trap, by an overflow, and by returning.
                for outcome in 0..4 {
                    let Other { store, run } = caller.data_mut();
                    assert_eq!(run.call(store, outcome).is_ok(), outcome % 3 == 0);
                }
                assert_eq!(frames(&caller), before);
                if level == 0 {
                    return match way {
                        3 => Err(Error::host("failed")),
                        4 => panic!("panicked"),
                        _ => Ok(0),
                    };
                }
                let run = caller.get_export("run").unwrap().into_func().unwrap();
                let run = run.typed::<(u32, u32), u32>(&caller).unwrap();
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    run.call(&mut caller, (level - 1, way))
                }));
                assert_eq!(frames(&caller), before);
                match result {
                    Ok(Ok(sum)) => Ok(sum),
                    // Half of the levels go on as if nothing had been.
                    Ok(Err(_)) | Err(_) if level.is_multiple_of(2) => Ok(0),
                    Ok(Err(error)) => Err(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            },
        )?;
        Ok(())
    });
    let run = instance.get_typed_func::<(u32, u32), u32>(&store, "run").unwrap();
    for way in [0, 1, 2, 3, 4, 0] {
        for level in 0..5 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                run.call(&mut store, (level, way))
            }));
            match (way, level) {
                (0, _) => assert_eq!(result.unwrap().unwrap(), level + 1),
                (4, 0 | 1) => assert!(result.is_err()),
                (_, 0 | 1) => assert!(result.unwrap().is_err()),
                // The second level from the bottom took it for a zero.
                _ => assert_eq!(result.unwrap().unwrap(), level - 1, "{way} from {level}"),
            }
        }
    }
}
