//! Options of sockets: what [`SocketOption`] changes, on fresh, listening and connected ones alike.
//! A listener hands its settings on to the connections that it makes.

use crate::config::{Settings, TcpConfig, clamp_buffer, millis};
use crate::congestion::{Algorithm, Controller};
use crate::env::Env;
use crate::tcp::{Socket, Tcp};
use crate::timers::Timer;
use alloc::sync::Arc;
use core::time::Duration;
use stack_core::{EndpointId, Error, NicId, SocketOption, TransportCx};

/// Longest keepalive times and count, as Linux has them (`MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPCNT`).
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(32_767);
const MAX_KEEP_ALIVE_COUNT: u32 = 127;
/// Smallest and largest MSS that a socket may ask for.
const MSS_RANGE: core::ops::RangeInclusive<u16> = 88..=65_495;

impl Settings {
    fn apply(&mut self, config: &TcpConfig, option: SocketOption) -> Result<(), Error> {
        match option {
            SocketOption::ReceiveBuffer(size) => {
                self.receive_buffer = clamp_buffer(size, config.receive_buffer_max);
            }
            SocketOption::SendBuffer(size) => self.send_buffer = clamp_buffer(size, config.send_buffer_max),
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            SocketOption::ReusePort(on) => self.reuse_port = on,
            SocketOption::Mark(mark) => self.mark = mark,
            SocketOption::HopLimit(0) => return Err(Error::InvalidArgument),
            SocketOption::HopLimit(limit) => self.hop_limit = limit, // R9293-MUST-49
            // R9293-MUST-48, R9293-SHLD-21, R9293-SHLD-22
            SocketOption::TrafficClass(class) => self.traffic_class = class & !3,
            SocketOption::Linger(linger) => self.linger = linger.map(millis),
            SocketOption::NoDelay(on) => self.no_delay = on, // R9293-MUST-17
            SocketOption::KeepAlive(on) => self.keep_alive = on, // R9293-MUST-24
            SocketOption::KeepAliveIdle(time) => self.keep_alive_idle = keep_alive_time(time)?,
            SocketOption::KeepAliveInterval(time) => self.keep_alive_interval = keep_alive_time(time)?,
            SocketOption::KeepAliveCount(count @ 1..=MAX_KEEP_ALIVE_COUNT) => {
                self.keep_alive_count = count as u8;
            }
            SocketOption::KeepAliveCount(_) => return Err(Error::InvalidArgument),
            SocketOption::UserTimeout(limit) => self.user_timeout = limit.map(millis), // R9293-MUST-21
            SocketOption::MaxSegment(mss) if MSS_RANGE.contains(&mss) => self.max_segment = mss,
            SocketOption::MaxSegment(_) => return Err(Error::InvalidArgument),
            SocketOption::UrgentInline(true) => {} // always so: RFC 6093 §3.4
            _ => return Err(Error::NotSupported),
        }
        Ok(())
    }
}

fn keep_alive_time(time: Duration) -> Result<u32, Error> {
    if time.is_zero() || time > MAX_KEEP_ALIVE { Err(Error::InvalidArgument) } else { Ok(millis(time)) }
}

impl Tcp {
    /// Changes a setting of a socket.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a value out of range, [`Error::NotSupported`] for what TCP does not have,
    /// [`Error::InvalidState`] where it is too late, [`Error::UnknownEndpoint`].
    pub fn set_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        if let SocketOption::BindToNic(nic) = option {
            return self.bind_to_nic(id, nic);
        }
        match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) => Arc::make_mut(&mut fresh.settings).apply(&self.shared.config, option),
            Socket::Listener(listener) => {
                Arc::make_mut(&mut listener.settings).apply(&self.shared.config, option)
            }
            Socket::Connection(_) => self
                .with_connection(cx, id, |connection, env| connection.set_option(env, option))
                .unwrap_or(Err(Error::UnknownEndpoint)),
        }
    }

    /// Chooses the congestion control of a socket (`TCP_CONGESTION`). A connection goes on with the window that it has; what
    /// the algorithm before knew is forgotten. Connections that a listener accepts from now on have its choice.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn set_congestion(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        algorithm: Algorithm,
    ) -> Result<(), Error> {
        let settings = match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) => &mut fresh.settings,
            Socket::Listener(listener) => &mut listener.settings,
            Socket::Connection(connection) => {
                connection.congestion = Controller::new(algorithm, || cx.host.random());
                &mut connection.settings
            }
        };
        Arc::make_mut(settings).congestion = algorithm;
        Ok(())
    }

    fn bind_to_nic(&mut self, id: EndpointId, nic: Option<NicId>) -> Result<(), Error> {
        match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) if fresh.local.is_none() => {
                fresh.nic = nic;
                Ok(())
            }
            _ => Err(Error::InvalidState),
        }
    }
}

impl crate::connection::Connection {
    fn set_option(&mut self, env: &mut Env<'_, '_>, option: SocketOption) -> Result<(), Error> {
        Arc::make_mut(&mut self.settings).apply(&env.shared.config, option)?;
        match option {
            SocketOption::KeepAlive(_) | SocketOption::KeepAliveIdle(_) => self.start_keep_alive(env.now),
            SocketOption::NoDelay(true) => self.mark_ready(env),
            SocketOption::ReceiveBuffer(_) => self.rcv.buffer = self.settings.receive_buffer,
            SocketOption::SendBuffer(_) if self.has_room() => env.cx.wake(&mut self.write_waker),
            SocketOption::MaxSegment(_) => self.update_mss(),
            SocketOption::UserTimeout(limit) => {
                self.timers.clear(Timer::User);
                if limit.is_some() && self.snd.outstanding() > 0 {
                    self.start_waiting(env);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
