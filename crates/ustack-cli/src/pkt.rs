//! `ustack pkt`: packet scripts in packetdrill's language, each against a fresh stack in virtual time.
//!
//! A script that asks for something that the stack or the runner does not have is skipped and says what; it is never
//! passed. Reports go to standard output, scripts that cannot be read or parsed to standard error.

use crate::failure::{Failure, Outcome, say};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use stack_testkit::pkt::{ErrorKind, Script};
use stack_testkit::script::{self, Options, Outcome as Ran};
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Some were skipped and nothing else: what automake and others expect.
const ALL_SKIPPED: u8 = 77;
const CANNOT_PARSE: u8 = 2;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    ustack pkt testdata/scripts/tcp              a folder and all below it\n  \
    ustack pkt --profile linux basic_server.pkt  a script written for Linux\n  \
    ustack pkt --ip-version ipv6 open.pkt        the same packets over IPv6\n  \
    ustack pkt --set tcp.no_delay=on nagle.pkt   what does the script prove?\n  \
    ustack pkt --json scripts/                   for other programs\n\n\
    The last line is `N passed, M failed, K skipped`. Scripts that cannot be parsed count as failed.\n\n\
    Exit status: 0 all that ran passed, and something ran; 1 a script failed; 2 a script could not be read or parsed, or \
    wrong options; 77 all were skipped.")]
pub(crate) struct PktArgs {
    /// Scripts, or folders with scripts (*.pkt)
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,

    /// Whose defaults the stack has: with `linux`, options are also compared in their order
    #[arg(long, value_enum, default_value_t = Profile::Ustack)]
    profile: Profile,

    /// What the packets run over, instead of what the scripts say; IPv6 with an MTU of 1520, for the same segments
    #[arg(long, value_name = "VERSION", value_parser = ["ipv4", "ipv6", "ipv4-mapped-ipv6"])]
    ip_version: Option<String>,

    /// How far off times may be where a script does not say
    #[arg(long, value_name = "N", default_value_t = 4000)]
    tolerance_usecs: u64,

    /// A word of the scripts and what it stands for
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = pair)]
    defines: Vec<(String, String)>,

    /// A setting that wins over those of the scripts: tcp.min_rto=1s, mtu=576, fault.no_timers=on
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,

    /// Print one JSON object instead of reports
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Profile {
    /// Our own
    Ustack,
    /// Linux's buffers, window scale, retries and order of options
    Linux,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is wanted, such as tcp.min_rto=1s")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the scripts. With `verbose`, passed ones are named too.
pub(crate) fn run(args: &PktArgs, verbose: bool) -> Outcome<ExitCode> {
    let mut report = Report::default();
    for file in files(&args.paths)? {
        let verdict = args.run_file(&file);
        if !args.json {
            verdict.tell(&file, verbose)?;
        }
        report.add(&file, verdict);
    }
    if args.json {
        say(report.json())?
    } else {
        say(&report)?
    }
    Ok(report.exit_code())
}

/// Every script, in the order given; those of a folder sorted.
fn files(paths: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = script::scripts(path).map_err(|error| {
            Failure::new(format!("read {}", path.display()), error, "see its permissions")
        })?;
        if found.is_empty() {
            let what = format!("run the scripts of {}", path.display());
            return Err(Failure::new(what, "there is none", "name a folder with *.pkt files"));
        }
        files.extend(found);
    }
    Ok(files)
}

impl PktArgs {
    fn run_file(&self, file: &Path) -> Verdict {
        let name = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return Verdict::Unparsable(format!("cannot read {name}: {error}")),
        };
        let defines: Vec<String> =
            self.defines.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let version = self.ip_version.iter().map(|version| ("ip_version", version.as_str()));
        let given: Vec<(&str, &str)> =
            version.chain(defines.iter().map(|define| ("define", define.as_str()))).collect();
        match Script::parse_with(&name, &text, &given) {
            Ok(script) => self.run_script(&script),
            Err(error) if error.kind == ErrorKind::Unsupported => Verdict::Skipped(error.to_string()),
            Err(error) => Verdict::Unparsable(error.to_string()),
        }
    }

    fn run_script(&self, script: &Script) -> Verdict {
        // The longer header must not change the segments of scripts that were written for IPv4.
        let wants_room = self.ip_version.as_deref() == Some("ipv6") && script.option("mtu").is_none();
        let settings: Vec<(&str, &str)> = wants_room
            .then_some(("mtu", "1520"))
            .into_iter()
            .chain(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .collect();
        let options = Options {
            profile: match self.profile {
                Profile::Ustack => script::Profile::Ours,
                Profile::Linux => script::Profile::Linux,
            },
            tolerance: Duration::from_micros(self.tolerance_usecs),
            settings: &settings,
        };
        match script::run_with(script, &options) {
            Ran::Passed => Verdict::Passed,
            Ran::Failed(report) => Verdict::Failed(report),
            Ran::Skipped(reason) => Verdict::Skipped(reason),
        }
    }
}

/// What came of a file.
enum Verdict {
    Passed,
    /// A report: expected and actual side by side, and what happened before.
    Failed(String),
    /// What the stack or the runner does not have.
    Skipped(String),
    /// `file:line:column: expected …, found …`
    Unparsable(String),
}

impl Verdict {
    fn tell(&self, file: &Path, verbose: bool) -> Outcome {
        match self {
            Self::Passed if verbose => say(format_args!("passed: {}", file.display())),
            Self::Passed => Ok(()),
            Self::Failed(report) => say(format_args!("failed: {report}")),
            Self::Skipped(reason) => say(format_args!("skipped: {reason}")),
            Self::Unparsable(why) => {
                // Without standard error there is nobody to tell.
                let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{why}\n"));
                Ok(())
            }
        }
    }

    fn json(&self, file: &Path) -> Value {
        let (outcome, text) = match self {
            Self::Passed => ("passed", None),
            Self::Failed(report) => ("failed", Some(report)),
            Self::Skipped(reason) => ("skipped", Some(reason)),
            Self::Unparsable(why) => ("unparsable", Some(why)),
        };
        json!({ "file": file.display().to_string(), "outcome": outcome, "report": text })
    }
}

/// All verdicts together.
#[derive(Default)]
struct Report {
    passed: usize,
    failed: usize,
    skipped: usize,
    unparsable: usize,
    scripts: Vec<Value>,
}

impl Report {
    fn add(&mut self, file: &Path, verdict: Verdict) {
        self.scripts.push(verdict.json(file));
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
            Verdict::Unparsable(_) => {
                self.failed += 1;
                self.unparsable += 1;
            }
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self { unparsable: 1.., .. } => ExitCode::from(CANNOT_PARSE),
            Self { failed: 1.., .. } => ExitCode::FAILURE,
            Self { passed: 0, skipped: 1.., .. } => ExitCode::from(ALL_SKIPPED),
            _ => ExitCode::SUCCESS,
        }
    }

    fn json(&self) -> Value {
        let Self { passed, failed, skipped, scripts, .. } = self;
        json!({ "passed": passed, "failed": failed, "skipped": skipped, "scripts": scripts })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}
