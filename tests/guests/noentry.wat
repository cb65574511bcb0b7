;; A module with exported functions but neither `_start` nor `_initialize`: running it without --invoke must fail with a
;; message that names what is exported.
;;
;;   add(i32, i32) -> i32      divide(i32, i32) -> i32, traps when the divisor is 0      split(i64) -> i32, i32: both halves
(module
  (func (export "add") (param $left i32) (param $right i32) (result i32)
    (i32.add (local.get $left) (local.get $right)))
  (func (export "divide") (param $dividend i32) (param $divisor i32) (result i32)
    (i32.div_s (local.get $dividend) (local.get $divisor)))
  (func (export "split") (param $value i64) (result i32 i32)
    (i32.wrap_i64 (i64.shr_u (local.get $value) (i64.const 32)))
    (i32.wrap_i64 (local.get $value))))
