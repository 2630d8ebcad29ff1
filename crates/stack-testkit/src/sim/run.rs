//! How time goes on: from one deadline to the next, lines before hosts, hosts before samples.

use crate::sim::agenda::Agenda;
use crate::sim::flow::block;
use crate::sim::observer::{Direction, FlowSample, Observer, Sample};
use crate::sim::pair::Pair;
use crate::sim::report::Report;
use crate::sim::topology::Lines;
use crate::sim::{SimConfig, SimError};
use crate::source::SeededRng;
use bytes::Bytes;
use link_impair::Carried;
use stack_core::{Instant, TxPacket};

/// Turns that one instant may take.
const MAX_TURNS: u32 = 1_000_000;

/// Runs a simulation to its end.
///
/// # Errors
/// The configuration makes no sense, or the stack has a defect; see [`SimError`].
pub fn run(config: &SimConfig, observer: &mut dyn Observer) -> Result<Report, SimError> {
    config.check()?;
    let mut simulation = Simulation::new(config, observer)?;
    simulation.run()?;
    Ok(simulation.report())
}

/// A packet on its way.
#[derive(Clone)]
pub(super) struct Carriage {
    packet: Box<TxPacket>,
    flow: usize,
    direction: Direction,
    /// Lines that it has crossed.
    crossed: usize,
}

impl Carried for Carriage {
    fn wire_len(&self) -> usize {
        self.packet.len()
    }

    fn flip(&mut self, bit: u64) {
        self.packet.flip(bit);
    }

    fn mark(&mut self) -> bool {
        self.packet.mark()
    }
}

/// Who acts, by number on the agenda: first lines, then senders, then receivers, then the sampler.
enum Actor {
    Line(usize),
    Sender(usize),
    Receiver(usize),
    Sampler,
}

/// A simulation under way.
pub(super) struct Simulation<'a> {
    pub(super) config: &'a SimConfig,
    observer: &'a mut dyn Observer,
    agenda: Agenda,
    pub(super) lines: Lines<Carriage>,
    /// Bytes that came out of each line, and the most that waited for it.
    pub(super) carried: Vec<(u64, usize)>,
    pub(super) flows: Vec<Pair>,
    block: Bytes,
    /// Bytes that each flow had delivered at each sample.
    pub(super) delivered: Vec<Vec<u64>>,
    /// Bytes in each queue, the samples added up.
    pub(super) queued: Vec<u64>,
}

impl<'a> Simulation<'a> {
    fn new(config: &'a SimConfig, observer: &'a mut dyn Observer) -> Result<Self, SimError> {
        let mut rng = SeededRng::new(config.seed);
        let lines = Lines::new(config, &mut rng);
        let count = config.flows.len();
        let flows = (0..count).map(|number| Pair::new(config, number, &mut rng));
        let flows = flows.collect::<Result<Vec<_>, _>>()?;
        let mut this = Self {
            config,
            observer,
            agenda: Agenda::new(lines.lines.len() + 2 * count + 1),
            carried: vec![(0, 0); lines.lines.len()],
            queued: vec![0; lines.bottlenecks.len()],
            lines,
            flows,
            block: block(),
            delivered: Vec::new(),
        };
        for (number, flow) in config.flows.iter().enumerate() {
            this.agenda.set(this.number(&Actor::Sender(number)), Some(Instant::ZERO + flow.start));
        }
        this.agenda.set(this.number(&Actor::Sampler), Some(Instant::ZERO));
        Ok(this)
    }

    fn number(&self, actor: &Actor) -> usize {
        let (lines, flows) = (self.lines.lines.len(), self.flows.len());
        match actor {
            Actor::Line(line) => *line,
            Actor::Sender(flow) => lines + flow,
            Actor::Receiver(flow) => lines + flows + flow,
            Actor::Sampler => lines + 2 * flows,
        }
    }

    fn actor(&self, number: usize) -> Actor {
        let (lines, flows) = (self.lines.lines.len(), self.flows.len());
        match number.checked_sub(lines) {
            None => Actor::Line(number),
            Some(host) if host < flows => Actor::Sender(host),
            Some(host) if host < 2 * flows => Actor::Receiver(host - flows),
            Some(_) => Actor::Sampler,
        }
    }

    fn run(&mut self) -> Result<(), SimError> {
        let end = Instant::ZERO + self.config.duration;
        let (mut last, mut turns) = (Instant::ZERO, 0);
        while let Some((now, number)) = self.agenda.pop().filter(|(at, _)| *at <= end) {
            turns = if now == last { turns + 1 } else { 0 };
            if turns > MAX_TURNS {
                return Err(SimError::Spinning(now));
            }
            last = now;
            match self.actor(number) {
                Actor::Line(line) => self.deliver(now, line),
                Actor::Sender(flow) => self.send(now, flow)?,
                Actor::Receiver(flow) => self.receive(now, flow)?,
                Actor::Sampler => self.sample(now),
            }
        }
        Ok(())
    }

    /// Hands on what has come off a line: to the next one, or to its host.
    fn deliver(&mut self, now: Instant, line: usize) {
        while let Some(mut carriage) = self.lines.lines[line].arrive(now) {
            self.carried[line].0 += carriage.wire_len() as u64;
            carriage.crossed += 1;
            if let Some(returned) = self.carry(now, carriage) {
                self.arrive(now, returned);
            }
        }
        self.agenda.set(line, self.lines.lines[line].next_due());
    }

    /// Puts a packet on the next line of its way; gives it back if it has come to the end. A line may lose it.
    fn carry(&mut self, now: Instant, carriage: Carriage) -> Option<Carriage> {
        let route = &self.lines.routes[carriage.flow];
        let way = if carriage.direction == Direction::Out { &route.data } else { &route.acknowledgements };
        let Some(&next) = way.get(carriage.crossed) else { return Some(carriage) };
        let line = &mut self.lines.lines[next];
        // What does not come out is gone.
        let _ = line.send(now, carriage);
        let most = &mut self.carried[next].1;
        *most = line.queued_bytes(now).max(*most);
        self.agenda.set(next, line.next_due());
        None
    }

    fn arrive(&mut self, now: Instant, carriage: Carriage) {
        let Carriage { packet, flow: number, direction, .. } = carriage;
        let flow = &mut self.flows[number];
        let actor = match direction {
            Direction::Out => {
                flow.receiver.deliver(now, packet);
                Actor::Receiver(number)
            }
            Direction::In => {
                if self.observer.wants_packets() {
                    self.observer.packet(now, number, direction, &packet);
                }
                flow.sender.deliver(now, packet);
                Actor::Sender(number)
            }
        };
        self.agenda.set(self.number(&actor), Some(now));
    }

    fn send(&mut self, now: Instant, number: usize) -> Result<(), SimError> {
        let flow = &mut self.flows[number];
        if flow.writer.is_idle() {
            flow.writer.start(&mut flow.sender, now)?;
        }
        flow.sender.receive(now);
        flow.writer.turn(&mut flow.sender, now, &self.block);
        let mut out = Vec::new();
        flow.sender.transmit(now, |packet| {
            flow.on_wire.see(packet.header(), packet.len());
            out.push(packet);
            None
        });
        for (at, event) in flow.take_events() {
            self.observer.event(at, number, &event);
        }
        self.agenda.set(self.number(&Actor::Sender(number)), self.flows[number].sender.next_deadline());
        for packet in out {
            if self.observer.wants_packets() {
                self.observer.packet(now, number, Direction::Out, &packet);
            }
            self.launch(now, number, Direction::Out, packet);
        }
        Ok(())
    }

    fn receive(&mut self, now: Instant, number: usize) -> Result<(), SimError> {
        let flow = &mut self.flows[number];
        flow.receiver.receive(now);
        let wrong = |position| SimError::WrongByte { flow: number, position };
        flow.reader.turn(&mut flow.receiver, now, &self.block).map_err(wrong)?;
        let mut out = Vec::new();
        flow.receiver.transmit(now, |packet| {
            out.push(packet);
            None
        });
        self.agenda.set(self.number(&Actor::Receiver(number)), self.flows[number].receiver.next_deadline());
        out.into_iter().for_each(|packet| self.launch(now, number, Direction::In, packet));
        Ok(())
    }

    fn launch(&mut self, now: Instant, flow: usize, direction: Direction, packet: Box<TxPacket>) {
        // Every way has a line at least.
        let _ = self.carry(now, Carriage { packet, flow, direction, crossed: 0 });
    }

    fn sample(&mut self, now: Instant) {
        let flows: Vec<FlowSample> = self.flows.iter().map(Pair::sample).collect();
        let lines = &mut self.lines;
        let queues: Vec<usize> =
            lines.bottlenecks.iter().map(|&line| lines.lines[line].queued_bytes(now)).collect();
        self.queued.iter_mut().zip(&queues).for_each(|(sum, now)| *sum += *now as u64);
        self.delivered.push(flows.iter().map(|flow| flow.delivered).collect());
        self.observer.sample(&Sample { at: now, flows: &flows, queues: &queues });
        self.agenda.set(self.number(&Actor::Sampler), Some(now + self.config.sample_every));
    }
}
