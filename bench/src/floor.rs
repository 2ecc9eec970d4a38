//! The floor: the least that any broker on this machine has to pay for the same frames, on one thread of tokio.
//!
//! `produce` receives frames, checks a CRC over them, writes them to a file and answers. `pread` and `sendfile` answer
//! every request with the next MiB of a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use anyhow::bail;
use crc_fast::{CrcAlgorithm, checksum};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

const ANSWER_BYTES: u64 = 1 << 20;
/// Size of the file that is served.
const FILE_BYTES: u64 = 512 << 20;

#[derive(Debug, Clone, Copy)]
enum Mode {
    Produce,
    Pread,
    Sendfile,
}

/// Serves at `address` until the process is ended.
pub(crate) fn serve(mode: &str, address: &str, path: &Path) -> anyhow::Result<()> {
    let mode = match mode {
        "produce" => Mode::Produce,
        "pread" => Mode::Pread,
        "sendfile" => Mode::Sendfile,
        _ => bail!("no floor program is called {mode}"),
    };
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    if !matches!(mode, Mode::Produce) {
        let part = vec![b'A'; ANSWER_BYTES as usize];
        (0..FILE_BYTES / ANSWER_BYTES)
            .try_for_each(|index| file.write_all_at(&part, index * ANSWER_BYTES))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(accept(mode, address, Rc::new(file))))
}

async fn accept(mode: Mode, address: &str, file: Rc<File>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let end = Rc::new(std::cell::Cell::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (file, end) = (file.clone(), end.clone());
        // A connection ends when its client does.
        spawn_local(async move {
            match mode {
                Mode::Produce => produce(stream, &file, &end).await.ok(),
                Mode::Pread => pread(stream, &file).await.ok(),
                Mode::Sendfile => sendfile(stream, &file).await.ok(),
            }
        });
    }
}

async fn produce(mut stream: TcpStream, file: &File, end: &std::cell::Cell<u64>) -> anyhow::Result<()> {
    let mut frame = Vec::new();
    loop {
        read_request(&mut stream, &mut frame).await?;
        if checksum(CrcAlgorithm::Crc32Iscsi, &frame) == 0 {
            bail!("the checksum of nothing");
        }
        file.write_all_at(&frame, end.replace(end.get() + frame.len() as u64))?;
        let mut answer = [0, 0, 0, 4, 0, 0, 0, 0];
        answer[4..].copy_from_slice(&frame[4..8]);
        stream.write_all(&answer).await?;
    }
}

async fn pread(mut stream: TcpStream, file: &File) -> anyhow::Result<()> {
    let (mut request, mut answer) = (Vec::new(), vec![0; ANSWER_BYTES as usize]);
    for index in 0.. {
        read_request(&mut stream, &mut request).await?;
        file.read_exact_at(&mut answer, index * ANSWER_BYTES % FILE_BYTES)?;
        stream.write_all(&(ANSWER_BYTES as u32).to_be_bytes()).await?;
        stream.write_all(&answer).await?;
    }
    Ok(())
}

async fn sendfile(mut stream: TcpStream, file: &File) -> anyhow::Result<()> {
    let mut request = Vec::new();
    for index in 0.. {
        read_request(&mut stream, &mut request).await?;
        stream.write_all(&(ANSWER_BYTES as u32).to_be_bytes()).await?;
        let mut position = index * ANSWER_BYTES % FILE_BYTES;
        let end = position + ANSWER_BYTES;
        while position < end {
            let count = (end - position) as usize;
            let send = || Ok(rustix::fs::sendfile(&stream, file, Some(&mut position), count)?);
            stream.async_io(Interest::WRITABLE, send).await?;
        }
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream, frame: &mut Vec<u8>) -> anyhow::Result<()> {
    let size = usize::try_from(stream.read_u32().await?)?;
    frame.resize(size, 0);
    stream.read_exact(frame).await?;
    Ok(())
}
