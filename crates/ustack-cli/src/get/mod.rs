//! `ustack get`: one resource over HTTP/1.1, fetched from our stack.

mod http;
mod url;

use crate::device::{Device, DeviceArgs};
use crate::failure::{Failure, Outcome, output_failed, say};
use crate::host::{self, FamilyArgs};
use crate::units;
use clap::Args;
use http::Answer;
use serde_json::json;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;
use url::Url;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack get http://10.77.0.1:8000/               from `python3 -m http.server` here\n  \
    sudo ustack get http://10.77.0.1:8000/x -o x         into a file\n  \
    sudo ustack get http://10.77.0.1:8000/x -o x --json  and tell a script about it\n\n\
    Beyond this machine the kernel has to forward and translate: sysctl net.ipv4.ip_forward=1, and a masquerade rule.\n\
    Redirections are not followed: the message names the new address.\n\n\
    Exit status: 0 the server answered with a status below 300; 1 it did not; 2 wrong options.")]
pub(crate) struct GetArgs {
    /// What to fetch: http://HOST[:PORT]/PATH
    #[arg(value_parser = Url::parse)]
    url: Url,

    #[command(flatten)]
    family: FamilyArgs,

    /// Write the content into this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print status, length and time as one JSON object
    #[arg(long, requires = "output")]
    json: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

/// Fetches it.
pub(crate) async fn run(args: GetArgs) -> Outcome {
    let address = host::resolve(&args.url.host, &args.device.addresses(), args.family)?;
    let server = SocketAddr::new(address, args.url.port);
    let device = Device::open(&args.device)?;
    tokio::select! {
        done = fetch(&args, &device, server) => done?,
        failure = device.gone() => return Err(failure),
    }
    device.finish()
}

async fn fetch(args: &GetArgs, device: &Device, server: SocketAddr) -> Outcome {
    let url = &args.url;
    let failed = |error: io::Error| Failure::Told(format!("cannot get {url}: {error}"));
    let start = Instant::now();
    let stream = device.stack.connect(server).await.map_err(|error| format!("cannot get {url}: {error}"))?;
    let (head, mut answer) = Answer::ask(stream, url).await.map_err(failed)?;
    let mut output = Output::open(args.output.as_ref())?;
    // What goes wrong with the output is not the server's fault.
    let mut trouble = None;
    let received = answer.body(head.length, |piece| {
        output.write(piece).map_err(|failure| {
            trouble = Some(failure);
            io::ErrorKind::Other.into()
        })
    });
    let length = received.await.map_err(|error| trouble.unwrap_or_else(|| failed(error)))?;
    output.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        say(json!({ "url": url.to_string(), "status": head.status, "bytes": length, "seconds": seconds }))?;
    } else if args.output.is_some() && io::stderr().is_terminal() {
        let speed = units::rate(length as f64 * 8.0 / seconds.max(1e-9));
        let _ = writeln!(io::stderr(), "{} in {seconds:.2} s, {speed}", units::bytes(length));
    }
    match (head.status, head.location) {
        (200..300, _) => Ok(()),
        (300..400, Some(to)) => Err(format!("{url} has moved; try `ustack get {to}`").into()),
        (status, _) => {
            Err(format!("the server answered {status} {} to {url}; check the path", head.reason).into())
        }
    }
}

/// Where the content goes.
enum Output<'a> {
    Stdout(io::StdoutLock<'static>),
    File(File, &'a PathBuf),
}

impl<'a> Output<'a> {
    fn open(path: Option<&'a PathBuf>) -> Outcome<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(io::stdout().lock())) };
        let file = File::create(path).map_err(|error| {
            Failure::new(
                format_args!("create {}", path.display()),
                error,
                "give -o a file in a folder that exists and can be written",
            )
        })?;
        Ok(Self::File(file, path))
    }

    fn write(&mut self, piece: &[u8]) -> Outcome {
        match self {
            Self::Stdout(stdout) => stdout.write_all(piece).map_err(output_failed),
            Self::File(file, path) => file.write_all(piece).map_err(|error| {
                Failure::new(format_args!("write {}", path.display()), error, "see whether the disk is full")
            }),
        }
    }

    fn finish(&mut self) -> Outcome {
        match self {
            Self::Stdout(stdout) => stdout.flush().map_err(output_failed),
            Self::File(..) => Ok(()),
        }
    }
}
