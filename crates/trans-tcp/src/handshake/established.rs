//! The end of a passive open: the record of a peer becomes a connection.

use crate::connection::Connection;
use crate::env::Env;
use crate::recovery::Recovery;
use crate::sender::Sender;
use crate::settings::Settings;
use crate::state::State;
use crate::syn_queue::HalfOpen;
use crate::timestamps::Timestamps;
use alloc::sync::Arc;
use stack_core::Instant;

impl Connection {
    /// A record whose handshake is about to be completed, as a connection in SYN-RECEIVED.
    pub(crate) fn from_half_open(env: &mut Env<'_, '_>, record: &HalfOpen, settings: Arc<Settings>) -> Self {
        let mut connection = Self::new(env, record.tuple, record.nic, settings);
        let offset = env.shared.secrets(env.cx).timestamp_offset(&record.tuple);
        connection.state = State::SynReceived;
        connection.registered = true;
        connection.snd = Sender::new(record.iss);
        connection.snd.nxt = record.iss + 1;
        connection.recovery = Recovery::new(record.iss);
        connection.peer_mss = record.peer_mss;
        connection.sack = record.sack;
        connection.scaling = record.shift.is_some();
        connection.snd.scale = record.shift.unwrap_or(0);
        if !connection.scaling {
            connection.rcv.scale = 0;
        }
        connection.rcv.opened(record.irs, u32::from(record.window));
        connection.ts = Timestamps::new(record.ts_recent.is_some(), offset);
        connection.ts.start(record.ts_recent.unwrap_or(0), env.now);
        connection.syn_was_lost = record.resent;
        connection.begin_ecn(&record.ecn, record.syn_ack_timeouts());
        // Only of a SYN-ACK that was sent once is it known when.
        connection.last_sent = if record.retries == 0 { record.waits_since } else { Instant::ZERO };
        connection
    }
}
