//! Descriptors that go from one process to another, over a unix socket (SCM_RIGHTS, unix(7)).

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// More than any message has.
const MOST: usize = 8;

/// Sends a message, and descriptors with its beginning.
pub fn send(
    mut socket: &UnixStream,
    descriptors: &[BorrowedFd<'_>],
    message: &[u8],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let parts = [IoSlice::new(message)];
    let sent = sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    socket.write_all(message.get(sent..).unwrap_or_default())
}

/// Receives what [`send`] sent: the descriptors, which programs that are started later do not get, and where the
/// message is to be read. Of what is there, up to `most` bytes are taken from the socket at once.
pub fn receive(socket: &UnixStream, most: usize) -> io::Result<(Vec<OwnedFd>, impl Read)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut beginning = vec![0; most];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut beginning)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    beginning.truncate(received.bytes);
    Ok((descriptors, io::Cursor::new(beginning).chain(socket)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;
    use crate::warm::Answer;

    #[test]
    fn a_long_message_and_its_descriptors_arrive_whole() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let message: Vec<u8> = (0..1 << 20).map(|number: u32| number as u8).collect();
        let (passed, mut peer) = UnixStream::pair().unwrap();
        let sender = thread::spawn({
            let message = message.clone();
            move || send(&ours, &[passed.as_fd(), ours.as_fd()], &message).unwrap()
        });
        let (descriptors, mut rest) = receive(&theirs, 100).unwrap();
        let mut read = Vec::new();
        rest.by_ref()
            .take(message.len() as u64)
            .read_to_end(&mut read)
            .unwrap();
        sender.join().unwrap();
        assert!(read == message);
        let [passed, _] = <[OwnedFd; 2]>::try_from(descriptors).unwrap();
        UnixStream::from(passed).write_all(b"x").unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 1);
    }

    #[test]
    fn an_acceptance_has_its_length() {
        assert_eq!(Answer::Accepted(7).encode().len(), Answer::ACCEPTANCE);
    }
}
