//! One call of a WASI function: from the guest's arguments to the number it gets back.
//!
//! [`host_call`] finds the caller's memory and context and writes the log. The functions of the group files give an
//! [`Outcome`]; whatever fails in them becomes a [`Failure`] by `?`, and here that becomes an [`Errno`] or a trap.

use crate::WasiCtx;
use crate::errno::Errno;
use crate::host::{Descriptor, HostError};
use crate::log::{self, Function, LONGEST_PATH};
use crate::memory::{GuestMemory, WildPointer};
use std::borrow::Cow;
use std::sync::Arc;
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

/// What a WASI function comes to.
pub(crate) type Outcome = std::result::Result<(), Failure>;

/// Why a WASI function did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guest gets a number.
    Errno(Errno),
    /// The guest ends: with a trap, or because it wanted to.
    End(Error),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Errno(errno)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Failure {
        Failure::Errno(Errno::of_host(error))
    }
}

impl From<WildPointer> for Failure {
    /// The specification demands a trap.
    #[cold]
    fn from(pointer: WildPointer) -> Failure {
        Failure::End(Error::from(TrapCode::MemoryOutOfBounds).context(pointer))
    }
}

impl Call<'_> {
    /// What a number stands for.
    ///
    /// # Errors
    /// `badf`: nothing.
    pub(crate) fn descriptor(&self, fd: i32) -> std::result::Result<Arc<Descriptor>, Failure> {
        Ok(self.ctx.table.get(fd.cast_unsigned())?)
    }

    /// The path of `len` bytes at `address`.
    ///
    /// # Errors
    /// `ilseq`: it is not UTF-8. A trap when it is not inside the memory.
    pub(crate) fn path(
        &self,
        address: i32,
        len: i32,
    ) -> std::result::Result<Cow<'_, str>, Failure> {
        match self.memory.bytes(address.cast_unsigned(), len.cast_unsigned())? {
            Cow::Borrowed(bytes) => {
                str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Errno::ILSEQ.into())
            }
            Cow::Owned(bytes) => {
                String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Errno::ILSEQ.into())
            }
        }
    }
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
    body: impl FnOnce(&mut Call<'_>) -> Outcome,
) -> Result<R> {
    let shared;
    let (memory, data) = match caller.memory_and_data() {
        Some((bytes, data)) => (GuestMemory::Unshared(bytes), data),
        None => {
            shared = caller.shared_memory();
            match &shared {
                Some(shared) => (GuestMemory::Shared(shared), caller.data_mut()),
                None if function.needs_memory() => return Err(no_memory(function)),
                None => (GuestMemory::Unshared(&mut []), caller.data_mut()),
            }
        }
    };
    let mut call = Call { memory, ctx: get(data), snapshot };
    // Of a shared memory strings are copied, and the host is not to hold a copy of all of it for each thread.
    let is_shared = matches!(call.memory, GuestMemory::Shared(_));
    let outcome = match is_shared && function.longest_string(args) > LONGEST_PATH {
        true => Err(Errno::NAMETOOLONG.into()),
        false => body(&mut call),
    };
    let outcome = match outcome {
        Ok(()) => Ok(Errno::SUCCESS),
        Err(Failure::Errno(errno)) => Ok(errno),
        Err(Failure::End(error)) => Err(error),
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

#[cfg(test)]
mod tests {
    use super::{Errno, Failure, HostError, WildPointer};

    #[test]
    fn wild_pointers_trap() {
        for pointer in [
            WildPointer::Outside { address: 0x10000, len: 4 },
            WildPointer::Unaligned { address: 0x10001, align: 4 },
        ] {
            let Failure::End(error) = pointer.into() else { panic!("{pointer} is a number") };
            assert!(error.trap().is_some() && error.to_string().contains("0x1000"), "{error}");
        }
    }

    #[test]
    fn errors_of_the_host_are_numbers() {
        let error = HostError::from(rustix::io::Errno::XDEV);
        let Failure::Errno(errno) = error.into() else { panic!("{error} ends the guest") };
        assert_eq!(errno, Errno::named("xdev"));
    }
}
