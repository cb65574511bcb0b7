//! Programs that live on the garbage-collected heap: what they keep stays, what they drop goes, and the heap has an end.

use std::thread;

use wrun_runtime::{Config, Engine, Instance, Module, Store, TrapCode, TypedFunc};

const MEBIBYTE: u64 = 1 << 20;

const PROGRAM: &str = r#"(module
    (rec (type $node (struct (field $value i32) (field $left (mut (ref null $node)))
        (field $right (mut (ref null $node))))))
    (type $bytes (array (mut i8)))
    (type $nodes (array (mut (ref null $node))))
    (global $kept (mut (ref null $node)) (ref.null $node))

    ;; A tree of 2^(depth+1) - 1 nodes, each with its depth, and the sum over such a tree.
    (func $tree (export "tree") (param $depth i32) (result (ref $node))
        (if (result (ref $node)) (local.get $depth)
            (then (struct.new $node (local.get $depth)
                (call $tree (i32.sub (local.get $depth) (i32.const 1)))
                (call $tree (i32.sub (local.get $depth) (i32.const 1)))))
            (else (struct.new $node (i32.const 0) (ref.null $node) (ref.null $node)))))
    (func $sum (param $tree (ref null $node)) (result i32)
        (if (result i32) (ref.is_null (local.get $tree))
            (then (i32.const 0))
            (else (i32.add (i32.add
                (call $sum (struct.get $node $left (local.get $tree)))
                (call $sum (struct.get $node $right (local.get $tree))))
                (i32.add (i32.const 1) (struct.get $node $value (local.get $tree)))))))
    (func (export "sum of a tree") (param i32) (result i32) (call $sum (call $tree (local.get 0))))
    (func (export "keep a tree") (param i32) (result i32)
        (global.set $kept (call $tree (local.get 0))) (i32.const 0))
    (func (export "sum of what is kept") (param i32) (result i32) (call $sum (global.get $kept)))
    (func (export "drop what is kept") (param i32) (result i32)
        (global.set $kept (ref.null $node)) (i32.const 0))

    ;; So many nodes, of which each refers to the one before, and four are alive at a time. Gives the value of the last.
    (func (export "nodes") (param $n i32) (result i32) (local $last (ref null $node))
        (loop $next
            (local.set $last (struct.new $node (local.get $n)
                (if (result (ref null $node)) (i32.and (local.get $n) (i32.const 3))
                    (then (local.get $last)) (else (ref.null $node)))
                (ref.null $node)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (struct.get $node $value (local.get $last)))
    ;; So many arrays of 64 KiB.
    (func (export "arrays") (param $n i32) (result i32) (local $last (ref null $bytes))
        (loop $next
            (local.set $last (array.new_default $bytes (i32.const 65528)))
            (array.set $bytes (local.get $last) (i32.const 65527) (local.get $n))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (array.get_u $bytes (local.get $last) (i32.const 65527)))

    ;; Rings of so many nodes, linked in both directions; the last is walked around once in each.
    (func $ring (param $n i32) (result (ref $node)) (local $first (ref $node)) (local $last (ref $node))
        (local.set $first (struct.new $node (local.get $n) (ref.null $node) (ref.null $node)))
        (local.set $last (local.get $first))
        (loop $next
            (if (local.tee $n (i32.sub (local.get $n) (i32.const 1)))
                (then
                    (local.set $last (struct.new $node (local.get $n) (local.get $last) (ref.null $node)))
                    (struct.set $node $right (struct.get $node $left (local.get $last)) (local.get $last))
                    (br $next))))
        (struct.set $node $left (local.get $first) (local.get $last))
        (struct.set $node $right (local.get $last) (local.get $first))
        (local.get $first))
    (func (export "rings") (param $count i32) (result i32)
        (local $first (ref null $node)) (local $at (ref null $node)) (local $sum i32)
        (loop $next
            (local.set $first (call $ring (i32.const 100)))
            (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
        (local.set $at (local.get $first))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $at))))
            (local.set $at (struct.get $node $right (local.get $at)))
            (br_if $next (i32.eqz (ref.eq (local.get $at) (local.get $first)))))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $at))))
            (local.set $at (struct.get $node $left (local.get $at)))
            (br_if $next (i32.eqz (ref.eq (local.get $at) (local.get $first)))))
        (local.get $sum))

    ;; Frames that each keep a node alive while the ones they call make garbage.
    (func $deep (param $n i32) (result i32) (local $own (ref $node))
        (local.set $own (struct.new $node (local.get $n) (ref.null $node) (ref.null $node)))
        (drop (array.new_default $bytes (i32.const 1000)))
        (if (result i32) (local.get $n)
            (then (i32.sub (call $deep (i32.sub (local.get $n) (i32.const 1)))
                (i32.sub (struct.get $node $value (local.get $own)) (local.get $n))))
            (else (i32.const 77))))
    (func (export "deep") (param i32) (result i32) (call $deep (local.get 0)))

    ;; Keeps everything, until there is no room for more.
    (func (export "exhaust") (param i32) (result i32)
        (loop $next
            (global.set $kept (struct.new $node (i32.const 1) (global.get $kept) (ref.null $node)))
            (br $next))
        (i32.const 0))
    (func (export "length of what is kept") (param $n i32) (result i32) (local $at (ref null $node))
        (local.set $at (global.get $kept))
        (loop $next (result i32)
            (if (ref.is_null (local.get $at)) (then (return (local.get $n))))
            (local.set $at (struct.get $node $left (local.get $at)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br $next)))
    (func (export "array of") (param i32) (result i32)
        (array.len (array.new_default $nodes (local.get 0)))))"#;

/// Bytes of a node: type, value and two references.
const NODE: u64 = 16;

/// The program in a store with a bounded heap.
struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(max_gc_heap: u64) -> Self {
        let engine = Engine::new(Config::new().max_gc_heap(max_gc_heap)).expect("an engine");
        let module = Module::new(&engine, PROGRAM).unwrap_or_else(|error| panic!("{error}"));
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("instantiates");
        Self { store, instance }
    }

    fn try_call(&mut self, name: &str, argument: i32) -> Result<i32, TrapCode> {
        let func: TypedFunc<i32, i32> =
            self.instance.get_typed_func(&self.store, name).expect("the program has it");
        let result = func.call(&mut self.store, argument);
        result.map_err(|error| error.trap().unwrap_or_else(|| panic!("{error}")).code())
    }

    fn call(&mut self, name: &str, argument: i32) -> i32 {
        self.try_call(name, argument).unwrap_or_else(|trap| panic!("{name}: {trap}"))
    }
}

/// The sum over a tree of this depth: the number of its nodes, and their depths.
fn sum(depth: i32) -> i32 {
    (0..=depth).map(|it| (it + 1) << (depth - it)).sum()
}

#[test]
fn ten_gigabytes_of_garbage_fit_in_64_megabytes() {
    let mut guest = Guest::new(64 * MEBIBYTE);
    let objects = (9_u64 << 30) / NODE;
    assert_eq!(guest.call("nodes", objects as i32), 1);
    assert_eq!(guest.call("arrays", 16 << 10), 1);
    assert!(guest.store.gc_heap_size() <= MEBIBYTE, "{}", guest.store.gc_heap_size());
}

#[test]
fn a_graph_of_a_million_nodes_survives_what_happens_around_it() {
    let mut guest = Guest::new(512 * MEBIBYTE);
    guest.call("keep a tree", 19);
    for _ in 0..5 {
        assert_eq!(guest.call("sum of what is kept", 0), sum(19));
        // More garbage than there is room for.
        assert_eq!(guest.call("arrays", 4 << 10), 1);
        guest.store.gc();
        assert_eq!(guest.store.gc_heap_size(), ((1 << 20) - 1) * NODE);
    }
    guest.call("drop what is kept", 0);
    guest.store.gc();
    assert_eq!(guest.store.gc_heap_size(), 0);
}

#[test]
fn trees_come_and_go() {
    let mut guest = Guest::new(64 * MEBIBYTE);
    for depth in 0..16 {
        for _ in 0..1 << (16 - depth).min(6) {
            assert_eq!(guest.call("sum of a tree", depth), sum(depth));
        }
    }
}

#[test]
fn cycles_are_collected_as_all_else() {
    let mut guest = Guest::new(MEBIBYTE);
    // 100 + 99 + … + 1, in both directions. All rings together are 160 times the heap.
    assert_eq!(guest.call("rings", 100_000), 2 * 5050);
    guest.store.gc();
    assert_eq!(guest.store.gc_heap_size(), 0);
}

#[test]
fn every_frame_of_a_deep_stack_keeps_what_it_holds() {
    let mut guest = Guest::new(64 * MEBIBYTE);
    assert_eq!(guest.call("deep", 20_000), 77);
}

#[test]
fn a_heap_that_is_full_of_what_is_needed_is_a_trap() {
    let mut guest = Guest::new(8 * MEBIBYTE);
    for _ in 0..2 {
        assert_eq!(guest.try_call("exhaust", 0), Err(TrapCode::HeapExhausted));
        assert_eq!(guest.store.gc_heap_size(), 4 * MEBIBYTE, "to the last byte");
        let length = guest.call("length of what is kept", 0);
        assert_eq!(length as u64, 4 * MEBIBYTE / NODE);
        guest.call("drop what is kept", 0);
        assert_eq!(guest.call("sum of a tree", 10), sum(10), "there is room again");
    }
}

#[test]
fn an_array_is_as_large_as_half_the_heap_or_is_not_made() {
    let mut guest = Guest::new(8 * MEBIBYTE);
    let most = (4 * MEBIBYTE - 8) as i32 / 4;
    assert_eq!(guest.call("array of", most), most);
    assert_eq!(guest.call("array of", most), most, "the first one is garbage");
    for length in [most + 1, i32::MAX, -1, -2, i32::MIN] {
        assert_eq!(guest.try_call("array of", length), Err(TrapCode::HeapExhausted), "{length}");
    }
    // With all addresses there are, and then some.
    let mut guest = Guest::new(u64::MAX);
    for length in [i32::MAX, -1, 1 << 30, (1 << 29) - 1] {
        assert_eq!(guest.try_call("array of", length), Err(TrapCode::HeapExhausted), "{length}");
    }
    assert_eq!(guest.call("array of", 1 << 20), 1 << 20);
}

#[test]
fn stores_on_several_threads_have_heaps_of_their_own() {
    thread::scope(|scope| {
        for depth in 8..12 {
            scope.spawn(move || {
                let mut guest = Guest::new(4 * MEBIBYTE);
                for _ in 0..50 {
                    assert_eq!(guest.call("sum of a tree", depth), sum(depth));
                }
            });
        }
    });
}
