//! Every bound of the circle in one place: sizes on the wire, quotas per author, room for what waits.
//!
//! A circle of 10,000 devices must fit; a member whose key was stolen must not fill anybody's disk.

use crate::identity::KEY_LEN;

/// Longest body of a record, in bytes. A checkpoint is the longest kind.
pub const BODY_MAX: usize = 4096;
/// Everything of a record but its body: version, kind, circle, author, number, previous, time, length, signature.
pub const RECORD_OVERHEAD: usize = 1 + 1 + KEY_LEN + KEY_LEN + 8 + 32 + 8 + 2 + SIGNATURE_LEN;
/// Longest record, in bytes.
pub const RECORD_MAX: usize = RECORD_OVERHEAD + BODY_MAX;
/// An Ed25519 signature (RFC 8032).
pub const SIGNATURE_LEN: usize = 64;

/// Longest label of a device or circle: one DNS label (RFC 1035, section 2.3.4).
pub const LABEL_MAX: usize = 63;
/// Longest label that a person may choose; the rest is room for the suffix that tells two equal names apart.
pub const CHOSEN_MAX: usize = LABEL_MAX - SUFFIX_LEN;
/// `--` and ten hexadecimal digits of the device's identity.
pub const SUFFIX_LEN: usize = 12;

/// Most uses of one invite. More than this is a circle without invites.
pub const INVITE_USES_MAX: u16 = 1000;
/// Longest life of an invite, in seconds: 30 days. A back-dated witness reaches back no further than this.
pub const INVITE_SECS_MAX: u64 = 30 * 86_400;
/// Most beacons that one invite or circle may name.
pub const BEACONS_MAX: usize = 4;
/// Longest address of a beacon, in bytes.
pub const BEACON_URL_MAX: usize = 200;
/// Most records that a checkpoint keeps of one author: 40 bytes each within [`BODY_MAX`].
pub const KEPT_MAX: usize = 100;
const _: () = assert!(32 + 1 + KEPT_MAX * 40 <= BODY_MAX, "a full checkpoint must fit a record");

/// Records that are held of one author, by what it may do. An admin of a large circle signs for everybody.
pub const ADMIN_RECORDS_MAX: usize = 65_536;
/// As [`ADMIN_RECORDS_MAX`], of an own device that is no admin: it witnesses, grants and renames itself.
pub const MEMBER_RECORDS_MAX: usize = 8192;
/// As [`ADMIN_RECORDS_MAX`], of a guest: it names itself and says what its device allows.
pub const GUEST_RECORDS_MAX: usize = 512;
/// Bytes that are held of one author, per record that it may have: the average of an honest chain is below.
pub const RECORD_BYTES_MEAN_MAX: usize = 320;
/// Permissions that one device has in force; further ones have no effect until others are denied.
pub const LIVE_GRANTS_MAX: usize = 1024;
/// As [`LIVE_GRANTS_MAX`], of a guest.
pub const GUEST_GRANTS_MAX: usize = 64;

/// Records of all authors that wait for a predecessor or for their author's admission.
pub const PENDING_MAX: usize = 4096;
/// Records of one author that wait. A stranger may hold no more than this of anybody's memory.
pub const PENDING_PER_AUTHOR_MAX: usize = 64;

/// Most records in one message of the exchange between members.
pub const BATCH_RECORDS_MAX: usize = 256;
/// Most bytes of records in one message.
pub const BATCH_BYTES_MAX: usize = 48 * 1024;
const _: () = assert!(RECORD_MAX < BATCH_BYTES_MAX, "every record must fit a batch");
/// Most heads or wants in one message of the exchange.
pub const HEADS_MAX: usize = 512;
/// Most candidates of one device in a signal or announcement.
pub const CANDIDATES_MAX: usize = 16;
/// Longest sealed message, in bytes: a batch with what surrounds it.
pub const SEALED_MAX: usize = 64 * 1024;

/// Longest thing that a beacon keeps or passes on as one, in bytes: a sealed batch, and room to spare.
pub const ENTRY_MAX: usize = 60 * 1024;
const _: () =
    assert!(BATCH_BYTES_MAX + 2 * BATCH_RECORDS_MAX + 256 < ENTRY_MAX, "a sealed batch must fit an entry");
/// Most entries in one message to or from a beacon.
pub const ENTRIES_MAX: usize = 256;
/// Longest message between a device and a beacon, in bytes.
pub const FRAME_MAX: usize = ENTRY_MAX + 4096;
/// Longest message before a beacon knows who is talking, in bytes: a hello with the longest proof.
pub const HELLO_MAX: usize = 8192;
/// Most links of the proof that somebody is an admin.
pub const PROOF_MAX: usize = 16;
/// Longest record in such a proof: *found*, with the longest name.
pub const PROOF_RECORD_MAX: usize = RECORD_OVERHEAD + 2 + LABEL_MAX + KEY_LEN + 32;
const _: () =
    assert!(PROOF_MAX * (PROOF_RECORD_MAX + 2) + 512 < HELLO_MAX, "the longest proof must fit a hello");
/// Most devices whose standing one message to a beacon tells.
pub const ROLL_ENTRIES_MAX: usize = 1024;
/// Most invites that one message to a beacon offers or cancels.
pub const OFFERS_MAX: usize = 64;
/// Longest parcel that a beacon keeps, in bytes; one with a seal around it fits.
pub const PARCEL_BYTES_MAX: usize = 512;
/// Longest signal that a beacon passes on, in bytes.
pub const SIGNAL_BYTES_MAX: usize = 2048;
/// Most devices to which one signal goes.
pub const SIGNAL_TO_MAX: usize = 256;
