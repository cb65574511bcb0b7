(module
  (type $base (sub (func (result i32))))
  (type $derived (sub $base (func (result i32))))
  (table $any 4 funcref)
  (table $typed 4 (ref null $derived))
  ;; A function of a subtype will do.
  (func $row (param i32) (result i32) (call_indirect $any (type $base) (local.get 0)))
  ;; The table says that it is one.
  (func $proven (param i32) (result i32) (call_indirect $typed (type $base) (local.get 0))))
