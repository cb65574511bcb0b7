(module
  (type $bytes (array (mut i8)))
  (type $longs (array (mut i64)))
  (func $new (param i32) (result (ref $longs)) (array.new $longs (i64.const 7) (local.get 0)))
  ;; So few words that each has its store.
  (func $few (result (ref $bytes)) (array.new_default $bytes (i32.const 20)))
  (func $fixed (param i64) (result (ref $longs))
    (array.new_fixed $longs 2 (local.get 0) (i64.const 1)))
  ;; The length is read where null would fault.
  (func $get (param (ref null $bytes) i32) (result i32)
    (array.get_s $bytes (local.get 0) (local.get 1)))
  (func $set (param (ref $longs) i32 i64)
    (array.set $longs (local.get 0) (local.get 1) (local.get 2)))
  (func $copy (param (ref $longs) i32 i32 i32)
    (array.copy $longs $longs
      (local.get 0) (local.get 1) (local.get 0) (local.get 2) (local.get 3))))
