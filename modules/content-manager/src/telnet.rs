//! Telnet (RFC 854) as it comes: what is data, what is a command.
//!
//! Owns the place in a command between two bytes. Invariant: a client that never sends IAC never gets one, so `nc` sees no noise; once
//! one has come we offer to echo and to take characters one by one (RFC 857, RFC 858), and everything else that is offered or asked for
//! is declined. Awkward case: a peer's word on something that is as it says already is not answered, or two would answer each other for
//! ever (RFC 854, "to prevent acknowledgment loops").

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;
const IP: u8 = 244;
const BREAK: u8 = 243;
const ECHO: u8 = 1;
const SGA: u8 = 3;

/// What a byte is, with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    /// Data.
    Byte(u8),
    /// The user wants what goes on to end.
    Interrupt,
    /// A part of a command, or one that means nothing here.
    Nothing,
}

#[derive(Debug, Clone, Copy, Default)]
enum At {
    #[default]
    Data,
    Command,
    Option(u8),
    Sub,
    SubCommand,
}

/// One side of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telnet {
    at: At,
    /// The peer speaks telnet.
    pub(crate) speaks: bool,
    /// We echo: the peer sends characters as they are typed.
    pub(crate) echoes: bool,
    offered: bool,
}

impl Telnet {
    /// Offers to echo and to take single characters.
    pub(crate) fn offer(&mut self, out: &mut Vec<u8>) {
        self.speaks = true;
        if !self.offered {
            self.offered = true;
            out.extend_from_slice(&[IAC, WILL, ECHO, IAC, WILL, SGA]);
        }
    }

    /// What a byte is; what is to be answered is put into `out`.
    pub(crate) fn take(&mut self, byte: u8, out: &mut Vec<u8>) -> Got {
        let (at, got) = match (self.at, byte) {
            (At::Data, IAC) => (At::Command, Got::Nothing),
            (At::Data, byte) => (At::Data, Got::Byte(byte)),
            (At::Command, IAC) => (At::Data, Got::Byte(IAC)),
            (At::Command, WILL..=DONT) => {
                self.offer(out);
                (At::Option(byte), Got::Nothing)
            }
            (At::Command, SB) => (At::Sub, Got::Nothing),
            (At::Command, IP | BREAK) => {
                self.offer(out);
                (At::Data, Got::Interrupt)
            }
            (At::Command, _) => {
                self.offer(out);
                (At::Data, Got::Nothing)
            }
            (At::Option(verb), option) => {
                self.negotiate(verb, option, out);
                (At::Data, Got::Nothing)
            }
            (At::Sub, IAC) => (At::SubCommand, Got::Nothing),
            (At::SubCommand, SE) => (At::Data, Got::Nothing),
            (At::Sub | At::SubCommand, _) => (At::Sub, Got::Nothing),
        };
        self.at = at;
        got
    }

    fn negotiate(&mut self, verb: u8, option: u8, out: &mut Vec<u8>) {
        match (verb, option) {
            // Both were offered: this is the answer.
            (DO, ECHO) => self.echoes = true,
            (DONT, ECHO) => {
                if std::mem::take(&mut self.echoes) {
                    out.extend_from_slice(&[IAC, WONT, ECHO]);
                }
            }
            (DO | DONT | WONT, SGA) | (DONT | WONT, _) => {}
            (WILL, SGA) => out.extend_from_slice(&[IAC, DO, SGA]),
            (WILL, option) => out.extend_from_slice(&[IAC, DONT, option]),
            (_, option) => out.extend_from_slice(&[IAC, WONT, option]),
        }
    }

    /// Writes text or bytes as this peer wants them: line ends as telnet has them, and no byte taken for a command.
    pub(crate) fn write(&self, bytes: &[u8], raw: bool, out: &mut Vec<u8>) {
        if !self.speaks {
            return out.extend_from_slice(bytes);
        }
        for byte in bytes {
            match *byte {
                b'\n' if !raw => out.extend_from_slice(b"\r\n"),
                IAC => out.extend_from_slice(&[IAC, IAC]),
                byte => out.push(byte),
            }
        }
    }
}

/// Where in bytes that nobody reads yet the user asks for what goes on to end: behind the last such place. A doubled IAC is data; and a
/// peer that spoke no telnet until now says it first of all, or what looks like it is part of what it sends.
pub(crate) fn interrupt(bytes: &[u8], telnet: &Telnet) -> Option<usize> {
    if !telnet.speaks {
        return bytes.starts_with(&[IAC, IP]).then_some(2);
    }
    // As they will be read, and answered then.
    let (mut ahead, mut unsaid, mut found) = (telnet.clone(), Vec::new(), None);
    for (at, byte) in bytes.iter().enumerate() {
        match ahead.take(*byte, &mut unsaid) {
            Got::Interrupt => found = Some(at + 1),
            Got::Byte(3) if ahead.echoes => found = Some(at + 1),
            Got::Byte(_) | Got::Nothing => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn take(telnet: &mut Telnet, bytes: &[u8]) -> (Vec<u8>, usize, Vec<u8>) {
        let (mut data, mut interrupts, mut out) = (Vec::new(), 0, Vec::new());
        for byte in bytes {
            match telnet.take(*byte, &mut out) {
                Got::Byte(byte) => data.push(byte),
                Got::Interrupt => interrupts += 1,
                Got::Nothing => {}
            }
        }
        (data, interrupts, out)
    }

    const OFFER: [u8; 6] = [IAC, WILL, ECHO, IAC, WILL, SGA];

    #[test]
    fn commands_are_told_from_data() {
        for (bytes, data, interrupts, answer) in [
            (&b"ab"[..], &b"ab"[..], 0, &b""[..]),
            (&[b'a', IAC, IAC, b'b'], &[b'a', IAC, b'b'], 0, b""),
            (&[b'a', IAC, IP, b'b'], b"ab", 1, b""),
            (&[IAC, BREAK], b"", 1, b""),
            // A window's size, with a byte that is no command.
            (
                &[IAC, SB, 31, 0, IAC, IAC, 0, 24, IAC, SE, b'x'],
                b"x",
                0,
                b"",
            ),
            (&[IAC, DO, ECHO, IAC, DO, SGA], b"", 0, b""),
            (&[IAC, WILL, SGA], b"", 0, &[IAC, DO, SGA]),
            (&[IAC, WILL, 24], b"", 0, &[IAC, DONT, 24]),
            (&[IAC, DO, 24], b"", 0, &[IAC, WONT, 24]),
            (&[IAC, WONT, 24, IAC, DONT, 24], b"", 0, b""),
        ] {
            let mut telnet = Telnet::default();
            let (got, ends, out) = take(&mut telnet, bytes);
            assert_eq!((&got[..], ends), (data, interrupts), "{bytes:?}");
            let offered = out.strip_prefix(&OFFER[..]);
            assert_eq!(offered.unwrap_or_default(), answer, "{bytes:?}");
            assert_eq!(offered.is_some(), telnet.speaks, "{bytes:?}");
        }
    }

    #[test]
    fn echo_is_as_the_peer_says_and_is_not_argued_about() {
        let mut telnet = Telnet::default();
        take(&mut telnet, &[IAC, DO, ECHO]);
        assert!(telnet.echoes);
        let off = take(&mut telnet, &[IAC, DONT, ECHO]);
        assert_eq!((telnet.echoes, off.2), (false, vec![IAC, WONT, ECHO]));
        assert_eq!(take(&mut telnet, &[IAC, DONT, ECHO]).2, b"");
    }

    #[test]
    fn an_interrupt_is_found_in_what_nobody_reads() {
        for (bytes, speaks, echoes, at) in [
            (&b"abc"[..], true, true, None),
            (b"a\x03b", true, true, Some(2)),
            (b"a\x03b", true, false, None),
            (&[b'a', IAC, IP, b'b'], true, false, Some(3)),
            (&[3, IAC, IP, 3, b'b'], true, true, Some(4)),
            (&[b'a', IAC, IAC, IP, b'b'], true, true, None),
            // The option SGA has the number of ^C.
            (&[IAC, DO, SGA], true, true, None),
            (&[IAC, SB, 31, 0, 3, 0, IP, IAC, SE, b'a'], true, true, None),
            (&[b'a', IAC, BREAK, b'b'], true, false, Some(3)),
            (&[b'a', IAC], true, true, None),
            // The first that it says, or nothing that it says.
            (&[IAC, IP, b'a'], false, false, Some(2)),
            (&[b'a', IAC, IP], false, false, None),
        ] {
            let telnet = Telnet {
                speaks,
                echoes,
                ..Telnet::default()
            };
            assert_eq!(interrupt(bytes, &telnet), at, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bytes: Vec<u8>) {
            let mut telnet = Telnet::default();
            telnet.offer(&mut Vec::new());
            let mut out = Vec::new();
            telnet.write(&bytes, true, &mut out);
            let (data, interrupts, answer) = take(&mut Telnet::default(), &out);
            prop_assert_eq!((data, interrupts, answer), (bytes, 0, Vec::new()));
        }

        #[test]
        fn whoever_does_not_speak_telnet_gets_what_there_is(bytes: Vec<u8>, raw: bool) {
            let mut out = Vec::new();
            Telnet::default().write(&bytes, raw, &mut out);
            prop_assert_eq!(out, bytes);
        }
    }
}
