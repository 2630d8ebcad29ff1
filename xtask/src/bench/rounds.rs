//! Interleaved rounds: in each, every peer is started, and each test loads one
//! peer after the other, so that what disturbs the machine disturbs all of them
//! and a ratio is taken within seconds. Each round begins with another peer.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use super::machine::{busy, cpu_of, pin, quiet, resident};
use super::peers::{ADDRESS, PEERS, Programs, SOURCES, Stand};
use super::table;
use crate::wire::needs::{self, Need};
use crate::wire::process::{Input, Process};
use crate::wire::reaper::Reaper;
use crate::workspace::Workspace;

/// Beyond the load's own time.
const SLACK: Duration = Duration::from_secs(10);
const IDLE_OPEN: Duration = Duration::from_secs(70);

#[derive(Parser)]
pub(crate) struct Args {
    /// How often every peer has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each load
    #[arg(long, default_value_t = 0.8)]
    seconds: f64,
    /// Only these peers, separated by commas
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Only these tests: send1 send8 recv1 recv8 rr rr1c rr12 crr udp idle
    #[arg(long, value_delimiter = ',')]
    tests: Vec<String>,
    /// Connections of the test `idle`
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Two short rounds of send1, recv1 and rr1c, to see whether all is well
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "tests"])]
    quick: bool,
    /// Seconds to wait for a quiet machine before each load
    #[arg(long, default_value_t = 15.0)]
    patience: f64,
    /// Run peers and loads as real-time processes, before everything else: for machines that are never quiet. The
    /// machine's processor time then tells nothing
    #[arg(long)]
    urgent: bool,
    /// Where to append one JSON line for each test [default: bench/wire.jsonl in the target folder]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One load.
struct Test {
    name: &'static str,
    load: &'static str,
    /// Streams, connections, threads or datagram size.
    amount: &'static str,
    /// Client and peer on one processor.
    pinned: bool,
    /// Connections come from many addresses.
    many_sources: bool,
}

const fn test(name: &'static str, load: &'static str, amount: &'static str) -> Test {
    Test { name, load, amount, pinned: false, many_sources: false }
}

const TESTS: &[Test] = &[
    test("send1", "send", "1"),
    test("send8", "send", "8"),
    test("recv1", "recv", "1"),
    test("recv8", "recv", "8"),
    test("rr", "rr", "1"),
    PINNED_RR,
    test("rr12", "rr", "12"),
    Test { many_sources: true, ..test("crr", "crr", "4") },
    test("udp", "udp", "64"),
];
const PINNED_RR: Test = Test { pinned: true, ..test("rr1c", "rr", "1") };
const IDLE: &str = "idle";

/// Runs the rounds, appends the records and prints the table of this run.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    needs::require(
        &[needs::BASE.as_slice(), &[Need::Program("taskset", "util-linux"), needs::ETHTOOL]].concat(),
    )?;
    check_names(args)?;
    let programs = Programs::build(workspace)?;
    let reaper = Reaper::start()?;
    let stands = stands(args, &programs)?;
    let out = args.out.clone().unwrap_or_else(|| workspace.target.join("bench/wire.jsonl"));
    let plan = Plan::new(args);
    let mut records = Vec::new();
    for round in 0..plan.rounds {
        println!("round {} of {}", round + 1, plan.rounds);
        for record in turn(&stands, &plan, args, &programs, round) {
            append(&out, &record)?;
            records.push(record);
        }
    }
    drop(stands);
    reaper.finish(false);
    print!("\n{}", table::markdown(&records));
    println!("\nrecords: {}", out.display());
    Ok(())
}

/// What is measured how often and how long.
struct Plan {
    rounds: usize,
    seconds: f64,
    tests: Vec<&'static str>,
}

impl Plan {
    fn new(args: &Args) -> Self {
        let all = TESTS.iter().map(|test| test.name).chain([IDLE]);
        if args.quick {
            return Self { rounds: 2, seconds: 0.4, tests: vec!["send1", "recv1", PINNED_RR.name] };
        }
        let tests = all.filter(|name| is_wanted(&args.tests, name)).collect();
        Self { rounds: args.rounds, seconds: args.seconds, tests }
    }
}

fn check_names(args: &Args) -> Result<(), String> {
    let unknown_peer = args.peers.iter().find(|name| PEERS.iter().all(|peer| peer.name != **name));
    if let Some(name) = unknown_peer {
        let known: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        return Err(format!("no peer `{name}`; there are {}", known.join(" ")));
    }
    let known = |name: &String| name == IDLE || TESTS.iter().any(|test| test.name == name);
    match args.tests.iter().find(|name| !known(name)) {
        Some(name) => Err(format!("no test `{name}`; see --help")),
        None => Ok(()),
    }
}

fn stands(args: &Args, programs: &Programs) -> Result<Vec<Stand>, String> {
    let mut stands = Vec::new();
    for peer in PEERS.iter().filter(|peer| is_wanted(&args.peers, peer.name)) {
        match Stand::new(peer, programs, args.urgent)? {
            Some(stand) => stands.push(stand),
            None => println!("left out: {}: the workspace has no program for it", peer.name),
        }
    }
    Ok(stands)
}

fn is_wanted(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|each| each == name)
}

/// One round. A test that fails is recorded as such, and its peer is started
/// afresh for the next.
fn turn(stands: &[Stand], plan: &Plan, args: &Args, programs: &Programs, round: usize) -> Vec<Value> {
    let mut records = Vec::new();
    let mut peers: Vec<(&Stand, Option<Process>)> = stands.iter().map(|stand| (stand, None)).collect();
    let first = round % peers.len().max(1);
    peers.rotate_left(first);
    for name in &plan.tests {
        for (stand, process) in &mut peers {
            let outcome = started(process, stand).and_then(|peer| {
                let bench = Bench { stand, plan, args, programs, peer };
                TESTS
                    .iter()
                    .find(|test| test.name == *name)
                    .map_or_else(|| bench.idle(), |test| bench.measure(test))
            });
            let control = stand.congestion_control();
            let mut record = json!({ "round": round, "peer": stand.peer.name, "test": name, "cc": control });
            // What was left behind by many connections would disturb the next peer.
            let is_over = outcome.is_err() || *name == IDLE;
            match outcome {
                Ok(fields) => merge(&mut record, fields),
                Err(error) => {
                    println!("{} {name}: {error}", stand.peer.name);
                    merge(&mut record, json!({ "error": error }));
                }
            }
            if is_over {
                *process = None;
            }
            records.push(record);
        }
    }
    records
}

fn started<'a>(process: &'a mut Option<Process>, stand: &Stand) -> Result<&'a Process, String> {
    if process.is_none() {
        *process = Some(stand.start()?);
    }
    process.as_ref().ok_or_else(|| "the peer is not running".to_owned())
}

/// One peer, running.
struct Bench<'a> {
    stand: &'a Stand,
    plan: &'a Plan,
    args: &'a Args,
    programs: &'a Programs,
    peer: &'a Process,
}

impl Bench<'_> {
    /// One load, with the processor time that it took.
    fn measure(&self, test: &Test) -> Result<Value, String> {
        let load_before = quiet(self.patience());
        if test.pinned {
            pin(self.peer.pid(), true)?;
        }
        let (cpu, all) = (cpu_of(self.peer.pid()), busy());
        let outcome = self.load(test);
        let (cpu_after, all_after) = (cpu_of(self.peer.pid()), busy());
        if test.pinned {
            pin(self.peer.pid(), false)?;
        }
        let mut record = outcome?;
        let times = json!({
            "pre": rounded(load_before),
            "user": rounded(cpu_after.user - cpu.user),
            "system": rounded(cpu_after.system - cpu.system),
            "busy": rounded(all_after - all),
        });
        merge(&mut record, times);
        Ok(record)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs_f64(if self.args.urgent { 0.0 } else { self.args.patience.max(0.0) })
    }

    fn load(&self, test: &Test) -> Result<Value, String> {
        let seconds = self.plan.seconds.to_string();
        let mut words = vec![test.load, ADDRESS, &seconds, test.amount];
        if test.many_sources {
            words.extend(SOURCES);
        }
        let time = Duration::from_secs_f64(self.plan.seconds) + SLACK;
        let process = self.client(&words, test.pinned, Input::End, time)?;
        let ended = process.wait(time)?.success()?;
        last_json(&ended.text())
    }

    /// Request and response without and with many idle connections, and the
    /// memory that each of those costs the peer.
    fn idle(&self) -> Result<Value, String> {
        let without = self.measure(&PINNED_RR)?;
        let before = resident(self.peer.pid());
        let count = self.args.idle.to_string();
        let words = [&[IDLE, ADDRESS, count.as_str()][..], &SOURCES].concat();
        let mut holder = self.client(&words, false, Input::Open, IDLE_OPEN + 2 * SLACK)?;
        let line = holder.wait_for_line("open", IDLE_OPEN)?;
        let held = last_json(&line)?;
        let open = held["open"].as_u64().unwrap_or_default();
        if open < self.args.idle as u64 {
            return Err(format!("only {open} of {count} connections opened"));
        }
        let after = resident(self.peer.pid());
        let with = self.measure(&PINNED_RR)?;
        Ok(json!({
            "open": open,
            "bytes_per_connection": after.saturating_sub(before) / open.max(1),
            "tps_without": without["tps"],
            "tps_with": with["tps"],
        }))
    }

    fn client(&self, words: &[&str], pinned: bool, input: Input, life: Duration) -> Result<Process, String> {
        let yardstick = self.programs.yardstick.to_string_lossy();
        let mut command = match pinned {
            true => self.stand.client("taskset"),
            false => self.stand.client(&yardstick),
        };
        if pinned {
            command.args(["-c", "0", &yardstick]);
        }
        Process::spawn(command.args(words), words[0], input, Instant::now() + life)
    }
}

fn last_json(text: &str) -> Result<Value, String> {
    let line = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| format!("the load printed `{line}`: {error}"))
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn merge(record: &mut Value, fields: Value) {
    if let (Value::Object(record), Value::Object(fields)) = (record, fields) {
        record.extend(fields);
    }
}

fn append(path: &PathBuf, record: &Value) -> Result<(), String> {
    let context = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(context)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(context)?;
    writeln!(file, "{record}").map_err(context)
}
