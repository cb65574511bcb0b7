;; The address of an index is computed once: for all accesses in its block, and in blocks that are only entered from there.
(module
  (memory 1)
  (func (param $p i32) (param $q i32) (result i32)
    (i32.store offset=4 (local.get $p) (i32.load (local.get $p)))
    (if (local.get $q)
      (then (i32.store (local.get $q) (i32.load offset=8 (local.get $p))))
      ;; Not the address of `$q` from the other arm.
      (else (i32.store offset=12 (local.get $q) (i32.const 1))))
    ;; Nor any from in front of the `if`: more than one way leads here.
    (i32.load offset=16 (local.get $p)))
  ;; An index that has changed is another one.
  (func (param $p i32) (result i32)
    (block $out
      (loop $next
        (br_if $out (i32.eqz (i32.load (local.get $p))))
        (local.set $p (i32.load offset=4 (local.get $p)))
        (br $next)))
    (local.get $p)))
