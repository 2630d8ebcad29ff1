//! A device on a port: frames go to and fro as they are, in a loop of the caller's.

use crate::SwitchPort;
use alloc::boxed::Box;
use core::task::Waker;
use stack_core::{
    Instant, LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, Medium, RxBatch, TxBatch,
};
use stack_wire::ethernet::HEADER_LEN;
use thiserror::Error;

/// Frames that wait for the device before further ones are dropped by their port.
const PENDING: usize = 256;

/// Why a link can't be an uplink.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum UplinkError {
    /// It carries something else.
    #[error("the link does not carry Ethernet frames; use a TAP device instead of TUN")]
    NotFrames,
    /// The switch or the link leaves checksums incomplete or frames uncut, which the other does not understand.
    #[error("an uplink carries finished frames; make the switch and the device without offload")]
    Offload,
}

/// A device and the port that it stands for. Somebody has to call [`Uplink::run`].
pub struct Uplink {
    port: (Box<dyn LinkReceive>, Box<dyn LinkTransmit>),
    device: (Box<dyn LinkReceive>, Box<dyn LinkTransmit>),
    inbound: RxBatch,
    to_port: TxBatch,
    to_device: TxBatch,
}

impl Uplink {
    /// Ties a device to a port.
    ///
    /// # Errors
    /// It carries no frames, or it or the switch offloads.
    pub fn new(port: SwitchPort, device: impl LinkEndpoint + 'static) -> Result<Self, UplinkError> {
        let (ours, theirs) = (port.capabilities(), device.capabilities());
        if theirs.medium != Medium::Ethernet {
            return Err(UplinkError::NotFrames);
        }
        if offloads(&ours) || offloads(&theirs) {
            return Err(UplinkError::Offload);
        }
        Ok(Self {
            port: Box::new(port).split(),
            device: Box::new(device).split(),
            inbound: RxBatch::new(),
            to_port: TxBatch::new(),
            to_device: TxBatch::new(),
        })
    }

    /// Moves a batch each way; returns how many frames. Zero: wait until the device is readable or a waker is woken.
    ///
    /// # Errors
    /// The device is gone.
    pub fn run(&mut self, now: Instant) -> Result<usize, LinkError> {
        self.device.0.receive(now, &mut self.inbound)?;
        let up = self.inbound.len();
        carry(&mut self.inbound, &mut self.to_port);
        self.port.1.transmit(now, &mut self.to_port)?;
        if self.to_device.len() < PENDING {
            self.port.0.receive(now, &mut self.inbound)?;
        }
        let down = self.inbound.len();
        carry(&mut self.inbound, &mut self.to_device);
        self.device.1.transmit(now, &mut self.to_device)?;
        Ok(up + down)
    }

    /// Wakes this waker when a frame comes from the switch or from the device, or the device has room again.
    pub fn register(&mut self, waker: &Waker) {
        self.port.0.register(waker);
        self.device.0.register(waker);
        self.device.1.register(waker);
    }

    /// A file descriptor that polls readable when the device has frames, if it has one.
    pub fn descriptor(&self) -> Option<i32> {
        self.device.0.descriptor()
    }
}

impl core::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Uplink").field("to_device", &self.to_device.len()).finish_non_exhaustive()
    }
}

fn offloads(of: &LinkCapabilities) -> bool {
    of.rx_checksum || of.tx_checksum || of.tso4 || of.tso6 || of.uso
}

fn carry(from: &mut RxBatch, to: &mut TxBatch) {
    for mut packet in from.drain(..) {
        let header = HEADER_LEN.min(packet.data.len());
        if to.slot().from_rx(&mut packet, header).is_none() {
            to.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Switch, SwitchConfig};
    use alloc::vec::Vec;
    use bytes::Bytes;
    use link_channel::{ChannelConfig, injector};
    use stack_core::LinkAddress;

    fn config() -> ChannelConfig {
        ChannelConfig::ethernet(LinkAddress::UNSPECIFIED, LinkAddress::UNSPECIFIED)
    }

    #[test]
    fn frames_cross_between_a_device_and_a_port() {
        let switch = Switch::new(SwitchConfig { offload: false, ..SwitchConfig::default() }, 1);
        let (device, wire) = injector(config());
        let mut uplink = Uplink::new(switch.port(), device).unwrap();
        let (mut receive, mut transmit) = Box::new(switch.port()).split();
        let frame = [&[2, 0, 0, 0, 0, 2][..], &[2, 0, 0, 0, 0, 1], b"\x08\x00from outside"].concat();
        wire.inject_bytes(Bytes::from(frame.clone())).unwrap();
        assert_eq!((uplink.run(Instant::ZERO), uplink.run(Instant::ZERO)), (Ok(1), Ok(0)));
        let mut got = Vec::new();
        receive.receive(Instant::ZERO, &mut got).unwrap();
        got[0].pull_up(99);
        assert_eq!(got[0].data, frame);

        let mut batch = TxBatch::new();
        let back = [&[2, 0, 0, 0, 0, 1][..], &[2, 0, 0, 0, 0, 2], b"\x08\x00from inside"].concat();
        batch.slot().push(Bytes::from(back.clone())).unwrap();
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(uplink.run(Instant::ZERO), Ok(1));
        assert_eq!(wire.read().unwrap().to_bytes(), back);
        drop(wire);
        assert_eq!(uplink.run(Instant::ZERO), Err(LinkError::Closed));
    }

    #[test]
    fn only_finished_frames_are_carried() {
        let plain = SwitchConfig { offload: false, ..SwitchConfig::default() };
        for (switch, device, refused) in [
            (plain, config().with_offload(), UplinkError::Offload),
            (SwitchConfig::default(), config(), UplinkError::Offload),
            (plain, ChannelConfig::default(), UplinkError::NotFrames),
        ] {
            let port = Switch::new(switch, 1).port();
            assert_eq!(Uplink::new(port, injector(device).0).err(), Some(refused));
        }
    }
}
