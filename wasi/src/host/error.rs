//! [`HostError`]: why something on the host failed. Bindings translate it once, each into its own numbers.

use rustix::io::Errno;
use std::io::{self, ErrorKind};

/// Why the host did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    /// The system's own number, or the one that says best why we refused.
    #[error(transparent)]
    System(#[from] Errno),
    /// The guest gave up the right to do this.
    #[error("the right to do so was given up")]
    NotCapable,
}

/// What the host did.
pub(crate) type HostResult<T> = Result<T, HostError>;

impl From<io::Error> for HostError {
    fn from(error: io::Error) -> HostError {
        // What cap-std refuses itself, such as leaving a directory, has a kind and no number.
        let errno = Errno::from_io_error(&error).unwrap_or(match error.kind() {
            ErrorKind::NotFound => Errno::NOENT,
            ErrorKind::PermissionDenied => Errno::PERM,
            ErrorKind::AlreadyExists => Errno::EXIST,
            ErrorKind::InvalidInput => Errno::INVAL,
            ErrorKind::WouldBlock => Errno::AGAIN,
            _ => Errno::IO,
        });
        HostError::System(errno)
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, HostError};
    use std::io::{Error, ErrorKind};

    #[test]
    fn an_error_keeps_its_number_and_gets_one_by_its_kind() {
        assert_eq!(HostError::from(Error::from(Errno::XDEV)), HostError::System(Errno::XDEV));
        let escapes = Error::new(ErrorKind::PermissionDenied, "leads out");
        assert_eq!(HostError::from(escapes), HostError::System(Errno::PERM));
        assert_eq!(HostError::from(Error::other("no number")), HostError::System(Errno::IO));
    }
}
