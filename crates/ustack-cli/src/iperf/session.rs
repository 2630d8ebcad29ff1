//! One test from parameters to results: the order of states, who sends on which stream, and the time limits of
//! everything that the client is waited for.

use super::measure::{Counters, CpuUse, Figures};
use super::protocol::{
    Parameters, Results, State, StreamResults, invalid, read_json, read_state, write_error, write_json,
    write_state,
};
use super::{tcp, udp};
use crate::net::{Network, Stream};
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Time for each step that the client takes by itself.
const STEP: Duration = Duration::from_secs(10);
/// What a client may be late with the end of its test.
const GRACE: Duration = Duration::from_secs(30);
/// Streams in each direction, as iperf3 limits them.
const MAX_STREAMS: usize = 128;
/// Largest block, as iperf3 limits it.
const MAX_BLOCK: usize = 1 << 20;
/// iperf3's number for "unable to receive parameters from client".
const BAD_PARAMETERS: i32 = 114;
/// After the client's end of the test, bytes that are under way are still counted: until none came for this long ...
const QUIET: Duration = Duration::from_millis(40);
/// ... or this has passed.
const SETTLE: Duration = Duration::from_secs(1);

/// A connection of the test and its place in the order in which they were accepted.
pub(super) type Numbered<S> = (u64, S);

/// One direction of one stream.
struct Flow {
    id: u32,
    sends: bool,
    counters: Arc<Counters>,
    /// What it had counted when the omitted seconds were over.
    base: Figures,
}

/// A running test. Dropping it ends its streams.
struct Test<'a, N> {
    network: &'a N,
    flows: Vec<Flow>,
    /// Its tasks end when this is dropped.
    alive: watch::Sender<()>,
    stop: watch::Sender<bool>,
    cpu: CpuUse,
    start: Instant,
}

/// Conducts one test over its control connection; returns a line about it.
pub(super) async fn run<N: Network, S: Stream>(
    network: &N,
    mut control: S,
    connections: mpsc::Receiver<Numbered<S>>,
    datagrams: &Arc<N::Datagrams>,
) -> io::Result<String> {
    write_state(&mut control, State::ParamExchange).await?;
    let parameters: Parameters = within(STEP, "its parameters", read_json(&mut control)).await?;
    if let Err(reason) = check(&parameters) {
        write_error(&mut control, BAD_PARAMETERS).await?;
        return Err(invalid(reason));
    }
    let mut test = Test::new(network);
    if parameters.udp {
        test.open_udp(&mut control, &parameters, datagrams).await?;
    } else {
        test.open_tcp(&mut control, &parameters, connections).await?;
    }
    let end = test.wait_for_end(&mut control, &parameters).await?;
    test.finish(&mut control, &parameters, end).await
}

fn check(parameters: &Parameters) -> Result<(), String> {
    let Parameters { udp, sctp, parallel, len, .. } = *parameters;
    let lengths = if udp { udp::HEADER_LEN..=udp::MAX_LEN } else { 1..=MAX_BLOCK };
    match () {
        () if sctp => Err("the client wants SCTP, which is not offered".to_owned()),
        () if !(1..=MAX_STREAMS).contains(&parallel) => {
            Err(format!("the client wants {parallel} streams; 1 to {MAX_STREAMS} are offered"))
        }
        () if !lengths.contains(&len) => Err(format!(
            "the client wants blocks of {len} bytes; {} to {} are offered",
            lengths.start(),
            lengths.end()
        )),
        () => Ok(()),
    }
}

impl<'a, N: Network> Test<'a, N> {
    fn new(network: &'a N) -> Self {
        let (alive, stop) = (watch::Sender::new(()), watch::Sender::new(false));
        Self { network, flows: Vec::new(), alive, stop, cpu: CpuUse::new(), start: Instant::now() }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut alive = self.alive.subscribe();
        self.network.spawn(async move {
            tokio::select! {
                // Nothing is ever sent: this is the end of the test.
                _ = alive.changed() => {}
                () = task => {}
            }
        });
    }

    async fn open_tcp<S: Stream>(
        &mut self,
        control: &mut S,
        parameters: &Parameters,
        mut connections: mpsc::Receiver<Numbered<S>>,
    ) -> io::Result<()> {
        write_state(control, State::CreateStreams).await?;
        let roles = roles(parameters);
        let mut streams = Vec::with_capacity(roles.len());
        while streams.len() < roles.len() {
            let next = within(STEP, "all its connections", async { Ok(connections.recv().await) }).await?;
            streams.push(next.ok_or_else(|| invalid("the server is ending".to_owned()))?);
        }
        // The roles follow the order of the connects, whichever cookie came first.
        streams.sort_by_key(|(number, _)| *number);
        self.begin(control).await?;
        let block = Bytes::from(vec![b'u'; parameters.len]);
        for ((_, stream), sends) in streams.into_iter().zip(roles) {
            stream.set_nodelay(parameters.nodelay)?;
            let counters = self.add_flow(sends, Arc::default());
            if sends {
                let stop = self.stop.subscribe();
                self.spawn(tcp::send(stream, block.clone(), parameters.bandwidth, counters, stop));
            } else {
                self.spawn(tcp::receive(stream, counters));
            }
        }
        Ok(())
    }

    async fn open_udp<S: Stream>(
        &mut self,
        control: &mut S,
        parameters: &Parameters,
        socket: &Arc<N::Datagrams>,
    ) -> io::Result<()> {
        let roles = roles(parameters);
        let wide = parameters.udp_counters_64bit;
        let (sender, mut opened) = mpsc::channel(roles.len());
        self.spawn(udp::receive(Arc::clone(socket), roles.len(), wide, sender));
        write_state(control, State::CreateStreams).await?;
        let mut peers: Vec<(bool, SocketAddr, Arc<Counters>)> = Vec::new();
        for sends in roles {
            let next = within(STEP, "all its UDP streams", async { Ok(opened.recv().await) }).await?;
            let udp::Opened { peer, counters } =
                next.ok_or_else(|| invalid("the UDP socket is gone".to_owned()))?;
            peers.push((sends, peer, self.add_flow(sends, counters)));
        }
        self.begin(control).await?;
        let Parameters { len, bandwidth, .. } = *parameters;
        for (_, peer, counters) in peers.into_iter().filter(|(sends, ..)| *sends) {
            let sending = udp::send(Arc::clone(socket), peer, len, wide, bandwidth, counters);
            let mut stop = self.stop.subscribe();
            self.spawn(async move {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => {}
                    () = sending => {}
                }
            });
        }
        Ok(())
    }

    fn add_flow(&mut self, sends: bool, counters: Arc<Counters>) -> Arc<Counters> {
        // iperf3 numbers its streams 1, 3, 4, 5 ...
        let id = if self.flows.is_empty() { 1 } else { self.flows.len() as u32 + 2 };
        self.flows.push(Flow { id, sends, counters: Arc::clone(&counters), base: Figures::default() });
        counters
    }

    async fn begin<S: Stream>(&mut self, control: &mut S) -> io::Result<()> {
        write_state(control, State::TestStart).await?;
        write_state(control, State::TestRunning).await?;
        (self.start, self.cpu) = (Instant::now(), CpuUse::new());
        Ok(())
    }

    /// Waits until the client says that the test is over; returns how long the counted part lasted.
    async fn wait_for_end<S: Stream>(
        &mut self,
        control: &mut S,
        parameters: &Parameters,
    ) -> io::Result<Duration> {
        let omit = Duration::from_secs(parameters.omit);
        let limit = match parameters.time {
            0 => Duration::MAX,
            seconds => Duration::from_secs(seconds).saturating_add(omit).saturating_add(GRACE),
        };
        let mut omitted = omit.is_zero();
        let state = within(limit, "the end of the test", async {
            let mut end = std::pin::pin!(read_state(control));
            loop {
                tokio::select! {
                    state = &mut end => return state,
                    () = sleep(omit), if !omitted => {
                        omitted = true;
                        self.flows.iter_mut().for_each(|flow| flow.base = flow.counters.figures());
                        self.start = Instant::now();
                    }
                }
            }
        });
        match state.await? {
            Some(State::TestEnd) => Ok(self.start.elapsed()),
            Some(State::ClientTerminate) => Err(invalid("the client was interrupted".to_owned())),
            None => Err(invalid("the client closed its control connection".to_owned())),
            Some(other) => Err(invalid(format!("the client sent {other:?} in the middle of the test"))),
        }
    }

    async fn finish<S: Stream>(
        &mut self,
        control: &mut S,
        parameters: &Parameters,
        lasted: Duration,
    ) -> io::Result<String> {
        let (user, system) = self.cpu.percent();
        let _ = self.stop.send(true);
        self.settle().await;
        write_state(control, State::ExchangeResults).await?;
        let _theirs: serde_json::Value = within(STEP, "its results", read_json(control)).await?;
        let summary = self.summary(parameters, lasted);
        let any_sender = self.flows.iter().any(|flow| flow.sends);
        let counts = self.flows.iter().any(|flow| flow.counters.figures().retransmits.is_some());
        let results = Results {
            cpu_util_total: user + system,
            cpu_util_user: user,
            cpu_util_system: system,
            sender_has_retransmits: if any_sender { i64::from(counts) } else { -1 },
            server_output_text: parameters.get_server_output.then(|| summary.clone() + "\n"),
            streams: self.flows.iter().map(|flow| flow.results(lasted)).collect(),
        };
        write_json(control, &results).await?;
        write_state(control, State::DisplayResults).await?;
        // A client that just closes has all that it wants, too.
        let _ = timeout(STEP, read_state(control)).await;
        Ok(summary)
    }

    /// Lets what is under way arrive, and senders note their last figures.
    async fn settle(&self) {
        let received = || -> u64 {
            self.flows.iter().filter(|flow| !flow.sends).map(|flow| flow.counters.figures().bytes).sum()
        };
        let (deadline, mut before) = (Instant::now() + SETTLE, received());
        loop {
            sleep(QUIET).await;
            let now = received();
            if now == before || Instant::now() >= deadline {
                return;
            }
            before = now;
        }
    }

    fn summary(&self, parameters: &Parameters, lasted: Duration) -> String {
        let protocol = if parameters.udp { "UDP" } else { "TCP" };
        let part = |sends: bool, verb: &str| {
            let flows: Vec<_> = self.flows.iter().filter(|flow| flow.sends == sends).collect();
            let bytes: u64 = flows.iter().map(|flow| flow.counted().bytes).sum();
            let rate = bytes as f64 * 8e-6 / lasted.as_secs_f64().max(1e-6);
            let plural = if flows.len() == 1 { "stream" } else { "streams" };
            (!flows.is_empty())
                .then(|| format!("{verb} {bytes} bytes ({rate:.1} Mbit/s) on {} {plural}", flows.len()))
        };
        let parts: Vec<_> = [part(false, "received"), part(true, "sent")].into_iter().flatten().collect();
        format!("{protocol} test of {:.2} s: {}", lasted.as_secs_f64(), parts.join(", "))
    }
}

impl Flow {
    fn counted(&self) -> Figures {
        self.counters.figures().since(self.base)
    }

    fn results(&self, lasted: Duration) -> StreamResults {
        let counted = self.counted();
        let retransmits = counted.retransmits.filter(|_| self.sends);
        StreamResults {
            id: self.id,
            bytes: counted.bytes,
            retransmits: retransmits.and_then(|count| i64::try_from(count).ok()).unwrap_or(-1),
            jitter: counted.jitter.as_secs_f64(),
            errors: counted.lost,
            omitted_errors: self.base.lost,
            packets: counted.packets,
            omitted_packets: self.base.packets,
            start_time: 0.0,
            end_time: lasted.as_secs_f64(),
        }
    }
}

/// Who sends, in the order of the connects: first the streams on which the client sends, then the others.
fn roles(parameters: &Parameters) -> Vec<bool> {
    let Parameters { parallel, reverse, bidirectional, .. } = *parameters;
    let both = [vec![false; parallel], vec![true; parallel]].concat();
    if bidirectional { both } else { vec![reverse; parallel] }
}

/// Waits no longer than `limit` for what the client has to do.
async fn within<T>(
    limit: Duration,
    what: &str,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout(limit, future).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the client did not send {what} within {} s", limit.as_secs()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_the_order_of_connects() {
        let parameters = Parameters { parallel: 2, ..Parameters::default() };
        assert_eq!(roles(&parameters), [false, false]);
        assert_eq!(roles(&Parameters { reverse: true, ..parameters.clone() }), [true, true]);
        assert_eq!(roles(&Parameters { bidirectional: true, ..parameters }), [false, false, true, true]);
    }

    #[test]
    fn wishes_beyond_the_limits_are_refused() {
        let good = Parameters::default();
        assert_eq!(check(&good), Ok(()));
        for bad in [
            Parameters { parallel: 0, ..good.clone() },
            Parameters { parallel: 129, ..good.clone() },
            Parameters { len: 0, ..good.clone() },
            Parameters { len: (1 << 20) + 1, ..good.clone() },
            Parameters { udp: true, len: 15, ..good.clone() },
            Parameters { udp: true, len: 65_508, ..good.clone() },
            Parameters { sctp: true, ..good },
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }
}
