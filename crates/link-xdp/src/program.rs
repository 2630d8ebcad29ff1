//! The program that stands at the interface: each frame goes to the socket of its queue, and to the kernel where the queue
//! has none.
//!
//! ```text
//! r2 = context->rx_queue_index
//! r1 = the map of sockets
//! r3 = XDP_PASS
//! return bpf_redirect_map(r1, r2, r3)
//! ```

/// One instruction (`struct bpf_insn`): operation, registers, offset, constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Instruction {
    operation: u8,
    /// Destination in the low half, source in the high one.
    registers: u8,
    offset: i16,
    constant: i32,
}

/// `BPF_LDX | BPF_MEM | BPF_W`: a word of memory into a register.
const LOAD_WORD: u8 = 0x61;
/// `BPF_LD | BPF_IMM | BPF_DW`: a constant of two instructions into a register.
const LOAD_LONG: u8 = 0x18;
/// `BPF_ALU64 | BPF_MOV | BPF_K`: a constant into a register.
const MOVE: u8 = 0xb7;
/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;
/// `BPF_JMP | BPF_EXIT`.
const EXIT: u8 = 0x95;
/// `BPF_PSEUDO_MAP_FD`, as the source register: the constant is a descriptor of a map.
const MAP: u8 = 1;
/// Offset of `rx_queue_index` in `struct xdp_md`.
const QUEUE_INDEX: i16 = 16;
/// `XDP_PASS`: on to the kernel.
const PASS: i32 = 2;
/// `BPF_FUNC_redirect_map`.
const REDIRECT_MAP: i32 = 51;

/// The program for a map of sockets.
pub(crate) fn redirect(map: i32) -> [Instruction; 6] {
    let instruction = |operation, destination: u8, source: u8, offset, constant| Instruction {
        operation,
        registers: source << 4 | destination,
        offset,
        constant,
    };
    [
        instruction(LOAD_WORD, 2, 1, QUEUE_INDEX, 0),
        instruction(LOAD_LONG, 1, MAP, 0, map),
        instruction(0, 0, 0, 0, 0),
        instruction(MOVE, 3, 0, 0, PASS),
        instruction(CALL, 0, 0, 0, REDIRECT_MAP),
        instruction(EXIT, 0, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_as_a_disassembler_shows_it() {
        let words = redirect(7).map(|i| (i.operation, i.registers, i.offset, i.constant));
        let want = [
            (0x61, 0x12, 16, 0),
            (0x18, 0x11, 0, 7),
            (0x00, 0x00, 0, 0),
            (0xb7, 0x03, 0, 2),
            (0x85, 0x00, 0, 51),
            (0x95, 0x00, 0, 0),
        ];
        assert_eq!(words, want);
        assert_eq!(size_of::<Instruction>(), 8);
    }
}
