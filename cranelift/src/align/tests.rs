//! Functions by hand, and what becomes of them at the start of functions that fast code has.

use wrun_module::{
    Call, CallKind, CompiledFunc, Placement, TrapCode,
    image::tables::{CatchingCall, Handler},
};

use super::{
    ALIGN, Layout, PHASE, align_loops, check, decode, headers,
    joins::{Join, joins},
};

const PLACEMENT: Placement = Placement { align: 64, phase: 48 };

/// `push rbp; mov rbp, rsp; call …; dec ecx; jne` to `dec`, `pop rbp; ret`
const LOOP: &[u8] = &[
    0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0, // The call ends at 9.
    0xff, 0xc9, 0x0f, 0x85, 0xf8, 0xff, 0xff, 0xff, // To 9.
    0x5d, 0xc3,
];

/// `lea rsi, [table]; movsxd rax, [rsi + 4 * rdx]; add rsi, rax; jmp rsi`, a table of two jumps to 24 and 32,
/// `dec ecx; jne` to `dec`, `movsd xmm0, [constant]; ret`, filler and the constant.
const TABLE: &[u8] = &[
    0x48, 0x8d, 0x35, 9, 0, 0, 0, 0x48, 0x63, 0x04, 0x96, 0x48, 0x01, 0xc6, 0xff,
    0xe6, // To 16.
    8, 0, 0, 0, 16, 0, 0, 0, // To 24.
    0xff, 0xc9, 0x0f, 0x85, 0xf8, 0xff, 0xff, 0xff, // To 32.
    0xf2, 0x0f, 0x10, 0x05, 8, 0, 0, 0, 0xc3, 0, 0, 0, 0, 0, 0, 0, // To 48.
    1, 2, 3, 4, 5, 6, 7, 8,
];

fn func(code: &[u8]) -> CompiledFunc {
    CompiledFunc { code: code.into(), align: 16, ..CompiledFunc::default() }
}

fn aligned(code: &[u8], blocks: &[u32]) -> CompiledFunc {
    let mut func = func(code);
    align_loops(&mut func, PLACEMENT, blocks, 4);
    func
}

/// How far what was at `offset` behind the loop header at `header` has moved, which is to where loops begin.
fn moved(header: u32) -> u32 {
    (0..ALIGN).find(|moved| (48 + header + moved) % ALIGN == PHASE).unwrap()
}

#[test]
fn tables_follow_the_code() {
    let mut func = CompiledFunc {
        calls: [Call { offset: 5, kind: CallKind::X86Rel32, callee: 3 }].into(),
        traps: [(4, TrapCode::Unreachable), (9, TrapCode::Unreachable)].into(),
        addresses: [(0, 1), (4, 2), (9, 3), (17, 4)].into(),
        stack_maps: [(9, [8].into())].into(),
        catching_calls: [CatchingCall {
            return_offset: 9,
            stack: 32,
            context: 8,
            handlers: [Handler { tag: None, offset: 17 }].into(),
        }]
        .into(),
        ..func(LOOP)
    };
    align_loops(&mut func, PLACEMENT, &[4, 9, 17], 4);
    let by = moved(9);
    assert!(by > 0);
    assert_eq!(func.code[..9], LOOP[..9]);
    assert_eq!(func.code[(9 + by) as usize..], LOOP[9..]);
    assert_eq!(func.calls[0].offset, 5);
    assert_eq!(func.traps, [(4, TrapCode::Unreachable), (9 + by, TrapCode::Unreachable)].into());
    assert_eq!(func.addresses, [(0, 1), (4, 2), (9 + by, 3), (17 + by, 4)].into());
    // The call returns to what is in front of the loop now.
    assert_eq!(func.stack_maps[0].0, 9);
    assert_eq!(func.catching_calls[0].return_offset, 9);
    assert_eq!(func.catching_calls[0].handlers[0].offset, 17 + by);
}

#[test]
fn jumps_by_tables_and_constants_are_found_again() {
    let func = aligned(TABLE, &[0, 24, 32]);
    let by = moved(24);
    assert!(by > 0);
    let int = |offset: u32| {
        i32::from_le_bytes(func.code[offset as usize..][..4].try_into().expect("4 bytes"))
    };
    assert_eq!(int(3), 9, "the table stays where it is");
    assert_eq!((int(16), int(20)), (8 + by as i32, 16 + by as i32));
    let constant = func.code.len() as u32 - 8;
    assert_eq!(func.code[constant as usize..], TABLE[48..]);
    assert_eq!(constant % 16, 0);
    assert_eq!(int(32 + by + 4), (constant - (32 + by + 8)) as i32);
}

/// `push rbp; mov rbp, rsp`, a loop of two ways, `ret`. The first way is `filler` bytes long. The second is jumped to, and both
/// jump back.
fn two_ways(filler: u32) -> (Vec<u8>, u32) {
    let mut code = vec![0x55, 0x48, 0x89, 0xe5, 0x85, 0xc9, 0x0f, 0x84];
    let second = 12 + filler + 5;
    code.extend((filler + 5).to_le_bytes());
    code.extend(vec![0x90; filler as usize]);
    for end in [second, second + 9] {
        if end > second {
            code.extend([0xff, 0xc9, 0xff, 0xc9]);
        }
        code.push(0xe9);
        code.extend(4_u32.wrapping_sub(end).to_le_bytes());
    }
    code.push(0xc3);
    (code, second)
}

#[test]
fn what_is_jumped_to_in_loops_is_kept_in_one_line() {
    for filler in 0..ALIGN {
        let (code, second) = two_ways(filler);
        let blocks = [4, 12, second, second + 9];
        let items = decode::decode(&code, &blocks).unwrap();
        let headers = headers(&items, 4).unwrap();
        let place = decode::find(&items, second).unwrap();
        let joins = joins(&items, &headers, &code, ALIGN);
        assert_eq!(
            joins,
            [Join { place, len: 9 }],
            "neither what is only come to from above, nor what is in no loop"
        );
        let layout = Layout::new(&items, &headers, &joins, 48, 16).unwrap();
        let at = layout.start(second).unwrap();
        let unmoved = second + moved(4);
        let fits = (48 + unmoved) % ALIGN + 9 <= ALIGN;
        assert_eq!(at, if fits { unmoved } else { (48 + unmoved).next_multiple_of(ALIGN) - 48 });
        assert!(check::same(&layout, &code, &layout.write(&code).unwrap()));
    }
}

#[test]
fn functions_that_are_not_understood_stay() {
    let changed = |code: &[u8], place: usize, byte: u8| {
        let mut code = code.to_vec();
        code[place] = byte;
        code
    };
    for (code, blocks) in [
        (changed(LOOP, 13, 0xf9), &[4_u32, 9, 17] as &[_]), // A jump into an instruction.
        (changed(LOOP, 9, 0x06), &[4, 9, 17]),              // No instruction.
        (changed(TABLE, 33, 0x70), &[0, 24, 32]),           // A short jump.
        (changed(TABLE, 16, 9), &[0, 24, 32]), // A table with a jump into an instruction.
        (changed(TABLE, 36, 0xe8), &[0, 24, 32]), // A constant within code.
        (TABLE.to_vec(), &[0, 27, 32]),        // A table with half a jump.
        (TABLE.to_vec(), &[0]),                // A table that ends nowhere.
    ] {
        assert_eq!(*aligned(&code, blocks).code, code[..]);
    }
    // Nothing to be done, and a loop within the prologue.
    assert_eq!(*aligned(&LOOP[17..], &[0]).code, LOOP[17..]);
    let mut func = func(LOOP);
    align_loops(&mut func, PLACEMENT, &[4, 9, 17], 10);
    assert_eq!(*func.code, *LOOP);
}

#[test]
fn any_change_is_seen() {
    for (code, blocks) in [(LOOP, &[4_u32, 9, 17] as &[_]), (TABLE, &[0, 24, 32])] {
        let items = decode::decode(code, blocks).unwrap();
        let layout = Layout::new(&items, &headers(&items, 4).unwrap(), &[], 48, 16).unwrap();
        let new = layout.write(code).unwrap();
        assert!(check::same(&layout, code, &new));
        for (item, &offset) in items.iter().zip(&layout.offsets) {
            for bit in offset * 8..(offset + item.len) * 8 {
                let mut other = new.clone();
                other[bit as usize / 8] ^= 1 << (bit % 8);
                assert!(!check::same(&layout, code, &other), "bit {bit}");
            }
        }
        assert!(!check::same(&layout, code, &new[..new.len() - 1]));
    }
}
