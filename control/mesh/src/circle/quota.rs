//! What one author may make everybody store. A stolen key can fill its own quota and nobody else's.

use super::Refused;
use super::store::Store;
use crate::limits::{ADMIN_RECORDS_MAX, GUEST_RECORDS_MAX, MEMBER_RECORDS_MAX, RECORD_BYTES_MEAN_MAX};
use crate::record::{Record, Role};
use crate::roster::Roster;

/// Whether the author may have one record more.
pub(super) fn check(store: &Store, roster: &Roster, record: &Record) -> Result<(), Refused> {
    let Some(chain) = store.chain(&record.author()) else { return Ok(()) };
    // Cheap for all who are far below the smallest quota, which is nearly everybody.
    if chain.entries.len() < GUEST_RECORDS_MAX / 2
        && chain.bytes < GUEST_RECORDS_MAX / 2 * RECORD_BYTES_MEAN_MAX
    {
        return Ok(());
    }
    let author = record.author();
    let role = roster.members.get(&author).map(|member| member.role);
    let most = match role {
        _ if store.may_be_admin(&author) => ADMIN_RECORDS_MAX,
        Some(Role::Admin) => ADMIN_RECORDS_MAX,
        Some(Role::Member) => MEMBER_RECORDS_MAX,
        Some(Role::Guest) | None => GUEST_RECORDS_MAX,
    };
    let fits = chain.entries.len() < most && chain.bytes < most * RECORD_BYTES_MEAN_MAX;
    if fits { Ok(()) } else { Err(Refused::Quota) }
}
