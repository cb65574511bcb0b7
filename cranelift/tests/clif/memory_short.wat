;; Copies and fills whose length is a small constant.
(module
  (memory 1)
  (func (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 27)))
  (func (param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const 19)))
  (func (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 65))))
