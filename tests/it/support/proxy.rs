//! A TCP proxy that can misbehave: cut, go silent, refuse.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Connections stay open, nothing passes: a peer whose network is gone.
    Silent,
    /// What is asked arrives, and its answers do not come back.
    Mute,
    /// Open connections are cut, new ones are closed at once.
    Refuse,
}

pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Counts cuts: a connection older than the last cut ends.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn start(target: Target) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (mode, modes) = watch::channel(Mode::Forward);
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                if *modes.borrow() != Mode::Refuse {
                    tokio::spawn(carry(inner, target.clone(), modes.clone(), cut.clone()));
                }
            }
        });
        Proxy { addr, mode, cuts }
    }

    /// Ends every open connection; new ones are welcome.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    pub(crate) fn refuse(&self) {
        self.mode.send_replace(Mode::Refuse);
        self.cut();
    }

    pub(crate) fn silence(&self) {
        self.mode.send_replace(Mode::Silent);
    }

    pub(crate) fn mute(&self) {
        self.mode.send_replace(Mode::Mute);
    }

    pub(crate) fn heal(&self) {
        self.mode.send_replace(Mode::Forward);
    }
}

async fn carry(
    inner: TcpStream,
    target: Target,
    modes: watch::Receiver<Mode>,
    mut cut: watch::Receiver<u64>,
) {
    cut.mark_unchanged();
    let _ = inner.set_nodelay(true);
    match target {
        Target::Tcp(addr) => {
            let Ok(outer) = TcpStream::connect(addr).await else { return };
            let _ = outer.set_nodelay(true);
            both_ways(inner, outer, modes, cut).await;
        }
        Target::Unix(path) => {
            let Ok(outer) = UnixStream::connect(path).await else { return };
            both_ways(inner, outer, modes, cut).await;
        }
    }
}

async fn both_ways<S>(inner: TcpStream, outer: S, modes: watch::Receiver<Mode>, mut cut: watch::Receiver<u64>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (from_inner, to_inner) = tokio::io::split(inner);
    let (from_outer, to_outer) = tokio::io::split(outer);
    tokio::select! {
        () = one_way(from_inner, to_outer, modes.clone(), &[Mode::Silent]) => {}
        () = one_way(from_outer, to_inner, modes, &[Mode::Silent, Mode::Mute]) => {}
        _ = cut.changed() => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut modes: watch::Receiver<Mode>,
    held_back: &[Mode],
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if modes.wait_for(|mode| !held_back.contains(mode)).await.is_err() {
            return;
        }
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        // Silence that began while this read waited holds for what it read as well.
        if modes.wait_for(|mode| !held_back.contains(mode)).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
