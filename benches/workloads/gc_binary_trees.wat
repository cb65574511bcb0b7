;; Binary trees: one that stays, and many that are built, walked and dropped (after the benchmark of that name by Hans
;; Boehm and others).
;;
;; Stresses: allocation of small structs, the collection of a heap that is nearly all garbage or nearly all alive, and reading
;; fields. Checks its result itself: it traps when it is wrong.
(module
  (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree))))

  (func $build (param $depth i32) (result (ref $tree))
    (if (i32.eqz (local.get $depth))
      (then (return (struct.new_default $tree))))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (struct.new $tree (call $build (local.get $depth)) (call $build (local.get $depth))))

  ;; Number of nodes.
  (func $count (param $tree (ref null $tree)) (result i32)
    (if (ref.is_null (local.get $tree)) (then (return (i32.const 0))))
    (i32.add (i32.const 1)
      (i32.add (call $count (struct.get $tree $left (local.get $tree)))
        (call $count (struct.get $tree $right (local.get $tree))))))

  (func (export "_start")
    (local $long_lived (ref null $tree))
    (local $depth i32)
    (local $rounds i32)
    (local $sum i64)
    (local.set $long_lived (call $build (i32.const 18)))
    (local.set $depth (i32.const 4))
    (loop $depths
      (local.set $rounds (i32.shl (i32.const 1) (i32.sub (i32.const 22) (local.get $depth))))
      (loop $again
        (local.set $sum (i64.add (local.get $sum)
          (i64.extend_i32_u (call $count (call $build (local.get $depth))))))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br_if $again (local.get $rounds)))
      (local.set $depth (i32.add (local.get $depth) (i32.const 4)))
      (br_if $depths (i32.le_u (local.get $depth) (i32.const 18))))
    (if (i64.ne (local.get $sum) (i64.const 33274816)) (then (unreachable)))
    (if (i32.ne (call $count (local.get $long_lived)) (i32.const 524287)) (then (unreachable)))))
