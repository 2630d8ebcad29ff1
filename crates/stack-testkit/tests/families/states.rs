//! States × {RST, SYN, ACK, FIN, data} × place in the window: RFC 9293 §3.10.7.4 with RFC 5961 and RFC 1337.
//!
//! The receive window is 4096, so that a place beyond it is near. States that wait for an ACK of their FIN retransmit it
//! after 0.3 s: every script is over by then.

use super::Family;

const SETTINGS: &str = "--tcp.receive_buffer=4096\n--tcp.window_scaling=off\n";

/// A half-open peer.
const HALF_OPEN: &str = "\
0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+0   < S 0:0(0) win 65535 <mss 1000>
+0   > S. 0:0(0) ack 1 <...>
";
/// A connection.
const OPEN: &str = "\
+0.1 < . 1:1(0) ack 1 win 65535
+0   accept(3, ..., ...) = 4
+0   fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
";

/// A state, how to get there, and where its two sequence spaces stand.
struct State {
    name: &'static str,
    title: &'static str,
    /// Behind the half-open peer.
    way: &'static [&'static str],
    /// RCV.NXT and SND.NXT.
    rcv_nxt: u32,
    snd_nxt: u32,
    /// What `tcpi_state` says of it.
    tcpi: &'static str,
}

const SYN_RECEIVED: State =
    State { name: "syn-received", title: "SYN-RECEIVED", way: &[], rcv_nxt: 1, snd_nxt: 1, tcpi: "" };
const ESTABLISHED: State = State {
    name: "established",
    title: "ESTABLISHED",
    way: &[OPEN],
    rcv_nxt: 1,
    snd_nxt: 1,
    tcpi: "TCP_ESTABLISHED",
};
const FIN_WAIT_1: State = State {
    name: "fin-wait-1",
    title: "FIN-WAIT-1",
    way: &[OPEN, "+0   shutdown(4, SHUT_WR) = 0\n+0   > F. 1:1(0) ack 1\n"],
    rcv_nxt: 1,
    snd_nxt: 2,
    tcpi: "TCP_FIN_WAIT1",
};
const FIN_WAIT_2: State = State {
    name: "fin-wait-2",
    title: "FIN-WAIT-2",
    way: &[OPEN, "+0   shutdown(4, SHUT_WR) = 0\n+0   > F. 1:1(0) ack 1\n+0.1 < . 1:1(0) ack 2 win 65535\n"],
    rcv_nxt: 1,
    snd_nxt: 2,
    tcpi: "TCP_FIN_WAIT2",
};
const CLOSE_WAIT: State = State {
    name: "close-wait",
    title: "CLOSE-WAIT",
    way: &[OPEN, "+0   < F. 1:1(0) ack 1 win 65535\n+0   > . 1:1(0) ack 2\n"],
    rcv_nxt: 2,
    snd_nxt: 1,
    tcpi: "TCP_CLOSE_WAIT",
};
const CLOSING: State = State {
    name: "closing",
    title: "CLOSING",
    way: &[
        OPEN,
        "+0   shutdown(4, SHUT_WR) = 0\n+0   > F. 1:1(0) ack 1\n\
         +0.01 < F. 1:1(0) ack 1 win 65535\n+0   > . 2:2(0) ack 2\n",
    ],
    rcv_nxt: 2,
    snd_nxt: 2,
    tcpi: "TCP_CLOSING",
};
const LAST_ACK: State = State {
    name: "last-ack",
    title: "LAST-ACK",
    way: &[
        OPEN,
        "+0   < F. 1:1(0) ack 1 win 65535\n+0   > . 1:1(0) ack 2\n\
         +0   shutdown(4, SHUT_WR) = 0\n+0   > F. 1:1(0) ack 2\n",
    ],
    rcv_nxt: 2,
    snd_nxt: 2,
    tcpi: "TCP_LAST_ACK",
};
const TIME_WAIT: State = State {
    name: "time-wait",
    title: "TIME-WAIT",
    way: &[
        OPEN,
        "+0   close(4) = 0\n+0   > F. 1:1(0) ack 1\n\
         +0.1 < F. 1:1(0) ack 2 win 65535\n+0   > . 2:2(0) ack 2\n",
    ],
    rcv_nxt: 2,
    snd_nxt: 2,
    tcpi: "",
};

const ALL: [&State; 8] =
    [&SYN_RECEIVED, &ESTABLISHED, &FIN_WAIT_1, &FIN_WAIT_2, &CLOSE_WAIT, &CLOSING, &LAST_ACK, &TIME_WAIT];
/// Those in which the peer may still send.
const RECEIVING: [&State; 4] = [&SYN_RECEIVED, &ESTABLISHED, &FIN_WAIT_1, &FIN_WAIT_2];
/// Those in which its FIN has come.
const ENDED: [&State; 4] = [&CLOSE_WAIT, &CLOSING, &LAST_ACK, &TIME_WAIT];

/// A place of a segment's first sequence number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Below RCV.NXT.
    Old,
    /// At RCV.NXT.
    Next,
    /// In the window, but not at its left edge.
    Inside,
    /// Beyond the window.
    Beyond,
}

const PLACES: [Place; 4] = [Place::Old, Place::Next, Place::Inside, Place::Beyond];

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Next => "next",
            Self::Inside => "inside",
            Self::Beyond => "beyond",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Old => "below the window",
            Self::Next => "at RCV.NXT",
            Self::Inside => "in the window, not at its left edge",
            Self::Beyond => "beyond the window",
        }
    }

    fn of(self, state: &State) -> u32 {
        match self {
            Self::Old => state.rcv_nxt.wrapping_sub(1000),
            Self::Next => state.rcv_nxt,
            Self::Inside => state.rcv_nxt + 100,
            Self::Beyond => state.rcv_nxt + 5000,
        }
    }
}

impl State {
    /// What tells it from every other state: the connection is as it was.
    fn unchanged(&self) -> String {
        match self.name {
            "syn-received" => "+0   < . 1:1(0) ack 1 win 65535\n+0   accept(3, ..., ...) = 4\n".to_owned(),
            "time-wait" => "+0   < F. 1:1(0) ack 2 win 65535\n+0   > . 2:2(0) ack 2\n".to_owned(),
            _ => now(self.tcpi),
        }
    }

    /// The ACK that says where we are.
    fn ack(&self) -> String {
        format!("+0   > . {0}:{0}(0) ack {1}\n", self.snd_nxt, self.rcv_nxt)
    }

    /// Nobody knows the connection any more (R9293-3.10.7.1-a, R9293-3.10.7.2-a).
    fn gone(&self) -> String {
        let Self { rcv_nxt, snd_nxt, .. } = self;
        format!("+0   < . {rcv_nxt}:{rcv_nxt}(0) ack {snd_nxt} win 65535\n+0   > R {snd_nxt}:{snd_nxt}(0)\n")
    }
}

fn now(tcpi: &str) -> String {
    format!("+0   %{{ assert tcpi_state == {tcpi}, tcpi_state }}%\n")
}

/// A segment without data.
fn bare(flags: &str, seq: u32, rest: &str) -> String {
    format!("+0.01 < {flags} {seq}:{seq}(0){rest}\n")
}

pub(crate) fn family() -> Family {
    let mut family = Family::new();
    let mut add = |state: &State, event: &str, what: &str, title: &str, cites: &str, lines: String| {
        let way = state.way.concat();
        let text = format!("// {}, {title}\n// {cites}\n{SETTINGS}{HALF_OPEN}{way}\n{lines}", state.title);
        family.insert(format!("{}-{event}-{what}.pkt", state.name), text);
    };
    for state in ALL {
        for place in PLACES {
            let (title, lines) = reset(state, place);
            add(
                state,
                "rst",
                place.name(),
                &format!("RST {}: {title}", place.title()),
                reset_cites(state),
                lines,
            );
            let (title, cites, lines) = syn(state, place);
            add(state, "syn", place.name(), &format!("SYN {}: {title}", place.title()), cites, lines);
        }
        for place in PLACES.into_iter().filter(|place| state.name != "time-wait" || *place != Place::Inside) {
            let (title, lines) = ack(state, place);
            let title = format!("ACK of all that we sent, {}: {title}", place.title());
            add(state, "ack", place.name(), &title, "R9293-3.10.7.4-a", lines);
        }
        if let Some((title, cites, lines)) = unsent(state) {
            add(state, "ack", "unsent", &format!("ACK of what was never sent: {title}"), cites, lines);
        }
    }
    for state in RECEIVING {
        for place in PLACES {
            let (title, lines) = fin(state, place);
            let title = format!("FIN {}: {title}", place.title());
            add(state, "fin", place.name(), &title, "R9293-3.10.7.4-b, R9293-3.10.7.4-a", lines);
            let (title, lines) = data(state, place);
            let title = format!("data {}: {title}", place.title());
            add(state, "data", place.name(), &title, "R9293-3.10.7.4-a, R9293-SHLD-31", lines);
        }
    }
    for state in ENDED {
        let again = format!("+0.01 < F. 1:1(0) ack {} win 65535\n{}", state.snd_nxt.min(1), state.ack());
        let title = "the FIN again: its ACK was lost and is sent again.";
        add(state, "fin", "again", title, "R9293-3.10.7.4-a, R9293-3.10.7.4-c", again + &state.unchanged());
        for place in [Place::Old, Place::Beyond] {
            let seq = place.of(state);
            let lines = format!("{}{}{}", text(seq), state.ack(), state.unchanged());
            let title = format!("data {}: not taken, and the peer is told where we are.", place.title());
            add(state, "data", place.name(), &title, "R9293-3.10.7.4-a", lines);
            let lines =
                format!("{}{}{}", bare("F.", seq, " ack 1 win 65535"), state.ack(), state.unchanged());
            let title = format!("FIN {}: not taken, and the peer is told where we are.", place.title());
            add(state, "fin", place.name(), &title, "R9293-3.10.7.4-a", lines);
        }
    }
    family
}

fn reset_cites(state: &State) -> &'static str {
    if state.name == "time-wait" { "R1337-a" } else { "R5961-3.2-a" }
}

/// RFC 5961 §3.2: only at RCV.NXT it counts; elsewhere in the window it is challenged, outside it is dropped.
fn reset(state: &State, place: Place) -> (&'static str, String) {
    let segment = bare("R", place.of(state), " win 0");
    if state.name == "time-wait" {
        return ("ignored, as in every other place (RFC 1337).", segment + &state.unchanged());
    }
    match place {
        Place::Old | Place::Beyond => ("dropped in silence.", segment + &state.unchanged()),
        Place::Inside => {
            ("a challenge ACK, and nothing changes.", segment + &state.ack() + &state.unchanged())
        }
        Place::Next => {
            let told = match state.name {
                "established" | "fin-wait-1" | "fin-wait-2" => {
                    "+0   read(4, ..., 100) = -1 ECONNRESET (Connection reset by peer)\n"
                }
                _ => "",
            };
            ("the connection is gone.", segment + told + &state.gone())
        }
    }
}

/// RFC 5961 §4.2: a challenge ACK wherever it lies; RFC 9293 §3.10.7.4 fourth for SYN-RECEIVED; RFC 6191 for TIME-WAIT.
fn syn(state: &State, place: Place) -> (&'static str, &'static str, String) {
    let segment = bare("S", place.of(state), " win 65535 <mss 1000>");
    match (state.name, place) {
        // RFC 9293 sends a passive open back to LISTEN, which lets a stranger end it with a guess: here RFC 5961 counts
        // as in the synchronized states. A peer that has really restarted answers with a reset and tries again.
        ("syn-received", Place::Next | Place::Inside) => (
            "a challenge ACK as in synchronized states, not the way back to LISTEN (deviation).",
            "R5961-4.2-a",
            segment + &state.ack() + &state.unchanged(),
        ),
        ("time-wait", Place::Next | Place::Inside | Place::Beyond) => (
            "a new connection begins, as its number is above all that the old one had used.",
            "R9293-MAY-2, R6191-2-a",
            segment + &format!("+0   > S. 0:0(0) ack {} <...>\n", place.of(state) + 1),
        ),
        ("time-wait" | "syn-received", _) => (
            "unacceptable: the peer is told where we are, and nothing changes.",
            "R9293-3.10.7.4-a",
            segment + &state.ack() + &state.unchanged(),
        ),
        _ => (
            "a challenge ACK, and nothing changes.",
            "R5961-4.2-a",
            segment + &state.ack() + &state.unchanged(),
        ),
    }
}

/// RFC 9293 §3.10.7.4 first and fifth.
fn ack(state: &State, place: Place) -> (&'static str, String) {
    let segment = bare(".", place.of(state), &format!(" ack {} win 65535", state.snd_nxt));
    if matches!(place, Place::Old | Place::Beyond) {
        let lines = segment + &state.ack() + &state.unchanged();
        return ("unacceptable: the peer is told where we are, and the ACK does not count.", lines);
    }
    match state.name {
        "syn-received" => ("the connection is established.", segment + "+0   accept(3, ..., ...) = 4\n"),
        "fin-wait-1" => ("our FIN has arrived: FIN-WAIT-2.", segment + &now("TCP_FIN_WAIT2")),
        "closing" => {
            let again = "+0   < F. 1:1(0) ack 2 win 65535\n+0   > . 2:2(0) ack 2\n";
            ("our FIN has arrived: TIME-WAIT, which answers the peer's FIN again.", segment + again)
        }
        "last-ack" => ("our FIN has arrived: the connection is gone.", segment + &state.gone()),
        _ => ("nothing to be said.", segment + &state.unchanged()),
    }
}

/// RFC 5961 §5.2; in SYN-RECEIVED RFC 9293 §3.10.7.4 fifth: a reset that has its number.
fn unsent(state: &State) -> Option<(&'static str, &'static str, String)> {
    let number = state.snd_nxt + 1000;
    let segment = bare(".", state.rcv_nxt, &format!(" ack {number} win 65535"));
    match state.name {
        "time-wait" => None,
        "syn-received" => {
            let reset = format!("+0   > R {number}:{number}(0)\n");
            let cites = "R9293-3.10.7.4-a";
            Some((
                "a reset with its number, and nothing changes.",
                cites,
                segment + &reset + &state.unchanged(),
            ))
        }
        _ => {
            let lines = segment + &state.ack() + &state.unchanged();
            Some(("a challenge ACK, and nothing changes.", "R5961-5.2-a", lines))
        }
    }
}

/// RFC 9293 §3.10.7.4 first and eighth.
fn fin(state: &State, place: Place) -> (&'static str, String) {
    let segment = bare("F.", place.of(state), " ack 1 win 65535");
    let accept = if state.name == "syn-received" { "+0   accept(3, ..., ...) = 4\n" } else { "" };
    match place {
        Place::Old | Place::Beyond => {
            let lines = segment + &state.ack() + &state.unchanged();
            ("not taken, and the peer is told where we are.", lines)
        }
        Place::Inside => {
            let settled = if accept.is_empty() { state.unchanged() } else { accept.to_owned() };
            (
                "kept behind the hole, which is reported at once; it does not count yet.",
                segment + &state.ack() + &settled,
            )
        }
        Place::Next => {
            let acked = format!("+0   > . {0}:{0}(0) ack 2\n", state.snd_nxt);
            let (title, then) = match state.name {
                "fin-wait-1" => ("acknowledged at once: CLOSING.", now("TCP_CLOSING")),
                "fin-wait-2" => {
                    let again = "+0.1 < F. 1:1(0) ack 2 win 65535\n+0   > . 2:2(0) ack 2\n";
                    ("acknowledged at once: TIME-WAIT, which answers it again.", again.to_owned())
                }
                _ => {
                    let then = format!("{accept}+0   read(4, ..., 100) = 0\n{}", now("TCP_CLOSE_WAIT"));
                    ("acknowledged at once, and reads come to their end: CLOSE-WAIT.", then)
                }
            };
            (title, segment + &acked + &then)
        }
    }
}

/// Ten bytes.
fn text(seq: u32) -> String {
    format!("+0.01 < P. {seq}:{}(10) ack 1 win 65535\n", seq.wrapping_add(10))
}

/// RFC 9293 §3.10.7.4 first and seventh.
fn data(state: &State, place: Place) -> (&'static str, String) {
    let segment = text(place.of(state));
    let accept = if state.name == "syn-received" { "+0   accept(3, ..., ...) = 4\n" } else { "" };
    match place {
        Place::Old | Place::Beyond => {
            let lines = segment + &state.ack() + &state.unchanged();
            ("not taken, and the peer is told where we are.", lines)
        }
        Place::Inside => {
            let settled = if accept.is_empty() { state.unchanged() } else { accept.to_owned() };
            ("kept behind the hole, which is reported at once.", segment + &state.ack() + &settled)
        }
        Place::Next => {
            let lines = format!(
                "{segment}{accept}+0   read(4, ..., 100) = 10\n+0.04 > . {0}:{0}(0) ack 11\n",
                state.snd_nxt
            );
            ("delivered, and acknowledged soon.", lines)
        }
    }
}
