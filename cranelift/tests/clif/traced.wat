(module
  ;; What is kept over a call lies in a slot that the call's stack map names, and is read from there again.
  (import "" "f" (func $f (param externref) (result externref)))
  (table $t 4 externref)
  (func (export "kept") (param externref i32) (result externref externref)
    (call $f (table.get $t (local.get 1)))
    (call $f (local.get 0)))
  ;; Nothing is alive over these calls.
  (func (export "passed") (param externref) (result externref)
    (call $f (call $f (local.get 0))))
  (func (export "loop") (param externref i32)
    (loop $again
      (drop (call $f (local.get 0)))
      (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))))
