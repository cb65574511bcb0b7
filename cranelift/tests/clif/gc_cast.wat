(module
  (type $final (struct (field i32)))
  (type $base (sub (struct (field i32))))
  (type $derived (sub $base (struct (field i32))))
  ;; Without subtypes: the number of the type is compared.
  (func $final (param anyref) (result (ref $final)) (ref.cast (ref $final) (local.get 0)))
  ;; With subtypes: the entry for its depth in the row of the number is.
  (func $derived (param anyref) (result (ref $derived)) (ref.cast (ref $derived) (local.get 0)))
  (func $nullable (param anyref) (result (ref null $base)) (ref.cast (ref null $base) (local.get 0)))
  (func $test (param anyref) (result i32) (ref.test (ref null $base) (local.get 0)))
  (func $struct (param anyref) (result i32) (ref.test (ref struct) (local.get 0)))
  (func $eq (param anyref) (result (ref eq)) (ref.cast (ref eq) (local.get 0)))
  ;; These two are told by the reference.
  (func $i31 (param anyref) (result i32) (ref.test i31ref (local.get 0)))
  (func $some (param anyref) (result i32) (ref.test (ref any) (local.get 0)))
  ;; The operand can be neither null nor an i31, so that only its type is looked at.
  (func $branch (param (ref $base)) (result i32)
    (block $yes (result (ref $derived))
      (return (struct.get $base 0 (br_on_cast $yes (ref $base) (ref $derived) (local.get 0)))))
    (drop)
    (i32.const -1))
  (func $branch_fail (param anyref) (result i32)
    (block $no (result anyref)
      (return (struct.get $base 0
        (br_on_cast_fail $no anyref (ref null $base) (local.get 0)))))
    (drop)
    (i32.const -1)))
