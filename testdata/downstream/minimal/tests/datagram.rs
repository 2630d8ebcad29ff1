//! A datagram arrives as it was sent.

#[test]
fn a_datagram_arrives() {
    assert_eq!(minimal::through_loopback(b"hello").unwrap(), b"hello");
    let large = vec![7; 20_000];
    assert_eq!(minimal::through_loopback(&large).unwrap(), large);
}
