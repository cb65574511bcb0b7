;; Branches of which the module says which way they go.
(module
  (func (param i32) (result i32)
    (block $rare
      (@metadata.code.branch_hint "\00")
      (br_if $rare (local.get 0))
      (@metadata.code.branch_hint "\00")
      (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
      (return (i32.const 2)))
    (i32.const 3)))
