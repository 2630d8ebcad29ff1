//! A packet socket on one end of a veth pair: both families, and without any privilege but those of a user namespace.

use std::fs;
use std::time::Duration;

use super::http::{make_blob, sha256};
use crate::wire::lab::Lab;
use crate::wire::process::Input;
use crate::wire::serve::{self, DEVICE};
use crate::wire::{Outcome, ensure};

const OURS_V6: &str = "fd77::2";
const KERNELS_V6: &str = "fd77::1/64";
const MEGABYTES: usize = 10_000_000;

/// Everything that a person without rights may do inside namespaces that are their own. `$1` is our program.
const UNPRIVILEGED: &str = r#"
set -e
ip link set lo up
ip link add kernel0 type veth peer name ours0
ip address add 10.77.0.1/24 dev kernel0
ip -6 address add fd77::1/64 dev kernel0 nodad
ip link set kernel0 up
ip link set ours0 up
"$1" serve --packet ours0 --address 10.77.0.2/24 --address fd77::2/64 &
serve=$!
trap 'kill -TERM $serve' EXIT
for i in $(seq 100); do curl -sf -o /dev/null http://10.77.0.2/ && break; sleep 0.1; done
for to in 10.77.0.2 fd77::2; do ping -n -c 3 -i 0.2 -W 2 -s 4000 $to; done
for to in 10.77.0.2 '[fd77::2]'; do echo "got $(curl -sf http://$to/bytes/10000000 | wc -c)"; done
kill -TERM $serve
trap - EXIT
wait $serve
echo ended in order
"#;

/// The kernel talks IPv6 to us: echoes in fragments, 10 MB each way, iperf3 both ways.
pub(crate) fn ipv6(lab: &Lab) -> Outcome {
    let sum = make_blob(lab, MEGABYTES)?;
    let folder = lab.path("");
    let extra = ["--address", "fd77::2/64", "--host-address", KERNELS_V6, "--dir", &folder];
    let serve = serve::start_with(lab, &extra, None)?;
    lab.namespace.ip(&["-6", "address", "add", KERNELS_V6, "dev", DEVICE, "nodad"])?;
    for size in ["56", "1452", "1453", "20000"] {
        let args = ["-6", "-n", "-c", "3", "-i", "0.2", "-W", "2", "-s", size, OURS_V6];
        let text = lab.run("ping", &args, Duration::from_secs(15))?.text();
        ensure!(text.contains(" 3 received"), "ping -6 -s {size}:\n{text}");
    }
    let url = |path| format!("http://[{OURS_V6}]{path}");
    let (down, blob) = (lab.path("down"), lab.path("blob"));
    let curl = |args: &[&str]| {
        let args = [&["-gsS", "--fail", "--max-time", "60"], args].concat();
        lab.check("curl", &args, Duration::from_secs(60)).map(|ended| ended.text())
    };
    curl(&["--output", &down, &url("/blob")])?;
    ensure!(sha256(lab, "down")? == sum, "other bytes came down than those of the file");
    let answer = curl(&["--upload-file", &blob, &url("/upload")])?;
    ensure!(answer.contains(&sum), "the upload with SHA-256 {sum} was answered with `{answer}`");
    for options in [&[][..], &["-R"]] {
        let args = [&["-6", "-c", OURS_V6, "-t", "2"], options].concat();
        lab.check("iperf3", &args, Duration::from_secs(20))?;
    }
    serve.stop()
}

/// `unshare -Urn` by a user without rights: the pair, the addresses and the packet socket are all theirs.
pub(crate) fn unprivileged(lab: &Lab) -> Outcome {
    // The program itself may lie where only root can read.
    let program = lab.path("ustack");
    fs::copy(lab.program()?, &program).map_err(|error| format!("{program}: {error}"))?;
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urn", "sh", "-c"];
    let args = [&nobody[..], &[UNPRIVILEGED, "sh", &program]].concat();
    let text = lab.spawn("setpriv", &args, Input::End)?.wait(Duration::from_secs(50))?.success()?.text();
    let count = |what| text.matches(what).count();
    ensure!(count(" 3 received") == 2, "not all echoes came back:\n{text}");
    ensure!(count("got 10000000") == 2, "not all bytes came:\n{text}");
    ensure!(count("ended in order") == 1, "serve did not end in order:\n{text}");
    Ok(())
}
