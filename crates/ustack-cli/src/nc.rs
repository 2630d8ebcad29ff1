//! `ustack nc`: standard input and output over one TCP connection of our stack.

use crate::device::{Device, DeviceArgs};
use crate::failure::{Failure, Outcome, output_failed};
use crate::host::{self, FamilyArgs};
use crate::net::{Listener, Network};
use bytes::Bytes;
use clap::Args;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};

/// Bytes that are read from standard input at once, and how many such pieces wait.
const PIECE: usize = 64 * 1024;
const WAITING: usize = 4;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack nc 10.77.0.1 22                  what does the SSH server of this machine say?\n  \
    sudo ustack nc 10.77.0.1 9000 < file         send a file to `nc -l 9000`\n  \
    sudo ustack nc -l 9000 > file                receive one from `nc -N 10.77.0.2 9000`\n\n\
    The end of standard input ends our side of the connection; the program ends when the peer has ended its side.\n\n\
    Exit status: 0 the connection was made and ended in order; 1 not; 2 wrong options.")]
pub(crate) struct NcArgs {
    /// Wait for one connection to PORT instead of making one
    #[arg(short, long)]
    listen: bool,

    /// [HOST] PORT: where to connect to, or with -l the port to wait on
    #[arg(value_name = "HOST PORT", num_args = 1..=2, required = true)]
    target: Vec<String>,

    #[command(flatten)]
    family: FamilyArgs,

    #[command(flatten)]
    device: DeviceArgs,
}

/// Whom to talk to.
enum Target {
    Connect(String, u16),
    Listen(u16),
}

impl NcArgs {
    fn target(&self) -> Outcome<Target> {
        let port = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| Failure::Told(format!("{text:?} is no port; write a number from 1 to 65535")))
        };
        match (self.listen, self.target.as_slice()) {
            (false, [host, text]) => Ok(Target::Connect(host.clone(), port(text)?)),
            (true, [text]) => Ok(Target::Listen(port(text)?)),
            (false, _) => {
                Err("a connection needs HOST and PORT; write `ustack nc 10.77.0.1 80`".to_owned().into())
            }
            (true, _) => {
                Err("with -l there is a PORT and no HOST; write `ustack nc -l 9000`".to_owned().into())
            }
        }
    }
}

/// Connects or waits, and relays until the peer has ended.
pub(crate) async fn run(args: NcArgs) -> Outcome {
    let target = args.target()?;
    let remote = match &target {
        Target::Connect(host, port) => {
            let address = host::resolve(host, &args.device.addresses(), args.family)?;
            Some(SocketAddr::new(address, *port))
        }
        Target::Listen(_) => None,
    };
    let device = Device::open(&args.device)?;
    tokio::select! {
        done = talk(&device, &target, remote) => done?,
        failure = device.gone() => return Err(failure),
    }
    device.finish()
}

async fn talk(device: &Device, target: &Target, remote: Option<SocketAddr>) -> Outcome {
    let stream = match (target, remote) {
        (Target::Listen(port), _) => listen(device, *port).await?,
        (Target::Connect(..), None) => return Ok(()),
        (Target::Connect(..), Some(remote)) => device.stack.connect(remote).await?,
    };
    relay(stream).await
}

async fn listen(device: &Device, port: u16) -> Outcome<ustack::tokio::TcpStream> {
    let mut listener = device.stack.listen(port).await.map_err(|error| error.to_string())?;
    for address in &device.addresses {
        note(format_args!("listening on {}", SocketAddr::new(*address, port)));
    }
    let (stream, peer) = Listener::accept(&mut listener).await.map_err(|error| error.to_string())?;
    note(format_args!("connection from {peer}"));
    Ok(stream)
}

/// A word on standard error; without one there is nobody to tell.
fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "ustack: {text}");
}

async fn relay(stream: ustack::tokio::TcpStream) -> Outcome {
    let (read, mut write) = stream.into_split();
    let mut input = standard_input();
    let failed = |error: io::Error| Failure::Told(format!("the connection broke: {error}"));
    let upward = async {
        while let Some(piece) = input.recv().await {
            let mut piece = piece
                .map_err(|error| Failure::new("read standard input", error, "see where it comes from"))?;
            while !piece.is_empty() {
                write.write_bytes(&mut piece).await.map_err(failed)?;
            }
        }
        write.shutdown().await.map_err(failed)
    };
    let (output, written) = standard_output();
    let downward = async {
        loop {
            let piece = read.read_bytes(PIECE).await.map_err(failed)?;
            // A writer that has ended says why.
            if piece.is_empty() || output.send(piece).await.is_err() {
                drop(output);
                return written.await.unwrap_or(Ok(())).map_err(output_failed);
            }
        }
    };
    let (mut upward, mut downward) = (std::pin::pin!(upward), std::pin::pin!(downward));
    let mut sent = false;
    loop {
        tokio::select! {
            done = &mut upward, if !sent => {
                done?;
                sent = true;
            }
            done = &mut downward => {
                done?;
                break;
            }
        }
    }
    // A person who types has nothing more to say to a peer that has gone; a file is sent to its end.
    if !sent && !io::stdin().is_terminal() {
        upward.await?;
    }
    Ok(())
}

/// Standard output, written by a thread, so that a slow reader of it does not stop the other direction; and how it ended.
fn standard_output() -> (mpsc::Sender<Bytes>, oneshot::Receiver<io::Result<()>>) {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(WAITING);
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let mut stdout = io::stdout().lock();
        let mut result = Ok(());
        while let (Ok(()), Some(piece)) = (&result, receiver.blocking_recv()) {
            result = stdout.write_all(&piece).and_then(|()| stdout.flush());
        }
        // Nobody waits for the end of a program that fails otherwise.
        let _ = end.send(result);
    });
    (sender, ended)
}

/// Standard input, read by a thread: it can't be waited for otherwise.
fn standard_input() -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut piece = vec![0; PIECE];
            let read = match stdin.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    piece.truncate(count);
                    Ok(Bytes::from(piece))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let ended = read.is_err();
            if sender.blocking_send(read).is_err() || ended {
                return;
            }
        }
    });
    receiver
}
