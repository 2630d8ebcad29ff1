//! Commands in backticks: kernel settings, and the idioms around them. [`KERNEL`] says what each setting is here.
//!
//! A setting in the middle of a script skips it: a stack gets its configuration when it is made.

use super::{Set, Setup, Unknown};
use crate::pkt::{Action, Event, Script};
use crate::script::Stop;

/// What a kernel setting is here.
#[derive(Clone, Copy)]
enum Kernel {
    /// This setting of ours, with the same value.
    Same(&'static str),
    /// This one, on for every value but 0.
    Switch(&'static str),
    /// This one, on for 0.
    Inverse(&'static str),
    /// This one, with the value in seconds, milliseconds or microseconds.
    Time(&'static str, &'static str),
    /// `tcp_rmem`, `tcp_wmem`: least, default and most memory of a buffer. Linux offers half of the default as window
    /// (`tcp_adv_win_scale` 1) and chooses the window scale for all of the most.
    Memory { default: &'static str, most: &'static str, halved: bool },
    /// The stack does what these values say; others skip the script.
    Only(&'static [&'static str]),
    /// Nothing that a script on this link can see.
    Unseen,
}

/// Every setting that is known by name: below `net.ipv4`, or with its whole name.
const KERNEL: &[(&str, Kernel)] = &[
    ("ip_forward", Kernel::Switch("forwarding")),
    ("tcp_timestamps", Kernel::Switch("tcp.timestamps")),
    ("tcp_window_scaling", Kernel::Switch("tcp.window_scaling")),
    ("tcp_rfc1337", Kernel::Inverse("tcp.reset_ends_time_wait")),
    ("tcp_retries2", Kernel::Same("tcp.data_retries")),
    ("tcp_syn_retries", Kernel::Same("tcp.syn_retries")),
    ("tcp_syn_linear_timeouts", Kernel::Same("tcp.syn_linear_timeouts")),
    ("tcp_synack_retries", Kernel::Same("tcp.syn_ack_retries")),
    ("tcp_keepalive_probes", Kernel::Same("tcp.keep_alive_count")),
    ("tcp_keepalive_time", Kernel::Time("tcp.keep_alive_idle", "s")),
    ("tcp_keepalive_intvl", Kernel::Time("tcp.keep_alive_interval", "s")),
    ("tcp_fin_timeout", Kernel::Time("tcp.fin_wait_2", "s")),
    ("tcp_invalid_ratelimit", Kernel::Time("tcp.challenge_interval", "ms")),
    ("tcp_rto_min_us", Kernel::Time("tcp.min_rto", "us")),
    ("tcp_rto_max_ms", Kernel::Time("tcp.max_rto", "ms")),
    ("tcp_challenge_ack_limit", Kernel::Same("tcp.challenges_per_second")),
    (
        "tcp_rmem",
        Kernel::Memory { default: "tcp.receive_buffer", most: "tcp.receive_buffer_max", halved: true },
    ),
    ("tcp_wmem", Kernel::Memory { default: "tcp.send_buffer", most: "tcp.send_buffer_max", halved: false }),
    ("tcp_sack", Kernel::Switch("tcp.sack")),
    ("tcp_dsack", Kernel::Only(&["0"])),
    ("tcp_fack", Kernel::Only(&["0"])),
    ("tcp_recovery", Kernel::Only(&["0"])),
    ("tcp_early_retrans", Kernel::Only(&["0"])),
    ("tcp_frto", Kernel::Only(&["0"])),
    ("tcp_reordering", Kernel::Only(&["3"])),
    ("tcp_congestion_control", Kernel::Same("tcp.congestion")),
    ("tcp_slow_start_after_idle", Kernel::Only(&["1"])),
    ("tcp_moderate_rcvbuf", Kernel::Switch("tcp.autotune")),
    ("tcp_ecn", Kernel::Same("tcp.ecn")),
    ("tcp_ecn_fallback", Kernel::Only(&["1"])),
    ("tcp_ecn_option", Kernel::Only(&["2"])),
    ("tcp_ecn_option_beacon", Kernel::Unseen),
    ("tcp_fastopen", Kernel::Only(&["0", "1", "2", "3"])),
    ("tcp_mtu_probing", Kernel::Same("tcp.mtu_probing")),
    ("tcp_base_mss", Kernel::Same("tcp.base_mss")),
    ("tcp_mtu_probe_floor", Kernel::Same("tcp.mtu_probe_floor")),
    ("tcp_probe_threshold", Kernel::Same("tcp.mtu_probe_threshold")),
    ("tcp_probe_interval", Kernel::Time("tcp.mtu_probe_interval", "s")),
    ("tcp_abort_on_overflow", Kernel::Only(&["0"])),
    ("tcp_autocorking", Kernel::Only(&["0"])),
    ("tcp_thin_linear_timeouts", Kernel::Only(&["0"])),
    ("tcp_notsent_lowat", Kernel::Only(&["-1", "4294967295", "0xffffffff"])),
    ("tcp_syncookies", Kernel::Same("tcp.syn_cookies")),
    ("tcp_no_metrics_save", Kernel::Unseen),
    ("tcp_metrics_save", Kernel::Unseen),
    ("tcp_tw_reuse", Kernel::Unseen),
    ("tcp_min_tso_segs", Kernel::Unseen),
    ("tcp_tso_win_divisor", Kernel::Unseen),
    ("tcp_tso_rtt_log", Kernel::Unseen),
    ("tcp_limit_output_bytes", Kernel::Unseen),
    ("tcp_pacing_ss_ratio", Kernel::Unseen),
    ("tcp_pacing_ca_ratio", Kernel::Unseen),
    ("tcp_comp_sack_delay_ns", Kernel::Unseen),
    ("net.core.optmem_max", Kernel::Unseen),
];

/// What `defaults.sh` of the usual collections sets, as far as it is a setting here.
const DEFAULTS: &[&str] = &[
    "tcp_rmem=4096 540000 15728640",
    "tcp_wmem=4096 262144 4194304",
    "tcp_timestamps=1",
    "tcp_syn_retries=5",
    "tcp_synack_retries=5",
];

/// Commands that change nothing that a script can see here.
const HARMLESS: &[&[&str]] =
    &[&["true"], &[":"], &["ip", "tcp_metrics", "flush", "all"], &["tc", "qdisc"], &["sync"]];

impl Setup {
    /// All commands of a script.
    pub(super) fn commands(&mut self, script: &Script) -> Result<(), Stop> {
        let is_command = |event: &Event| matches!(event.action, Action::Command(_));
        let first = script.events.iter().position(|event| !is_command(event)).unwrap_or(script.events.len());
        let last = script.events.iter().rposition(|event| !is_command(event));
        for (at, event) in script.events.iter().enumerate() {
            let Action::Command(command) = &event.action else { continue };
            let phase = match last {
                Some(last) if at > last => Phase::End,
                _ if at < first => Phase::Begin,
                _ => Phase::Middle,
            };
            for line in command_lines(command) {
                self.command(line, phase)?;
            }
        }
        Ok(())
    }

    /// `--init_scripts=a.sh,b.sh`
    pub(super) fn init_scripts(&mut self, names: &str) -> Set<()> {
        names.split([',', ' ']).filter(|name| !name.is_empty()).try_for_each(|name| {
            let is_known = name.ends_with("defaults.sh");
            if is_known { self.command(name, Phase::Begin).map_err(|_| Unknown) } else { Err(Unknown) }
        })
    }

    fn command(&mut self, line: &str, phase: Phase) -> Result<(), Stop> {
        let words = shell_words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let unknown = || Stop::Skip(format!("the command `{line}`"));
        let Some((&program, arguments)) = words.split_first() else { return Ok(()) };
        let name = program.rsplit('/').next().unwrap_or(program);
        if name.starts_with("sysctl_restore") || HARMLESS.iter().any(|harmless| words.starts_with(harmless)) {
            return Ok(());
        }
        let settings: Vec<&str> = match (name, arguments) {
            ("defaults.sh", _) => DEFAULTS.to_vec(),
            ("sysctl" | "set_sysctls.py", _) => {
                arguments.iter().copied().filter(|word| !word.starts_with('-')).collect()
            }
            ("echo", [value, ">", file]) => return self.kernel(&format!("{file}={value}"), phase),
            _ => return Err(unknown()),
        };
        if settings.is_empty() {
            return Err(unknown());
        }
        settings.iter().try_for_each(|setting| self.kernel(setting, phase))
    }

    fn kernel(&mut self, setting: &str, phase: Phase) -> Result<(), Stop> {
        let skip = || Stop::Skip(format!("the kernel setting {setting}"));
        let (name, value) = setting.split_once('=').ok_or_else(skip)?;
        let dotted = name.trim_start_matches("/proc/sys/").replace('/', ".");
        let short = dotted.strip_prefix("net.ipv4.").unwrap_or(&dotted);
        let known = KERNEL.iter().find(|(known, _)| *known == short).ok_or_else(skip)?.1;
        match phase {
            Phase::Begin => self.apply(known, value.trim()).map_err(|Unknown| skip()),
            Phase::Middle if !matches!(known, Kernel::Unseen) => {
                Err(Stop::Skip(format!("the kernel setting {setting} in the middle of a script")))
            }
            Phase::Middle | Phase::End => Ok(()),
        }
    }

    fn apply(&mut self, kernel: Kernel, value: &str) -> Set<()> {
        let on = |is: bool| if is { "on" } else { "off" };
        match kernel {
            Kernel::Same(ours) => self.set(ours, value),
            Kernel::Switch(ours) => self.set(ours, on(value != "0")),
            Kernel::Inverse(ours) => self.set(ours, on(value == "0")),
            Kernel::Time(ours, unit) => self.set(ours, &format!("{value}{unit}")),
            Kernel::Memory { default, most, halved } => {
                let sizes: Vec<&str> = value.split_whitespace().collect();
                let [_, usual, largest] = sizes[..] else { return Err(Unknown) };
                let usual: usize = usual.parse().map_err(|_| Unknown)?;
                self.set(default, &(if halved { usual / 2 } else { usual }).to_string())?;
                self.set(most, largest)
            }
            Kernel::Only(values) if values.contains(&value) => Ok(()),
            Kernel::Only(_) => Err(Unknown),
            Kernel::Unseen => Ok(()),
        }
    }
}

/// Where in a script a command stands.
#[derive(Clone, Copy)]
enum Phase {
    Begin,
    Middle,
    End,
}

/// The lines of a command, without comments.
fn command_lines(command: &str) -> impl Iterator<Item = &str> {
    let lines = command.split(['\n', ';']).flat_map(|line| line.split("&&"));
    lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Words as a shell splits them: quotes keep blanks together, `$((a*b))` is a product, redirections of output are gone.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(end) if end == c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() => words.extend(finished(&mut word)),
            _ => word.push(c),
        }
    }
    words.extend(finished(&mut word));
    if let Some(at) = words.windows(2).position(|pair| pair[0] == ">" && pair[1] == "/dev/null") {
        words.truncate(at);
    }
    words
}

fn finished(word: &mut String) -> Option<String> {
    let word = core::mem::take(word);
    (!word.is_empty()).then(|| products(word))
}

/// `$((15*1024*1024))` as a number.
fn products(word: String) -> String {
    let parts = word.split_once("$((").and_then(|(before, rest)| {
        let (product, behind) = rest.split_once("))")?;
        let mut factors = product.split('*').map(|factor| factor.trim().parse::<u64>());
        let product = factors.try_fold(1u64, |product, factor| product.checked_mul(factor.ok()?))?;
        Some(format!("{before}{product}{behind}"))
    });
    parts.map_or(word, products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Options;
    use core::time::Duration;
    use stack_core::MtuProbing;

    fn setup(text: &str) -> Result<Setup, Stop> {
        Setup::new(&Script::parse("t", text).unwrap(), &Options::default())
    }

    fn reason(text: &str) -> String {
        match setup(text) {
            Err(Stop::Skip(reason)) => reason,
            other => panic!("{:?}", other.err()),
        }
    }

    #[test]
    fn kernel_settings_are_ours_in_every_spelling() {
        let text = "`sysctl -q net.ipv4.ip_forward=1 net.ipv4.tcp_timestamps=0\n\
                    ./set_sysctls.py /proc/sys/net/ipv4/tcp_fin_timeout=7\n\
                    echo 3 > /proc/sys/net/ipv4/tcp_retries2`\n\
                    `sysctl -q net.ipv4.tcp_rmem=\"4096 131072 $((6*1024*1024))\" > /dev/null 2>&1`\n\
                    0 close(3) = 0\n`/tmp/sysctl_restore_${PPID}.sh`";
        let setup = setup(text).unwrap();
        assert!(setup.forwarding && !setup.tcp.timestamps);
        assert_eq!((setup.tcp.fin_wait_2, setup.tcp.data_retries), (Duration::from_secs(7), 3));
        assert_eq!((setup.tcp.receive_buffer, setup.tcp.receive_buffer_max), (65_536, 6 << 20));
    }

    #[test]
    fn probing_for_the_path_mtu_has_linux_names() {
        let text = "`sysctl -q net.ipv4.tcp_mtu_probing=2 net.ipv4.tcp_base_mss=700 net.ipv4.tcp_probe_threshold=16\n\
                    sysctl net.ipv4.tcp_mtu_probe_floor=600 net.ipv4.tcp_probe_interval=20`\n0 close(3) = 0";
        let tcp = setup(text).unwrap().tcp;
        assert_eq!((tcp.mtu_probing, tcp.mtu_probe_interval), (MtuProbing::Always, Duration::from_secs(20)));
        assert_eq!((tcp.base_mss, tcp.mtu_probe_threshold, tcp.mtu_probe_floor), (700, 16, 600));
    }

    #[test]
    fn the_usual_defaults_are_known() {
        for text in ["`../../common/defaults.sh`", "--init_scripts=../common/defaults.sh\n"] {
            assert_eq!(setup(text).unwrap().tcp.receive_buffer_max, 15 << 20, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_skips_the_script_and_says_why() {
        assert_eq!(reason("`./server.sh`"), "the command `./server.sh`");
        assert_eq!(reason("`sysctl -q`"), "the command `sysctl -q`");
        assert_eq!(reason("`sysctl -q net.ipv4.tcp_ecn=6`"), "the kernel setting net.ipv4.tcp_ecn=6");
        assert_eq!(reason("`sysctl net.ipv4.tcp_nonsense=1`"), "the kernel setting net.ipv4.tcp_nonsense=1");
        assert_eq!(reason("`sysctl net.ipv4.tcp_rmem=1`"), "the kernel setting net.ipv4.tcp_rmem=1");
        let middle = "0 close(3) = 0\n`sysctl net.ipv4.tcp_retries2=1`\n+0 close(3) = 0";
        assert_eq!(reason(middle), "the kernel setting net.ipv4.tcp_retries2=1 in the middle of a script");
        assert_eq!(reason("--init_scripts=a.sh\n"), "line 1: the option --init_scripts=a.sh");
    }
}
