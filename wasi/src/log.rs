//! The log of calls: one line for each at level debug of the target `wasi`.
//!
//! `path_open(fd=3, dirflags=0x1, path="notes.txt", oflags=0x0, …) = ok, opened=4`. While nobody listens a call pays
//! one comparison ([`enabled`]). The list of functions says what each argument means ([`Kind`]).

use crate::errno::Errno;
use crate::memory::GuestMemory;
use std::borrow::Cow;
use std::fmt::Write;
use wrun_runtime::Result;

/// The longest path in a shared memory, in bytes; systems refuse much shorter ones.
pub(crate) const LONGEST_PATH: u64 = 64 << 10;

/// A WASI function as the list names it.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [(&'static str, Kind)],
}

impl Function {
    /// Whether one of its arguments points into memory.
    pub(crate) const fn needs_memory(&self) -> bool {
        let mut i = 0;
        while i < self.params.len() {
            if matches!(self.params[i].1, Kind::Ptr | Kind::Str | Kind::Out32 | Kind::Out64) {
                return true;
            }
            i += 1;
        }
        false
    }

    /// The length of the longest string among arguments of these values; zero without one.
    pub(crate) fn longest_string(&self, args: &[u64]) -> u64 {
        let lengths = self.params.iter().zip(args).filter(|((_, kind), _)| *kind == Kind::StrLen);
        lengths.map(|(_, &len)| len).max().unwrap_or(0)
    }
}

/// What an argument means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file descriptor.
    Fd,
    /// A number: a size, a count, an enumeration's value.
    Num32,
    /// A number: a size, an offset, a time, a cookie.
    Num64,
    /// A distance that may be negative.
    Delta64,
    /// A set of flags.
    Flags32,
    /// A set of rights.
    Flags64,
    /// The address of something that is not shown.
    Ptr,
    /// The address of a string; its length is the next argument.
    Str,
    /// The length of the string before it.
    StrLen,
    /// Where the function writes a result of four bytes.
    Out32,
    /// Where the function writes a result of eight bytes.
    Out64,
}

/// Whether somebody listens.
#[inline]
pub(crate) fn enabled() -> bool {
    tracing::enabled!(target: "wasi", tracing::Level::DEBUG)
}

/// Writes the line of one call.
#[cold]
pub(crate) fn record(
    function: &Function,
    args: &[u64],
    memory: &GuestMemory<'_>,
    outcome: &Result<Errno>,
) {
    tracing::debug!(target: "wasi", "{}", line(function, args, memory, outcome));
}

fn line(
    function: &Function,
    args: &[u64],
    memory: &GuestMemory<'_>,
    outcome: &Result<Errno>,
) -> String {
    let mut line = format!("{}(", function.name);
    let mut separator = "";
    for (index, ((name, kind), &value)) in function.params.iter().zip(args).enumerate() {
        let shown = match kind {
            Kind::StrLen | Kind::Out32 | Kind::Out64 => continue,
            Kind::Fd | Kind::Num32 | Kind::Num64 => format!("{value}"),
            Kind::Delta64 => format!("{}", value.cast_signed()),
            Kind::Flags32 | Kind::Flags64 | Kind::Ptr => format!("{value:#x}"),
            Kind::Str => string(memory, value, args.get(index + 1).copied().unwrap_or(0)),
        };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}{name}={shown}");
        separator = ", ";
    }
    line.push_str(") = ");
    match outcome {
        Ok(errno) => line.push_str(errno.name()),
        Err(error) => match error.exit_code() {
            Some(code) => _ = write!(line, "exit {code}"),
            None => _ = write!(line, "error: {error}"),
        },
    }
    if matches!(outcome, Ok(Errno::SUCCESS)) {
        for ((name, kind), &address) in function.params.iter().zip(args) {
            let result = match kind {
                Kind::Out32 => read(memory, address).map(|bytes| u32::from_le_bytes(bytes).into()),
                Kind::Out64 => read(memory, address).map(u64::from_le_bytes),
                _ => continue,
            };
            if let Some(result) = result {
                let _ = write!(line, ", {name}={result}");
            }
        }
    }
    line
}

fn string(memory: &GuestMemory<'_>, address: u64, len: u64) -> String {
    let bytes = if len <= LONGEST_PATH { bytes(memory, address, len) } else { None };
    match bytes {
        Some(bytes) => format!("{:?}", String::from_utf8_lossy(&bytes)),
        None => format!("{address:#x}"),
    }
}

fn read<const N: usize>(memory: &GuestMemory<'_>, address: u64) -> Option<[u8; N]> {
    (*bytes(memory, address, N as u64)?).try_into().ok()
}

fn bytes<'a>(memory: &'a GuestMemory<'_>, address: u64, len: u64) -> Option<Cow<'a, [u8]>> {
    memory.bytes(u32::try_from(address).ok()?, u32::try_from(len).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{Errno, Function, GuestMemory, Kind};
    use wrun_runtime::{Error, Result};

    const OPEN: Function = Function {
        name: "open",
        params: &[
            ("fd", Kind::Fd),
            ("path", Kind::Str),
            ("path_len", Kind::StrLen),
            ("flags", Kind::Flags32),
            ("by", Kind::Delta64),
            ("opened", Kind::Out32),
        ],
    };
    const MEMORY: &[u8] = b"a\"b\0\x07\0\0\0";

    fn line(function: &Function, args: &[u64], outcome: &Result<Errno>) -> String {
        super::line(function, args, &GuestMemory::Unshared(&mut MEMORY.to_vec()), outcome)
    }

    #[test]
    fn a_line_shows_strings_and_results() {
        let args = [3, 0, 3, 0x11, u64::MAX, 4];
        assert_eq!(
            line(&OPEN, &args, &Ok(Errno::SUCCESS)),
            r#"open(fd=3, path="a\"b", flags=0x11, by=-1) = ok, opened=7"#
        );
        assert_eq!(
            line(&OPEN, &args, &Ok(Errno::named("noent"))),
            r#"open(fd=3, path="a\"b", flags=0x11, by=-1) = noent"#
        );
    }

    #[test]
    fn wild_pointers_do_not_stop_it() {
        let args = [3, u64::from(u32::MAX), 9, 0, 0, u64::from(u32::MAX)];
        assert_eq!(
            line(&OPEN, &args, &Ok(Errno::SUCCESS)),
            "open(fd=3, path=0xffffffff, flags=0x0, by=0) = ok"
        );
    }

    #[test]
    fn an_exit_shows_its_code() {
        let exit = Function { name: "exit", params: &[("rval", Kind::Num32)] };
        assert_eq!(line(&exit, &[7], &Err(Error::exit(7))), "exit(rval=7) = exit 7");
    }
}
