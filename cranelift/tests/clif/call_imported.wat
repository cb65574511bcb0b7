;; An imported function with several results: the first in a register, the others through a pointer.
(module
  (import "m" "f" (func $f (param i32) (result i32 i64 f32 v128)))
  (func (param i32) (result i64) (local f32)
    (call $f (local.get 0))
    drop drop
    return))
