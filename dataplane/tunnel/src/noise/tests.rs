//! Two judges: the published vector for the primitives, and another implementation of Noise for the messages.

use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};
use ringmesh_wire::message::{Initiation, Response};
use snow::params::NoiseParams;
use zeroize::Zeroizing;

use super::curve::Scalar;
use super::symmetric::{CONSTRUCTION, IDENTIFIER, Symmetric};
use super::{Identity, Initiated, Refused, Shared, initiate, read_static};
use crate::session::Keys;
use crate::tai64n::Tai64N;

const PSK: [u8; 32] = [0x77; 32];

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).expect("a vector is hexadecimal");
    out
}

fn public_of(private: &[u8; 32]) -> PublicKey {
    Scalar::new(private).public()
}

fn shared(private: &[u8; 32], public: &[u8; 32]) -> Result<Shared, Refused> {
    Scalar::new(private).shared(public)
}

fn identity(byte: u8) -> Identity {
    Identity::new(PrivateKey::new([byte; 32]))
}

fn stamp() -> Tai64N {
    Tai64N::from_unix(1_700_000_000, 5)
}

fn ephemeral(byte: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([byte; 32])
}

/// Reads an initiation as its responder does.
fn receive(me: &Identity, initiator: &PublicKey, message: &[u8]) -> Result<Initiated, Refused> {
    let message = Initiation::parse(message).expect("well-formed");
    let claimed = read_static(me, message)?;
    assert_eq!(claimed.peer, *initiator);
    claimed.read_timestamp(&me.shared_with(initiator)?, message)
}

/// A whole handshake between `us` and `them`, each step as it really is.
fn handshake(us_psk: [u8; 32], them_psk: [u8; 32]) -> Result<(Keys, Keys), Refused> {
    let (us, them) = (identity(1), identity(2));
    let shared = us.shared_with(&them.public())?;
    let (initiating, message) = initiate(&us, &them.public(), &shared, ephemeral(3), stamp(), 10)?;
    let initiated = receive(&them, &us.public(), &message)?;
    assert_eq!(initiated.timestamp, stamp());
    let (theirs, answer) = initiated.respond(&PresharedKey::new(them_psk), ephemeral(4), 20, 10)?;
    let answer = Response::parse(&answer).expect("well-formed");
    assert_eq!((answer.sender(), answer.receiver()), (20, 10));
    Ok((initiating.finish(&us, &PresharedKey::new(us_psk), answer)?, theirs))
}

#[test]
fn both_sides_agree_on_keys() {
    let (ours, theirs) = handshake(PSK, PSK).expect("honest");
    assert_eq!((ours.send, ours.recv), (theirs.recv, theirs.send));
    assert_ne!(ours.send, ours.recv);
}

#[test]
fn another_psk_ends_the_handshake_at_the_response() {
    assert_eq!(handshake(PSK, [0; 32]).err(), Some(Refused::Forged));
    assert!(handshake([0; 32], [0; 32]).is_ok());
}

fn params() -> NoiseParams {
    let name = std::str::from_utf8(CONSTRUCTION).expect("ASCII");
    name.parse().expect("a protocol that snow knows")
}

#[test]
fn snow_answers_our_initiation() {
    let (us, them) = (identity(1), identity(2));
    let shared = us.shared_with(&them.public()).expect("honest keys");
    let (initiating, message) =
        initiate(&us, &them.public(), &shared, ephemeral(3), stamp(), 10).expect("honest keys");
    let mut judge = snow::Builder::new(params())
        .prologue(IDENTIFIER)
        .and_then(|it| it.local_private_key(them.private().expose()))
        .and_then(|it| it.psk(2, &PSK))
        .and_then(|it| it.fixed_ephemeral_key_for_testing_only(&[4; 32]).build_responder())
        .expect("complete");
    let mut payload = [0; 100];
    let len = judge.read_message(&message[8..116], &mut payload).expect("snow opens it");
    assert_eq!(payload[..len], stamp().to_bytes());
    assert_eq!(judge.get_remote_static(), Some(&us.public().0[..]));
    let mut fields = [0; 48];
    assert_eq!(judge.write_message(&[], &mut fields), Ok(48));
    let (theirs, tag) = fields.split_at(32);
    let answer =
        Response::emit(20, 10, theirs.try_into().expect("32 bytes"), tag.try_into().expect("16 bytes"));
    let answer = Response::parse(&answer).expect("well-formed");
    let keys = initiating.finish(&us, &PresharedKey::new(PSK), answer).expect("snow is honest");
    assert_eq!(judge.dangerously_get_raw_split(), (keys.send, keys.recv));
}

#[test]
fn we_answer_snows_initiation() {
    let (us, them) = (identity(1), identity(2));
    let us_public = us.public();
    let mut judge = snow::Builder::new(params())
        .prologue(IDENTIFIER)
        .and_then(|it| it.local_private_key(them.private().expose()))
        .and_then(|it| it.remote_public_key(&us_public.0))
        .and_then(|it| it.psk(2, &PSK))
        .and_then(|it| it.fixed_ephemeral_key_for_testing_only(&[4; 32]).build_initiator())
        .expect("complete");
    let mut fields = [0; 108];
    assert_eq!(judge.write_message(&stamp().to_bytes(), &mut fields), Ok(108));
    let message = Initiation::emit(
        10,
        fields[..32].try_into().expect("32 bytes"),
        fields[32..80].try_into().expect("48 bytes"),
        fields[80..].try_into().expect("28 bytes"),
    );
    let initiated = receive(&us, &them.public(), &message).expect("snow is honest");
    assert_eq!(initiated.timestamp, stamp());
    let (keys, answer) =
        initiated.respond(&PresharedKey::new(PSK), ephemeral(3), 20, 10).expect("snow is honest");
    judge.read_message(&answer[12..60], &mut [0; 16]).expect("snow opens it");
    assert_eq!(judge.dangerously_get_raw_split(), (keys.recv, keys.send));
}

/// The cacophony vector of this protocol. Its payloads are not WireGuard's, so the pattern is spelled out here.
#[test]
fn cacophony_vector() {
    let static_private = bytes::<32>("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
    let ephemeral = bytes::<32>("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
    let responder = bytes::<32>("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62");
    let psk = PresharedKey::new(bytes("54686973206973206d7920417573747269616e20706572737065637469766521"));
    let first = bytes::<112>(concat!(
        "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944",
        "001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab50009",
        "80c84831215f2441eba616548e832985464cf17e51ee93109008399a21f7e13f",
    ));
    let second = bytes::<63>(concat!(
        "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843",
        "cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a",
    ));

    let mut state = Symmetric::new(b"John Galt", &responder);
    state.mix_ephemeral(&public_of(&ephemeral).0);
    assert_eq!(public_of(&ephemeral).0, first[..32]);
    let key = state.mix_key(shared(&ephemeral, &responder).expect("honest").as_slice());
    let mut sealed_static = [0; 48];
    state.seal(&key, &public_of(&static_private).0, &mut sealed_static);
    assert_eq!(sealed_static, first[32..80]);
    let key = state.mix_key(shared(&static_private, &responder).expect("honest").as_slice());
    let mut sealed_payload = [0; 32];
    state.seal(&key, b"Ludwig von Mises", &mut sealed_payload);
    assert_eq!(sealed_payload, first[80..]);

    let theirs = second[..32].try_into().expect("32 bytes");
    state.mix_ephemeral(theirs);
    state.mix_chain(shared(&ephemeral, theirs).expect("honest").as_slice());
    state.mix_chain(shared(&static_private, theirs).expect("honest").as_slice());
    let key = state.mix_psk(&psk);
    let mut payload = [0; 15];
    state.open(&key, &second[32..], &mut payload).expect("the vector is right");
    assert_eq!(&payload, b"Murray Rothbard");

    let [send, recv] = state.split();
    let table = [
        (send, &b"F. A. Hayek"[..], "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"),
        (recv, b"Carl Menger", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"),
    ];
    for (key, body, expected) in table {
        let key = ringmesh_crypto::Key::new(&key);
        let mut out = vec![0; body.len() + 16];
        ringmesh_crypto::seal(&mut [ringmesh_crypto::Seal {
            key: &key,
            counter: 0,
            head: &[],
            body,
            out: &mut out,
        }]);
        assert_eq!(hex::encode(out), expected);
    }
}

/// Every byte of both messages that the handshake covers.
#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let (us, them) = (identity(1), identity(2));
    let shared = us.shared_with(&them.public()).expect("honest keys");
    let (initiating, message) =
        initiate(&us, &them.public(), &shared, ephemeral(3), stamp(), 10).expect("honest keys");
    for at in 8..116 {
        let mut bad = message;
        bad[at] ^= 0x40;
        let bad = Initiation::parse(&bad).expect("well-formed");
        let read = read_static(&them, bad).and_then(|claimed| claimed.read_timestamp(&shared, bad));
        assert!(read.is_err(), "byte {at} of the initiation");
    }
    let initiated = receive(&them, &us.public(), &message).expect("honest");
    let (_, answer) = initiated.respond(&PresharedKey::new(PSK), ephemeral(4), 20, 10).expect("honest");
    for at in 12..60 {
        let mut bad = answer;
        bad[at] ^= 0x40;
        let bad = Response::parse(&bad).expect("well-formed");
        assert!(initiating.finish(&us, &PresharedKey::new(PSK), bad).is_err(), "byte {at} of the response");
    }
    let honest = Response::parse(&answer).expect("well-formed");
    assert!(initiating.finish(&us, &PresharedKey::new(PSK), honest).is_ok(), "forgeries do no harm");
}

/// Public keys of low order (RFC 7748, section 6.1): a peer must not get a key that everybody can compute.
#[test]
fn zero_shared_secrets_are_rejected() {
    let table = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let us = identity(1);
    let honest = us.shared_with(&identity(2).public()).expect("honest keys");
    for text in table {
        let low = PublicKey(bytes(text));
        assert_eq!(us.shared_with(&low).err(), Some(Refused::ZeroShared), "{text}: static");
        let begun = initiate(&us, &low, &honest, ephemeral(3), stamp(), 10);
        assert_eq!(begun.err(), Some(Refused::ZeroShared), "{text}: initiation");
        let message = Initiation::emit(1, &low.0, &[0; 48], &[0; 28]);
        let read = read_static(&us, Initiation::parse(&message).expect("well-formed"));
        assert_eq!(read.err(), Some(Refused::ZeroShared), "{text}: ephemeral");
        let (initiating, _) =
            initiate(&us, &identity(2).public(), &honest, ephemeral(3), stamp(), 10).expect("honest keys");
        let answer = Response::emit(1, 10, &low.0, &[0; 16]);
        let answer = Response::parse(&answer).expect("well-formed");
        let ended = initiating.finish(&us, &PresharedKey::new(PSK), answer);
        assert_eq!(ended.err(), Some(Refused::ZeroShared), "{text}: response");
    }
}
