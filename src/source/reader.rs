//! What fills a buffer: io_uring, or epoll where io_uring can't be had.
//!
//! tokio-uring never cancels: a dropped read goes on and takes the next bytes with it. So a read is never dropped
//! here; it is ended by shutting the socket down ([`Socket::shutdown`]), and always awaited to its end.

use std::io;
use std::net::Shutdown;
use std::rc::Rc;

/// What the operator asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// io_uring, or epoll if it can't be had.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

/// What reads, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reader {
    /// io_uring.
    Uring,
    /// epoll, with the reason.
    Epoll {
        /// In one line, what is in the way and what to change.
        why: String,
    },
}

impl Reader {
    /// Tries what was asked for, once, at start.
    ///
    /// # Errors
    ///
    /// If io_uring was asked for and can't be had; the text says why and what to change.
    pub fn probe(choice: Choice) -> io::Result<Self> {
        if choice == Choice::Epoll {
            return Ok(Self::Epoll { why: "asked for with --reader epoll".into() });
        }
        match std::thread::spawn(|| uring_runtime().map(drop)).join() {
            Ok(Ok(())) => Ok(Self::Uring),
            Ok(Err(error)) if choice == Choice::Uring => {
                Err(io::Error::new(error.kind(), format!("io_uring can't be had: {}", advice(&error))))
            }
            Ok(Err(error)) => Ok(Self::Epoll { why: advice(&error) }),
            Err(_) => Ok(Self::Epoll { why: "the probe of io_uring failed".into() }),
        }
    }

    /// For the status line and the log.
    pub fn describe(&self) -> String {
        match self {
            Self::Uring => "io_uring".into(),
            Self::Epoll { why } => format!("epoll ({why})"),
        }
    }
}

/// What is in the way of io_uring, and what to change.
fn advice(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(1) => {
            "not permitted: set the sysctl kernel.io_uring_disabled to 0, and in a container allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile"
        }
        Some(38) => "not in this kernel (5.11 or later has it), or hidden by the container's seccomp profile",
        Some(12) => "not enough locked memory: raise `ulimit -l` (LimitMEMLOCK)",
        Some(24) => "not enough descriptors: raise `ulimit -n` (LimitNOFILE)",
        _ => return error.to_string(),
    };
    text.into()
}

/// A runtime over io_uring. The two flags save a tenth of the reader's CPU and need Linux 5.19 and 6.0; older kernels answer
/// EINVAL and get none. Never `defer_taskrun`: this runtime hangs with it at its first wait.
pub fn uring_runtime() -> io::Result<tokio_uring::Runtime> {
    let with = |fast: bool| {
        let mut flags = tokio_uring::uring_builder();
        if fast {
            flags.setup_coop_taskrun().setup_single_issuer();
        }
        tokio_uring::Runtime::new(tokio_uring::builder().entries(256).uring_builder(&flags))
    };
    match with(true) {
        Err(error) if error.raw_os_error() == Some(22) => with(false),
        done => done,
    }
}

/// A growing file that one of the readers reads.
pub trait Grown: Sized + 'static {
    /// Takes over an open file, in the worker's thread.
    fn new(file: std::fs::File) -> Self;

    /// Reads from `offset` behind what is in `bytes`, which has room; gives it back with the number of new bytes, 0 at the end.
    fn read_at(&self, bytes: Vec<u8>, offset: u64) -> impl Future<Output = (io::Result<usize>, Vec<u8>)>;
}

impl Grown for tokio_uring::fs::File {
    fn new(file: std::fs::File) -> Self {
        Self::from_std(file)
    }

    async fn read_at(&self, bytes: Vec<u8>, offset: u64) -> (io::Result<usize>, Vec<u8>) {
        use tokio_uring::buf::BoundedBuf;
        let have = bytes.len();
        let (read, slice) = self.read_at(bytes.slice(have..), offset).await;
        (read, slice.into_inner())
    }
}

/// Plain reads: epoll knows no files, and what a log has just got is in memory.
impl Grown for std::fs::File {
    fn new(file: std::fs::File) -> Self {
        file
    }

    async fn read_at(&self, mut bytes: Vec<u8>, offset: u64) -> (io::Result<usize>, Vec<u8>) {
        // Connections get their turn between two reads.
        tokio::task::yield_now().await;
        let (have, room) = (bytes.len(), bytes.capacity());
        bytes.resize(room, 0);
        let read = std::os::unix::fs::FileExt::read_at(self, &mut bytes[have..], offset);
        bytes.truncate(have + *read.as_ref().unwrap_or(&0));
        (read, bytes)
    }
}

/// A connected socket that one of the readers reads.
pub trait Socket: Sized + 'static {
    /// What reads files beside it.
    type File: Grown;

    /// Takes over an accepted socket, in the worker's thread.
    fn new(stream: std::net::TcpStream) -> io::Result<Self>;

    /// Reads behind what is in `bytes`, which has room; gives it back with the number of new bytes, 0 at the end.
    /// Must be awaited to its end.
    fn read(self: Rc<Self>, bytes: Vec<u8>) -> impl Future<Output = (io::Result<usize>, Vec<u8>)>;

    /// Ends a read that is under way.
    fn shutdown(&self, how: Shutdown);
}

/// Reads by io_uring.
pub struct Uring {
    stream: tokio_uring::net::TcpStream,
    /// The same socket, to shut it down while a read is under way.
    twin: std::net::TcpStream,
}

impl Socket for Uring {
    type File = tokio_uring::fs::File;

    fn new(stream: std::net::TcpStream) -> io::Result<Self> {
        // Kernels before 6.18 answer EAGAIN on a non-blocking socket.
        stream.set_nonblocking(false)?;
        let twin = stream.try_clone()?;
        Ok(Self { stream: tokio_uring::net::TcpStream::from_std(stream), twin })
    }

    async fn read(self: Rc<Self>, bytes: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        use tokio_uring::buf::BoundedBuf;
        let have = bytes.len();
        let (read, slice) = self.stream.read(bytes.slice(have..)).await;
        (read, slice.into_inner())
    }

    fn shutdown(&self, how: Shutdown) {
        // A socket that is gone already needs no shutdown.
        let _ = self.twin.shutdown(how);
    }
}

/// Reads by epoll.
#[derive(Debug)]
pub struct Epoll {
    stream: tokio::net::TcpStream,
}

impl Socket for Epoll {
    type File = std::fs::File;

    fn new(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream: tokio::net::TcpStream::from_std(stream)? })
    }

    async fn read(self: Rc<Self>, mut bytes: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        loop {
            if let Err(error) = self.stream.readable().await {
                return (Err(error), bytes);
            }
            let room = bytes.capacity() - bytes.len();
            match self.stream.try_read_buf(&mut bytes::BufMut::limit(&mut bytes, room)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return (done, bytes),
            }
        }
    }

    fn shutdown(&self, how: Shutdown) {
        // A socket that is gone already needs no shutdown.
        let _ = socket2::SockRef::from(&self.stream).shutdown(how);
    }
}
