;; Immutable ones are constants or loaded once, mutable ones at each use.
(module
  (import "m" "i" (global $imported i32))
  (import "m" "v" (global $imported_mutable (mut v128)))
  (global $constant i32 (i32.const -7))
  (global $copied i32 (global.get $imported))
  (global $counter (mut i64) (i64.const 0))
  (func (result i32)
    (global.set $counter (i64.add (global.get $counter) (i64.const 1)))
    (global.set $imported_mutable (global.get $imported_mutable))
    (i32.add (global.get $imported) (i32.add (global.get $constant) (global.get $copied)))))
