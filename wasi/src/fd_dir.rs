//! Directories by descriptor: which ones the guest begins with, and what is in them.

use crate::call::{Call, Outcome};
use crate::errno::Errno;
use crate::fd_stat::filetype;
use crate::host::Rights;

/// Tells whether a descriptor is a directory that the guest was given, and how long its name is.
///
/// - `fd`: the descriptor; guests ask for 3, 4, … until there is none
/// - `buf`: where the answer goes, eight bytes: type 0 for a directory, and the length
///
/// `badf`: not an open directory. `notsup`: one that the guest opened itself.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_get>
pub(crate) fn fd_prestat_get(call: &mut Call<'_>, fd: i32, buf: i32) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let name = descriptor.preopen_name()?.ok_or(Errno::NOTSUP)?;
    let len = u32::try_from(name.len()).map_err(|_| Errno::OVERFLOW)?;
    let buf = buf.cast_unsigned();
    call.memory.aligned(buf, 4, 8)?;
    // Between these is a gap.
    call.memory.put(buf, &[0])?;
    Ok(call.memory.put(buf + 4, &len.to_le_bytes())?)
}

/// Writes the name under which the guest was given a directory, without a zero at its end.
///
/// - `fd`: the directory
/// - `path`, `path_len`: where it goes, and how much room there is
///
/// `notdir`: not an open directory. `notsup`: one that the guest opened itself. `nametoolong`: not enough room.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_dir_name>
pub(crate) fn fd_prestat_dir_name(
    call: &mut Call<'_>,
    fd: i32,
    path: i32,
    path_len: i32,
) -> Outcome {
    let descriptor = call.descriptor(fd).map_err(|_| Errno::NOTDIR)?;
    let name = descriptor.preopen_name().map_err(|_| Errno::NOTDIR)?.ok_or(Errno::NOTSUP)?;
    if name.len() > path_len.cast_unsigned() as usize {
        return Err(Errno::NAMETOOLONG.into());
    }
    Ok(call.memory.put(path.cast_unsigned(), name.as_bytes())?)
}

/// Lists a directory: 24 bytes and the name for each entry, the last one cut off where the room ends.
///
/// - `fd`: the directory
/// - `buf`, `buf_len`: where the entries go, and how much room there is
/// - `cookie`: 0 for the beginning, or the `d_next` of the entry after which to go on
/// - `bufused`: where the number of bytes goes; less than `buf_len` when the listing is complete
///
/// A listing shows the directory as it was when it began, so that a guest may remove what it reads.
///
/// `badf`: not an open directory.
///
/// Spec: <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_readdir>
pub(crate) fn fd_readdir(
    call: &mut Call<'_>,
    fd: i32,
    buf: i32,
    buf_len: i32,
    cookie: i64,
    bufused: i32,
) -> Outcome {
    let descriptor = call.descriptor(fd)?;
    let (entries, start) =
        descriptor.as_dir(Rights::FD_READDIR)?.entries(cookie.cast_unsigned())?;
    let room = call.memory.range(buf.cast_unsigned(), buf_len.cast_unsigned().into())?.len();
    let mut page = Vec::new();
    for (next, entry) in (start as u64 + 1..).zip(&entries[start..]) {
        if page.len() >= room {
            break;
        }
        let len = u32::try_from(entry.name.len()).map_err(|_| Errno::OVERFLOW)?;
        page.extend_from_slice(&next.to_le_bytes());
        page.extend_from_slice(&entry.inode.to_le_bytes());
        page.extend_from_slice(&len.to_le_bytes());
        page.extend_from_slice(&[filetype(entry.kind), 0, 0, 0]);
        page.extend_from_slice(entry.name.as_bytes());
    }
    page.truncate(room);
    call.memory.put(buf.cast_unsigned(), &page)?;
    // No more than `buf_len`.
    Ok(call.memory.put_number(bufused, (page.len() as u32).to_le_bytes())?)
}
