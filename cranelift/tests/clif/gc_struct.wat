(module
  (type $point (struct (field $x (mut i32)) (field $name i16) (field $next (ref null $point))))
  ;; Inline as long as there is room; the fields are stored behind the block where both ways meet.
  (func $new (param i32 (ref null $point)) (result (ref $point))
    (struct.new $point (local.get 0) (i32.const -1) (local.get 1)))
  (func $default (result (ref $point)) (struct.new_default $point))
  ;; No comparison with null: its field faults.
  (func $get (param (ref null $point)) (result i32) (struct.get $point $x (local.get 0)))
  (func $get_s (param (ref $point)) (result i32) (struct.get_s $point $name (local.get 0)))
  (func $set (param (ref $point) i32) (struct.set $point $x (local.get 0) (local.get 1))))
