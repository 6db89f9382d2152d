//! Why a beacon does not do what it was asked for, each with a sentence for people.

use crate::codec::{Malformed, Reader};

/// Why a beacon refuses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[repr(u8)]
pub enum Refusal {
    /// The bytes are no message, or one that has no place here.
    #[error("the beacon did not understand the message; one side is older than the other, or broken")]
    Malformed = 1,
    /// A signature over the channel does not hold.
    #[error("the beacon did not believe the signature of this device")]
    Forged = 2,
    /// No admin has brought this circle here, or it was forgotten.
    #[error("the beacon does not know this circle yet; it will once an admin's device was connected to it")]
    UnknownCircle = 3,
    /// The device is not among those that the admins have named.
    #[error(
        "the beacon does not know this device as a member yet; it will once an admin's device was connected to it"
    )]
    NotMember = 4,
    /// The device was removed.
    #[error("this device was removed from the circle")]
    Removed = 5,
    /// Only admins may do that.
    #[error("the beacon takes this from an admin's device only")]
    NotAdmin = 6,
    /// No admin has told the beacon of this invite, or it was cancelled.
    #[error(
        "the beacon knows no such invite; it was cancelled, or was made while the beacon could not be reached"
    )]
    UnknownInvite = 7,
    /// By the beacon's clock its time is over.
    #[error("the invite has expired")]
    Expired = 8,
    /// As many devices as it is for have used it.
    #[error("the invite was used up")]
    UsedUp = 9,
    /// This device has stored another admission before.
    #[error("this device has used the invite with another admission before")]
    OtherAdmission = 10,
    /// Too much at a time.
    #[error("the beacon was asked too much at a time; it will be asked again later")]
    Busy = 11,
    /// What one device may store is used up.
    #[error(
        "this device has stored as much at the beacon as one device may; an admin's device will clear up"
    )]
    DeviceFull = 12,
    /// What one circle may store is used up.
    #[error("the circle has stored as much at the beacon as one circle may; an admin's device will clear up")]
    CircleFull = 13,
    /// It serves as many circles as it can.
    #[error("the beacon serves as many circles as it can")]
    NoRoom = 14,
    /// Its disk is full or broken.
    #[error("the beacon cannot store anything now; its disk may be full")]
    Storage = 15,
    /// It ends, or starts again.
    #[error("the beacon is ending")]
    Ending = 16,
    /// It does not know the device that a parcel is for.
    #[error("the beacon does not know the device that this is for")]
    UnknownReceiver = 17,
}

impl Refusal {
    const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Forged,
        Self::UnknownCircle,
        Self::NotMember,
        Self::Removed,
        Self::NotAdmin,
        Self::UnknownInvite,
        Self::Expired,
        Self::UsedUp,
        Self::OtherAdmission,
        Self::Busy,
        Self::DeviceFull,
        Self::CircleFull,
        Self::NoRoom,
        Self::Storage,
        Self::Ending,
        Self::UnknownReceiver,
    ];

    /// Whether the same request may be granted later, with nothing done by anybody.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Busy | Self::Storage | Self::Ending)
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let code = from.u8("refusal")?;
        Self::ALL.into_iter().find(|refusal| *refusal as u8 == code).ok_or(Malformed("refusal"))
    }
}
