//! [`DirAccess`]: what a directory is given to a guest for.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::error::Errno;

/// What a guest may do with a directory and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirAccess {
    /// Everything that the user who runs it may do.
    ReadWrite,
    /// Reading and listing; whatever would change something fails with `rofs`.
    ReadOnly,
}

impl DirAccess {
    /// Whether the guest may change something.
    ///
    /// # Errors
    /// [`read_only`] when it may not.
    pub(super) fn allow_change(self) -> Result<(), Error> {
        match self {
            DirAccess::ReadWrite => Ok(()),
            DirAccess::ReadOnly => Err(read_only()),
        }
    }
}

/// What a guest gets for changing something that is read-only.
pub(super) fn read_only() -> Error {
    Errno::Rofs.into()
}
