//! Moving file bytes without touching them. Run by children.

use super::{Errno, Result};
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Read and written at once where the kernel cannot move them.
const BY_HAND: usize = 64 * 1024;

/// Sends up to `count` bytes of `file` from `offset` to `to`, inside the kernel (sendfile(2)). Returns how many went; 0
/// means that the file ends there.
///
/// # Errors
/// EAGAIN when the send timeout of the socket passed with nothing sent; EIO from the disk; EPIPE and ECONNRESET from the peer.
pub fn send_file(
    to: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> Result<usize> {
    let mut position = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        match nix::sys::sendfile::sendfile64(to, file, Some(&mut position), count) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// A pipe between a file and a socket, either way: as sendfile's, of a size of our own choice (splice(2)).
#[derive(Debug)]
pub struct Pipe {
    reads: OwnedFd,
    writes: OwnedFd,
}

impl Pipe {
    /// One that holds `size` bytes.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM; EPERM when that is more than the system allows, to one pipe or to all of one user.
    pub fn new(size: usize) -> Result<Pipe> {
        let size = i32::try_from(size).map_err(|_| Errno::EPERM)?;
        let (reads, writes) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&writes, FcntlArg::F_SETPIPE_SZ(size))?;
        Ok(Pipe { reads, writes })
    }

    /// Puts up to `count` bytes of `file` from `offset` into the pipe, which is empty. Returns how many; 0 means that the file
    /// ends there.
    ///
    /// # Errors
    /// EIO from the disk; EINVAL for a file of which this cannot be done.
    pub fn fill(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> Result<usize> {
        let mut position = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        loop {
            let flags = SpliceFFlags::empty();
            match splice(file, Some(&mut position), &self.writes, None, count, flags) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    /// Sends up to `count` bytes from the pipe, which holds as many, to `to`. `more` says that further bytes follow at once.
    ///
    /// # Errors
    /// As `send_file`, but for those of the file.
    pub fn drain(&self, to: BorrowedFd<'_>, count: usize, more: bool) -> Result<usize> {
        let flags = if more {
            SpliceFFlags::SPLICE_F_MORE
        } else {
            SpliceFFlags::empty()
        };
        loop {
            match splice(&self.reads, None, to, None, count, flags) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    /// Puts up to `count` bytes that came to the socket `from` into the pipe. It does not wait for room in it, but for bytes where the
    /// socket does. Returns how many; 0 where nothing comes any more, or where urgent data is in the way.
    ///
    /// # Errors
    /// EAGAIN when the pipe is full, or nothing is there, or only what is urgent; those of the connection.
    pub fn receive(&self, from: BorrowedFd<'_>, count: usize) -> Result<usize> {
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        loop {
            match splice(from, None, &self.writes, None, count, flags) {
                Err(Errno::EINTR) => {}
                result => return result,
            }
        }
    }

    /// Writes `count` bytes from the pipe, which holds as many, to `file` at `offset`.
    ///
    /// # Errors
    /// Those of writing: ENOSPC, EDQUOT, EFBIG, EIO; a part may have been written.
    pub fn write_at(&self, file: BorrowedFd<'_>, mut offset: u64, count: usize) -> Result<()> {
        let flags = SpliceFFlags::empty();
        let mut left = count;
        while left > 0 {
            let mut position = i64::try_from(offset).map_err(|_| Errno::EFBIG)?;
            let written = match splice(&self.reads, None, file, Some(&mut position), left, flags) {
                Err(Errno::EINTR) => continue,
                // A filesystem that does not know how: it is read and written.
                Err(Errno::EINVAL) => self.copy_out(file, offset, left)?,
                result => result?,
            };
            if written == 0 {
                return Err(Errno::EIO);
            }
            offset += written as u64;
            left -= written.min(left);
        }
        Ok(())
    }

    /// The same for some of them, by way of this process. Returns how many.
    fn copy_out(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> Result<usize> {
        let mut piece = vec![0; count.min(BY_HAND)];
        let got = nix::unistd::read(&self.reads, &mut piece)?;
        super::file::write_at(file, &piece[..got], offset)?;
        Ok(got)
    }
}

/// Reads bytes of `file` from `offset` (pread(2)). Returns how many; 0 means that the file ends there.
///
/// # Errors
/// EIO from the disk.
pub fn read_at(file: BorrowedFd<'_>, into: &mut [u8], offset: u64) -> Result<usize> {
    let position = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        match nix::sys::uio::pread(file, into, position) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Copies up to `count` bytes of `from` at `offset` to the same place in `to`, inside the kernel (copy_file_range(2)): where the
/// filesystem can, both then share them on the disk. Returns how many were copied; 0 means that `from` ends there.
///
/// # Errors
/// EXDEV, EINVAL, ENOSYS, EOPNOTSUPP and EPERM where it cannot be done so: read and write them; ENOSPC, EDQUOT, EFBIG, EIO.
pub fn copy_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> Result<usize> {
    let start = i64::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
    loop {
        let (mut here, mut there) = (start, start);
        match nix::fcntl::copy_file_range(from, Some(&mut here), to, Some(&mut there), count) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Starts writing `length` bytes from `offset` to the disk, without waiting (sync_file_range(2)). A hint: the durability
/// comes from the fdatasync that follows, which then has little left to do.
pub fn start_writeback(file: BorrowedFd<'_>, offset: u64, length: u64) {
    // SAFETY: sync_file_range takes a descriptor, kept open by the borrow, and numbers.
    unsafe {
        libc::sync_file_range(
            file.as_fd().as_raw_fd(),
            offset as i64,
            length as i64,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{MsgFlags, send};
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    const SIZE: usize = 1024 * 1024;

    /// A client, and a server's socket that does not wait.
    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let server = listener.accept().expect("accept").0;
        server.set_nonblocking(true).expect("nonblocking");
        (client, server)
    }

    fn wait(socket: &TcpStream) {
        let mut fds = [nix::poll::PollFd::new(
            socket.as_fd(),
            nix::poll::PollFlags::POLLIN,
        )];
        assert_eq!(nix::poll::poll(&mut fds, 10_000u16), Ok(1));
    }

    /// What comes to `socket` by way of `pipe`, as far as that goes; `count` at once.
    fn receive_all(pipe: &Pipe, socket: &TcpStream, file: &std::fs::File, count: usize) -> usize {
        let mut at = 0;
        loop {
            wait(socket);
            let mut held = 0;
            while held < count {
                match pipe.receive(socket.as_fd(), count - held) {
                    Ok(0) | Err(Errno::EAGAIN) if held == 0 => return at,
                    Ok(0) | Err(Errno::EAGAIN) => break,
                    Ok(came) => held += came,
                    Err(errno) => panic!("{errno} at {at}"),
                }
            }
            let written = pipe.write_at(file.as_fd(), at as u64, held);
            written.expect("written");
            at += held;
        }
    }

    fn content(mut file: &std::fs::File) -> Vec<u8> {
        let mut all = Vec::new();
        std::io::Seek::rewind(&mut file).expect("rewind");
        file.read_to_end(&mut all).expect("read");
        all
    }

    #[test]
    fn what_comes_is_written_whole_however_little_the_pipe_holds() {
        let bytes: Vec<u8> = (0u32..)
            .flat_map(u32::to_le_bytes)
            .take(9 * SIZE + 7)
            .collect();
        for (size, count) in [(SIZE, SIZE), (SIZE, 1000), (4096, SIZE)] {
            let (mut client, server) = connected();
            let sent = bytes.clone();
            let sender = std::thread::spawn(move || client.write_all(&sent).expect("send"));
            let pipe = Pipe::new(size).expect("pipe");
            let file = tempfile::tempfile().expect("file");
            let came = receive_all(&pipe, &server, &file, count);
            sender.join().expect("sender");
            assert_eq!(came, bytes.len());
            assert!(content(&file) == bytes, "other bytes");
        }
    }

    #[test]
    fn a_full_pipe_takes_nothing_and_loses_nothing() {
        let (mut client, server) = connected();
        let pipe = Pipe::new(4096).expect("pipe");
        let sent = vec![7; SIZE];
        let sender = std::thread::spawn(move || {
            client.write_all(&sent).expect("send");
            client.shutdown(Shutdown::Write).expect("shutdown");
        });
        wait(&server);
        let held = pipe.receive(server.as_fd(), SIZE).expect("received");
        wait(&server);
        // Some may have come while it was not full yet.
        let more = std::iter::repeat_with(|| pipe.receive(server.as_fd(), SIZE));
        let more: usize = more.map_while(std::result::Result::ok).sum();
        assert_eq!(pipe.receive(server.as_fd(), SIZE), Err(Errno::EAGAIN));
        let file = tempfile::tempfile().expect("file");
        let written = pipe.write_at(file.as_fd(), 0, held + more);
        assert_eq!(written, Ok(()));
        let mut server = server;
        server.set_nonblocking(false).expect("blocking");
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).expect("the rest");
        sender.join().expect("sender");
        assert_eq!(content(&file).len() + rest.len(), SIZE);
    }

    #[test]
    fn an_end_may_be_none() {
        // Before urgent data nothing more comes by way of a pipe: whoever took that for the end would cut a file.
        let (mut client, server) = connected();
        client.write_all(b"before").expect("send");
        send(client.as_raw_fd(), b"!", MsgFlags::MSG_OOB).expect("urgent");
        client.write_all(b"after").expect("send");
        let pipe = Pipe::new(SIZE).expect("pipe");
        let file = tempfile::tempfile().expect("file");
        assert_eq!(receive_all(&pipe, &server, &file, SIZE), b"before".len());
        drop(client);
        let mut server = server;
        server.set_nonblocking(false).expect("blocking");
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).expect("the rest");
        assert_eq!(rest, b"after");
    }

    #[test]
    fn a_pipe_is_written_by_hand_where_that_is_the_only_way() {
        let pipe = Pipe::new(SIZE).expect("pipe");
        let bytes: Vec<u8> = (0u32..).flat_map(u32::to_le_bytes).take(200_000).collect();
        std::fs::File::from(pipe.writes.try_clone().expect("clone"))
            .write_all(&bytes)
            .expect("fill");
        let file = tempfile::tempfile().expect("file");
        let mut at = 0;
        while at < bytes.len() {
            let left = bytes.len() - at;
            let copied = pipe.copy_out(file.as_fd(), at as u64, left);
            at += copied.expect("copied");
        }
        assert!(content(&file) == bytes, "other bytes");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let pipe = Pipe::new(SIZE).expect("pipe");
        std::fs::File::from(pipe.writes.try_clone().expect("clone"))
            .write_all(b"some")
            .expect("fill");
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let written = pipe.write_at(full.as_fd(), 0, 4);
        assert_eq!(written, Err(Errno::ENOSPC));
    }
}
