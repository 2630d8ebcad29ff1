//! An interface among queriers and other members, told as what happens and what it then says.

use super::*;
use FilterMode::{Exclude, Include};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;
use stack_packet::Instant;
use stack_wire::group_record::kind;

const GROUP: &str = "239.0.0.1";
const OTHER: &str = "239.0.0.2";

/// Groups of an interface, with the time; every random time is the longest.
struct Link {
    groups: Memberships,
    now: Instant,
    room: usize,
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn source(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn filter(mode: FilterMode, sources: &[u8]) -> SourceFilter {
    SourceFilter::new(mode, sources.iter().copied().map(source))
}

/// `TO_EX(10.0.0.1)`, without the first three octets.
fn shown(record: &Record) -> String {
    let name = match record.kind {
        kind::MODE_IS_INCLUDE => "IS_IN",
        kind::MODE_IS_EXCLUDE => "IS_EX",
        kind::CHANGE_TO_INCLUDE => "TO_IN",
        kind::CHANGE_TO_EXCLUDE => "TO_EX",
        kind::ALLOW_NEW_SOURCES => "ALLOW",
        kind::BLOCK_OLD_SOURCES => "BLOCK",
        other => panic!("{other}"),
    };
    let mut text = String::new();
    if record.group != address(GROUP) {
        write!(text, "{} ", record.group).unwrap();
    }
    let last = |source: &IpAddr| match source {
        IpAddr::V4(v4) => v4.octets()[3].into(),
        IpAddr::V6(v6) => v6.segments()[7],
    };
    let sources: Vec<String> = record.sources.iter().map(|source| format!("{}", last(source))).collect();
    write!(text, "{name}({})", sources.join(",")).unwrap();
    text
}

impl Link {
    fn new() -> Self {
        Self::with(GroupConfig::default())
    }

    fn with(config: GroupConfig) -> Self {
        Self { groups: Memberships::new(config), now: Instant::from_secs(100), room: 1400 }
    }

    fn set(&mut self, group: &str, mode: FilterMode, sources: &[u8]) {
        self.groups.set_filter(self.now, address(group), filter(mode, sources));
    }

    fn join(&mut self, group: &str) {
        self.set(group, Exclude, &[]);
    }

    fn leave(&mut self, group: &str) {
        self.set(group, Include, &[]);
    }

    fn query(&mut self, version: Version, group: Option<&str>, sources: &[u8], max_response: u64) {
        let sources: Vec<IpAddr> = sources.iter().copied().map(source).collect();
        let query = Query {
            version,
            group: group.map(address),
            sources: &sources,
            max_response: Duration::from_secs(max_response),
            robustness: 0,
            interval: Duration::ZERO,
        };
        self.groups.on_query(self.now, &query, &mut || u64::MAX);
    }

    /// What is said now: messages parted by `;`.
    fn said(&mut self) -> String {
        let mut chance = || u64::MAX;
        let next = || {
            Some(match self.groups.poll_transmit(self.now, self.room, &mut chance)? {
                Message::Report(records) => records.iter().map(shown).collect::<Vec<_>>().join(" "),
                Message::OldReport(version, group) => format!("{version:?} {group}"),
                Message::Leave(group) => format!("leave {group}"),
            })
        };
        core::iter::from_fn(next).collect::<Vec<_>>().join("; ")
    }

    /// Lets all be said that there is to say by itself.
    fn settle(&mut self) {
        self.said();
        self.later(20);
    }

    /// What is said up to that many seconds later, with the time of each: in milliseconds, rounded up.
    fn later(&mut self, seconds: u64) -> String {
        let (begin, end) = (self.now, self.now + Duration::from_secs(seconds));
        let mut all = Vec::new();
        while let Some(next) = self.groups.poll_timeout().filter(|next| *next <= end) {
            self.now = next;
            let said = self.said();
            if !said.is_empty() {
                let since = (self.now - begin).as_nanos().div_ceil(1_000_000);
                all.push(format!("{since}: {said}"));
            }
        }
        self.now = end;
        all.join(" | ")
    }
}

// R9776-5-a, R9777-6-a
#[test]
fn which_groups_are_told_of() {
    for (group, told) in [
        ("224.0.0.1", false),
        ("224.0.0.251", true),
        ("239.1.1.1", true),
        ("10.0.0.1", false),
        ("ff02::1", false),
        ("ff01::5", false),
        ("ff00::5", false),
        ("ff02::1:ff00:1", true),
        ("ff15::1", true),
        ("fe80::1", false),
    ] {
        assert_eq!(is_reported(address(group)), told, "{group}");
        let mut link = Link::new();
        link.join(group);
        assert_eq!(link.groups.poll_timeout().is_some(), told, "{group}");
    }
}

// R9776-5.1-a, R9777-6.1-a
#[test]
fn a_change_is_told_as_often_as_robustness_wants() {
    for (robustness, want) in [(1, ""), (2, "1000: TO_EX()"), (3, "1000: TO_EX() | 2000: TO_EX()")] {
        let mut link = Link::with(GroupConfig { robustness, ..GroupConfig::default() });
        link.join(GROUP);
        assert_eq!(link.said(), "TO_EX()");
        assert_eq!(link.later(100), want);
        link.leave(GROUP);
        assert_eq!(link.said(), "TO_IN()");
        assert_eq!(link.later(100), want.replace("EX", "IN"));
        assert_eq!(link.groups.poll_timeout(), None, "nothing is left");
    }
}

// R9776-5.1-b, R9776-5.1-c, R9777-6.1-b
#[test]
fn changes_and_what_is_told_of_them() {
    for (situation, from, to, want) in [
        ("INCLUDE grows", (Include, &[1][..]), (Include, &[1, 2][..]), "ALLOW(2)"),
        ("INCLUDE shrinks", (Include, &[1, 2]), (Include, &[2]), "BLOCK(1)"),
        ("INCLUDE turns over", (Include, &[1]), (Include, &[2]), "ALLOW(2) BLOCK(1)"),
        ("EXCLUDE grows", (Exclude, &[1]), (Exclude, &[1, 2]), "BLOCK(2)"),
        ("EXCLUDE shrinks", (Exclude, &[1, 2]), (Exclude, &[2]), "ALLOW(1)"),
        ("to EXCLUDE", (Include, &[1]), (Exclude, &[2]), "TO_EX(2)"),
        ("to INCLUDE", (Exclude, &[1]), (Include, &[2]), "TO_IN(2)"),
        ("no change", (Exclude, &[1]), (Exclude, &[1]), ""),
    ] {
        let mut link = Link::new();
        link.set(GROUP, from.0, from.1);
        link.settle();
        link.set(GROUP, to.0, to.1);
        assert_eq!(link.said(), want, "{situation}");
        let again = if want.is_empty() { String::new() } else { format!("1000: {want}") };
        assert_eq!(link.later(10), again, "{situation}: again");
    }
}

// R9776-5.1-b
#[test]
fn a_change_while_another_is_told_is_merged_into_it() {
    let mut link = Link::new();
    link.join(GROUP);
    assert_eq!(link.said(), "TO_EX()");
    link.set(GROUP, Exclude, &[1]);
    assert_eq!(link.said(), "TO_EX(1)", "the change of mode is to be told once more, with the list as it is");
    assert_eq!(link.later(9), "1000: BLOCK(1)", "the source is told twice in all");
    link.set(GROUP, Exclude, &[1, 2]);
    assert_eq!(link.said(), "BLOCK(2)");
    link.set(GROUP, Exclude, &[2, 3]);
    assert_eq!(link.said(), "ALLOW(1) BLOCK(2,3)");
    assert_eq!(link.later(9), "1000: ALLOW(1) BLOCK(3)");
    link.leave(GROUP);
    link.join(GROUP);
    assert_eq!(link.said(), "TO_EX()", "as if it had never been left");
    assert_eq!(link.later(9), "1000: TO_EX()");
}

// R9776-5.2-a, R9776-5.2-b, R9777-6.2-a
#[test]
fn a_general_query_is_answered_once_for_all_groups() {
    let mut link = Link::new();
    link.join(GROUP);
    link.set(OTHER, Include, &[1]);
    link.settle();
    link.query(Version::V3, None, &[], 10);
    assert_eq!(link.said(), "", "not at once");
    assert_eq!(link.later(60), "10000: IS_EX() 239.0.0.2 IS_IN(1)");
    link.query(Version::V3, None, &[], 2);
    link.query(Version::V3, None, &[], 10);
    assert_eq!(link.later(60), "2000: IS_EX() 239.0.0.2 IS_IN(1)", "the sooner one stays");
    link.query(Version::V3, None, &[], 10);
    link.query(Version::V3, None, &[], 2);
    assert_eq!(link.later(60), "2000: IS_EX() 239.0.0.2 IS_IN(1)", "the sooner one replaces it");
}

// R9776-5.2-c, R9776-5.2-d, R9777-6.2-c, R9777-6.2-d
#[test]
fn queries_about_a_group() {
    let exclude = (Exclude, &[1, 2][..]);
    let include = (Include, &[1, 2][..]);
    for (situation, state, queries, want) in [
        ("of the group", exclude, &[&[][..]][..], "1000: IS_EX(1,2)"),
        ("of the group, INCLUDE", include, &[&[]], "1000: IS_IN(1,2)"),
        ("of sources, INCLUDE", include, &[&[2, 3]], "1000: IS_IN(2)"),
        ("of sources, EXCLUDE", exclude, &[&[2, 3]], "1000: IS_IN(3)"),
        ("of sources that nobody wants", exclude, &[&[1, 2]], ""),
        ("of more sources", include, &[&[2], &[1, 9]], "1000: IS_IN(1,2)"),
        ("of sources, then of the group", include, &[&[2], &[]], "1000: IS_IN(1,2)"),
        ("of the group, then of sources", include, &[&[], &[2]], "1000: IS_IN(1,2)"),
    ] {
        let mut link = Link::new();
        link.set(GROUP, state.0, state.1);
        link.settle();
        for sources in queries {
            link.query(Version::V3, Some(GROUP), sources, 1);
        }
        assert_eq!(link.later(10), want, "{situation}");
        assert_eq!(link.groups.poll_timeout(), None, "{situation}");
    }
}

#[test]
fn queries_about_groups_of_others_leave_nothing_behind() {
    let mut link = Link::new();
    (0..100).for_each(|last| link.query(Version::V3, Some(&format!("239.9.9.{last}")), &[1], 1));
    assert_eq!((link.groups.poll_timeout(), link.groups.groups_len()), (None, 0));
}

#[test]
fn with_too_many_sources_asked_about_all_are_told() {
    let mut link = Link::new();
    link.join(GROUP);
    link.settle();
    for third in 0..4 {
        let sources: Vec<IpAddr> = (0..200).map(|last| IpAddr::from([10, 0, third, last])).collect();
        let max_response = Duration::from_secs(1);
        let query = Query {
            version: Version::V3,
            group: Some(address(GROUP)),
            sources: &sources,
            max_response,
            robustness: 0,
            interval: Duration::ZERO,
        };
        link.groups.on_query(link.now, &query, &mut || 0);
    }
    assert_eq!(link.later(1), "1: IS_EX()");
}

// R9776-5.2-c
#[test]
fn a_general_answer_that_comes_sooner_is_answer_enough() {
    let mut link = Link::new();
    link.join(GROUP);
    link.settle();
    link.query(Version::V3, None, &[], 2);
    link.query(Version::V3, Some(GROUP), &[], 5);
    assert_eq!(link.later(20), "2000: IS_EX()");
    link.query(Version::V3, None, &[], 5);
    link.query(Version::V3, Some(GROUP), &[], 2);
    assert_eq!(link.later(20), "2000: IS_EX() | 5000: IS_EX()");
}

// R9776-5-b
#[test]
fn in_the_newest_version_everybody_tells() {
    let mut link = Link::new();
    link.join(GROUP);
    link.said();
    link.groups.on_report(address(GROUP));
    assert_eq!(link.later(10), "1000: TO_EX()");
}

// R2236-3-a, R2236-3-b, R2236-3-c
#[test]
fn version_2() {
    let mut link = Link::new();
    link.query(Version::V2, None, &[], 10);
    assert_eq!(link.groups.version(), Version::V2);
    link.join(GROUP);
    assert_eq!(link.said(), "V2 239.0.0.1");
    assert_eq!(link.later(20), "10000: V2 239.0.0.1");
    link.set(GROUP, Exclude, &[1]);
    assert_eq!(link.said(), "", "sources can't be told");
    link.query(Version::V2, None, &[], 10);
    assert_eq!(link.later(20), "10000: V2 239.0.0.1");
    link.query(Version::V2, Some(GROUP), &[], 5);
    link.query(Version::V2, Some(OTHER), &[], 5);
    assert_eq!(link.later(20), "5000: V2 239.0.0.1");
    link.query(Version::V2, Some(GROUP), &[], 3);
    link.query(Version::V2, Some(GROUP), &[], 5);
    link.query(Version::V2, Some(GROUP), &[], 1);
    assert_eq!(link.later(20), "1000: V2 239.0.0.1", "a timer runs shorter, never longer");
    link.leave(GROUP);
    assert_eq!(link.said(), "leave 239.0.0.1");
}

// R2236-3-b, R2236-3-c, R2710-4-b
#[test]
fn in_version_2_who_was_told_for_keeps_silent() {
    let mut link = Link::new();
    link.query(Version::V2, None, &[], 10);
    link.join(GROUP);
    link.said();
    link.groups.on_report(address(GROUP));
    assert_eq!(link.later(20), "");
    link.query(Version::V2, None, &[], 10);
    link.groups.on_report(address(OTHER));
    link.groups.on_report(address(GROUP));
    assert_eq!(link.later(20), "");
    link.leave(GROUP);
    assert_eq!(link.said(), "", "another one is still there");
}

// R9776-7.2.1-a, R9776-7.2.1-b
#[test]
fn version_1() {
    let mut link = Link::new();
    link.query(Version::V1, None, &[], 10);
    link.join(GROUP);
    assert_eq!((link.groups.version(), link.said().as_str()), (Version::V1, "V1 239.0.0.1"));
    link.query(Version::V2, None, &[], 5);
    assert_eq!(link.groups.version(), Version::V1, "the oldest counts");
    link.leave(GROUP);
    assert_eq!(link.said(), "", "version 1 leaves in silence");
}

// R9776-7.2.1-b, R9776-8.12-a, R9777-8.2.1-b
#[test]
fn an_old_querier_counts_for_two_intervals_and_one_response_time() {
    let mut link = Link::new();
    link.join(GROUP);
    link.settle();
    link.query(Version::V2, None, &[], 10);
    link.later(259);
    assert_eq!(link.groups.version(), Version::V2);
    link.later(1);
    assert_eq!(link.groups.version(), Version::V3);
    let query = Query {
        version: Version::V3,
        group: None,
        sources: &[],
        max_response: Duration::from_secs(4),
        robustness: 3,
        interval: Duration::from_secs(20),
    };
    link.groups.on_query(link.now, &query, &mut || 0);
    link.query(Version::V2, None, &[], 10);
    link.later(63);
    assert_eq!(link.groups.version(), Version::V2);
    link.later(1);
    assert_eq!(link.groups.version(), Version::V3, "as the querier has said");
    link.join(OTHER);
    assert_eq!(link.said(), "239.0.0.2 TO_EX()");
    assert_eq!(link.later(9), "1000: 239.0.0.2 TO_EX() | 2000: 239.0.0.2 TO_EX()", "its robustness too");
}

// R9776-7.2.1-b
#[test]
fn a_query_of_version_2_about_one_group_changes_no_version() {
    let mut link = Link::new();
    link.join(GROUP);
    link.settle();
    link.query(Version::V2, Some(GROUP), &[], 1);
    assert_eq!(link.later(10), "1000: IS_EX()");
}

// R9776-7.2.1-c, R9777-8.2.1-c
#[test]
fn with_another_version_all_that_waits_is_cancelled() {
    let mut link = Link::new();
    link.join(GROUP);
    link.said();
    link.leave(OTHER);
    link.query(Version::V3, None, &[], 10);
    link.query(Version::V2, None, &[], 20);
    assert_eq!(link.later(19), "", "neither the second report nor the answer");
    assert_eq!(link.later(10), "1000: V2 239.0.0.1");
    link.query(Version::V2, None, &[], 255);
    link.query(Version::V2, Some(GROUP), &[], 1000);
    assert_eq!(link.later(300), "255000: V2 239.0.0.1");
    assert_eq!(link.groups.version(), Version::V3);
}

#[test]
fn a_version_that_is_forced_stays() {
    for version in [Version::V1, Version::V2, Version::V3] {
        let mut link = Link::with(GroupConfig { version: Some(version), ..GroupConfig::default() });
        link.join(GROUP);
        link.settle();
        for asked in [Version::V1, Version::V2, Version::V3] {
            link.query(asked, None, &[], 10);
            assert_eq!(link.groups.version(), version);
            assert_eq!(link.later(20).is_empty(), asked < version, "{asked:?} asks {version:?}");
        }
    }
}

// R3590-4-a
#[test]
fn what_found_no_ear_is_told_anew() {
    let mut link = Link::new();
    link.set(GROUP, Include, &[1]);
    link.join(OTHER);
    link.settle();
    link.groups.announce(link.now);
    assert_eq!(link.said(), "TO_IN(1) 239.0.0.2 TO_EX()");
    assert_eq!(link.later(10), "1000: TO_IN(1) 239.0.0.2 TO_EX()");
}

#[test]
fn who_is_told_not_to_report_does_not() {
    let mut link = Link::with(GroupConfig { reports: false, ..GroupConfig::default() });
    link.join(GROUP);
    link.query(Version::V3, None, &[], 1);
    link.query(Version::V2, None, &[], 1);
    assert_eq!((link.said().as_str(), link.groups.poll_timeout()), ("", None));
}

#[test]
fn an_interface_that_goes_down_says_nothing() {
    let mut link = Link::new();
    link.join(GROUP);
    link.query(Version::V1, None, &[], 1);
    link.groups.clear();
    assert_eq!((link.said().as_str(), link.groups.poll_timeout()), ("", None));
    assert_eq!(link.groups.version(), Version::V3);
}

#[test]
fn long_reports_go_in_several_messages() {
    let mut link = Link::new();
    link.room = 24;
    for last in 1..5 {
        link.join(&format!("239.0.0.{last}"));
    }
    assert_eq!(link.said(), "TO_EX() 239.0.0.2 TO_EX(); 239.0.0.3 TO_EX() 239.0.0.4 TO_EX()");
}
