//! A packet socket on one end of a veth pair, without any privilege but those of a user namespace.

use std::fs;
use std::time::Duration;

use crate::wire::lab::Lab;
use crate::wire::process::Input;
use crate::wire::{Outcome, ensure};

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
