(module
  (table $funcs 4 funcref)
  (table $externs 4 8 externref)
  (func (param i32) (table.set $funcs (local.get 0) (table.get $funcs (i32.const 0))))
  (func (param i32 externref) (result externref i32)
    (table.set $externs (local.get 0) (local.get 1))
    (table.get $externs (local.get 0))
    (table.size $externs)))
