//! One call of a WASI function: from the guest's arguments to the number it gets back.
//!
//! [`host_call`] finds the caller's memory and context and writes the log; the functions of the group files hand the
//! arguments to `wasi-common` through [`run`], which is the only place where its errors become an [`Errno`], a trap
//! or an error of the host. The futures of `wasi-common` never wait for another task here: they block, and are done
//! when they return, so that polling them once is all the executor there is.

use crate::WasiCtx;
use crate::errno::Errno;
use crate::log::{self, Function, LONGEST_PATH};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wiggle::{GuestError, GuestMemory, Region};
use wrun_runtime::{Caller, Error, Result, TrapCode};

/// Which of the two modules a guest imports from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshot {
    /// `wasi_snapshot_preview1`
    Preview1,
    /// `wasi_unstable`: another `whence`, another `filestat`, another `subscription`, no `sock_accept`.
    Unstable,
}

impl Snapshot {
    /// The name of the module that guests import.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Snapshot::Preview1 => "wasi_snapshot_preview1",
            Snapshot::Unstable => "wasi_unstable",
        }
    }
}

/// What a WASI function works on.
pub(crate) struct Call<'a> {
    pub(crate) memory: GuestMemory<'a>,
    pub(crate) ctx: &'a mut WasiCtx,
    pub(crate) snapshot: Snapshot,
}

/// Runs `body` on the caller's memory and context.
///
/// # Errors
/// Those of `body`, with the function's name; and when the guest exports no memory though the function needs one.
pub(crate) fn host_call<T: 'static, R: From<Errno>>(
    caller: &mut Caller<'_, T>,
    get: impl Fn(&mut T) -> &mut WasiCtx,
    snapshot: Snapshot,
    function: &'static Function,
    args: &[u64],
    body: impl FnOnce(&mut Call<'_>) -> Result<Errno>,
) -> Result<R> {
    let shared;
    let (memory, data) = match caller.memory_and_data() {
        Some((bytes, data)) => (GuestMemory::Unshared(bytes), data),
        None => {
            shared = caller.shared_memory();
            match &shared {
                Some(shared) => (GuestMemory::Shared(shared.cells()), caller.data_mut()),
                None if function.needs_memory() => return Err(no_memory(function)),
                None => (GuestMemory::Unshared(&mut []), caller.data_mut()),
            }
        }
    };
    let mut call = Call { memory, ctx: get(data), snapshot };
    // Of a shared memory strings are copied, and the host is not to hold a copy of all of it for each thread.
    let outcome = if call.memory.is_shared_memory() && function.longest_string(args) > LONGEST_PATH
    {
        Ok(Errno::NAMETOOLONG)
    } else {
        body(&mut call)
    };
    if log::enabled() {
        log::record(function, args, &call.memory, &outcome);
    }
    match outcome {
        Ok(errno) => Ok(R::from(errno)),
        Err(error) if error.exit_code().is_some() => Err(error),
        Err(error) => Err(error.context(format_args!("in the WASI function `{}`", function.name))),
    }
}

#[cold]
fn no_memory(function: &Function) -> Error {
    Error::host(format!(
        "the WASI function `{}` needs the module's memory, but the module exports none under the name `memory`",
        function.name
    ))
}

/// Runs one of `wasi-common`'s functions to its end.
///
/// # Errors
/// A trap for a pointer that leaves the memory or is not aligned, as the specification demands; an error of the host
/// for what has no error number.
pub(crate) fn run(
    function: impl Future<Output = std::result::Result<i32, wiggle::error::Error>>,
) -> Result<Errno> {
    match poll_once(function)? {
        Ok(code) => Ok(Errno(code)),
        Err(error) => outcome_of(error),
    }
}

fn poll_once<F: Future>(future: F) -> Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(Error::host("a file of the WASI context is not synchronous")),
    }
}

#[cold]
fn outcome_of(error: wiggle::error::Error) -> Result<Errno> {
    if let Some(guest) = error.downcast_ref::<GuestError>() {
        outcome_of_guest(guest)
    } else if let Some(host) = error.downcast_ref::<std::io::Error>() {
        Ok(Errno::of_host(host))
    } else {
        Err(Error::host(format!("{error:#}")))
    }
}

/// What a wrong argument leads to.
///
/// # Errors
/// A trap for wrong pointers.
pub(crate) fn outcome_of_guest(error: &GuestError) -> Result<Errno> {
    match error {
        GuestError::InFunc { err, .. } => outcome_of_guest(err),
        GuestError::InvalidFlagValue(_)
        | GuestError::InvalidEnumValue(_)
        | GuestError::TryFromIntError(_) => Ok(Errno::INVAL),
        GuestError::InvalidUtf8(_) => Ok(Errno::ILSEQ),
        GuestError::SliceLengthsDiffer => Ok(Errno::FAULT),
        GuestError::PtrOverflow => {
            Err(wild_pointer("an address and its length exceed the address space".to_owned()))
        }
        GuestError::PtrOutOfBounds(Region { start, len }) => {
            Err(wild_pointer(format!("{len} bytes at {start:#x} are not inside the memory")))
        }
        GuestError::PtrNotAligned(Region { start, .. }, align) => {
            Err(wild_pointer(format!("the address {start:#x} is not a multiple of {align}")))
        }
    }
}

fn wild_pointer(what: String) -> Error {
    Error::from(TrapCode::MemoryOutOfBounds).context(what)
}

#[cfg(test)]
mod tests {
    use super::{Errno, outcome_of};
    use wiggle::{GuestError, Region};

    fn in_func(err: GuestError) -> wiggle::error::Error {
        let err = Box::new(err);
        GuestError::InFunc { modulename: "m", funcname: "f", location: "l", err }.into()
    }

    #[test]
    fn wrong_values_are_invalid_arguments() {
        for error in
            [GuestError::InvalidEnumValue("Whence"), GuestError::InvalidFlagValue("Oflags")]
        {
            assert_eq!(outcome_of(in_func(error)).ok(), Some(Errno::INVAL));
        }
    }

    #[test]
    fn wild_pointers_trap() {
        let region = Region { start: 0x10000, len: 4 };
        for error in [
            GuestError::PtrOutOfBounds(region),
            GuestError::PtrNotAligned(region, 8),
            GuestError::PtrOverflow,
        ] {
            let trap = outcome_of(in_func(error)).expect_err("a trap");
            assert!(trap.trap().is_some(), "{trap}");
        }
    }

    #[test]
    fn errors_of_the_host_are_numbers_even_behind_a_context() {
        let error = std::io::Error::from(rustix::io::Errno::XDEV);
        let error = wiggle::error::Error::from(error).context("Unknown OS error");
        assert_eq!(outcome_of(error).expect("a number").name(), "xdev");
    }
}
