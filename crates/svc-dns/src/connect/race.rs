//! When which address is tried (RFC 8305 §3, §5).
//!
//! An IPv6 answer starts the race at once, an IPv4 one when the IPv6 answer is there or has been waited for. From then on
//! an attempt starts when the last one has failed or is 250 ms old. Answers that come later join. The first connection
//! wins; dropping the others' futures ends their attempts. Knows neither stack nor resolver: they are handed in.

use super::ConnectConfig;
use super::order::Waiting;
use crate::error::LookupError;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The shortest time between two attempts (R8305-5-b).
const LEAST_DELAY: Duration = Duration::from_millis(10);

/// What a race is run with.
pub(super) struct Contest<O, C> {
    pub(super) order: O,
    pub(super) connect: C,
    pub(super) config: ConnectConfig,
}

/// Why nobody won.
#[derive(Debug)]
pub(super) enum Failed<E> {
    /// Neither family has an address.
    Lookup(LookupError),
    /// Each attempt, in the order in which they failed.
    Attempts(Vec<(SocketAddr, E)>),
}

type Found = Result<Vec<SocketAddr>, LookupError>;

/// What has happened so far.
struct Progress {
    waiting: Waiting,
    /// Attempts that may still start.
    left: usize,
    /// From when on the next may; `None`: not before there is an answer.
    next: Option<Instant>,
    v6_pending: bool,
    v4_pending: bool,
    errors: Vec<LookupError>,
}

impl<O, C, F, S, E> Contest<O, C>
where
    O: Fn(&mut [SocketAddr]),
    C: Fn(SocketAddr) -> F,
    F: Future<Output = Result<S, E>>,
{
    /// Runs the race to its end.
    pub(super) async fn run(
        &self,
        v6: impl Future<Output = Found>,
        v4: impl Future<Output = Found>,
    ) -> Result<S, Failed<E>> {
        let (mut v6, mut v4) = (std::pin::pin!(v6), std::pin::pin!(v4));
        let mut progress = Progress::new(self.config.attempts);
        let mut running = FuturesUnordered::new();
        let mut failed = Vec::new();
        while progress.goes_on() || !running.is_empty() {
            tokio::select! {
                biased;
                found = &mut v6, if progress.v6_pending => {
                    progress.v6_pending = false;
                    self.answered(&mut progress, found, Duration::ZERO);
                }
                found = &mut v4, if progress.v4_pending => {
                    progress.v4_pending = false;
                    self.answered(&mut progress, found, self.config.resolution_delay);
                }
                Some((address, outcome)) = running.next() => match outcome {
                    // R8305-5-c: whoever still runs is dropped.
                    Ok(connection) => return Ok(connection),
                    Err(error) => {
                        failed.push((address, error));
                        // There is no reason to wait any longer.
                        progress.next = Some(Instant::now());
                    }
                },
                address = progress.due() => {
                    // R8305-5-a
                    progress.next = Some(Instant::now() + self.config.attempt_delay.max(LEAST_DELAY));
                    let attempt = (self.connect)(address);
                    running.push(async move { (address, attempt.await) });
                }
            }
        }
        match progress.errors.into_iter().next().filter(|_| failed.is_empty()) {
            Some(error) => Err(Failed::Lookup(error)),
            None => Err(Failed::Attempts(failed)),
        }
    }

    /// Takes an answer; `delay` is how long it waits for the other family's before the race begins.
    fn answered(&self, progress: &mut Progress, found: Found, delay: Duration) {
        match found {
            Ok(addresses) => progress.waiting.add(addresses, &self.order),
            Err(error) => progress.errors.push(error),
        }
        let now = Instant::now();
        // R8305-3-a, R8305-3-b
        let start = if progress.v6_pending { now + delay } else { now };
        if !progress.waiting.has_begun() && !progress.waiting.is_empty() {
            // The other family's answer ends the wait for it; later it ends no pause between attempts.
            progress.next = Some(progress.next.map_or(start, |next| next.min(start)));
        }
    }
}

impl Progress {
    fn new(attempts: usize) -> Self {
        let waiting = Waiting::default();
        Self {
            waiting,
            left: attempts.max(1),
            next: None,
            v6_pending: true,
            v4_pending: true,
            errors: Vec::new(),
        }
    }

    /// Whether attempts are still to come.
    fn goes_on(&self) -> bool {
        let answers_to_come = self.v6_pending || self.v4_pending;
        self.left > 0 && (answers_to_come || !self.waiting.is_empty())
    }

    /// The next address, when it is its turn.
    async fn due(&mut self) -> SocketAddr {
        let (Some(at), true) = (self.next, self.left > 0 && !self.waiting.is_empty()) else {
            return std::future::pending().await;
        };
        sleep_until(at).await;
        self.left -= 1;
        match self.waiting.take() {
            Some(address) => address,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::time::sleep;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 80)
    }

    async fn answer(after: u64, texts: &[&str]) -> Found {
        sleep(ms(after)).await;
        Ok(texts.iter().map(|text| address(text)).collect())
    }

    async fn nothing(after: u64) -> Found {
        sleep(ms(after)).await;
        Err(LookupError::NoSuchName { name: "x".to_owned() })
    }

    /// Runs a race in virtual time; `fate` says of an address when and how its attempt ends. Returns the winner and
    /// when, and when which address was tried.
    async fn race(
        v6: impl Future<Output = Found>,
        v4: impl Future<Output = Found>,
        fate: impl Fn(&str) -> (u64, bool),
    ) -> (Result<(String, u128), Failed<&'static str>>, Vec<(u128, String)>) {
        let start = Instant::now();
        let tried = RefCell::new(Vec::new());
        let connect = |address: SocketAddr| {
            let ip = address.ip().to_string();
            tried.borrow_mut().push((start.elapsed().as_millis(), ip.clone()));
            let (after, works) = fate(&ip);
            async move {
                sleep(ms(after)).await;
                if works { Ok(ip) } else { Err("refused") }
            }
        };
        let order = |all: &mut [SocketAddr]| all.sort_by_key(SocketAddr::is_ipv4);
        let contest = Contest { order, connect, config: ConnectConfig::default() };
        let winner = contest.run(v6, v4).await.map(|ip| (ip, start.elapsed().as_millis()));
        (winner, tried.into_inner())
    }

    fn as_text(tried: &[(u128, String)]) -> String {
        tried.iter().map(|(at, ip)| format!("{at} {ip}")).collect::<Vec<_>>().join(", ")
    }

    // R8305-x-a, R8305-5-a
    #[tokio::test(start_paused = true)]
    async fn the_other_family_is_tried_after_250_ms_and_may_win() {
        let (winner, tried) = race(answer(0, &["::1", "::2"]), answer(0, &["10.0.0.1"]), |ip| match ip {
            "10.0.0.1" => (30, true),
            _ => (100_000, true),
        })
        .await;
        assert_eq!(winner.unwrap(), ("10.0.0.1".to_owned(), 280));
        assert_eq!(as_text(&tried), "0 ::1, 250 10.0.0.1");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_first_to_start_may_still_win_later() {
        let (winner, tried) = race(answer(0, &["::1"]), answer(0, &["10.0.0.1"]), |ip| match ip {
            "::1" => (300, true),
            _ => (100, true),
        })
        .await;
        assert_eq!(winner.unwrap(), ("::1".to_owned(), 300));
        assert_eq!(as_text(&tried), "0 ::1, 250 10.0.0.1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_starts_the_next_attempt_at_once() {
        let (winner, tried) =
            race(answer(0, &["::1", "::2"]), answer(0, &["10.0.0.1"]), |ip| (20, ip == "::2")).await;
        assert_eq!(winner.unwrap(), ("::2".to_owned(), 60));
        assert_eq!(as_text(&tried), "0 ::1, 20 10.0.0.1, 40 ::2");
    }

    // R8305-3-a
    #[tokio::test(start_paused = true)]
    async fn an_ipv6_answer_waits_for_no_ipv4_answer_which_joins_later() {
        let (winner, tried) = race(answer(10, &["::1"]), answer(400, &["10.0.0.1"]), |ip| match ip {
            "10.0.0.1" => (30, true),
            _ => (100_000, true),
        })
        .await;
        assert_eq!(winner.unwrap(), ("10.0.0.1".to_owned(), 430));
        assert_eq!(as_text(&tried), "10 ::1, 400 10.0.0.1");
    }

    // R8305-3-b
    #[tokio::test(start_paused = true)]
    async fn an_ipv4_answer_gives_ipv6_50_ms() {
        let slow = |_: &str| (1000, true);
        let (_, tried) = race(answer(30, &["::1"]), answer(0, &["10.0.0.1"]), slow).await;
        assert_eq!(as_text(&tried), "30 ::1, 280 10.0.0.1", "it came in time");
        let (_, tried) = race(answer(90, &["::1"]), answer(0, &["10.0.0.1"]), slow).await;
        assert_eq!(as_text(&tried), "50 10.0.0.1, 300 ::1", "it came too late");
        let (_, tried) = race(nothing(20), answer(0, &["10.0.0.1"]), slow).await;
        assert_eq!(as_text(&tried), "20 10.0.0.1", "there is nothing to wait for");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_all_of_them_and_a_missing_name_as_such() {
        let (winner, _) = race(answer(0, &["::1"]), answer(0, &["10.0.0.1"]), |_| (5, false)).await;
        let Err(Failed::Attempts(attempts)) = winner else { panic!("{winner:?}") };
        assert_eq!(attempts.len(), 2);
        let (winner, tried) = race(nothing(0), nothing(7), |_| (5, true)).await;
        assert!(matches!(winner, Err(Failed::Lookup(LookupError::NoSuchName { .. }))), "{winner:?}");
        assert!(tried.is_empty());
    }

    // R8305-5-b
    #[tokio::test(start_paused = true)]
    async fn attempts_are_10_ms_apart_at_least() {
        let start = Instant::now();
        let tried = RefCell::new(Vec::new());
        let connect = |_| {
            tried.borrow_mut().push(start.elapsed().as_millis());
            async {
                sleep(ms(25)).await;
                Ok::<_, &str>(())
            }
        };
        let config = ConnectConfig { attempt_delay: Duration::ZERO, ..ConnectConfig::default() };
        let contest = Contest { order: |_: &mut [SocketAddr]| (), connect, config };
        contest.run(answer(0, &["::1", "::2", "::3", "::4"]), nothing(0)).await.unwrap();
        assert_eq!(tried.into_inner(), [0, 10, 20]);
    }

    // R8305-5-c
    #[tokio::test(start_paused = true)]
    async fn the_attempts_that_lose_are_dropped() {
        struct Attempt<'a>(&'a RefCell<Vec<String>>, String);
        impl Drop for Attempt<'_> {
            fn drop(&mut self) {
                self.0.borrow_mut().push(std::mem::take(&mut self.1));
            }
        }
        let dropped = RefCell::new(Vec::new());
        let connect = |address: SocketAddr| {
            let attempt = Attempt(&dropped, address.ip().to_string());
            async move {
                sleep(ms(if address.is_ipv4() { 30 } else { 100_000 })).await;
                Ok::<_, &str>(attempt)
            }
        };
        let contest = Contest { order: |_: &mut [SocketAddr]| (), connect, config: ConnectConfig::default() };
        let winner = contest.run(answer(0, &["::1"]), answer(0, &["10.0.0.1"])).await.unwrap();
        assert_eq!(*dropped.borrow(), ["::1"]);
        assert_eq!(winner.1, "10.0.0.1");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_16_addresses_are_tried() {
        let many: Vec<String> = (1..100).map(|last| format!("10.0.0.{last}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (winner, tried) = race(nothing(0), answer(0, &many), |_| (5, false)).await;
        assert!(matches!(winner, Err(Failed::Attempts(attempts)) if attempts.len() == 16));
        assert_eq!(tried.len(), 16);
    }
}
