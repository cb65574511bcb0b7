;; An object graph that changes all the time: a table of nodes, of which one after the other, at random, is replaced by a
;; new one that refers to others; some are looked at through a supertype on the way.
;;
;; Stresses: collections with a large set of live objects, writing references into old objects, arrays of references, casts.
;; Checks its result itself: it traps when it is wrong.
(module
  (rec
    (type $node (sub (struct
      (field $next (mut (ref null $node)))
      (field $value (mut i32)))))
    (type $leaf (sub final $node (struct
      (field $next (mut (ref null $node)))
      (field $value (mut i32))
      (field $weight f64))))
    (type $pair (sub final $node (struct
      (field $next (mut (ref null $node)))
      (field $value (mut i32))
      (field $other (ref null $node))))))
  (type $nodes (array (mut (ref null $node))))

  (global $seed (mut i32) (i32.const 42))

  (func $random (param $below i32) (result i32)
    (global.set $seed
      (i32.add (i32.mul (global.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.wrap_i64 (i64.shr_u
      (i64.mul (i64.extend_i32_u (global.get $seed)) (i64.extend_i32_u (local.get $below)))
      (i64.const 32))))

  ;; What a node is worth, by what it is.
  (func $worth (param $node (ref null $node)) (result i32)
    (block $null
      (block $other (result (ref $node))
        (block $pair (result (ref $pair))
          (block $leaf (result (ref $leaf))
            (br_on_null $null (local.get $node))
            (br_on_cast $leaf (ref $node) (ref $leaf))
            (br_on_cast $pair (ref $node) (ref $pair))
            (br $other))
          (return (i32.trunc_f64_s (struct.get $leaf $weight))))
        (return (struct.get $node $value (struct.get $pair $other))))
      (return (struct.get $node $value)))
    (i32.const 0))

  (func $churn (param $size i32) (param $rounds i32) (result i64)
    (local $nodes (ref $nodes))
    (local $at i32)
    (local $old (ref null $node))
    (local $sum i64)
    (local.set $nodes (array.new_default $nodes (local.get $size)))
    ;; Every place has a node before the first is replaced.
    (loop $fill
      (array.set $nodes (local.get $nodes) (local.get $at)
        (struct.new $node (ref.null $node) (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $at) (local.get $size))))
    (loop $again
      (local.set $at (call $random (local.get $size)))
      (local.set $old (array.get $nodes (local.get $nodes) (call $random (local.get $size))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (call $worth (local.get $old)))))
      ;; What the node refers to is let go, so that no chain grows for ever.
      (struct.set $node $next (ref.as_non_null (local.get $old)) (ref.null none))
      (array.set $nodes (local.get $nodes) (local.get $at)
        (if (result (ref $node)) (i32.and (local.get $rounds) (i32.const 1))
          (then (struct.new $leaf (local.get $old) (local.get $rounds)
            (f64.convert_i32_s (i32.and (local.get $rounds) (i32.const 0xff)))))
          (else (struct.new $pair (local.get $old) (local.get $rounds)
            (struct.new $node (ref.null $node) (local.get $at))))))
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (br_if $again (local.get $rounds)))
    (local.get $sum))

  (func (export "_start")
    (if (i64.ne
          (i64.add (call $churn (i32.const 1_000) (i32.const 10_000_000))
            (call $churn (i32.const 200_000) (i32.const 5_000_000)))
          (i64.const 263201288616))
      (then (unreachable)))))
