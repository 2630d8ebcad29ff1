//! Setting and asking: [`SocketOption`] on fresh, listening and connected sockets alike, and what follows from a
//! change for a connection at work.

use crate::congestion::{Algorithm, Controller};
use crate::connection::Connection;
use crate::env::Env;
use crate::tcp::{Socket, Tcp};
use crate::timers::Timer;
use alloc::sync::Arc;
use stack_core::{EndpointId, Error, Families, NicId, OptionName, SocketOption, TransportCx};

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
        match option {
            SocketOption::BindToNic(nic) => return self.bind_to_nic(id, nic),
            SocketOption::V6Only(on) => return self.set_v6_only(id, on),
            _ => {}
        }
        let config = &self.shared.config;
        let settings = match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) => &mut fresh.settings,
            Socket::Listener(listener) => &mut listener.settings,
            Socket::Forwarder(forwarder) => &mut forwarder.settings,
            Socket::Connection(_) => {
                return self
                    .with_connection(cx, id, |connection, env| connection.set_option(env, option))
                    .unwrap_or(Err(Error::UnknownEndpoint));
            }
        };
        match option {
            SocketOption::QuickAck(_) => Ok(()), // a wish for the moment, and there is nothing to acknowledge
            option => Arc::make_mut(settings).apply(config, option),
        }
    }

    /// What a setting of a socket is now; buffers have the size that they have tuned themselves to.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for what TCP does not have, [`Error::UnknownEndpoint`].
    pub fn option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let config = &self.shared.config;
        let (settings, nic) = match self.sockets.get(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) => (&fresh.settings, fresh.nic),
            Socket::Listener(listener) => (&listener.settings, listener.nic),
            Socket::Forwarder(forwarder) => (&forwarder.settings, forwarder.config.nic),
            Socket::Connection(connection) => {
                if let Some(value) = connection.option(name) {
                    return Ok(value);
                }
                (&connection.settings, connection.nic)
            }
        };
        match name {
            OptionName::V6Only => Ok(SocketOption::V6Only(!settings.maps_ipv4)),
            OptionName::BindToNic => Ok(SocketOption::BindToNic(nic)),
            OptionName::QuickAck => Ok(SocketOption::QuickAck(true)),
            name => settings.value(config, name),
        }
    }

    /// Chooses the congestion control of a socket, one of our own or another one. A connection goes on with the window
    /// that it has; what the algorithm before knew is forgotten. Connections that a listener accepts from now on have its
    /// choice.
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
            Socket::Forwarder(forwarder) => &mut forwarder.settings,
            Socket::Connection(connection) => {
                connection.congestion = Controller::new(algorithm, || cx.host.random());
                &mut connection.settings
            }
        };
        Arc::make_mut(settings).congestion = algorithm;
        Ok(())
    }

    fn set_v6_only(&mut self, id: EndpointId, on: bool) -> Result<(), Error> {
        match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) if fresh.families == Families::V4 => Err(Error::AddressFamily),
            Socket::Fresh(fresh) if fresh.local.is_none() => {
                fresh.families = if on { Families::V6 } else { Families::Dual };
                Arc::make_mut(&mut fresh.settings).maps_ipv4 = !on;
                Ok(())
            }
            _ => Err(Error::InvalidState),
        }
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

impl Connection {
    fn set_option(&mut self, env: &mut Env<'_, '_>, option: SocketOption) -> Result<(), Error> {
        if let SocketOption::QuickAck(on) = option {
            self.acks.set_quick(on);
            self.mark_ready(env);
            return Ok(());
        }
        Arc::make_mut(&mut self.settings).apply(&env.shared.config, option)?;
        match option {
            SocketOption::KeepAlive(_) | SocketOption::KeepAliveIdle(_) => self.start_keep_alive(env.now),
            SocketOption::NoDelay(true) | SocketOption::Cork(false) => self.mark_ready(env),
            SocketOption::ReceiveBuffer(_) => self.rcv.buffer = self.settings.receive_buffer,
            SocketOption::SendBuffer(_) | SocketOption::NotSentLowat(_) => self.wake_writer(env),
            SocketOption::ReceiveLowat(_) => self.wake_reader(env),
            SocketOption::MaxSegment(_) | SocketOption::MtuProbing(_) => self.update_mss(),
            SocketOption::Congestion(_) => {
                let algorithm = self.settings.congestion;
                self.congestion = Controller::new(algorithm, || env.cx.host.random());
            }
            SocketOption::UserTimeout(limit) => {
                self.timers.clear(Timer::User);
                if limit.is_some() && (self.state.is_opening() || self.snd.outstanding() > 0) {
                    self.start_waiting(env);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the connection knows better than its settings.
    fn option(&self, name: OptionName) -> Option<SocketOption> {
        Some(match name {
            OptionName::ReceiveBuffer => SocketOption::ReceiveBuffer(self.rcv.buffer as usize),
            OptionName::SendBuffer => SocketOption::SendBuffer(self.send_limit() as usize),
            OptionName::MaxSegment => SocketOption::MaxSegment(self.mss),
            OptionName::QuickAck => SocketOption::QuickAck(self.acks.is_quick()),
            OptionName::Congestion => SocketOption::Congestion(self.congestion.name()),
            _ => return None,
        })
    }
}
