//! BBR on simulated paths: the cases of the draft's appendix A, and what they should come to.

use super::*;
use crate::congestion::rate_sample::Snapshot;
use crate::congestion::scenarios::link::{MSS, Path, Simulation, jain, mbit};
use alloc::vec::Vec;
use stack_wire::seq::SeqNum;

const SECOND: Duration = Duration::from_secs(1);
const RTT: Duration = Duration::from_millis(50);

fn flow(path: Path) -> Simulation<Bbr> {
    Simulation::new(path, [(0, Bbr::new(7))])
}

/// Runs and returns the states that the flow was in.
fn walk(sim: &mut Simulation<Bbr>, time: Duration) -> Vec<State> {
    let mut states = Vec::new();
    sim.run(time, |sim| {
        let state = sim.flows[0].algorithm.state;
        if states.last() != Some(&state) {
            states.push(state);
        }
    });
    states
}

/// Runs until the flow is in a state, or for a time.
fn run_to(sim: &mut Simulation<Bbr>, state: State, time: Duration) {
    let end = sim.now + time;
    while sim.flows[0].algorithm.state != state {
        assert!(sim.now < end, "no {state:?}, but {:?}", sim.flows[0].algorithm.state);
        sim.run(Duration::from_millis(1), |_| {});
    }
}

use Cycle::{Cruise, Down, Refill, Up};
use State::{Drain, ProbeBw, Startup};

/// A.1, A.3, A.5, A.8, A.10.
#[test]
fn a_life_in_a_path_of_its_own() {
    let mut sim = flow(Path::new(mbit(100), RTT));
    // ProbeBW begins with Down, which ends with the same ACK: Drain has left nothing to drain.
    assert_eq!(walk(&mut sim, SECOND), [Startup, Drain, ProbeBw(Cruise)]);
    let bw = sim.flows[0].algorithm.model.max_bw();
    assert!(bw.abs_diff(mbit(100)) < mbit(2), "{bw}");
    assert!(sim.flows[0].algorithm.full.reached);
    let queue = sim.path.queue(sim.now);
    assert!(queue < sim.path.buffer / 20, "{queue} bytes queued while cruising");
    let states = walk(&mut sim, Duration::from_millis(4_500));
    assert_eq!(
        states,
        [
            ProbeBw(Cruise),
            ProbeBw(Refill),
            ProbeBw(Up),
            ProbeBw(Down),
            ProbeBw(Cruise),
            State::ProbeRtt,
            ProbeBw(Cruise)
        ]
    );
    let goodput = sim.goodput(5 * SECOND)[0];
    assert!(goodput > 95.0, "{goodput}");
}

/// A.4
#[test]
fn drain_ends_after_three_rounds_at_the_latest() {
    let mut sim = flow(Path::new(mbit(20), RTT));
    run_to(&mut sim, Drain, 3 * SECOND);
    let bbr = &mut sim.flows[0].algorithm;
    let ack = AckSample { flight: u32::MAX, ..AckSample::of(sim.now, MSS) };
    for _ in 0..3 {
        bbr.model.round_count += 1;
        bbr.check_drain_done(&ack);
        assert_eq!(bbr.state, Drain);
    }
    bbr.model.round_count += 1;
    bbr.check_drain_done(&ack);
    assert_eq!(bbr.state, ProbeBw(Down));
}

#[test]
fn random_losses_of_one_and_three_percent() {
    for (loss, megabits) in [(10_000, 80.0), (30_000, 40.0)] {
        for seed in 1..=4 {
            let mut path = Path::seeded(mbit(100), RTT, seed);
            path.loss = loss;
            let mut sim = flow(path);
            let goodput = sim.goodput(30 * SECOND)[0];
            assert!(goodput > megabits, "{goodput} Mbit/s with {loss} ppm lost, seed {seed}");
            assert_eq!(sim.flows[0].timeouts, 0);
        }
    }
}

/// A.15
#[test]
fn ten_times_the_bandwidth_is_found_within_a_few_probes() {
    let mut sim = flow(Path::new(mbit(10), RTT));
    sim.run(4 * SECOND, |_| {});
    let now = sim.now;
    sim.path.set_rate(now, mbit(100));
    sim.path.buffer *= 10;
    sim.run(11 * SECOND, |_| {});
    let goodput = sim.goodput(3 * SECOND)[0];
    assert!(goodput > 90.0, "{goodput}");
}

/// A.16
#[test]
fn a_tenth_of_the_bandwidth_is_believed_after_two_cycles() {
    let mut sim = flow(Path::new(mbit(100), RTT));
    sim.run(4 * SECOND, |_| {});
    let (now, buffer) = (sim.now, sim.path.buffer);
    sim.path.set_rate(now, mbit(10));
    sim.path.buffer = buffer / 5;
    sim.run(SECOND, |_| {});
    let shortterm = sim.flows[0].algorithm.model.bw_shortterm;
    assert!(shortterm < mbit(40), "the losses bound it at once: {shortterm}");
    sim.run(9 * SECOND, |_| {});
    let (goodput, model) = (sim.goodput(5 * SECOND)[0], sim.flows[0].algorithm.model);
    assert!(goodput > 8.5, "{goodput}");
    assert!(model.max_bw() < mbit(11), "{}", model.max_bw());
}

#[test]
fn two_flows_share_a_path() {
    for buffer_percent in [30, 100, 200] {
        let mut path = Path::new(mbit(100), RTT);
        path.buffer = path.buffer * buffer_percent / 100;
        let mut sim = Simulation::new(path, [(0, Bbr::new(7)), (700, Bbr::new(9))]);
        sim.run(60 * SECOND, |_| {});
        let shares = sim.goodput(30 * SECOND);
        assert!(jain(&shares) > 0.95, "{shares:?} with {buffer_percent} % of buffer");
        assert!(shares.iter().sum::<f64>() > 90.0, "{shares:?} with {buffer_percent} % of buffer");
    }
}

/// A.7, A.20: an application that sends little never fills the pipe.
#[test]
fn a_flow_that_is_limited_by_its_application_stays_in_startup() {
    let mut sim = flow(Path::new(mbit(100), RTT));
    sim.flows[0].application = Some(400);
    let states = walk(&mut sim, 12 * SECOND);
    assert_eq!(states, [Startup, State::ProbeRtt, Startup, State::ProbeRtt, Startup]);
    assert_eq!(sim.flows[0].lost, 0);
}

/// A.11
#[test]
fn a_pause_is_as_good_as_a_probe_of_the_round_trip() {
    let mut sim = flow(Path::new(mbit(100), RTT));
    sim.run(SECOND, |_| {});
    sim.flows[0].application = Some(0);
    sim.run(6 * SECOND, |_| {});
    assert_eq!((sim.flows[0].flight, sim.flows[0].algorithm.state), (0, ProbeBw(Cruise)));
    let window = sim.flows[0].window.cwnd;
    sim.flows[0].application = None;
    let states = walk(&mut sim, 2 * SECOND);
    assert!(!states.contains(&State::ProbeRtt), "{states:?}");
    assert!(sim.flows[0].window.cwnd >= window / 2, "and the window is still there");
}

/// A.12, A.13
#[test]
fn acks_in_lumps_widen_the_window() {
    let mut path = Path::new(mbit(50), RTT);
    path.ack_lumps = Duration::from_millis(20);
    let mut sim = flow(path);
    sim.run(2 * SECOND, |_| {});
    let flow = &sim.flows[0];
    let lump = mbit(50) as u32 / 50;
    assert!(
        flow.algorithm.aggregation.extra_acked() > lump / 2,
        "{}",
        flow.algorithm.aggregation.extra_acked()
    );
    assert!(flow.window.cwnd > 2 * flow.algorithm.bdp(100));
    let goodput = sim.goodput(8 * SECOND)[0];
    assert!(goodput > 44.0, "{goodput}");
}

/// A.14
#[test]
fn a_path_that_holds_no_segment_has_four_in_flight() {
    let mut sim = flow(Path::new(64_000 / 8, Duration::from_millis(10)));
    sim.path.buffer = 20 * u64::from(MSS);
    sim.run(30 * SECOND, |_| {});
    assert!(sim.flows[0].window.cwnd >= 4 * MSS && sim.flows[0].timeouts == 0);
    let goodput = sim.goodput(10 * SECOND)[0];
    assert!(goodput > 0.06, "{goodput}");
}

/// A.17: no queue to speak of, what comes too fast is dropped.
#[test]
fn a_policer_is_obeyed() {
    let mut path = Path::new(mbit(20), RTT);
    path.buffer = 10 * u64::from(MSS);
    let mut sim = flow(path);
    sim.run(5 * SECOND, |_| {});
    let lost = sim.flows[0].lost;
    let goodput = sim.goodput(15 * SECOND)[0];
    let lost = (sim.flows[0].lost - lost) as f64 * 8.0 / 15e6;
    assert!(goodput > 15.0 && lost < goodput / 50.0, "{goodput}, {lost} lost");
}

fn lost(now: Instant, seq: u32, flow: &Bbr, tx_in_flight: u32, total_lost: u32) -> LossSample {
    let sent = Snapshot { tx_in_flight, delivered: flow.model.delivered, ..Snapshot::default() };
    LossSample {
        now,
        seq: SeqNum(seq),
        bytes: MSS,
        mss: MSS,
        sent,
        total_lost,
        total_delivered: flow.model.delivered,
        has_sack: true,
    }
}

/// A.18, A.21: more than two percent lost in Up, and then it turns out that nothing was.
#[test]
fn a_probe_that_loses_too_much_ends_and_goes_on_if_it_did_not() {
    let mut sim = flow(Path::new(mbit(20), RTT));
    run_to(&mut sim, ProbeBw(Up), 5 * SECOND);
    let (now, flow) = (sim.now, &mut sim.flows[0]);
    let (bbr, mut window) = (&mut flow.algorithm, flow.window);
    let in_flight = 100 * MSS;
    bbr.on_lost(&window, &lost(now, 0, bbr, in_flight, 2 * MSS));
    assert_eq!(
        (bbr.state, bbr.model.inflight_longterm),
        (ProbeBw(Up), UNBOUNDED),
        "two of a hundred are tolerated"
    );
    bbr.on_lost(&window, &lost(now, MSS, bbr, in_flight, 3 * MSS));
    assert_eq!(bbr.state, ProbeBw(Down));
    assert!(bbr.probe_bw.prev_too_high);
    // 99 segments before it, two of them lost: −0.02 / 0.98 of a segment more would have been two percent.
    assert_eq!(bbr.model.inflight_longterm, 99 * MSS - 29);
    bbr.on_lost(&window, &lost(now, 9 * MSS, bbr, in_flight / 2, 9 * MSS));
    assert_eq!(bbr.model.inflight_longterm, 99 * MSS - 29, "one answer to a probe");
    bbr.ssthresh(&window, in_flight, MSS);
    let before = window.cwnd;
    bbr.on_timeout(&mut window, in_flight, MSS);
    assert_eq!(window.cwnd, MSS);
    bbr.on_spurious(&mut window);
    assert_eq!((bbr.state, bbr.model.inflight_longterm, window.cwnd), (ProbeBw(Refill), UNBOUNDED, before));
}

/// A.2; but not while the rate grows.
#[test]
fn six_losses_in_a_round_of_recovery_end_startup() {
    for (ranges, is_app_limited, ends) in [(6, true, true), (5, true, false), (6, false, false)] {
        let (mut bbr, mut window) = (Bbr::new(1), Window::new(100 * MSS));
        let mut rate = RateSample {
            delivered: 200_000,
            prior_delivered: 50_000,
            interval: RTT,
            tx_in_flight: 100 * MSS,
            lost: 0,
            is_app_limited,
        };
        let ack = |now, phase, rate| AckSample {
            phase,
            mss: MSS,
            rate: Some(rate),
            rtt: Some(RTT),
            ..AckSample::of(now, MSS)
        };
        bbr.on_ack(&mut window, &ack(Instant::from_secs(1), Phase::Open, rate));
        for i in 0..ranges {
            bbr.on_lost(&window, &lost(Instant::from_secs(1), i * 2 * MSS, &bbr, 100 * MSS, (i + 1) * MSS));
        }
        bbr.ssthresh(&window, 100 * MSS, MSS);
        rate.lost = ranges * MSS;
        bbr.on_ack(&mut window, &ack(Instant::from_secs(2), Phase::Recovery, rate));
        assert_eq!(bbr.state, Startup, "the round is not over");
        (rate.delivered, rate.prior_delivered) = (400_000, 200_000);
        bbr.on_ack(&mut window, &ack(Instant::from_secs(3), Phase::Recovery, rate));
        assert_eq!(
            (bbr.state == Startup, bbr.full.reached),
            (!ends, ends),
            "{ranges} ranges, {is_app_limited}"
        );
        if ends {
            bbr.on_spurious(&mut window);
            assert_eq!((bbr.state, bbr.model.inflight_longterm), (Startup, UNBOUNDED));
        }
    }
}

#[test]
fn what_is_measured_while_the_flow_holds_back_lowers_no_bound() {
    let mut model = Model::default();
    model.delivered = 1000;
    let sample = |prior_delivered| Sample {
        delivery_rate: 1,
        delivered: 1,
        prior_delivered,
        tx_in_flight: 1,
        lost: 0,
        is_app_limited: false,
        has_sack: true,
    };
    assert!(model.is_at_full_rate(&sample(0)));
    model.end_holding_back();
    // What was sent before the end, what was sent in the round after it, and what was sent after that.
    for (prior, delivered, counts) in
        [(900, 1500, false), (1000, 2000, false), (1999, 2500, false), (2000, 3000, true)]
    {
        model.delivered = delivered;
        model.update_latest_delivery_signals(&sample(prior));
        assert_eq!(model.is_at_full_rate(&sample(prior)), counts, "{prior}");
    }
}

#[test]
fn a_round_with_losses_lowers_the_bounds_by_what_was_lost() {
    let mut model = Model::default();
    let mut round = |delivery_rate, delivered: u32| {
        let rs = Sample {
            delivery_rate,
            delivered,
            prior_delivered: u64::MAX,
            tx_in_flight: 0,
            lost: 1,
            is_app_limited: false,
            has_sack: true,
        };
        model.reset_congestion_signals();
        model.update_max_bw(&rs);
        model.update_latest_delivery_signals(&rs);
        model.adapt_lower_bounds(100_000);
        (model.bw_shortterm, model.inflight_shortterm)
    };
    assert_eq!(round(100_000, 100_000), (100_000, 100_000), "never upwards");
    // A percent lost, and sent a percent more slowly.
    assert_eq!(round(98_010, 98_010), (99_000, 99_000));
    assert_eq!(round(10, 10), (69_300, 69_300), "and no faster than CUBIC");
}

#[test]
fn ranges_that_touch_are_one_loss() {
    let mut full = FullPipe::default();
    let bbr = Bbr::new(1);
    for seq in [0, MSS, 2 * MSS, 9 * MSS] {
        full.note_loss(&lost(Instant::ZERO, seq, &bbr, 0, 0));
    }
    assert_eq!(full.losses_in_round, 2);
}

#[test]
fn marks_of_routers_end_startup_and_probes() {
    let mut sim = flow(Path::new(mbit(20), RTT));
    sim.run(Duration::from_millis(150), |_| {});
    let window = sim.flows[0].window;
    assert_eq!(sim.flows[0].algorithm.state, Startup);
    sim.flows[0].algorithm.on_congestion_experienced(&window, 20 * MSS, MSS);
    run_to(&mut sim, ProbeBw(Up), 5 * SECOND);
    let flow = &mut sim.flows[0];
    let (bbr, window) = (&mut flow.algorithm, flow.window);
    bbr.on_congestion_experienced(&window, 80 * MSS, MSS);
    assert_eq!((bbr.state, bbr.model.inflight_longterm), (ProbeBw(Down), 80 * MSS));
}

#[test]
fn waits_between_probes_are_drawn_from_two_to_three_seconds() {
    let mut bbr = Bbr::new(3);
    let waits: Vec<f64> = (0..100)
        .map(|_| {
            bbr.start_probe_bw_down();
            bbr.probe_bw.wait.as_secs_f64()
        })
        .collect();
    assert!(waits.iter().all(|wait| (2.0..3.0).contains(wait)));
    assert!(waits.iter().any(|wait| *wait < 2.1) && waits.iter().any(|wait| *wait > 2.9));
}

#[test]
fn rates_of_100_gbit_and_windows_of_4_gib_do_not_overflow() {
    let (mut bbr, mut window) = (Bbr::new(1), Window::new(u32::MAX - 100));
    for i in 1..200u64 {
        let delivered = i * u64::from(u32::MAX);
        let rate = RateSample {
            delivered,
            prior_delivered: delivered - u64::from(u32::MAX),
            interval: Duration::from_nanos(300_000_000 >> (i % 30)),
            tx_in_flight: u32::MAX,
            lost: if i % 7 == 0 { u32::MAX } else { 0 },
            is_app_limited: false,
        };
        let now = Instant::from_millis(300 * i);
        let ack = AckSample {
            mss: 65_535,
            rtt: Some(Duration::from_millis(300)),
            rate: Some(rate),
            prior_flight: u32::MAX,
            flight: u32::MAX,
            ..AckSample::of(now, u32::MAX)
        };
        bbr.on_lost(&window, &lost(now, 0, &bbr, u32::MAX, u32::MAX));
        bbr.on_ack(&mut window, &ack);
        assert!(window.cwnd >= 4 * 65_535 && bbr.pacing_rate(&window, None, 1460).unwrap() > 0);
    }
}
