//! What the options of an inbound packet want: RFC 791 §3.1, RFC 1122 §3.2.1.8.
//!
//! An area that can't be walked is a parameter problem. A source route that is not at its end is refused (we are not
//! a stop on anybody's route, R1122-3.2.1.8-b); one at its end changes nothing any more. All others are passed
//! over, known or not (R1122-3.2.1.8-a).

use stack_core::ErrorKind;
use stack_wire::icmpv4::parameter_problem;
use stack_wire::ipv4::{Ipv4, option};

/// Looks through the options of a packet.
///
/// # Errors
/// What to tell its sender; the packet ends.
pub(crate) fn check(packet: &Ipv4<'_>) -> Result<(), ErrorKind> {
    let mut options = packet.options();
    let mut source_routes = 0;
    let mut unfinished = false;
    while let Some((kind, data)) = options.next() {
        let at = options.offset() - data.len() - 2;
        if is_source_route(kind) {
            source_routes += 1;
            if source_routes > 1 {
                return Err(problem(at)); // RFC 1122 §3.2.1.8 (c): at most one
            }
            unfinished = !route_is_finished(data).ok_or(problem(at))?;
        }
    }
    if options.malformed() {
        return Err(problem(options.offset()));
    }
    if unfinished { Err(ErrorKind::SourceRouteFailed) } else { Ok(()) }
}

/// Whether the sender has written the way that a packet takes.
pub(crate) fn has_source_route(packet: &Ipv4<'_>) -> bool {
    packet.options().any(|(kind, _)| is_source_route(kind))
}

fn is_source_route(kind: u8) -> bool {
    matches!(kind, option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE)
}

/// The pointer counts from the option's first octet, starting at 1, so 4 is the first stop; the route is at its
/// end when it points behind the option. `None` if the pointer is missing or points before the stops.
fn route_is_finished(data: &[u8]) -> Option<bool> {
    let pointer = usize::from(*data.first()?);
    if pointer < 4 { None } else { Some(pointer > data.len() + 2) }
}

fn problem(offset: usize) -> ErrorKind {
    ErrorKind::ParameterProblem { pointer: offset as u32, code: parameter_problem::POINTER }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use stack_wire::ipv4::Emit;

    fn checked(options: &[u8]) -> Result<(), ErrorKind> {
        let any = Ipv4Addr::LOCALHOST;
        let mut packet = [0; 60];
        let len = Emit { options, ..Emit::new(any, any, 17, 0) }.write(&mut packet);
        check(&Ipv4::parse(&packet[..len]).unwrap())
    }

    // R792-12-a
    #[test]
    fn options() {
        let refused = Err(ErrorKind::SourceRouteFailed);
        let lsrr = [131, 7, 4, 192, 0, 2, 1];
        let finished = [131, 7, 8, 192, 0, 2, 1];
        let twice = [&finished[..], &finished[..]].concat();
        for (situation, options, want) in [
            ("none", &[][..], Ok(())),
            ("padding", &[1, 1, 0, 99], Ok(())),
            ("R1122-3.2.1.8-a: unknown", &[0x5e, 4, 1, 2], Ok(())),
            ("router alert", &[148, 4, 0, 0], Ok(())),
            ("record route", &[7, 7, 4, 0, 0, 0, 0], Ok(())),
            ("timestamp", &[68, 8, 5, 0, 0, 0, 0, 0], Ok(())),
            ("R1122-3.2.1.8-b: unfinished route", &lsrr, refused),
            ("R1122-3.2.1.8-b: the strict kind", &[137, 7, 4, 192, 0, 2, 1], refused),
            ("route that points into its last stop", &[131, 7, 7, 192, 0, 2, 1], refused),
            ("finished route", &finished, Ok(())),
            ("two routes", &twice, Err(problem(27))),
            ("route without a pointer", &[1, 131, 2], Err(problem(21))),
            ("route that points at itself", &[131, 7, 3, 0, 0, 0, 0], Err(problem(20))),
            ("R1122-3.2.1.8-a: beyond the header", &[1, 7, 9, 4], Err(problem(21))),
            ("length 0", &[7, 0, 0, 0], Err(problem(20))),
            ("length 1", &[1, 1, 7, 1], Err(problem(22))),
        ] {
            assert_eq!(checked(options), want, "{situation}");
        }
    }
}
