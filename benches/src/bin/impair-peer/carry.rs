//! The box: packets from one TUN device go to the other over a line, in real time.
//!
//! One thread waits for either device or for the next packet that is due. Lines reckon with the times at which packets
//! should have left, so a late wake delays packets but takes no rate away; how late it was is counted.

use crate::lateness::Lateness;
use crate::watch::Watch;
use link_impair::{ImpairConfig, ImpairStatistics, Line};
use link_tun::{Tun, TunConfig};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use serde_json::{Value, json};
use stack_core::{Clock, Instant, LinkEndpoint, LinkReceive, LinkTransmit, RxBatch, RxPacket, TxBatch};
use std::error::Error;
use std::sync::Arc;
use ustack::SystemClock;

/// Packets that wait in a device for us.
const DEVICE_QUEUE: u32 = 10_000;
/// Bytes of an IPv4 header without options: what is copied of each packet, the rest goes by reference.
const HEADER: usize = 20;

/// A direction: from one device over a line to the other.
struct Way {
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    line: Line<RxPacket>,
    batch: RxBatch,
    out: TxBatch,
    watch: Watch,
    lateness: Lateness,
}

/// Makes the devices, says `ready`, and carries packets until standard input ends. Then prints what was seen.
pub(crate) fn run(names: [&str; 2], lines: [ImpairConfig; 2], seed: u64) -> Result<(), Box<dyn Error>> {
    let open = |name: &str| {
        Tun::create(TunConfig {
            tx_queue_len: DEVICE_QUEUE,
            ..TunConfig::tun().with_name(name).with_offload(false)
        })
    };
    let [near, far] = [open(names[0])?, open(names[1])?];
    let descriptors = [near.as_fd().try_clone_to_owned()?, far.as_fd().try_clone_to_owned()?];
    let ((from_near, to_near), (from_far, to_far)) = (Box::new(near).split(), Box::new(far).split());
    let [forth, back] = lines;
    let mut ways = [Way::new(from_near, to_far, forth, seed), Way::new(from_far, to_near, back, !seed)];
    println!("ready");
    let clock = SystemClock::new();
    let input = std::io::stdin();
    loop {
        let mut busy = false;
        for way in &mut ways {
            busy |= way.turn(clock.now())?;
        }
        let due = ways.iter().filter_map(|way| way.line.next_due()).min();
        if !busy && wait(&descriptors, input.as_fd(), due, clock.now())? {
            let [forth, back] = ways.each_ref().map(Way::to_json);
            println!("{}", json!({ "forth": forth, "back": back }));
            return Ok(());
        }
    }
}

impl Way {
    fn new(
        receive: Box<dyn LinkReceive>,
        transmit: Box<dyn LinkTransmit>,
        config: ImpairConfig,
        seed: u64,
    ) -> Self {
        Self {
            receive,
            transmit,
            line: Line::new(config, seed, Arc::default()),
            batch: RxBatch::new(),
            out: TxBatch::new(),
            watch: Watch::default(),
            lateness: Lateness::default(),
        }
    }

    /// Takes in what has come, lets out what is due. Returns whether anything came.
    fn turn(&mut self, now: Instant) -> Result<bool, Box<dyn Error>> {
        let came = self.receive.receive(now, &mut self.batch)?;
        for packet in self.batch.drain(..) {
            self.watch.see(&packet.data);
            // What does not come out is gone.
            let _ = self.line.send(now, packet);
        }
        while let Some(due) = self.line.next_due().filter(|due| *due <= now) {
            let Some(mut packet) = self.line.arrive(now) else { break };
            self.lateness.count(now.saturating_since(due).as_micros() as u64);
            if self.out.slot().from_rx(&mut packet, HEADER).is_none() {
                self.out.cancel();
            }
        }
        if !self.out.is_empty() {
            self.transmit.transmit(now, &mut self.out)?;
        }
        Ok(came > 0)
    }

    fn to_json(&self) -> Value {
        let ImpairStatistics { arrived, lost, overflowed, reordered, .. } = self.line.counters().statistics();
        let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| self.lateness.quantile(share));
        json!({
            "packets": arrived,
            "lost": lost,
            "overflowed": overflowed,
            "reordered": reordered,
            "late_us": { "p50": half, "p99": most, "max": worst },
            "streams": self.watch.to_json(),
        })
    }
}

/// Sleeps until a device has something or a packet is due. Returns whether the input has ended.
fn wait(
    devices: &[OwnedFd; 2],
    input: BorrowedFd<'_>,
    due: Option<Instant>,
    now: Instant,
) -> Result<bool, Errno> {
    let timeout = due.and_then(|due| Timespec::try_from(due.saturating_since(now)).ok());
    let mut waits = [
        PollFd::new(&devices[0], PollFlags::IN),
        PollFd::new(&devices[1], PollFlags::IN),
        PollFd::from_borrowed_fd(input, PollFlags::IN),
    ];
    match poll(&mut waits, timeout.as_ref()) {
        // Nobody writes to the input: what is readable is its end.
        Ok(_) => Ok(!waits[2].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}
