//! Bytes handed from one of our processes to another that are too many for a message: a file in memory, sealed, so that neither can
//! change it any more (memfd_create(2), F_ADD_SEALS in fcntl(2)).

use super::{Errno, Result};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

fn seals() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// A sealed file with these bytes, close-on-exec.
///
/// # Errors
/// EMFILE, ENOMEM.
pub fn make(bytes: &[u8]) -> Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"forkftpd-sealed", flags)?);
    file.write_all(bytes).map_err(|error| errno(&error))?;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals()))?;
    Ok(file.into())
}

/// An empty file in memory, to be written to by somebody else, close-on-exec.
///
/// # Errors
/// EMFILE, ENOMEM.
pub fn scratch() -> Result<OwnedFd> {
    memfd_create(c"forkftpd-scratch", MFdFlags::MFD_CLOEXEC)
}

/// The bytes of a sealed file, which is closed.
///
/// # Errors
/// EPERM for one that somebody could still change; EFBIG for more than `most` bytes.
pub fn read(file: OwnedFd, most: usize) -> Result<Vec<u8>> {
    let found = SealFlag::from_bits_retain(fcntl(file.as_fd(), FcntlArg::F_GET_SEALS)?);
    if !found.contains(seals()) {
        return Err(Errno::EPERM);
    }
    let file = File::from(file);
    let length = file.metadata().map_err(|error| errno(&error))?.len();
    let length = usize::try_from(length).map_err(|_| Errno::EFBIG)?;
    if length > most {
        return Err(Errno::EFBIG);
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|error| errno(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_changes_what_is_sealed() {
        let sealed = make(b"a chain").expect("make");
        let twin = File::from(sealed.try_clone().expect("clone"));
        assert!(twin.write_all_at(b"X", 0).is_err());
        assert!(twin.set_len(0).is_err());
        assert_eq!(read(sealed, 7).expect("read"), b"a chain");
        let long = make(b"a chain").expect("make");
        assert_eq!(read(long, 6), Err(Errno::EFBIG));
        let open = memfd_create(c"open", MFdFlags::MFD_ALLOW_SEALING).expect("memfd");
        assert_eq!(read(open, 7), Err(Errno::EPERM));
    }
}
