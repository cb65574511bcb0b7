;; Without values the targets are in the table; with values there is one edge block per label.
(module
  (func (param i32) (result i32)
    (block (block (block (br_table 0 1 2 1 0 (local.get 0))) (return (i32.const 10))) (return (i32.const 20)))
    (i32.const 30))
  (func (param i32) (result i32)
    (block (result i32)
      (i32.add (i32.const 1)
        (block (result i32)
          (br_table 0 1 2 1 0 (i32.eqz (local.get 0)) (local.get 0)))))))
