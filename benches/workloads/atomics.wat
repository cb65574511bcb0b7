;; Atomic operations on a shared memory, from one thread: counters, a lock taken and released, a ring written and read.
;;
;; Stresses: read-modify-write operations, compare-exchange, atomic loads and stores. Checks its result itself: it traps
;; when it is wrong.
(module
  (memory 1 1 shared)

  ;; Adds 1 to a counter of 32 bits and 3 to one of 64 bits, each time in another place.
  (func $count (param $rounds i32) (result i64)
    (local $at i32)
    (local $sum i64)
    (loop $again
      (local.set $at (i32.and (i32.mul (local.get $rounds) (i32.const 72)) (i32.const 0x3ff8)))
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (i32.atomic.rmw.add (local.get $at) (i32.const 1)))))
      (local.set $sum (i64.add (local.get $sum)
        (i64.atomic.rmw.add offset=0x4000 (local.get $at) (i64.const 3))))
      (drop (i32.atomic.rmw8.or_u offset=0x8000 (local.get $at) (i32.const 0x11)))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (local.get $rounds)))
    (local.get $sum))

  ;; Takes a lock, changes what it protects, releases it.
  (func $lock (param $rounds i32) (result i64)
    (loop $again
      (loop $spin
        (br_if $spin (i32.atomic.rmw.cmpxchg offset=0xc000
          (i32.const 0) (i32.const 0) (i32.const 1))))
      (i64.store offset=0xc008 (i32.const 0)
        (i64.add (i64.load offset=0xc008 (i32.const 0)) (i64.extend_i32_u (local.get $rounds))))
      (i32.atomic.store offset=0xc000 (i32.const 0) (i32.const 0))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (local.get $rounds)))
    (i64.load offset=0xc008 (i32.const 0)))

  ;; Writes into a ring and reads what was written, with atomic loads of both positions.
  (func $ring (param $rounds i32) (result i64)
    (local $head i32)
    (local $tail i32)
    (local $sum i64)
    (loop $again
      (local.set $head (i32.atomic.load offset=0xd000 (i32.const 0)))
      (i64.atomic.store offset=0xe000
        (i32.and (i32.shl (local.get $head) (i32.const 3)) (i32.const 0xff8))
        (i64.extend_i32_u (local.get $rounds)))
      (i32.atomic.store offset=0xd000 (i32.const 0) (i32.add (local.get $head) (i32.const 1)))
      (local.set $tail (i32.atomic.load offset=0xd040 (i32.const 0)))
      (local.set $sum (i64.add (local.get $sum) (i64.atomic.load offset=0xe000
        (i32.and (i32.shl (local.get $tail) (i32.const 3)) (i32.const 0xff8)))))
      (i32.atomic.store offset=0xd040 (i32.const 0) (i32.add (local.get $tail) (i32.const 1)))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (local.get $rounds)))
    (local.get $sum))

  (func (export "_start")
    (if (i64.ne
          (i64.xor (call $count (i32.const 20_000_000))
            (i64.xor (i64.rotl (call $lock (i32.const 30_000_000)) (i64.const 21))
              (i64.rotl (call $ring (i32.const 15_000_000)) (i64.const 42))))
          (i64.const 14365041604051821048))
      (then (unreachable)))))
