//! [`DirAccess`]: what a directory is given to a guest for.

use super::{HostError, HostResult};
use rustix::io::Errno;

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
    /// [`READ_ONLY`] when it may not.
    pub(super) fn allow_change(self) -> HostResult<()> {
        match self {
            DirAccess::ReadWrite => Ok(()),
            DirAccess::ReadOnly => Err(READ_ONLY),
        }
    }
}

/// What a guest gets for changing something that is read-only.
pub(super) const READ_ONLY: HostError = HostError::System(Errno::ROFS);
