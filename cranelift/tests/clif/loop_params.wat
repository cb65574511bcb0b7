;; Sums from n to 1: the loop's parameters are the block's.
(module
  (func (param i32) (result i32)
    i32.const 0
    local.get 0
    loop (param i32 i32) (result i32)
      local.set 0
      local.get 0
      i32.add
      local.get 0
      i32.const 1
      i32.sub
      local.tee 0
      local.get 0
      br_if 0
      drop
    end))
