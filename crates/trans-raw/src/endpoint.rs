//! The socket calls that all transports have in common. Ports of addresses mean nothing; a socket that is made here is one
//! that only sends, each packet with its header ([`IPPROTO_RAW`](crate::IPPROTO_RAW)).

use crate::Raw;
use crate::packet::SendFrame;
use crate::raw::IPPROTO_RAW;
use crate::socket::{Kind, Received};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::task::Waker;
use stack_core::{
    EndpointId, Endpoints, Error, Families, Interest, OptionName, Readiness, Shutdown, SocketOption,
    SourceFilter, TransportCx,
};
use stack_datagram::Peer;

impl Endpoints for Raw {
    fn create(&mut self, cx: &mut TransportCx<'_>, families: Families) -> Result<EndpointId, Error> {
        self.create_ip(cx, families, IPPROTO_RAW)
    }

    fn bind(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, local: SocketAddr) -> Result<(), Error> {
        self.bind_ip(cx, id, local)
    }

    fn connect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, remote: SocketAddr) -> Result<(), Error> {
        self.connect_ip(cx, id, remote)
    }

    fn read(
        &mut self,
        _: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), Error> {
        let (bytes, from) = match self.take(id)? {
            Received::Message(message) => (message.bytes, message.from),
            Received::Frame(frame) => (frame.bytes, SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
        };
        let len = buffer.iter_mut().zip(&bytes).map(|(to, from)| *to = *from).count();
        Ok((len, from))
    }

    fn write(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        match self.sockets.open(id)?.kind {
            Kind::Ip(_) => self.send_to(cx, id, bytes, to),
            Kind::Packet(_) => self.send_frame(cx, id, bytes, &SendFrame::default()),
        }
    }

    /// `Read` makes reads end after what is queued; `Write` makes writes fail. Nothing is sent.
    fn shutdown(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, how: Shutdown) -> Result<(), Error> {
        self.sockets.open_mut(id)?.base.shutdown(cx, how);
        Ok(())
    }

    /// What was written is still sent.
    fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Ok(socket) = self.sockets.open_mut(id) else { return };
        if let Ok((ip, _)) = socket.ip_mut() {
            for member in ip.groups.drain(..) {
                // An interface that is gone has no groups.
                let _ = cx.host.set_group(member.nic, member.group, Some(&SourceFilter::everything()), None);
            }
        }
        self.sockets.close(cx, id, &mut self.memory);
        self.ip_sockets.retain(|other| *other != id);
        self.packet_sockets.retain(|other| *other != id);
        self.update_taps(cx);
    }

    fn readiness(&self, id: EndpointId) -> Readiness {
        self.sockets.readiness(id)
    }

    fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker) {
        self.sockets.register(id, interest, waker);
    }

    fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let Kind::Ip(ip) = &self.sockets.open(id)?.kind else { return Err(Error::NotSupported) };
        let any = Peer::unspecified(ip.families);
        Ok(ip.local.unwrap_or(any).to_application_of_hosts(ip.families))
    }

    fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let Kind::Ip(ip) = &self.sockets.open(id)?.kind else { return Err(Error::NotSupported) };
        let peer = ip.peer.ok_or(Error::NotConnected)?;
        Ok(peer.to_application_of_hosts(ip.families))
    }

    fn set_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        self.change_option(cx, id, option)
    }

    fn option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        self.read_option(id, name)
    }

    /// Raw sockets have no errors that wait.
    fn take_error(&mut self, _: EndpointId) -> Option<Error> {
        None
    }
}
