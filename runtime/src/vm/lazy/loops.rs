//! [`Loops`]: at which of its loops a frame of the baseline tier is left for better code.
//!
//! Code that is entered at an inner loop has the loops around it as something that is entered in its middle. To the optimiser
//! these are no loops, and the code is slower for it. So the outermost loop is preferred of those that the frame comes by
//! soon. Nobody knows beforehand which it comes by: where a loop reports that it is hot, and there are loops around, the frame is
//! made to report at every header for a while. RATIONALE.md has the figures.
//!
//! What others rely on: a frame reports without doing anything useful only as often as
//! [`patience`](crate::LazyOptions::patience) says, twice at most for each loop of its function.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use super::{LazyCode, workers::Hot};

/// The loops of a module that have reported, each by the function's position and its offset in the body.
#[derive(Debug)]
pub(super) struct Loops {
    loops: HashMap<(usize, u32), Loop>,
    /// The loops around each, the outermost first.
    around: HashMap<(usize, u32), Box<[u32]>>,
    patience: u32,
}

/// A loop.
#[derive(Debug)]
struct Loop {
    code: Code,
    /// How often other loops may still report in vain because frames should be left at this one.
    patience: u32,
}

/// How far the code is that goes on at a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// Nobody has asked for it.
    Absent,
    /// It has been asked for.
    Asked,
    /// It lies at this offset from `.text`.
    At(u32),
    /// It cannot be made.
    Refused,
}

/// What a frame does that is at a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on in code at this offset from `.text`.
    Enter(u32),
    /// It goes on as it is while code for this loop is made: nobody has asked for it so far.
    Compile,
    /// It goes on as it is, and reports at the next header: a loop around this one is a better place.
    ReportSoon,
    /// It goes on as it is, and reports when it has counted down again: code is being made.
    ReportLater,
    /// It stays as it is.
    Stay,
}

impl Loops {
    /// None has reported.
    pub(super) fn new(patience: u32) -> Self {
        Self { loops: HashMap::new(), around: HashMap::new(), patience }
    }

    /// Whether it is known what is around a loop.
    pub(super) fn knows(&self, position: usize, offset: u32) -> bool {
        self.around.contains_key(&(position, offset))
    }

    /// Notes what is around a loop, the outermost first.
    pub(super) fn set_around(&mut self, position: usize, offset: u32, around: Vec<u32>) {
        self.around.insert((position, offset), around.into());
    }

    /// What a frame does that is at a loop, of which is known what is around it.
    pub(super) fn step(&mut self, position: usize, offset: u32) -> Step {
        let Self { loops, around, patience } = self;
        if let Code::At(code) = loop_at(loops, (position, offset), *patience).code {
            return Step::Enter(code);
        }
        for &outer in around.get(&(position, offset)).map_or(&[][..], |around| around) {
            let outer = loop_at(loops, (position, outer), *patience);
            match outer.code {
                Code::Asked => return Step::ReportLater,
                Code::Absent | Code::At(_) if outer.patience > 0 => {
                    outer.patience -= 1;
                    return Step::ReportSoon;
                }
                // It cannot be entered, or the program hardly ever comes by.
                _ => {}
            }
        }
        let itself = loop_at(loops, (position, offset), *patience);
        match itself.code {
            Code::Absent => {
                *itself = Loop { code: Code::Asked, patience: *patience };
                Step::Compile
            }
            Code::Asked => Step::ReportLater,
            Code::At(code) => Step::Enter(code),
            Code::Refused => Step::Stay,
        }
    }

    /// Notes where code for a loop lies; nothing when it cannot be made.
    pub(super) fn set_code(&mut self, position: usize, offset: u32, code: Option<u32>) {
        let code = code.map_or(Code::Refused, Code::At);
        if let Some(found) = self.loops.get_mut(&(position, offset)) {
            found.code = code;
        }
    }
}

/// A loop, which may not have reported before.
fn loop_at(
    loops: &mut HashMap<(usize, u32), Loop>,
    place: (usize, u32),
    patience: u32,
) -> &mut Loop {
    loops.entry(place).or_insert(Loop { code: Code::Absent, patience })
}

impl LazyCode {
    /// Notes that a loop counted down, and gives the address of code that goes on from its beginning, when there is any.
    pub(in crate::vm) fn loop_hot(self: &Arc<Self>, position: usize, offset: u32) -> Option<usize> {
        let counter = self.counters.get(position)?;
        let report_after = |rounds| AtomicI32::store(counter, rounds, Ordering::Relaxed);
        report_after(self.hot_after);
        let mut shared = self.lock();
        if shared.progress.ask_to_optimise(position) {
            drop(self.request_function(shared, position));
            return None;
        }
        if !shared.loops.knows(position, offset) {
            drop(shared);
            // Whoever optimises the function makes the compiler, which may take long.
            let compiler = self.compiler.get()?.as_ref().ok()?;
            let around = compiler.loops_around(position, offset);
            shared = self.lock();
            shared.loops.set_around(position, offset, around);
        }
        loop {
            match shared.loops.step(position, offset) {
                Step::Enter(code) => return Some(self.region.text() + code as usize),
                Step::Compile => shared = self.request(shared, Hot::Loop(position, offset)),
                Step::ReportLater => return None,
                Step::ReportSoon => {
                    report_after(0);
                    return None;
                }
                Step::Stay => {
                    report_after(i32::MAX);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Loops, Step};

    /// Loop 20 is in loop 10, and loop 30 in both; loop 40 is in loop 10 too.
    fn loops(patience: u32) -> Loops {
        let mut loops = Loops::new(patience);
        for (offset, around) in [(10, vec![]), (20, vec![10]), (30, vec![10, 20]), (40, vec![10])] {
            loops.set_around(0, offset, around);
        }
        loops
    }

    #[test]
    fn the_outermost_loop_is_preferred_that_comes_by() {
        let mut loops = loops(3);
        assert_eq!(loops.step(0, 30), Step::ReportSoon);
        assert_eq!(loops.step(0, 10), Step::Compile);
        assert_eq!((loops.step(0, 30), loops.step(0, 10)), (Step::ReportLater, Step::ReportLater));
        loops.set_code(0, 10, Some(7));
        assert_eq!((loops.step(0, 40), loops.step(0, 20)), (Step::ReportSoon, Step::ReportSoon));
        assert_eq!(loops.step(0, 10), Step::Enter(7));
    }

    #[test]
    fn a_loop_that_never_comes_by_is_not_waited_for() {
        let mut loops = loops(3);
        // All loops inside share the patience with the one around.
        let soon = [30, 40, 30].map(|offset| loops.step(0, offset));
        assert_eq!(soon, [Step::ReportSoon; 3]);
        let soon = [30, 30, 30].map(|offset| loops.step(0, offset));
        assert_eq!(soon, [Step::ReportSoon; 3], "for the second one");
        assert_eq!(loops.step(0, 30), Step::Compile);
        assert_eq!(loops.step(0, 20), Step::Compile);
        loops.set_code(0, 30, Some(5));
        assert_eq!(loops.step(0, 30), Step::Enter(5));
    }

    #[test]
    fn loops_without_code_are_left_alone() {
        let mut loops = loops(1);
        assert_eq!(loops.step(0, 10), Step::Compile);
        loops.set_code(0, 10, None);
        assert_eq!((loops.step(0, 10), loops.step(0, 20)), (Step::Stay, Step::Compile));
        loops.set_code(0, 20, None);
        assert_eq!(loops.step(0, 20), Step::Stay);
        assert_eq!(loops.step(0, 30), Step::Compile);
        loops.set_code(0, 30, None);
        assert_eq!(loops.step(0, 30), Step::Stay);
    }

    #[test]
    fn without_patience_every_loop_is_left_where_it_is() {
        let mut loops = loops(0);
        assert_eq!((loops.step(0, 30), loops.step(0, 20)), (Step::Compile, Step::Compile));
        loops.set_code(0, 30, Some(1));
        assert_eq!(loops.step(0, 30), Step::Enter(1));
    }
}
