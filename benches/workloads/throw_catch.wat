;; Exceptions thrown through as many frames as the argument says (10 unless given), and caught.
;;
;; Stresses: finding the handler and going there, in an ideal case for neither side. Checks its result itself: it traps
;; when it is wrong.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (tag $number (param i32))

  ;; The first argument as a number.
  (func $argument (param $default i32) (result i32)
    (local $at i32)
    (local $value i32)
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (if (i32.lt_u (i32.load (i32.const 0)) (i32.const 2)) (then (return (local.get $default))))
    (drop (call $args_get (i32.const 1024) (i32.const 65536)))
    (local.set $at (i32.load offset=4 (i32.const 1024)))
    (loop $digits
      (if (i32.load8_u (local.get $at))
        (then
          (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $digits))))
    (local.get $value))

  ;; Calls itself until it throws. What is added keeps the call from being a tail call.
  (func $throw (param $depth i32) (param $value i32) (result i32)
    (if (i32.le_s (local.get $depth) (i32.const 1))
      (then (throw $number (local.get $value))))
    (i32.add (i32.const 1)
      (call $throw (i32.sub (local.get $depth) (i32.const 1)) (local.get $value))))

  (func $catch (param $depth i32) (param $value i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $number $caught)
        (call $throw (local.get $depth) (local.get $value)))))

  (func (export "_start")
    (local $depth i32)
    (local $rounds i32)
    (local $sum i64)
    (local.set $depth (call $argument (i32.const 10)))
    ;; About as many frames for every depth.
    (local.set $rounds (i32.div_u (i32.const 2_000_000) (i32.add (local.get $depth) (i32.const 9))))
    (loop $again
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_u (call $catch (local.get $depth) (local.get $rounds)))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (local.get $rounds)))
    ;; The sum of the numbers from 1 to that of the rounds.
    (local.set $rounds (i32.div_u (i32.const 2_000_000) (i32.add (local.get $depth) (i32.const 9))))
    (if (i64.ne (local.get $sum)
          (i64.div_u (i64.mul (i64.extend_i32_u (local.get $rounds))
            (i64.add (i64.extend_i32_u (local.get $rounds)) (i64.const 1))) (i64.const 2)))
      (then (unreachable)))))
