//! [`Progress`]: how far each function of a module is.

use wrun_module::Tier;

/// How far a function is. Code is where it lies from the start of `.text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is no code.
    Absent,
    /// A thread compiles it for the first time.
    Compiling,
    /// It has code, and has not been called.
    Ready { code: u32, tier: Tier },
    /// It has been called; its entry leads to its code.
    Entered { code: u32, tier: Tier },
}

/// How far all functions are.
#[derive(Debug)]
pub(super) struct Progress {
    states: Vec<State>,
    /// The functions whose optimised code has been asked for.
    asked: Vec<bool>,
}

impl Progress {
    /// That of a module; those functions that are `present` have been called in an earlier run.
    pub(super) fn new(present: impl ExactSizeIterator<Item = Option<(u32, Tier)>>) -> Self {
        let states: Vec<State> = present
            .map(|present| match present {
                Some((code, tier)) => State::Entered { code, tier },
                None => State::Absent,
            })
            .collect();
        Self { asked: vec![false; states.len()], states }
    }

    /// The functions that have been called, and their code.
    pub(super) fn entered(&self) -> impl Iterator<Item = (usize, u32)> {
        let states = self.states.iter().enumerate();
        states.filter_map(|(position, state)| match *state {
            State::Entered { code, .. } => Some((position, code)),
            _ => None,
        })
    }

    /// How far a function is.
    pub(super) fn state(&self, position: usize) -> State {
        self.states[position]
    }

    pub(super) fn set(&mut self, position: usize, state: State) {
        self.states[position] = state;
    }

    /// Notes that a function is called.
    pub(super) fn set_entered(&mut self, position: usize) {
        if let State::Ready { code, tier } = self.states[position] {
            self.states[position] = State::Entered { code, tier };
        }
    }

    /// The code of a function that has been called.
    pub(super) fn code(&self, position: usize) -> Option<u32> {
        match self.states[position] {
            State::Entered { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether a function's optimised code is to be made now: it has not been asked for.
    pub(super) fn ask_to_optimise(&mut self, position: usize) -> bool {
        !std::mem::replace(&mut self.asked[position], true)
    }
}
