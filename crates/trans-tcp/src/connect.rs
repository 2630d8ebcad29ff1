//! Active open: RFC 9293 §3.9.1.1, RFC 6056. Where to, from which address and port, and a SYN.

use crate::connection::Connection;
use crate::env::Env;
use crate::pmtu::Path;
use crate::reservation::Reservation;
use crate::settings::Settings;
use crate::socket::{family_fits, scope_of};
use crate::state::Event;
use crate::tcp::{Socket, Tcp};
use crate::tuple::{Tuple, can_be_peer};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use stack_core::{Cast, EndpointId, Error, Families, NicId, PortRequest, RouteQuery, TransportCx};

impl Tcp {
    /// Connects it to a peer: [`Error::ConnectStarted`], and writability tells when it is done. The source address is
    /// chosen by the route if it is not bound to one (R9293-MUST-44).
    ///
    /// # Errors
    /// Besides [`Error::ConnectStarted`]: [`Error::AlreadyConnecting`], [`Error::AlreadyConnected`],
    /// [`Error::InvalidState`], [`Error::AddressFamily`], [`Error::NetworkUnreachable`] for addresses of many
    /// (R9293-MUST-46), [`Error::NoRoute`], [`Error::NoPortAvailable`], [`Error::PortInUse`] if there is such a
    /// connection.
    pub fn connect(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        remote: SocketAddr,
    ) -> Result<(), Error> {
        let fresh = self.fresh(id)?;
        let nic = fresh.nic.or(scope_of(remote));
        let ip = remote.ip().to_canonical();
        if !family_fits(fresh.families, ip) {
            return Err(Error::AddressFamily);
        }
        if remote.port() == 0 {
            return Err(Error::InvalidArgument);
        }
        if !can_be_peer(ip) {
            return Err(Error::NetworkUnreachable);
        }
        let bound = fresh.local.and_then(|(address, _)| address);
        if bound.is_some_and(|address| Families::of(address) != Families::of(ip)) {
            return Err(Error::AddressFamily);
        }
        let route = cx.host.route(&RouteQuery { nic, local: bound, remote: ip })?;
        if route.cast != Cast::Unicast {
            return Err(Error::NetworkUnreachable);
        }
        let remote = SocketAddr::new(ip, remote.port());
        let settings = fresh.settings.clone();
        let held = fresh.local.map(|(_, port)| (port, fresh.reservation));
        let (port, reservation) = claim(cx, id, route.local, remote, nic, held)?;
        let tuple = Tuple { local: route.local, remote: ip, local_port: port, remote_port: remote.port() };
        self.start_connect(cx, id, tuple, nic, settings, reservation, Path::new(&route));
        Err(Error::ConnectStarted)
    }

    #[expect(clippy::too_many_arguments, reason = "what a connection is made of")]
    fn start_connect(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        tuple: Tuple,
        nic: Option<NicId>,
        settings: Arc<Settings>,
        reservation: Option<Reservation>,
        path: Path,
    ) {
        let mut env = Env::new(id, cx, &mut self.shared);
        let mut connection = Box::new(Connection::new(&mut env, tuple, nic, settings));
        connection.path = path;
        connection.registered = true;
        connection.reservation = reservation;
        connection.update_mss();
        connection.syn_due = true;
        connection.event(&mut env, Event::Connect);
        connection.start_waiting(&env);
        connection.mark_ready(&mut env);
        env.counters().active_opens += 1;
        if let Some(socket) = self.sockets.get_mut(id) {
            *socket = Socket::Connection(connection);
        }
    }
}

/// Ephemeral ports that a connect tries: one that is free may still be in the host's table, as a TIME-WAIT record
/// that let its port go.
const PORT_TRIES: usize = 16;

/// Registers the connection that `id` is to become: under the port that it is bound to (`held`), or else under an
/// ephemeral one for this peer (RFC 6056).
fn claim(
    cx: &mut TransportCx<'_>,
    id: EndpointId,
    local: IpAddr,
    remote: SocketAddr,
    nic: Option<NicId>,
    held: Option<(u16, Option<Reservation>)>,
) -> Result<(u16, Option<Reservation>), Error> {
    let tuple = |port| Tuple { local, remote: remote.ip(), local_port: port, remote_port: remote.port() };
    let taken = |error| if error == Error::DuplicateAddress { Error::PortInUse } else { error };
    if let Some((port, reservation)) = held {
        cx.register(&tuple(port).identity(nic), id).map_err(taken)?;
        return Ok((port, reservation));
    }
    let families = Families::of(local);
    let request =
        PortRequest { families, local: Some(local), port: 0, remote: Some(remote), nic, shared: false };
    let reservation = Reservation::of(&request);
    for _ in 0..PORT_TRIES {
        let port = cx.reserve_port(&request)?;
        match cx.register(&tuple(port).identity(nic), id) {
            Ok(()) => return Ok((port, Some(reservation))),
            Err(error) => {
                cx.release_port(&PortRequest { port, ..request });
                if error != Error::DuplicateAddress {
                    return Err(error);
                }
            }
        }
    }
    Err(Error::NoPortAvailable)
}
