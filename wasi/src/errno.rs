//! Error numbers: the specification's names for them, and which one the host's own errors become.
//!
//! Source: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno>. Both snapshots agree.

use rustix::io::Errno as HostErrno;

/// What a WASI function answers: zero, or why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const SUCCESS: Errno = Errno(0);
    pub(crate) const AGAIN: Errno = Errno(6);
    pub(crate) const FAULT: Errno = Errno(21);
    pub(crate) const ILSEQ: Errno = Errno(25);
    pub(crate) const INVAL: Errno = Errno(28);
    pub(crate) const IO: Errno = Errno(29);
    pub(crate) const NAMETOOLONG: Errno = Errno(37);
    pub(crate) const NOSYS: Errno = Errno(52);
    pub(crate) const OVERFLOW: Errno = Errno(61);

    /// The specification's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Errno::SUCCESS => "ok",
            Errno(code) => {
                usize::try_from(code).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or("unknown")
            }
        }
    }

    /// The number for an error of the host's; `io` for one that the specification has no name for.
    pub(crate) fn of_host(error: &std::io::Error) -> Errno {
        let Some(host) = HostErrno::from_io_error(error) else { return Errno::IO };
        HOST.iter().find(|(from, _)| *from == host).map_or(Errno::IO, |&(_, name)| {
            let code = NAMES.iter().position(|&known| known == name);
            code.and_then(|code| i32::try_from(code).ok()).map_or(Errno::IO, Errno)
        })
    }
}

impl From<Errno> for i32 {
    fn from(errno: Errno) -> i32 {
        errno.0
    }
}

/// For the one function without a result.
impl From<Errno> for () {
    fn from(_: Errno) {}
}

/// The names in the specification's order: the position is the number.
const NAMES: [&str; 77] = [
    "success",
    "2big",
    "acces",
    "addrinuse",
    "addrnotavail",
    "afnosupport",
    "again",
    "already",
    "badf",
    "badmsg",
    "busy",
    "canceled",
    "child",
    "connaborted",
    "connrefused",
    "connreset",
    "deadlk",
    "destaddrreq",
    "dom",
    "dquot",
    "exist",
    "fault",
    "fbig",
    "hostunreach",
    "idrm",
    "ilseq",
    "inprogress",
    "intr",
    "inval",
    "io",
    "isconn",
    "isdir",
    "loop",
    "mfile",
    "mlink",
    "msgsize",
    "multihop",
    "nametoolong",
    "netdown",
    "netreset",
    "netunreach",
    "nfile",
    "nobufs",
    "nodev",
    "noent",
    "noexec",
    "nolck",
    "nolink",
    "nomem",
    "nomsg",
    "noprotoopt",
    "nospc",
    "nosys",
    "notconn",
    "notdir",
    "notempty",
    "notrecoverable",
    "notsock",
    "notsup",
    "notty",
    "nxio",
    "overflow",
    "ownerdead",
    "perm",
    "pipe",
    "proto",
    "protonosupport",
    "prototype",
    "range",
    "rofs",
    "spipe",
    "srch",
    "stale",
    "timedout",
    "txtbsy",
    "xdev",
    "notcapable",
];

/// The host's errors that `wasi-common` does not translate itself and would stop the guest for.
const HOST: [(HostErrno, &str); 25] = [
    (HostErrno::ROFS, "rofs"),
    (HostErrno::XDEV, "xdev"),
    (HostErrno::TXTBSY, "txtbsy"),
    (HostErrno::NXIO, "nxio"),
    (HostErrno::NODEV, "nodev"),
    (HostErrno::NOTTY, "notty"),
    (HostErrno::NOSYS, "nosys"),
    (HostErrno::NOLCK, "nolck"),
    (HostErrno::NOLINK, "nolink"),
    (HostErrno::NOEXEC, "noexec"),
    (HostErrno::DEADLK, "deadlk"),
    (HostErrno::CHILD, "child"),
    (HostErrno::SRCH, "srch"),
    (HostErrno::DOM, "dom"),
    (HostErrno::RANGE, "range"),
    (HostErrno::IDRM, "idrm"),
    (HostErrno::NOMSG, "nomsg"),
    (HostErrno::BADMSG, "badmsg"),
    (HostErrno::PROTO, "proto"),
    (HostErrno::MULTIHOP, "multihop"),
    (HostErrno::NETRESET, "netreset"),
    (HostErrno::OWNERDEAD, "ownerdead"),
    (HostErrno::NOTRECOVERABLE, "notrecoverable"),
    (HostErrno::AGAIN, "again"),
    (HostErrno::INTR, "intr"),
];

#[cfg(test)]
mod tests {
    use super::{Errno, HOST, NAMES};
    use wasi_common::snapshots::preview_1::{error::Errno as Known, metadata};

    #[test]
    fn the_names_are_the_specifications_in_its_order() {
        let text = metadata::DOC_TEXT;
        let start = text.find("$errno").expect("the description defines errno");
        let names: Vec<&str> = text[start..]
            .split('$')
            .skip(2)
            .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(""))
            .take(NAMES.len())
            .collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn the_constants_are_the_specifications() {
        let known = [
            (Errno::FAULT, Known::Fault),
            (Errno::ILSEQ, Known::Ilseq),
            (Errno::INVAL, Known::Inval),
            (Errno::IO, Known::Io),
            (Errno::NOSYS, Known::Nosys),
            (Errno::OVERFLOW, Known::Overflow),
        ];
        for (ours, theirs) in known {
            assert_eq!(ours.0, theirs as i32, "{}", ours.name());
        }
    }

    #[test]
    fn errors_of_the_host_have_a_number() {
        for (host, name) in HOST {
            assert_eq!(Errno::of_host(&host.into()).name(), name);
        }
        assert_eq!(Errno::of_host(&std::io::Error::other("no number")), Errno::IO);
    }
}
