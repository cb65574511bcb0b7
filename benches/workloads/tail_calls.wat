;; A state machine whose states are functions: each decides on the next by a random number and goes there by a tail call,
;; directly or through a table.
;;
;; Stresses: return_call and return_call_indirect. Checks its result itself: it traps when it is wrong.
(module
  (type $state (func (param i32 i32 i64) (result i64)))
  (table 4 4 funcref)
  (elem (i32.const 0) func $idle $read $write $close)

  ;; The next random number (a linear congruential generator).
  (func $next (param $seed i32) (result i32)
    (i32.add (i32.mul (local.get $seed) (i32.const 1664525)) (i32.const 1013904223)))

  ;; Half of the time to $read, else wherever the number says.
  (func $idle (type $state) (param $left i32) (param $seed i32) (param $sum i64) (result i64)
    (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
    (local.set $seed (call $next (local.get $seed)))
    (if (i32.lt_s (local.get $seed) (i32.const 0))
      (then (return_call $read
        (i32.sub (local.get $left) (i32.const 1)) (local.get $seed)
        (i64.add (local.get $sum) (i64.const 1)))))
    (return_call_indirect (type $state)
      (i32.sub (local.get $left) (i32.const 1)) (local.get $seed) (local.get $sum)
      (i32.shr_u (local.get $seed) (i32.const 30))))

  (func $read (type $state) (param $left i32) (param $seed i32) (param $sum i64) (result i64)
    (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
    (local.set $seed (call $next (local.get $seed)))
    (return_call_indirect (type $state)
      (i32.sub (local.get $left) (i32.const 1)) (local.get $seed)
      (i64.add (local.get $sum) (i64.extend_i32_u (i32.shr_u (local.get $seed) (i32.const 16))))
      (i32.shr_u (local.get $seed) (i32.const 30))))

  (func $write (type $state) (param $left i32) (param $seed i32) (param $sum i64) (result i64)
    (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
    (return_call $close
      (i32.sub (local.get $left) (i32.const 1)) (call $next (local.get $seed))
      (i64.xor (i64.rotl (local.get $sum) (i64.const 7)) (i64.extend_i32_u (local.get $seed)))))

  (func $close (type $state) (param $left i32) (param $seed i32) (param $sum i64) (result i64)
    (if (i32.eqz (local.get $left)) (then (return (local.get $sum))))
    (return_call $idle
      (i32.sub (local.get $left) (i32.const 1)) (call $next (local.get $seed)) (local.get $sum)))

  (func (export "_start")
    (if (i64.ne
          (call $idle (i32.const 200_000_000) (i32.const 42) (i64.const 0))
          (i64.const -5940080855441697781))
      (then (unreachable)))))
