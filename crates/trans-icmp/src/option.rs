//! The settings of a socket; they hold from the next request on.

use crate::{Family, Icmp};
use stack_core::{EndpointId, Error, OptionName, SocketOption, TransportCx};

impl<F: Family> Icmp<F> {
    pub(crate) fn read_option(&self, id: EndpointId, name: OptionName) -> Result<SocketOption, Error> {
        let options = &self.sockets.open(id)?.options;
        Ok(match name {
            OptionName::Broadcast => SocketOption::Broadcast(options.broadcast),
            OptionName::BindToNic => SocketOption::BindToNic(options.nic),
            OptionName::Mark => SocketOption::Mark(options.mark),
            OptionName::HopLimit => SocketOption::HopLimit(options.hop_limit),
            OptionName::MulticastHopLimit => SocketOption::MulticastHopLimit(options.multicast_hop_limit),
            OptionName::MulticastLoop => SocketOption::MulticastLoop(options.multicast_loop),
            OptionName::MulticastNic => SocketOption::MulticastNic(options.multicast_nic),
            OptionName::DontFragment => SocketOption::DontFragment(options.dont_fragment),
            OptionName::ReceiveErrors => SocketOption::ReceiveErrors(options.receive_errors),
            OptionName::TrafficClass => SocketOption::TrafficClass(options.traffic_class),
            OptionName::FlowLabel => SocketOption::FlowLabel(options.flow_label),
            _ => return Err(Error::NotSupported),
        })
    }

    pub(crate) fn change_option(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        option: SocketOption,
    ) -> Result<(), Error> {
        let max_buffer = self.config.max_buffer;
        let socket = self.sockets.open_mut(id)?;
        let options = &mut socket.options;
        match option {
            SocketOption::ReceiveBuffer(bytes) => socket.receive.set_limit(bytes.min(max_buffer)),
            SocketOption::SendBuffer(bytes) => {
                socket.send.set_limit(bytes.min(max_buffer));
                if socket.send.is_below_limit() {
                    cx.wake(&mut socket.writable);
                }
            }
            SocketOption::Broadcast(on) => options.broadcast = on,
            SocketOption::BindToNic(nic) => return self.set_nic(cx, id, nic),
            SocketOption::Mark(mark) => options.mark = mark,
            // 0 would be the default in a packet, and no packet of ours may leave with it (RFC 1122 §3.2.1.7).
            SocketOption::HopLimit(0) | SocketOption::MulticastHopLimit(0) => {
                return Err(Error::InvalidArgument);
            }
            SocketOption::HopLimit(limit) => options.hop_limit = limit,
            SocketOption::MulticastHopLimit(limit) => options.multicast_hop_limit = limit,
            SocketOption::MulticastLoop(on) => options.multicast_loop = on,
            SocketOption::MulticastNic(nic) => options.multicast_nic = nic,
            SocketOption::DontFragment(on) => options.dont_fragment = on,
            SocketOption::ReceiveErrors(on) => {
                options.receive_errors = on;
                if !on {
                    socket.reports.clear();
                }
            }
            SocketOption::TrafficClass(class) => options.traffic_class = class,
            SocketOption::FlowLabel(label) if SocketOption::is_flow_label(label) => {
                options.flow_label = label
            }
            SocketOption::FlowLabel(_) => return Err(Error::InvalidArgument),
            _ => return Err(Error::NotSupported),
        }
        Ok(())
    }
}
